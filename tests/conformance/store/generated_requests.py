"""Random requests by the schemas of an OpenAPI document: valid ones, and ones with a mistake."""
import copy
import random
import uuid

TEXTS = ["a", "n", "kind", "text", "at", "place", "list", "list[]", "nested.deep", "", "Seoul",
         "2024-01-05T10:00:00Z", "한국어 문서", "dense", "sparse", "late", "$score", "9", "None", "\u0000",
         "x" * 300, "a.b[", "0b0e2f0e-3c5a-4b8f-9a3e-000000000004", "english", "word1 common"]
NUMBERS = [0, 1, 2, 3, 4, 7, 10, 100, 0.5, -1, 1.5, 1e-7, -3.25, 2**31, 2**53, 2**63, 2**64, 1e30]
ODD = [None, True, -1, 2**70, 1e308, "", "odd", [], {}, [[]], [None], {"": {}}, "\ud7ff", [1, "a"]]


class Generator:
    def __init__(self, document, seed):
        self.schemas = document["components"]["schemas"]
        self.random = random.Random(seed)

    def value(self, schema, depth=0):
        """A value that fits the schema, but for the ranges of strings' contents."""
        choose = self.random.choice
        if "$ref" in schema:
            return self.value(self.schemas[schema["$ref"].rsplit("/", 1)[1]], depth)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                options = [s for s in schema[key] if s != {"nullable": True}]
                if depth > 6:  # The first alternative that ends.
                    options = sorted(options, key=lambda s: "$ref" in s)[:1]
                return self.value(choose(options), depth + 1)
        if "allOf" in schema:
            return self.value(schema["allOf"][0], depth)
        if "enum" in schema:
            return choose(schema["enum"])
        kind = schema.get("type")
        if kind == "object":
            return self.object(schema, depth)
        if kind == "array":
            n = self.random.choice([0, 1, 2, 4]) if depth < 7 else 0
            n = max(n, schema.get("minItems", 0))
            return [self.value(schema.get("items", {}), depth + 1) for _ in range(n)]
        if kind in ("integer", "number"):
            return self.number(schema, kind)
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind == "string":
            return str(uuid.UUID(int=self.random.getrandbits(128))) \
                if schema.get("format") == "uuid" else choose(TEXTS)
        return choose([1, "a", True, None, {"a": [1]}])

    def number(self, schema, kind):
        low, high = schema.get("minimum", -5), schema.get("maximum", 100)
        if self.random.random() < 0.1:
            return self.random.choice(NUMBERS)
        if kind == "integer":
            return self.random.randint(int(low), int(max(low, min(high, low + 20))))
        return round(self.random.uniform(low, max(low, min(high, low + 20))), 3)

    def object(self, schema, depth):
        properties, required = schema.get("properties", {}), schema.get("required", [])
        keep = 0.4 if depth < 4 else 0.1
        out = {name: self.value(inner, depth + 1) for name, inner in properties.items()
               if name in required or (depth < 8 and self.random.random() < keep)}
        more = schema.get("additionalProperties")
        if isinstance(more, dict) and depth < 7:
            for _ in range(self.random.randint(0, 2)):
                out[self.random.choice(TEXTS)] = self.value(more, depth + 1)
        return out

    def spoiled(self, value):
        """The value with one or two members replaced, removed or buried."""
        holder = {"root": value}
        for _ in range(self.random.randint(1, 2)):
            place, key = holder, "root"
            while isinstance(place[key], (dict, list)) and place[key] and self.random.random() < 0.8:
                place = place[key]
                key = self.random.choice(list(place) if isinstance(place, dict)
                                         else range(len(place)))
            what = self.random.random()
            if what < 0.2 and isinstance(place, dict) and place is not holder:
                del place[key]
            elif what < 0.3:
                for _ in range(self.random.choice([3, 40, 200])):
                    place[key] = self.random.choice([[place[key]], {"must": place[key]},
                                                     {"prefetch": place[key]}])
            else:
                place[key] = copy.deepcopy(self.random.choice(ODD + NUMBERS))  # Not one list twice.
        return holder["root"]
