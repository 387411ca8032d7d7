#!/usr/bin/env python3
"""Makes larger sets for store_vs_peers.py out of one: more rows, or more dimensions.

    grow_vectors.py FROM TO [--rows 1000000] [--dim 768]

FROM and TO hold x.npy and q.npy (f32, normalised). --rows: rows that are added lie between a row and three
of its ten nearest, at random weights, with a little noise: a stand-in for more texts of the same
kind, which would have to be embedded. --dim: random Fourier features, cos(W x + b), of a Gaussian kernel,
normalised: nearness is kept, the numbers are new. Both are not what a model gives, and are alike
for all engines that are compared.
"""
import argparse
import pathlib
import sys
import tempfile

import numpy as np


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("f4")


def nearest(x):
    from store_vs_peers import Malmoi
    with tempfile.TemporaryDirectory() as folder:
        engine = Malmoi(x, pathlib.Path(folder), None)
        engine.set(32)
        ids, stats = np.zeros((len(x), 10), "u4"), np.zeros(3, "u8")
        engine.lib.ann_search_many(engine.handle, x.ctypes.data, len(x), ids.ctypes.data,
                                   stats.ctypes.data, 2)
    return np.minimum(ids, len(x) - 1)


def grow(x, rows, rng):
    near = nearest(x)
    out = [x]
    for at in range(len(x), rows, 50_000):
        n = min(50_000, rows - at)
        base = rng.integers(0, len(x), n)
        some = near[base[:, None], rng.integers(1, 10, (n, 3))]
        weights = rng.dirichlet((2.0, 1.0, 1.0, 1.0), n).astype("f4")
        rows_of = np.concatenate([base[:, None], some], axis=1)
        new = np.einsum("nk,nkd->nd", weights, x[rows_of])
        noise = rng.normal(size=new.shape).astype("f4") * (0.15 / np.sqrt(x.shape[1]))
        out.append(unit(new + noise))
    return np.concatenate(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("target", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--dim", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(3)
    x = np.ascontiguousarray(np.load(args.source / "x.npy"), "f4")
    q = np.load(args.source / "q.npy").astype("f4")
    if args.rows > len(x):
        x = grow(x, args.rows, rng)
    if args.dim:
        w = rng.normal(size=(x.shape[1], args.dim)).astype("f4") * 1.5
        b = rng.uniform(0, 2 * np.pi, args.dim).astype("f4")
        x = np.concatenate([unit(np.cos(x[i:i + 20_000] @ w + b))
                            for i in range(0, len(x), 20_000)])
        q = unit(np.cos(q @ w + b))
    args.target.mkdir(parents=True, exist_ok=True)
    np.save(args.target / "x.npy", x)
    np.save(args.target / "q.npy", q)
    print(f"{len(x)} x {x.shape[1]}, {len(q)} queries")


if __name__ == "__main__":
    sys.exit(main())
