#!/usr/bin/env python3
"""Writes tests/golden/tokenizers-0.23.3-components.jsonl with the PyPI package of that version.

    pip install tokenizers==0.23.3
    tools/make_golden/tokenizer_components.py >tests/golden/tokenizers-0.23.3-components.jsonl

A line is {"tokenizer": {...}}, a small tokenizer of random components, or a case of the tokenizer above it: a request
as malmoi_tokenize takes it and "want", what the package answers: ids, byte offsets, type ids, mask, decoded texts.
"""
import json
import random

import tokenizer_random
import tokenizer_texts
import tokenizers

assert tokenizers.__version__ == "0.23.3", tokenizers.__version__
seed, left = 100000, 48
while left > 0:
    seed += 1
    source = tokenizer_random.tokenizer(seed, sizes=(40, 80))
    if source is None or len(source) > 9000:
        continue
    tok = tokenizers.Tokenizer.from_str(source)
    rng = random.Random(seed)
    cases = []
    for request in tokenizer_random.requests_of(tokenizer_texts.texts(seed, 20), rng):
        want = tokenizer_random.reference(tok, request)
        if want is not None and len(want["ids"]) < 40:
            cases.append({**request, "want": want})
    if len(cases) < 5:
        continue
    left -= 1
    print(json.dumps({"tokenizer": json.loads(source)}, separators=(",", ":"), ensure_ascii=False))
    for case in cases[:8]:
        print(json.dumps(case, separators=(",", ":"), ensure_ascii=False))
