"""Requests that reach each branch of an OpenAPI document's request schemas: every member, every
value of an enumeration, every alternative. Beside the branch they hold only what is required, with
values that mean something in the collection of test_store_generated.prepare."""
import itertools
import random

FIELDS = ["n", "kind", "text", "at", "place", "list"]
UUID = "0b0e2f0e-3c5a-4b8f-9a3e-000000000004"
RING = {"points": [{"lon": x, "lat": y} for x, y in ((0, 0), (9, 0), (9, 9), (0, 0))]}
# Schemas whose members depend on each other.
WHOLE = {"SparseVector": {"indices": [1, 50], "values": [1.0, 2.0]}, "GeoLineString": RING,
         "Document": {"text": "word1", "model": "qdrant/bm25"},
         "Batch": {"ids": [1, 2], "vectors": [[1.0, 2.0], [2.0, 1.0]]}}
# Members by name: what there is of them.
NAMED = {"key": FIELDS, "field_name": FIELDS + ["extra"], "group_by": ["n", "kind"],
         "using": ["dense", "sparse", "late", ""], "has_vector": ["dense", "sparse"],
         "collection": ["generated"], "collection_name": ["generated"], "alias_name": ["alias"],
         "old_alias_name": ["alias"], "new_alias_name": ["other"], "new_collection_name": ["made"],
         "lookup_from": [{"collection": "generated", "vector": "dense"}],
         "with_lookup": ["generated"], "text_any": ["word1"], "phrase": ["word1 common"],
         "start_from": [1, 3.5, "2024-01-05T10:00:00Z"], "datetime": ["2024-01-05T10:00:00Z"],
         "datetime_key": ["at"], "limit": [3, 1], "sample": [4, "random"], "shard_id": [0],
         "language": ["english", "korean"], "timeout": [5], "to": [{"lon": 1, "lat": 1}],
         "total": [4], "index": [1], "size": [2, 3], "m": [16], "lon": [1.5], "lat": [2.5],
         "quantile": [0.99], "min_count": [1], "max_selectivity": [0.4], "oversampling": [2.0],
         "diversity": [0.5], "ef_construct": [100], "full_scan_threshold": [10000],
         "bottom_right": [{"lon": 9, "lat": -9}], "top_left": [{"lon": -9, "lat": 9}],
         "midpoint": [0.5], "scale": [2.0]}


class Branches:
    def __init__(self, document, seed):
        self.schemas = document["components"]["schemas"]
        self.random = random.Random(seed)

    def resolve(self, schema):
        return self.schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema

    def options(self, schema):
        options = schema.get("anyOf") or schema.get("oneOf") or []
        return [o for o in options if o != {"nullable": True}]

    def least(self, schema, name="", depth=0):
        """A value with required members only."""
        choose = self.random.choice
        if name in NAMED and depth:
            fitting = [v for v in NAMED[name] if self.fits(schema, v)]
            if fitting:
                return choose(fitting)
        if "$ref" in schema:
            kind = schema["$ref"].rsplit("/", 1)[1]
            if kind in WHOLE:
                return WHOLE[kind]
            if kind == "ExtendedPointId":
                return choose([1, 2, 5])
            return self.least(self.schemas[kind], name, depth)
        if options := self.options(schema):
            if depth > 8:
                options = [o for o in options if "$ref" not in o] or options
            return self.least(choose(options), name, depth + 1)
        if "allOf" in schema:
            return self.least(schema["allOf"][0], name, depth)
        if "enum" in schema:
            return choose(schema["enum"])
        return self.plain(schema, name, depth)

    def plain(self, schema, name, depth):
        kind, choose = schema.get("type"), self.random.choice
        if kind == "object":
            inner = schema.get("properties", {})
            out = {k: self.least(inner[k], k, depth + 1) for k in schema.get("required", []) if k in inner}
            if isinstance(schema.get("additionalProperties"), dict) and not inner:
                key = choose(["dense", "sparse", "late", ""])
                out[key] = self.least(schema["additionalProperties"], "", depth + 1)
            return out
        if kind == "array":
            items = schema.get("items", {})
            numbers = self.resolve(items).get("type") == "number"
            n = choose([2, 3]) if numbers else max(1, schema.get("minItems", 1))
            return [self.least(items, name, depth + 1) for _ in range(n)]
        if kind == "boolean":
            return choose([True, False])
        if kind in ("integer", "number"):
            low = max(schema.get("minimum", 1), 1 if schema.get("maximum", 2) > 1 else 0)
            return choose([low, low + 1, max(low, 4), max(low, 100)] if kind == "integer" else [0.5, 1.0, 1.5])
        if kind == "string":
            return choose(["2024-01-05T10:00:00Z"] if schema.get("format") == "date-time"
                          else [UUID] if schema.get("format") == "uuid" else FIELDS + ["word1", "$score"])
        return {"n": 1}

    def fits(self, schema, value):
        schema = self.resolve(schema)
        if options := self.options(schema):
            return any(self.fits(o, value) for o in options)
        if "allOf" in schema:
            return self.fits(schema["allOf"][0], value)
        kinds = {"string": str, "integer": int, "number": (int, float), "object": dict, "array": list,
                 "boolean": bool}
        return isinstance(value, kinds.get(schema.get("type"), object))

    def targets(self, schema, seen, name=""):
        """(label, make) for each branch; make() is a new value that has it."""
        if "$ref" in schema:
            kind = schema["$ref"].rsplit("/", 1)[1]
            if kind in seen:
                return
            seen.add(kind)
            for label, make in self.targets(self.schemas[kind], seen, name):
                yield kind + label, make
            return
        if options := self.options(schema):
            for i, option in enumerate(options):
                title = option.get("$ref", str(i)).rsplit("/", 1)[-1]
                yield f"|{title}", lambda o=option: self.least(o, name, 1)
                for label, make in self.targets(option, seen, name):
                    yield f"|{i}:{label}", make
        elif "allOf" in schema:
            yield from self.targets(schema["allOf"][0], seen, name)
        elif "enum" in schema:
            for value in schema["enum"]:
                yield f"={value}", lambda v=value: v
        elif schema.get("type") == "array":
            for label, make in self.targets(schema.get("items", {}), seen, name):
                yield f"[]{label}", lambda m=make: [m()]
        elif schema.get("type") == "object":
            yield from self.members(schema, seen)

    def members(self, schema, seen):
        def whole(key, make):
            return {**self.least(schema, "", 1), key: make()}
        for key, inner in schema.get("properties", {}).items():
            yield f".{key}", lambda k=key, s=inner: whole(k, lambda: self.least(s, k, 1))
            for label, make in self.targets(inner, seen, key):
                yield f".{key}{label}", lambda k=key, m=make: whole(k, m)
        more = schema.get("additionalProperties")
        if isinstance(more, dict):
            for label, make in self.targets(more, seen):
                yield f".*{label}", lambda m=make: {self.random.choice(["dense", "sparse", "late", "n"]): m()}

    def of(self, schema):
        return itertools.chain([("", lambda: self.least(schema))], self.targets(schema, set()))


SPARSE, DENSE, LATE = {"indices": [1, 50], "values": [1.0, 2.0]}, [1.0, 2.0], [[1.0, 2.0]]
EXAMPLES = ("positive", "negative", "target", "example", "nearest")
NEEDS_PREFETCH = ("formula", "fusion", "rrf")
OF_QUERIES = {"query", "using", "limit", "with_payload", "field_name", "order_by", "prefetch", "params",
              "score_threshold", "lookup_from", "with_vector", "group_by", "field_schema"}


def kind_of(value):
    """The first vector among the examples of a query: they must be of one kind."""
    if isinstance(value, dict):
        if "indices" in value or "text" in value and "model" in value:
            return "sparse"
        for inner in value.values():
            if kind := kind_of(inner):
                return kind
    if isinstance(value, list) and value:
        if isinstance(value[0], list):
            return "late" if value[0] and isinstance(value[0][0], float) else None
        if isinstance(value[0], float):
            return "dense"
        return next(filter(None, map(kind_of, value)), None)
    return None


def of_kind(value, kind):
    """A query with all its examples of that kind."""
    if isinstance(value, dict) and not {"indices", "model"} & set(value):
        return {k: v if k in ("weights", "mmr", "strategy") else of_kind(v, kind) for k, v in value.items()}
    if isinstance(value, list) and value and (kind_of(value) is None or isinstance(value[0], (dict, int, str))):
        return [of_kind(v, kind) for v in value]
    if kind_of(value) in (None, kind):
        return value
    return {"sparse": SPARSE, "dense": DENSE, "late": LATE}[kind]


def with_query(out):
    query = out.get("query")
    if out.get("prefetch") not in (None, []) and query is None:
        out["query"] = {"fusion": "rrf"}
    elif "score_threshold" in out and query is None:
        out["query"] = DENSE
    elif isinstance(query, dict) and any(k in query for k in NEEDS_PREFETCH):
        out.setdefault("prefetch", [{"query": DENSE}] * len((query.get("rrf") or {}).get("weights") or [1]))
    elif query is not None and not isinstance(query, dict) or isinstance(query, dict) and "order_by" not in query \
            and "sample" not in query and "text" not in query or isinstance(query, dict) and "model" in query:
        kind = kind_of(query)
        if kind:
            out["query"] = of_kind(query, kind)
            out["using"] = {"sparse": "sparse", "late": "late", "dense": ""}[kind]
            if kind == "dense":
                out["query"] = of_length(out["query"], 2)


def of_length(value, size):
    if isinstance(value, list) and value and isinstance(value[0], float):
        return (value * size)[:size]
    if isinstance(value, list):
        return [of_length(v, size) for v in value]
    if isinstance(value, dict):
        return {k: of_length(v, size) for k, v in value.items()}
    return value


def stored(vectors):
    """Vectors as the collection has them."""
    if isinstance(vectors, list) and vectors and isinstance(vectors[0], float):
        return of_length(vectors, 2)
    kind = None if isinstance(vectors, dict) and not {"indices", "model"} & set(vectors) else kind_of(vectors)
    if kind in ("sparse", "late"):
        return {kind: of_length(vectors, 2)}
    if isinstance(vectors, dict):
        out = {}
        for value in vectors.values():
            kind = kind_of(value) or "dense"
            value = value[0] if kind == "late" and not isinstance(value[0][0], float) else value
            out[kind] = of_length(value, 3 if kind == "dense" else 2)
        return out
    return vectors


def repaired(value, name=""):
    """The value with what its members need beside them, as the schemas cannot say."""
    if isinstance(value, list):
        return [repaired(v, name) for v in value]
    if not isinstance(value, dict):
        return value
    out = {k: repaired(v, k) for k, v in value.items()}
    if "text" in out and "model" in out:
        out["model"] = "qdrant/bm25"
    if set(out) == {"key"} and name != "order_by":
        out["match"] = {"value": 1}
    if "indices" in out:
        out = dict(SPARSE)
    if name == "exterior" or name == "interiors":
        out = dict(RING)
    if name == "recommend" and not out.get("positive"):
        out["positive"] = [1]
    if isinstance(out.get("with_vector"), list):
        out["with_vector"] = ["dense"]
    if "id" in out and "vector" in out:
        out["vector"] = stored(out["vector"])
    elif isinstance(out.get("vector"), list) and out["vector"] and isinstance(out["vector"][0], str):
        out["vector"] = ["dense"]
    with_query(out)
    operation = name in ("", "set_payload", "overwrite_payload", "delete_payload", "clear_payload",
                         "delete_vectors")
    selects = {"payload", "keys", "vector"} & set(out) or name == "clear_payload"
    if operation and selects and not {"points", "filter"} & set(out) and not OF_QUERIES & set(out):
        out["points"] = [1]
    return out
