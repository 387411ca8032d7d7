#!/usr/bin/env python3
"""Draws the paths of all optimizers over Rastrigin's and Rosenbrock's functions: two sheets.

usage: optim_plots.py LIBRARY FOLDER [NAME...]     writes FOLDER/rastrigin.png and rosenbrock.png

LIBRARY is libmalmoi_optim_matrix.so. Rastrigin from (-2, 3.5) in 200 steps, Rosenbrock from (-2, 2)
in 400. The rate, in the title, is the best of a grid by the value at the end; what else is by
default. Needs matplotlib and Pillow, no torch.
"""

import ctypes
import json
import math
import os
import pathlib
import sys
from array import array

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))
sys.path.insert(0, str(ROOT / "tools"))


def rastrigin(x, y):
    value = 20 + x * x + y * y - 10 * (math.cos(2 * math.pi * x) + math.cos(2 * math.pi * y))
    return value, (2 * x + 20 * math.pi * math.sin(2 * math.pi * x),
                   2 * y + 20 * math.pi * math.sin(2 * math.pi * y))


def rosenbrock(x, y):
    value = (1 - x) ** 2 + 100 * (y - x * x) ** 2
    return value, (-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x))


FIELDS = (("rastrigin", rastrigin, (-2.0, 3.5), (0.0, 0.0), 200, (-4.5, 4.5)),
          ("rosenbrock", rosenbrock, (-2.0, 2.0), (1.0, 1.0), 400, (-2.5, 3.0)))
RATES = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 0.6, 1.0, 2.0)
ACROSS = 10
WRAPPERS = "friendlysam gsam lookahead looksam orthograd sam schedulefreewrapper trac wsam".split()
OPTIONS = {"ranger21": {"num_iterations": 400}, "sara": {"threshold": 10.0},
           "alice": {"rank": 1, "leading_basis": 1}, "bsam": {"num_data": 1000}}


def path(lib, name, function, start, steps, options):
    """(points, whether it stayed among the numbers) of one run; None where it cannot be made."""
    p, g = array("f", start), array("f", [0, 0])
    shape = (2,) if name not in ("spectralsphere",) else (1, 2)
    dims = (ctypes.c_int64 * len(shape))(*shape)
    count = 2 if name == "lorarite" else 1
    other = (array("f", [1.0, 1.0]), array("f", [0.0, 0.0]))
    tensors = (lib.Tensor * count)()
    for i, (data, grad) in enumerate(((p, g), other)[:count]):
        tensors[i] = lib.Tensor(None, 0, 0, 0, len(shape), dims, data.buffer_info()[0],
                                grad.buffer_info()[0])
    config = {"options": options, "groups": [{}], "engine": {}}
    handle = lib.lib.malmoi_optim_create(name.encode(), tensors, count, json.dumps(config).encode())
    if not handle:
        return None

    def evaluate(_=None):
        value, (g[0], g[1]) = function(p[0], p[1])
        return value

    step = lib.Step(grad_scale=1.0)
    closure = lib.Closure(evaluate)
    if name in ("lbfgs", "bsam", "sam", "wsam", "gsam", "looksam", "friendlysam"):
        step.closure = closure
    hessian, ones = None, array("f", [1.0, 1.0])
    if name in ("adahessian", "sophiah"):
        hessian = array("Q", [ones.buffer_info()[0]])
        step.hessian = hessian.buffer_info()[0]
    points = [(p[0], p[1])]
    try:
        for _ in range(steps):
            step.loss, step.has_loss = evaluate(), 1
            if lib.lib.malmoi_optim_step(handle, step):
                return None
            if not all(math.isfinite(v) and abs(v) < 1e4 for v in p):
                return points, False
            points.append((p[0], p[1]))
    finally:
        lib.lib.malmoi_optim_destroy(handle)
    return points, True


def best(lib, name, function, start, steps, options):
    """(value, title, points) of the run that ends lowest; None where none can be made."""
    found = None
    for lr in RATES:
        if name in WRAPPERS:  # Around SGD, whose own path is another picture.
            with_rate = {**options, "base_optimizer": {"name": "sgd", "lr": lr, "momentum": 0.9}}
        else:
            with_rate = {**options, "max_lr" if name == "alig" else "lr": lr}
        run = path(lib, name, function, start, steps, with_rate)
        if run is None:
            continue
        points, stayed = run
        value = function(*points[-1])[0] if stayed else math.inf
        if found is None or value < found[0]:
            found = (value, f"{name} {lr:g}" if stayed else f"{name} diverges", points)
    return found


def sheet(pyplot, lib, names, field, options):
    """One picture a name; returns the figure and the names without a path."""
    _, function, start, goal, steps, (low, high) = field
    down = -(-len(names) // ACROSS)
    figure, axes = pyplot.subplots(down, ACROSS, figsize=(ACROSS * 1.25, down * 1.4), squeeze=False)
    grid = [low + (high - low) * (j + 0.5) / 60 for j in range(60)]
    ground = [[math.log1p(function(x, y)[0]) for x in grid] for y in grid]
    missing = []
    for axis, name in zip(axes.flat, [*names, *[None] * (down * ACROSS - len(names))]):
        axis.set_axis_off()
        if name is None:
            continue
        axis.imshow(ground, cmap="Greys_r", origin="lower", extent=(low, high, low, high),
                    interpolation="bilinear", alpha=0.6)
        axis.plot(*goal, marker="+", color="tab:green", markersize=6, markeredgewidth=1.5)
        found = best(lib, name, function, start, steps, options.get(name, {}))
        if found is None:
            missing.append(name)
        else:
            xs, ys = zip(*found[2])
            axis.plot(xs, ys, color="tab:red", linewidth=0.8)
            axis.plot(xs[-1], ys[-1], marker="o", color="tab:blue", markersize=3)
        axis.set_title(found[1] if found else name, fontsize=6.5, pad=2)
        axis.set_xlim(low, high), axis.set_ylim(low, high)
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.985, 0.04, 0.16)
    return figure, missing


def main():
    os.environ["MALMOI_OPTIM_LIBRARY"] = os.path.abspath(sys.argv[1])
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from PIL import Image

    from malmoi.optim import _library as lib
    from optim_docs import REQUIRED

    names = sys.argv[3:] or lib.names()
    for field in FIELDS:
        figure, missing = sheet(pyplot, lib, names, field, {**REQUIRED, **OPTIONS})
        out = pathlib.Path(sys.argv[2]) / f"{field[0]}.png"
        figure.savefig(out, dpi=100)
        pyplot.close(figure)
        Image.open(out).convert("RGB").quantize(
            48, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
            out, optimize=True)
        print(f"{field[0]}: {len(names)} optimizers, {out.stat().st_size // 1024} KiB; "
              f"no path of: {missing or 'none'}")


if __name__ == "__main__":
    main()
