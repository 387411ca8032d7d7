"""Checks of malmoi.optim inside what trains with it: torch's schedulers and gradient scaler,
Accelerate, Lightning. Each runs twice, with ours and with torch's own AdamW, to the same numbers.

Prints {"checked": n, "failed": {...}, "absent": [...]}; what is not installed is named as absent.
"""

import json
import sys
import tempfile

import torch

import adapter
import malmoi.optim as mo
from adapter import check, give, tensors
from training import recipe

OPTIONS = {"lr": 1e-2, "weight_decay": 0.05, "betas": (0.9, 0.95)}
BOTH = (mo.AdamW, torch.optim.AdamW)
absent = []


def agree(what, results, limit=1e-5):
    """Both lists of tensors are the same to `limit` of the largest number."""
    ours, theirs = results
    size = max(q.abs().max().item() for q in theirs)
    worst = max((p - q).abs().max().item() for p, q in zip(ours, theirs)) / size
    check(what, len(ours) == len(theirs) and worst <= limit, worst)


def loss_of(model, x, y):
    return torch.nn.functional.binary_cross_entropy_with_logits(model(x), y)


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def schedulers():
    """torch's schedulers over ours: the rate, and the betas where a schedule moves them."""
    s = torch.optim.lr_scheduler
    made = {
        "StepLR": lambda o: s.StepLR(o, 3, 0.5),
        "LambdaLR": lambda o: s.LambdaLR(o, lambda k: 1.0 / (1 + k)),
        "CosineAnnealingLR": lambda o: s.CosineAnnealingLR(o, 10),
        "ExponentialLR": lambda o: s.ExponentialLR(o, 0.9),
        "OneCycleLR": lambda o: s.OneCycleLR(o, 0.05, total_steps=14),
        "CyclicLR": lambda o: s.CyclicLR(o, 1e-3, 1e-2, 4, cycle_momentum=False),
        "ReduceLROnPlateau": lambda o: s.ReduceLROnPlateau(o, patience=1),
        "SequentialLR": lambda o: s.SequentialLR(
            o, [s.ConstantLR(o, 0.1, 3), s.ExponentialLR(o, 0.9)], [3]),
    }
    for name, make in made.items():
        results = []
        for cls in BOTH:
            ps = tensors()
            o = cls(ps, **OPTIONS)
            schedule = make(o)
            for k in range(12):
                give(ps, k)
                o.step()
                schedule.step(*([1.0] if name == "ReduceLROnPlateau" else []))
            results.append([p.detach() for p in ps])
        agree(name, results)


def groups():
    """Options changed, groups added and taken away, parameters frozen, between steps."""
    results = []
    for cls in BOTH:
        a = tensors()
        o = cls([{"params": [a[0]]}, {"params": [a[1]], "lr": 3e-2}], **OPTIONS)
        for k in range(12):
            give(a, k)
            if k == 2:
                o.add_param_group({"params": [a[2]], "lr": 5e-3, "betas": (0.8, 0.9)})
            if k == 4:
                o.param_groups[0]["lr"] *= 0.1
                o.param_groups[1]["weight_decay"] = 0.0
            if k == 6:
                kept = o.param_groups.pop(1)
            if k == 8:
                o.param_groups.append(kept)
            if k == 9:
                a[2].grad = None
            if k == 10:
                o.param_groups[0]["params"] = [a[2], a[0]]
                o.param_groups[1]["params"] = []
            o.step()
        results.append([p.detach() for p in a])
    agree("groups", results)


def scaler():
    """torch.amp.GradScaler: scaled losses, unscale_ and clipping, and a step that overflows."""
    made = getattr(torch.amp, "GradScaler", None)
    if made is None:
        absent.append("torch.amp.GradScaler")
        return
    results = []
    for cls in BOTH:
        model, x, y = recipe()
        o = cls(model.parameters(), **OPTIONS)
        scale = made("cpu", init_scale=2.0**10, growth_interval=4)
        for k in range(10):
            o.zero_grad()
            loss = loss_of(model, x, y)
            scale.scale(loss * (float("inf") if k == 5 else 1.0)).backward()
            if k % 2 == 0:
                scale.unscale_(o)
                torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            before = weights(model)
            scale.step(o)
            if k == 5:
                check(f"overflow is skipped: {cls.__module__}", all(
                    torch.equal(p, q) for p, q in zip(before, model.parameters())))
            scale.update()
        results.append([*weights(model), torch.tensor([scale.get_scale()])])
    agree("GradScaler", results)


def accelerator():
    """Accelerate: gradient accumulation, clipping, bf16 autocast, states saved and loaded."""
    try:
        import accelerate
    except ImportError:
        absent.append("accelerate")
        return
    for precision in ("no", "bf16"):
        results = []
        for cls in BOTH:
            accelerate.state.AcceleratorState._reset_state(True)
            engine = accelerate.Accelerator(cpu=True, mixed_precision=precision,
                                            gradient_accumulation_steps=2)
            model, x, y = recipe()
            data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=25)
            o = cls(model.parameters(), **OPTIONS)
            schedule = torch.optim.lr_scheduler.StepLR(o, 2, 0.5)
            model, o, data, schedule = engine.prepare(model, o, data, schedule)
            with tempfile.TemporaryDirectory() as folder:
                for epoch in range(3):
                    if epoch == 1:
                        engine.save_state(folder)
                    if epoch == 2:
                        engine.load_state(folder)
                    for inputs, targets in data:
                        with engine.accumulate(model):
                            engine.backward(loss_of(model, inputs, targets))
                            if engine.sync_gradients:
                                engine.clip_grad_norm_(model.parameters(), 1.0)
                            o.step()
                            schedule.step()
                            o.zero_grad()
            results.append(weights(model))
        agree(f"accelerate {precision}", results)


def lightning():
    """Lightning: its Trainer steps through closures, with schedules and a resumed checkpoint."""
    try:
        import lightning as L
    except ImportError:
        absent.append("lightning")
        return
    import logging
    import warnings

    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(L.LightningModule):
        def __init__(self, cls):
            super().__init__()
            self.cls = cls
            self.model, self.x, self.y = recipe()

        def training_step(self, batch, index):
            return loss_of(self.model, *batch)

        def train_dataloader(self):
            return torch.utils.data.DataLoader(
                torch.utils.data.TensorDataset(self.x, self.y), batch_size=25)

        def configure_optimizers(self):
            o = self.cls(self.model.parameters(), **OPTIONS)
            schedule = torch.optim.lr_scheduler.ExponentialLR(o, 0.9)
            return {"optimizer": o, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def trainer(folder, epochs):
        return L.Trainer(
            accelerator="cpu", devices=1, max_epochs=epochs, logger=False, default_root_dir=folder,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            gradient_clip_val=0.5, accumulate_grad_batches=2)

    results, resumed = [], []
    for cls in BOTH:
        with tempfile.TemporaryDirectory() as folder:
            whole = Module(cls)
            trainer(folder, 4).fit(whole)
            results.append(weights(whole.model))
            half, again = Module(cls), Module(cls)
            first = trainer(folder, 2)
            first.fit(half)
            first.save_checkpoint(f"{folder}/half.ckpt")
            trainer(folder, 4).fit(again, ckpt_path=f"{folder}/half.ckpt")
            resumed.append(weights(again.model))
    agree("lightning", results)
    agree("lightning resumed", resumed)
    check("lightning resumed as continued",
          all(torch.equal(a, b) for a, b in zip(results[0], resumed[0])))


def refusals():
    """Sparse gradients, complex parameters, missing closures: the kinds of errors are the
    reference's, for every optimizer."""
    try:
        import pytorch_optimizer as po
    except ImportError:
        absent.append("pytorch_optimizer")
        return

    def outcome(package, name, kind):
        if kind == "sparse":
            p = torch.nn.Parameter(torch.ones(4, 2))
            p.grad = torch.sparse_coo_tensor([[0, 1]], torch.ones(2, 2), (4, 2))
        else:
            p = torch.nn.Parameter(torch.ones(4, 2, dtype=torch.complex64))
            p.grad = torch.ones(4, 2, dtype=torch.complex64)
        saved, mo.load_optimizer = mo.load_optimizer, package.load_optimizer
        try:
            o = adapter.make(name, [p])
        except TypeError:
            return "not made"
        finally:
            mo.load_optimizer = saved
        try:
            adapter.step(name, o)
        except Exception as e:  # noqa: BLE001 - its kind is what is asked for
            return type(e).__name__
        return "steps"

    typed = ("NoSparseGradientError", "NoComplexParameterError")
    for name in adapter.names():
        if name in ("demo", "distributedmuon"):
            continue  # Those need a process group there.
        for kind in ("sparse", "complex"):
            theirs, ours = (outcome(package, name, kind) for package in (po, mo))
            # Where the reference fails inside torch, a typed refusal is as good.
            good = ours == theirs or (theirs not in (*typed, "steps") and ours in typed)
            check(f"{name} {kind}", good, f"{theirs} there, {ours} here")


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for part in sys.argv[1:]:
        globals()[part]()
    print(json.dumps({"checked": adapter.checked, "failed": adapter.failed, "absent": absent}))
