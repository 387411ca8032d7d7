#!/usr/bin/env python3
"""Recall and queries per second of malmoi's index and of other engines on one data set.

    store_vs_peers.py DIR [--engines malmoi,hnswlib,...] [--filters] [--settle S] [--two] [--keep] [--build]
                      [--out results.json] [--plot p]

DIR holds x.npy and q.npy: f32 rows, normalised (cosine). Exact neighbours are computed once and kept
in DIR. Every engine is a process of its own, built with two threads and asked one query per call
from Python, one thread, in the same loop. --two: also from two threads of Python, half of the
queries each. "native" in a measurement of malmoi is the same queries from C++, without Python. An engine that cannot be imported or that kills its
process is reported, not skipped in silence. --keep: what was built stays in DIR/kept and is opened
by the next run; --build: nothing is searched. The best of --rounds passes counts, for each engine
alike. --filters: engines that have payloads also search with filters, of 0.1 to 90 % of the points:
"u" is independent of the vectors, "a" follows one direction of them. --settle S: before a filter is
measured it is asked for S seconds and then not for S, by each engine alike, so that what an engine
makes for filters that come often is made. JSON: one object per measurement.
"""
import argparse
import ctypes
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

WINDOWS = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384]
FEW = [16, 32, 64, 128, 256]
KEPT = [1, 10, 100, 500, 900]  # Of a thousand.
LIBRARIES = pathlib.Path(os.environ.get(
    "MALMOI_BENCH", pathlib.Path(__file__).resolve().parent.parent / "build/release/bench"))


LOCAL = threading.local()


def room():
    """Ten ids of this thread, and where they are."""
    if not hasattr(LOCAL, "ids"):
        LOCAL.ids = np.zeros(10, "u4")
        LOCAL.out = LOCAL.ids.ctypes.data
    return LOCAL.ids, LOCAL.out


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Malmoi:
    """ann::Index through its C interface; `rows`: score the best again on the f32 vectors."""

    def __init__(self, x, folder, tags, codes=1, degree=32, window=128, alpha=1.2, rows=False):
        p, u32 = ctypes.c_void_p, ctypes.c_uint32
        self.lib = lib = ctypes.CDLL(str(LIBRARIES / "libmalmoi_ann_c.so"))
        lib.ann_create.restype = lib.ann_open.restype = p
        lib.ann_open.argtypes = [ctypes.c_char_p, ctypes.c_int, u32]
        lib.ann_save.argtypes = [p, ctypes.c_char_p]
        lib.ann_free.argtypes = [p]
        lib.ann_create.argtypes = [ctypes.c_int, ctypes.c_int, u32, u32, u32, u32, ctypes.c_float,
                                   ctypes.c_uint64, u32]
        lib.ann_insert.argtypes = [p, p, u32, u32]
        lib.ann_params.argtypes = [p, u32, u32, u32, p, p, ctypes.c_uint64, ctypes.c_uint64]
        lib.ann_search.argtypes = [p, p, p]
        lib.ann_search_many.argtypes = [p, p, u32, p, p, u32]
        lib.ann_info.argtypes = [p, p]
        self.x, self.tags, self.none = x, tags, np.zeros(1, "u8")
        self.base = x.ctypes.data if rows else None
        path = str(folder / "index").encode()
        if not (folder / "index").exists():
            built = lib.ann_create(0, codes, x.shape[1], len(x), degree, window, alpha, 42, 2)
            if lib.ann_insert(built, x.ctypes.data, 0, len(x)) != 0:
                raise RuntimeError("insert failed")
            self.built = time.perf_counter()
            lib.ann_save(built, path)
            lib.ann_free(built)
        self.handle = lib.ann_open(path, 1, 2)
        self.bits = self.none

    def set(self, window, kept=None):
        """`kept`: the filter is a bitmap made beforehand; engines with payloads find theirs."""
        self.bits, count = self.none, 0
        if kept:
            mask = self.tags[kept[0]] < kept[1]
            count = int(mask.sum())
            padded = np.pad(mask, (0, -len(mask) % 64))
            self.bits = np.packbits(padded, bitorder="little").view("u8")
        self.lib.ann_params(self.handle, 10, window, 0, self.base, self.bits.ctypes.data,
                            len(self.bits) if count else 0, count)

    def ask(self, q):
        ids, out = room()
        n = self.lib.ann_search(self.handle, q.__array_interface__["data"][0], out)
        return ids[:n].copy()

    def native(self, q, threads):
        ids, stats = np.zeros((len(q), 10), "u4"), np.zeros(3, "u8")
        start = time.perf_counter()
        self.lib.ann_search_many(self.handle, q.ctypes.data, len(q), ids.ctypes.data,
                                 stats.ctypes.data, threads)
        return len(q) / (time.perf_counter() - start)

    def bytes(self):
        info = np.zeros(4, "u8")
        self.lib.ann_info(self.handle, info.ctypes.data)
        return int(info[2])


class MalmoiStore:
    """vec::Collection through its C interface: log, payload, filters and all."""

    def __init__(self, x, folder, tags):
        p, u32, i32 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int32
        self.lib = lib = ctypes.CDLL(str(LIBRARIES / "libmalmoi_store_c.so"))
        lib.store_create.restype = p
        lib.store_create.argtypes = [ctypes.c_char_p, u32, u32]
        lib.store_insert.argtypes = [p, p, u32, u32, u32, p, p]
        lib.store_optimize.argtypes = lib.store_free.argtypes = [p]
        lib.store_params.argtypes = [p, u32, u32, ctypes.c_char_p, i32]
        lib.store_search.argtypes = [p, p, u32, p]
        lib.store_info.argtypes = [p, p]
        self.dim = x.shape[1]
        u, a = (np.ascontiguousarray(tags[k], "i4") for k in "ua")
        there = (folder / "store").exists()
        self.handle = lib.store_create(str(folder / "store").encode(), self.dim, 2)
        for at in range(0, 0 if there else len(x), 1000):
            end = min(at + 1000, len(x))
            if lib.store_insert(self.handle, x.ctypes.data, self.dim, at, end, u.ctypes.data,
                                a.ctypes.data) != 0:
                raise RuntimeError("insert failed")
        if lib.store_optimize(self.handle) != 0:
            raise RuntimeError("optimize failed")
        if not there:
            self.built = time.perf_counter()

    def set(self, window, kept=None):
        key, below = kept or (None, 0)
        self.lib.store_params(self.handle, 10, window, key.encode() if key else None, below)

    def ask(self, q):
        ids, out = room()
        n = self.lib.store_search(self.handle, q.__array_interface__["data"][0], self.dim, out)
        return ids[:n].copy()

    def bytes(self):
        info = np.zeros(4, "u8")
        self.lib.store_info(self.handle, info.ctypes.data)
        return int(info[2])

    def close(self):
        self.lib.store_free(self.handle)


class Hnswlib:
    def __init__(self, x, folder):
        import hnswlib
        self.index = hnswlib.Index("ip", x.shape[1])
        path = folder / "index"
        if path.exists():
            self.index.load_index(str(path))
            return
        self.index.init_index(len(x), M=16, ef_construction=100)
        self.index.add_items(x, np.arange(len(x)), num_threads=2)
        self.built = time.perf_counter()
        self.index.save_index(str(path))

    def set(self, window):
        self.index.set_ef(window)

    def ask(self, q):
        return self.index.knn_query(q, k=10, num_threads=1)[0][0]


class Faiss:
    def __init__(self, x, folder):
        import faiss
        path = folder / "index"
        if path.exists():
            self.index = faiss.read_index(str(path))
        else:
            faiss.omp_set_num_threads(2)
            self.index = faiss.index_factory(x.shape[1], "HNSW32,Flat", faiss.METRIC_INNER_PRODUCT)
            self.index.hnsw.efConstruction = 100
            self.index.add(x)
            self.built = time.perf_counter()
            faiss.write_index(self.index, str(path))
        faiss.omp_set_num_threads(1)

    def set(self, window):
        self.index.hnsw.efSearch = window

    def ask(self, q):
        return self.index.search(q[None], 10)[1][0]


class Usearch:
    def __init__(self, x, folder):
        from usearch.index import Index
        self.index = Index(ndim=x.shape[1], metric="ip", dtype="f32", connectivity=16,
                           expansion_add=100)
        path = folder / "index"
        if path.exists():
            self.index.load(str(path))
            return
        self.index.add(np.arange(len(x)), x, threads=2)
        self.built = time.perf_counter()
        self.index.save(str(path))

    def set(self, window):
        self.index.expansion_search = window

    def ask(self, q):
        return self.index.search(q, 10, threads=1).keys


class Svs:
    """Intel SVS, Vamana: on LVQ 4x8, its own fastest setting, which it refuses on processors of
    others; on f32 or f16; on rows rounded to 8 bits with one scale for all."""

    def __init__(self, x, folder, kind="lvq"):
        import svs
        self.scale = 127 / float(np.abs(x).max()) if kind == "int8" else 0
        build = svs.VamanaBuildParameters(alpha=0.95, graph_max_degree=32, window_size=128,
                                          prune_to=30)
        if kind == "int8":
            data = np.rint(x * self.scale).astype("i1")
        elif kind == "f16":
            data = x.astype("f2")
        else:
            path = str(folder / "x.fvecs")
            svs.write_vecs(x, path)
            data = svs.VectorDataLoader(path, svs.DataType.float32, dims=x.shape[1])
            if kind == "lvq":
                data = svs.LVQLoader(data, primary=4, residual=8, strategy=svs.LVQStrategy.Turbo)
        places = [str(folder / part) for part in ("config", "graph", "data")]
        if (folder / "config").exists():
            kind_of = {"int8": svs.DataType.int8, "f16": svs.DataType.float16}
            kind_of = kind_of.get(kind, svs.DataType.float32)
            self.index = svs.Vamana(
                places[0], svs.GraphLoader(places[1]), svs.VectorDataLoader(places[2], kind_of),
                svs.DistanceType.MIP,
                query_type=svs.DataType.int8 if kind == "int8" else svs.DataType.float32)
        else:
            self.index = svs.Vamana.build(build, data, svs.DistanceType.MIP, 2)
            self.built = time.perf_counter()
            self.index.save(*places)
        self.index.num_threads = 1

    def set(self, window):
        self.index.search_window_size = window

    def ask(self, q):
        if self.scale:
            q = np.rint(q * self.scale).clip(-127, 127).astype("i1")
        return self.index.search(q[None], 10)[0][0]


class Edge:
    """qdrant-edge: f32, or its codes rescored with oversampling 2."""

    def __init__(self, x, folder, tags, codes=None):
        import qdrant_edge as qe
        self.qe, self.codes = qe, codes
        path = folder / "edge"
        self.params = self.filter = None
        if path.exists():
            self.shard = qe.EdgeShard.load(str(path))
            return
        path.mkdir()
        quantized = {"turbo": lambda: qe.TurboQuantQuantizationConfig(always_ram=True),
                     "int8": lambda: qe.ScalarQuantizationConfig(type=qe.ScalarType.Int8,
                                                                 always_ram=True)}
        extra = {"quantization_config": quantized[codes]()} if codes else {}
        self.shard = qe.EdgeShard.create(str(path), qe.EdgeConfig(
            vectors=qe.EdgeVectorParams(size=x.shape[1], distance=qe.Distance.Dot, on_disk=False),
            hnsw_config=qe.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10000),
            optimizers=qe.EdgeOptimizersConfig(default_segment_number=1, max_segment_size=2_000_000,
                                               indexing_threshold=10000), **extra))
        if tags is not None:
            for key in "ua":
                self.shard.update(qe.UpdateOperation.create_field_index(
                    key, qe.PayloadSchemaType.Integer))
        for at in range(0, len(x), 1000):
            points = [qe.Point(i, x[i].tolist(),
                               {k: int(tags[k][i]) for k in "ua"} if tags is not None else {})
                      for i in range(at, min(at + 1000, len(x)))]
            self.shard.update(qe.UpdateOperation.upsert_points(points))
        self.shard.flush()
        self.shard.optimize()
        self.built = time.perf_counter()

    def set(self, window, kept=None):
        qe = self.qe
        quantization = qe.QuantizationSearchParams(rescore=True, oversampling=2.0)
        self.params = qe.SearchParams(hnsw_ef=window, exact=False,
                                      **({"quantization": quantization} if self.codes else {}))
        self.filter = None
        if kept:
            self.filter = qe.Filter(must=[qe.FieldCondition(
                key=kept[0], range=qe.RangeFloat(lt=float(kept[1])))])

    def ask(self, q):
        qe = self.qe
        found = self.shard.search(qe.SearchRequest(
            query=qe.Query.Nearest(q.tolist()), limit=10, filter=self.filter, with_payload=False,
            with_vector=False, params=self.params))
        return [p.id for p in found]


ENGINES = {
    "malmoi": Malmoi,
    "malmoi-48": lambda x, d, t: Malmoi(x, d, t, degree=48),
    "malmoi-rows": lambda x, d, t: Malmoi(x, d, t, codes=0, rows=True),
    "malmoi-store": MalmoiStore,
    "hnswlib": lambda x, d, t: Hnswlib(x, d),
    "faiss": lambda x, d, t: Faiss(x, d),
    "usearch": lambda x, d, t: Usearch(x, d),
    "svs": lambda x, d, t: Svs(x, d),
    "svs-f32": lambda x, d, t: Svs(x, d, "f32"),
    "svs-f16": lambda x, d, t: Svs(x, d, "f16"),
    "svs-int8": lambda x, d, t: Svs(x, d, "int8"),
    "edge": Edge,
    "edge-int8": lambda x, d, t: Edge(x, d, None, "int8"),
    "edge-turbo": lambda x, d, t: Edge(x, d, t, "turbo"),
}
FILTERED = ("malmoi", "malmoi-store", "edge", "edge-turbo")


def tags_of(x):
    """Integers 0..999 by row: "u" at random, "a" by rank along one direction."""
    rng = np.random.default_rng(7)
    order = np.argsort(x @ rng.normal(size=x.shape[1]).astype("f4"))
    along = np.empty(len(x), "i4")
    along[order] = np.arange(len(x)) * 1000 // len(x)
    return {"u": rng.integers(0, 1000, len(x)).astype("i4"), "a": along}


def exact(x, q, mask=None):
    rows = np.arange(len(x)) if mask is None else np.flatnonzero(mask)
    best = []
    for at in range(0, len(q), 100):
        scores = q[at:at + 100] @ x[rows].T
        k = min(10, len(rows))
        best.append(rows[np.argpartition(-scores, k - 1, axis=1)[:, :k]])
    return np.concatenate(best)


def one_pass(engine, q):
    found = []
    start = time.perf_counter()
    for v in q:
        found.append(engine.ask(v))
    return time.perf_counter() - start, found


def two_threads(engine, q):
    """Queries per second of two threads of Python that ask at the same time."""
    halves = q[:len(q) // 2], q[len(q) // 2:]
    threads = [threading.Thread(target=one_pass, args=(engine, half)) for half in halves]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(q) / (time.perf_counter() - start)


def curve(name, engine, windows, q, truth, rounds, emit, kept=None, two=False):
    for window in windows:
        engine.set(window, kept) if kept else engine.set(window)
        passes = [one_pass(engine, q) for _ in range(rounds)]
        hits = sum(len(set(map(int, a)) & set(map(int, b))) for a, b in zip(passes[0][1], truth))
        recall = hits / truth.size
        emit(engine=name, filter=f"{kept[0]} {kept[1] / 10} %" if kept else "", window=window,
             recall=round(recall, 4), qps=round(len(q) / min(p[0] for p in passes), 1),
             load=round(os.getloadavg()[0], 2), **more(engine, q, rounds, two, kept))
        if recall > 0.9985:
            break


def more(engine, q, rounds, two, kept):
    out = {}
    if two:
        out["two"] = round(max(two_threads(engine, q) for _ in range(rounds)), 1)
    if hasattr(engine, "native") and not kept:
        out["native"] = round(max(engine.native(q, 1) for _ in range(rounds)), 1)
        if two:
            out["native_two"] = round(max(engine.native(q, 2) for _ in range(rounds)), 1)
    return out


def settle(engine, q, kept, seconds):
    """Asks with a filter, and gives the engine as long without questions."""
    if seconds <= 0:
        return
    engine.set(FEW[0], kept)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        one_pass(engine, q)
    time.sleep(seconds)


def measure(name, args, emit):
    """In the engine's own process."""
    folder, rounds, two = args.folder, args.rounds, args.two
    x = np.ascontiguousarray(np.load(folder / "x.npy"), "f4")
    q = np.ascontiguousarray(np.load(folder / "q.npy"), "f4")
    truth, tags = np.load(folder / "exact.npy"), tags_of(x)
    before, start, cpu = resident(), time.perf_counter(), time.process_time()
    stored = folder / "kept" / name
    with tempfile.TemporaryDirectory() as scratch:
        try:
            if args.keep:
                stored.mkdir(parents=True, exist_ok=True)
            engine = ENGINES[name](x, stored if args.keep else pathlib.Path(scratch), tags)
        except Exception as error:  # An engine that does not run here is part of the result.
            emit(engine=name, error=repr(error)[:300])
            return
        ready = {"build_s": engine.built - start} if hasattr(engine, "built") else {
            "open_s": time.perf_counter() - start}
        ready["cpu_s"] = time.process_time() - cpu
        emit(engine=name, **{k: round(v, 2) for k, v in ready.items()},
             rss_per_vector=round((resident() - before) / len(x)),
             **({"bytes_per_vector": round(engine.bytes() / len(x))}
                if hasattr(engine, "bytes") else {}))
        if args.build:
            return
        curve(name, engine, WINDOWS, q, truth, rounds, emit, two=two)
        if args.filters and name in FILTERED:
            few = q[:300]
            for key in "ua":
                for kept in KEPT:
                    part = exact(x, few, tags[key] < kept)
                    settle(engine, few, (key, kept), args.settle)
                    curve(name, engine, FEW, few, part, rounds, emit, (key, kept))
        if hasattr(engine, "close"):
            engine.close()


def run(name, args, emit):
    """A child for each engine: one that uses instructions which the processor lacks dies alone."""
    command = [sys.executable, __file__, str(args.folder), "--child", name, "--rounds",
               str(args.rounds), "--settle", str(args.settle)]
    command += [f"--{flag}" for flag in ("filters", "two", "keep", "build") if getattr(args, flag)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            emit(**json.loads(line))
    if child.returncode != 0:
        emit(engine=name, error=f"its process ended with {child.returncode}")


def at_recall(points, wanted):
    """Queries per second where the curve crosses `wanted`, log-linear between two windows."""
    points = sorted(points)
    for (r0, q0), (r1, q1) in zip(points, points[1:]):
        if r0 < wanted <= r1:
            part = (wanted - r0) / (r1 - r0)
            return float(np.exp(np.log(q0) + part * (np.log(q1) - np.log(q0))))
    return points[0][1] if points and points[0][0] >= wanted else None


def filter_table(curves, engines):
    """Queries per second at recall 0.95 by filter; "-" where no window reaches it."""
    engines = [e for e in engines if e in FILTERED]
    print(" ".join(["filter".ljust(10)] + [e.rjust(14) for e in engines]))
    for key in "ua":
        for kept in KEPT:
            name = f"{key} {kept / 10} %"
            rates = [at_recall(curves.get(f"{e} {name}", []), 0.95) for e in engines]
            print(" ".join([name.ljust(10)] + [f"{r:14.0f}" if r else "-".rjust(14)
                                               for r in rates]))


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
    parser.add_argument("--filters", action="store_true")
    parser.add_argument("--settle", type=float, default=0, metavar="S")
    parser.add_argument("--two", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path)
    args = parser.parse_args()
    if args.child:
        return measure(args.child, args, lambda **row: print(json.dumps(row), flush=True))
    if not (args.folder / "exact.npy").exists():
        np.save(args.folder / "exact.npy", exact(np.load(args.folder / "x.npy").astype("f4"),
                                                 np.load(args.folder / "q.npy").astype("f4")))
    results, curves = [], {}

    def emit(**row):
        print(json.dumps(row), flush=True)
        results.append(row)
        if "recall" in row:
            name = f'{row["engine"]} {row["filter"]}'.strip()
            curves.setdefault(name, []).append((row["recall"], row["qps"]))

    for name in args.engines.split(","):
        run(name, args, emit)
    for name, points in curves.items():
        emit(engine=name, **{f"qps_at_{r}": at_recall(points, r) for r in (0.95, 0.99)})
    if args.filters:
        filter_table(curves, args.engines.split(","))
    if args.out:
        args.out.write_text(json.dumps(results, indent=1))
    if args.plot:
        plot(curves, args.plot)


if __name__ == "__main__":
    sys.exit(main())
