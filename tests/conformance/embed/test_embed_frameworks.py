"""Goal: frameworks and vendors' clients work unchanged: cohere (v1, v2), LangChain, LlamaIndex, and
openai for Node.
Method: the packages themselves, in environments of their own, against a server of all-MiniLM-L6-v2
and a tiny reranker. With --full only, since a hundred packages are fetched for it.

LangChain's HuggingFaceEndpointEmbeddings is not here: since 1.x it refuses any URL as its model."""
import os
import pathlib
import shutil
import subprocess

import environment
import pytest
import tiny_models

CLIENTS = pathlib.Path(__file__).parent / "clients"


@pytest.fixture(scope="module")
def server(full, serve, tmp_path_factory):
    if not full:
        pytest.skip("long form: needs --full")
    reranker = tiny_models.write(tmp_path_factory.mktemp("models") / "reranker", "classifier",
                                 ["LABEL_0"])
    with serve("--model-id", "all-MiniLM-L6-v2", "--model-id", reranker) as running:
        running.reranker = str(reranker)
        yield running


def test_python_clients(server):
    python = environment.ensure([CLIENTS / "requirements.txt"],
                                environment.FOLDER.with_name("venv-clients"))
    done = subprocess.run([python, CLIENTS / "frameworks.py", server.url, server.reranker],
                          capture_output=True, text=True, timeout=300,
                          env=dict(os.environ, LANGSMITH_TRACING="false"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_node_client(server):
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    subprocess.run(["npm", "ci", "--silent", "--prefix", str(CLIENTS)], check=True, timeout=300)
    done = subprocess.run(["node", CLIENTS / "openai.mjs", server.url], capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
