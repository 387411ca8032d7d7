"""A small validator of JSON against an OpenAPI 3.0 document: what Qdrant's document uses, no more.
Members that a schema does not name are errors unless it allows them, which JSON Schema alone would
let pass: a response must have Qdrant's shape exactly."""

# What 1.20's client has and a document of before does not.
NEWER = {"CollectionInfo": {"created_at": {"type": "string"}},
         "CollectionParams": {"id_tracker": {"type": "object"}}}


class Document:
    def __init__(self, document):
        self.document = document
        self.schemas = document["components"]["schemas"]
        for name, members in NEWER.items():
            for member, schema in members.items():
                self.schemas[name]["properties"].setdefault(member, schema)
        self.paths = [(p.strip("/").split("/"), item) for p, item in document["paths"].items()]

    def check(self, method, path, status, answer):
        """Raises AssertionError where the answer does not fit; unknown routes pass."""
        schema = self.find(method, path, status)
        if schema is None:
            return
        problem = self.problem(schema, answer, "$")
        assert problem is None, f"{method} {path}: {problem}"

    def find(self, method, path, status):
        parts = path.strip("/").split("/")
        best = None
        for pattern, item in self.paths:
            if len(pattern) != len(parts) or method.lower() not in item:
                continue
            if all(a == b or a.startswith("{") for a, b in zip(pattern, parts)):
                exact = sum(a == b for a, b in zip(pattern, parts))
                if best is None or exact > best[0]:
                    best = (exact, item[method.lower()])
        if best is None:
            return None
        responses = best[1]["responses"]
        response = responses.get(str(status)) or responses.get("4XX" if status >= 400 else "none")
        content = (response or {}).get("content", {})
        return content.get("application/json", {}).get("schema")

    def problem(self, schema, value, at):
        if "$ref" in schema:
            return self.problem(self.schemas[schema["$ref"].rsplit("/", 1)[1]], value, at)
        if value is None and schema.get("nullable"):
            return None
        for key in ("anyOf", "oneOf"):
            if key in schema:
                found = [self.problem(s, value, at) for s in schema[key]]
                if None in found:
                    return None
                return f"{at}: fits none of {key}: {found[:3]}"
        for part in schema.get("allOf", []):
            if problem := self.problem(part, value, at):
                return problem
        if "enum" in schema and value not in schema["enum"]:
            return f"{at}: {value!r} is none of {schema['enum']}"
        kind = schema.get("type")
        return getattr(self, f"_{kind}")(schema, value, at) if kind else None

    def _object(self, schema, value, at):
        if not isinstance(value, dict):
            return f"{at}: no object: {value!r}"
        properties, more = schema.get("properties", {}), schema.get("additionalProperties")
        for name in schema.get("required", []):
            if name not in value:
                return f"{at}: lacks {name}"
        for name, member in value.items():
            if name in properties:
                inner = properties[name]
            elif isinstance(more, dict):
                inner = more
            elif more is True or not properties:
                continue
            else:
                return f"{at}: unexpected member {name}"
            if problem := self.problem(inner, member, f"{at}.{name}"):
                return problem
        return None

    def _array(self, schema, value, at):
        if not isinstance(value, list):
            return f"{at}: no array: {value!r}"
        for i, item in enumerate(value):
            if problem := self.problem(schema.get("items", {}), item, f"{at}[{i}]"):
                return problem
        return None

    def _integer(self, schema, value, at):
        good = isinstance(value, int) and not isinstance(value, bool)
        return None if good else f"{at}: no integer: {value!r}"

    def _number(self, schema, value, at):
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        return None if good else f"{at}: no number: {value!r}"

    def _string(self, schema, value, at):
        return None if isinstance(value, str) else f"{at}: no string: {value!r}"

    def _boolean(self, schema, value, at):
        return None if isinstance(value, bool) else f"{at}: no boolean: {value!r}"

    def _null(self, schema, value, at):
        return None if value is None else f"{at}: not null: {value!r}"
