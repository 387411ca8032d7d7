#!/usr/bin/env python3
"""Compares malmoi_tokenize with the PyPI package tokenizers (0.23.3), by hand.

    pip install tokenizers==0.23.3
    tools/diff_tokenizer.py BINARY [--file TOKENIZER_JSON ...] [--random N] [--texts N] [--seed S]
                            [--code-points] [--corpus FILE ...]

BINARY is build/release/malmoi_tokenize. --file compares given
tokenizers, --random makes N tokenizers of random components, trained by the package on the texts. Each meets random
texts (alone, as pairs, cut on both sides, decoded), the lines of --corpus and, with --code-points, every code point
of the planes in use alone, inside a word and after a space. Ids, byte offsets, type ids, masks and decoded texts must be
equal. Prints differences and their number; exit code 0 if there are none, 1 otherwise.
"""
import argparse
import json
import os
import random
import subprocess
import sys

import tokenizers

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "make_golden"))
import tokenizer_random  # noqa: E402
from tokenizer_random import reference, requests_of  # noqa: E402
import tokenizer_texts  # noqa: E402


class Ours:
    """malmoi_tokenize as a child: a request a line, an answer a line."""

    def __init__(self, binary):
        self.child = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, requests):
        out = []
        for at in range(0, len(requests), 64):  # A pipe's buffer holds the answers' requests.
            for request in requests[at:at + 64]:
                self.child.stdin.write(json.dumps(request).encode() + b"\n")
            self.child.stdin.flush()
            for request in requests[at:at + 64]:
                line = self.child.stdout.readline()
                if not line:
                    raise SystemExit(f"malmoi_tokenize ended at {ascii(request)[:300]}")
                out.append(json.loads(line))
        return out


def compare(ours, tok, requests, show, name):
    """Number of differences."""
    bad = 0
    for request, got in zip(requests, ours.ask(requests)):
        want = reference(tok, request)
        if want is None:
            continue
        wrong = [k for k in want if want[k] != got.get(k)]
        if wrong:
            bad += 1
            if bad <= show:
                print(name, "differs in", wrong, ascii(request))
                for k in wrong[:2]:
                    print("   want", ascii(want[k]), "\n   got ", ascii(got.get(k, got)))
    return bad


def load(ours, source):
    """Whether malmoi reads the tokenizer; prints why not."""
    answer = ours.ask([{"tokenizer": source}])[0]
    if "error" in answer:
        print("refused:", answer["error"])
    return "error" not in answer


def code_points(ours, tok, show, name):
    # Planes 0 to 3 and 14 whole; of the others, unassigned or private, every 97th.
    chars = [chr(c) for c in range(0x110000)
             if not 0xD800 <= c < 0xE000 and (c < 0x40000 or c >> 16 == 14 or c % 97 == 0)]
    total = 0
    for what, form in (("alone", "{}"), ("inside a word", "a{}b"), ("after a space", "x {}")):
        bad = sum(compare(ours, tok, [{"text": form.format(c)} for c in chars[i:i + 50000]], show, name)
                  for i in range(0, len(chars), 50000))
        print(f"{name}: every code point {what}: {bad} of {len(chars)} differ")
        total += bad
    return total


def main():
    p = argparse.ArgumentParser()
    p.add_argument("binary")
    p.add_argument("--file", action="append", default=[])
    p.add_argument("--random", type=int, default=0)
    p.add_argument("--texts", type=int, default=10000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--show", type=int, default=5)
    p.add_argument("--corpus", action="append", default=[])
    p.add_argument("--code-points", action="store_true")
    p.add_argument("--keep", help="write tokenizers that differ into this folder")
    a = p.parse_args()
    ours = Ours(a.binary)
    rng = random.Random(a.seed)
    total = 0
    sources = [(path, open(path, encoding="utf-8").read()) for path in a.file]
    sources += [(f"random {a.seed + i}", None) for i in range(a.random)]
    corpus = [line.rstrip("\n") for path in a.corpus for line in open(path, encoding="utf-8", errors="replace")]
    for name, source in sources:
        if source is None:
            source = tokenizer_random.tokenizer(int(name.split()[1]))
            if source is None:
                continue
        tok = tokenizers.Tokenizer.from_str(source)
        tok.no_padding()
        if not load(ours, source):
            total += 1
            continue
        texts = tokenizer_texts.texts(rng.randint(0, 1 << 30), a.texts) + corpus
        bad = compare(ours, tok, list(requests_of(texts, rng)), a.show, name)
        if a.code_points:
            bad += code_points(ours, tok, a.show, name)
        print(f"{name}: {bad} of {len(texts)} texts differ (tokenizers {tokenizers.__version__})", flush=True)
        if bad and a.keep:
            with open(os.path.join(a.keep, name.replace(" ", "-").replace("/", "_") + ".json"), "w") as f:
                f.write(source)
        total += bad
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
