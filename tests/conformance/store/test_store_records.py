"""Goal: what the server writes down about requests is what was asked of it, and a server that is
told not to open its collections does not. Method: slow and refused requests over both wires, with
the audit log on; servers in recovery mode and with damaged files over data of an ordinary one."""
import json
import pathlib
import re

import pytest
from qdrant_client import QdrantClient, models

from store_process import Http, Store


def fill(store, name="c"):
    http = Http(store.url, None)
    http("PUT", f"/collections/{name}", {"vectors": {"size": 2, "distance": "Dot"}})
    http("PUT", f"/collections/{name}/points?wait=true",
         {"points": [{"id": i, "vector": [i, 1]} for i in range(5)]})
    return http


def entries(folder):
    lines = []
    for path in sorted(pathlib.Path(folder).glob("audit.*.log")):
        lines += [json.loads(line) for line in path.read_text().splitlines()]
    return lines


def test_the_audit_log(malmoi_binary, tmp_path):
    environment = {"QDRANT__AUDIT__ENABLED": "true", "QDRANT__SERVICE__API_KEY": "secret",
                   "QDRANT__AUDIT__TRUST_FORWARDED_HEADERS": "true",
                   "QDRANT__SERVICE__READ_ONLY_API_KEY": "look"}
    with Store(malmoi_binary, tmp_path, environment) as store:
        http = Http(store.url, None)
        http.headers = {"api-key": "secret", "X-Request-Id": "r-1", "X-Forwarded-For": "10.1.2.3, x"}
        http("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})
        http.headers = {"api-key": "look"}
        http("DELETE", "/collections/c", status=403)
        http.headers = {}
        assert http.raw("GET", "/collections")[0] == 401
        http("GET", "/")  # Asks for no right: not in it.
        grpc = store.client("grpc", QdrantClient, api_key="secret", https=False)
        grpc.upsert("c", [models.PointStruct(id=1, vector=[1, 2])])
        http.headers = {"api-key": "secret"}
        answer = http.result("POST", "/audit/logs", {"limit": 2, "filters": {"collection": "c"}})
        assert [e["method"] for e in answer["entries"]] == ["upsert_points", "delete_collection"]
        late = http.result("POST", "/audit/logs", {"time_from": "2999-01-01T00:00:00Z"})
        assert late["entries"] == []
        assert http("POST", "/audit/logs", {"limit": 0}, status=422)
        assert http("POST", "/audit/logs", {"time_from": "soon"}, status=400)
    first, refused, unknown, upsert = [e for e in entries(tmp_path / "audit")
                                       if e.get("method") != "get_audit_logs"][:4]
    assert first["method"] == "create_collection" and first["result"] == "ok"
    assert first["api"] == "PUT /collections/{collection_name}"
    assert (first["auth_type"], first["remote"], first["tracing_id"]) == ("ApiKey", "10.1.2.3", "r-1")
    assert refused["result"] == "denied" and refused["collection"] == "c" and refused["error"]
    assert refused["remote"] == "127.0.0.1"
    assert unknown["auth_type"] == "None" and unknown["result"] == "denied"
    assert upsert["api"] == "/qdrant.Points/Upsert" and upsert["remote"] == "127.0.0.1"


def test_no_audit_log_where_none_is_wanted(malmoi_binary, tmp_path):
    with Store(malmoi_binary, tmp_path) as store:
        http = fill(store)
        assert http("POST", "/audit/logs", {}, status=400)
    assert not (tmp_path / "audit").exists()


@pytest.mark.parametrize("wire", ["rest", "grpc"])
def test_slow_requests(malmoi_binary, tmp_path, wire):
    with Store(malmoi_binary, tmp_path) as store:
        client = store.client(wire, QdrantClient)
        client.create_collection("c", vectors_config=models.VectorParams(size=1024, distance="Dot"))
        http = Http(store.url, None)
        assert http.result("GET", "/profiler/slow_requests") == {"requests": []}
        points = [models.PointStruct(id=i, vector=[0.123456789 * i] * 1024) for i in range(1500)]
        while not (slow := http.result("GET", "/profiler/slow_requests")["requests"]):
            client.upsert("c", points, wait=True)
            points += points
        entry = slow[0]
        assert entry["collection_name"] == "c" and entry["request_name"] == "points-update"
        assert entry["duration"] >= .05 and entry["approx_count"] == 1
        assert list(entry["request_body"]) == ["bytes"]  # Too large to be kept.
        query = "/profiler/slow_requests?request="
        assert http.result("GET", query + "update")["requests"][0] == entry
        assert http.result("GET", query + "scroll") == {"requests": []}
        assert http.result("GET", "/profiler/slow_requests?limit=0") == {"requests": []}


def test_recovery_mode(malmoi_binary, tmp_path):
    with Store(malmoi_binary, tmp_path) as store:
        fill(store)
        fill(store, "d")
    with Store(malmoi_binary, tmp_path, {"QDRANT__STORAGE__RECOVERY_MODE": "out of memory"}) as store:
        http = Http(store.url, None)
        names = [c["name"] for c in http.result("GET", "/collections")["collections"]]
        assert names == ["c", "d"]
        status, text = http.error("POST", "/collections/c/points/count", {})
        assert status == 500 and "recovery mode: out of memory" in text
        assert http.error("POST", "/collections/x/points/count", {})[0] == 404
        assert b"app_status_recovery_mode 1" in http.raw("GET", "/metrics")[1]
        telemetry = http.result("GET", "/telemetry?details_level=1")
        assert telemetry["app"]["features"]["recovery_mode"] is True
        assert http.result("DELETE", "/collections/c") is True
    with Store(malmoi_binary, tmp_path) as store:
        http = Http(store.url, None)
        assert http.result("POST", "/collections/d/points/count", {})["count"] == 5
        assert http.error("GET", "/collections/c")[0] == 404


def test_a_scrape_opens_nothing_and_a_mended_collection_is_used_again(malmoi_binary, tmp_path):
    with Store(malmoi_binary, tmp_path) as store:
        fill(store)
    [log] = (tmp_path / "collections").glob("c-*/wal-*")
    with Store(malmoi_binary, tmp_path) as store:
        http = Http(store.url, None)

        def is_open():
            files = pathlib.Path(f"/proc/{store.process.pid}/fd").iterdir()
            return any(log.name in str(f.readlink()) for f in files if f.is_symlink())

        assert b'collection_points{id="c"} 5' in http.raw("GET", "/metrics")[1]
        assert http.result("GET", "/telemetry?details_level=2")["collections"]["number_of_collections"]
        assert not is_open()
        manifest = log.parent / "MANIFEST"
        whole = manifest.read_bytes()
        manifest.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
        status, text = http.error("POST", "/collections/c/points/count", {})
        assert status == 500 and "damaged" in text
        manifest.write_bytes(whole)
        assert http.result("POST", "/collections/c/points/count", {})["count"] == 5
        assert is_open()


def test_the_log_level(malmoi_binary, tmp_path):
    with Store(malmoi_binary, tmp_path) as store:
        http = Http(store.url, None)
        assert http.result("POST", "/logger", {"log_level": "debug,net=warn"}) is True
        assert http.result("GET", "/logger") == {"log_level": "debug"}
        assert http("POST", "/logger", {"log_level": "loud"}, status=400)


@pytest.mark.parametrize("wire", ["rest", "grpc"])
def test_shard_keys_that_are_not_there(malmoi_binary, tmp_path, wire):
    with Store(malmoi_binary, tmp_path) as store:
        fill(store)
        client = store.client(wire, QdrantClient)
        reads = [lambda: client.query_points("c", [1, 1], shard_key_selector="x"),
                 lambda: client.scroll("c", shard_key_selector="x"),
                 lambda: client.count("c", shard_key_selector="x"),
                 lambda: client.retrieve("c", [1], shard_key_selector="x"),
                 lambda: client.upsert("c", [models.PointStruct(id=1, vector=[1, 1])],
                                       shard_key_selector="x")]
        for read in reads:
            with pytest.raises(Exception) as refused:
                read()
            assert re.search(r'Shard key \\*"x\\*" not found', str(refused.value)), refused.value


def test_the_memory_of_a_collection(malmoi_binary, tmp_path):
    with Store(malmoi_binary, tmp_path) as store:
        report = fill(store).result("GET", "/collections/c/memory")
        assert report["total"]["disk_bytes"] > 0
        assert report["vectors"][0]["storage"]["disk_bytes"] == 5 * 2 * 4
