"""One run of a pytorch-optimizer over a recorded problem: how each is built, fed and stepped."""

import inspect
import random

import numpy
import pytorch_optimizer as po
import torch

MUON = {"muon", "muonclip", "adamuon", "adago", "normuon", "distributedmuon"}
WRAPPED = {"sam": "SAM", "wsam": "WSAM", "looksam": "LookSAM", "friendlysam": "FriendlySAM"}
AROUND = {"lookahead": "Lookahead", "orthograd": "OrthoGrad", "trac": "TRAC",
          "schedulefreewrapper": "ScheduleFreeWrapper", "magma_wrapper": "Magma",
          "safefp16optimizer": "SafeFP16Optimizer"}
LOW_RANK = {"galore", "fira", "apollo"}
LOW_RANK_OPTIONS = ("rank", "update_proj_gap", "scale", "projection_type", "density")


def seed(number):
    torch.manual_seed(number)
    numpy.random.seed(number)
    random.seed(number)


def option(value):
    """A manifest's value as the reference takes it."""
    if isinstance(value, str) and value.startswith("torch."):
        return getattr(torch, value[len("torch."):])
    if isinstance(value, str) and value in ("inf", "-inf", "nan"):
        return float(value)
    return tuple(value) if isinstance(value, list) else value


def model_of(parameters):
    """A module whose named parameters these are."""
    root = torch.nn.Module()
    for name, p in parameters.items():
        at = root
        *path, last = name.split(".")
        for part in path:
            if not hasattr(at, part):
                at.add_module(part, torch.nn.Module())
            at = getattr(at, part)
        at.register_parameter(last, p)
    return root


class Run:
    """`problem` holds "<problem>/init/<parameter>" and so on as f32; `steps` are taken in `dtype`."""

    def __init__(self, name, optimizer, hyper, problem, dtype, steps):
        self.name, self.mode, self.steps, self.dtype = name, optimizer["grad_mode"], steps, dtype
        prefix = optimizer["problem"] + "/"
        self.values = {k[len(prefix):]: t for k, t in problem.items() if k.startswith(prefix)}
        self.hyper = {k: option(v) for k, v in hyper.items()}
        order = [k[len("init/"):] for k in self.values if k.startswith("init/")]
        self.p = {n: torch.nn.Parameter(self.value(f"init/{n}")) for n in order}
        seed(7)
        self.module = model_of(self.p) if optimizer["problem"] == "model" else None
        self.optimizer = self.build(dict(self.hyper))

    def value(self, key):
        return self.values[key].to(self.dtype, copy=True)

    # --- how it is built

    def build(self, options):
        ps = list(self.p.values())
        momentum = {"lr": 1e-2, "momentum": 0.9}
        if self.name in WRAPPED:
            first = [torch.nn.Module()] if self.name == "wsam" else []
            return getattr(po, WRAPPED[self.name])(*first, ps, torch.optim.SGD, **momentum, **options)
        if self.name == "gsam":
            base = torch.optim.SGD(ps, **momentum)
            constant = torch.optim.lr_scheduler.ConstantLR(base, 1.0)
            rho = po.ProportionScheduler(constant, 1e-2, 1e-2, 0.05, 0.05)
            return po.GSAM(ps, base, torch.nn.Module(), rho, **options)
        if self.name in AROUND:
            base = torch.optim.SGD(ps, lr=1e-2) if options.pop("sgd", False) else \
                torch.optim.AdamW(ps, lr=1e-2, weight_decay=0.1, foreach=False)
            return getattr(po, AROUND[self.name])(base, **options)
        made = po.load_optimizer(self.name)
        if "foreach" in inspect.signature(made.__init__).parameters:
            options["foreach"] = False
        if self.name in ("demo", "distributedmuon") and not torch.distributed.is_initialized():
            torch.distributed.init_process_group(
                "gloo", store=torch.distributed.HashStore(), world_size=1, rank=0)
        return made(self.module or self.groups(ps, options), **options)

    def groups(self, ps, options):
        wide, rest = [p for p in ps if p.ndim >= 2], [p for p in ps if p.ndim < 2]
        flat, others = [p for p in ps if p.ndim == 2], [p for p in ps if p.ndim != 2]
        if self.name == "demo":
            return [p for p in ps if p.ndim <= 2]
        if self.name in MUON:
            return [{"params": wide, "use_muon": True}, {"params": rest, "use_muon": False}]
        if self.name == "spectralsphere":
            return [{"params": flat}]
        if self.name == "adamwsn":
            return [{"params": flat, "sn": True}, {"params": others, "sn": False}]
        if self.name == "adamc":
            return [{"params": wide, "normalized": True}, {"params": rest}]
        if self.name in ("scion", "scionlight") and int(options.get("norm_type", 1)) in (2, 3, 4, 6):
            chosen = [self.p["mat"], self.p["emb"]]
            left = [p for p in ps if all(p is not q for q in chosen)]
            return [{"params": chosen, "norm_type": options.pop("norm_type")},
                    {"params": left, "norm_type": 1}]
        if self.name in (*LOW_RANK, "conda") and "rank" in options:
            taken = {} if self.name == "conda" else {
                k: options.pop(k) for k in LOW_RANK_OPTIONS if k in options}
            return [{"params": wide[:1], **taken}, {"params": [p for p in ps if p is not wide[0]]}]
        return ps

    # --- how it steps

    def path(self):
        """The parameters after each step."""
        if "schedulefree" in self.name:
            self.optimizer.train()
        out = []
        for k in range(1, self.steps + 1):
            seed(7 + k)
            self.step(k)
            out.append({n: p.detach().clone() for n, p in self.p.items()})
        return out

    def step(self, k):
        o = self.optimizer
        if self.mode == "quadratic":
            if self.name != "lbfgs":
                self.quadratic()
            if self.name == "gsam":
                o.forward_backward_func = lambda: (None, self.quadratic())
                o.step()
            else:
                o.step(self.quadratic)
        elif self.name in ("lomo", "adalomo"):
            if self.hyper.get("clip_grad_norm"):
                o.grad_norm(self.linear(k))
            o.fused_backward(self.linear(k), lr=self.hyper.get("lr", 1e-3))
        else:
            for n, p in self.p.items():
                p.grad = self.value(f"grad/s{k}/{n}")
            if self.mode == "given+hessian":
                o.step(hessian=[self.value(f"hess/{n}") for n in self.p])
            elif self.mode == "given+loss":
                o.step(lambda: torch.tensor(1.0 / k, dtype=torch.float64).to(self.dtype))
            else:
                o.step()

    def quadratic(self):
        total = 0.0
        for n, p in self.p.items():
            a, away = self.value(f"quad_a/{n}"), p.detach() - self.value(f"quad_c/{n}")
            p.grad = a * away
            total = total + 0.5 * (a * away**2).sum()
        return total

    def linear(self, k):
        """A loss whose gradients are the recorded ones."""
        return sum((p * self.value(f"grad/s{k}/{n}")).sum() for n, p in self.p.items())
