#!/usr/bin/env python3
"""Golden data of the encoder: tests/golden/encoder/.

    tools/make_golden/encoder.py tiny                    two random models and what they must give
    tools/make_golden/encoder.py texts MODEL_DIR         vectors of texts.json with a real model
    tools/make_golden/encoder.py compare MODEL_DIR TEXTS.jsonl VECTORS.f32
                                                         smallest cosine against the reference

The reference is BertModel / XLMRobertaModel written out in float64, one sequence and one head at
a time: slow, obvious and sharing nothing with the C++ code. Needs numpy, scipy, safetensors and
tokenizers (0.23.3) in a virtual environment; the tests need none of them.
"""
import json
import pathlib
import sys

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy.special import erf

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "encoder"


def layer_norm(x, w, name, eps):
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + eps) * w[name + ".weight"] + w[name + ".bias"]


def linear(x, w, name):
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def activation(x, kind):
    if kind == "gelu":
        return 0.5 * x * (1 + erf(x / np.sqrt(2)))
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def positions(ids, config):
    if config["model_type"] == "bert":
        return np.arange(len(ids))
    pad = config["pad_token_id"]
    real = (np.array(ids) != pad).astype(int)
    return np.cumsum(real) * real + pad


def attention(x, w, name, heads):
    q, k, v = (linear(x, w, name + "self." + part) for part in ("query", "key", "value"))
    dim = x.shape[1] // heads
    out = np.zeros_like(x)
    for h in range(heads):
        at = slice(h * dim, (h + 1) * dim)
        score = q[:, at] @ k[:, at].T / np.sqrt(dim)
        p = np.exp(score - score.max(-1, keepdims=True))
        out[:, at] = p / p.sum(-1, keepdims=True) @ v[:, at]
    return linear(out, w, name + "output.dense")


def hidden_states(w, config, ids, types):
    eps = config["layer_norm_eps"]
    x = (w["embeddings.word_embeddings.weight"][ids]
         + w["embeddings.token_type_embeddings.weight"][types]
         + w["embeddings.position_embeddings.weight"][positions(ids, config)])
    x = layer_norm(x, w, "embeddings.LayerNorm", eps)
    for i in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{i}."
        a = attention(x, w, name + "attention.", config["num_attention_heads"])
        x = layer_norm(x + a, w, name + "attention.output.LayerNorm", eps)
        y = activation(linear(x, w, name + "intermediate.dense"), config["hidden_act"])
        x = layer_norm(x + linear(y, w, name + "output.dense"), w, name + "output.LayerNorm", eps)
    return x


def pooled(x, mode):
    y = x.mean(0) if mode == "mean" else x[0]
    return y / np.linalg.norm(y)


def random_weights(config, rng):
    h, f = config["hidden_size"], config["intermediate_size"]
    shapes = {"embeddings.word_embeddings.weight": (config["vocab_size"], h),
              "embeddings.position_embeddings.weight": (config["max_position_embeddings"], h),
              "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], h)}
    norms = ["embeddings.LayerNorm"]
    for i in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{i}."
        layers = {"attention.self.query": (h, h), "attention.self.key": (h, h),
                  "attention.self.value": (h, h), "attention.output.dense": (h, h),
                  "intermediate.dense": (f, h), "output.dense": (h, f)}
        for layer, shape in layers.items():
            shapes[name + layer + ".weight"] = shape
            shapes[name + layer + ".bias"] = shape[:1]
        norms += [name + "attention.output.LayerNorm", name + "output.LayerNorm"]
    w = {name: rng.normal(0, 0.25, shape) for name, shape in shapes.items()}
    for name in norms:
        w[name + ".weight"] = rng.normal(1, 0.2, h)
        w[name + ".bias"] = rng.normal(0, 0.2, h)
    return w


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def batch_arrays(sequences, types):
    starts = np.cumsum([0] + [len(s) for s in sequences]).astype(np.int32)
    return {"ids": np.concatenate(sequences).astype(np.int32), "starts": starts,
            "type_ids": np.concatenate(types).astype(np.int32)}


def make_tiny(name, config, mode, dtype, prefix, rng):
    out = GOLDEN / name
    write_json(out / "config.json", config)
    write_json(out / "modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize",
         "type": "sentence_transformers.models.Normalize"}])
    write_json(out / "1_Pooling" / "config.json",
               {"word_embedding_dimension": config["hidden_size"],
                "pooling_mode_cls_token": mode == "cls",
                "pooling_mode_mean_tokens": mode == "mean"})
    stored = {k: v.astype(dtype) for k, v in random_weights(config, rng).items()}
    save_file({prefix + k: v for k, v in stored.items()}, out / "model.safetensors")
    w = {k: v.astype(np.float64) for k, v in stored.items()}
    lengths = [1, 2, 5, 13, 26, 3, 38]
    ids = [rng.integers(2, config["vocab_size"], n) for n in lengths]
    if config["model_type"] != "bert":
        ids[3][4] = ids[4][0] = config["pad_token_id"]  # "<pad>" written inside a text.
    types = [rng.integers(0, config["type_vocab_size"], n) for n in lengths]
    states = [hidden_states(w, config, i, t) for i, t in zip(ids, types)]
    save_file(batch_arrays(ids, types) |
              {"hidden": np.concatenate(states).astype(np.float32),
               "pooled": np.stack([pooled(s, mode) for s in states]).astype(np.float32)},
              out / "expected.safetensors")


def tiny():
    rng = np.random.default_rng(3)
    base = {"hidden_size": 36, "num_hidden_layers": 2, "num_attention_heads": 3,
            "intermediate_size": 50, "vocab_size": 60, "layer_norm_eps": 1e-12}
    make_tiny("tiny-bert", base | {"model_type": "bert", "hidden_act": "gelu",
                                   "max_position_embeddings": 40, "type_vocab_size": 2,
                                   "pad_token_id": 0}, "mean", np.float32, "", rng)
    make_tiny("tiny-xlm-roberta", base | {"model_type": "xlm-roberta", "hidden_act": "gelu_new",
                                          "max_position_embeddings": 42, "type_vocab_size": 1,
                                          "layer_norm_eps": 1e-5, "pad_token_id": 1},
              "cls", np.float16, "roberta.", rng)


def load_model(directory):
    config = json.loads((directory / "config.json").read_text())
    w = load_file(directory / "model.safetensors")
    words = "embeddings.word_embeddings.weight"
    return config, {k: v if k == words else v.astype(np.float64) for k, v in w.items()}


def encode_texts(directory, texts):
    from tokenizers import Tokenizer
    config, w = load_model(directory)
    limit = json.loads((directory / "sentence_bert_config.json").read_text())["max_seq_length"]
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    ids = [np.array(tokenizer.encode(t).ids) for t in texts]
    types = [np.zeros(len(i), int) for i in ids]
    rows = [pooled(hidden_states(w, config, i, t), "mean") for i, t in zip(ids, types)]
    return batch_arrays(ids, types), np.stack(rows)


def real(directory):
    texts = json.loads((GOLDEN / "texts.json").read_text())
    arrays, rows = encode_texts(directory, texts)
    save_file(arrays | {"pooled": rows.astype(np.float32)},
              GOLDEN / (directory.name + ".safetensors"))


def compare(directory, texts_path, vectors_path):
    texts = [json.loads(line) for line in pathlib.Path(texts_path).read_text().splitlines()]
    _, want = encode_texts(directory, texts)
    got = np.fromfile(vectors_path, np.float32).reshape(len(texts), -1).astype(np.float64)
    cosine = (got * want).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(want, axis=1)
    print(f"{len(texts)} texts: smallest 1 - cosine {1 - cosine.max():.3g}, "
          f"largest {1 - cosine.min():.3g}; largest difference {np.abs(got - want).max():.3g}")


def main():
    command, *rest = sys.argv[1:] or ["tiny"]
    {"tiny": tiny, "texts": lambda d: real(pathlib.Path(d)),
     "compare": lambda d, t, v: compare(pathlib.Path(d), t, v)}[command](*rest)


if __name__ == "__main__":
    main()
