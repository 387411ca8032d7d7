#!/usr/bin/env python3
"""Writes docs/optimizers/: a page per optimizer and the catalogue, from the library itself.

usage: optim_docs.py LIBRARY [STATUS.json] [OUT]

LIBRARY is libmalmoi_optim_matrix.so; options, defaults, states and their bytes are asked of it.
STATUS.json is the output of `malmoi optim check DIR --json`; without it pages keep no status line.
What a rule computes, its paper and its deviations come from docs/optimizers/rules.toml. No torch.
"""

import ast
import ctypes
import json
import os
import pathlib
import sys
import tomllib
from array import array

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))

SHAPES = {"matrix": (64, 48), "vector": (96,)}
REQUIRED = {
    "ranger21": {"num_iterations": 20}, "bsam": {"num_data": 10}, "adagc": {"warmup_steps": 3},
    "apollodqn": {"warmup_steps": 3}, "alig": {"max_lr": 0.1}, "alice": {"rank": 32, "leading_basis": 8},
}
FAMILIES = (
    ("Adam, element by element", "a2grad adabelief adabound adadelta adai adam adamax adamc adamg "
     "adamod adams adamw adan adapnm adashift adasmooth ademamix adopt ano avagrad diffgrad dualadam "
     "exadam grams grokfastadamw kate laprop nadam padam qhadam radam rmsprop simplifiedademamix "
     "swats vsgd yogi"),
    ("Adam with norms of tensors", "adagc adamp adanorm adatam aida amos fadam lamb novograd spam "
     "stableadamw stablespam"),
    ("SGD and momentum", "accsgd aggmo asgd bcos fromage ftrl gravity lars madgrad msvag nero pid "
     "pnm qhm sgd sgdp sgdsai sgdw srmm tam"),
    ("Signs and ranges", "focus lion rose signsgd tiger"),
    ("Preconditioned or orthogonalised matrices", "adago adamuon dash distributedmuon kron lorarite "
     "mars muon muonclip normuon scalableshampoo scion scionlight shampoo soap spectralsphere splus"),
    ("Low-rank projections", "alice apollo conda fira galore"),
    ("Factored and reduced states", "adafactor adalite adammini adamwsn came demo flashadamw racs "
     "sara sm3"),
    ("Without a learning rate", "dadaptadagrad dadaptadam dadaptadan dadaptlion dadaptsgd prodigy"),
    ("Schedule-free", "schedulefreesgd schedulefreeadamw schedulefreeradam schedulefreewrapper"),
    ("Second order", "adahessian sophiah lbfgs apollodqn"),
    ("Driven by the loss", "alig emonavi emolynx emofact"),
    ("Fused into backward", "lomo adalomo"),
    ("Around another optimizer", "lookahead orthograd trac magma magma_wrapper ranger ranger21 "
     "safefp16optimizer bsam sam gsam wsam looksam friendlysam"),
)


class Probe:
    """The library through ctypes: what an optimizer keeps after a step."""

    def __init__(self, path):
        os.environ["MALMOI_OPTIM_LIBRARY"] = os.path.abspath(path)
        from malmoi.optim import _catalog, _library

        self.library, self.classes = _library, {r[0]: r[1] for r in _catalog.OPTIMIZERS}

    def states(self, name, shape):
        """[(name, shape, bytes)] or None where a plain step is not enough."""
        lib = self.library
        n = 1
        for d in shape:
            n *= d
        values = array("f", [((i * 37) % 101 - 50) / 100 for i in range(n)])
        grads = array("f", [((i * 53) % 97 - 48) / 100 for i in range(n)])
        dims = (ctypes.c_int64 * len(shape))(*shape)
        count = 2 if name == "lorarite" else 1
        tensors = (lib.Tensor * count)()
        keep = [(values, grads)] + [(array("f", values), array("f", grads)) for _ in range(count - 1)]
        for i in range(count):
            tensors[i] = lib.Tensor(None, 0, 0, 0, len(shape), dims, keep[i][0].buffer_info()[0],
                                    keep[i][1].buffer_info()[0])
        config = {"options": REQUIRED.get(name, {}), "groups": [{}], "engine": {}}
        handle = lib.lib.malmoi_optim_create(name.encode(), tensors, count, json.dumps(config).encode())
        if not handle:
            return None
        try:
            step = lib.Step(grad_scale=1.0, loss=1.0, has_loss=1)
            step.closure = lib.Closure(lambda _: 1.0)
            hessian = array("Q", [keep[0][1].buffer_info()[0]])
            if name in ("adahessian", "sophiah"):
                step.closure, step.hessian = lib.Closure(), hessian.buffer_info()[0]
            if lib.lib.malmoi_optim_step(handle, step):
                return None
            entries, k = ctypes.POINTER(lib.StateEntry)(), ctypes.c_int64()
            scalars = ctypes.c_char_p()
            if lib.lib.malmoi_optim_state(handle, 0, entries, k, scalars):
                return None
            out = []
            for e in (entries[i] for i in range(k.value)):
                out.append((e.name.decode(), tuple(e.shape[d] for d in range(e.rank)), e.bytes))
            return out
        finally:
            lib.lib.malmoi_optim_destroy(handle)


def number(v):
    if isinstance(v, bool) or v is None:
        return {True: "True", False: "False", None: "None"}[v]
    if isinstance(v, float):
        return f"{v:g}"
    if isinstance(v, list):
        return "(" + ", ".join(number(x) for x in v) + ")"
    return str(v)


def wrapper_options(name):
    """(class, [(argument, default)]) of a wrapper, read from the package's source without torch."""
    for file in ("_wrappers.py", "_sharpness.py"):
        tree = ast.parse((ROOT / "python" / "malmoi" / "optim" / file).read_text())
        for node in tree.body:
            if not isinstance(node, ast.ClassDef) or node.name.lower() != name:
                continue
            init = next((f for f in node.body if isinstance(f, ast.FunctionDef)
                         and f.name == "__init__"), None)
            if init is None:
                break
            arguments = init.args.posonlyargs + init.args.args
            defaults = [None] * (len(arguments) - len(init.args.defaults)) + init.args.defaults
            pairs = [*zip(arguments, defaults), *zip(init.args.kwonlyargs, init.args.kw_defaults)]
            return node.name, [(a.arg, "required" if d is None else ast.unparse(d)) for a, d in pairs[1:]]
    return name, []


COMMON = ("maximize", "use_gc", "adanorm", "adanorm_r", "adam_debias", "cautious", "stable_adamw",
          "weight_decouple", "fixed_decay", "weight_decay")


def options_table(defaults):
    lines = ["| option | default |", "| --- | --- |"]
    lines += [f"| `{k}` | {number(v)} |" for k, v in defaults.items()]
    return lines


def states_table(probe, name):
    lines, total = [], None
    for label, shape in SHAPES.items():
        states = probe.states(name, shape)
        if states is None:
            continue
        n = 1
        for d in shape:
            n *= d
        per = sum(b for *_, b in states) / (n * (2 if name == "lorarite" else 1))
        total = per if label == "matrix" else total
        listed = ", ".join(f"`{s}` {list(dims)}" for s, dims, _ in states[:12]) or "none"
        more = f" and {len(states) - 12} more" if len(states) > 12 else ""
        lines.append(f"| {label} {list(shape)} | {listed}{more} | {per:.2f} |")
    if lines:
        lines = ["| parameter | states | bytes a parameter (f32) |", "| --- | --- | --- |", *lines]
    return lines, total


def status_line(series):
    parts = []
    for dtype in ("f32", "f64", "bf16"):
        of = [s for s in series if s["dtype"] == dtype]
        if not of:
            continue
        good = [s for s in of if s["state"] in ("ok", "by properties")]
        worst = max((s["worst"] for s in good if s["state"] == "ok"), default=0.0)
        by = sum(s["state"] == "by properties" for s in good)
        notes = [f"largest difference {worst:.1e}"] if len(good) > by else []
        notes += [f"{by} by properties"] if by else []
        parts.append(f"{dtype} {len(good)} of {len(of)}" + (f" ({', '.join(notes)})" if notes else ""))
    return "; ".join(parts) if parts else "not recorded"


def page(probe, name, rule, series):
    wrapper, arguments = wrapper_options(name)
    title = probe.classes.get(name, wrapper)
    lines = [f"# {title}", "", f"`{name}` · {rule['paper']} · {rule['link']}", "",
             "```math", rule["maths"], "```", ""]
    if rule.get("note"):
        lines += ["Note: " + rule["note"], ""]
    lines += ["Recorded trajectories of pytorch-optimizer 4.1.0: " + status_line(series) + ".", ""]
    table, per = states_table(probe, name)
    if table:
        lines += ["## States", "", *table, "",
                  "With `state=\"bf16\"` or `\"q8\"` states as long as the parameter take 2 or 1 bytes; points where "
                  "the parameter is or was, and momenta of polar factors, take 2 with either.",
                  ""]
    defaults = probe.library.defaults(name)
    if defaults:
        lines += ["## Options", "", *options_table(defaults), ""]
    elif arguments:
        lines += ["## Arguments", "", "| argument | default |", "| --- | --- |",
                  *(f"| `{a}` | {d} |" for a, d in arguments), ""]
    text = "\n".join(lines).rstrip() + "\n"
    return text, per


def main():
    probe = Probe(sys.argv[1])
    status = {}
    if len(sys.argv) > 2 and sys.argv[2]:
        for s in json.loads(pathlib.Path(sys.argv[2]).read_text())["series"]:
            status.setdefault(s["optimizer"], []).append(s)
    out = pathlib.Path(sys.argv[3] if len(sys.argv) > 3 else ROOT / "docs" / "optimizers")
    rules = tomllib.loads((ROOT / "docs" / "optimizers" / "rules.toml").read_text())
    missing = set(probe.library.names()) - set(rules)
    if missing:
        sys.exit(f"rules.toml says nothing of {sorted(missing)}")
    rows = {}
    for name, rule in rules.items():
        text, per = page(probe, name, rule, status.get(name, []))
        (out / f"{name}.md").write_text(text)
        rows[name] = (rule, per)
    lines = ["# Catalogue of optimizers", "",
             "Generated by `tools/optim_docs.py`; notation and sources in "
             "[rules.toml](rules.toml). Bytes are of states for an f32 matrix. See also "
             "[which one](choosing.md), [their paths over two functions](paths.md), [how closely they follow the reference](../optimizers.md), [losses with small states](curves.md), "
             "[coming from elsewhere](migrating.md).", ""]
    for family, names in FAMILIES:
        lines += [f"## {family}", "", "| name | source | bytes a parameter |", "| --- | --- | --- |"]
        for name in names.split():
            rule, per = rows.pop(name)
            size = "" if per is None else f"{per:.1f}"
            lines.append(f"| [{name}]({name}.md) | {rule['paper']} | {size} |")
        lines.append("")
    if rows:
        sys.exit(f"in no family: {sorted(rows)}")
    (out / "README.md").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
