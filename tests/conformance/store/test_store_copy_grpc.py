"""Goal: `malmoi store copy` over gRPC moves what it moves over REST, goes on after an interruption,
waits for a server that is busy, and is not led astray by one that answers nonsense.
Method: stores of this program on both ends, on each wire, copies killed in the middle; a stand-in
server that answers by a script."""
import concurrent.futures
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from store_process import Http, Store
from test_store_copy import copy, everything, fill, two_stores

grpc = pytest.importorskip("grpc")
qdrant = pytest.importorskip("qdrant_client")
messages = qdrant.grpc


def test_both_ways_over_both_wires(malmoi_binary, tmp_path):
    with two_stores(malmoi_binary, tmp_path) as (a, b, there, wanted):
        of_a = {"rest": f"qdrant://127.0.0.1:{a.port}", "grpc": f"qdrant+grpc://127.0.0.1:{a.grpc_port}"}
        of_b = {"rest": f"qdrant://127.0.0.1:{b.port}", "grpc": f"grpc://127.0.0.1:{b.grpc_port}"}
        code, _, err = copy(malmoi_binary, of_a["grpc"], of_b["grpc"])
        assert code == 3 and "status 16" in err, err  # UNAUTHENTICATED
        for here, far in (("grpc", "grpc"), ("grpc", "rest"), ("rest", "grpc")):
            for name in ("full", "empty"):
                there("DELETE", f"/collections/{name}")
            code, out, err = copy(malmoi_binary, of_a[here], of_b[far], "--to-key", "secret", "--verify")
            assert code == 0, err
            assert {c["collection"]: c["points"] for c in out["copied"]} == {"full": 701, "empty": 0}
            assert all(c["different"] == 0 for c in out["copied"])
            assert everything(there) == wanted, (here, far)
        code, _, err = copy(malmoi_binary, of_a["grpc"], of_b["grpc"], "--to-key", "secret")
        assert code == 3 and "already" in err and "--resume" in err
        there("POST", "/collections/full/points/delete?wait=true",
              {"filter": {"must": {"key": "n", "range": {"gte": 650}}}})
        code, out, err = copy(malmoi_binary, of_a["grpc"], of_b["grpc"], "--to-key", "secret",
                              "--resume", "--only", "full")
        assert code == 0 and 0 < out["copied"][0]["skipped"] < 701, (out, err)
        assert everything(there) == wanted
        code, _, err = copy(malmoi_binary, of_b["grpc"], tmp_path / "c", "--from-key", "secret")
        assert code == 0, err
    with Store(malmoi_binary, tmp_path / "d") as d:
        code, _, err = copy(malmoi_binary, tmp_path / "c", f"grpc://127.0.0.1:{d.grpc_port}")
        assert code == 0, err
        assert everything(Http(d.url, None)) == wanted


def test_where_nobody_listens_it_says_what_to_look_at(malmoi_binary, tmp_path):
    with socket.socket() as taken:  # Bound, not listening.
        taken.bind(("127.0.0.1", 0))
        code, _, err = copy(malmoi_binary, f"grpc://127.0.0.1:{taken.getsockname()[1]}", tmp_path / "x")
    assert code == 3 and "is the server running" in err and "6334" in err, err


def test_a_comparison_finds_what_differs(malmoi_binary, tmp_path):
    with Store(malmoi_binary, tmp_path / "a") as a, Store(malmoi_binary, tmp_path / "b") as b:
        fill(Http(a.url, None))
        there = Http(b.url, None)
        at, to = f"grpc://127.0.0.1:{a.grpc_port}", f"qdrant://127.0.0.1:{b.port}"
        assert copy(malmoi_binary, at, to)[0] == 0
        path = "/collections/full/points"
        there("POST", f"{path}/payload?wait=true", {"payload": {"n": 1.0}, "points": [1]})
        there("PUT", f"{path}/vectors?wait=true", {"points": [{"id": 2, "vector": {"s": {
            "indices": [2], "values": [2.5]}}}]})
        there("POST", f"{path}/vectors/delete?wait=true", {"points": [4], "vector": ["late"]})
        code, out, _ = copy(malmoi_binary, at, to, "--resume", "--verify", "--only", "full")
        assert code == 1 and out["copied"][0]["different"] == 3, out


def many(http, n=10_000):
    http("PUT", "/collections/many", {
        "vectors": {"d": {"size": 16, "distance": "Cosine"},
                    "late": {"size": 4, "distance": "Dot",
                             "multivector_config": {"comparator": "max_sim"}}},
        "sparse_vectors": {"s": {}}})
    draw = random.Random(7)
    for at in range(0, n, 500):
        http("PUT", "/collections/many/points?wait=true", {"points": [
            {"id": i, "vector": {
                "d": [draw.gauss(0, 1) for _ in range(16)],
                "late": [[draw.gauss(0, 1) for _ in range(4)] for _ in range(draw.randint(1, 4))],
                **({"s": {"indices": sorted(draw.sample(range(1000), 5)),
                          "values": [draw.random() for _ in range(5)]}} if i % 3 else {})},
             "payload": {"n": i, "nested": {"list": [i, i + 0.5, None, "글"]}, "whole": 2.0}}
            for i in range(at, at + 500)]})


def test_a_killed_copy_goes_on(malmoi_binary, tmp_path):
    with Store(malmoi_binary, tmp_path / "a") as a, Store(malmoi_binary, tmp_path / "b") as b:
        source, there = Http(a.url, None), Http(b.url, None)
        many(source)
        at, to = f"grpc://127.0.0.1:{a.grpc_port}", f"grpc://127.0.0.1:{b.grpc_port}"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("QDRANT__")}
        running = subprocess.Popen([str(malmoi_binary), "store", "copy", "--quiet", at, to],
                                   stdout=subprocess.DEVNULL, env=environment)
        count = 0
        deadline = time.monotonic() + 60
        while count < 1000:
            assert time.monotonic() < deadline
            status, _, _ = there.raw("GET", "/collections/many")
            if status == 200:
                count = there.result("POST", "/collections/many/points/count", {"exact": True})["count"]
        running.send_signal(signal.SIGKILL)
        running.wait(timeout=20)
        left = there.result("POST", "/collections/many/points/count", {"exact": True})["count"]
        code, out, err = copy(malmoi_binary, at, to, "--resume")
        assert code == 0, err
        assert out["copied"][0]["points"] == 10_000
        if left < 10_000:  # It may have been too quick to be stopped.
            assert 0 < out["copied"][0]["skipped"] <= left
        assert everything(there) == everything(source)


class Script(grpc.GenericRpcHandler):
    """Answers calls by a function of the call's number, which gives bytes or aborts."""

    def __init__(self, answer):
        self.answer, self.calls, self.lock = answer, [], threading.Lock()

    def service(self, details):
        def run(request, context):
            with self.lock:
                self.calls.append(details.method)
                number = self.calls.count(details.method)
            return self.answer(details.method.rsplit("/", 1)[1], number, request, context)
        return grpc.unary_unary_rpc_method_handler(run)


@contextlib.contextmanager
def stand_in(answer):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4),
                         options=[("grpc.max_receive_message_length", 20_000)])
    script = Script(answer)
    server.add_generic_rpc_handlers([script])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield script, f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


INFO = messages.GetCollectionInfoResponse(result=messages.CollectionInfo(
    status=messages.CollectionStatus.Green, config=messages.CollectionConfig(
        params=messages.CollectionParams(vectors_config=messages.VectorsConfig(
            params=messages.VectorParams(size=2, distance=messages.Distance.Dot)))), points_count=3))


def point(number):
    return messages.RetrievedPoint(id=messages.PointId(num=number), vectors=messages.VectorsOutput(
        vector=messages.VectorOutput(dense=messages.DenseVector(data=[1, number]))))


PAGE = messages.ScrollResponse(result=[point(1), point(2), point(3)])


def source(page):
    """A server with one collection, whose scroll is `page(number, context)`."""
    def answer(method, number, request, context):
        if method == "List":
            return messages.ListCollectionsResponse(
                collections=[messages.CollectionDescription(name="c")]).SerializeToString()
        if method == "Get":
            return INFO.SerializeToString()
        if method == "Count":
            return messages.CountResponse(result=messages.CountResult(count=3)).SerializeToString()
        if method == "Scroll":
            return page(number, context)
        return b""
    return answer


def test_a_busy_server_is_asked_again(malmoi_binary, tmp_path):
    def page(number, context):
        if number == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        if number == 2:
            context.set_trailing_metadata((("retry-after", "1"),))
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests")
        return PAGE.SerializeToString()
    with stand_in(source(page)) as (script, at):
        start = time.monotonic()
        code, out, err = copy(malmoi_binary, at, tmp_path / "c")
        assert code == 0, err
        assert out["copied"][0]["points"] == 3
        assert script.calls.count("/qdrant.Points/Scroll") == 3
        assert time.monotonic() - start >= 1, "retry-after is heeded"


def aborted(code, text):
    return lambda number, context: context.abort(code, text)


@pytest.mark.parametrize("page, said", [
    (aborted(grpc.StatusCode.UNAVAILABLE, "never"), "never"),
    (aborted(grpc.StatusCode.INTERNAL, "x" * 100_000), "Scroll"),
    (lambda number, context: b"\xff\xff\xff", "Scroll"),
    (lambda number, context: messages.ScrollResponse(
        result=[point(1)], next_page_offset=messages.PointId(num=1)).SerializeToString(), "do not end"),
    (lambda number, context: messages.ScrollResponse(
        next_page_offset=messages.PointId(num=number)).SerializeToString(), "do not end"),
    (lambda number, context: messages.ScrollResponse(
        result=[messages.RetrievedPoint()]).SerializeToString(), ""),
    (lambda number, context: messages.ScrollResponse(
        result=[messages.RetrievedPoint(id=messages.PointId(uuid="not one"))]).SerializeToString(), "not one"),
    (lambda number, context: messages.ScrollResponse(result=[messages.RetrievedPoint(
        id=messages.PointId(num=1), vectors=messages.VectorsOutput(vector=messages.VectorOutput(
            data=[1, 2, 3], vectors_count=2**31)))]).SerializeToString(), ""),
])
def test_nonsense_ends_in_an_error(malmoi_binary, tmp_path, page, said):
    with stand_in(source(page)) as (_, at):
        code, _, err = copy(malmoi_binary, at, tmp_path / "c")
        assert code == 3 and said in err and len(err) < 2000, err


def test_batches_that_are_too_large_go_in_halves(malmoi_binary, tmp_path):
    got = []

    def answer(method, number, request, context):
        if method == "Upsert":
            points = messages.UpsertPoints.FromString(request).points
            got.extend(p.id.num for p in points)
            return messages.PointsOperationResponse().SerializeToString()
        if method == "Count":
            return messages.CountResponse(
                result=messages.CountResult(count=len(got))).SerializeToString()
        return b""
    with Store(malmoi_binary, tmp_path / "a") as a, stand_in(answer) as (script, to):
        http = Http(a.url, None)
        http("PUT", "/collections/c", {"vectors": {"size": 64, "distance": "Dot"}})
        http("PUT", "/collections/c/points?wait=true", {"points": [
            {"id": i, "vector": [1.5] * 64} for i in range(300)]})
        code, _, err = copy(malmoi_binary, f"grpc://127.0.0.1:{a.grpc_port}", to)
        assert code == 0, err
        assert sorted(got) == list(range(300))


def test_tls_and_client_certificates(malmoi_binary, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    from test_store_tls import make_certificate
    for name in ("server", "other"):
        (tmp_path / name).mkdir()
        make_certificate(tmp_path / name)
    environment = {"QDRANT__SERVICE__ENABLE_TLS": "true",
                   "QDRANT__TLS__CERT": str(tmp_path / "server/cert.pem"),
                   "QDRANT__TLS__KEY": str(tmp_path / "server/key.pem")}
    with Store(malmoi_binary, tmp_path / "a", environment) as a:
        for at in (f"grpcs://localhost:{a.grpc_port}", f"qdrants://localhost:{a.port}"):
            code, _, err = copy(malmoi_binary, at, tmp_path / "x")
            assert code == 3, "an unknown authority"
            code, _, err = copy(malmoi_binary, at, tmp_path / "x", "--from-ca",
                                tmp_path / "server/cert.pem")
            assert code == 1, err  # No collections.
