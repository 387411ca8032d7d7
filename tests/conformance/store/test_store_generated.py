"""Goal: no request makes the server fail: each is answered with Qdrant's shape and a status that
blames the right side, and the server lives on.
Method: random bodies for every operation of the OpenAPI document, valid by its schemas or spoiled,
against a collection with every kind of vector and index. MALMOI_FULL=1 sends twenty times as many."""
import json
import os
import random

import pytest

from generated_requests import Generator, TEXTS

COLLECTION = "generated"
FULL = bool(os.environ.get("MALMOI_FULL"))
# Requests that would wait for another machine, and limits that this one may be over (507).
SKIPPED = {("put", "/quotas"),
           ("put", "/collections/{collection_name}/snapshots/recover"),
           ("put", "/collections/{collection_name}/shards/{shard_id}/snapshots/recover")}


def prepare(http):
    path = f"/collections/{COLLECTION}"
    http.raw("DELETE", path)
    http("PUT", path, {
        "vectors": {"": {"size": 2, "distance": "Dot"}, "dense": {"size": 3, "distance": "Cosine"},
                    "late": {"size": 2, "distance": "Euclid",
                             "multivector_config": {"comparator": "max_sim"}}},
        "sparse_vectors": {"sparse": {"modifier": "idf"}}})
    http("PUT", f"{path}/points?wait=true", {"points": [
        {"id": i, "vector": {"": [i, 1], "dense": [1, i, 2], "late": [[i, 1], [2, i]],
                             "sparse": {"indices": [i, 50], "values": [1, 2]}},
         "payload": {"n": i, "kind": "ab"[i % 2], "text": f"word{i} common", "list": [i, "x"],
                     "at": "2024-01-05T10:00:00Z", "place": {"lon": i, "lat": 1}}}
        for i in range(12)]})
    for field, kind in (("n", "integer"), ("kind", "keyword"), ("at", "datetime"),
                        ("place", "geo"), ("text", {"type": "text", "scoring": True})):
        http("PUT", f"{path}/index?wait=true", {"field_name": field, "field_schema": kind})


def operations(document, skipped=SKIPPED):
    for pattern, item in document["paths"].items():
        for method, operation in item.items():
            if method not in ("get", "put", "post", "patch", "delete"):
                continue
            if (method, pattern) not in skipped and "upload" not in pattern:
                body = operation.get("requestBody", {}).get("content", {}).get("application/json")
                yield method, pattern, body and body["schema"]


def path_of(method, pattern, rng):
    name = COLLECTION if rng.random() < 0.95 else "absent"
    if pattern == "/collections/{collection_name}" and method in ("put", "delete"):
        name = "made"  # The one under test stays.
    names = {"{collection_name}": name,
             "{id}": rng.choice(["1", "7", "x", TEXTS[-3]]), "{shard_id}": rng.choice("01x"),
             "{field_name}": rng.choice(["n", "kind", "absent"]), "{vector_name}": "extra",
             "{snapshot_name}": "absent.snapshot", "{peer_id}": "1"}
    for name, value in names.items():
        pattern = pattern.replace(name, value)
    query = [q for q in ("wait=true", "timeout=5", "timeout=0", "wait=no", "consistency=majority",
                         "ordering=weak") if rng.random() < 0.08]
    return pattern + ("?" + "&".join(query) if query else "")


@pytest.mark.parametrize("spoil", [False, True], ids=["valid", "spoiled"])
def test_every_operation_survives_random_requests(http, openapi, spoil):
    if openapi is None:
        print("skipped: generated requests: no OpenAPI document (MALMOI_SHARED)")
        pytest.skip("no OpenAPI document")
    document, rng = openapi.document, random.Random(17 + spoil)
    generator, accepted, bodies = Generator(document, 23 + spoil), 0, 0
    prepare(http)
    for round_ in range(400 if FULL else 20):
        for method, pattern, schema in operations(document):
            body = generator.value(schema) if schema else None
            if spoil and schema:
                body = generator.spoiled(body)
            path = path_of(method, pattern, rng)
            status, text, _ = http.raw(method.upper(), path, body)
            shown = (method, path, json.dumps(body)[:2000], status, text[:500])
            assert status < 500, shown
            bodies += schema is not None
            accepted += schema is not None and status < 300
            if text[:1] != b"{":
                continue
            answer = json.loads(text)
            if status >= 400:
                assert isinstance(answer["status"]["error"], str) and "time" in answer, shown
            problem = None
            if found := openapi.find(method, path.split("?")[0], status):
                problem = openapi.problem(found, answer, "$")
            assert problem is None, (problem, *shown)
        if http.raw("GET", f"/collections/{COLLECTION}")[0] != 200 or round_ % 10 == 9:
            prepare(http)
    assert spoil or accepted > bodies / 5, (accepted, bodies)  # The valid ones are mostly taken.
    assert http.raw("GET", "/healthz")[0] == 200
