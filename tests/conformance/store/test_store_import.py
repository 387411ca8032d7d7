"""Goal: snapshots that the real engine wrote are restored with all that is in them, by the command,
by upload and by recovery from a file; files that are cut or changed are refused and change nothing.
Method: tests/golden/qdrant-snapshot (tools/qdrant_snapshot.py) and, where qdrant-edge-py is there
and with MALMOI_FULL=1, larger ones of other seeds; what a store then shows is compared with what
the engine itself read."""
import gzip
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys

import pytest

from store_process import Http, Store

ROOT = pathlib.Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "qdrant-snapshot"
KINDS = ("appendable", "optimized", "waiting")


def single(value):
    """Numbers rounded to float32, as vectors are."""
    if isinstance(value, dict):
        return {name: single(member) for name, member in value.items()}
    if isinstance(value, list):
        return [single(member) for member in value]
    return struct.unpack("f", struct.pack("f", value))[0]


def close(a, b):
    """Equal but for the last bit or two: vectors that a log has are normalised here."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[name], b[name]) for name in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(close(x, y) for x, y in zip(a, b))
    return abs(a - b) <= 3e-7


def same(got, wanted, exact=True):
    got = {str(p["id"]): p for p in got}
    assert sorted(got) == sorted(str(p["id"]) for p in wanted)
    for point in wanted:
        there = got[str(point["id"])]
        assert there["payload"] == point["payload"], point["id"]
        if exact:
            assert single(there["vector"]) == single(point["vector"]), point["id"]
        else:
            assert close(there["vector"], point["vector"]), point["id"]


def command(binary, *arguments):
    return subprocess.run([str(binary), "store", "import", *map(str, arguments)],
                          capture_output=True, text=True, timeout=120)


def points(http, name="c"):
    return http.result("POST", f"/collections/{name}/points/scroll",
                       {"limit": 100_000, "with_vector": True})["points"]


def unpacked(kind, folder, source=GOLDEN):
    path = folder / f"{kind}.snapshot"
    path.write_bytes(gzip.decompress((source / f"{kind}.snapshot.gz").read_bytes()))
    return path, json.loads((source / f"{kind}.json").read_text())["points"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_restores_a_snapshot(malmoi_binary, tmp_path, kind):
    snapshot, wanted = unpacked(kind, tmp_path)
    done = command(malmoi_binary, snapshot, "--storage", tmp_path / "s", "--collection", "c", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"collection": "c", "points": len(wanted)}
    again = command(malmoi_binary, snapshot, "--storage", tmp_path / "s", "--collection", "c")
    assert again.returncode == 3 and "--force" in again.stderr
    again = command(malmoi_binary, snapshot, "--storage", tmp_path / "s", "--collection", "c", "--force")
    assert again.returncode == 0, again.stderr
    with Store(malmoi_binary, tmp_path / "s") as store:
        http = Http(store.url, None)
        same(points(http), wanted, exact=kind != "waiting")
        info = http.result("GET", "/collections/c")
        params = info["config"]["params"]
        assert params["vectors"]["half"]["datatype"] == "float16"
        assert params["vectors"]["late"]["multivector_config"] == {"comparator": "max_sim"}
        assert params["sparse_vectors"]["idf"]["modifier"] == "idf"
        assert info["config"]["metadata"] == {"made": "for a test"}
        assert info["payload_schema"]["n"]["data_type"] == "integer"
        assert info["payload_schema"]["t"]["params"]["tokenizer"] == "word"
        # It is a collection like others: it can be searched and written.
        row = next(p for p in wanted if "d" in p["vector"])
        hit = http.result("POST", "/collections/c/points/query",
                          {"query": row["vector"]["d"], "using": "d", "limit": 1})["points"][0]
        assert hit["score"] == pytest.approx(1, abs=1e-5)
        http("PUT", "/collections/c/points?wait=true", {"points": [{"id": 10**9, "vector": {}}]})
        locked = command(malmoi_binary, snapshot, "--storage", tmp_path / "s", "--collection", "d")
        assert locked.returncode == 3 and "/snapshots/recover" in locked.stderr


def test_a_missing_file_and_progress(malmoi_binary, tmp_path):
    storage = ("--storage", tmp_path / "s", "--collection", "c")
    done = command(malmoi_binary, tmp_path / "none.snapshot", *storage)
    assert done.returncode == 3 and "give the path of a snapshot" in done.stderr
    assert not (tmp_path / "s").exists()
    broken = tmp_path / "broken.snapshot"
    broken.write_bytes(b"no archive" * 100)
    done = command(malmoi_binary, broken, *storage)
    assert done.returncode in (2, 3) and str(broken) in done.stderr
    assert "Bad request" not in done.stderr
    assert not (tmp_path / "s").exists()
    (tmp_path / "s").mkdir()
    command(malmoi_binary, broken, *storage)
    assert (tmp_path / "s").exists()
    snapshot, wanted = unpacked("optimized", tmp_path)
    done = command(malmoi_binary, snapshot, *storage)
    assert done.returncode == 0 and f"{len(wanted)}/{len(wanted)} points" in done.stderr, done.stderr
    done = command(malmoi_binary, snapshot, *storage, "--force", "--quiet")
    assert done.returncode == 0 and done.stderr == ""


def test_upload_and_recovery(malmoi_binary, tmp_path):
    snapshot, wanted = unpacked("optimized", tmp_path)
    with Store(malmoi_binary, tmp_path / "s") as store:
        http = Http(store.url, None)
        form = (b'--x\r\nContent-Disposition: form-data; name="snapshot"; filename="a"\r\n\r\n' +
                snapshot.read_bytes() + b"\r\n--x--\r\n")
        code, answer, _ = http.raw("POST", "/collections/up/snapshots/upload", form,
                                   {"Content-Type": "multipart/form-data; boundary=x"})
        assert code == 200, answer
        same(points(http, "up"), wanted)
        (tmp_path / "s" / "snapshots").mkdir(exist_ok=True)
        shutil.copy(snapshot, tmp_path / "s" / "snapshots" / "file.snapshot")
        http("PUT", "/collections/recovered/snapshots/recover",
             {"location": f"file://{tmp_path}/s/snapshots/file.snapshot"})
        same(points(http, "recovered"), wanted)
        # Into the place of one that is there, and this program's own snapshot of it.
        http("PUT", "/collections/up/snapshots/recover",
             {"location": f"file://{tmp_path}/s/snapshots/file.snapshot"})
        name = http.result("POST", "/collections/up/snapshots")["name"]
        http("PUT", "/collections/own/snapshots/recover",
             {"location": f"file://{tmp_path}/s/snapshots/collections/up/{name}"})
        same(points(http, "own"), wanted)


def test_a_folder_of_the_engine(malmoi_binary, tmp_path):
    snapshot, wanted = unpacked("appendable", tmp_path)
    (tmp_path / "a").mkdir()
    subprocess.run(["tar", "-C", tmp_path / "a", "-xf", snapshot], check=True)
    done = command(malmoi_binary, tmp_path / "a" / "0", "--storage", tmp_path / "s", "--collection", "c")
    assert done.returncode == 0, done.stderr
    with Store(malmoi_binary, tmp_path / "s") as store:
        same(points(Http(store.url, None)), wanted)


def test_what_is_not_read_says_so(malmoi_binary, tmp_path):
    snapshot, _ = unpacked("appendable", tmp_path)
    top = tmp_path / "top"
    top.mkdir()
    subprocess.run(["tar", "-C", top, "-xf", snapshot], check=True)
    segments = top / "0" / "segments"
    archive = next(segments.iterdir())
    subprocess.run(["tar", "-C", segments, "-xf", archive], check=True)
    archive.unlink()
    (segments / "snapshot").rename(segments / "one")

    def attempt():
        return command(malmoi_binary, top, "--storage", tmp_path / "s", "--collection", "c")
    assert attempt().returncode == 0
    config = json.loads((top / "config.json").read_text())
    config["params"]["shard_number"] = 3
    (top / "config.json").write_text(json.dumps(config))
    done = attempt()
    assert done.returncode == 2 or done.returncode == 3
    shutil.rmtree(tmp_path / "s")
    done = attempt()
    assert done.returncode != 0 and "1 of the collection's 3 shards" in done.stderr
    config["params"]["shard_number"] = 1
    (top / "config.json").write_text(json.dumps(config))
    files = segments / "one" / "files"
    shutil.rmtree(files / "payload_storage")
    done = attempt()
    assert done.returncode != 0 and "RocksDB" in done.stderr and "store copy" in done.stderr


def test_cut_and_changed_files_change_nothing(malmoi_binary, tmp_path):
    snapshot, wanted = unpacked("optimized", tmp_path)
    good = snapshot.read_bytes()
    draw = random.Random(3)
    with Store(malmoi_binary, tmp_path / "s") as store:
        http = Http(store.url, None)
        http("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})
        http("PUT", "/collections/c/points?wait=true", {"points": [{"id": 1, "vector": [1, 2]}]})
        folder = tmp_path / "s" / "snapshots"
        folder.mkdir(exist_ok=True)
        refused = 0
        for i in range(24):
            data = bytearray(good)
            if i % 3 == 0:
                del data[draw.randrange(len(data)):]
            else:
                for _ in range(draw.choice([1, 20, 400])):
                    data[draw.randrange(len(data))] = draw.randrange(256)
            (folder / "x.snapshot").write_bytes(data)
            code, answer, _ = http.raw("PUT", "/collections/c/snapshots/recover",
                                       {"location": f"file://{folder}/x.snapshot"})
            assert code in (200, 400), answer
            if code == 200:  # A vector or a payload with another byte: no sum covers them.
                assert http.result("POST", "/collections/c/points/count", {})["count"] <= 2 * len(wanted)
                http("DELETE", "/collections/c")
                http("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})
                http("PUT", "/collections/c/points?wait=true", {"points": [{"id": 1, "vector": [1, 2]}]})
                continue
            refused += 1
            assert points(http)[0]["vector"] == [1, 2]
        assert refused > 8
        assert http.raw("GET", "/healthz")[0] == 200


@pytest.mark.parametrize("seed, count", [(2, 500), (3, 3000), (4, 20_000)])
def test_other_seeds(malmoi_binary, tmp_path, seed, count):
    pytest.importorskip("qdrant_edge")
    if not os.environ.get("MALMOI_FULL"):
        pytest.skip("the long form: MALMOI_FULL=1")
    made = tmp_path / str(seed)
    subprocess.run([sys.executable, ROOT / "tools" / "qdrant_snapshot.py", made, "--points",
                    str(count), "--seed", str(seed)], check=True)
    for kind in KINDS:
        snapshot, wanted = unpacked(kind, tmp_path, made)
        done = command(malmoi_binary, snapshot, "--storage", tmp_path / f"{kind}{seed}",
                       "--collection", "c")
        assert done.returncode == 0, done.stderr
        with Store(malmoi_binary, tmp_path / f"{kind}{seed}") as store:
            same(points(Http(store.url, None)), wanted, exact=kind != "waiting")
