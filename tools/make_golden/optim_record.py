#!/usr/bin/env python3
"""Records the golden trajectories, losses and schedules anew from pytorch-optimizer itself.

usage: optim_record.py GOLDEN OUT [--seed N] [--only NAME,NAME] [--compare]

GOLDEN is a folder of docs/formats/trajectories.md, compact or whole: its manifest says which
optimizers, options and steps, its problem file the parameters and gradients. OUT becomes such a
folder with every step in f32 and the manifest's f64_steps in f64; optim_compact.py makes the
repository's out of it (tests/golden/optim). --seed draws other numbers for parameters, gradients,
curvatures and the inputs of losses. --compare prints, instead of trusting, how far GOLDEN is from
what was recorded. Needs torch and pytorch-optimizer: a Python of its own, nothing else in the tree.
"""
import argparse
import json
import math
import os
import warnings

import pytorch_optimizer as po
import torch

from optim_compact import dump, read, write
from optim_runs import Run

NAMES = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}


def load(path):
    out = {}
    for key, (entry, blob) in read(path).items():
        if entry["dtype"] in NAMES:
            flat = torch.frombuffer(bytearray(blob), dtype=NAMES[entry["dtype"]]) if blob else \
                torch.zeros(0, dtype=NAMES[entry["dtype"]])
            out[key] = flat.reshape(entry["shape"])
    return out


def save(path, tensors):
    write(path, {k: ({"dtype": DTYPES[t.dtype], "shape": list(t.shape)},
                     t.detach().contiguous().reshape(-1).numpy().tobytes())
                 for k, t in tensors.items()})


def other_numbers(problem, seed):
    """The same shapes, scales, zeros and signs of curvature; other values."""
    g = torch.Generator().manual_seed(seed)
    out = {}
    for key, t in problem.items():
        drawn = torch.randn(t.shape, generator=g)
        if "/quad_a/" in key or "/hess/" in key:
            out[key] = t * torch.exp(0.3 * drawn)
        else:
            scale = t.std() if t.numel() > 1 else t.abs()
            out[key] = torch.where(t == 0, t, drawn * scale)
    return out


def relative(a, b):
    size = max(b.double().abs().max().item(), 1e-12)
    worst = (a.double() - b.double()).abs().max().item() / size
    return worst if worst == worst else math.inf


def trajectories(golden, out, manifest, problem, arguments):
    """Writes OUT/opt; returns {series: distance} from GOLDEN."""
    far = {}
    for name, optimizer in manifest["optimizers"].items():
        if arguments.only and name not in arguments.only:
            continue
        old = load(f"{golden}/opt/{name}.safetensors")
        tensors = {}
        for variant, entry in optimizer["variants"].items():
            if "same_as" in entry:
                continue
            paths = {}
            for dtype, torch_dtype in (("f32", torch.float32), ("f64", torch.float64)):
                try:
                    paths[dtype] = Run(name, optimizer, entry["hyper"], problem, torch_dtype,
                                       manifest["steps"]).path()
                except Exception as e:  # The reference's own failures: f64 series that it lacks.
                    print(f"{name}/{variant}/{dtype}: {type(e).__name__}: {str(e)[:120]}")
                    continue
                for k, step in enumerate(paths[dtype], 1):
                    if dtype == "f32" or k in manifest["f64_steps"]:
                        tensors.update({f"{variant}/{dtype}/s{k}/{n}": t for n, t in step.items()})
            entry.update(f64="f64" in paths, bf16=False)
            if len(paths) == 2:
                entry["f32_vs_f64_rel_param"] = {
                    n: float(f"{max(relative(a[n], b[n]) for a, b in zip(*paths.values())):.2e}")
                    for n in paths["f32"][0]}
            for key in [k for k in old if k.startswith(f"{variant}/") and k in tensors]:
                series = f"{name}/{variant}/{key.split('/')[1]}"
                far[series] = max(far.get(series, 0.0), relative(tensors[key], old[key]))
        save(f"{out}/opt/{name}.safetensors", tensors)
    return far


def losses(golden, out, seed):
    with open(f"{golden}/losses.json") as f:
        cases = json.load(f)["cases"]
    old, tensors, far = load(f"{golden}/losses.safetensors"), {}, {}
    g = torch.Generator().manual_seed(seed or 0)
    for case in cases:
        i = case["id"]
        x, y = old[f"{i}/x"], old[f"{i}/y"]
        if seed:  # Predictions move within their range; targets stay.
            inside = x.min() >= 0 and x.max() <= 1
            drawn = torch.rand(x.shape, generator=g) * 0.96 + 0.02 if inside else \
                torch.randn(x.shape, generator=g) * 2
            x = drawn.to(x.dtype)
        x = x.clone().requires_grad_()
        value = getattr(po, case["loss"])(**case["kwargs"])(x, y)
        (gradient,) = torch.autograd.grad(value.sum(), x)
        tensors.update({f"{i}/x": x, f"{i}/y": y, f"{i}/loss": value, f"{i}/grad": gradient})
        if not seed:
            far[f"loss {i} {case['loss']}"] = max(relative(tensors[f"{i}/{k}"], old[f"{i}/{k}"])
                                                  for k in ("loss", "grad"))
    save(f"{out}/losses.safetensors", tensors)
    dump(f"{out}/losses.json", {"cases": cases})
    return far


def rates(case):
    """What a schedule's case recorded: under its key, anew."""
    if "function" in case:
        return "value", [float(x) for x in po.get_chebyshev_perm_steps(case["num_epochs"])]
    weight = torch.nn.Parameter(torch.zeros(2))
    if case["scheduler"] == "proportion":
        optimizer = torch.optim.SGD([weight], lr=1e-2)
        base = po.load_lr_scheduler(case["base"][0])(optimizer, **case["base"][1])
        schedule, out = po.ProportionScheduler(base, **case["kwargs"]), []
        for _ in case["value"]:
            base.step()
            out.append(float(schedule.step()))
        return "value", out
    optimizer = torch.optim.SGD([weight], lr=case["base_lr"], momentum=0.9)
    options = dict(case["kwargs"])
    if "lr_lambda" in options:
        factor = float(options["lr_lambda"])
        options["lr_lambda"] = lambda epoch: factor
    schedule = po.load_lr_scheduler(case["scheduler"])(optimizer, **options)
    out = [float(optimizer.param_groups[0]["lr"])]
    while len(out) < len(case["lr"]):
        optimizer.step()
        schedule.step()
        out.append(float(optimizer.param_groups[0]["lr"]))
    return "lr", out


def schedules(golden, out):
    source = next(p for p in (f"{golden}/schedules.json", f"{golden}/schedulers.json")
                  if os.path.exists(p))
    with open(source) as f:
        cases = json.load(f)["schedulers"]
    far = {}
    for i, case in enumerate(cases):
        key, values = rates(case)
        far[f"schedule {i} {case.get('scheduler', case.get('function'))}"] = relative(
            torch.tensor(values, dtype=torch.float64), torch.tensor(case[key], dtype=torch.float64))
        case[key] = values
    dump(f"{out}/schedulers.json", {"schedulers": cases})
    return far


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("golden")
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=None, type=lambda s: s.split(","))
    parser.add_argument("--compare", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.makedirs(f"{arguments.out}/opt", exist_ok=True)
    with open(f"{arguments.golden}/manifest.json") as f:
        manifest = json.load(f)
    problem = load(f"{arguments.golden}/problem.safetensors")
    if arguments.seed:
        problem = other_numbers(problem, arguments.seed)
    save(f"{arguments.out}/problem.safetensors", problem)
    far = trajectories(arguments.golden, arguments.out, manifest, problem, arguments)
    far.update(losses(arguments.golden, arguments.out, arguments.seed))
    far.update(schedules(arguments.golden, arguments.out))
    manifest.update(seed=arguments.seed or manifest["seed"], torch=torch.__version__)
    if arguments.only:
        manifest["optimizers"] = {n: manifest["optimizers"][n] for n in arguments.only}
    dump(f"{arguments.out}/manifest.json", manifest)
    if arguments.compare:
        for series, worst in sorted(far.items(), key=lambda x: -x[1]):
            if worst > 0:
                print(f"{series}: {worst:.1e}")
        print(f"{sum(w == 0 for w in far.values())} of {len(far)} series are the same to the bit")


if __name__ == "__main__":
    main()
