"""Goal: the JavaScript client and the frameworks that keep vectors in Qdrant run unchanged.
Method: their own calls, with MALMOI_FULL=1 and where the environments are: build/clients (Python,
clients/frameworks.txt) and build/js (npm ci of clients/js). ./malmoi-test --full makes both."""
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent / "clients"
BUILD = HERE.parents[3] / "build"


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_frameworks(store, full):
    python = BUILD / "clients" / "bin" / "python"
    if not full or not python.exists():
        print("skipped: LangChain, LlamaIndex, Haystack: only with --full")
        pytest.skip("frameworks run with --full alone")
    assert run(python, HERE / "integrations.py", store.url).count("passed") == 3


def test_javascript(store, full):
    if not full or not (BUILD / "js" / "node_modules").exists():
        print("skipped: @qdrant/js-client-rest: only with --full")
        pytest.skip("the JavaScript client runs with --full alone")
    assert "passed" in run("node", HERE / "javascript.mjs", BUILD / "js", store.url)
