"""Goal: the JavaScript client and the frameworks that keep vectors in Qdrant run unchanged.
Method: their own calls, where the environments are: build/clients (Python, clients/frameworks.txt)
and build/js (npm ci of clients/js). ./malmoi-test makes both."""
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent / "clients"
BUILD = HERE.parents[3] / "build"


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_frameworks(store):
    python = BUILD / "clients" / "bin" / "python"
    if not python.exists():
        pytest.skip("LangChain, LlamaIndex, Haystack: build/clients is not there")
    assert run(python, HERE / "integrations.py", store.url).count("passed") == 3


def test_javascript(store):
    if not (BUILD / "js" / "node_modules").exists():
        pytest.skip("@qdrant/js-client-rest: build/js is not there")
    assert "passed" in run("node", HERE / "javascript.mjs", BUILD / "js", store.url)
