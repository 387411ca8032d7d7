#!/usr/bin/env python3
"""Draws the paths of all optimizers over Rastrigin's and Rosenbrock's functions.

usage: optim_plots.py LIBRARY OUT.png [NAME...]

LIBRARY is libmalmoi_optim_matrix.so. Rastrigin from (-2, 3.5) in 150 steps, Rosenbrock from (-2, 2)
in 400. Rates are the best of a grid by the end's value; what else is by default. Needs matplotlib,
no torch.
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


FIELDS = (("Rastrigin", rastrigin, (-2.0, 3.5), (0.0, 0.0), 150, (-4.5, 4.5)),
          ("Rosenbrock", rosenbrock, (-2.0, 2.0), (1.0, 1.0), 400, (-2.5, 3.0)))
RATES = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)


def path(lib, name, function, start, steps, options):
    """Points of one run, or None where it cannot be made or leaves the numbers."""
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
            points.append((p[0], p[1]))
            if not all(math.isfinite(v) and abs(v) < 1e4 for v in points[-1]):
                return None
    finally:
        lib.lib.malmoi_optim_destroy(handle)
    return points


def best(lib, name, function, start, steps, required):
    found = None
    rate = "max_lr" if name == "alig" else "lr"
    for lr in RATES:
        points = path(lib, name, function, start, steps, {**required, rate: lr})
        if points is None:
            continue
        value = function(*points[-1])[0]
        if found is None or value < found[0]:
            found = (value, lr, points)
    return found


def main():
    os.environ["MALMOI_OPTIM_LIBRARY"] = os.path.abspath(sys.argv[1])
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from malmoi.optim import _library as lib
    from optim_docs import REQUIRED

    required = {**REQUIRED, "ranger21": {"num_iterations": 400}, "sara": {"threshold": 10.0}}
    names = sys.argv[3:] or lib.names()
    across = 12
    down = (len(names) + across // 2 - 1) // (across // 2)
    figure, axes = pyplot.subplots(down, across, figsize=(across * 1.1, down * 1.25), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    missing = []
    for i, name in enumerate(names):
        for k, (_, function, start, goal, steps, (low, high)) in enumerate(FIELDS):
            axis = axes[i // (across // 2)][2 * (i % (across // 2)) + k]
            grid = [low + (high - low) * j / 40 for j in range(41)]
            axis.contourf(grid, grid, [[math.log1p(function(x, y)[0]) for x in grid] for y in grid],
                          8, cmap="Greys_r")
            found = best(lib, name, function, start, steps, required.get(name, {}))
            if found is None:
                missing.append(name)
            else:
                xs, ys = zip(*found[2])
                axis.plot(xs, ys, color="tab:red", linewidth=0.7)
                axis.plot(*goal, marker="+", color="tab:green", markersize=4)
                axis.set_title(f"{name} {found[1]:g}" if k == 0 else f"{found[1]:g}", fontsize=4, pad=1)
            axis.set_xlim(low, high), axis.set_ylim(low, high)
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.99, 0.04, 0.14)
    figure.savefig(sys.argv[2], dpi=int(os.environ.get("DPI", "70")))
    print(f"{len(names)} optimizers; no path of: {sorted(set(missing))}")


if __name__ == "__main__":
    main()
