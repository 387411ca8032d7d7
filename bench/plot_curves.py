#!/usr/bin/env python3
"""Draws recall against queries per second from what `malmoi bench store --vectors --json` and
store_vs_peers.py --out write.

    plot_curves.py FILE... --out curves.png [--filter "u 10.0 %"] [--threads 1]
"""
import argparse
import json
import pathlib


def curves_of(path, filter_name, threads):
    """{label: [(recall, qps)]} of one file."""
    data = json.loads(path.read_text())
    rows = data["curve"] if isinstance(data, dict) else data
    out = {}
    for row in rows:
        if "recall" not in row or row.get("filter", "") != filter_name:
            continue
        if row.get("threads", 1) == threads:
            out.setdefault(row["engine"], []).append((row["recall"], row["qps"]))
    return {f"{engine} ({path.stem})": sorted(points) for engine, points in out.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--filter", default="")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    for path in args.files:
        for label, points in curves_of(path, args.filter, args.threads).items():
            plt.plot([p[0] for p in points], [p[1] for p in points], "o-", label=label)
    plt.yscale("log")
    plt.xlabel("recall@10")
    plt.ylabel(f"queries/s, {args.threads} thread(s)")
    plt.title(args.filter or "no filter")
    plt.grid(alpha=0.3)
    plt.legend()
    plt.savefig(args.out, dpi=120)


if __name__ == "__main__":
    main()
