"""Goal: rerankers, classifiers and SPLADE models are served as text-embeddings-inference serves
them, alone and several in one server.
Method: tiny models with random weights; answers are checked against raw scores and each other."""
import math

import pytest

import tiny_models

QUERY = "What is deep learning?"
TEXTS = ["cheese is made of milk", "neural networks with many layers", "the sky is blue"]
LABELS = ["bad", "good", "neutral"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {"reranker": tiny_models.write(root / "reranker", "classifier", ["LABEL_0"]),
            "classifier": tiny_models.write(root / "classifier", "classifier", LABELS),
            "splade": tiny_models.write(root / "splade", "splade")}


@pytest.fixture(scope="module")
def reranker(serve, folders):
    with serve("--model-id", folders["reranker"]) as server:
        yield server


@pytest.fixture(scope="module")
def classifier(serve, folders):
    with serve("--model-id", folders["classifier"]) as server:
        yield server


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_rerank(reranker):
    raw = reranker.json("/rerank", {"query": QUERY, "texts": TEXTS, "raw_scores": True})
    assert sorted(r["index"] for r in raw) == [0, 1, 2] and "text" not in raw[0]
    assert [r["score"] for r in raw] == sorted((r["score"] for r in raw), reverse=True)
    ranks = reranker.json("/rerank", {"query": QUERY, "texts": TEXTS, "return_text": True})
    assert [r["score"] for r in ranks] == pytest.approx([sigmoid(r["score"]) for r in raw], abs=1e-6)
    assert all(r["text"] == TEXTS[r["index"]] for r in ranks)
    for path in ("/", "/invocations"):
        assert reranker.json(path, {"query": QUERY, "texts": TEXTS, "return_text": True}) == ranks
    assert reranker.json("/vertex", {"instances": [{"query": QUERY, "texts": TEXTS,
                                                    "raw_scores": True}]}) == {"predictions": [raw]}
    # Equal scores: the later text first.
    assert [r["index"] for r in reranker.json(
        "/rerank", {"query": QUERY, "texts": [TEXTS[0]] * 3})] == [2, 1, 0]
    pair = reranker.json("/predict", {"inputs": [[QUERY, TEXTS[1]]], "raw_scores": True})
    assert pair == [[{"score": next(r["score"] for r in raw if r["index"] == 1),
                      "label": "LABEL_0"}]]
    info = reranker.json("/info")["model_type"]
    assert info == {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}}
    assert reranker.json("/embed", {"inputs": "a"}, expect=424) == {
        "error": "Backend error: Model is not an embedding model", "error_type": "Backend"}


def test_rerank_of_cohere_and_jina(reranker):
    ranks = reranker.json("/rerank", {"query": QUERY, "texts": TEXTS})
    expected = [(r["index"], r["score"]) for r in ranks]
    first = reranker.json("/v1/rerank", {"query": QUERY, "model": "m", "top_n": 2,
                                         "documents": [TEXTS[0], {"text": TEXTS[1]}, TEXTS[2]]})
    assert [(r["index"], r["relevance_score"]) for r in first["results"]] == expected[:2]
    assert first["results"][0]["document"] == {"text": TEXTS[expected[0][0]]}
    assert first["usage"]["total_tokens"] > 0
    second = reranker.json("/v2/rerank", {"query": QUERY, "model": "m", "documents": TEXTS})
    assert [(r["index"], r["relevance_score"]) for r in second["results"]] == expected
    assert "document" not in second["results"][0] and second["id"]
    assert reranker.json("/v2/rerank", {"query": QUERY, "documents": []}, expect=400)["code"] == 400


def test_predict(classifier):
    raw = classifier.json("/predict", {"inputs": "a good film", "raw_scores": True})
    scores = classifier.json("/predict", {"inputs": "a good film"})
    assert {r["label"] for r in raw} == set(LABELS)
    assert [r["score"] for r in raw] == sorted((r["score"] for r in raw), reverse=True)
    total = sum(math.exp(r["score"]) for r in raw)
    assert [r["score"] for r in scores] == pytest.approx(
        [math.exp(r["score"]) / total for r in raw], abs=1e-6)
    batch = classifier.json("/predict", {"inputs": [["a good film"], ["a", "bad film"]]})
    assert batch[0] == scores and batch[1] != scores and len(batch[1]) == 3
    assert classifier.json("/predict", {"inputs": ["a", "bad film"]}) == batch[1]  # A pair.
    assert classifier.json("/", {"inputs": "a good film"}) == scores
    info = classifier.json("/info")["model_type"]["classifier"]
    assert info["id2label"] == {"0": "bad", "1": "good", "2": "neutral"}
    assert classifier.json("/rerank", {"query": "a", "texts": ["b"]}, expect=424)["error"] == (
        "Backend error: model is not a re-ranker model")
    status, _, text = classifier.send("/predict", {"inputs": [["a", "b", "c"]]})
    assert status == 422 and b"invalid length 3, expected a string, a pair of strings" in text


def test_pairs_are_cut_longest_first(reranker):
    long = "very " * 200
    assert reranker.json("/rerank", {"query": QUERY, "texts": [long]}) == reranker.json(
        "/rerank", {"query": QUERY, "texts": ["very " * 100]})
    error = reranker.json("/rerank", {"query": QUERY, "texts": [long], "truncate": False},
                          expect=422)
    assert error == {"error": "Input validation error: `inputs` must have less than 64 tokens. "
                              "Given: 208", "error_type": "Validation"}


def test_splade(serve, folders):
    with serve("--model-id", folders["splade"], "--pooling", "splade") as server:
        rows = server.json("/embed_sparse", {"inputs": [TEXTS[0], QUERY]})
        assert len(rows) == 2
        for row in rows:
            assert [e["index"] for e in row] == sorted({e["index"] for e in row})
            assert all(e["value"] > 0 for e in row) and row[-1]["index"] < len(tiny_models.WORDS)
        assert server.json("/", {"inputs": TEXTS[0]}) == [rows[0]]
        assert server.json("/info")["model_type"] == {"embedding": {"pooling": "splade"}}
        assert server.json("/embed", {"inputs": "a"}, expect=424)["error"] == (
            "Backend error: `normalize` is not available for SPLADE models")
        assert server.json("/embed_all", {"inputs": "a"}, expect=424)["error"] == (
            "Backend error: `embed_all` is not available for SPLADE models")


def test_several_models_in_one_server(serve, folders):
    with serve("--model-id", "all-MiniLM-L6-v2", "--model-id", folders["reranker"],
               "--model-id", folders["classifier"], "--served-model-name", "embedder",
               "--served-model-name", "ranker") as server:
        assert [m["id"] for m in server.json("/v1/models")["data"]] == [
            "embedder", "ranker", str(folders["classifier"])]
        assert len(server.json("/embed", {"inputs": "a"})[0]) == 384
        assert len(server.json("/rerank", {"query": "a", "texts": TEXTS})) == 3
        assert len(server.json("/predict", {"inputs": "a"})) == 3
        named = server.json("/predict", {"inputs": "a", "model": "ranker"})
        assert [p["label"] for p in named] == ["LABEL_0"]
        assert server.json("/v1/embeddings", {"input": "a", "model": "embedder"})["model"] == (
            "embedder")
        error = server.json("/v1/embeddings", {"input": "a", "model": "other"}, expect=404)
        assert error["code"] == 404 and "embedder, ranker" in error["message"]
        assert server.json("/info?model=ranker")["served_model_name"] == "ranker"
