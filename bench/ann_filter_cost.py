#!/usr/bin/env python3
"""What a filtered search of malmoi's index costs as a scan of the kept rows and as a walk.

    ann_filter_cost.py DIR [--asked 200] [--shares 0.01,0.1,0.5] [--windows 16,64,256]

DIR is that of store_vs_peers.py, whose kept index (--keep) is used or made. For every share of rows that
a filter keeps, independent of the vectors (u) and along one direction (a): microseconds a query by
scan and by walk, recall@10 of the walk, and which of them the index takes by itself. From these the
constants of CostOf in src/ann/search.cc were chosen.
"""
import argparse
import ctypes
import pathlib
import time

import numpy as np

from store_vs_peers import Malmoi, exact, tags_of


def timed(engine, q, way, rounds=3):
    engine.lib.ann_way(engine.handle, way)
    ids, stats = np.zeros((len(q), 10), "u4"), np.zeros(3, "u8")
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        engine.lib.ann_search_many(engine.handle, q.ctypes.data, len(q), ids.ctypes.data,
                                   stats.ctypes.data, 1)
        best = min(best, time.perf_counter() - start)
    return 1e6 * best / len(q), ids, int(stats[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--asked", type=int, default=200)
    parser.add_argument("--shares", default="0.01,0.03,0.1,0.2,0.5,0.9")
    parser.add_argument("--windows", default="16,32,64,128,256")
    args = parser.parse_args()
    x = np.ascontiguousarray(np.load(args.folder / "x.npy"), "f4")
    q = np.ascontiguousarray(np.load(args.folder / "q.npy")[:args.asked], "f4")
    tags = tags_of(x)
    kept = args.folder / "kept" / "malmoi"
    kept.mkdir(parents=True, exist_ok=True)
    engine = Malmoi(x, kept, tags)
    engine.lib.ann_way.argtypes = [ctypes.c_void_p, ctypes.c_int]
    print("filter      window   scan us   walk us   hops  recall  takes")
    for key in "ua":
        for share in map(float, args.shares.split(",")):
            below = round(share * 1000)
            truth = exact(x, q, tags[key] < below)
            for window in map(int, args.windows.split(",")):
                engine.set(window, (key, below))
                scan, _, _ = timed(engine, q, 1)
                walk, ids, hops = timed(engine, q, 2)
                _, _, chosen = timed(engine, q, 0, 1)
                hits = sum(len(set(map(int, a)) & set(map(int, b))) for a, b in zip(ids, truth))
                print(f"{key} {100 * share:6.1f} %  {window:6d} {scan:9.1f} {walk:9.1f} "
                      f"{hops / len(q):6.0f}  {hits / truth.size:.4f}  "
                      f"{'scan' if chosen == 0 else 'walk'}", flush=True)


if __name__ == "__main__":
    main()
