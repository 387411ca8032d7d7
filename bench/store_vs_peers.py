#!/usr/bin/env python3
"""Recall and queries per second of malmoi's index and of other engines on one data set.

    store_vs_peers.py DIR [--engines malmoi,hnswlib,...] [--out results.json] [--plot curve.png]

DIR holds x.npy and q.npy: f32 rows, normalised (cosine). Exact neighbours are computed once and kept
in DIR/exact.npy. Every engine is built with two threads and asked one query per call from Python,
one thread, in the same loop; an engine that cannot be imported is reported, not skipped in silence.
The best of --rounds passes counts, for each engine alike. JSON: one object per measurement.
"""
import argparse
import ctypes
import json
import os
import pathlib
import sys
import time

import numpy as np

WINDOWS = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384]
LIBRARY = pathlib.Path(__file__).resolve().parent.parent / "build/release/bench/libmalmoi_ann_c.so"


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Malmoi:
    """ann::Index through its C interface; `rows`: score the best again on the f32 vectors."""

    def __init__(self, x, codes=1, degree=32, window=128, alpha=1.2, rows=False):
        p, u32 = ctypes.c_void_p, ctypes.c_uint32
        self.lib = lib = ctypes.CDLL(os.environ.get("MALMOI_ANN", str(LIBRARY)))
        lib.ann_create.restype = p
        lib.ann_create.argtypes = [ctypes.c_int, ctypes.c_int, u32, u32, u32, u32, ctypes.c_float,
                                   ctypes.c_uint64, u32]
        lib.ann_insert.argtypes = [p, p, u32, u32]
        lib.ann_params.argtypes = [p, u32, u32, u32, p, p, ctypes.c_uint64, ctypes.c_uint64]
        lib.ann_search.argtypes = [p, p, p]
        lib.ann_info.argtypes = [p, p]
        self.x, self.none = x, np.zeros(1, "u8")
        self.base = x.ctypes.data if rows else None
        self.handle = lib.ann_create(0, codes, x.shape[1], len(x), degree, window, alpha, 42, 2)
        if lib.ann_insert(self.handle, x.ctypes.data, 0, len(x)) != 0:
            raise RuntimeError("insert failed")
        self.ids = np.zeros(10, "u4")
        self.out = self.ids.ctypes.data
        self.bits = self.none

    def set(self, window, mask=None):
        self.bits, count = self.none, 0
        if mask is not None:
            count = int(mask.sum())
            padded = np.pad(mask, (0, -len(mask) % 64))
            self.bits = np.packbits(padded, bitorder="little").view("u8")
        self.lib.ann_params(self.handle, 10, window, 0, self.base, self.bits.ctypes.data,
                            len(self.bits) if count else 0, count)

    def ask(self, q):
        n = self.lib.ann_search(self.handle, q.__array_interface__["data"][0], self.out)
        return self.ids[:n].copy()

    def bytes(self):
        info = np.zeros(4, "u8")
        self.lib.ann_info(self.handle, info.ctypes.data)
        return int(info[2])


class Hnswlib:
    def __init__(self, x):
        import hnswlib
        self.index = hnswlib.Index("ip", x.shape[1])
        self.index.init_index(len(x), M=16, ef_construction=100)
        self.index.add_items(x, np.arange(len(x)), num_threads=2)

    def set(self, window):
        self.index.set_ef(window)

    def ask(self, q):
        return self.index.knn_query(q, k=10, num_threads=1)[0][0]


class Faiss:
    def __init__(self, x):
        import faiss
        faiss.omp_set_num_threads(2)
        self.index = faiss.index_factory(x.shape[1], "HNSW32,Flat", faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = 100
        self.index.add(x)
        faiss.omp_set_num_threads(1)

    def set(self, window):
        self.index.hnsw.efSearch = window

    def ask(self, q):
        return self.index.search(q[None], 10)[1][0]


class Usearch:
    def __init__(self, x):
        from usearch.index import Index
        self.index = Index(ndim=x.shape[1], metric="ip", dtype="f32", connectivity=16,
                           expansion_add=100)
        self.index.add(np.arange(len(x)), x, threads=2)

    def set(self, window):
        self.index.expansion_search = window

    def ask(self, q):
        return self.index.search(q, 10, threads=1).keys


class Svs:
    """Intel SVS, Vamana on LVQ 4x8 (its own fastest setting)."""

    def __init__(self, x, folder):
        import svs
        path = str(folder / "x.fvecs")
        svs.write_vecs(x, path)
        loader = svs.VectorDataLoader(path, svs.DataType.float32, dims=x.shape[1])
        data = svs.LVQLoader(loader, primary=4, residual=8, strategy=svs.LVQStrategy.Turbo)
        build = svs.VamanaBuildParameters(alpha=0.95, graph_max_degree=32, window_size=128,
                                          prune_to=30)
        self.index = svs.Vamana.build(build, data, svs.DistanceType.MIP, 2)
        self.index.num_threads = 1

    def set(self, window):
        self.index.search_window_size = window

    def ask(self, q):
        return self.index.search(q[None], 10)[0][0]


class Edge:
    """qdrant-edge, turbo 4-bit, rescored with oversampling 2."""

    def __init__(self, x, folder):
        import qdrant_edge as qe
        import shutil
        self.qe = qe
        path = folder / "edge"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        self.shard = qe.EdgeShard.create(str(path), qe.EdgeConfig(
            vectors=qe.EdgeVectorParams(size=x.shape[1], distance=qe.Distance.Dot, on_disk=False),
            hnsw_config=qe.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10000),
            quantization_config=qe.TurboQuantQuantizationConfig(always_ram=True),
            optimizers=qe.EdgeOptimizersConfig(default_segment_number=1, max_segment_size=2_000_000,
                                               indexing_threshold=10000)))
        for at in range(0, len(x), 1000):
            points = [qe.Point(i, x[i].tolist(), {}) for i in range(at, min(at + 1000, len(x)))]
            self.shard.update(qe.UpdateOperation.upsert_points(points))
        self.shard.flush()
        self.shard.optimize()
        self.params = None

    def set(self, window):
        qe = self.qe
        self.params = qe.SearchParams(
            hnsw_ef=window, exact=False,
            quantization=qe.QuantizationSearchParams(rescore=True, oversampling=2.0))

    def ask(self, q):
        qe = self.qe
        found = self.shard.search(qe.SearchRequest(
            query=qe.Query.Nearest(q.tolist()), limit=10, filter=None, with_payload=False,
            with_vector=False, params=self.params))
        return [p.id for p in found]


ENGINES = {
    "malmoi": lambda x, d: Malmoi(x),
    "malmoi-48": lambda x, d: Malmoi(x, degree=48, alpha=1.12),
    "malmoi-rows": lambda x, d: Malmoi(x, codes=0, rows=True),
    "hnswlib": lambda x, d: Hnswlib(x),
    "faiss": lambda x, d: Faiss(x),
    "usearch": lambda x, d: Usearch(x),
    "svs": Svs,
    "edge": Edge,
}


def exact(x, q, folder):
    path = folder / "exact.npy"
    if path.exists():
        return np.load(path)
    scores = q @ x.T
    best = np.argpartition(-scores, 10, axis=1)[:, :10]
    np.save(path, best)
    return best


def one_pass(engine, q):
    found = []
    start = time.perf_counter()
    for v in q:
        found.append(engine.ask(v))
    return time.perf_counter() - start, found


def measure(name, x, q, truth, folder, rounds, emit):
    before, start, cpu = resident(), time.perf_counter(), time.process_time()
    try:
        engine = ENGINES[name](x, folder)
    except Exception as error:  # An engine that does not run here is part of the result.
        emit(engine=name, error=repr(error)[:300])
        return
    emit(engine=name, build_s=round(time.perf_counter() - start, 2),
         build_cpu_s=round(time.process_time() - cpu, 2),
         rss_per_vector=round((resident() - before) / len(x)),
         **({"bytes_per_vector": round(engine.bytes() / len(x))} if hasattr(engine, "bytes") else {}))
    for window in WINDOWS:
        engine.set(window)
        passes = [one_pass(engine, q) for _ in range(rounds)]
        hits = sum(len(set(map(int, a)) & set(map(int, b))) for a, b in zip(passes[0][1], truth))
        recall = hits / truth.size
        emit(engine=name, window=window, recall=round(recall, 4),
             qps=round(len(q) / min(p[0] for p in passes), 1), load=round(os.getloadavg()[0], 2))
        if recall > 0.9985:
            break


def at_recall(points, wanted):
    """Queries per second where the curve crosses `wanted`, log-linear between two windows."""
    points = sorted(points)
    for (r0, q0), (r1, q1) in zip(points, points[1:]):
        if r0 < wanted <= r1:
            part = (wanted - r0) / (r1 - r0)
            return float(np.exp(np.log(q0) + part * (np.log(q1) - np.log(q0))))
    return points[0][1] if points and points[0][0] >= wanted else None


def plot(curves, path):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    for name, points in curves.items():
        plt.plot([p[0] for p in sorted(points)], [p[1] for p in sorted(points)], "o-", label=name)
    plt.xlim(0.8, 1)
    plt.yscale("log")
    plt.xlabel("recall@10")
    plt.ylabel("queries/s, one thread")
    plt.legend()
    plt.grid(alpha=0.3)
    plt.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path)
    args = parser.parse_args()
    x = np.ascontiguousarray(np.load(args.folder / "x.npy"), "f4")
    q = np.ascontiguousarray(np.load(args.folder / "q.npy"), "f4")
    truth, results, curves = exact(x, q, args.folder), [], {}

    def emit(**row):
        print(json.dumps(row), flush=True)
        results.append(row)
        if "recall" in row:
            curves.setdefault(row["engine"], []).append((row["recall"], row["qps"]))

    for name in args.engines.split(","):
        measure(name, x, q, truth, args.folder, args.rounds, emit)
    for name, points in curves.items():
        emit(engine=name, **{f"qps_at_{r}": at_recall(points, r) for r in (0.95, 0.99)})
    if args.out:
        args.out.write_text(json.dumps(results, indent=1))
    if args.plot:
        plot(curves, args.plot)


if __name__ == "__main__":
    sys.exit(main())
