#!/usr/bin/env python3
"""Writes tests/golden/tokenizers-0.23.3-random.jsonl with the PyPI package of that version.

    pip install tokenizers==0.23.3
    tools/make_golden/tokenizer.py MODELS_DIR >tests/golden/tokenizers-0.23.3-random.jsonl

MODELS_DIR holds the model folders of the assets. One line a case: m(odel), text, ids, offsets in code points, flat.
"""
import json
import os
import sys

import tokenizers
import tokenizer_texts

assert tokenizers.__version__ == "0.23.3", tokenizers.__version__
for model, seed in (("all-MiniLM-L6-v2", 101), ("multilingual-e5-small", 102)):
    tok = tokenizers.Tokenizer.from_file(os.path.join(sys.argv[1], model, "tokenizer.json"))
    tok.no_truncation()
    tok.no_padding()
    for text in tokenizer_texts.texts(seed, 300):
        e = tok.encode(text)
        print(json.dumps({"m": model, "text": text, "ids": e.ids,
                          "offsets": [x for o in e.offsets for x in o],
                          "decoded": tok.decode(e.ids)}, separators=(",", ":")))
