"""A store on a free port, the official client against it, and every response that the tests see
checked against Qdrant's OpenAPI document where MALMOI_SHARED has it."""
import json
import os
import pathlib
import re

import pytest

from openapi_check import Document
from store_process import Http, Store


@pytest.fixture(scope="session")
def openapi():
    folder = pathlib.Path(os.environ.get("MALMOI_SHARED") or
                          pathlib.Path(__file__).resolve().parents[4] / "shared")
    path = folder / "specs" / "qdrant-openapi.json"
    return Document(json.loads(path.read_text())) if path.exists() else None


@pytest.fixture(scope="module")
def store(malmoi_binary, tmp_path_factory):
    with Store(malmoi_binary, tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="module")
def http(store, openapi):
    return Http(store.url, openapi)


@pytest.fixture
def collection(http, request):
    """A fresh collection of the test's name, gone afterwards; call it with a configuration."""
    name = re.sub(r"\W+", "_", request.node.name)[:60]

    def create(vectors=None, **more):
        http("DELETE", f"/collections/{name}")
        body = {"vectors": vectors if vectors is not None else {"size": 4, "distance": "Dot"}, **more}
        http("PUT", f"/collections/{name}", body)
        return f"/collections/{name}"

    yield create
    http("DELETE", f"/collections/{name}")
