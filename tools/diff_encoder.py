#!/usr/bin/env python3
"""Random models of random configuration against transformers: a differential test of the encoders.

    tools/diff_encoder.py build/dev/malmoi [--count N] [--seed S] [--keep DIR] [FAMILY ...]

Each model is made by transformers with torch, run there one sequence at a time, and compared layer
by layer with `malmoi embed check`. What fails is kept in DIR and named; exit 1 then.
"""
import argparse
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import torch
import transformers as T

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools" / "make_golden"))
import families  # noqa: E402
import family_models as fm  # noqa: E402

ACTIVATIONS = ["gelu", "gelu_new", "relu", "silu", "gelu_pytorch_tanh", "quick_gelu", "tanh", "mish",
               "leaky_relu", "relu6", "gelu_fast", "hardswish", "relu2", "gelu_10", "sigmoid"]
LAYERS = {"distilbert": lambda m: m.base_model.transformer.layer,
          "modernbert": lambda m: m.base_model.layers, "nomic": lambda m: m.base_model.layers,
          "gte": lambda m: m.base_model.layers, "decoder": lambda m: m.base_model.layers}


def rope(rng, positions):
    return rng.choice([
        {"rope_type": "default", "rope_theta": rng.choice([100.0, 10000.0, 1e6])},
        {"rope_type": "linear", "rope_theta": 1000.0, "factor": rng.choice([2.0, 3.5])},
        {"rope_type": "dynamic", "rope_theta": 1000.0, "factor": 2.0},
        {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "beta_fast": rng.choice([16.0, 32.0]),
         "original_max_position_embeddings": positions // 4},
        {"rope_type": "llama3", "rope_theta": 5000.0, "factor": 4.0, "low_freq_factor": 1.0,
         "high_freq_factor": 4.0, "original_max_position_embeddings": positions // 4}])


def sizes(rng):
    heads = rng.choice([1, 2, 3, 4, 6])
    return {"hidden_size": heads * rng.choice([4, 6, 8, 16]), "num_attention_heads": heads,
            "num_hidden_layers": rng.randint(1, 4), "intermediate_size": rng.randint(5, 90),
            "vocab_size": rng.randint(20, 130), "max_position_embeddings": rng.choice([64, 128]),
            "hidden_act": rng.choice(ACTIVATIONS)}


def head(rng, prefix, kinds=("Model", "ForSequenceClassification", "ForMaskedLM")):
    kind = rng.choice(kinds)
    outputs = {"Model": fm.hidden_only, "ForSequenceClassification": fm.logits,
               "ForMaskedLM": fm.splade}[kind]
    return prefix + kind, outputs, {"num_labels": rng.choice([1, 2, 5])}


def make_bert(rng):
    s = sizes(rng) | {"layer_norm_eps": rng.choice([1e-12, 1e-5, 1e-3]), "type_vocab_size": 2,
                      "tie_word_embeddings": rng.random() < 0.5}
    kind, outputs, labels = head(rng, "Bert")
    return kind, T.BertConfig(**(s | labels)), outputs, {"types": True}


def make_roberta(rng):
    name, config = rng.choice([("Roberta", T.RobertaConfig), ("XLMRoberta", T.XLMRobertaConfig),
                               ("Camembert", T.CamembertConfig)])
    s = sizes(rng) | {"type_vocab_size": rng.choice([1, 2]), "pad_token_id": rng.choice([0, 1, 3]),
                      "layer_norm_eps": rng.choice([1e-12, 1e-5])}
    kind, outputs, labels = head(rng, name)
    return kind, config(**(s | labels)), outputs, {"padding_inside": True}


def make_distilbert(rng):
    s = sizes(rng)
    c = {"dim": s["hidden_size"], "n_heads": s["num_attention_heads"], "hidden_dim": s["intermediate_size"],
         "n_layers": s["num_hidden_layers"], "vocab_size": s["vocab_size"],
         "activation": rng.choice(["gelu", "relu"]), "max_position_embeddings": 64,
         "sinusoidal_pos_embds": rng.random() < 0.3}
    kind, outputs, labels = head(rng, "DistilBert")
    return kind, T.DistilBertConfig(**(c | labels)), outputs, {}


def make_mpnet(rng):
    s = sizes(rng) | {"layer_norm_eps": rng.choice([1e-12, 1e-5]), "max_position_embeddings": 142}
    kind, outputs, labels = head(rng, "MPNet")
    return kind, T.MPNetConfig(**(s | labels)), outputs, {"lengths": (1, 5, 40, 139)}


def make_modernbert(rng):
    s = sizes(rng) | {"hidden_activation": rng.choice(ACTIVATIONS), "norm_eps": rng.choice([1e-5, 1e-3]),
                      "norm_bias": rng.random() < 0.5, "attention_bias": rng.random() < 0.5,
                      "mlp_bias": rng.random() < 0.5, "decoder_bias": rng.random() < 0.5,
                      "classifier_bias": rng.random() < 0.5, "local_attention": rng.choice([2, 7, 16]),
                      "classifier_pooling": rng.choice(["cls", "mean"]),
                      "classifier_activation": rng.choice(ACTIVATIONS), "pad_token_id": 0,
                      "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    s.pop("hidden_act")
    if rng.random() < 0.5:
        s["layer_types"] = [rng.choice(["full_attention", "sliding_attention"])
                            for _ in range(s["num_hidden_layers"])]
    else:
        s["global_attn_every_n_layers"] = rng.choice([1, 2, 3])
    s["rope_parameters"] = {k: rope(rng, s["max_position_embeddings"])
                            for k in ("full_attention", "sliding_attention")}
    kind, outputs, labels = head(rng, "ModernBert")
    return kind, T.ModernBertConfig(**(s | labels)), outputs, {"lengths": (1, 3, 60)}


def make_nomic(rng):
    s = sizes(rng) | {"type_vocab_size": 2, "layer_norm_eps": rng.choice([1e-12, 1e-5])}
    s["rope_parameters"] = rope(rng, s["max_position_embeddings"])
    kind, outputs, labels = head(rng, "NomicBert")
    return kind, T.NomicBertConfig(**(s | labels)), outputs, {"types": True}


def make_gte(rng):
    s = sizes(rng) | {"type_vocab_size": rng.choice([0, 1, 2])}
    s["rope_parameters"] = rope(rng, s["max_position_embeddings"])
    kind, outputs, labels = head(rng, "Gte")
    return kind, T.GteConfig(**(s | labels)), outputs, {"types": s["type_vocab_size"] == 2}


def make_deberta(rng):
    s = sizes(rng) | {"relative_attention": True, "type_vocab_size": rng.choice([0, 2]),
                      "pos_att_type": rng.choice([["c2p", "p2c"], ["c2p"], ["p2c"], "p2c|c2p"]),
                      "position_buckets": rng.choice([-1, 8, 16, 32]),
                      "max_relative_positions": rng.choice([-1, 40]),
                      "share_att_key": rng.random() < 0.5, "position_biased_input": rng.random() < 0.5,
                      "norm_rel_ebd": rng.choice(["none", "layer_norm"]), "layer_norm_eps": 1e-7,
                      "pooler_hidden_act": rng.choice(ACTIVATIONS)}
    kind, outputs, labels = head(rng, "DebertaV2")
    if kind == "DebertaV2Model" and rng.random() < 0.5:
        s["embedding_size"] = 10
    return kind, T.DebertaV2Config(**(s | labels)), outputs, {"lengths": (1, 4, 60)}


def make_decoder(rng):
    name = rng.choice(["Qwen3", "Qwen2", "Llama", "Mistral", "Gemma3Text"])
    s = sizes(rng)
    heads = s["num_attention_heads"]
    s |= {"num_key_value_heads": rng.choice([n for n in range(1, heads + 1) if heads % n == 0]),
          "head_dim": rng.choice([4, 8, 10]), "rms_norm_eps": rng.choice([1e-6, 1e-4]),
          "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    if name in ("Qwen3", "Llama", "Gemma3Text"):
        s["attention_bias"] = rng.random() < 0.3
    if name == "Gemma3Text":
        s |= {"hidden_activation": s.pop("hidden_act"), "query_pre_attn_scalar": rng.choice([4, 17]),
              "use_bidirectional_attention": rng.random() < 0.5,
              "rope_parameters": {k: rope(rng, 64) for k in ("full_attention", "sliding_attention")}}
    else:
        s["rope_parameters"] = rope(rng, s["max_position_embeddings"])
    if name in ("Qwen3", "Qwen2", "Gemma3Text"):
        s |= {"sliding_window": rng.choice([3, 8, 20]), "use_sliding_window": True,
              "layer_types": [rng.choice(["full_attention", "sliding_attention"])
                              for _ in range(s["num_hidden_layers"])]}
    if name == "Mistral":
        s["sliding_window"] = rng.choice([None, 4, 30])
    kind, outputs, labels = head(rng, name, ("Model", "ForSequenceClassification"))
    return kind, getattr(T, f"{name}Config")(**(s | labels)), outputs, {"pool": fm.last}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("families", nargs="*")
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path, default=pathlib.Path(tempfile.mkdtemp()))
    args = parser.parse_args()
    torch.set_num_threads(1)
    T.logging.set_verbosity_error()
    T.logging.disable_progress_bar()
    makers = {n[5:]: f for n, f in globals().items() if n.startswith("make_")}
    failed = 0
    for family, maker in makers.items():
        if args.families and family not in args.families:
            continue
        for i in range(args.count):
            rng = random.Random(f"{family} {args.seed} {i}")
            kind, config, outputs, more = maker(rng)
            case = fm.Case(f"{family}-{args.seed}-{i}", lambda: getattr(T, kind)(config),
                           LAYERS.get(family, lambda m: m.base_model.encoder.layer), outputs,
                           **({"lengths": (1, 2, 17, 58)} | more), seed=rng.randint(1, 10**6),
                           dtype=rng.choice([torch.float32, torch.float16, torch.bfloat16]))
            out = args.keep / case.name
            families.make(case, out)
            done = subprocess.run([args.program, "embed", "check", str(out)], capture_output=True,
                                  text=True)
            if done.returncode == 0:
                shutil.rmtree(out)
                continue
            failed += 1
            print(f"{out} ({kind}): exit {done.returncode}\n{done.stdout}{done.stderr}")
    print(f"{failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
