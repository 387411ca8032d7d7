#!/usr/bin/env python3
"""Random operations against malmoi's store over REST or gRPC, against Qdrant's engine and against
qdrant-client's local mode, compared step by step.

    python3 tools/store_difference.py --bin build/dev/malmoi --operations 20000 [--seed N]
                                      [--oracle edge|local|both] [--keep-going] [--minutes M]
                                      [--grpc]

The oracles are qdrant-edge-py, the real engine in process, and qdrant-client's in-memory mode.
Answers are compared exactly, scores within 1e-4; the order among equal scores is free. A difference
prints the shortest sequence of operations that still shows it, and ends the run with exit code 1
unless it is in EXPLAINED. The table in docs/api/qdrant.md gives the reasons.

Each sequence is its own seed and its own collection: create, index, upsert, set and delete payload,
vectors and points, filter, scroll, count, facet, query in all forms, groups, and now and then a
restart. Files are made in memory (/dev/shm) where there is one, unless TMPDIR is set: nothing is
gained here by waiting for a disk.
"""
import argparse
import json
import math
import os
import pathlib
import random
import re
import sys
import time
import warnings

import numpy as np
from qdrant_client import models
from qdrant_client.local.distances import calculate_distance_core
from qdrant_client.local.qdrant_local import QdrantLocal

from store_edge import Edge
from store_operations import DIM, needed_index, operation
from store_wire import Grpc, Server, Wire

NAME = "difference"


WRITES = ("upsert", "delete", "set_payload", "overwrite_payload", "delete_payload", "clear_payload",
          "delete_vectors", "update_vectors", "create_payload_index")


def run(client, name, arguments):
    if name == "restart":
        return None
    arguments = dict(arguments)
    if name in WRITES:
        arguments["wait"] = True
        getattr(client, name)(NAME, **arguments)
        return None
    if name == "query_points_groups" and not isinstance(client, Server):
        # What groups must come of: all points that the query ranks. `grouped` compares.
        whole = {k: arguments[k] for k in ("query", "using", "query_filter")}
        ranked = client.query_points(NAME, **whole, limit=1000, with_payload=True).points
        return [(p.id, p.score, p.payload) for p in ranked]
    answer = getattr(client, name)(NAME, **arguments)
    if name == "count":
        return answer.count
    if name == "scroll" and "order_by" in arguments:
        # The order among equal values is free.
        key = arguments["order_by"].key
        return sorted(((p.payload[key], p.id, p.payload) for p in answer[0]), key=repr)
    if name == "scroll":
        return [plain(p) for p in answer[0]], answer[1]
    if name == "facet":
        # The engine lists values that no point has any more.
        return sorted(((facet_value(h.value), h.count) for h in answer.hits if h.count), key=repr)
    if name == "query_points_groups":
        return [(g.id, [(h.id, h.score) for h in g.hits]) for g in answer.groups]
    if isinstance(arguments.get("query"), models.OrderByQuery):
        return [(p.id, 0.0, None) for p in answer.points]
    if isinstance(arguments.get("query"), models.NearestQuery):
        # MMR orders by what is not shown, and there too equal points are free.
        return sorted(((p.id, p.score, p.payload) for p in answer.points), key=lambda h: h[1])
    return [(p.id, p.score, p.payload) for p in answer.points]


def facet_value(value):
    """Of the engine's own type, or the value itself."""
    found = re.fullmatch(r"\w+\((.*)\)", repr(value))
    return found.group(1).strip('"').capitalize() if found else str(value).capitalize()


def plain(record):
    vectors = record.vector or {}
    if not isinstance(vectors, dict):
        vectors = {"": vectors}
    out = {}
    for name, value in vectors.items():
        if hasattr(value, "indices"):
            value = (list(value.indices), list(value.values))
        elif isinstance(value, dict):
            value = (value["indices"], value["values"])
        out[name] = value
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


def grouped(groups, ranked, group_by, limit, group_size, **_):
    """Whether groups [(id, [(point, score)])] are those of all points in order of their scores:
    which of equal groups are taken, and which of equal points, is free."""
    members = {}
    for point, score, payload in ranked:
        values = (payload or {}).get(group_by)
        for value in dict.fromkeys(values if isinstance(values, list) else [values]):
            if value is not None:
                members.setdefault(value, []).append((point, score))
    best = [found[0][1] for found in members.values()][:limit]
    if not close([hits[0][1] for _, hits in groups], best) or len(dict(groups)) != len(groups):
        return False
    for value, hits in groups:
        there, ids = members.get(value, []), [h[0] for h in hits]
        if not close([h[1] for h in hits], [score for _, score in there[:group_size]]):
            return False
        if len(set(ids)) != len(ids) or not all(close(dict(there).get(i), s) for i, s in hits):
            return False
    return True


def same(name, arguments, mine, theirs):
    """Lists of hits agree when the scores do, place by place, and every id whose score is not
    shared with the last place stands at that score in both; of a later page, nor with the first."""
    if name == "query_points_groups":
        return grouped(mine, theirs, **arguments)
    if name != "query_points":
        return close(mine, theirs)
    paged = bool(arguments.get("offset"))
    if len(mine) != len(theirs) or not all(close(a[1], b[1]) for a, b in zip(mine, theirs)):
        return False
    if not mine:
        return True
    free = [mine[-1][1]] + [mine[0][1]] * paged  # Equal points stand beyond the list's ends too.
    inner = lambda hits: {h[0]: h for h in hits if not any(close(h[1], f) for f in free)}
    a, b = inner(mine), inner(theirs)
    return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)


# Differences that are meant, as (reason, test of the step); docs/api/qdrant.md has the table.
def joins_should(arguments, outer=frozenset()):
    """Whether a filter with `should` holds in a prefetch whose own filter has `should` too; and so
    with `min_should`."""
    kept = arguments.get("query_filter") or arguments.get("filter")
    own = {name for name in ("should", "min_should") if kept is not None and getattr(kept, name)}
    stage = arguments.get("prefetch") or []
    inner = [dict(p) for p in (stage if isinstance(stage, list) else [stage])]
    return bool(outer & own) or any(joins_should(p, outer | own) for p in inner)


EXPLAINED = [
    ("two filters with `should` are joined as one list of them", lambda which, name, arguments:
     name == "query_points" and joins_should(arguments)),
    ("points that no query scored have another score", lambda which, name, arguments:
     name == "query_points" and "query" not in arguments and "prefetch" not in arguments),
]


def create(client):
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


def both(*filters):
    """What all of the filters keep: a request's filter holds in its prefetches too."""
    given = [f for f in filters if f is not None]
    return models.Filter(must=given) if len(given) > 1 else given[0] if given else None


def has_ties(client, prefetch, outer=None):
    """Whether a prefetch's list has an order, or an end, that equal scores leave open."""
    given = prefetch if isinstance(prefetch, list) else [prefetch]
    for p in given:
        kept = both(outer, p.filter)
        if p.prefetch and has_ties(client, p.prefetch, kept):
            return True
        points = client.query_points(NAME, query=p.query, using=p.using, prefetch=p.prefetch,
                                     query_filter=kept, limit=p.limit + 1).points
        if any(close(a.score, b.score) for a, b in zip(points, points[1:])):
            return True
    return False


def undecided(client, query):
    """Points as near to a pair's positive as to its negative, or to the best of all positives as to
    that of all negatives: which side they are on is rounding, or a zero's sign."""
    points = {p.id: p.vector["d"] for p in client.scroll(NAME, limit=1000, with_vectors=True)[0]
              if "d" in p.vector}
    kind = create.distance

    def near(point, example):
        example = points[example] if isinstance(example, int) else example
        if kind == models.Distance.EUCLID:
            return -math.dist(point, example)
        if kind == models.Distance.MANHATTAN:
            return -sum(abs(a - b) for a, b in zip(point, example))
        length = math.hypot(*example) if kind == models.Distance.COSINE else 1
        return sum(a * b for a, b in zip(point, example)) / (length or 1)

    def best(point, examples):
        return max((near(point, e) for e in examples or []), default=-math.inf)

    if isinstance(query, models.DiscoverQuery):
        sides = [([pair.positive], [pair.negative]) for pair in query.discover.context]
    else:
        sides = [(query.recommend.positive, query.recommend.negative)]
    return {i for i, v in points.items() for positive, negative in sides
            if abs(best(v, positive) - best(v, negative)) < 1e-5}


def agree_where_decided(client, oracle, arguments):
    whole = {**arguments, "limit": 1000, "offset": 0}
    free = undecided(client, arguments["query"])
    a, b = ([h for h in run(c, "query_points", whole) if h[0] not in free]
            for c in (client, oracle))
    return same("query_points", whole, a, b)


def greedy(client, arguments):
    """Whether MMR took, at each of its steps, one of the best points: of equal ones any may be
    taken, and what comes after depends on which."""
    query, using = arguments["query"], arguments["using"]
    kept = arguments.get("query_filter")
    found = client.query_points(NAME, query=query.nearest, using=using, query_filter=kept,
                                limit=query.mmr.candidates_limit + 1).points
    if len(found) > query.mmr.candidates_limit and close(found[-1].score, found[-2].score):
        return True  # Which of equal points are candidates is free too.
    stored = {p.id: np.array(p.vector[using]) for p in client.scroll(NAME, limit=1000, with_vectors=True)[0]
              if using in (p.vector or {})}
    ids = [p.id for p in found[: query.mmr.candidates_limit]]
    rows = np.array([stored[i] for i in ids], dtype=np.float32).reshape(len(ids), -1)
    near = {i: calculate_distance_core(stored[i], rows, create.distance) for i in ids}
    gain = calculate_distance_core(np.array(query.nearest), rows, create.distance)
    part, worst = query.mmr.diversity, np.full(len(ids), -np.inf)
    taken = [p.id for p in client.query_points(NAME, **arguments).points]
    for step, point in enumerate(taken):
        score = gain if step == 0 else (1 - part) * gain - part * worst
        free = [at for at, i in enumerate(ids) if i not in taken[:step]]
        if point not in ids or score[ids.index(point)] < max(score[at] for at in free) - 1e-5:
            return False
        worst = np.maximum(worst, near[point])
    return len(taken) == min(arguments["limit"], len(ids))


def oracles_of(which):
    """Fresh ones by name."""
    oracles = {}
    if which in ("local", "both"):
        oracles["local"] = QdrantLocal(":memory:")
        create(oracles["local"])
    if which in ("edge", "both"):
        oracles["edge"] = Edge(create.distance)
    return oracles


def compare(client, oracle, mine, failed, name, arguments):
    """The oracle's answer where it differs, as a one-element tuple; None where not."""
    theirs, refused = attempt(oracle, name, arguments)
    if refused is not None and refused.startswith("UFuncTypeError"):
        return None  # Local mode fails on discovery over no points.
    if isinstance(oracle, Edge) and refused is not None and name in WRITES:
        return None  # It reports missing points after changing the others; so does the client.
    if (failed is None) == (refused is None) and (failed or same(name, arguments, mine, theirs)):
        return None
    which = "edge" if isinstance(oracle, Edge) else "local"
    if any(test(which, name, arguments) for _, test in EXPLAINED):
        return None
    stage, query = arguments.get("prefetch"), arguments.get("query")
    sided = isinstance(query, (models.DiscoverQuery, models.RecommendQuery))
    if sided and failed is None and refused is None:
        return None if agree_where_decided(client, oracle, arguments) else (theirs,)
    if isinstance(query, models.NearestQuery) and failed is None and refused is None:
        return None if greedy(client, arguments) else (theirs,)
    if failed is None and refused is None and stage and has_ties(
            client, stage, arguments.get("query_filter")):
        return None  # What comes of a rank depends on an order that is free.
    return (refused or theirs,)


def replay(malmoi, steps, restarts=True, oracle=None):
    """Index of the first step that differs, with all answers; None where none does."""
    oracles = oracles_of(oracle or replay.oracle)
    create(malmoi)
    indexed = set()
    try:
        for i, (name, arguments) in enumerate(steps):
            if name == "restart":
                if restarts:
                    malmoi.restart()
                    if "edge" in oracles:
                        oracles["edge"].restart()
                continue
            if needed_index(name, arguments) not in indexed | {None}:
                continue
            if name == "create_payload_index":
                indexed.add(arguments["field_name"])
            mine, failed = attempt(malmoi, name, arguments)
            for which, oracle in oracles.items():
                difference = compare(malmoi, oracle, mine, failed, name, arguments)
                if difference is not None:
                    return i, failed or mine, difference[0], which
    finally:
        if "edge" in oracles:
            oracles["edge"].close()
    return None


def shorten(malmoi, steps, found):
    """Leaves out steps while a difference with the same oracle stays."""
    which = found[3]
    steps = steps[: found[0] + 1]
    size = max(1, len(steps) // 2)
    while size >= 1:
        at = 0
        while at + size < len(steps):
            fewer = steps[:at] + steps[at + size:]
            difference = replay(malmoi, fewer, False, which)
            if difference is not None:
                steps = fewer[: difference[0] + 1]
            else:
                at += size
        size //= 2
    return steps, replay(malmoi, steps, True, which)


def show(value):
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_none=True)
    if isinstance(value, dict):
        return {k: show(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [show(v) for v in value]
    return value


def report(malmoi, seed, steps, found):
    first = found
    steps, found = shorten(malmoi, steps, found)
    print(f"seed {seed}, distance {create.distance.value}: differs after {len(steps)} operations")
    for name, arguments in steps:
        print("  ", name, json.dumps(show(arguments), ensure_ascii=False, default=str))
    if found is None:
        print("   which did not come again; it was")
    found = found or first
    print("   malmoi:", found[1])
    print(f"   {found[3]}:", found[2], flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", default=str(pathlib.Path(__file__).resolve().parents[1] / "build/dev/malmoi"))
    parser.add_argument("--operations", type=int, default=2000)
    parser.add_argument("--length", type=int, default=120, help="operations of one sequence")
    parser.add_argument("--minutes", type=float, default=math.inf, help="an end before that")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--oracle", choices=["local", "edge", "both"], default="both")
    parser.add_argument("--grpc", action="store_true", help="over gRPC instead of REST")
    parser.add_argument("--keep-going", action="store_true", help="report every differing sequence")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if os.path.isdir("/dev/shm"):
        os.environ.setdefault("TMPDIR", "/dev/shm")
    replay.oracle = options.oracle
    malmoi = (Grpc if options.grpc else Wire)(options.bin)
    done, differing, seed = 0, 0, options.seed
    begin, said = time.monotonic(), 0
    try:
        while done < options.operations and time.monotonic() - begin < options.minutes * 60:
            rng = random.Random(seed)
            create.distance = rng.choice(list(models.Distance))
            steps = [operation(rng) for _ in range(options.length)]
            found = replay(malmoi, steps)
            done += len(steps) if found is None else found[0] + 1
            seed += 1
            if found is not None:
                differing += 1
                report(malmoi, seed - 1, steps, found)
                if not options.keep_going:
                    break
            if done // 20000 > said:
                said = done // 20000
                print(f"{done} operations so far, {differing} with a difference", flush=True)
    except KeyboardInterrupt:
        pass  # A long run ended by hand says how far it came.
    finally:
        malmoi.close()
    print(f"{done} operations in {seed - options.seed} sequences, {differing} with a difference, "
          f"{time.monotonic() - begin:.0f} s")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
