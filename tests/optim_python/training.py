"""Checks of malmoi.optim that train something; prints {"checked": n, "failed": {...}, ...}."""

import copy
import json
import sys

import torch

import malmoi.optim as mo
from adapter import LOSS, MUON, REQUIRED, check, give, names, raises, step, tensors
import adapter

# What falls far enough is looked for among these; the first that does is enough.
RATES = (1e-2, 0.1, 1.0, 1e-3)
NO_RATE = {"a2grad", "alig"}
# Move without falling that far here: Kate's eps of 1e-8 makes steps of tiny gradients long, Nero
# keeps every row's norm, D-Adapt AdaGrad has not yet found its rate.
OTHERWISE = {"kate", "nero", "dadaptadagrad"}
KWARGS = {"sara": {"threshold": 1e3}, "sgd": {"momentum": 0.9}}


def quadratic(ps):
    def closure():
        for p in ps:
            p.grad = None
        loss = sum((p ** 2).sum() for p in ps)
        loss.backward()
        return loss
    return closure


def same_path(what, x, a, y, b, limit=1e-6, steps=6):
    for k in range(1, steps + 1):
        give(a, k), give(b, k)
        x.step(), y.step()
    worst = max((p - q).abs().max().item() for p, q in zip(a, b))
    check(what, worst <= limit, worst)


def identities():
    """Rules that are others for some options, in double."""
    cases = (
        ("QHAdam nu=1 is Adam", mo.QHAdam, dict(lr=1e-2, nus=(1.0, 1.0)), mo.Adam, dict(lr=1e-2)),
        ("QHM nu=0 is SGD", mo.QHM, dict(lr=1e-1, momentum=0.9, nu=0.0), mo.SGD, dict(lr=1e-1)),
        ("AdEMAMix alpha=0 is Adam", mo.AdEMAMix, dict(lr=1e-2, alpha=0.0), mo.Adam, dict(lr=1e-2)),
        ("Lion with equal betas is Tiger", mo.Lion, dict(lr=1e-2, betas=(0.95, 0.95)), mo.Tiger,
         dict(lr=1e-2, beta=0.95, weight_decay=0.0)),
        ("SGDW without decay is SGD", mo.SGDW, dict(lr=1e-2, momentum=0.9, nesterov=True), mo.SGD,
         dict(lr=1e-2, momentum=0.9, nesterov=True)),
        ("SGDP delta=0 is SGD", mo.SGDP, dict(lr=1e-2, momentum=0.9, delta=0.0), mo.SGD,
         dict(lr=1e-2, momentum=0.9)),
        ("AdamW without decay is Adam", mo.AdamW, dict(lr=1e-2, weight_decay=0.0), mo.Adam,
         dict(lr=1e-2)),
        ("AggMo with one beta is SGD", mo.AggMo, dict(lr=1e-2, betas=(0.9,)), mo.SGD,
         dict(lr=1e-2, momentum=0.9)),
        ("RMSprop is torch's", mo.load_optimizer("rmsprop"), dict(lr=1e-2, momentum=0.9),
         torch.optim.RMSprop, dict(lr=1e-2, momentum=0.9)),
        ("AdaMax is torch's", mo.AdaMax, dict(lr=1e-2), torch.optim.Adamax, dict(lr=1e-2)),
        ("AdaDelta is torch's", mo.AdaDelta, dict(lr=1.0), torch.optim.Adadelta, dict(lr=1.0)),
    )
    for what, cls, kw, other, other_kw in cases:
        a, b = tensors(dtype=torch.float64), tensors(dtype=torch.float64)
        try:
            same_path(what, cls(a, **kw), a, other(b, **other_kw), b, 1e-7)
        except Exception as e:  # noqa: BLE001
            check(what, False, f"{type(e).__name__}: {e}")
    for name, kw in (("SAM", {}), ("FriendlySAM", {"sigma": 0.0})):
        a, b = tensors(), tensors()
        x = getattr(mo, name)(a, mo.SGD, rho=0.0, lr=1e-2, momentum=0.9, **kw)
        y = mo.SGD(b, lr=1e-2, momentum=0.9)
        for _ in range(4):
            quadratic(a)()
            x.step(quadratic(a))
            quadratic(b)()
            y.step()
        worst = max((p - q).abs().max().item() for p, q in zip(a, b))
        check(f"{name} rho=0 is its base", worst < 1e-6, worst)
    a, b = tensors(), tensors()
    same_path("Lookahead alpha=1 is its base", mo.Lookahead(mo.AdamP(a, lr=1e-2), k=2, alpha=0.9999999),
              a, mo.AdamP(b, lr=1e-2), b)
    for name in ("adamw", "lion", "lamb", "adafactor", "muon"):  # maximize is minimising -g.
        a, b = tensors(), tensors()
        x = adapter.make(name, a, maximize=True)
        y = adapter.make(name, b)
        for k in range(1, 4):
            give(a, k), give(b, k)
            for p in b:
                p.grad.neg_()
            x.step(), y.step()
        check(f"maximize {name}", all(torch.equal(p, q) for p, q in zip(a, b)))


def recipe(seed=42):
    """The reference's: a two-layer network over 100 points of two clouds."""
    torch.manual_seed(seed)
    x = torch.cat((torch.randn(50, 2) + 0.7, torch.randn(50, 2) - 0.7))
    y = torch.cat((torch.ones(50, 1), torch.zeros(50, 1)))
    model = torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    return model, x, y


def train(name, steps=40, **options):
    model, x, y = recipe()
    if name not in NO_RATE:
        options.setdefault("lr", 1e-2)
    options = {**KWARGS.get(name, {}), **options}
    ps = list(model.parameters())
    o = adapter.make(name, ps, **options)
    losses = []
    for _ in range(steps):
        def closure():
            o.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y)
            loss.backward()
            return loss
        if name in ("adahessian", "sophiah"):
            losses.append(closure().item())
            o.step(hessian=[torch.ones_like(p) for g in o.param_groups for p in g["params"]])
        elif name in LOSS:
            losses.append(o.step(closure).item())
        else:
            losses.append(closure().item())
            o.step()
    return losses


def convergence():
    """The reference's criterion: within some steps the loss falls by half, at one of the rates."""
    for name in names():
        try:
            ends = []
            for lr in RATES:
                losses = train(name, 60, **({} if name in NO_RATE else {"lr": lr}))
                ends.append(losses[-1])
                if min(losses) * 1.5 < losses[0]:
                    break
            fell = min(losses) * 1.5 < losses[0]
            check(name, fell or (name in OTHERWISE and all(v == v for v in losses)),
                  f"{losses[0]:.4f} -> {ends}")
        except Exception as e:  # noqa: BLE001
            check(name, False, f"{type(e).__name__}: {e}")


def fewer_bytes():
    """With states in bf16 and 8 bits the loss ends at most 1 % (and 0.002) above that with f32."""
    for name in ("adamw", "adam", "lion", "ademamix", "adan", "adabelief", "lamb", "sgd", "radam",
                 "nadam", "laprop", "adopt", "stableadamw", "tiger"):
        full = train(name, 120)[-1]
        for state in ("bf16", "q8"):
            less = train(name, 120, state=state)[-1]
            check(f"{name} {state}", less <= 1.01 * full + 0.002, f"{full} {less}")


def pieces():
    """FusedBackward steps as step() does, for rules that couple tensors too; LOMO does by itself."""
    for name in ("adamw", "lion", "lamb", "adafactor", "prodigy", "adai", "muon", "swats"):
        results = []
        for fused in (False, True):
            model, x, y = recipe()
            o = adapter.make(name, list(model.parameters()))
            for _ in range(4):
                loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y)
                if fused:
                    with mo.FusedBackward(o):
                        loss.backward()
                    assert all(p.grad is None for p in model.parameters())
                else:
                    o.zero_grad()
                    loss.backward()
                    o.step()
            results.append([p.detach().clone() for p in model.parameters()])
        check(f"fused {name}", all(torch.equal(a, b) for a, b in zip(*results)))
    for name in ("lomo", "adalomo"):
        model, x, y = recipe()
        o = mo.load_optimizer(name)(model, lr=0.1, clip_grad_norm=1.0)
        losses = []
        for _ in range(30):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y)
            o.grad_norm(loss)
            losses.append(loss.item())
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y)
            o.fused_backward(loss, lr=0.1)
        check(name, losses[-1] < losses[0], losses)
        check(f"{name} frees", all(p.grad is None for p in model.parameters()))
        fresh, _, _ = recipe()
        fresh.load_state_dict(model.state_dict())
        other = mo.load_optimizer(name)(fresh, lr=0.1, clip_grad_norm=1.0)
        other.load_state_dict(copy.deepcopy(o.state_dict()))
        for m, opt in ((model, o), (fresh, other)):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(m(x), y)
            opt.grad_norm(loss)
            opt.fused_backward(torch.nn.functional.binary_cross_entropy_with_logits(m(x), y), lr=0.1)
        check(f"{name} resumes", all(
            torch.equal(p, q) for p, q in zip(model.parameters(), fresh.parameters())))


def tools():
    """GradScaler, offload's API, accelerate where it is, RotoGrad."""
    model, x, y = recipe()
    o = mo.AdamW(model.parameters(), lr=1e-2)
    scaler = torch.cuda.amp.GradScaler(enabled=torch.cuda.is_available())
    loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y)
    scaler.scale(loss).backward()
    scaler.step(o)
    scaler.update()
    check("GradScaler", all(torch.isfinite(p).all() for p in model.parameters()))
    before = [p.detach().clone() for p in model.parameters()]
    for p in model.parameters():
        p.grad = torch.full_like(p, float("inf"))
    o.step(grad_scale=1.0 / 1024)
    check("inf is skipped", all(torch.equal(p, q) for p, q in zip(before, model.parameters())))
    ps = tensors()
    o = mo.CPUOffloadOptimizer(ps, mo.Lion, lr=1e-2)
    give(ps, 1)
    o.step()
    qs = tensors()
    p = mo.Lion(qs, lr=1e-2)
    give(qs, 1)
    p.step()
    check("offload on the host", all(torch.equal(a, b) for a, b in zip(ps, qs)))
    o.load_state_dict(copy.deepcopy(o.state_dict()))
    backbone, heads = torch.nn.Linear(6, 8), [torch.nn.Linear(8, 1), torch.nn.Linear(8, 1)]
    for cls, kw in ((mo.RotoGrad, {}), (mo.RotateOnly, {}), (mo.RotoGradNorm, {"alpha": 0.5})):
        torch.manual_seed(1)
        roto = cls(copy.deepcopy(backbone), copy.deepcopy(heads), 8, burn_in_period=2, **kw)
        models = mo.AdamW(list(roto.model_parameters()), lr=1e-2)
        turns = mo.AdamW(list(roto.parameters()), lr=1e-2)
        data, losses = torch.randn(16, 6), []
        for _ in range(25):
            models.zero_grad(), turns.zero_grad()
            a, b = roto(data)
            both = [((a - data[:, :1]) ** 2).mean(), ((b - data[:, 1:2]) ** 2).mean()]
            losses.append(sum(both).item())
            roto.backward(both)
            models.step(), turns.step()
        check(cls.__name__, losses[-1] < 0.7 * losses[0], losses)
        r = roto.rotation[0].detach()
        check(f"{cls.__name__} rotates", (r @ r.t() - torch.eye(8)).abs().max().item() < 1e-4
              and (r - torch.eye(8)).abs().max().item() > 1e-5)
    try:
        import accelerate
    except ImportError:
        return
    model, x, y = recipe()
    engine = accelerate.Accelerator(cpu=True)
    model, o = engine.prepare(model, mo.AdamP(model.parameters(), lr=1e-2))
    for _ in range(3):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y)
        o.zero_grad()
        engine.backward(loss)
        o.step()
    check("accelerate", loss.item() < 1.0)


def exchange():
    """State goes to pytorch-optimizer and back; both continue as it would have."""
    import pytorch_optimizer as po

    theirs_made = {}

    def theirs(name, ps):
        saved, mo.load_optimizer = mo.load_optimizer, po.load_optimizer
        try:
            return adapter.make(name, ps, **({"foreach": False} if name in theirs_made else {}))
        finally:
            mo.load_optimizer = saved

    for name in [*names(), "lorarite"]:
        if name in ("demo", "distributedmuon"):
            continue  # Those need a process group there.
        for way in ("in", "out"):
            try:
                a = tensors()
                if name == "lorarite":
                    a = [torch.nn.Parameter(torch.randn(3, 12)), torch.nn.Parameter(torch.randn(8, 3))]
                first = theirs(name, a) if way == "in" else adapter.make(name, a)
                for k in range(1, 13 if name == "adashift" else 4):
                    give(a, k)
                    torch.manual_seed(k)
                    step(name, first, k)
                b = [torch.nn.Parameter(p.detach().clone()) for p in a]
                second = adapter.make(name, b) if way == "in" else theirs(name, b)
                second.load_state_dict(copy.deepcopy(first.state_dict()))
                if name == "adashift" and way == "out":  # torch's loader forgets the queue's length.
                    for s in second.state.values():
                        s["grad_queue"] = type(s["grad_queue"])(s["grad_queue"], maxlen=10)
                for k in range(13, 16):
                    give(a, k), give(b, k)
                    torch.manual_seed(k)
                    step(name, first, k)
                    torch.manual_seed(k)
                    step(name, second, k)
                size = max(p.abs().max().item() for p in a)
                worst = max((p - q).abs().max().item() for p, q in zip(a, b)) / size
                check(f"{name} {way}", worst < 2e-5, worst)
            except Exception as e:  # noqa: BLE001
                check(f"{name} {way}", False, f"{type(e).__name__}: {e}")
    exchange_lbfgs(po)
    exchange_bsam(po)


def exchange_bsam(po):
    """The same for bSAM, which draws and calls its closure within the step."""
    for way in ("in", "out"):
        made = [m.load_optimizer("bsam") for m in (po, mo)]
        if way == "out":
            made.reverse()
        a = tensors()
        first = made[0](a, num_data=10, lr=0.1, foreach=False)  # Its foreach fails in 4.1.0.
        quadratic(a)()
        for k in range(3):
            torch.manual_seed(k)
            first.step(quadratic(a))
        b = [torch.nn.Parameter(p.detach().clone()) for p in a]
        second = made[1](b, num_data=10, lr=0.1, foreach=False)
        quadratic(b)()
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        for k in range(3, 6):
            for optimizer, ps in ((first, a), (second, b)):
                torch.manual_seed(k)
                optimizer.step(quadratic(ps))
        worst = max((p - q).abs().max().item() for p, q in zip(a, b))
        check(f"bsam {way}", worst < 2e-5, worst)


def exchange_lbfgs(po):
    """The same for L-BFGS, whose closure makes new gradients every time, as autograd does."""

    def quadratic(ps, optimizer):
        def closure():
            optimizer.zero_grad()
            loss = sum((0.5 * torch.linspace(0.1, 3, p.numel()).view(p.shape) * p * p).sum()
                       for p in ps)
            loss.backward()
            return loss
        return closure

    for way in ("in", "out", "same"):
        made = [m.load_optimizer("lbfgs") for m in (po, mo)]
        if way == "out":
            made.reverse()
        a = tensors()
        first = made[0](a, lr=0.1, max_iter=3)
        if way == "same":
            b = tensors()
            second = made[1](b, lr=0.1, max_iter=3)
        for _ in range(3):
            first.step(quadratic(a, first))
            if way == "same":
                second.step(quadratic(b, second))
        if way != "same":
            b = [torch.nn.Parameter(p.detach().clone()) for p in a]
            second = made[1](b, lr=0.1, max_iter=3)
            second.load_state_dict(copy.deepcopy(first.state_dict()))
            for _ in range(3):
                first.step(quadratic(a, first))
                second.step(quadratic(b, second))
        worst = max((p - q).abs().max().item() for p, q in zip(a, b))
        check(f"lbfgs {way}", worst < 2e-5, worst)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    globals()[sys.argv[1]]()
    print(json.dumps({"checked": adapter.checked, "failed": adapter.failed}))
