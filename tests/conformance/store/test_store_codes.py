"""Vectors kept as codes: the turbo datatypes, and recall under every kind of quantization_config and
its search parameters. Oracles: sums over the vectors that were sent, and over those read back."""
import datetime

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as M

ERRORS = {"turbo4": 0.107, "turbo8": 0.012, "turbo16": 5e-5}  # Relative, at most.
KINDS = {
    "scalar": {"scalar": {"type": "int8", "quantile": 0.99}},
    "product x4": {"product": {"compression": "x4"}},
    "product x64": {"product": {"compression": "x64", "always_ram": True}},
    "binary": {"binary": {}},
    "binary 1.5": {"binary": {"encoding": "one_and_half_bits", "query_encoding": "scalar4bits"}},
    "binary 2": {"binary": {"encoding": "two_bits", "query_encoding": "scalar8bits"}},
    **{f"turbo {bits}": {"turbo": {"bits": bits}}
       for bits in ("bits1", "bits1_5", "bits2", "bits4", "bits8")},
}
PARAMS = [{}, {"quantization": {"rescore": True, "oversampling": 2.0}},
          {"quantization": {"rescore": False}}, {"quantization": {"ignore": True}}]


def scores(distance, query, rows):
    if distance == "Cosine":
        return rows @ query / np.linalg.norm(query) / np.linalg.norm(rows, axis=1)
    if distance == "Dot":
        return rows @ query
    if distance == "Euclid":
        return np.linalg.norm(rows - query, axis=1)
    return np.abs(rows - query).sum(axis=1)


@pytest.mark.parametrize("wire", ["rest", "grpc"])
@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
def test_turbo_vectors_are_near_what_was_sent_and_scored_as_read(store, wire, distance):
    rng = np.random.default_rng(7)
    sent = rng.standard_normal((60, 96)).astype(np.float32)
    query = rng.standard_normal(96).astype(np.float32)
    client = store.client(wire, QdrantClient)
    name = f"turbo_{wire}_{distance}"
    client.create_collection(name, vectors_config={
        datatype: M.VectorParams(size=96, distance=distance, datatype=datatype)
        for datatype in ERRORS})
    client.upsert(name, [M.PointStruct(id=i, vector={d: v.tolist() for d in ERRORS})
                         for i, v in enumerate(sent)])
    wanted = sent / np.linalg.norm(sent, axis=1, keepdims=True) if distance == "Cosine" else sent
    records = sorted(client.retrieve(name, list(range(60)), with_vectors=True), key=lambda r: r.id)
    for datatype, most in ERRORS.items():
        shown = client.get_collection(name).config.params.vectors[datatype].datatype
        assert shown == M.Datatype(datatype)
        read = np.array([r.vector[datatype] for r in records])
        error = np.linalg.norm(read - wanted) / np.linalg.norm(wanted)
        assert most / 10 < error < most, (datatype, error)
        hits = client.query_points(name, query.tolist(), using=datatype, limit=60).points
        expected = scores(distance, query, read)
        for hit in hits:
            assert hit.score == pytest.approx(expected[hit.id], rel=1e-4, abs=1e-4)
        order = [expected[hit.id] for hit in hits]
        rising = distance in ("Euclid", "Manhattan")
        assert np.all(np.diff(order) >= -1e-3 if rising else np.diff(order) <= 1e-3)
    client.delete_collection(name)


@pytest.mark.parametrize("kind", KINDS)
def test_every_quantization_finds_what_an_exact_search_finds(http, collection, kind):
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((40, 64))
    rows = centres[rng.integers(40, size=3000)] + 0.6 * rng.standard_normal((3000, 64))
    path = collection({"size": 64, "distance": "Cosine", "quantization_config": KINDS[kind]},
                      optimizers_config={"indexing_threshold": 100})
    for at in range(0, 3000, 1000):
        http("PUT", f"{path}/points?wait=true", {"batch": {
            "ids": list(range(at, at + 1000)), "vectors": rows[at:at + 1000].round(4).tolist()}})
    queries = [rows[i * 97] + 0.3 * rng.standard_normal(64) for i in range(20)]
    for params in PARAMS:
        found, true_scores = 0, 0
        for query in queries:
            body = {"query": query.tolist(), "limit": 10, "params": params}
            best = scores("Cosine", query, rows)
            exact = set(np.argsort(-best)[:10].tolist())
            hits = http.result("POST", f"{path}/points/query", body)["points"]
            assert len(hits) == 10
            found += len(exact & {hit["id"] for hit in hits})
            true_scores += sum(abs(hit["score"] - best[hit["id"]]) < 1e-3 for hit in hits)
        assert found / 200 >= 0.95, (kind, params, found)
        assert true_scores == 200, (kind, params)  # Also where nothing was to be scored again.


def test_nested_index_asks_each_object(http, collection):
    path = collection()
    payloads = [{"offers": [{"price": 1}, {"left": 2}]}, {"offers": [{"price": 1}]}, {"offers": []},
                {}]
    http("PUT", f"{path}/points?wait=true", {"points": [
        {"id": i, "vector": [1, 0, 0, 0], "payload": p} for i, p in enumerate(payloads)]})

    def empty():
        page = http.result("POST", f"{path}/points/scroll", {"filter": {"must": {
            "is_empty": {"key": "offers[].price"}}}})
        return [p["id"] for p in page["points"]]

    def index(field, nested, status=200):
        return http("PUT", f"{path}/index?wait=true", {"field_name": field, "field_schema": {
            "type": "integer", "nested": nested}}, status)

    assert empty() == [2, 3]
    index("offers[].price", "offers")
    assert empty() == [0]
    http("DELETE", f"{path}/index/offers[].price?wait=true")
    assert empty() == [2, 3]
    for field, nested in (("offers", "offers"), ("price", "offers"), ("a[].b[].c", "a[].b")):
        assert "Validation failed: " in index(field, nested, 400)["status"]["error"]
    index("offers[].price", "a[", 400)


def test_members_of_1_20(http, collection):
    path = collection(optimizers_config={"max_optimization_threads": "auto"},
                      id_tracker={"memory": "cached"})
    info = http.result("GET", path)
    age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(
        info["created_at"].replace("Z", "+00:00"))
    assert datetime.timedelta(seconds=-5) < age < datetime.timedelta(minutes=10)
    assert info["config"]["params"]["id_tracker"] == {"memory": "cached"}
    assert info["config"]["optimizer_config"]["max_optimization_threads"] is None
    http("PATCH", path, {"params": {"id_tracker": {"memory": "pinned"}}})
    assert http.result("GET", path)["config"]["params"]["id_tracker"] == {"memory": "pinned"}
    assert http.result("GET", path)["created_at"] == info["created_at"]
