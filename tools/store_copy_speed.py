#!/usr/bin/env python3
"""Points a second of `malmoi store copy` between two servers of this program, by wire.

    store_copy_speed.py PROGRAM [--points N] [--dim D] [--runs R]

Prints a table: REST to REST, gRPC to gRPC, and one into the other, the best of R runs in turn, and the
processor seconds of the copying process (both servers run beside it on the same machine).
"""
import argparse
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "conformance" / "store"))
from store_process import Http, Store  # noqa: E402


def fill(http, n, dim):
    draw = random.Random(1)
    http("PUT", "/collections/c", {"vectors": {"size": dim, "distance": "Cosine"}})
    for at in range(0, n, 1000):
        http("PUT", "/collections/c/points?wait=true", {"points": [
            {"id": i, "vector": [round(draw.gauss(0, 1), 6) for _ in range(dim)],
             "payload": {"n": i, "text": "a passage of some words, as chunks have " * 4,
                         "metadata": {"path": f"guide/{i % 97}.md", "line": i}}}
            for i in range(at, min(at + 1000, n))]})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("program")
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--runs", type=int, default=2)
    arguments = parser.parse_args()
    best = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with Store(arguments.program, folder / "a") as a, Store(arguments.program, folder / "b") as b:
            source, target = Http(a.url, None), Http(b.url, None)
            fill(source, arguments.points, arguments.dim)
            address = lambda s, wire: (f"qdrant://127.0.0.1:{s.port}" if wire == "REST"
                                       else f"grpc://127.0.0.1:{s.grpc_port}")
            for _ in range(arguments.runs):
                for wires in (("REST", "REST"), ("gRPC", "gRPC"), ("REST", "gRPC"), ("gRPC", "REST")):
                    target("DELETE", "/collections/c")
                    before = resource.getrusage(resource.RUSAGE_CHILDREN)
                    start = time.monotonic()
                    subprocess.run([arguments.program, "store", "copy", "--quiet", address(a, wires[0]),
                                    address(b, wires[1])], check=True, stdout=subprocess.DEVNULL)
                    seconds = time.monotonic() - start
                    after = resource.getrusage(resource.RUSAGE_CHILDREN)
                    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                    best[wires] = min(best.get(wires, (1e9, 0)), (seconds, cpu))
    print(f"{arguments.points} points of {arguments.dim} numbers, batches of 256")
    print("| from | to | points/s | to REST | CPU of the copy, s |\n|---|---|---|---|---|")
    base = best["REST", "REST"][0]
    for (one, other), (seconds, cpu) in best.items():
        print(f"| {one} | {other} | {arguments.points / seconds:,.0f} | {base / seconds:.2f} | {cpu:.1f} |")


if __name__ == "__main__":
    main()
