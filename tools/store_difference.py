#!/usr/bin/env python3
"""Random operations against malmoi's store over REST and against Qdrant's local mode,
compared step by step.

    python3 tools/store_difference.py --bin build/dev/malmoi --operations 20000 [--seed N]
                                      [--keep-going]

The oracle is qdrant-client's in-memory mode. Answers are compared exactly, scores within 1e-4; the
order among equal scores is free. A difference prints the shortest sequence of
operations that still shows it, and ends the run with exit code 1 unless it is in EXPLAINED. The
table in docs/api/qdrant.md gives the reasons.

Each sequence is its own seed and its own collection: create, index, upsert, set and delete payload,
vectors and points, filter, scroll, count, query in all forms, and now and then a restart.
"""
import argparse
import json
import math
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings

from qdrant_client import QdrantClient, models

DIM, IDS = 4, 30
KEYWORDS = ["red", "green", "blue", "빨강"]
NAME = "difference"


class Malmoi:
    """The program on a free loopback port."""

    def __init__(self, binary):
        self.binary, self.folder = binary, tempfile.mkdtemp(prefix="malmoi-difference-")
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.binary, "serve", "store", "--storage", self.folder, "--port", "0"],
            stderr=subprocess.PIPE, text=True)
        text = ""
        while not (found := re.search(r"http://[^:]+:(\d+)/", text)):
            line = self.process.stderr.readline()
            if not line:
                raise SystemExit(f"the store did not start: {text}")
            text += line
        self.client = QdrantClient(url=f"http://127.0.0.1:{found.group(1)}", timeout=60,
                                   check_compatibility=False)

    def restart(self):
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        self.start()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        shutil.rmtree(self.folder)


def vector(rng, dim=DIM):
    return [rng.randint(-8, 8) / 4 for _ in range(dim)] if rng.random() < 0.9 else [0.0] * dim


def sparse(rng):
    indices = sorted(rng.sample(range(12), rng.randint(1, 4)))
    return models.SparseVector(indices=indices, values=[rng.randint(1, 8) / 4 for _ in indices])


def payload(rng):
    out = {}
    if rng.random() < 0.8:
        out["color"] = rng.choice([rng.choice(KEYWORDS), rng.sample(KEYWORDS, 2)])
    if rng.random() < 0.8:
        out["n"] = rng.randint(-5, 20)
    if rng.random() < 0.6:
        out["f"] = rng.randint(-40, 40) / 8
    if rng.random() < 0.4:
        out["flag"] = rng.random() < 0.5
    if rng.random() < 0.4:
        out["deep"] = {"list": [{"a": rng.randint(0, 3), "b": rng.choice(KEYWORDS)}
                                for _ in range(rng.randint(0, 3))]}
    if rng.random() < 0.3:
        out["place"] = {"lon": rng.randint(-170, 170), "lat": rng.randint(-80, 80)}
    if rng.random() < 0.3:
        out["empty"] = rng.choice([None, [], [None], {}, 0])
    if rng.random() < 0.3:
        out["when"] = f"2024-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T00:00:00Z"
    return out


def condition(rng, depth=0):
    kind = rng.randint(0, 12 if depth < 2 else 10)
    field = models.FieldCondition
    if kind == 0:
        return field(key="color", match=models.MatchValue(value=rng.choice(KEYWORDS)))
    if kind == 1:
        return field(key="color", match=models.MatchAny(any=rng.sample(KEYWORDS, 2)))
    if kind == 2:
        return field(key="n", match=models.MatchExcept(**{"except": rng.sample(range(10), 3)}))
    if kind == 3:
        low = rng.randint(-5, 15)
        return field(key=rng.choice(["n", "f"]), range=models.Range(gte=low, lt=low + 8))
    if kind == 4:
        return models.IsEmptyCondition(is_empty=models.PayloadField(key=rng.choice(
            ["color", "empty", "deep.list"])))
    if kind == 5:
        return models.IsNullCondition(is_null=models.PayloadField(key="empty"))
    if kind == 6:
        return models.HasIdCondition(has_id=rng.sample(range(IDS), 5))
    if kind == 7:
        return field(key="deep.list", values_count=models.ValuesCount(gte=rng.randint(0, 2)))
    if kind == 8:
        return field(key="deep.list[].a", match=models.MatchValue(value=rng.randint(0, 3)))
    if kind == 9:
        return field(key="flag", match=models.MatchValue(value=rng.random() < 0.5))
    if kind == 10:
        return field(key="when", range=models.DatetimeRange(gte=f"2024-0{rng.randint(1, 9)}-01T00:00:00Z"))
    if kind == 11:
        return models.NestedCondition(nested=models.Nested(key="deep.list", filter=models.Filter(must=[
            field(key="a", match=models.MatchValue(value=rng.randint(0, 3))),
            field(key="b", match=models.MatchValue(value=rng.choice(KEYWORDS)))])))
    return filter_of(rng, depth + 1)


def filter_of(rng, depth=0):
    parts = {}
    for clause in ("must", "should", "must_not"):
        if rng.random() < 0.45:
            parts[clause] = [condition(rng, depth) for _ in range(rng.randint(1, 2))]
    return models.Filter(**parts)


def maybe_filter(rng):
    return filter_of(rng) if rng.random() < 0.5 else None


def selector(rng):
    if rng.random() < 0.6:
        return rng.sample(range(IDS), rng.randint(1, 4))
    return filter_of(rng)


def point(rng):
    vectors = {}
    if rng.random() < 0.9:
        vectors["d"] = vector(rng)
    if rng.random() < 0.7:
        vectors["s"] = sparse(rng)
    if rng.random() < 0.5:
        vectors["m"] = [vector(rng, 3) for _ in range(rng.randint(1, 3))]
    return models.PointStruct(id=rng.randrange(IDS), vector=vectors, payload=payload(rng))


def nearest(rng):
    kind = rng.random()
    if kind < 0.6:
        return dict(query=vector(rng), using="d")
    if kind < 0.85:
        return dict(query=sparse(rng), using="s")
    return dict(query=[vector(rng, 3) for _ in range(2)], using="m")


def query(rng):
    kind, limit = rng.randint(0, 8), rng.randint(1, 12)
    some = lambda n: [vector(rng) for _ in range(n)]
    if kind <= 2:
        return dict(**nearest(rng), limit=limit)
    if kind == 3:
        strategy = rng.choice(["average_vector", "best_score", "sum_scores"])
        return dict(query=models.RecommendQuery(recommend=models.RecommendInput(
            positive=some(rng.randint(1, 2)), negative=some(rng.randint(0, 2)), strategy=strategy)),
            using="d", limit=limit)
    if kind == 4:
        pairs = [models.ContextPair(positive=vector(rng), negative=vector(rng)) for _ in range(2)]
        inner = models.DiscoverQuery(discover=models.DiscoverInput(target=vector(rng), context=pairs))
        return dict(query=inner, using="d", limit=limit)
    if kind == 5:
        return dict(prefetch=[models.Prefetch(**nearest(rng), limit=IDS) for _ in range(2)],
                    query=models.FusionQuery(fusion=models.Fusion.DBSF), limit=limit)
    if kind == 6:
        return dict(prefetch=models.Prefetch(query=vector(rng), using="d", limit=IDS),
                    query=vector(rng), using="d", limit=limit)
    if kind == 7:
        formula = models.SumExpression(sum=["$score", models.MultExpression(mult=[
            rng.randint(1, 4), condition(rng, 2)]), models.AbsExpression(abs="n")])
        return dict(prefetch=models.Prefetch(query=vector(rng), using="d", limit=IDS),
                    query=models.FormulaQuery(formula=formula, defaults={"n": 0}), limit=limit)
    return dict(limit=limit)


INDEXES = {"color": "keyword", "n": "integer", "f": "float", "flag": "bool", "when": "datetime",
           "deep.list[].a": "integer"}


def operation(rng):
    """One step as (name, arguments of the client's call)."""
    kind = rng.random()
    if kind < 0.25:
        return "upsert", dict(points=[point(rng) for _ in range(rng.randint(1, 6))])
    if kind < 0.30:
        return "delete", dict(points_selector=selector(rng))
    if kind < 0.36:
        return "set_payload", dict(payload=payload(rng) or {"x": 1}, points=selector(rng))
    if kind < 0.39:
        return "overwrite_payload", dict(payload=payload(rng), points=selector(rng))
    if kind < 0.42:
        return "delete_payload", dict(keys=rng.sample(["color", "n", "deep.list", "f"], 2),
                                      points=selector(rng))
    if kind < 0.44:
        return "clear_payload", dict(points_selector=selector(rng))
    if kind < 0.46:
        return "delete_vectors", dict(vectors=[rng.choice("dsm")],
                                      points=rng.sample(range(IDS), 3))
    if kind < 0.49:
        field = rng.choice(list(INDEXES))
        return "create_payload_index", dict(field_name=field, field_schema=INDEXES[field])
    if kind < 0.50:
        return "restart", {}
    if kind < 0.60:
        return "count", dict(count_filter=filter_of(rng), exact=True)
    if kind < 0.70:
        return "scroll", dict(scroll_filter=maybe_filter(rng), limit=rng.randint(1, IDS),
                              with_payload=True, with_vectors=True)
    return "query_points", dict(**query(rng), query_filter=maybe_filter(rng),
                                with_payload=rng.random() < 0.3)


def run(client, name, arguments):
    if name == "restart":
        return None
    arguments = dict(arguments)
    if name in ("upsert", "delete", "set_payload", "overwrite_payload", "delete_payload",
                "clear_payload", "delete_vectors", "create_payload_index"):
        arguments["wait"] = True
        getattr(client, name)(NAME, **arguments)
        return None
    answer = getattr(client, name)(NAME, **arguments)
    if name == "count":
        return answer.count
    if name == "scroll":
        return [plain(p) for p in answer[0]], answer[1]
    return [(p.id, p.score, p.payload) for p in answer.points]


def plain(record):
    vectors = record.vector or {}
    if not isinstance(vectors, dict):
        vectors = {"": vectors}
    out = {}
    for name, value in vectors.items():
        out[name] = (list(value.indices), list(value.values)) if hasattr(value, "indices") else value
    return record.id, record.payload, out


def close(a, b):
    if isinstance(a, float) or isinstance(b, float):
        if not isinstance(a, (int, float)) or not isinstance(b, (int, float)):
            return False
        return a == b or math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-4)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(close(x, y) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    return a == b


def same(name, mine, theirs):
    """Lists of hits agree when the scores do, place by place, and every id whose score is not
    shared with the last place stands at that score in both."""
    if name != "query_points":
        return close(mine, theirs)
    if len(mine) != len(theirs) or not all(close(a[1], b[1]) for a, b in zip(mine, theirs)):
        return False
    if not mine:
        return True
    last = mine[-1][1]
    inner = lambda hits: {h[0]: h for h in hits if not close(h[1], last)}
    a, b = inner(mine), inner(theirs)
    return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)


# Differences that are meant, as (reason, test of the step); docs/api/qdrant.md has the table.
EXPLAINED = [
    ("local mode gives points that no query scored another score", lambda name, arguments: name == "query_points" and
     "query" not in arguments and "prefetch" not in arguments),
]


def create(client):
    if client.collection_exists(NAME):
        client.delete_collection(NAME)
    client.create_collection(NAME, vectors_config={
        "d": models.VectorParams(size=DIM, distance=create.distance),
        "m": models.VectorParams(size=3, distance=models.Distance.DOT,
                                 multivector_config=models.MultiVectorConfig(comparator="max_sim"))},
        sparse_vectors_config={"s": models.SparseVectorParams()})


def attempt(client, name, arguments):
    try:
        return run(client, name, arguments), None
    except Exception as error:  # Every kind of refusal counts as one.
        return None, f"{type(error).__name__}: {error}"


def replay(malmoi, steps, restarts=True):
    """Index of the first step that differs, with both answers; None where none does."""
    local = QdrantClient(":memory:")
    create(local)
    create(malmoi.client)
    for i, (name, arguments) in enumerate(steps):
        if name == "restart":
            if restarts:
                malmoi.restart()
            continue
        mine, failed = attempt(malmoi.client, name, arguments)
        theirs, refused = attempt(local, name, arguments)
        if refused is not None and refused.startswith("UFuncTypeError"):
            continue  # Local mode fails on discovery over no points.
        if (failed is None) != (refused is None):
            return i, failed or mine, refused or theirs
        if failed is None and not same(name, mine, theirs):
            if any(test(name, arguments) for _, test in EXPLAINED):
                continue
            return i, mine, theirs
    return None


def shorten(malmoi, steps):
    """Leaves out steps while the difference stays."""
    found = replay(malmoi, steps)
    steps = steps[: found[0] + 1]
    size = max(1, len(steps) // 2)
    while size >= 1:
        at = 0
        while at + size < len(steps):
            fewer = steps[:at] + steps[at + size:]
            difference = replay(malmoi, fewer, restarts=False)
            if difference is not None:
                steps = fewer[: difference[0] + 1]
            else:
                at += size
        size //= 2
    return steps, replay(malmoi, steps)


def show(value):
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_none=True)
    if isinstance(value, dict):
        return {k: show(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [show(v) for v in value]
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", default=str(pathlib.Path(__file__).resolve().parents[1] / "build/dev/malmoi"))
    parser.add_argument("--operations", type=int, default=2000)
    parser.add_argument("--length", type=int, default=60, help="operations of one sequence")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep-going", action="store_true", help="report every differing sequence")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    malmoi, done, differing, seed = Malmoi(options.bin), 0, 0, options.seed
    try:
        while done < options.operations:
            rng = random.Random(seed)
            create.distance = rng.choice(list(models.Distance))
            steps = [operation(rng) for _ in range(options.length)]
            if replay(malmoi, steps) is not None:
                differing += 1
                steps, found = shorten(malmoi, steps)
                print(f"seed {seed}, distance {create.distance.value}: differs after {len(steps)} operations")
                for name, arguments in steps:
                    print("  ", name, json.dumps(show(arguments), ensure_ascii=False, default=str))
                if found:
                    print("   malmoi:", found[1])
                    print("   qdrant:", found[2], flush=True)
                if not options.keep_going:
                    break
            done += len(steps)
            seed += 1
    finally:
        malmoi.stop()
    print(f"{done} operations in {seed - options.seed} sequences, {differing} with a difference")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
