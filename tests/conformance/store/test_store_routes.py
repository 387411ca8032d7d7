"""Goal: every route answers in Qdrant's shape, and wrong requests with its status and text.
Method: plain HTTP; responses validated against the OpenAPI document."""
import json

import pytest

POINTS = [
    {"id": 1, "vector": [0.1, 0.2, 0.3, 0.4], "payload": {"city": "Seoul", "n": 1, "tags": ["a"]}},
    {"id": 2, "vector": [0.4, 0.3, 0.2, 0.1], "payload": {"city": "Busan", "n": 2, "tags": ["b"]}},
    {"id": 3, "vector": [0.9, 0.1, 0.1, 0.1], "payload": {"city": "Seoul", "n": 3, "tags": []}},
    {"id": "0b0e2f0e-3c5a-4b8f-9a3e-000000000004", "vector": [0.5, 0.5, 0.5, 0.5],
     "payload": {"city": "Jeju", "n": 4.5, "tags": ["a", "b"], "place": {"lon": 126.5, "lat": 33.5}}},
]


@pytest.fixture
def filled(http, collection):
    path = collection()
    http("PUT", f"{path}/points?wait=true", {"points": POINTS})
    return path


def ids(points):
    return [p["id"] for p in points]


def test_service_routes(http):
    root = http("GET", "/")
    assert root["title"].startswith("qdrant") and root["version"].startswith("1.20")
    assert http("GET", "/healthz") == b"healthz check passed"
    assert http("GET", "/readyz") == b"all shards are ready"
    assert http.result("GET", "/cluster") == {"status": "disabled"}
    for level in (0, 1, 3, 6):
        http("GET", f"/telemetry?details_level={level}")
    metrics = http.raw("GET", "/metrics")[1]
    for name in (b"collections_total", b"rest_responses_total{", b"grpc_responses_total",
                 b"rest_responses_duration_seconds_bucket{", b"memory_resident_bytes"):
        assert name in metrics
    http("GET", "/issues")
    http("DELETE", "/issues")
    http("PUT", "/quotas", {"enabled": False, "max_disk_usage_percent": 90})
    assert http.result("GET", "/quotas")["config"]["max_disk_usage_percent"] == 90
    assert http.error("POST", "/cluster/recover")[0] == 405
    assert http.raw("GET", "/nothing/here")[0] == 404


def test_collection_life(http, collection):
    path = collection(sparse_vectors={"words": {"modifier": "idf"}}, metadata={"owner": "me"},
                      vectors={"a": {"size": 3, "distance": "Cosine", "on_disk": True},
                               "m": {"size": 2, "distance": "Euclid",
                                     "multivector_config": {"comparator": "max_sim"}}})
    info = http.result("GET", path)
    assert info["status"] == "green" and info["points_count"] == 0
    params = info["config"]["params"]
    assert params["vectors"]["a"] == {"size": 3, "distance": "Cosine", "on_disk": True}
    assert params["sparse_vectors"]["words"]["modifier"] == "idf"
    assert info["config"]["metadata"] == {"owner": "me"}
    assert info["config"]["hnsw_config"]["m"] == 16
    name = path.rsplit("/", 1)[1]
    assert name in [c["name"] for c in http.result("GET", "/collections")["collections"]]
    assert http.result("GET", f"{path}/exists") == {"exists": True}
    http("PATCH", path, {"optimizers_config": {"indexing_threshold": 5},
                         "vectors": {"a": {"hnsw_config": {"m": 32}}},
                         "params": {"replication_factor": 2}, "metadata": {"more": 1}})
    info = http.result("GET", path)
    assert info["config"]["optimizer_config"]["indexing_threshold"] == 5
    assert info["config"]["params"]["vectors"]["a"]["hnsw_config"] == {"m": 32}
    assert info["config"]["params"]["replication_factor"] == 2
    assert info["config"]["metadata"] == {"owner": "me", "more": 1}
    http("GET", f"{path}/optimizations")
    http("GET", f"{path}/cluster")
    http("PUT", f"{path}/vectors/extra?wait=true", {"dense": {"size": 2, "distance": "Dot"}})
    assert "extra" in http.result("GET", path)["config"]["params"]["vectors"]
    http("DELETE", f"{path}/vectors/extra?wait=true")
    assert http.result("DELETE", path) is True
    assert http.result("DELETE", path) is False
    assert http.error("GET", path) == (404, f"Not found: Collection `{name}` doesn't exist!")


@pytest.mark.parametrize("body, status, text", [
    ({"vectors": {"size": 0, "distance": "Dot"}}, 422, "size: value 0 invalid"),
    ({"vectors": {"size": 70000, "distance": "Dot"}}, 422, "must be from 1 to 65536"),
    ({"vectors": {"size": 4, "distance": "Far"}}, 400, "Format error in JSON body"),
    ({"vectors": {"distance": "Dot"}}, 400, "Format error in JSON body"),
    ({"vectors": {"size": "4", "distance": "Dot"}}, 400, "Format error in JSON body"),
    ({"vectors": {}, "hnsw_config": {"ef_construct": 1}}, 422,
     "hnsw_config.ef_construct: value 1 invalid, must be 4 or larger"),
    ({"vectors": {}, "quantization_config": {"scalar": {"type": "int8", "quantile": 2}}}, 422,
     "quantile"),
    ({"vectors": {"x": {"size": 1, "distance": "Dot"}}, "sparse_vectors": {"x": {}}}, 400,
     "Dense and sparse vector names must be unique"),
])
def test_collections_that_are_refused(http, body, status, text):
    got, error = http.error("PUT", "/collections/refused", body)
    assert got == status and text in error, (got, error)
    assert http.result("GET", "/collections/refused/exists") == {"exists": False}


def test_names_and_bodies_that_are_refused(http, collection):
    path = collection()
    assert http.error("PUT", path, {"vectors": {}})[0] == 409
    got, error = http.error("PUT", "/collections/a%3Cb", {"vectors": {}})
    assert got == 422 and 'collection name cannot contain "<" char' in error
    for body in (b"", b"{", b"[1,", b"nonsense", b'{"vectors": ' + b"[" * 2000):
        got, text, _ = http.raw("PUT", "/collections/x", body)
        assert got == 400 and b"Format error in JSON body" in text, (body[:20], got, text)


def test_aliases(http, filled):
    name = filled.rsplit("/", 1)[1]
    action = {"create_alias": {"collection_name": name, "alias_name": "by_alias"}}
    http("POST", "/collections/aliases", {"actions": [action]})
    assert http.result("POST", "/collections/by_alias/points/count", {})["count"] == 4
    assert {"alias_name": "by_alias", "collection_name": name} in \
        http.result("GET", "/aliases")["aliases"]
    http("POST", "/collections/aliases", {"actions": [
        {"rename_alias": {"old_alias_name": "by_alias", "new_alias_name": "other"}}]})
    assert [a["alias_name"] for a in http.result("GET", f"{filled}/aliases")["aliases"]] == ["other"]
    missing = {"create_alias": {"collection_name": "none", "alias_name": "x"}}
    assert http.error("POST", "/collections/aliases", {"actions": [missing]})[0] == 404
    http("POST", "/collections/aliases", {"actions": [{"delete_alias": {"alias_name": "other"}}]})
    assert http.result("GET", f"{filled}/aliases")["aliases"] == []


def test_points_are_written_and_read(http, filled):
    answer = http("PUT", f"{filled}/points", {"batch": {
        "ids": [5, 6], "vectors": [[1, 0, 0, 0], [0, 1, 0, 0]], "payloads": [None, {"n": 6}]}})
    assert answer["result"]["status"] == "acknowledged"
    one = http.result("GET", f"{filled}/points/6")
    assert one == {"id": 6, "payload": {"n": 6}, "vector": [0.0, 1.0, 0.0, 0.0]}
    assert http.error("GET", f"{filled}/points/77") == \
        (404, "Not found: Point with id 77 does not exists!")
    assert http.error("GET", f"{filled}/points/x")[0] == 400
    got = http.result("POST", f"{filled}/points", {"ids": [2, 1, 99], "with_payload": ["city"],
                                                   "with_vector": False})
    assert sorted(ids(got)) == [1, 2] and got[0]["payload"].keys() == {"city"}
    page = http.result("POST", f"{filled}/points/scroll", {"limit": 2})
    assert ids(page["points"]) == [1, 2] and page["next_page_offset"] == 3
    page = http.result("POST", f"{filled}/points/scroll", {"limit": 10, "offset": 3})
    assert len(page["points"]) == 4 and page["next_page_offset"] is None
    http("POST", f"{filled}/points/delete?wait=true", {"points": [5, 6]})
    assert http.result("POST", f"{filled}/points/count", {"exact": True}) == {"count": 4}


@pytest.mark.parametrize("body, status, text", [
    ({"points": [{"id": 1, "vector": [1, 2]}]}, 400,
     "Wrong input: Vector dimension error: expected dim: 4, got 2"),
    ({"points": [{"id": 1, "vector": {"none": [1, 2, 3, 4]}}]}, 400,
     "Wrong input: Not existing vector name error: none"),
    ({"points": [{"id": "x", "vector": [1, 2, 3, 4]}]}, 400,
     "value x is not a valid point ID, valid values are either an unsigned integer or a UUID"),
    ({"points": [{"id": -1, "vector": [1, 2, 3, 4]}]}, 400, "is not a valid point ID"),
    ({"points": [{"id": 1}]}, 400, "missing field `vector`"),
    ({"points": [{"id": 1, "vector": []}]}, 422, "dense vector must not be empty"),
    ({"points": [{"id": 1, "vector": "x"}]}, 400, "untagged enum VectorStruct"),
    ({"points": [{"id": 1, "vector": [1, 2, 3, 4], "payload": [1]}]}, 400, "Format error"),
    ({"batch": {"ids": [1, 2], "vectors": [[1, 2, 3, 4]]}}, 422,
     "number of ids and vectors must be equal (2 != 1)"),
    ({"nothing": 1}, 400, "Invalid PointInsertOperations format"),
])
def test_points_that_are_refused(http, filled, body, status, text):
    got, error = http.error("PUT", f"{filled}/points?wait=true", body)
    assert got == status and text in error, (got, error)
    assert http.result("POST", f"{filled}/points/count", {})["count"] == 4


def test_payload_operations(http, filled):
    def payload(point=1):
        return http.result("GET", f"{filled}/points/{point}")["payload"]

    wait = "?wait=true"
    http("POST", f"{filled}/points/payload{wait}", {"payload": {"new": 1}, "points": [1]})
    assert payload()["new"] == 1 and payload()["city"] == "Seoul"
    http("POST", f"{filled}/points/payload{wait}",
         {"payload": {"deep": True}, "points": [1], "key": "inner"})
    assert payload()["inner"] == {"deep": True}
    http("POST", f"{filled}/points/payload/delete{wait}", {"keys": ["new", "inner.deep"],
                                                           "points": [1]})
    assert "new" not in payload() and payload()["inner"] == {}
    http("PUT", f"{filled}/points/payload{wait}", {"payload": {"only": 1}, "points": [1]})
    assert payload() == {"only": 1}
    http("POST", f"{filled}/points/payload/clear{wait}",
         {"filter": {"must": [{"key": "city", "match": {"value": "Busan"}}]}})
    assert payload(2) == {}
    assert http.error("POST", f"{filled}/points/payload", {"payload": {"x": 1}})[0] == 400
    results = http.result("POST", f"{filled}/points/batch{wait}", {"operations": [
        {"upsert": {"points": [{"id": 9, "vector": [1, 1, 1, 1]}]}},
        {"set_payload": {"payload": {"x": 1}, "points": [9]}},
        {"update_vectors": {"points": [{"id": 9, "vector": [2, 2, 2, 2]}]}},
        {"delete_payload": {"keys": ["x"], "points": [9]}},
        {"delete": {"points": [9]}}]})
    assert [r["status"] for r in results] == ["completed"] * 5


def test_filters_and_facets(http, filled):
    def count(**filter):
        return http.result("POST", f"{filled}/points/count", {"filter": filter})["count"]

    seoul = {"key": "city", "match": {"value": "Seoul"}}
    assert count(must=[seoul]) == 2 and count(must_not=seoul) == 2
    assert count(must={"key": "n", "range": {"gte": 2, "lt": 4}}) == 2
    assert count(must=[{"key": "tags", "match": {"any": ["b"]}}]) == 2
    assert count(must=[{"is_empty": {"key": "tags"}}]) == 1
    assert count(must=[{"has_id": [1, 3]}], should=[seoul]) == 2
    assert count(must=[{"key": "tags", "values_count": {"gt": 1}}]) == 1
    assert count(must=[{"key": "place", "geo_radius": {"center": {"lon": 126.5, "lat": 33.5},
                                                       "radius": 100}}]) == 1
    assert count(min_should={"conditions": [seoul, {"key": "n", "range": {"gt": 2}}],
                             "min_count": 2}) == 1
    got, error = http.error("POST", f"{filled}/points/count", {"filter": {"must": [{"key": "x"}]}})
    assert got == 422, error
    assert http.error("POST", f"{filled}/points/count", {"filter": {"mustt": []}})[0] == 400
    got, error = http.error("POST", f"{filled}/facet", {"key": "city"})
    assert got == 400 and "No appropriate index for faceting: `city`" in error
    http("PUT", f"{filled}/index?wait=true", {"field_name": "city", "field_schema": "keyword"})
    hits = http.result("POST", f"{filled}/facet", {"key": "city", "exact": True})["hits"]
    assert hits[0] == {"value": "Seoul", "count": 2} and len(hits) == 3
    schema = http.result("GET", filled)["payload_schema"]["city"]
    assert schema["data_type"] == "keyword" and schema["points"] == 4
    got, error = http.error("POST", f"{filled}/points/scroll", {"order_by": "n"})
    assert got == 400 and "No range index for `order_by` key: `n`" in error
    http("PUT", f"{filled}/index?wait=true", {"field_name": "n", "field_schema": {"type": "float"}})
    page = http.result("POST", f"{filled}/points/scroll",
                       {"order_by": {"key": "n", "direction": "desc"}})
    assert [p["order_value"] for p in page["points"]] == [4.5, 3, 2, 1]
    http("DELETE", f"{filled}/index/n?wait=true")
    assert "n" not in http.result("GET", filled)["payload_schema"]


def test_queries(http, filled):
    def query(**body):
        return http.result("POST", f"{filled}/points/query", body)["points"]

    vector = [1.0, 0.0, 0.0, 0.0]
    assert ids(query(query=vector, limit=2)) == [3, POINTS[3]["id"]]
    assert 1 not in ids(query(query=1)) and len(query(query=1)) == 3
    assert ids(query(query={"recommend": {"positive": [3], "negative": [1]}}))[0] == POINTS[3]["id"]
    for strategy in ("average_vector", "best_score", "sum_scores"):
        found = query(query={"recommend": {"positive": [1], "strategy": strategy}})
        assert len(found) == 3
    assert len(query(query={"discover": {"target": 1, "context": {"positive": 2, "negative": 3}}})) == 1
    assert len(query(query={"context": [{"positive": 2, "negative": 3}]})) == 2
    assert len(query(query={"sample": "random"}, limit=3)) == 3
    assert len(query()) == 4
    fused = query(prefetch=[{"query": vector}, {"query": [0, 1, 0, 0], "limit": 2}],
                  query={"fusion": "rrf"})
    assert len(fused) == 4
    assert len(query(prefetch={"query": vector}, query={"fusion": "dbsf"}, limit=2)) == 2
    assert len(query(prefetch=[{"query": vector}] * 2, query={"rrf": {"k": 60, "weights": [1, 2]}})) == 4
    boosted = query(prefetch={"query": vector}, query={"formula": {"sum": [
        "$score", {"mult": [10, {"key": "city", "match": {"value": "Busan"}}]}]}})
    assert boosted[0]["id"] == 2 and boosted[0]["score"] == pytest.approx(10.4)
    assert len(query(query={"nearest": vector, "mmr": {"diversity": 0.5}}, limit=2)) == 2
    with_all = query(query=vector, limit=1, with_payload=True, with_vector=True)[0]
    assert with_all["payload"]["city"] == "Seoul" and len(with_all["vector"]) == 4
    groups = http.result("POST", f"{filled}/points/query/groups",
                         {"query": vector, "group_by": "city", "group_size": 1})["groups"]
    assert [g["id"] for g in groups] == ["Seoul", "Jeju", "Busan"]
    batch = http.result("POST", f"{filled}/points/query/batch",
                        {"searches": [{"query": vector, "limit": 1}, {"query": 2, "limit": 1}]})
    assert [len(b["points"]) for b in batch] == [1, 1]
    pairs = http.result("POST", f"{filled}/points/search/matrix/pairs", {"sample": 4, "limit": 2})
    assert len(pairs["pairs"]) == 8
    offsets = http.result("POST", f"{filled}/points/search/matrix/offsets", {"sample": 4, "limit": 1})
    assert len(offsets["ids"]) == 4 and len(offsets["scores"]) == 4


def test_old_query_routes(http, filled):
    found = http.result("POST", f"{filled}/points/search", {"vector": [1, 0, 0, 0], "limit": 1})
    assert ids(found) == [3]
    found = http.result("POST", f"{filled}/points/recommend", {"positive": [1], "limit": 10})
    assert len(found) == 3
    found = http.result("POST", f"{filled}/points/discover",
                        {"target": 1, "context": [{"positive": 2, "negative": 3}], "limit": 2})
    assert len(found) == 1
    assert len(http.result("POST", f"{filled}/points/search/batch",
                           {"searches": [{"vector": [1, 0, 0, 0], "limit": 1}] * 2})) == 2
    groups = http.result("POST", f"{filled}/points/search/groups", {
        "vector": [1, 0, 0, 0], "group_by": "city", "group_size": 2, "limit": 2})
    assert len(groups["groups"]) == 2


@pytest.mark.parametrize("body, status, text", [
    ({"query": [1, 2]}, 400, "Wrong input: Vector dimension error: expected dim: 4, got 2"),
    ({"query": 100}, 404, "Not found: No point with id 100 found"),
    ({"query": [1, 2, 3, 4], "limit": 0}, 422,
     "Validation error in JSON body: [internal.limit: value 0 invalid, must be 1 or larger]"),
    ({"query": [1, 2, 3, 4], "using": "none"}, 400, "Not existing vector name error: none"),
    ({"query": {"fusion": "rrf"}}, 400, "cannot apply Fusion without prefetches"),
    ({"prefetch": {"query": [1, 2, 3, 4]}}, 400, "A query is needed to merge the prefetches"),
    ({"query": {"unknown": 1}}, 400, "Expected some form of vector, id, or a type of query"),
    ({"query": {"recommend": {}}}, 422, "At least one positive or negative vector/id"),
    ({"query": [1, 2, 3, 4], "params": {"hnsw_ef": 0}}, 422, "hnsw_ef: value 0 invalid"),
    ({"query": {"nearest": [1, 2, 3, 4], "mmr": {"diversity": 2}}}, 422, "diversity"),
    ({"score_threshold": 1}, 400, "A query is needed to use the score_threshold"),
    ({"query": {"indices": [1], "values": [1.0]}}, 400, "Conversion between sparse and regular"),
])
def test_queries_that_are_refused(http, filled, body, status, text):
    got, error = http.error("POST", f"{filled}/points/query", body)
    assert got == status and text in error, (got, error)


def test_strict_mode(http, collection):
    path = collection(strict_mode_config={
        "enabled": True, "max_query_limit": 5, "unindexed_filtering_retrieve": False,
        "upsert_max_batchsize": 2, "search_allow_exact": False, "max_timeout": 2})
    points = [{"id": i, "vector": [1, 2, 3, 4]} for i in range(3)]
    got, error = http.error("PUT", f"{path}/points", {"points": points})
    assert got == 400 and 'Limit exceeded 3 > 2 for "upsert limit"' in error
    http("PUT", f"{path}/points", {"points": points[:2]})
    query = {"query": [1, 2, 3, 4]}
    assert 'Limit exceeded 10 > 5 for "limit"' in http.error("POST", f"{path}/points/query", query)[1]
    filtered = {**query, "limit": 2, "filter": {"must": [{"key": "c", "match": {"value": "x"}}]}}
    got, error = http.error("POST", f"{path}/points/query", filtered)
    assert 'Index required but not found for "c" of one of the following types: [keyword]' in error
    exact = {**query, "limit": 2, "params": {"exact": True}}
    assert "Exact search disabled!" in http.error("POST", f"{path}/points/query", exact)[1]
    assert http.error("POST", f"{path}/points/query?timeout=9", {**query, "limit": 1})[0] == 400


def test_rate_limit_says_when_to_retry(http, collection):
    path = collection(strict_mode_config={"enabled": True, "read_rate_limit": 2})
    for _ in range(2):
        http("POST", f"{path}/points/scroll", {})
    got, text, headers = http.raw("POST", f"{path}/points/scroll", {})
    assert got == 429 and int(headers["Retry-After"]) > 0, text
    assert "Rate limiting exceeded: Read rate limit exceeded" in json.loads(text)["status"]["error"]


def test_bm25_documents(http, collection):
    path = collection(vectors={}, sparse_vectors={"text": {"modifier": "idf"}})
    texts = ["the quick brown fox", "a lazy dog sleeps", "foxes are quick animals", "서울에서 부산까지"]
    points = [{"id": i, "vector": {"text": {"text": t, "model": "qdrant/bm25",
                                            "options": {"tokenizer": "multilingual"}}}}
              for i, t in enumerate(texts)]
    answer = http("PUT", f"{path}/points?wait=true", {"points": points})
    assert answer["usage"]["inference"]["models"]["qdrant/bm25"]["tokens"] > 5
    for question, best in (("fox", {0, 2}), ("dogs", {1}), ("서울", {3}), ("부산", {3})):
        found = http.result("POST", f"{path}/points/query", {
            "query": {"text": question, "model": "qdrant/bm25",
                      "options": {"tokenizer": "multilingual"}}, "using": "text"})["points"]
        assert set(ids(found)) == best, (question, found)


def test_snapshots(http, filled, store, tmp_path):
    snapshot = http.result("POST", f"{filled}/snapshots")
    assert [s["name"] for s in http.result("GET", f"{filled}/snapshots")] == [snapshot["name"]]
    status, data, _ = http.raw("GET", f"{filled}/snapshots/{snapshot['name']}")
    assert status == 200 and len(data) == snapshot["size"]
    http("POST", f"{filled}/points/delete?wait=true", {"points": [1, 2]})
    form = (b"--edge\r\nContent-Disposition: form-data; name=\"snapshot\"; filename=\"x\"\r\n\r\n" +
            data + b"\r\n--edge--\r\n")
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    bad = http.raw("POST", f"{filled}/snapshots/upload?checksum={'0' * 64}", form, headers)
    assert bad[0] == 400 and b"Checksum mismatch" in bad[1]
    assert http.result("POST", f"{filled}/points/count", {})["count"] == 2
    done = http.raw("POST", f"{filled}/snapshots/upload?checksum={snapshot['checksum']}", form, headers)
    assert done[0] == 200, done
    assert http.result("POST", f"{filled}/points/count", {})["count"] == 4
    outside = tmp_path / "outside.snapshot"
    outside.write_bytes(data)
    link = store.storage / "snapshots" / "link.snapshot"
    link.symlink_to(outside)
    for path in (outside, link, store.storage / "snapshots" / ".." / "x"):
        got, _, _ = http.raw("PUT", "/collections/from_file/snapshots/recover",
                             {"location": f"file://{path}"})
        assert got == 400, path
    link.unlink()
    copy = store.storage / "snapshots" / "copy.snapshot"
    copy.write_bytes(data)
    http("PUT", "/collections/from_file/snapshots/recover", {"location": f"file://{copy}"})
    assert http.result("POST", "/collections/from_file/points/count", {})["count"] == 4
    copy.write_bytes(data[: len(data) // 2])
    got, _, _ = http.raw("PUT", "/collections/from_file/snapshots/recover",
                         {"location": f"file://{copy}"})
    assert got >= 400
    assert http.result("POST", "/collections/from_file/points/count", {})["count"] == 4
    http("DELETE", "/collections/from_file")
    at = f"{store.url}{filled}/snapshots/{snapshot['name']}"  # By HTTP, from this very server.
    for wrong, status in (({"checksum": "0" * 64}, 400), ({"priority": "mine"}, 400),
                          ({"location": at + "x"}, 400), ({"checksum": "x"}, 422)):
        assert http.error("PUT", "/collections/from_http/snapshots/recover",
                          {"location": at, **wrong})[0] == status
    assert http.result("GET", "/collections/from_http/exists") == {"exists": False}
    http("PUT", "/collections/from_http/snapshots/recover",
         {"location": at, "checksum": snapshot["checksum"], "priority": "snapshot"})
    assert http.result("POST", "/collections/from_http/points/count", {})["count"] == 4
    http("DELETE", "/collections/from_http")
    shard = http.result("POST", f"{filled}/shards/0/snapshots")
    assert shard["name"] in [s["name"] for s in http.result("GET", f"{filled}/shards/0/snapshots")]
    http("DELETE", f"{filled}/snapshots/{snapshot['name']}")
    assert http.error("DELETE", f"{filled}/snapshots/{snapshot['name']}")[0] == 404
    full = http.result("POST", "/snapshots")
    assert full["name"] in [s["name"] for s in http.result("GET", "/snapshots")]
    http("DELETE", f"/snapshots/{full['name']}")
