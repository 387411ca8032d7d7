#!/usr/bin/env python3
"""Random operations against malmoi's store over REST, against Qdrant's engine and against
qdrant-client's local mode, compared step by step.

    python3 tools/store_difference.py --bin build/dev/malmoi --operations 20000 [--seed N]
                                      [--oracle edge|local|both] [--keep-going]

The oracles are qdrant-edge-py, the real engine in process, and qdrant-client's in-memory mode.
Answers are compared exactly, scores within 1e-4; the order among equal scores is free. A difference
prints the shortest sequence of operations that still shows it, and ends the run with exit code 1
unless it is in EXPLAINED. The table in docs/api/qdrant.md gives the reasons.

Each sequence is its own seed and its own collection: create, index, upsert, set and delete payload,
vectors and points, filter, scroll, count, facet, query in all forms, groups, and now and then a
restart.
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

from store_edge import Edge
from store_operations import DIM, needed_index, operation

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


def same(name, mine, theirs, paged=False):
    """Lists of hits agree when the scores do, place by place, and every id whose score is not
    shared with the last place stands at that score in both; of a later page, nor with the first."""
    if name == "query_points_groups":
        # Which of equal groups and hits are taken is free: the scores must agree.
        scores = lambda groups: [[h[1] for h in hits] for _, hits in groups]
        return close(scores(mine), scores(theirs))
    if name != "query_points":
        return close(mine, theirs)
    if len(mine) != len(theirs) or not all(close(a[1], b[1]) for a, b in zip(mine, theirs)):
        return False
    if not mine:
        return True
    free = [mine[-1][1]] + [mine[0][1]] * paged  # Equal points stand beyond the list's ends too.
    inner = lambda hits: {h[0]: h for h in hits if not any(close(h[1], f) for f in free)}
    a, b = inner(mine), inner(theirs)
    return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)


# Differences that are meant, as (reason, test of the step); docs/api/qdrant.md has the table.
def joins_should(arguments, outer=False):
    """Whether a filter with `should` holds in a prefetch whose own filter has `should` too."""
    kept = arguments.get("query_filter") or arguments.get("filter")
    own = bool(kept is not None and kept.should)
    stage = arguments.get("prefetch") or []
    inner = [dict(p) for p in (stage if isinstance(stage, list) else [stage])]
    return (outer and own) or any(joins_should(p, outer or own) for p in inner)


EXPLAINED = [
    ("two filters with `should` are joined as one list of them", lambda which, name, arguments:
     name == "query_points" and joins_should(arguments)),
    ("points that no query scored have another score", lambda which, name, arguments:
     name == "query_points" and "query" not in arguments and "prefetch" not in arguments),
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


def oracles_of(which):
    """Fresh ones by name."""
    oracles = {}
    if which in ("local", "both"):
        oracles["local"] = QdrantClient(":memory:")
        create(oracles["local"])
    if which in ("edge", "both"):
        oracles["edge"] = Edge(create.distance)
    return oracles


def compare(client, oracle, mine, failed, name, arguments):
    """The oracle's answer where it differs, as a one-element tuple; None where not."""
    theirs, refused = attempt(oracle, name, arguments)
    if refused is not None and refused.startswith(("UFuncTypeError", "Unsupported")):
        return None  # Local mode fails on discovery over no points; the engine has no groups.
    if isinstance(oracle, Edge) and refused is not None and name in WRITES:
        return None  # It reports missing points after changing the others; so does the client.
    paged = bool(arguments.get("offset"))
    if (failed is None) == (refused is None) and (failed or same(name, mine, theirs, paged)):
        return None
    which = "edge" if isinstance(oracle, Edge) else "local"
    if any(test(which, name, arguments) for _, test in EXPLAINED):
        return None
    stage, query = arguments.get("prefetch"), arguments.get("query")
    if isinstance(query, models.NearestQuery):  # MMR goes over the candidates one by one.
        stage = models.Prefetch(query=query.nearest, using=arguments["using"],
                                filter=arguments.get("query_filter"),
                                limit=query.mmr.candidates_limit)
    outer = None if isinstance(query, models.NearestQuery) else arguments.get("query_filter")
    if failed is None and refused is None and stage and has_ties(client, stage, outer):
        return None  # What comes of a rank depends on an order that is free.
    return (refused or theirs,)


def replay(malmoi, steps, restarts=True):
    """Index of the first step that differs, with all answers; None where none does."""
    oracles = oracles_of(replay.oracle)
    create(malmoi.client)
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
            mine, failed = attempt(malmoi.client, name, arguments)
            for which, oracle in oracles.items():
                difference = compare(malmoi.client, oracle, mine, failed, name, arguments)
                if difference is not None:
                    return i, failed or mine, difference[0], which
    finally:
        if "edge" in oracles:
            oracles["edge"].close()
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
    parser.add_argument("--oracle", choices=["local", "edge", "both"], default="both")
    parser.add_argument("--keep-going", action="store_true", help="report every differing sequence")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    replay.oracle = options.oracle
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
                    print(f"   {found[3]}:", found[2], flush=True)
                if not options.keep_going:
                    break
            done += len(steps)
            seed += 1
    except KeyboardInterrupt:
        pass  # A long run ended by hand says how far it came.
    finally:
        malmoi.stop()
    print(f"{done} operations in {seed - options.seed} sequences, {differing} with a difference")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
