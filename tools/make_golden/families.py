#!/usr/bin/env python3
"""Tiny random models of every encoder family and what they must give: tests/golden/encoder/families/.

    tools/make_golden/families.py [NAME...]              all, or those whose name begins so
    tools/make_golden/families.py --out DIR --seed N ...  elsewhere, with other weights

The reference is PyPI's transformers (5.24.0) with torch, in f32, one sequence at a time. Each folder
is a model directory with expected.safetensors beside it, in the form that `malmoi embed check` reads:

    ids, starts, type_ids   I32: sequences laid end to end
    states.0 .. states.N    [tokens, hidden]: embeddings, then each layer's output
    hidden                  [tokens, hidden]: last_hidden_state
    pooled                  [count, dim]: sentence-transformers' vector
    logits                  [count, labels]
    sparse                  [count, vocabulary]
    tokens                  [rows, dim]: late-interaction vectors
"""
import argparse
import json
import pathlib
import shutil

import torch
import transformers
from safetensors.torch import load_file, save_file

import family_models

ROOT = pathlib.Path(__file__).resolve().parents[2]


def randomize(model, seed):
    """Weights large enough that each part of the model shows in the result."""
    gen = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=gen)
            if "norm" in name.lower() and name.endswith("weight"):
                base = 0.0 if getattr(model.config, "model_type", "").startswith("gemma") else 1.0
                p.copy_(base + 0.2 * noise)
            elif p.dim() < 2:
                p.copy_(0.2 * noise)
            elif "embed" in name.lower():
                p.copy_(0.5 * noise)
            else:
                p.copy_(noise * 1.2 / p.shape[-1] ** 0.5)
    model.eval()
    return model


class States:
    """The residual stream: what goes into each layer, and what leaves the last."""

    def __init__(self, layers):
        self.seen = []
        for layer in layers:
            layer.register_forward_pre_hook(self.before, with_kwargs=True)
        layers[-1].register_forward_hook(self.after)

    def before(self, module, args, kwargs):
        self.seen.append((args[0] if args else kwargs["hidden_states"])[0].detach().clone())

    def after(self, module, args, output):
        out = output[0] if isinstance(output, tuple) else output
        self.seen.append((out[0] if out.dim() == 3 else out).detach().clone())

    def take(self):
        out, self.seen = self.seen, []
        return out


def sequences(case, config, gen):
    low = 5
    out = [torch.randint(low, config.vocab_size, (n,), generator=gen) for n in case.lengths]
    types = getattr(config, "type_vocab_size", 0) or 1
    kinds = [torch.arange(len(s)) * types // len(s) for s in out]
    if case.padding_inside:
        out[2][2] = config.pad_token_id
    return out, kinds


def run(case, model, layers):
    gen = torch.Generator().manual_seed(case.seed + 1)
    states = States(layers)
    ids, kinds = sequences(case, model.config, gen)
    parts = {}
    with torch.no_grad():
        for sequence, kind in zip(ids, kinds):
            inputs = {"input_ids": sequence[None], "attention_mask": torch.ones_like(sequence)[None]}
            if case.types:
                inputs["token_type_ids"] = kind[None]
            for key, value in case.outputs(case, model, inputs).items():
                parts.setdefault(key, []).append(value)
            for i, state in enumerate(states.take()):
                parts.setdefault(f"states.{i}", []).append(state)
    arrays = {k: torch.cat(v).float().contiguous() for k, v in parts.items()}
    last = arrays[f"states.{len(layers)}"]
    if "hidden" in arrays and torch.equal(arrays["hidden"], last):
        del arrays["hidden"]  # No final norm: the same.
    starts = torch.tensor([0] + [len(s) for s in ids]).cumsum(0)
    arrays["ids"] = torch.cat(ids).int()
    arrays["starts"] = starts.int()
    if case.types:
        arrays["type_ids"] = torch.cat(kinds).int()
    return arrays


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def change_file(case, path):
    """The dtype, older names of tensors and dropped tensors that the case asks for."""
    weights = load_file(path)
    weights = {case.rename(k): (v.to(case.dtype) if v.is_floating_point() else v).contiguous()
               for k, v in weights.items()}
    if not case.shards:
        save_file(weights, path, metadata={"format": "pt"})
        return
    names = sorted(weights)
    index = {"weight_map": {}}
    for i in range(case.shards):
        name = f"model-{i + 1:05d}-of-{case.shards:05d}.safetensors"
        part = {k: weights[k] for k in names[i::case.shards]}
        save_file(part, path.parent / name)
        index["weight_map"].update(dict.fromkeys(part, name))
    path.unlink()
    write(path.parent / "model.safetensors.index.json", index)


def make(case, out):
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    model = randomize(case.build(), case.seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.to(case.dtype).float())  # The values that the file can hold.
    model.config._attn_implementation = "eager"
    model.save_pretrained(out)
    if case.config:
        config = json.loads((out / "config.json").read_text())
        for key, value in case.config.items():
            config.pop(key, None) if value is None else config.update({key: value})
        write(out / "config.json", config)
    change_file(case, out / "model.safetensors")
    for name, value in case.files.items():
        write(out / name, value)
    (out / "generation_config.json").unlink(missing_ok=True)
    extra = case.extra(case, model, out) if case.extra else {}
    save_file(run(case, model, case.layers(model)) | extra, out / "expected.safetensors")
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    print(f"{case.name}: {size // 1024} KiB")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--out", type=pathlib.Path,
                        default=ROOT / "tests" / "golden" / "encoder" / "families")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for case in family_models.cases():
        if args.names and not any(case.name.startswith(n) for n in args.names):
            continue
        case.seed += args.seed
        make(case, args.out / case.name)


if __name__ == "__main__":
    main()
