#!/usr/bin/env python3
"""Draws recall against queries per second from what `malmoi bench store --vectors --json` and
store_vs_peers.py --out write.

    plot_curves.py FILE... --out curves.png [--filter "u 10.0 %"] [--threads 1]
    plot_curves.py --at 0.95 10000=FILE 1000000=FILE... --out sizes.png [--filter ...]

--at RECALL: instead of recall, the number of vectors that each file is of, against the queries per
second at that recall, which are also printed.
"""
import argparse
import json
import math
import pathlib


def curves_of(path, filter_name, threads):
    """{engine: [(recall, qps)]} of one file."""
    data = json.loads(path.read_text())
    rows = data["curve"] if isinstance(data, dict) else data
    out = {}
    for row in rows:
        if "recall" not in row or row.get("filter", "") != filter_name:
            continue
        if row.get("threads", 1) == threads:
            out.setdefault(row["engine"], []).append((row["recall"], row["qps"]))
    return {engine: sorted(points) for engine, points in out.items()}


def rate_at(points, recall):
    """Queries per second at `recall`: the fastest window that has it, or the point between the last
    window below and the first that has it, on a line of log(qps); None: not reached."""
    above = [p for p in points if p[0] >= recall]
    if not above:
        return None
    rates = [qps for _, qps in above]
    if len(above) < len(points):
        (low, slow), (high, fast) = points[-len(above) - 1], above[0]
        part = (recall - low) / (high - low)
        rates.append(math.exp(math.log(slow) * (1 - part) + math.log(fast) * part))
    return max(rates)


def sizes(args):
    """{engine: [(vectors, qps)]}, printed."""
    out = {}
    for given in args.files:
        count, _, path = given.partition("=")
        for engine, points in curves_of(pathlib.Path(path), args.filter, args.threads).items():
            rate = rate_at(points, args.at)
            shown = "not reached" if rate is None else f"{rate:.0f} queries/s"
            print(f"{engine:14} {int(count):9} vectors, recall {args.at}: {shown}")
            if rate is not None:
                out.setdefault(engine, []).append((int(count), rate))
    return {engine: sorted(points) for engine, points in out.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="[N=]FILE")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--at", type=float, help="recall: draw by the number of vectors")
    parser.add_argument("--filter", default="")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    if args.at:
        lines = sizes(args)
        plt.xscale("log")
        plt.xlabel("vectors")
        what = f"at recall@10 {args.at}, {args.threads} thread(s)"
    else:
        lines = {f"{engine} ({pathlib.Path(given).stem})": points for given in args.files
                 for engine, points in curves_of(pathlib.Path(given), args.filter, args.threads).items()}
        plt.xlabel("recall@10")
        what = f"{args.threads} thread(s)"
    for label, points in lines.items():
        plt.plot([p[0] for p in points], [p[1] for p in points], "o-", label=label)
    plt.yscale("log")
    plt.ylabel(f"queries/s, {what}")
    plt.title(args.filter or "no filter")
    plt.grid(alpha=0.3)
    plt.legend()
    plt.savefig(args.out, dpi=120)


if __name__ == "__main__":
    main()
