"""Goal: with the chunks in a store on the network and the vectors from an embedding server, search
and answers are those of the one program. Method: this program's own servers as those of Qdrant and
of text-embeddings-inference, on free ports of loopback; the sample folder."""
import contextlib
import re
import signal
import subprocess
import threading

import pytest

from program import SAMPLE, Malmoi

QUESTIONS = ["책은 한 번에 몇 권까지 빌릴 수 있나요?", "How long may I keep a book?", "여름 휴관"]


@contextlib.contextmanager
def server(malmoi, *arguments):
    process = subprocess.Popen([malmoi.binary, "serve", *map(str, arguments)],
                               env=malmoi.environment, stderr=subprocess.PIPE, text=True)
    try:
        grpc = None
        for line in process.stderr:
            if found := re.search(r"gRPC is at (\S+)", line):
                grpc = found.group(1)
            if found := re.search(r"http://([^\s/]+)", line):
                threading.Thread(target=process.stderr.read, daemon=True).start()
                yield {"qdrant": found.group(1), "qdrant+grpc": grpc, "tei": found.group(1)}
                break
        else:
            raise AssertionError(f"the server ended with {process.wait()}")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


@pytest.fixture(scope="module", params=["qdrant", "qdrant+grpc"])
def parts(request, malmoi_binary, malmoi_assets, tmp_path_factory):
    """A program whose store and model are servers, the store over REST and over gRPC."""
    folder = tmp_path_factory.mktemp("remote")
    program = Malmoi(malmoi_binary, malmoi_assets, folder / "data")
    with (server(program, "store", "--storage", folder / "storage", "--port", 0) as store,
          server(program, "embed", "--model-id", "multilingual-e5-small", "--port", 0) as model):
        # As flags first, then as settings for all commands.
        at, model = f"{request.param}://{store[request.param]}", f"tei://{model['tei']}"
        report = program.json("index", SAMPLE, "--store", at, "--model", model)
        program.environment.update(MALMOI_STORE=at, MALMOI_MODEL=model)
        assert report["failed"] == 0 and report["vectors_complete"], report
        yield program


def hits(program, question, mode):
    found = program.json("search", question, "--mode", mode)["hits"]
    return [(h["path"], h["start"], h["end"], round(h["score"], 4)) for h in found]


def test_search_is_that_of_the_embedded_parts(parts, malmoi):
    for question in QUESTIONS:
        for mode in ("lexical", "dense", "hybrid"):
            assert hits(parts, question, mode) == hits(malmoi, question, mode), (question, mode)


def test_answers_are_those_of_the_embedded_parts(parts, malmoi):
    for question in QUESTIONS[:2]:
        there, here = parts.json("ask", question), malmoi.json("ask", question)
        assert there["answer"] == here["answer"] and there["citations"], question
        assert abs(there["evidence"] - here["evidence"]) < 1e-3


def test_a_second_run_does_nothing_and_a_filter_holds(parts):
    again = parts.json("index", SAMPLE)
    assert (again["added"], again["changed"], again["removed"]) == (0, 0, 0)
    path = hits(parts, QUESTIONS[0], "hybrid")[0][0]
    found = parts.json("search", QUESTIONS[0], "--filter", f"path={path}")["hits"]
    assert found and {h["path"] for h in found} == {path}


def test_a_missing_server_is_named(fresh):
    fresh.environment.update(MALMOI_STORE="qdrant://127.0.0.1:1", MALMOI_MODEL="none")
    failed = fresh.run("index", SAMPLE, expect=3)
    assert "127.0.0.1:1" in failed.stderr
    fresh.environment.update(MALMOI_STORE="")
    failed = fresh.run("index", SAMPLE, "--model", "tei://127.0.0.1:1", expect=3)
    assert "connect" in failed.stderr and "127.0.0.1:1" in failed.stderr
