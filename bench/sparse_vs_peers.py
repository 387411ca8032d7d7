#!/usr/bin/env python3
"""Queries per second of sparse (BM25) search: malmoi's store with and without bounds, qdrant-edge.

    sparse_vs_peers.py PASSAGES.jsonl[.gz] QUERIES.jsonl[.gz] [--engines ...] [--limit 10]
                       [--asked 1000] [--copies 1] [--rounds 3]

Texts are the member "text" of each line. Terms are runs of letters and digits, in lower case; values
are BM25's without the IDF (k 1.2, b 0.75), which the engines multiply in. One query a call, one
thread, from Python. --copies: the passages so many times, each time without every tenth word of
another place, for larger sizes. "malmoi-scan" is the same store with a term of negative weight
that no passage has, which makes it read all lists. Hits are compared by score with a plain product
of matrices (scipy), for which ranks of equal scores do not count. A JSON object a line.
"""
import argparse
import collections
import ctypes
import gzip
import json
import os
import pathlib
import re
import tempfile
import time

import numpy as np

LIBRARIES = pathlib.Path(os.environ.get(
    "MALMOI_BENCH", pathlib.Path(__file__).resolve().parent.parent / "build/release/bench"))
WORD = re.compile(r"\w+")


def texts(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt") as lines:
        return [json.loads(line)["text"] for line in lines]


class Vectors:
    """Rows of a sparse matrix; terms by rising number."""

    def __init__(self, documents, vocabulary, grow):
        counted = []
        for words in documents:
            counts = collections.Counter(words)
            if grow:
                for word in counts:
                    vocabulary.setdefault(word, len(vocabulary))
            counted.append(sorted((vocabulary[w], n) for w, n in counts.items() if w in vocabulary))
        self.starts = np.cumsum([0] + [len(c) for c in counted]).astype("u8")
        self.indices = np.array([t for c in counted for t, _ in c], "u4")
        self.counts = np.array([n for c in counted for _, n in c], "f4")
        self.lengths = np.array([len(d) for d in documents], "f4")

    def weigh(self):
        tf, k, b = self.counts, 1.2, 0.75
        per_row = np.repeat(self.lengths / self.lengths.mean(), np.diff(self.starts).astype(int))
        self.values = (tf * (k + 1) / (tf + k * (1 - b + b * per_row))).astype("f4")
        return self

    def row(self, i):
        part = slice(int(self.starts[i]), int(self.starts[i + 1]))
        return self.indices[part].copy(), np.ones(part.stop - part.start, "f4")


class Malmoi:
    negative = False

    def __init__(self, x, folder):
        p, u32 = ctypes.c_void_p, ctypes.c_uint32
        self.lib = lib = ctypes.CDLL(str(LIBRARIES / "libmalmoi_store_c.so"))
        lib.store_create_sparse.restype = p
        lib.store_create_sparse.argtypes = [ctypes.c_char_p, u32]
        lib.store_insert_sparse.argtypes = [p, p, p, p, u32, u32]
        lib.store_search_sparse.argtypes = [p, p, p, u32, u32, p, p]
        lib.store_optimize.argtypes = lib.store_free.argtypes = [p]
        self.handle = lib.store_create_sparse(str(folder / "store").encode(), 2)
        rows = len(x.starts) - 1
        for at in range(0, rows, 10_000):
            lib.store_insert_sparse(self.handle, x.starts.ctypes.data, x.indices.ctypes.data,
                                    x.values.ctypes.data, at, min(at + 10_000, rows))
        lib.store_optimize(self.handle)

    def prepare(self, indices, values):
        if self.negative:
            indices = np.append(indices, np.uint32(2**32 - 1))
            values = np.append(values, np.float32(-1))
        return np.ascontiguousarray(indices), np.ascontiguousarray(values)

    def ask(self, query, limit):
        ids, scores = np.zeros(limit, "u4"), np.zeros(limit, "f4")
        n = self.lib.store_search_sparse(self.handle, query[0].ctypes.data, query[1].ctypes.data,
                                         len(query[0]), limit, ids.ctypes.data, scores.ctypes.data)
        return ids[:n]

    def close(self):
        self.lib.store_free(self.handle)


class MalmoiScan(Malmoi):
    negative = True


class Edge:
    def __init__(self, x, folder):
        import qdrant_edge as qe
        self.qe = qe
        path = folder / "edge"
        path.mkdir()
        self.shard = qe.EdgeShard.create(str(path), qe.EdgeConfig(
            sparse_vectors={"s": qe.EdgeSparseVectorParams(modifier=qe.Modifier.Idf)},
            optimizers=qe.EdgeOptimizersConfig(default_segment_number=1,
                                               max_segment_size=20_000_000)))
        rows = len(x.starts) - 1
        for at in range(0, rows, 10_000):
            points = []
            for r in range(at, min(at + 10_000, rows)):
                part = slice(int(x.starts[r]), int(x.starts[r + 1]))
                points.append(qe.Point(r, {"s": qe.SparseVector(
                    x.indices[part].tolist(), x.values[part].tolist())}, {}))
            self.shard.update(qe.UpdateOperation.upsert_points(points))
        self.shard.flush()
        self.shard.optimize()

    def prepare(self, indices, values):
        return self.qe.SparseVector(indices.tolist(), values.tolist())

    def ask(self, query, limit):
        qe = self.qe
        found = self.shard.search(qe.SearchRequest(
            query=qe.Query.Nearest(query, using="s"), limit=limit, with_payload=False,
            with_vector=False))
        return [p.id for p in found]

    def close(self):
        pass


ENGINES = {"malmoi": Malmoi, "malmoi-scan": MalmoiScan, "edge": Edge}


def products(x, queries):
    """Scores of all rows: [queries, rows], and the IDF of terms."""
    import scipy.sparse
    rows, terms = len(x.starts) - 1, int(x.indices.max()) + 1
    df = np.bincount(x.indices, minlength=terms)
    idf = np.log1p((rows - df + 0.5) / (df + 0.5))
    matrix = scipy.sparse.csr_matrix((x.values * idf[x.indices], x.indices.astype("i8"),
                                      x.starts.astype("i8")), shape=(rows, terms))
    asked = scipy.sparse.csr_matrix(
        (np.ones(len(queries.indices), "f4"), queries.indices.astype("i8"),
         queries.starts.astype("i8")), shape=(len(queries.starts) - 1, terms))
    return asked, matrix


def right(found, scores, limit):
    """Hits whose score is among the best, of those there are to find."""
    best = np.sort(scores)[::-1][:limit]
    best = best[best > 0]
    if len(best) == 0:
        return 0, 0
    return sum(scores[int(i)] >= best[-1] * (1 - 1e-5) for i in found), len(best)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("passages")
    parser.add_argument("queries")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--asked", type=int, default=1000)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    passages = [WORD.findall(t.lower()) for t in texts(args.passages)]
    documents = list(passages)
    for copy in range(1, args.copies):
        documents += [[w for i, w in enumerate(p) if i % 10 != copy % 10] for p in passages]
    vocabulary = {}
    x = Vectors(documents, vocabulary, grow=True).weigh()
    asked = [WORD.findall(t.lower()) for t in texts(args.queries)[:args.asked]]
    queries = Vectors(asked, vocabulary, grow=False)
    print(json.dumps({"rows": len(documents), "terms": len(vocabulary),
                      "postings": len(x.indices), "queries": len(asked),
                      "terms_per_query": len(queries.indices) / len(asked)}), flush=True)
    few, matrix = products(x, queries)
    for name in args.engines.split(","):
        with tempfile.TemporaryDirectory() as folder:
            try:
                engine = ENGINES[name](x, pathlib.Path(folder))
            except Exception as error:  # An engine that does not run here is part of the result.
                print(json.dumps({"engine": name, "error": repr(error)[:300]}), flush=True)
                continue
            prepared = [engine.prepare(*queries.row(i)) for i in range(len(asked))]
            best, times = float("inf"), []
            for _ in range(args.rounds):
                found, each = [], []
                for query in prepared:
                    start = time.perf_counter()
                    found.append(engine.ask(query, args.limit))
                    each.append(time.perf_counter() - start)
                if sum(each) < best:
                    best, times = sum(each), each
            hits = there = 0
            for i in range(0, len(asked), 5):
                scores = (few[i] @ matrix.T).toarray()[0]
                a, b = right(found[i], scores, args.limit)
                hits, there = hits + a, there + b
            print(json.dumps({"engine": name, "limit": args.limit, "qps": round(len(asked) / best),
                              "p50_us": round(1e6 * float(np.percentile(times, 50))),
                              "p99_us": round(1e6 * float(np.percentile(times, 99))),
                              "right": round(hits / there, 4)}), flush=True)
            engine.close()


if __name__ == "__main__":
    main()
