"""Goal: a member that is missing, of the wrong type or out of its range is refused as Qdrant
refuses it, in every request: 400 "Format error in JSON body" or 422 "Validation error in JSON body",
never taken and never a failure.
Method: a valid body for every operation of the OpenAPI document; each member that its schema
describes, at every depth, is changed in each way that the schema forbids, one request a change."""
import json
import random

import pytest

from generated_requests import Generator
from test_store_generated import COLLECTION, operations, path_of, prepare

DEPTH = 6

def is_wider(at, what):
    """What the document forbids and yet is no error of form: options of a model that is not BM25 are
    whatever that model takes, and discovery without pairs is a search for the target."""
    return "options" in at[:-1] or at[-2:] == ("query", "discover") and what == "without context"



class Spoiler:
    """Every single change of a body that its schema forbids."""

    def __init__(self, document):
        self.schemas = document["components"]["schemas"]

    def resolved(self, schema):
        while "$ref" in schema or "allOf" in schema:
            schema = self.schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema \
                else schema["allOf"][0]
        return schema

    def alternatives(self, schema):
        schema = self.resolved(schema)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                for inner in schema[key]:
                    yield from self.alternatives(inner)
                return
        yield schema

    def types(self, schema):
        """JSON types that some alternative takes."""
        found = set()
        for one in self.alternatives(schema):
            if one.get("nullable"):
                found.add("null")
            if "type" in one:
                found.add(one["type"])
            elif not one.get("nullable") and not one.keys() - {"description"}:
                found.add("any")
        return found

    def wrong(self, schema):
        """(what, value) pairs that no alternative takes."""
        types = self.types(schema)
        if "any" in types or not types:
            return
        for kind, value in (("string", "odd"), ("object", {"odd": 1}), ("array", ["odd"]),
                            ("boolean", True), ("number", 1.5)):
            if kind in types:
                continue
            yield f"a {kind}", value
        for one in self.alternatives(schema):
            if one.get("type") == "integer" and not types & {"number", "string"}:
                if one.get("minimum") is not None:
                    yield "below the least", int(one["minimum"]) - 1
                if one.get("maximum") is not None:
                    yield "above the most", int(one["maximum"]) + 1
            if one.get("type") == "number" and len(types - {"null"}) == 1:
                if one.get("minimum") is not None:
                    yield "below the least", one["minimum"] - 1
                if one.get("maximum") is not None:
                    yield "above the most", one["maximum"] + 1
            if "enum" in one and types <= {"string", "null"} and all(
                    "enum" in a or a.get("nullable") for a in self.alternatives(schema)):
                yield "another word", "odd"
                break

    def changes(self, schema, value, path=()):
        """(path, what, changed value)."""
        yield from ((path, what, new) for what, new in self.wrong(schema)) if path else ()
        if len(path) > DEPTH:
            return
        choices = list(self.alternatives(schema))
        if isinstance(value, dict):
            fitting = [s for s in choices if s.get("type") == "object" and "properties" in s
                       and set(s.get("required", [])) <= set(value) <= set(s["properties"])]
            if len(fitting) != 1:
                return
            inner = fitting[0]
            for name in inner.get("required", []):
                if len(choices) == 1:
                    yield path, f"without {name}", {k: v for k, v in value.items() if k != name}
            for name in value:
                for at, what, new in self.changes(inner["properties"][name], value[name],
                                                  path + (name,)):
                    yield at, what, {**value, name: new}
        elif isinstance(value, list) and value:
            fitting = [s for s in choices if s.get("type") == "array" and "items" in s]
            if len(fitting) == 1:
                for at, what, new in self.changes(fitting[0]["items"], value[0], path + (0,)):
                    yield at, what, [new, *value[1:]]


def bodies(document, schema):
    """Valid bodies, the small ones first: each member is changed in the first that has it."""
    found = []
    for seed in range(40):
        body = Generator(document, seed).value(schema)
        found.append((len(json.dumps(body)), seed, body))
    return [body for _, _, body in sorted(found, key=lambda f: f[:2])]


def test_every_member_is_checked(http, openapi):
    if openapi is None:
        print("skipped: members of requests: no OpenAPI document (MALMOI_SHARED)")
        pytest.skip("no OpenAPI document")
    document, spoiler = openapi.document, Spoiler(openapi.document)
    problems, seen = [], set()
    prepare(http)
    for method, pattern, schema in operations(document, skipped=()):
        if schema is None:
            continue
        for body in bodies(document, schema):
            path = path_of(method, pattern, random.Random(1)).split("?")[0]
            for at, what, changed in spoiler.changes(schema, body):
                key = (method, pattern, at, what)
                if key in seen or is_wider(at, what):
                    continue
                seen.add(key)
                status, text, _ = http.raw(method.upper(), path, changed)
                error = json.loads(text)["status"] if status >= 400 else None
                error = error["error"] if isinstance(error, dict) else error
                good = status == 400 and error.startswith("Format error in JSON body: ") or \
                    status == 422 and error.startswith("Validation error in JSON body: [")
                if not good:
                    problems.append((method, pattern, ".".join(map(str, at)), what, status,
                                     (error or "")[:80]))
    assert not problems, problems[:20]
    for path, status in (("made", 200), ("absent", 200), (COLLECTION + "?timeout=x", 400),
                         (COLLECTION + "?timeout=0", 422)):
        assert http.raw("DELETE", f"/collections/{path}")[0] == status, path
    assert len(seen) > 5000
    assert http.raw("GET", "/healthz")[0] == 200
    assert http.raw("GET", f"/collections/{COLLECTION}")[0] == 200
