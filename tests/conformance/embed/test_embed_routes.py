"""Goal: every route answers as text-embeddings-inference 1.9.3 documents it, with its defaults.
Method: a server of all-MiniLM-L6-v2; answers are checked against each other, and against the
interface's own OpenAPI document where ../shared has it."""
import base64
import json
import math
import struct
import threading

import pytest

from published import fits, resolve

TEXTS = ["What is Deep Learning?", "서울의 봄", "a much longer sentence about nothing in particular"]


def length(vector):
    return math.sqrt(sum(v * v for v in vector))


def test_embed_forms_agree(minilm):
    one = minilm.json("/embed", {"inputs": TEXTS[0]})
    assert len(one) == 1 and len(one[0]) == 384
    assert length(one[0]) == pytest.approx(1, abs=1e-5)
    assert minilm.json("/embed", {"inputs": [TEXTS[0]]}) == one
    assert minilm.json("/embed", {"inputs": TEXTS})[0] == one[0]
    assert minilm.json("/", {"inputs": TEXTS[0]}) == one
    assert minilm.json("/invocations", {"inputs": TEXTS[0]}) == one
    assert minilm.json("/vertex", {"instances": [{"inputs": TEXTS[0]}] * 2}) == {
        "predictions": [one, one]}
    ids = [token["id"] for token in minilm.json("/tokenize", {"inputs": TEXTS[0]})[0]]
    assert minilm.json("/embed", {"inputs": ids}) == one
    assert minilm.json("/embed", {"inputs": [ids, TEXTS[0]]}) == [one[0], one[0]]


def test_embed_parameters(minilm):
    one = minilm.json("/embed", {"inputs": TEXTS[0]})[0]
    raw = minilm.json("/embed", {"inputs": TEXTS[0], "normalize": False})[0]
    assert abs(length(raw) - 1) > 0.01
    assert [v / length(raw) for v in raw] == pytest.approx(one, abs=1e-6)
    cut = minilm.json("/embed", {"inputs": TEXTS[0], "dimensions": 64})[0]
    assert len(cut) == 64
    assert cut == pytest.approx([v / length(one[:64]) for v in one[:64]], abs=1e-6)
    long = " ".join(str(i) for i in range(2000))
    right = minilm.json("/embed", {"inputs": long})
    left = minilm.json("/embed", {"inputs": long, "truncation_direction": "Left"})
    assert right != left
    assert right == minilm.json("/embed", {"inputs": long + " more", "truncation_direction": "right",
                                           "truncate": True, "unknown": 1, "prompt_name": None})
    _, headers, _ = minilm.send("/embed", {"inputs": [long, TEXTS[0]]})
    assert headers["x-compute-tokens"] == str(256 + 7)
    assert headers["x-compute-characters"] == str(len(long) + len(TEXTS[0]))
    for name in ("x-compute-time", "x-total-time", "x-tokenization-time", "x-queue-time",
                 "x-inference-time"):
        assert headers[name].isdigit()
    assert headers["x-compute-type"]


def test_all_tokens_mean_to_the_vector(minilm):
    rows = minilm.json("/embed_all", {"inputs": TEXTS})
    raw = minilm.json("/embed", {"inputs": TEXTS, "normalize": False})
    for tokens, vector in zip(rows, raw):
        means = [sum(column) / len(tokens) for column in zip(*tokens)]
        assert means == pytest.approx(vector, abs=1e-5)


def test_similarity(minilm):
    request = {"inputs": {"source_sentence": TEXTS[0], "sentences": [TEXTS[0], TEXTS[1]]}}
    same, other = minilm.json("/similarity", request)
    assert same == pytest.approx(1, abs=1e-6) and other < 0.6
    a, b = minilm.json("/embed", {"inputs": TEXTS[:2]})
    assert other == pytest.approx(sum(x * y for x, y in zip(a, b)), abs=1e-6)
    minilm.json("/similarity", {**request, "parameters": {"truncate": True}})


def test_tokenize_and_decode(minilm):
    text = "Héllo, wörld!"
    tokens = minilm.json("/tokenize", {"inputs": text})[0]
    assert tokens[0] == {"id": 101, "text": "[CLS]", "special": True, "start": None, "stop": None}
    encoded = text.encode()
    for token in tokens[1:-1]:
        assert token["text"].encode() == encoded[token["start"]:token["stop"]]
    bare = minilm.json("/tokenize", {"inputs": [text], "add_special_tokens": False})[0]
    assert bare == tokens[1:-1]
    ids = [token["id"] for token in tokens]
    assert minilm.json("/decode", {"ids": ids}) == ["hello, world!"]
    assert minilm.json("/decode", {"ids": [ids], "skip_special_tokens": False}) == [
        "[CLS] hello, world! [SEP]"]


def test_openai(minilm):
    one = minilm.json("/embed", {"inputs": TEXTS[0]})[0]
    for path in ("/v1/embeddings", "/embeddings"):
        answer = minilm.json(path, {"input": TEXTS[:2], "model": "any", "user": "u"})
        assert answer["object"] == "list" and answer["model"] == "all-MiniLM-L6-v2"
        assert [item["index"] for item in answer["data"]] == [0, 1]
        assert answer["data"][0]["embedding"] == one
        assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 7
    packed = minilm.json("/v1/embeddings", {"input": TEXTS[0], "encoding_format": "base64"})
    data = base64.b64decode(packed["data"][0]["embedding"])
    assert list(struct.unpack(f"<{len(one)}f", data)) == pytest.approx(one, abs=0, rel=1e-7)
    small = minilm.json("/v1/embeddings", {"input": TEXTS[0], "dimensions": 8})
    assert len(small["data"][0]["embedding"]) == 8
    models = minilm.json("/v1/models")
    assert [m["id"] for m in models["data"]] == ["all-MiniLM-L6-v2"]
    assert minilm.json("/v1/models/all-MiniLM-L6-v2")["object"] == "model"
    assert minilm.send("/v1/models/other")[0] == 404


def test_ollama(minilm):
    one = minilm.json("/embed", {"inputs": TEXTS[0]})[0]
    answer = minilm.json("/api/embed", {"model": "m", "input": TEXTS[:2], "keep_alive": "5m"})
    assert answer["embeddings"][0] == one and answer["model"] == "m"
    assert answer["prompt_eval_count"] > 7
    assert minilm.json("/api/embeddings", {"model": "m", "prompt": TEXTS[0]}) == {"embedding": one}
    assert minilm.json("/api/embed", {"model": "m", "input": []})["embeddings"] == []


def test_info_health_and_documents(minilm):
    info = minilm.json("/info")
    assert info["model_id"] == "all-MiniLM-L6-v2" and info["max_input_length"] == 256
    assert info["model_type"] == {"embedding": {"pooling": "mean"}}
    assert (info["max_concurrent_requests"], info["max_client_batch_size"]) == (512, 32)
    assert (info["max_batch_tokens"], info["auto_truncate"]) == (16384, True)
    for path in ("/health", "/ping", "/"):
        status, _, body = minilm.send(path)
        assert (status, body) == (200, b"")
    assert "openapi" in minilm.json("/api-doc/openapi.json")
    assert b"<html" in minilm.send("/docs")[2]


def test_metrics(minilm):
    minilm.json("/embed", {"inputs": TEXTS})
    text = minilm.send("/metrics")[2].decode()
    for name in ("te_request_count", "te_request_success", "te_embed_count", "te_embed_success",
                 "te_queue_size", "te_request_duration_bucket", "te_embed_queue_duration_sum",
                 "te_request_tokenization_duration_count", "te_request_inference_duration_bucket",
                 "te_request_input_length_bucket", "te_batch_next_size_bucket",
                 "te_batch_next_tokens_bucket"):
        assert f"\n{name}" in text, name
    assert 'te_request_count{method="batch"}' in text


def test_cross_origin_and_methods(minilm):
    status, headers, _ = minilm.send("/embed", method="OPTIONS", headers={
        "Origin": "http://page", "Access-Control-Request-Method": "POST"})
    assert status == 200 and headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-methods"] == "GET,POST"
    assert headers["access-control-allow-headers"] == "content-type"
    assert minilm.send("/embed")[0] == 405
    assert minilm.send("/nothing")[0] == 404
    assert minilm.send("/embed", {"inputs": "a"})[1]["access-control-allow-origin"] == "*"


def test_one_text_has_the_same_bits_beside_others(minilm):
    expected = minilm.json("/embed", {"inputs": TEXTS[0]})[0]
    answers, failures = [], []

    def client(seed):
        for i in range(12):
            others = [f"{seed} {i} " + "word " * ((seed * 31 + i * 7) % 120) for _ in range(i % 5)]
            got = minilm.send("/embed", {"inputs": [TEXTS[0], *others]})
            answers.append(json.loads(got[2])[0]) if got[0] == 200 else failures.append(got)

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(answers) == 96
    assert all(answer == expected for answer in answers)


def test_answers_fit_the_published_document(minilm, shared_folder):
    path = shared_folder / "specs" / "tei-openapi.json"
    if not path.exists():
        pytest.skip("the interface's document is absent: specs/tei-openapi.json")
    document = json.loads(path.read_text())
    exchanges = {
        "/embed": {"inputs": TEXTS}, "/embed_all": {"inputs": TEXTS},
        "/similarity": {"inputs": {"source_sentence": "a", "sentences": TEXTS}},
        "/tokenize": {"inputs": TEXTS}, "/decode": {"ids": [[101, 102]]},
        "/v1/embeddings": {"input": TEXTS}, "/info": None}
    for route, body in exchanges.items():
        operation = document["paths"][route]["get" if body is None else "post"]
        content = operation["responses"]["200"]["content"]["application/json"]
        assert fits(minilm.json(route, body), resolve(content["schema"], document)), route
    errors = resolve(document["components"]["schemas"]["ErrorResponse"], document)
    assert fits(minilm.json("/embed", {"inputs": []}, expect=400), errors)
    assert fits(minilm.json("/rerank", {"query": "a", "texts": ["b"]}, expect=424), errors)


def test_more_inputs_than_a_batch_are_split(minilm, serve):
    texts = [f"text {i} " + "word " * (i % 7) for i in range(150)]
    rows = minilm.json("/embed", {"inputs": texts})
    for i in (0, 31, 32, 149):
        assert rows[i] == minilm.json("/embed", {"inputs": texts[i]})[0]
    assert len(minilm.json("/v1/embeddings", {"input": ["a"] * 1024})["data"]) == 1024
    with serve("--model-id", "all-MiniLM-L6-v2", "--max-client-batch-size", "4") as server:
        assert len(server.json("/embed", {"inputs": texts[:4]})) == 4
        assert server.json("/embed", {"inputs": texts[:5]}, expect=422)["error"] == (
            "batch size 5 > maximum allowed batch size 4")
