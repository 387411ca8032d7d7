"""Goal: `malmoi store copy` moves collections whole, between folders and servers, and goes on where it
stopped.
Method: two stores; what one holds is compared with what the other got, over REST."""
import contextlib
import json
import os
import subprocess

from store_process import Http, Store


def copy(binary, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("QDRANT__")}
    done = subprocess.run([str(binary), "store", "copy", "--json", "--quiet", *map(str, arguments)],
                          capture_output=True, text=True, timeout=120, env=environment)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def fill(http, n=700):
    http("PUT", "/collections/full", {
        "vectors": {"": {"size": 3, "distance": "Euclid", "datatype": "float16"},
                    "late": {"size": 2, "distance": "Dot",
                             "multivector_config": {"comparator": "max_sim"}}},
        "sparse_vectors": {"s": {"modifier": "idf"}}, "hnsw_config": {"m": 9},
        "metadata": {"owner": "me"}})
    http("PUT", "/collections/full/points?wait=true", {"points": [
        {"id": i if i % 3 else f"0b0e2f0e-3c5a-4b8f-9a3e-{i:012d}",
         "vector": {"": [i, 0.5, -i], "late": [[i, 1], [2, 3]], "s": {"indices": [i], "values": [2]}},
         "payload": {"n": i, "whole": 1.0, "t": "\ud55c\uad6d\uc5b4 text"}} for i in range(n)]})
    http("PUT", "/collections/full/points?wait=true", {"points": [{"id": 1_000_000, "vector": {}}]})
    http("PUT", "/collections/full/index?wait=true", {"field_name": "n", "field_schema": "integer"})
    http("PUT", "/collections/full/index?wait=true", {"field_name": "t", "field_schema": {
        "type": "text", "tokenizer": "multilingual", "phrase_matching": True}})
    http("PUT", "/collections/empty", {"sparse_vectors": {"x": {}}})
    http("POST", "/collections/aliases", {"actions": [
        {"create_alias": {"collection_name": "full", "alias_name": "other name"}}]})


def everything(http):
    out = {"aliases": http.result("GET", "/aliases")}
    for one in http.result("GET", "/collections")["collections"]:
        path = f"/collections/{one['name']}"
        info = http.result("GET", path)
        out[one["name"]] = (info["config"], info["payload_schema"], http.result(
            "POST", f"{path}/points/scroll",
            {"limit": 10000, "with_vector": True, "with_payload": True})["points"])
    return out


@contextlib.contextmanager
def two_stores(binary, folder):
    """A filled store, an empty one that asks for the key "secret", requests to the second, and what
    the first holds."""
    key = {"QDRANT__SERVICE__API_KEY": "secret"}
    with Store(binary, folder / "a") as a, Store(binary, folder / "b", key) as b:
        there = Http(b.url, None)
        there.headers = {"api-key": "secret"}
        fill(Http(a.url, None))
        yield a, b, there, everything(Http(a.url, None))


def test_between_servers_and_folders(malmoi_binary, tmp_path):
    with two_stores(malmoi_binary, tmp_path) as (a, b, there, wanted):
        at, to = f"qdrant://127.0.0.1:{a.port}", f"qdrant://127.0.0.1:{b.port}"
        code, out, err = copy(malmoi_binary, at, to)
        assert code == 3 and "status 401" in err
        code, out, err = copy(malmoi_binary, at, to, "--to-key", "secret")
        assert code == 0, err
        assert {c["collection"]: c["points"] for c in out["copied"]} == {"full": 701, "empty": 0}
        assert everything(there) == wanted
        code, out, err = copy(malmoi_binary, at, to, "--to-key", "secret")
        assert code == 3 and "already" in err and "--resume" in err
        # Half of it is gone: the rest is sent, not the whole.
        there("POST", "/collections/full/points/delete?wait=true",
              {"filter": {"must": {"key": "n", "range": {"gte": 650}}}})
        code, out, err = copy(malmoi_binary, at, to, "--to-key", "secret", "--resume", "--only", "full")
        assert code == 0 and 0 < out["copied"][0]["skipped"] < 701, (out, err)
        assert everything(there) == wanted
        code, out, err = copy(malmoi_binary, to, tmp_path / "c", "--from-key", "secret")
        assert code == 0, err
        code, out, err = copy(malmoi_binary, tmp_path / "a", tmp_path / "d")
        assert code == 3, "a folder has one owner"
    code, out, err = copy(malmoi_binary, tmp_path / "c", tmp_path / "d")
    assert code == 0, err
    with Store(malmoi_binary, tmp_path / "d") as d:
        assert everything(Http(d.url, None)) == wanted
    assert copy(malmoi_binary, tmp_path / "nothing", tmp_path / "e")[0] == 3
    assert copy(malmoi_binary, "ftp://x", tmp_path / "e")[0] == 2
