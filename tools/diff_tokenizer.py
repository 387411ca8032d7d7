#!/usr/bin/env python3
"""Compares malmoi_tokenize with the PyPI package tokenizers (0.23.3), by hand.

    pip install tokenizers==0.23.3
    tools/diff_tokenizer.py BINARY [--file TOKENIZER_JSON ...] [--byte-level] [--random N] [--texts N] [--seed S]
                            [--code-points] [--corpus FILE ...] [--data FOLDER] [--state FILE]

BINARY is build/release/malmoi_tokenize. --file compares given tokenizers, --byte-level one of GPT-2's kind with a small
vocabulary trained here, --random N of random components. Each meets --texts random texts (alone, as pairs, cut on both
sides, decoded), the lines of --corpus, with --data the lines of every file in FOLDER/unicode and all texts of the sets in
BEIR form below FOLDER, and, with --code-points, every assigned code point alone, inside a word and after a space. Ids, byte offsets, type ids, masks and decoded texts must be equal. Prints differences and their number; exit code
0 if there are none, 1 otherwise. With --state, what is finished is noted in FILE and not done again: the whole is one
command, which may be stopped and repeated. A part whose texts differed is done again.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import unicodedata

import tokenizers

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "make_golden"))
import tokenizer_random  # noqa: E402
from tokenizer_random import reference, requests_of  # noqa: E402
import tokenizer_texts  # noqa: E402


class Ours:
    """malmoi_tokenize as a child: a request a line, an answer a line."""

    def __init__(self, binary):
        self.child = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def write(self, requests):
        self.child.stdin.write(b"".join(json.dumps(request).encode() + b"\n" for request in requests))
        self.child.stdin.flush()

    def ask(self, requests):
        """The answers, in order. Written by a thread of its own: pipes hold little, and the child does not read on
        while nobody reads from it."""
        writer = threading.Thread(target=self.write, args=(requests,))
        writer.start()
        out = []
        for request in requests:
            line = self.child.stdout.readline()
            if not line:
                raise SystemExit(f"malmoi_tokenize ended at {ascii(request)[:300]}")
            out.append(json.loads(line))
        writer.join()
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


BLOCK = 4000  # Requests between two notes in the state.


def code_points():
    # All that Python's tables know as assigned; of the others, unassigned or private, every 97th.
    chars = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000
             and (unicodedata.category(chr(c)) not in ("Cn", "Co") or c % 97 == 0)]
    for what, form in (("alone", "{}"), ("inside a word", "a{}b"), ("after a space", "x {}")):
        yield f"every code point {what}", [form.format(c) for c in chars]


def lines(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return [line.rstrip("\n") for line in file]


def data_texts(folder):
    """(what, texts) of the Unicode files and of each retrieval set."""
    root = pathlib.Path(folder)
    yield "unicode", [line for path in sorted((root / "unicode").rglob("*")) if path.is_file() for line in lines(path)]
    for corpus in sorted(root.rglob("corpus.jsonl")):
        texts = []
        for path in (corpus, corpus.parent / "queries.jsonl"):
            for line in lines(path):
                record = json.loads(line)
                texts += [record[key] for key in ("title", "text") if record.get(key)]
        yield str(corpus.parent.relative_to(root)), texts


def byte_level():
    """A tokenizer of GPT-2's kind: NFC, bytes, its expression, merges of the random texts."""
    tok = tokenizers.Tokenizer(tokenizers.models.BPE())
    tok.normalizer = tokenizers.normalizers.NFC()
    tok.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.train_from_iterator(tokenizer_random.TEXTS, tokenizers.trainers.BpeTrainer(
        vocab_size=1500, special_tokens=["<s>", "</s>"], show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    tok.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 1), ("<s>", 0), add_prefix_space=False)
    tok.decoder = tokenizers.decoders.ByteLevel()
    return tok.to_str()


class State:
    """What is finished, by tokenizer, part and block."""

    def __init__(self, path):
        self.done = {tuple(json.loads(line)[:3]): json.loads(line)[3] for line in lines(path)} \
            if path and os.path.exists(path) else {}
        self.file = open(path, "a", encoding="utf-8") if path else None

    def note(self, key, count):
        if self.file:
            self.file.write(json.dumps([*key, count]) + "\n")
            self.file.flush()


def sources_of(a):
    for path in a.file:
        yield path, pathlib.Path(path).read_text(encoding="utf-8")
    if a.byte_level:
        yield "byte-level", byte_level()
    for seed in range(a.seed, a.seed + a.random):
        source = tokenizer_random.tokenizer(seed)
        if source is not None:
            yield f"random {seed}", source


def compare_all(ours, name, source, parts, a, state):
    """Differences of one tokenizer over all parts."""
    tok = tokenizers.Tokenizer.from_str(source)
    tok.no_padding()
    if not load(ours, source):
        return 1
    total = 0
    for what, texts in parts:
        bad = seen = 0
        plain = what.startswith("every code point")
        for at in range(0, len(texts), BLOCK):
            key, block = (name, what, at), texts[at:at + BLOCK]
            seen += len(block)
            if key in state.done:
                continue
            rng = random.Random(f"{a.seed} {what} {at}")
            requests = [{"text": t} for t in block] if plain else list(requests_of(block, rng))
            wrong = compare(ours, tok, requests, a.show, name)
            bad += wrong
            if wrong == 0:
                state.note(key, len(block))
        print(f"{name}: {what}: {bad} of {seen} differ (tokenizers {tokenizers.__version__})", flush=True)
        total += bad
    return total


def main():
    p = argparse.ArgumentParser()
    p.add_argument("binary")
    p.add_argument("--file", action="append", default=[])
    p.add_argument("--byte-level", action="store_true")
    p.add_argument("--random", type=int, default=0)
    p.add_argument("--texts", type=int, default=10000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--show", type=int, default=5)
    p.add_argument("--corpus", action="append", default=[])
    p.add_argument("--data", help="folder with unicode/ and sets in BEIR form")
    p.add_argument("--code-points", action="store_true")
    p.add_argument("--keep", help="write tokenizers that differ into this folder")
    p.add_argument("--state", help="file that notes what is finished")
    a = p.parse_args()
    ours = Ours(a.binary)
    state = State(a.state)
    parts = [("random texts", tokenizer_texts.texts(a.seed, a.texts))]
    parts += [(path, lines(path)) for path in a.corpus]
    parts += data_texts(a.data) if a.data else []
    parts += code_points() if a.code_points else []
    total = 0
    for name, source in sources_of(a):
        bad = compare_all(ours, name, source, parts, a, state)
        if bad and a.keep:
            with open(os.path.join(a.keep, name.replace(" ", "-").replace("/", "_") + ".json"), "w") as f:
                f.write(source)
        total += bad
    print(f"{total} differences in all")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
