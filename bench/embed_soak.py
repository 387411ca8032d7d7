#!/usr/bin/env python3
"""Memory of `malmoi serve embed` under a mixed load: resident megabytes by time.

  bench/embed_soak.py BUILD_FOLDER [--minutes 10] [--clients 6] [--pause 0] [--model all-MiniLM-L6-v2] [--dtype int8]

Clients send texts of 1 to 2,000 words, alone and in batches of up to 40, to several routes, now and then
a wrong body, and now and then they leave before the answer. Prints a line every ten seconds; at the
end the least and the greatest of the first and of the last quarter. The seed is fixed."""
import argparse
import http.client
import json
import pathlib
import random
import re
import signal
import subprocess
import threading
import time

WORDS = ("the quick fox jumps over lazy dogs and 서울 날씨가 오늘 아주 좋습니다 東京 の 天気 は 晴れ "
         "привет мир naïve café 12,345 https://example.org/a?b=c 🙂").split()


def text(rng):
    return " ".join(rng.choices(WORDS, k=int(2 ** rng.uniform(0, 11))))


def request(rng):
    """(path, body)"""
    kind = rng.random()
    if kind < 0.5:
        return "/embed", {"inputs": text(rng)}
    if kind < 0.7:
        return "/embed", {"inputs": [text(rng) for _ in range(rng.randint(1, 40))]}
    if kind < 0.8:
        return "/v1/embeddings", {"input": [text(rng)], "encoding_format": rng.choice(["float", "base64"])}
    if kind < 0.85:
        return "/tokenize", {"inputs": text(rng)}
    if kind < 0.9:
        return "/similarity", {"inputs": {"source_sentence": text(rng), "sentences": [text(rng), "a"]}}
    return rng.choice([("/embed", {"inputs": []}), ("/embed", {"inputs": 7}), ("/rerank", {"query": "a"}),
                       ("/embed", {"inputs": "a", "dimensions": 100000}), ("/none", {})])


def client(port, seed, end, pause, counts):
    rng = random.Random(seed)
    connection = None
    while time.monotonic() < end:
        path, body = request(rng)
        try:
            connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            if rng.random() < 0.03:
                connection.close()
                connection = None
                counts["left"] = counts.get("left", 0) + 1
                continue
            answer = connection.getresponse()
            answer.read()
            counts[answer.status] = counts.get(answer.status, 0) + 1
        except OSError as error:
            counts[repr(error)] = counts.get(repr(error), 0) + 1
            connection = None
        time.sleep(rng.uniform(0, 2 * pause))


def resident(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--pause", type=float, default=0, help="mean seconds between a client's requests")
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--dtype", default="int8")
    a = parser.parse_args()
    server = subprocess.Popen([a.build / "malmoi", "serve", "embed", "--model-id", a.model, "--dtype", a.dtype,
                               "--hostname", "127.0.0.1", "--port", "0"], stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        if found := re.search(r"is at http://127.0.0.1:(\d+)/", line):
            break
    threading.Thread(target=server.stderr.read, daemon=True).start()
    start = time.monotonic()
    counts, sizes = {}, []
    threads = [threading.Thread(target=client, args=(int(found.group(1)), i, start + 60 * a.minutes, a.pause, counts))
               for i in range(a.clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(10)
        sizes.append(resident(server.pid))
        print(f"{time.monotonic() - start:6.0f} s {sizes[-1]:8.1f} MB  {counts}", flush=True)
    quarter = max(len(sizes) // 4, 1)
    for name, part in (("first", sizes[:quarter]), ("last", sizes[-quarter:])):
        print(f"{name} quarter: {min(part):.1f} to {max(part):.1f} MB")
    server.send_signal(signal.SIGTERM)
    print("ended with", server.wait(60))


if __name__ == "__main__":
    main()
