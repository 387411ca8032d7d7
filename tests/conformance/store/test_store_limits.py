"""Goal: a memory budget holds, and what reaches it or a quota is refused with 507, while deletions,
reads and everything that was there go on.
Method: a store whose budget is smaller than the points sent to it, one whose budget is used up from
the start, and quotas that this machine is over."""
import json
import random

import pytest

from store_process import Http, Store

DIM = 384


def body(first, count, vectors):
    points = ",".join(f'{{"id":{first + i},"vector":{vectors[i % len(vectors)]},"payload":{{"n":{i}}}}}'
                      for i in range(count))
    return f'{{"points":[{points}]}}'.encode()


def anonymous(pid):
    with open(f"/proc/{pid}/statm") as file:
        resident, shared = (int(x) for x in file.read().split()[1:3])
    return (resident - shared) * 4096


def test_more_points_than_memory(malmoi_binary, openapi, tmp_path, full):
    budget, batches = 160, 400 if full else 120  # MiB; 1.5 MB of vectors a batch.
    rng = random.Random(1)
    vectors = [json.dumps([round(rng.uniform(-1, 1), 6) for _ in range(DIM)]) for _ in range(50)]
    with Store(malmoi_binary, tmp_path, arguments=("--memory-budget", str(budget))) as store:
        http, most = Http(store.url, openapi), 0
        http("PUT", "/collections/c", {"vectors": {"size": DIM, "distance": "Dot"},
                                       "optimizers_config": {"indexing_threshold": 0}})
        for batch in range(batches):
            status, text, _ = http.raw("PUT", "/collections/c/points?wait=true",
                                       body(batch * 1000, 1000, vectors))
            assert status == 200, text
            most = max(most, anonymous(store.process.pid))
        count = http.result("POST", "/collections/c/points/count", {"exact": True})["count"]
        assert count == batches * 1000
        # A request's own body and answer are beside it.
        assert most < (budget + 48) << 20, most >> 20
        found = http.result("POST", "/collections/c/points/query",
                            {"query": json.loads(vectors[0]), "limit": 1})
        assert found["points"][0]["id"] % 1000 % 50 == 0


@pytest.mark.parametrize("wire", ["rest", "grpc"])
def test_a_budget_that_is_used_up(malmoi_binary, tmp_path, wire):
    from qdrant_client import QdrantClient, models
    with Store(malmoi_binary, tmp_path) as store:
        client = store.client("rest", QdrantClient)
        client.create_collection("c", vectors_config=models.VectorParams(size=2, distance="Dot"))
        client.upsert("c", [models.PointStruct(id=i, vector=[i, 1], payload={}) for i in range(4)])
    with Store(malmoi_binary, tmp_path, arguments=("--memory-budget", "1")) as store:
        client = store.client(wire, QdrantClient)
        with pytest.raises(Exception) as refused:
            client.upsert("c", [models.PointStruct(id=9, vector=[1, 1], payload={})])
        assert "Insufficient storage: the memory budget of 1" in str(refused.value)
        assert ("507" if wire == "rest" else "RESOURCE_EXHAUSTED") in str(refused.value)
        client.delete("c", [3])
        assert client.count("c").count == 3
        assert [p.id for p in client.query_points("c", [1, 0]).points] == [2, 1, 0]


def test_quotas_are_enforced_and_kept(malmoi_binary, openapi, tmp_path):
    point = {"points": [{"id": 1, "vector": [1, 1], "payload": {}}]}
    with Store(malmoi_binary, tmp_path) as store:
        http = Http(store.url, openapi)
        http("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})
        usage = http.result("GET", "/quotas")["usage"]
        assert 0 <= usage["resident_memory_percent"] < 100 and 0 < usage["disk_usage_percent"] <= 100
        http("PUT", "/quotas", {"max_disk_usage_percent": 1})  # Not enabled.
        http("PUT", "/collections/c/points?wait=true", point)
        http("PUT", "/quotas", {"enabled": True, "max_disk_usage_percent": 1,
                                "release_margin_percent": 0})
    with Store(malmoi_binary, tmp_path) as store:
        http = Http(store.url, openapi)
        assert http.result("GET", "/quotas")["config"] == {
            "enabled": True, "max_disk_usage_percent": 1, "release_margin_percent": 0}
        for method, path, sent in (("PUT", "points?wait=true", point),
                                   ("POST", "points/payload", {"payload": {"a": 1}, "points": [1]})):
            status, text = http.error(method, f"/collections/c/{path}", sent)
            assert status == 507 and text.startswith("Insufficient storage: Disk usage is at"), text
        http("POST", "/collections/c/points/delete?wait=true", {"points": [1]})
        http("PUT", "/quotas", {"enabled": False})
        http("PUT", "/collections/c/points?wait=true", point)
        status, text = http.error("PUT", "/quotas", {"enabled": True, "max_disk_usage_percent": 101})
        assert status == 422 and "max_disk_usage_percent" in text


def test_a_context_without_pairs_finds_all_points_that_have_the_vector(http, collection):
    path = collection({"a": {"size": 2, "distance": "Dot"}, "b": {"size": 2, "distance": "Dot"}})
    http("PUT", f"{path}/points?wait=true", {"points": [
        {"id": i, "vector": {"ab"[i % 2]: [1, i]}, "payload": {"n": i}} for i in range(6)]})

    def found(**more):
        body = {"query": {"context": []}, "using": "a", **more}
        return [(p["id"], p["score"]) for p in http.result("POST", f"{path}/points/query", body)["points"]]

    assert sorted(found()) == [(0, 0), (2, 0), (4, 0)]  # As qdrant-edge-py 0.9.0.
    assert sorted(found(filter={"must": {"key": "n", "range": {"gte": 2}}})) == [(2, 0), (4, 0)]
    assert found(score_threshold=0.1) == []
    assert len(found(limit=2)) == 2
    assert sorted(found(prefetch={"query": [1, 1], "using": "a", "limit": 2})) == [(2, 0), (4, 0)]
