#!/usr/bin/env python3
"""Encodes texts with malmoi_tokenize and with the PyPI package tokenizers, in turns, on one thread.

    pip install tokenizers==0.23.3
    bench/tokenizer_vs_peers.py BINARY TOKENIZER_JSON TEXTS [--limit-mb 4] [--rounds 3]

BINARY is build/release/malmoi_tokenize; TEXTS is a file with a text a
line, or JSON lines with "text". Prints MB/s of each (best of the rounds) and the ratios to encode_batch and encode.
Only the package's own time counts for it, not the making of Python lists from its results. Ids must be equal.
"""
import argparse
import json
import os
import subprocess
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
import tokenizers  # noqa: E402


def read(path, limit):
    texts, size = [], 0
    for line in open(path, encoding="utf-8", errors="replace"):
        line = line.rstrip("\n")
        if line.startswith("{"):
            line = json.loads(line).get("text", line)
        if line and size < limit:
            texts.append(line)
            size += len(line.encode())
    return texts, size


def timed(call):
    start = time.perf_counter()
    out = call()
    return time.perf_counter() - start, out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("binary")
    p.add_argument("tokenizer_json")
    p.add_argument("texts")
    p.add_argument("--limit-mb", type=float, default=4)
    p.add_argument("--rounds", type=int, default=3)
    a = p.parse_args()
    texts, size = read(a.texts, a.limit_mb * 1e6)
    tok = tokenizers.Tokenizer.from_file(a.tokenizer_json)
    tok.no_truncation()
    tok.no_padding()
    child = subprocess.Popen([a.binary, a.tokenizer_json], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(request):
        child.stdin.write(json.dumps(request).encode() + b"\n")
        child.stdin.flush()
        return json.loads(child.stdout.readline())

    for text in texts[:200]:
        assert ask({"text": text})["ids"] == tok.encode(text).ids, text
    best = {"malmoi": 0, "encode_batch": 0, "encode": 0}
    for _ in range(a.rounds):
        best["malmoi"] = max(best["malmoi"], ask({"bench": texts})["mb_per_s"])
        best["encode_batch"] = max(best["encode_batch"], size / 1e6 / timed(lambda: tok.encode_batch(texts))[0])
        best["encode"] = max(best["encode"], size / 1e6 / timed(lambda: [tok.encode(t) for t in texts])[0])
    first = ask({"fresh": texts})
    print(json.dumps({"mb": round(size / 1e6, 2), **{k: round(v, 2) for k, v in best.items()},
                      "malmoi_first_pass": round(first["mb_per_s"], 2),
                      "ratio_encode_batch": round(best["malmoi"] / best["encode_batch"], 1),
                      "ratio_encode": round(best["malmoi"] / best["encode"], 1),
                      "tokenizers": tokenizers.__version__}))


if __name__ == "__main__":
    main()
