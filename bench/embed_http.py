#!/usr/bin/env python3
"""What HTTP and JSON cost on top of the library: `malmoi serve embed` with all-MiniLM-L6-v2 against
embed_bench in the same run, in turns, on the same texts.

  bench/embed_http.py BUILD_FOLDER      (a release build with malmoi, malmoi_http_load, embed_bench)

Prints texts a second of the library and of the server, and the server's latency, whose median is
compared with the library's for one client; the best of some rounds. About 40 s."""
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

ROUNDS = 3
WORDS = "the quick fox jumps over lazy dogs".split()


def text(words, shift):
    return " ".join(WORDS[(i + shift) % 7] for i in range(words))


def library(build, words, clients, texts):
    """Over as many texts as the server gets: the first and the last batches, which are not full,
    weigh alike."""
    done = subprocess.run([build / "embed_bench", "--full", "--benchmark_format=json",
                           f"--benchmark_filter=^embed/{words}/{clients}/{texts}/real_time$",
                           "--benchmark_min_time=0.1"], check=True, capture_output=True, text=True)
    (row,) = json.loads(done.stdout)["benchmarks"]
    return row


def http(build, port, bodies, clients, requests):
    done = subprocess.run([build / "malmoi_http_load", port, "/embed", bodies, str(clients),
                           str(requests)], check=True, capture_output=True, text=True)
    got = json.loads(done.stdout)
    assert got["failed"] == 0, got
    return got


def measure(build, port, words, clients, requests):
    """One line of the table: both in turns, the best of each, since others can only add time."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as bodies:
        bodies.write("\n".join(json.dumps({"inputs": text(words, i)}) for i in range(7)))
        bodies.flush()
        http(build, port, bodies.name, clients, max(requests // 10, clients))
        alone, runs = [], []
        for _ in range(ROUNDS):
            alone.append(library(build, words, clients, requests))
            runs.append(http(build, port, bodies.name, clients, requests))
    base = max(run["texts/s"] for run in alone)
    best = max(runs, key=lambda run: run["per_second"])
    p50 = min(run["p50_ms"] for run in runs)
    over = f"{p50 - min(run['p50_ms'] for run in alone):.3f}" if clients == 1 else ""
    print(f"{words:>6} {clients:>8} {base:>10.0f} {best['per_second']:>10.0f} "
          f"{best['per_second'] / base:>6.2f} {p50:>8.3f} {best['p99_ms']:>8.3f} {over:>12}",
          flush=True)


def main(build):
    build = pathlib.Path(build)
    server = subprocess.Popen([build / "malmoi", "serve", "embed", "--model-id",
                               "all-MiniLM-L6-v2", "--hostname", "127.0.0.1", "--port", "0"],
                              stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        if found := re.search(r"is at http://127.0.0.1:(\d+)/", line):
            break
    print(f"{'words':>6} {'clients':>8} {'library/s':>10} {'HTTP/s':>10} {'share':>6} "
          f"{'p50 ms':>8} {'p99 ms':>8} {'overhead ms':>12}")
    try:
        for words, clients, requests in ((10, 1, 600), (10, 32, 3000), (126, 32, 300)):
            measure(build, found.group(1), words, clients, requests)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


if __name__ == "__main__":
    main(sys.argv[1])
