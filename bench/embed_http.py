#!/usr/bin/env python3
"""What HTTP and JSON cost on top of the library: `malmoi serve embed` with all-MiniLM-L6-v2 against
embed_bench in the same run, on the same texts.

  bench/embed_http.py BUILD_FOLDER      (a release build with malmoi, malmoi_http_load, embed_bench)

Prints the library's and the server's latency for one client and texts a second for 32."""
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

WORDS = "the quick fox jumps over lazy dogs".split()


def text(words, shift):
    return " ".join(WORDS[(i + shift) % 7] for i in range(words))


def library(build):
    done = subprocess.run([build / "embed_bench", "--full", "--benchmark_format=json",
                           "--benchmark_min_time=3"], check=True, capture_output=True, text=True)
    rows = json.loads(done.stdout)["benchmarks"]
    return {(re.search(r"embed/(\d+)/", r["name"]).group(1), r["threads"]): r["texts/s"]
            for r in rows}


def main(build):
    build = pathlib.Path(build)
    rates = library(build)
    server = subprocess.Popen([build / "malmoi", "serve", "embed", "--model-id",
                               "all-MiniLM-L6-v2", "--hostname", "127.0.0.1", "--port", "0"],
                              stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        if found := re.search(r"is at http://127.0.0.1:(\d+)/", line):
            break
    port = found.group(1)
    print(f"{'words':>6} {'clients':>8} {'library/s':>10} {'HTTP/s':>10} {'share':>6} "
          f"{'p50 ms':>8} {'p99 ms':>8} {'overhead ms':>12}")
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as bodies:
            for words, clients, requests in ((10, 1, 2000), (10, 32, 10000), (126, 32, 1500)):
                bodies.seek(0)
                bodies.truncate()
                bodies.write("\n".join(json.dumps({"inputs": text(words, i)}) for i in range(7)))
                bodies.flush()
                load = [build / "malmoi_http_load", port, "/embed", bodies.name, str(clients)]
                subprocess.run([*load, str(requests // 10)], check=True, capture_output=True)
                got = json.loads(subprocess.run([*load, str(requests)], check=True, text=True,
                                                capture_output=True).stdout)
                assert got["failed"] == 0, got
                base = rates[str(words), clients]
                over = f"{got['p50_ms'] - 1000 / base:.3f}" if clients == 1 else ""
                print(f"{words:>6} {clients:>8} {base:>10.0f} {got['per_second']:>10.0f} "
                      f"{got['per_second'] / base:>6.2f} {got['p50_ms']:>8.3f} "
                      f"{got['p99_ms']:>8.3f} {over:>12}")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


if __name__ == "__main__":
    main(sys.argv[1])
