#!/usr/bin/env python3
"""Writes tests/golden/tokenizers-0.23.3-components.jsonl with the PyPI package of that version.

    pip install tokenizers==0.23.3
    tools/make_golden/tokenizer_components.py >tests/golden/tokenizers-0.23.3-components.jsonl

Small tokenizers of random components, then some that were answered otherwise once (WRONG_ONCE, by seed).
A line is {"tokenizer": {...}}, or a case of the tokenizer above it: a request
as malmoi_tokenize takes it and "want", what the package answers: ids, byte offsets, type ids, mask, decoded texts.
"""
import json
import random

import tokenizer_random
import tokenizer_texts
import tokenizers

assert tokenizers.__version__ == "0.23.3", tokenizers.__version__
# Offsets past a word (BPE, bytes of a prefix or suffix), names of added tokens, POSIX classes, \w in brackets.
WRONG_ONCE = (503, 510, 516, 517, 524, 532, 536, 2030, 4005)


def cases_of(source, seed, texts, tokens_max):
    tok = tokenizers.Tokenizer.from_str(source)
    for request in tokenizer_random.requests_of(tokenizer_texts.texts(seed, texts), random.Random(seed)):
        want = tokenizer_random.reference(tok, request)
        if want is not None and len(want["ids"]) < tokens_max:
            yield {**request, "want": want}


def write(source, cases):
    print(json.dumps({"tokenizer": json.loads(source)}, separators=(",", ":"), ensure_ascii=False))
    for case in cases:
        print(json.dumps(case, separators=(",", ":"), ensure_ascii=False))


seed, left = 100000, 48
while left > 0:
    seed += 1
    source = tokenizer_random.tokenizer(seed, sizes=(40, 80))
    if source is None or len(source) > 9000:
        continue
    cases = list(cases_of(source, seed, 20, 40))
    if len(cases) < 5:
        continue
    left -= 1
    write(source, cases[:8])
for seed in WRONG_ONCE:
    source = tokenizer_random.tokenizer(seed)
    write(source, list(cases_of(source, seed, 60, 90))[:25])
