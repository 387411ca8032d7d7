#!/usr/bin/env python3
"""Writes a model directory with random weights of a real model's shape, to measure what does not
depend on the weights: speed, memory, time to start.

    random_model.py SHAPE OUTDIR --tokenizer DIR [--dtype F32|F16]

SHAPE: minilm (23 M), bert-base (110 M), xlm-r-base (278 M) or xlm-r-large (560 M, the shape of
bge-m3). The tokenizer's files are copied from DIR; its vocabulary may be smaller. Needs numpy.
"""
import argparse
import json
import pathlib
import shutil

import numpy as np

SHAPES = {  # model_type, hidden, layers, heads, intermediate, vocabulary, positions
    "minilm": ("bert", 384, 6, 12, 1536, 30522, 512),
    "bert-base": ("bert", 768, 12, 12, 3072, 30522, 512),
    "xlm-r-base": ("xlm-roberta", 768, 12, 12, 3072, 250002, 514),
    "xlm-r-large": ("xlm-roberta", 1024, 24, 16, 4096, 250002, 8194),
}
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def tensors(kind, h, layers, wide, vocabulary, positions):
    """(name, shape) in the file's order."""
    types = 2 if kind == "bert" else 1
    for name, rows in (("word", vocabulary), ("position", positions), ("token_type", types)):
        yield f"embeddings.{name}_embeddings.weight", (rows, h)
    yield from norm("embeddings.LayerNorm", h)
    for i in range(layers):
        layer = f"encoder.layer.{i}."
        for name in ("query", "key", "value"):
            yield from linear(f"{layer}attention.self.{name}", h, h)
        yield from linear(layer + "attention.output.dense", h, h)
        yield from norm(layer + "attention.output.LayerNorm", h)
        yield from linear(layer + "intermediate.dense", wide, h)
        yield from linear(layer + "output.dense", h, wide)
        yield from norm(layer + "output.LayerNorm", h)


def linear(name, n, k):
    return [(name + ".weight", (n, k)), (name + ".bias", (n,))]


def norm(name, n):
    return [(name + ".weight", (n,)), (name + ".bias", (n,))]


def values(rng, name, shape, dtype):
    if name.endswith("LayerNorm.weight"):
        return np.ones(shape, dtype)
    return (rng.standard_normal(shape, dtype=np.float32) * 0.02).astype(dtype)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--dtype", choices=("F32", "F16"), default="F32")
    arguments = parser.parse_args()
    kind, h, layers, heads, wide, vocabulary, positions = SHAPES[arguments.shape]
    out, dtype = arguments.out, {"F32": np.float32, "F16": np.float16}[arguments.dtype]
    (out / "1_Pooling").mkdir(parents=True, exist_ok=True)
    config = {"model_type": kind, "architectures": ["BertModel"], "hidden_size": h,
              "num_hidden_layers": layers, "num_attention_heads": heads,
              "intermediate_size": wide, "vocab_size": vocabulary,
              "max_position_embeddings": positions, "hidden_act": "gelu",
              "type_vocab_size": 2 if kind == "bert" else 1,
              "layer_norm_eps": 1e-12 if kind == "bert" else 1e-5, "pad_token_id": 1}
    (out / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    (out / "1_Pooling" / "config.json").write_text(json.dumps(
        {"word_embedding_dimension": h, "pooling_mode_mean_tokens": True}), encoding="utf-8")
    for name in TOKENIZER:
        if (arguments.tokenizer / name).exists():
            shutil.copy(arguments.tokenizer / name, out / name)
    header, offset = {}, 0
    rows = list(tensors(kind, h, layers, wide, vocabulary, positions))
    for name, shape in rows:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        header[name] = {"dtype": arguments.dtype, "shape": list(shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(1)
    with open(out / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in rows:
            file.write(values(rng, name, shape, dtype).tobytes())
    print(f"{out}: {offset / 1e6:.0f} MB of weights")


if __name__ == "__main__":
    main()
