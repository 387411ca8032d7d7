#!/usr/bin/env python3
"""Compacts recorded optimizer trajectories into the golden set that the tests read.

usage: optim_compact.py RECORDED OUT

RECORDED is a folder as docs/formats/trajectories.md describes it: pytorch-optimizer replayed over a
fixed problem, with parameters after every step. Kept are the problem, the manifest's options and
tolerances, and of each variant the parameters after the last step: f32 of all, f64 of the first.
Recorded losses (losses.json, losses.safetensors) and schedules (schedulers.json) are taken over
where RECORDED has them: the cases' options, inputs, values and gradients, and the rates.
"""
import json
import os
import struct
import sys

KEEP = ("hyper", "same_as", "f32_vs_f64_rel_param", "f64", "bf16")


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return {k: (v, data[8 + length + v["data_offsets"][0] : 8 + length + v["data_offsets"][1]])
            for k, v in header.items()}


def write(path, tensors):
    header, blobs, at = {}, [], 0
    for name, (entry, blob) in tensors.items():
        header[name] = {"dtype": entry["dtype"], "shape": entry["shape"],
                        "data_offsets": [at, at + len(blob)]}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def dump(path, value):
    with open(path, "w") as f:
        json.dump(value, f, separators=(",", ":"), sort_keys=False)
        f.write("\n")


def losses_and_schedules(source, out):
    """The cases without what no test reads: notes, failures, values that the tensors have too."""
    for name, target, key, dropped in (
        ("losses", "losses", "cases", {"value", "note"}),
        ("schedulers", "schedules", "schedulers", {"note"}),
    ):
        if not os.path.exists(f"{source}/{name}.json"):
            continue
        with open(f"{source}/{name}.json") as f:
            cases = json.load(f)[key]
        dump(f"{out}/{target}.json",
             {key: [{k: v for k, v in case.items() if k not in dropped} for case in cases]})
    if os.path.exists(f"{source}/losses.safetensors"):
        write(f"{out}/losses.safetensors", read(f"{source}/losses.safetensors"))


def main():
    source, out = sys.argv[1:3]
    os.makedirs(f"{out}/opt", exist_ok=True)
    losses_and_schedules(source, out)
    with open(f"{source}/manifest.json") as f:
        manifest = json.load(f)
    last = manifest["steps"]
    write(f"{out}/problem.safetensors", read(f"{source}/problem.safetensors"))
    for name, optimizer in manifest["optimizers"].items():
        recorded = read(f"{source}/opt/{name}.safetensors")
        kept, first = {}, True
        for variant, entry in optimizer["variants"].items():
            for key in [k for k in entry if k not in KEEP]:
                del entry[key]
            entry["bf16"] = False
            entry["f64"] = bool(entry.get("f64")) and first
            for dtype in ("f32", "f64") if entry["f64"] else ("f32",):
                prefix = f"{variant}/{dtype}/s{last}/"
                kept.update((k, v) for k, v in recorded.items() if k.startswith(prefix))
            first = False
        write(f"{out}/opt/{name}.safetensors", kept)
    slim = {k: manifest[k] for k in ("format", "seed", "steps", "f64_steps", "torch",
                                     "pytorch_optimizer", "optimizers")}
    dump(f"{out}/manifest.json", slim)


if __name__ == "__main__":
    main()
