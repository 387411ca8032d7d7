#!/usr/bin/env python3
"""Step times of malmoi's optimizers beside torch's fused ones and pytorch-optimizer's, in one process.

    optim_vs_torch.py [--params 25] [--threads 2] [--all] [--only adamw,lion] [--rounds 3]
                      [--parts fused,elementwise,reduction,matrix,overhead] [--shapes 768x768]
                      [--out results.json [--resume]]
    optim_vs_torch.py --summary results.json

The tensors are those of a 12-layer transformer (145 of them). malmoi runs through its Python
package; with bf16 or 8-bit states and bf16 gradients through the C interface, as torch's gradients
have the parameter's type. pytorch-optimizer runs as its for-loop and, where it has one, as foreach;
the better of both counts. Rules over matrices run with bf16_products too. Each figure is a median
of --rounds steps after two others (at least two of them, in at most --budget seconds), beside it the
least; the contestants of one rule are measured right after each other.
Beside the ratio: the bytes a parameter that the reference's operations read and write, each counted
by its tensors, over what one pass must move (p, g and each state of p's size: read, and written but
for g). Where they are not three times ours, what is bound by memory cannot be 2.5 times faster.
Without --all: a selection that takes some minutes. What the reference cannot run is named with its
error. --out is written after every rule, and --resume leaves out what it has: all rules take long.
"""
import argparse
import ctypes
import gc
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import warnings

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))
os.environ.setdefault(
    "MALMOI_OPTIM_LIBRARY", str(ROOT / "build/release/libmalmoi_optim_matrix.so")
)
warnings.filterwarnings("ignore")

ELEMENTWISE = (
    "accsgd adabelief adabound adadelta adahessian adam adamax adamc adamg adamod adamw adan adapnm "
    "adasmooth ademamix adopt aggmo ano bcos bsam diffgrad dualadam emolynx emonavi exadam "
    "flashadamw focus ftrl grams grokfastadamw kate laprop lion madgrad msvag nadam padam pid pnm "
    "qhadam qhm radam ranger rmsprop schedulefreeadamw schedulefreeradam schedulefreesgd sgd sgdw "
    "signsgd simplifiedademamix sophiah spam srmm tiger vsgd yogi"
).split()
REDUCTION = (
    "lamb adafactor came prodigy adamp stableadamw adanorm novograd adagc adai adams asgd aida amos "
    "fadam lars sgdp sm3 adalite adammini adashift adatam avagrad dadaptadam dadaptlion emofact "
    "fromage nero racs ranger21 swats tam"
).split()
MATRIX = "muon adamuon soap shampoo scalableshampoo splus galore kron".split()
SELECTION = {
    "elementwise": "adamw lion ademamix adan sgd adabelief padam madgrad diffgrad".split(),
    "reduction": "lamb adafactor came prodigy".split(),
    "matrix": "muon soap shampoo kron".split(),
}
# What the constructors insist on, for both sides.
NEEDED = {"bsam": {"num_data": 1000}, "ranger21": {"num_iterations": 10000}}
CLOSURE = {"bsam", "lbfgs", "alig", "emonavi", "emolynx", "emofact"}
HESSIAN = {"adahessian", "sophiah"}
MATRIX_SHAPES = [(768, 768), (768, 3072), (1024, 1024)]


def transformer(n):
    d = max(8, int((n / 170.0) ** 0.5) // 8 * 8)
    shapes = []
    for _ in range(12):
        shapes += [(3 * d, d), (3 * d,), (d, d), (d,), (4 * d, d), (4 * d,), (d, 4 * d), (d,)]
        shapes += [(d,)] * 4
    rest = n - sum(s[0] * (s[1] if len(s) > 1 else 1) for s in shapes)
    return shapes + [(max(rest // d, 1), d)]


class Times(float):
    """The median of some times in milliseconds; .least is the best of them."""

    least = 0.0


def median_ms(step, rounds, budget=20.0):
    start = time.perf_counter()
    for _ in range(2):
        step()
    times = []
    for i in range(rounds):
        if i >= 2 and time.perf_counter() - start > budget:
            break
        begin = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - begin))
    out = Times(statistics.median(times))
    out.least = min(times)
    return out


class Tensors:
    """Parameters with gradients, shared by all contestants."""

    def __init__(self, torch, shapes, budget=20.0):
        self.torch, self.budget = torch, budget
        torch.manual_seed(0)
        self.params = []
        for shape in shapes:
            p = torch.nn.Parameter(0.02 * torch.randn(shape))
            p.grad = 1e-3 * torch.randn(shape)
            self.params.append(p)

    def step_of(self, optimizer, name):
        if hasattr(optimizer, "train"):
            optimizer.train()
        if name in HESSIAN:
            hessian = [p.grad for p in self.params]
            return lambda: optimizer.step(hessian=hessian)
        if name in CLOSURE:
            loss = self.torch.tensor(1.0)
            return lambda: optimizer.step(lambda: loss)
        return optimizer.step

    def module(self):
        """The same parameters as a model's, for rules that look at names."""
        module = self.torch.nn.Module()
        for i, p in enumerate(self.params):
            module.register_parameter(f"p{i}", p)
        return module

    def groups(self, name):
        if name == "adammini":
            return self.module()
        if name in ("muon", "adamuon"):
            return [
                {"params": [p for p in self.params if p.ndim == 2], "use_muon": True},
                {"params": [p for p in self.params if p.ndim != 2], "use_muon": False},
            ]
        return self.params

    def measure(self, make, name, rounds):
        """Milliseconds, or the error as text."""
        try:
            optimizer = make()
            return median_ms(self.step_of(optimizer, name), rounds, self.budget)
        except Exception as e:  # The reference's own failures are part of the answer.
            return f"{type(e).__name__}: {str(e).splitlines()[0][:90] if str(e) else ''}"
        finally:
            optimizer = None
            gc.collect()


def bytes_of(torch, step, params):
    """Bytes a parameter that the tensors of one step's operations hold, inputs and outputs."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    views = ("view", "t.default", "transpose", "detach", "expand", "slice", "select", "unsqueeze",
             "reshape", "permute", "as_strided", "alias", "split", "squeeze", "_local_scalar")

    class Count(TorchDispatchMode):
        total = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if not any(v in str(func) for v in views):
                for x in tree_leaves((args, kwargs or {}, out)):
                    if isinstance(x, torch.Tensor):
                        self.total += x.numel() * x.element_size()
            return out

    with Count() as count:
        step()
    return count.total / sum(p.numel() for p in params)


class Handle:
    """An optimizer over the C interface: f32 parameters, bf16 gradients, smaller states."""

    def __init__(self, library, torch, name, params, state, threads):
        self.lib = library
        self.kept = [p.grad.to(torch.bfloat16) for p in params]
        table = (library.Tensor * len(params))()
        for i, (p, g) in enumerate(zip(params, self.kept)):
            shape = (ctypes.c_int64 * max(p.dim(), 1))(*p.shape)
            self.kept.append(shape)
            table[i] = library.Tensor(None, library.F32, library.BF16, 0, p.dim(), shape,
                                      p.data_ptr(), g.data_ptr())
        config = {"options": {}, "groups": [{}], "engine": {"threads": threads, "state": state}}
        self.handle = library.lib.malmoi_optim_create(name.encode(), table, len(params),
                                                      json.dumps(config).encode())
        if not self.handle:
            raise library.error()

    def step(self):
        self.lib.check(self.lib.lib.malmoi_optim_step(self.handle, None))

    def __del__(self):
        if getattr(self, "handle", None):
            self.lib.lib.malmoi_optim_destroy(self.handle)


class Run:
    def __init__(self, arguments):
        import torch

        import malmoi.optim
        from malmoi.optim import _library

        self.torch, self.ours, self.library, self.args = torch, malmoi.optim, _library, arguments
        torch.set_num_threads(arguments.threads)
        try:
            import pytorch_optimizer

            self.reference = pytorch_optimizer
        except ImportError as e:
            self.reference = None
            print(f"pytorch-optimizer is not there ({e}): no ratios to it")
        self.rows = []
        if arguments.resume and arguments.out and os.path.exists(arguments.out):
            with open(arguments.out) as f:
                kept = json.load(f)
            same = (kept["params"], kept["threads"]) == (arguments.params, arguments.threads)
            if not same:
                raise SystemExit(f"{arguments.out} has other --params or --threads: not resumed")
            self.rows = kept["rows"]

    def has(self, part, name):
        return any(r["part"] == part and r["name"] == name for r in self.rows)

    def save(self):
        if not self.args.out:
            return
        with open(self.args.out + ".part", "w") as f:
            json.dump({"params": self.args.params, "threads": self.args.threads,
                       "torch": self.torch.__version__, "rows": self.rows}, f, indent=1)
        os.replace(self.args.out + ".part", self.args.out)

    def row(self, part, name, **figures):
        for key, value in list(figures.items()):
            if isinstance(value, Times):
                figures[key.replace("_ms", "_least_ms")] = value.least
        self.rows.append({"part": part, "name": name, **figures})
        self.save()
        text = [f"{part:12} {name:22}"]
        for key, value in figures.items():
            if "least" in key:
                continue
            if isinstance(value, float):
                value = f"{value:.2f}" if "ratio" in key or value < 10 else f"{value:.1f}"
            text.append(f"{key} {value}")
        print("  ".join(text), flush=True)

    def make_ours(self, t, name, **more):
        # As many threads as torch has.
        needed = NEEDED.get(name, {})
        return lambda: self.ours.load_optimizer(name)(t.groups(name), **needed, **more)

    def fused(self, t):
        torch, rounds = self.torch, self.args.rounds + 4
        peers = {
            "adamw": lambda: torch.optim.AdamW(t.params, fused=True),
            "adam": lambda: torch.optim.Adam(t.params, fused=True),
            "sgd": lambda: torch.optim.SGD(t.params, lr=1e-3, momentum=0.9, fused=True),
        }
        ours = {name: self.make_ours(t, name) for name in peers}
        ours["sgd"] = lambda: self.ours.load_optimizer("sgd")(
            t.params, lr=1e-3, momentum=0.9)
        for name, make in peers.items():
            theirs = t.measure(make, name, rounds)
            own = t.measure(ours[name], name, rounds)
            self.row("fused", name, ours_ms=own, torch_ms=theirs, ratio=theirs / own)
        theirs = t.measure(peers["adamw"], "adamw", rounds)
        for state in ("bf16", "q8"):
            own = t.measure(
                lambda: Handle(self.library, torch, "adamw", t.params, state, self.args.threads),
                "adamw", rounds)
            self.row("fused", f"adamw, {state} states", ours_ms=own, torch_ms=theirs,
                     ratio=theirs / own)

    def against_reference(self, part, t, names):
        for name in names:
            if self.has(part, name):
                continue
            own = t.measure(self.make_ours(t, name), name, self.args.rounds)
            figures = {"ours_ms": own}
            best = None
            if self.reference is not None:
                for label, foreach in (("loop_ms", False), ("foreach_ms", True)):
                    value = t.measure(lambda: self.make_reference(t, name, foreach), name,
                                      self.args.rounds)
                    figures[label] = value
                    if isinstance(value, float):
                        best = value if best is None else min(best, value)
            if best is not None and isinstance(own, float):
                figures["ratio"] = best / own
                figures["bytes_ratio"] = self.bytes_ratio(t, name)
                if part not in ("elementwise", "reduction"):
                    narrow = t.measure(self.make_ours(t, name, bf16_products=True), name,
                                       self.args.rounds)
                    figures["bf16_products_ms"] = narrow
                    if isinstance(narrow, float):
                        figures["bf16_products_ratio"] = best / narrow
            self.row(part, name, **figures)
        summarise(self.rows, part)

    def bytes_ratio(self, t, name):
        """The reference's bytes over those of one pass; None where they cannot be counted."""
        try:
            small = Tensors(self.torch, [(64, 48)] * 2, t.budget)
            reference = self.make_reference(small, name, False)
            step = small.step_of(reference, name)
            step(), step()
            theirs = bytes_of(self.torch, step, small.params)
            states = sum(v.numel() * v.element_size() for s in reference.state.values()
                         for v in s.values() if isinstance(v, self.torch.Tensor)
                         and v.numel() == 64 * 48)
            return theirs / (12 + 2 * states / (2 * 64 * 48))
        except Exception:
            return None

    def make_reference(self, t, name, foreach):
        cls = self.reference.load_optimizer(name)
        kwargs = {"sgd": {"lr": 1e-3}, **NEEDED}.get(name, {})
        try:
            return cls(t.groups(name), foreach=foreach, **kwargs)
        except TypeError:
            if foreach:
                raise
            return cls(t.groups(name), **kwargs)

    def matrix(self, names):
        for shape in self.args.shapes:
            t = Tensors(self.torch, [shape] * self.args.matrices, self.args.budget)
            self.against_reference(f"{shape[0]}x{shape[1]}", t, names)

    def overhead(self):
        t = Tensors(self.torch, [(1,)] * 150)
        step = self.make_ours(t, "adamw")()
        whole, native = [], []
        for _ in range(5):  # In turns, so that both see the same machine.
            whole.append(1e3 * median_ms(step.step, 400))
            handle = step._engine.handle
            native.append(1e3 * median_ms(
                lambda: self.library.lib.malmoi_optim_step(handle, None), 400))
        microseconds, native = statistics.median(whole), statistics.median(native)
        clean = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
        code = ("import time; t = time.perf_counter(); import malmoi.optim; "
                "print(time.perf_counter() - t)")
        times = [float(subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True,
                                      text=True, check=True).stdout) for _ in range(5)]
        self.row("overhead", "150 tensors", step_us=microseconds,
                 native_us=native, python_us=microseconds - native,
                 import_ms=1e3 * statistics.median(times))


def summarise(rows, part):
    ratios = {r["name"]: r["ratio"] for r in rows if r["part"] == part and "ratio" in r}
    if not ratios:
        return
    heavy = {r["name"] for r in rows if (r.get("bytes_ratio") or 3) >= 3}
    low = {n: round(r, 2) for n, r in sorted(ratios.items(), key=lambda x: x[1]) if r < 2.5}
    print(f"{part}: median ratio {statistics.median(ratios.values()):.2f} of {len(ratios)}; below 2.5 "
          f"where the reference moves three times our bytes: "
          f"{ {n: r for n, r in low.items() if n in heavy} or 'none'}, elsewhere: "
          f"{ {n: r for n, r in low.items() if n not in heavy} or 'none'}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=float, default=25, help="millions of parameters")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--matrices", type=int, default=4, help="of one shape at a time")
    parser.add_argument("--shapes", default=MATRIX_SHAPES, help="of the part matrix: 1024x1024,768x768",
                        type=lambda t: [tuple(map(int, s.split("x"))) for s in t.split(",")])
    parser.add_argument("--parts", default="fused,elementwise,reduction,matrix,overhead")
    parser.add_argument("--only", default="", help="registry names, comma-separated")
    parser.add_argument("--all", action="store_true", help="every elementwise and reduction rule")
    parser.add_argument("--budget", type=float, default=20, help="seconds a contestant")
    parser.add_argument("--out")
    parser.add_argument("--resume", action="store_true", help="keep the rows that --out has")
    parser.add_argument("--summary", help="print the medians of such a file, measure nothing")
    arguments = parser.parse_args()
    if arguments.summary:
        with open(arguments.summary) as f:
            rows = json.load(f)["rows"]
        for part in dict.fromkeys(r["part"] for r in rows):
            summarise(rows, part)
        return
    run = Run(arguments)
    only = [n for n in arguments.only.split(",") if n]
    every = {"elementwise": ELEMENTWISE, "reduction": REDUCTION, "matrix": MATRIX}
    chosen = every if arguments.all or only else SELECTION
    tensors = None
    for part in arguments.parts.split(","):
        names = [n for n in chosen.get(part, []) if not only or n in only]
        if part in ("fused", "elementwise", "reduction") and tensors is None:
            tensors = Tensors(run.torch, transformer(int(arguments.params * 1e6)), arguments.budget)
        if part == "fused":
            run.fused(tensors)
        elif part == "matrix":
            tensors = None
            gc.collect()
            run.matrix(names)
        elif part == "overhead":
            run.overhead()
        elif names:
            run.against_reference(part, tensors, names)


if __name__ == "__main__":
    main()
