#!/usr/bin/env python3
"""How far the reference itself moves when its inputs move by one unit in the last place.

usage: optim_sensitivity.py FOLDER DUMP SERIES... [--draws K] [--narrow]
       malmoi optim check FOLDER --dump DUMP | optim_sensitivity.py FOLDER DUMP --off

FOLDER is a folder of docs/formats/trajectories.md, DUMP what `malmoi optim check` wrote for it, a
series NAME/VARIANT/DTYPE. --off takes the series from the lines `off` and `by properties` of the
check's output on standard input. Parameters, gradients and curvatures are multiplied by 1 - e, 1 or
1 + e at random, e being the type's 2^-24, 2^-52 or 2^-9, before they are rounded to it. --narrow
takes f32's e for f64 too: rules that decompose, sum or keep tables in f32 whatever the dtype do not
see f64's. One line for every parameter whose dump differs from the recording by more than the plain
tolerance (f32: min(max(10 x f32_vs_f64_rel_param, 1e-6), 1e-4), f64: 1e-6, bf16: 2^-8):

  ours       largest |dump - recording| over the largest |recording|
  again      the same for the reference run here without a change: what another processor does
  perturbed  the largest of K perturbed runs beside the run without a change
  own        f32_vs_f64_rel_param
  first      the first recorded step at which ours is beyond the tolerance, and at which the first
             perturbed run is

Where `perturbed` reaches half of `ours`, the line ends in `undefined`: the recording holds one of
many results, and no program can be asked for it. Where it stays below, the difference is ours.
"""
import argparse
import json
import sys
import warnings

import torch

from optim_record import load, relative
from optim_runs import Run

TYPES = {"f32": (torch.float32, 2.0**-24), "f64": (torch.float64, 2.0**-52),
         "bf16": (torch.bfloat16, 2.0**-9)}


class Perturbed(Run):
    """A run whose every input was multiplied by 1 - e, 1 or 1 + e, drawn once."""

    def __init__(self, unit, draw, *arguments):
        self.unit, self.draws, self.moved = unit, torch.Generator().manual_seed(draw), {}
        super().__init__(*arguments)

    def value(self, key):
        if key not in self.moved:
            t = self.values[key].double()
            way = torch.randint(-1, 2, t.shape, generator=self.draws)
            self.moved[key] = (t * (1 + self.unit * way)).to(self.dtype)
        return self.moved[key].clone()


def tensors(path):
    """Every tensor of a file, in doubles."""
    from safetensors import safe_open
    with safe_open(path, "pt") as f:
        return {k: f.get_tensor(k).double() for k in f.keys()}


def tolerance(dtype, own):
    if dtype == "bf16":
        return 2.0**-8
    if dtype == "f64":
        return 1e-6
    return min(max(10 * own, 1e-6), 1e-4)


def wanted(lines):
    for line in lines:
        words = line.split()
        if line.startswith("off "):
            yield words[1]
        elif line.startswith("by properties "):
            yield words[2]


def report(series, manifest, problem, golden, dump, draws, narrow):
    name, variant, dtype = series.split("/")
    optimizer = manifest["optimizers"][name]
    entry = optimizer["variants"][variant]
    torch_dtype, unit = TYPES[dtype]
    if narrow and dtype == "f64":
        unit = TYPES["f32"][1]
    arguments = (name, optimizer, entry["hyper"], problem, torch_dtype, manifest["steps"])
    plain = Run(*arguments).path()
    moved = [Perturbed(unit, draw, *arguments).path() for draw in range(1, draws + 1)]
    for parameter in plain[0]:
        own = entry.get("f32_vs_f64_rel_param", {}).get(parameter, 0.0)
        own = own if isinstance(own, (int, float)) else float("inf")
        limit = tolerance(dtype, own)
        ours = again = spread = 0.0
        first = first_moved = 0
        for k, step in enumerate(plain, 1):
            key = f"{variant}/{dtype}/s{k}/{parameter}"
            if key not in golden or f"{name}/{key}" not in dump:
                continue
            by = relative(dump[f"{name}/{key}"], golden[key])
            ours, again = max(ours, by), max(again, relative(step[parameter], golden[key]))
            first = first or (k if by > limit else 0)
            for path in moved:
                far = relative(path[k - 1][parameter], step[parameter])
                spread = max(spread, far)
                first_moved = first_moved or (k if far > limit else 0)
        if ours > limit:
            print(f"{series:36} {parameter:14} ours {ours:.1e} limit {limit:.1e} again {again:.1e} "
                  f"perturbed {spread:.1e} own {own:.1e} first s{first} s{first_moved} "
                  f"{'undefined' if spread >= ours / 2 else 'OURS'}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("dump")
    parser.add_argument("series", nargs="*")
    parser.add_argument("--off", action="store_true")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--narrow", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with open(f"{arguments.folder}/manifest.json") as f:
        manifest = json.load(f)
    problem = load(f"{arguments.folder}/problem.safetensors")
    dump = tensors(arguments.dump)
    series = arguments.series + (list(wanted(sys.stdin)) if arguments.off else [])
    read = {}
    for one in series:
        name = one.split("/")[0]
        if name not in read:
            read = {name: tensors(f"{arguments.folder}/opt/{name}.safetensors")}
        try:
            report(one, manifest, problem, read[name], dump, arguments.draws,
                   arguments.narrow)
        except Exception as e:  # The reference's own failures.
            print(f"{one}: {type(e).__name__}: {str(e)[:120]}", flush=True)


if __name__ == "__main__":
    main()
