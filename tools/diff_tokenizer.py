#!/usr/bin/env python3
"""Compares malmoi_tokenize with the PyPI package tokenizers (0.23.3), by hand.

    pip install tokenizers==0.23.3
    tools/diff_tokenizer.py build/release/src/text/tokenizer/malmoi_tokenize TOKENIZER_JSON [--texts N] [--seed S] [--code-points]

Random texts, and with --code-points every Unicode scalar value alone, inside a word and after a space.
Prints the number of differences; exit code 0 if there are none, 1 otherwise.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import tokenizers

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "make_golden"))
import tokenizer_texts  # noqa: E402


def reference(tok, text):
    e = tok.encode(text)
    return {"ids": e.ids, "offsets": [list(o) for o in e.offsets], "type_ids": e.type_ids,
            "special": e.special_tokens_mask, "decoded": tok.decode(e.ids),
            "kept": tok.decode(e.ids, skip_special_tokens=False)}


def ours(binary, path, texts):
    with tempfile.TemporaryFile("w+") as f:
        for text in texts:
            f.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
        f.flush()
        f.seek(0)
        out = subprocess.run([binary, path], stdin=f, stdout=subprocess.PIPE, check=True).stdout
    lines = out.decode().split("\n")[:-1]
    assert len(lines) == len(texts), (len(lines), len(texts))
    return map(json.loads, lines)


def compare(binary, path, tok, texts, show):
    bad = 0
    for text, got in zip(texts, ours(binary, path, texts)):
        want = reference(tok, text)
        wrong = [k for k in want if want[k] != got[k]]
        if wrong:
            bad += 1
            if bad <= show:
                print("differs in", wrong, ascii(text))
                for k in wrong[:2]:
                    print("   want", ascii(want[k]), "\n   got ", ascii(got[k]))
    return bad


def main():
    p = argparse.ArgumentParser()
    p.add_argument("binary")
    p.add_argument("tokenizer_json")
    p.add_argument("--texts", type=int, default=10000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--show", type=int, default=5)
    p.add_argument("--code-points", action="store_true")
    a = p.parse_args()
    tok = tokenizers.Tokenizer.from_file(a.tokenizer_json)
    tok.no_truncation()
    tok.no_padding()
    total = 0
    if a.texts:
        bad = compare(a.binary, a.tokenizer_json, tok, tokenizer_texts.texts(a.seed, a.texts), a.show)
        print(f"random texts: {bad} of {a.texts} differ (tokenizers {tokenizers.__version__})")
        total += bad
    if a.code_points:
        chars = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
        for name, form in (("alone", "{}"), ("inside a word", "a{}b"), ("after a space", "x {}")):
            bad = 0
            for i in range(0, len(chars), 50000):
                bad += compare(a.binary, a.tokenizer_json, tok, [form.format(c) for c in chars[i:i + 50000]],
                               a.show if bad == 0 else 0)
            print(f"every code point {name}: {bad} of {len(chars)} differ")
            total += bad
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
