"""Values and the schemas of a published OpenAPI 3.0 document."""


def resolve(schema, document):
    """The document's schema with its references in place, as JSON Schema says it."""
    if isinstance(schema, list):
        return [resolve(item, document) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolve(document["components"]["schemas"][schema["$ref"].split("/")[-1]], document)
    return {key: resolve(value, document) for key, value in schema.items() if key != "example"}


def fits(value, schema):
    """Whether a value has the shape of a resolved schema: the part of JSON Schema that OpenAPI 3.0
    documents use."""
    if value is None and schema.get("nullable"):
        return True
    if "oneOf" in schema:
        return any(fits(value, s) for s in schema["oneOf"])
    if "allOf" in schema:
        return all(fits(value, s) for s in schema["allOf"])
    kind = schema.get("type")
    if kind == "object":
        members = schema.get("properties", {})
        more = schema.get("additionalProperties")
        return (isinstance(value, dict) and all(n in value for n in schema.get("required", ()))
                and all(fits(v, members[n]) for n, v in value.items() if n in members)
                and (more is None or all(fits(v, more) for n, v in value.items()
                                         if n not in members)))
    if kind == "array":
        return isinstance(value, list) and all(fits(v, schema["items"]) for v in value)
    if kind in ("integer", "number"):
        types = int if kind == "integer" else (int, float)
        return (isinstance(value, types) and not isinstance(value, bool)
                and value >= schema.get("minimum", value))
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, str) and value in schema.get("enum", [value])


def instances(schema):
    """Values of a resolved schema: at least one of every alternative, then of every member, alone
    beside those that are required."""
    for alternative in schema.get("oneOf", ()):
        yield from instances(alternative)
    for part in schema.get("allOf", ()):
        yield from instances(part)
    if "oneOf" in schema or "allOf" in schema:
        return
    kind = schema.get("type")
    if kind == "object":
        members = schema.get("properties", {})
        least = {n: next(instances(members[n])) for n in schema.get("required", ())}
        yield least
        for name, member in members.items():
            for value in instances(member):
                yield {**least, name: value}
            if member.get("nullable"):
                yield {**least, name: None}
    elif kind == "array":
        item = next(instances(schema["items"]))
        yield [item] * schema.get("minItems", 1)
        yield [item] * schema.get("maxItems", 3)
    elif kind == "integer":
        yield 4
    elif kind == "number":
        yield 0.5
    elif kind == "boolean":
        yield True
        yield False
    else:
        yield from schema.get("enum", ["deep learning"])
