"""Goal: all that the OpenAPI document lets a request say is understood: every member, every value of
an enumeration and every alternative is part of a request that succeeds, and no answer has another
shape than the document's.
Method: for each branch of each operation's request a small request with it (branch_requests.py), tried
with several values; what never succeeds must be in REFUSED, with its reason."""
import json
import re

import pytest

from branch_requests import Branches, repaired
from test_store_generated import COLLECTION, operations, prepare

REFUSED = [(re.compile(pattern), reason) for pattern, reason in (
    (r"/cluster|/shards|shard_key|ShardKey", "one node: no custom sharding"),
    (r"Image|InferenceObject|BatchVectorStruct\|[45]$", "only texts are turned into vectors"),
    (r"BatchVectorStruct\|[13]$", "the collection's unnamed vector is a plain one"),
    (r"SparseIndexParams\.datatype.*turbo", "Qdrant refuses these for sparse vectors too"),
    (r"ExtendedPointId\|1$", "no point has such an id"),
    (r"/index *$|CreateFieldIndex\.field_name$", "a type has to be given, on Qdrant too"))]
TRIES = 60


def send(http, openapi, method, pattern, body):
    name = "made" if (method, pattern) == ("put", "/collections/{collection_name}") else COLLECTION
    path = pattern.replace("{collection_name}", name).replace("{shard_id}", "0").replace(
        "{vector_name}", "extra")
    if name == "made":
        http.raw("DELETE", "/collections/made")
    if path.endswith("/vectors/extra"):
        http.raw("DELETE", f"/collections/{COLLECTION}/vectors/extra")
    if path.endswith("/aliases"):
        http.raw("POST", "/collections/aliases", {"actions": [
            {"create_alias": {"collection_name": COLLECTION, "alias_name": "alias"}}]})
    status, text, _ = http.raw(method.upper(), path + "?wait=true", body)
    shown = (method, path, json.dumps(body)[:1000], status, text[:400])
    assert status < 500, shown
    if text[:1] in (b"{", "{") and (found := openapi.find(method, path, status)):
        problem = openapi.problem(found, json.loads(text), "$")
        assert problem is None, (problem, *shown)
    return status, shown


def test_every_branch_of_every_request_is_understood(http, openapi):
    if openapi is None:
        print("skipped: branches of requests: no OpenAPI document (MALMOI_SHARED)")
        pytest.skip("no OpenAPI document")
    taken, never = 0, []
    for method, pattern, schema in operations(openapi.document):
        if schema is None:
            continue
        prepare(http)
        for label, make in Branches(openapi.document, 1).of(schema):
            where = f"{method} {pattern} {label}"
            refused = any(test.search(where) for test, _ in REFUSED)
            for attempt in range(1 if refused else TRIES):
                if attempt in (5, 20, 40):
                    prepare(http)  # Points and fields may have been deleted.
                status, shown = send(http, openapi, method, pattern, repaired(make()))
                if status < 300:
                    taken += 1
                    break
            else:
                if not refused:
                    never.append((where, shown))
    assert not never, (len(never), never[:5])
    assert taken > 3000
