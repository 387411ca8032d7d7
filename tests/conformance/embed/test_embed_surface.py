"""Goal: every route of the document that text-embeddings-inference publishes takes each form of
request that it allows, answers in the form that it states, and refuses every other type of each
member with a status that it states.
Method: requests are made from the document's schemas, for models of the four kinds."""
import copy
import json
import pathlib
import re

import pytest

import tiny_models
from published import fits, instances, resolve

# Who answers a route: the kinds of models that text-embeddings-inference serves it for.
KINDS = {"/embed": "embedder", "/embed_all": "embedder", "/embed_sparse": "splade",
         "/rerank": "reranker", "/predict": "classifier", "/similarity": "embedder",
         "/tokenize": "embedder", "/decode": "embedder", "/v1/embeddings": "embedder",
         "/info": "embedder", "/health": "embedder", "/metrics": "embedder"}
STRANGE = (None, True, 5, -1, 1.5, 1e300, "x", [], [None], [[]], [[[1]]], {}, {"a": 1})
DURATIONS = ("total", "tokenization", "queue", "inference")


@pytest.fixture(scope="module")
def document(shared_folder):
    path = shared_folder / "specs" / "tei-openapi.json"
    if not path.exists():
        pytest.skip("the interface's document is absent: specs/tei-openapi.json")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def servers(serve, tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    folders = {"embedder": tiny_models.write(root / "embedder", "splade"),
               "splade": tiny_models.write(root / "splade", "splade"),
               "reranker": tiny_models.write(root / "reranker", "classifier", ["LABEL_0"]),
               "classifier": tiny_models.write(root / "classifier", "classifier", ["no", "yes"])}
    more = {"embedder": ("--pooling", "mean"), "splade": ("--pooling", "splade")}
    running = {}
    try:
        for kind, folder in folders.items():
            running[kind] = serve("--model-id", folder, *more.get(kind, ())).__enter__()
        yield running
    finally:
        for server in running.values():
            server.__exit__()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody")
            schema = body and body["content"]["application/json"]["schema"]
            answer = operation["responses"]["200"].get("content", {})
            yield (path, method.upper(), schema and resolve(schema, document),
                   resolve(answer.get("application/json", {}).get("schema"), document),
                   {int(status) for status in operation["responses"]})


def allowed(path, body):
    """Whether a value that fits the schema is also one that is served: prompts need a model with
    prompts."""
    members = {**body, **(body.get("parameters") or {})}
    return members.get("prompt_name") is None


def test_every_allowed_request_is_answered_as_stated(servers, document):
    seen = set()
    for path, method, request, answer, _ in operations(document):
        server = servers[KINDS[path]]
        for body in [None] if request is None else instances(request):
            if body is not None and not allowed(path, body):
                continue
            status, headers, data = server.send(path, body, method=method)
            assert status == 200, (path, body, status, data)
            if answer is not None:
                assert fits(json.loads(data), answer), (path, body, data)
            seen.add(path)
    assert seen == set(document["paths"])


def test_other_types_are_refused_with_stated_statuses(servers, document):
    schemas = document["components"]["schemas"]
    count = 0
    for path, method, request, _, statuses in operations(document):
        if request is None:
            continue
        server, least = servers[KINDS[path]], next(instances(request))
        errors = resolve(schemas["OpenAICompatErrorResponse" if path.startswith("/v1/")
                                 else "ErrorResponse"], document)
        for name, member in request["properties"].items():
            for strange in STRANGE:
                body = {**copy.deepcopy(least), name: strange}
                good = fits(strange, member)
                status, headers, data = server.send(path, body)
                assert status in statuses - ({429, 424} if good else {200, 424, 429}), (body, data)
                if status != 200 and headers["content-type"].startswith("application/json"):
                    value = json.loads(data)
                    if "code" in value:  # On the wire the member has another name than there.
                        value["error_type"] = value.pop("type")
                    assert fits(value, errors), (path, data)
                count += 1
        for name in request.get("required", ()):
            body = {key: value for key, value in least.items() if key != name}
            assert server.send(path, body)[0] == 422, (path, body)
    assert count > 300
    for server in servers.values():
        assert server.send("/health")[0] == 200


def test_headers_and_names_of_metrics(servers):
    _, headers, _ = servers["embedder"].send("/embed", {"inputs": "deep learning"})
    assert headers["x-compute-type"] == "gpu+optimized" and headers["x-compute-characters"] == "13"
    for name in ("x-compute-time", "x-compute-tokens", "x-total-time", "x-tokenization-time",
                 "x-queue-time", "x-inference-time"):
        assert headers[name].isdigit(), name
    servers["classifier"].json("/predict", {"inputs": "deep learning"})
    servers["embedder"].json("/embed", {"inputs": []}, expect=400)
    nothing = {"inputs": {"source_sentence": "deep learning", "sentences": []}}
    servers["embedder"].json("/similarity", nothing, expect=400)
    for kind, work in (("embedder", "embed"), ("classifier", "predict")):
        text = servers[kind].send("/metrics")[2].decode()
        names = ["te_request_count", "te_request_success", f"te_{work}_count",
                 f"te_{work}_success", "te_queue_size", "te_request_input_length_bucket",
                 "te_batch_next_size_bucket", "te_batch_next_tokens_bucket"]
        for what in ("request", work):
            names += [f"te_{what}_{'' if d == 'total' else d + '_'}duration_bucket" for d in DURATIONS]
        for name in names:
            assert f"\n{name}" in text, (kind, name)
    text = servers["embedder"].send("/metrics")[2].decode()
    for error in ("tokenization", "validation"):  # As [] is no list of inputs, but one of no ids.
        assert f'te_request_failure{{err="{error}"}}' in text, error


def members_of(proto):
    """Names and numbers of a .proto in the published list's words."""
    out = {}
    for kind, name, body in re.findall(r"\b(message|service|enum)\s+(\w+)\s*\{((?:[^{}]|\{[^{}]*\})*)\}",
                                       re.sub(r"//.*", "", proto)):
        if kind == "service":
            calls = re.findall(r"rpc\s+(\w+)\s*\(\s*(stream )?\s*(\w+)\s*\)\s*returns\s*"
                               r"\(\s*(stream )?\s*(\w+)", body)
            out[name] = {f"{call}: {several and 'stream of '}{taken} -> "
                         f"{streamed and 'stream of '}{given}"
                         for call, several, taken, streamed, given in calls}
        elif kind == "enum":
            out[name] = {f"{n}: {value}" for value, n in re.findall(r"(\w+)\s*=\s*(\d+)", body)}
        else:
            out[name] = {f"{n}: {field} : {form}" for form, field, n in re.findall(
                r"((?:optional |repeated )?[\w.]+)\s+(\w+)\s*=\s*(\d+)", body)}
    return out


def test_grpc_names_and_numbers(shared_folder):
    path = shared_folder / "specs" / "tei-grpc.md"
    if not path.exists():
        pytest.skip("the interface's document is absent: specs/tei-grpc.md")
    published, name = {}, None
    for line in path.read_text().splitlines():
        if found := re.match(r"## (?:service|message|enum) (\w+)", line):
            name = found.group(1)
            published[name] = set()
        elif line.startswith("- ") and name:
            published[name].add(line[2:].strip())
    ours = members_of((pathlib.Path(__file__).parents[3] / "src/rpc/tei/tei.proto").read_text())
    assert len(published) >= 30
    for name, members in published.items():
        assert ours[name] == members, name
