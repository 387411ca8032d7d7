"""Checks of malmoi.optim inside a Python with torch; prints {"checked": n, "failed": {...}}."""

import copy
import inspect
import json
import pickle
import sys

import torch

import malmoi.optim as mo

SKIP = {"lomo", "adalomo", "adammini", "bsam", "lbfgs", "lorarite"}
REQUIRED = {
    "ranger21": {"num_iterations": 20}, "bsam": {"num_data": 10}, "adagc": {"warmup_steps": 3},
    "alice": {"rank": 4, "leading_basis": 2}, "apollodqn": {"warmup_steps": 3},
    "alig": {"max_lr": 0.1},
}
MUON = {"muon", "muonclip", "adamuon", "adago", "normuon", "distributedmuon"}
LOSS = {"alig", "emonavi", "emolynx", "emofact"}
checked, failed = 0, {}


def names():
    return [n for n in mo.get_supported_optimizers() if n not in SKIP and not n.endswith("wrapper")
            and n not in ("lookahead", "orthograd", "trac", "sam", "gsam", "wsam", "looksam",
                          "friendlysam", "magma_wrapper", "magma", "safefp16optimizer")]


def tensors(seed=0, dtype=torch.float32):
    g = torch.Generator().manual_seed(seed)
    shapes = [(6, 5), (5,), (3, 2, 2, 2)]
    return [torch.nn.Parameter(torch.randn(*s, generator=g).to(dtype)) for s in shapes]


def make(name, ps, **kw):
    kw = {**REQUIRED.get(name, {}), **kw}
    if name in MUON:
        groups = [{"params": [p for p in ps if p.ndim >= 2], "use_muon": True},
                  {"params": [p for p in ps if p.ndim < 2], "use_muon": False}]
    elif name == "spectralsphere":
        groups = [p for p in ps if p.ndim == 2]
    elif name == "demo":
        groups = [p for p in ps if p.ndim <= 2]
    else:
        groups = ps
    return mo.load_optimizer(name)(groups, **kw)


def give(ps, k):
    g = torch.Generator().manual_seed(100 + k)
    for p in ps:
        p.grad = torch.randn(p.shape, generator=g).to(p.dtype) * 0.1


def step(name, o, k=1):
    torch.manual_seed(k)  # Some draw: from torch's generator, as the reference does,
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(k)  # and Kron's balancing from numpy's.
    if name in ("adahessian", "sophiah"):
        return o.step(hessian=[torch.ones_like(p) for g in o.param_groups for p in g["params"]])
    if name in LOSS:
        return o.step(lambda: torch.tensor(1.0 / k))
    return o.step()


def check(what, good, note=""):
    global checked
    checked += 1
    if not good:
        failed[what] = str(note)


def steps():
    """Every optimizer moves its parameters; AdamW and SGD agree with torch's."""
    for name in names():
        ps = tensors()
        before = [p.detach().clone() for p in ps]
        try:
            o = make(name, ps)
            for k in range(1, 13):  # Some only gather at first.
                give(ps, k)
                step(name, o, k)
            moved = any(not torch.equal(a, b) for a, b in zip(before, ps))
            finite = all(torch.isfinite(p).all() for p in ps)
            check(name, moved and finite, f"moved {moved} finite {finite}")
        except Exception as e:  # noqa: BLE001 - reported by name
            check(name, False, f"{type(e).__name__}: {e}")
    for name, theirs, kw in (
        ("adamw", torch.optim.AdamW, {"lr": 1e-2, "weight_decay": 0.1}),
        ("adam", torch.optim.Adam, {"lr": 1e-2, "amsgrad": True}),
        ("sgd", torch.optim.SGD, {"lr": 1e-2, "momentum": 0.9, "nesterov": True}),
    ):
        a, b = tensors(), tensors()
        x, y = mo.load_optimizer(name)(a, **kw), theirs(b, **kw)
        for k in range(6):
            give(a, k), give(b, k)
            x.step(), y.step()
        worst = max((p - q).abs().max().item() for p, q in zip(a, b))
        check(f"torch {name}", worst < 1e-6, worst)


def resume():
    """Saved, loaded into another optimizer, and pickled: all go on as the first does."""
    for name in names():
        try:
            ps = tensors()
            o = make(name, ps)
            for k in range(1, 4):
                give(ps, k)
                step(name, o, k)
            saved = copy.deepcopy(o.state_dict())
            qs = [torch.nn.Parameter(p.detach().clone()) for p in ps]
            other = make(name, qs)
            other.load_state_dict(saved)
            for k in range(4, 7):
                give(ps, k), give(qs, k)
                step(name, o, k), step(name, other, k)
            same = all(torch.equal(p, q) for p, q in zip(ps, qs))
            check(name, same, max((p - q).abs().max().item() for p, q in zip(ps, qs)))
        except Exception as e:  # noqa: BLE001
            check(name, False, f"{type(e).__name__}: {e}")
    ps = tensors()
    o = make("adamp", ps)
    give(ps, 1)
    o.step()
    other = pickle.loads(pickle.dumps(o))
    qs = [p for g in other.param_groups for p in g["params"]]
    give(ps, 2), give(qs, 2)
    o.step(), other.step()
    check("pickle", all(torch.equal(p, q) for p, q in zip(ps, qs)))


def raises(what, kind, f):
    try:
        f()
    except kind:
        return check(what, True)
    except Exception as e:  # noqa: BLE001
        return check(what, False, f"{type(e).__name__}: {e}")
    check(what, False, "nothing was raised")


def errors():
    ps = tensors()
    raises("negative lr", mo.NegativeLRError, lambda: mo.AdamP(ps, lr=-1.0))
    raises("betas", ValueError, lambda: mo.AdamP(ps, betas=(1.5, 0.9)))
    raises("negative decay", ValueError, lambda: mo.Lion(ps, weight_decay=-1.0))
    raises("unknown name", NotImplementedError, lambda: mo.load_optimizer("nothing"))
    raises("bnb", ImportError, lambda: mo.load_optimizer("bnb_adam8bit"))
    raises("use_muon", ValueError, lambda: mo.Muon(ps))
    sparse = torch.nn.Parameter(torch.randn(4, 2))
    sparse.grad = torch.sparse_coo_tensor([[0, 1]], torch.ones(2, 2), (4, 2))
    raises("sparse", mo.NoSparseGradientError, lambda: mo.Lion([sparse]).step())
    whole = torch.nn.Parameter(torch.randn(3, dtype=torch.complex64))
    whole.grad = torch.randn(3, dtype=torch.complex64)
    raises("complex", mo.NoComplexParameterError, lambda: mo.SOAP([whole]).step())
    raises("closure", mo.NoClosureError, lambda: make("alig", tensors()).step())
    before = [p.detach().clone() for p in ps]
    o = mo.Lion(ps)
    give(ps, 1)
    raises("state of another", ValueError, lambda: o.load_state_dict(
        {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": o.state_dict()["param_groups"]}
    ))
    check("parameters are left", all(torch.equal(a, b) for a, b in zip(before, ps)))
    parameters = inspect.signature(mo.AdamP).parameters
    check("signature", list(parameters)[:3] == ["params", "lr", "betas"]
          and parameters["lr"].default == 1e-3, list(parameters))


def edits():
    """Schedulers, group edits, added groups, missing gradients, strides, bf16, float16."""
    a, b = tensors(), tensors()
    x = mo.AdamW(a[:2], lr=1e-2)
    y = torch.optim.AdamW(b[:2], lr=1e-2)
    s, t = (torch.optim.lr_scheduler.StepLR(o, 2, 0.5) for o in (x, y))
    for k in range(5):
        give(a, k), give(b, k)
        if k == 2:
            a[1].grad = b[1].grad = None
        if k == 3:
            x.param_groups[0]["weight_decay"] = y.param_groups[0]["weight_decay"] = 0.3
            x.add_param_group({"params": [a[2]], "lr": 5e-3})
            y.add_param_group({"params": [b[2]], "lr": 5e-3})
            s.base_lrs.append(5e-3), t.base_lrs.append(5e-3)
        x.step(), y.step()
        s.step(), t.step()
    worst = max((p - q).abs().max().item() for p, q in zip(a, b))
    check("edits", worst < 1e-6, worst)
    p = torch.nn.Parameter(torch.randn(4, 6).t())
    q = torch.nn.Parameter(p.detach().clone().contiguous())
    o, r = mo.Lion([p], lr=1e-2), mo.Lion([q], lr=1e-2)
    p.grad = torch.randn(4, 6).t()
    q.grad = p.grad.clone().contiguous()
    o.step(), r.step()
    check("strides", torch.equal(p, q))
    ps = tensors()
    o = mo.Ranger21(ps, num_iterations=20, lr=0.25)
    give(ps, 1)
    o.step()
    check("made with a rate", o.state_dict()["starting_lr"] == 0.25, o.state_dict()["starting_lr"])
    same_places()
    hooks()
    generator()
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        ps = tensors(dtype=dtype)
        before = [z.detach().clone() for z in ps]
        o = mo.AdamW(ps, lr=1e-1)
        give(ps, 1)
        o.step()
        check(str(dtype), all(not torch.equal(u, v) for u, v in zip(before, ps)))
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4))
    o = mo.create_optimizer(model, "adamw", lr=1e-2, weight_decay=0.1, use_lookahead=True)
    model(torch.randn(2, 4)).sum().backward()
    o.step()
    check("create_optimizer", len(o.param_groups) == 2 and o.param_groups[0]["counter"] == 1)
    check("filters", mo.get_supported_optimizers("*adamw") == [
        n for n in mo.get_supported_optimizers() if n.endswith("adamw")])


def same_places():
    """Gradients and parameters whose memory begins where it did, but that lie otherwise in it."""
    p, q = (torch.nn.Parameter(torch.ones(6, 6)) for _ in range(2))
    o, r = mo.AdamW([p], lr=1e-2), mo.AdamW([q], lr=1e-2)
    memory = torch.randn(6, 6)
    for k in range(4):
        p.grad = memory if k % 2 == 0 else memory.t()
        q.grad = p.grad.clone(memory_format=torch.contiguous_format)
        o.step(), r.step()
    check("gradient of other strides", torch.equal(p, q))
    p.data, q.data = p.data.t(), q.data.t().contiguous()
    for _ in range(2):
        p.grad = q.grad = torch.randn(6, 6)
        o.step(), r.step()
    check("parameter of other strides", torch.equal(p, q))


def generator():
    """What a rule draws is what torch would have drawn, and torch goes on behind it."""
    shapes = [(3,), (4, 5), (7,), (33,)]  # Short ones take numbers in pairs: one is kept.
    ps = [torch.nn.Parameter(torch.zeros(s)) for s in shapes]
    for p in ps:
        p.grad = torch.zeros_like(p)
    o = mo.Gravity(ps, lr=1e-2, alpha=0.02, beta=0.9)
    torch.manual_seed(5)
    torch.randn(3)  # In the middle of a pair.
    o.step()
    state = torch.get_rng_state()
    torch.manual_seed(5)
    torch.randn(3)
    wanted = [torch.randn(s) for s in shapes]
    check("torch goes on", torch.equal(state, torch.get_rng_state()))
    for w, p in zip(wanted, ps):
        v = o.state[p]["v"] / (2.0 * 1.9 / 3)  # A step without gradients keeps (1 + beta) / 3.
        check(f"drawn {tuple(p.shape)}", torch.allclose(v, w, rtol=1e-5, atol=1e-6), (v, w))
    p = torch.nn.Parameter(torch.ones(4))
    o = mo.BSAM([p], num_data=10)
    p.grad = torch.ones(4)  # Without one there is no noise, as in the reference.
    torch.manual_seed(5)

    def closure():
        o.zero_grad()
        loss = (p * torch.rand(4)).sum()  # Draws as well, as dropout does.
        loss.backward()
        return loss

    o.step(closure)
    state = torch.get_rng_state()
    torch.manual_seed(5)
    torch.randn(4), torch.rand(4), torch.rand(4)
    check("a closure draws between", torch.equal(state, torch.get_rng_state()))


def hooks():
    """Hooks around step() where torch has them, its profiler, and what a closure raises."""
    ps = tensors()
    o = mo.AdamW(ps, lr=1e-2)
    give(ps, 1)
    o.step()
    with torch.autograd.profiler.profile() as records:
        o.step()
    check("profiler", any("Optimizer.step#AdamW" in e.name for e in records.function_events))
    if hasattr(o, "register_step_pre_hook"):
        seen = []
        undo = [o.register_step_pre_hook(lambda *a: seen.append(("before", len(a)))),
                o.register_step_post_hook(lambda *a: seen.append(("after", len(a))))]
        o.step()
        check("hooks", seen == [("before", 3), ("after", 3)], seen)
        for u in undo:
            u.remove()
        o.step()
        check("hooks removed", len(seen) == 2)

    def broken():
        raise KeyError("in the closure")

    for name in ("adamw", "lbfgs"):
        raises(f"closure of {name}", KeyError, lambda: mo.load_optimizer(name)(ps).step(broken))


def wrappers():
    """SAM with rho 0 is its base; Lookahead with alpha 1 changes nothing; state goes round."""
    def quadratic(ps):
        def closure():
            loss = sum((p ** 2).sum() for p in ps)
            for p in ps:
                p.grad = None
            loss.backward()
            return loss
        return closure

    for name, kw in (("SAM", {}), ("FriendlySAM", {}), ("LookSAM", {"k": 2})):
        a, b = tensors(), tensors()
        x = getattr(mo, name)(a, torch.optim.SGD, rho=0.0, lr=1e-2, momentum=0.9, **kw)
        y = torch.optim.SGD(b, lr=1e-2, momentum=0.9)
        for _ in range(3):
            quadratic(a)()
            x.step(quadratic(a))
            quadratic(b)()
            y.step()
        worst = max((p - q).abs().max().item() for p, q in zip(a, b))
        check(name, worst < 1e-6 or name == "LookSAM", worst)
    a, b = tensors(), tensors()
    x = mo.Lookahead(mo.Lion(a, lr=1e-2), k=2, alpha=0.999999)
    y = mo.Lion(b, lr=1e-2)
    for k in range(4):
        give(a, k), give(b, k)
        x.step(), y.step()
    worst = max((p - q).abs().max().item() for p, q in zip(a, b))
    check("Lookahead", worst < 1e-4, worst)
    x.load_state_dict(copy.deepcopy(x.state_dict()))
    for cls in (mo.OrthoGrad, mo.TRAC):
        ps = tensors()
        o = cls(torch.optim.AdamW(ps, lr=1e-2))
        for k in range(3):
            give(ps, k)
            o.step()
        check(cls.__name__, all(torch.isfinite(p).all() for p in ps))
    ps = tensors()
    o = mo.ScheduleFreeWrapper(torch.optim.SGD(ps, lr=1e-2))
    raises("schedule-free", ValueError, o.step)
    o.train()
    give(ps, 1)
    o.step()
    o.eval()
    p = mo.PCGrad(torch.optim.SGD(ps, lr=1e-2))
    p.pc_backward([(ps[0] ** 2).sum(), (ps[0] * -1.0).sum() + ps[1].sum()])
    p.step()
    check("PCGrad", ps[2].grad is None)


def losses():
    x = torch.rand(8, requires_grad=True)
    y = (torch.rand(8) > 0.5).float()
    ours = mo.BCELoss()(x, y)
    theirs = torch.nn.functional.binary_cross_entropy(x, y)
    check("BCELoss", abs((ours - theirs).item()) < 1e-6)
    (a,) = torch.autograd.grad(ours, x)
    (b,) = torch.autograd.grad(theirs, x)
    check("BCELoss gradient", (a - b).abs().max().item() < 1e-6)
    z = torch.randn(3, 4, requires_grad=True, dtype=torch.float64)
    labels = torch.tensor([0, 2, 3])
    check("gradcheck", torch.autograd.gradcheck(
        lambda t: mo.BiTemperedLogisticLoss(0.8, 1.0)(t, labels), (z,)))
    raises("loss argument", TypeError, lambda: mo.LDAMLoss())
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=1e-2)
    schedule = mo.load_lr_scheduler("cosine")(optimizer, t_max=10, max_lr=0.1)
    check("schedule", schedule.step() == 0.1)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    globals()[sys.argv[1]]()
    print(json.dumps({"checked": checked, "failed": failed}))
