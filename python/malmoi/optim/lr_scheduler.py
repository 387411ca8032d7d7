"""Learning-rate schedules: torch's own where it has them, and the reference's others."""

import math
from functools import partial

from torch.optim.lr_scheduler import (  # noqa: F401
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    LambdaLR,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    StepLR,
)

from .exceptions import NegativeLRError, NegativeStepError

try:
    from torch.optim.lr_scheduler import LRScheduler
except ImportError:  # Before torch 2.
    from torch.optim.lr_scheduler import _LRScheduler as LRScheduler


class BaseLinearWarmupScheduler:
    """Linear from init_lr to max_lr, then what _step says."""

    def __init__(self, optimizer, t_max, max_lr, min_lr=0.0, init_lr=0.0, warmup_steps=0):
        for name, value in (("min_lr", min_lr), ("max_lr", max_lr), ("init_lr", init_lr)):
            if value < 0:
                raise NegativeLRError(value, name)
        for name, value in (("t_max", t_max), ("warmup_steps", warmup_steps)):
            if value < 0:
                raise NegativeStepError(value, name)
        self.optimizer = optimizer
        self.total_steps, self.warmup_steps = t_max, warmup_steps
        self.max_lr, self.min_lr, self.init_lr = max_lr, min_lr, init_lr
        self.step_t = 0
        self.last_lr = [init_lr]
        self.base_lrs = [min_lr for _ in optimizer.param_groups]
        self._set(min_lr)

    def _set(self, value):
        for group in self.optimizer.param_groups:
            group["lr"] = value

    def step(self):
        t = self.step_t
        if t < self.warmup_steps:
            value = self.init_lr + (self.max_lr - self.init_lr) * t / self.warmup_steps
        elif t == self.warmup_steps:
            value = self.max_lr
        else:
            value = self._step()
        self.step_t += 1
        self._set(value)
        self.last_lr = [value]
        return value

    def get_lr(self):
        return self.last_lr[0]

    def state_dict(self):
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict):
        self.__dict__.update(state_dict)


class LinearScheduler(BaseLinearWarmupScheduler):
    def _step(self):
        share = (self.step_t - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        return self.max_lr + (self.min_lr - self.max_lr) * share


class CosineScheduler(BaseLinearWarmupScheduler):
    def _step(self):
        share = (self.step_t - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        return self.min_lr + (self.max_lr - self.min_lr) * (math.cos(share * math.pi) + 1.0) / 2.0


class PolyScheduler(BaseLinearWarmupScheduler):
    def __init__(self, optimizer, poly_order=0.5, **kwargs):
        if poly_order <= 0:
            raise ValueError(f"poly_order must be positive. {poly_order}")
        self.poly_order = poly_order
        super().__init__(optimizer, **kwargs)

    def _step(self):
        since = self.step_t - self.warmup_steps
        return self.min_lr + (self.max_lr - self.min_lr) * since**self.poly_order


class ProportionScheduler:
    """A value that follows another schedule's rate linearly (GSAM's rho)."""

    def __init__(self, lr_scheduler, max_lr, min_lr=0.0, max_value=2.0, min_value=2.0):
        self.lr_scheduler = lr_scheduler
        self.max_lr, self.min_lr = max_lr, min_lr
        self.max_value, self.min_value = max_value, min_value
        self.step_t = 0
        self.last_lr = []
        self.step()

    def get_lr(self):
        return self.last_lr[0]

    def step(self):
        self.step_t += 1
        if hasattr(self.lr_scheduler, "last_lr"):
            lr = self.lr_scheduler.last_lr[0]
        else:
            lr = self.lr_scheduler.optimizer.param_groups[0]["lr"]
        value = self.max_value
        if self.max_lr > self.min_lr:
            share = (lr - self.min_lr) / (self.max_lr - self.min_lr)
            value = self.min_value + (self.max_value - self.min_value) * share
        self.last_lr = [value]
        return value


class CosineAnnealingWarmupRestarts(LRScheduler):
    def __init__(
        self, optimizer, first_cycle_steps, cycle_mult=1.0, max_lr=1e-4, min_lr=1e-6,
        warmup_steps=0, gamma=0.9, last_epoch=-1,
    ):
        if warmup_steps >= first_cycle_steps:
            raise ValueError(
                "warmup_steps must be smaller than first_cycle_steps. "
                f"{warmup_steps} < {first_cycle_steps}"
            )
        self.first_cycle_steps, self.cycle_mult = first_cycle_steps, cycle_mult
        self.base_max_lr = self.max_lr = max_lr
        self.min_lr, self.warmup_steps, self.gamma = min_lr, warmup_steps, gamma
        self.cur_cycle_steps = first_cycle_steps
        self.step_in_cycle = last_epoch
        self.cycle = 0
        super().__init__(optimizer, last_epoch)
        for group in optimizer.param_groups:
            group["lr"] = min_lr
        self.base_lrs = [min_lr for _ in optimizer.param_groups]
        self._last_lr = list(self.base_lrs)

    def _length(self, previous):
        rest = int((previous - self.warmup_steps) * self.cycle_mult)
        return max(1, rest) + self.warmup_steps

    def get_lr(self):
        t, warm = self.step_in_cycle, self.warmup_steps
        low = self.min_lr
        if t < warm:
            lr = (self.max_lr - low) * t / warm + low
        else:
            phase = math.pi * (t - warm) / (self.cur_cycle_steps - warm)
            lr = low + (self.max_lr - low) * (1 + math.cos(phase)) / 2.0
        return [lr for _ in self.optimizer.param_groups]

    def step(self, epoch=None):
        if epoch is None:
            epoch = self.last_epoch + 1
            self.step_in_cycle += 1
            if self.step_in_cycle >= self.cur_cycle_steps:
                self.cycle += 1
                self.step_in_cycle -= self.cur_cycle_steps
                self.cur_cycle_steps = self._length(self.cur_cycle_steps)
        else:
            self.cycle, self.cur_cycle_steps = 0, self.first_cycle_steps
            self.step_in_cycle = epoch
            while self.step_in_cycle >= self.cur_cycle_steps:
                self.step_in_cycle -= self.cur_cycle_steps
                self.cycle += 1
                if self.cycle_mult != 1.0:
                    self.cur_cycle_steps = self._length(self.cur_cycle_steps)
        self.max_lr = self.base_max_lr * self.gamma**self.cycle
        self.last_epoch = math.floor(epoch)
        for group, lr in zip(self.optimizer.param_groups, self.get_lr()):
            group["lr"] = lr
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]


class REXScheduler(LRScheduler):
    """Chen et al. 2021 (arXiv:2107.04197)."""

    def __init__(self, optimizer, total_steps, max_lr=1.0, min_lr=0.0):
        self.total_steps, self.max_lr, self.min_lr = total_steps, max_lr, min_lr
        self.step_t = 0
        self.last_lr = [max_lr]
        super().__init__(optimizer)
        for group in optimizer.param_groups:
            group["lr"] = min_lr
        self.base_lrs = [min_lr for _ in optimizer.param_groups]
        self._last_lr = list(self.base_lrs)

    def get_lr(self):
        return self.last_lr[0]

    def get_linear_lr(self):
        if self.step_t >= self.total_steps:
            return self.min_lr
        progress = self.step_t / self.total_steps
        return self.min_lr + (self.max_lr - self.min_lr) * (1.0 - progress) / (1.0 - progress / 2.0)

    def step(self, epoch=None):
        value = self.get_linear_lr()
        self.step_t += 1
        for group in self.optimizer.param_groups:
            group["lr"] = value
        self.last_lr = [value]
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]
        return value


def get_chebyshev_perm_steps(num_epochs):
    if num_epochs < 1:
        raise IndexError("num_epochs must be positive")
    small, big = 0.05, 1.0
    c, r = (big + small) / 2.0, (big - small) / 2.0
    order = [0]
    while len(order) < num_epochs - 2:
        n = len(order)
        order = [j for i in order for j in (i, 2 * n - 1 - i)]
    return [
        1.0 / (c - r * math.cos((i + 0.5) * math.pi / num_epochs)) for i in order if i < num_epochs
    ]


def _chebyshev(epoch, steps):
    return steps[min(max(epoch - 2, 0), len(steps) - 1)]


def get_chebyshev_schedule(optimizer, num_epochs, is_warmup=False, last_epoch=-1):
    """Goujaud et al. 2021 (arXiv:2010.13639), in permuted order."""
    power = 1
    while num_epochs > 1 and power <= num_epochs - 1:
        power *= 2
    steps = [1.0] if is_warmup else get_chebyshev_perm_steps(power)
    return LambdaLR(optimizer, partial(_chebyshev, steps=steps), last_epoch)


def _warmup_stable_decay(step, warmup, stable, decay, floor, cycles, cooldown):
    if step < warmup:
        return step / max(1, warmup)
    if step < warmup + stable:
        return 1.0
    if step >= warmup + stable + decay:
        return floor
    p = (step - warmup - stable) / decay
    if cooldown == "1-sqrt":
        return 1.0 - math.sqrt(p)
    if cooldown == "1-square":
        return 1.0 - p * p
    if cooldown == "linear":
        return 1.0 - p
    if cooldown == "cosine":
        return (1.0 - floor) * max(0.0, 0.5 * (1.0 + math.cos(math.pi * cycles * 2.0 * p))) + floor
    return floor


def get_wsd_schedule(
    optimizer, num_warmup_steps, num_stable_steps, num_decay_steps, min_lr_ratio=0.0,
    num_cycles=0.5, cooldown_type="1-sqrt", last_epoch=-1,
):
    """Warm up, stay, decay."""
    ratio = partial(
        _warmup_stable_decay, warmup=num_warmup_steps, stable=num_stable_steps,
        decay=num_decay_steps, floor=min_lr_ratio, cycles=num_cycles, cooldown=cooldown_type,
    )
    return LambdaLR(optimizer, ratio, last_epoch)


def deberta_v3_large_lr_scheduler(
    model, layer_low_threshold=195, layer_middle_threshold=323, head_param_start=390,
    base_lr=2e-5, head_lr=1e-4, wd=1e-2,
):
    """Layer-wise rates of DeBERTa-v3-large: one group a parameter, no decay for biases."""
    named = list(model.named_parameters())
    groups = []
    for index, (name, p) in enumerate(named[:head_param_start]):
        lr = base_lr
        if index >= layer_middle_threshold:
            lr = base_lr * 4
        elif index >= layer_low_threshold:
            lr = base_lr * 2
        groups.append({"params": p, "weight_decay": 0.0 if "bias" in name else wd, "lr": lr})
    groups.append({"params": [p for _, p in named[head_param_start:]], "lr": head_lr})
    return groups


_BY_NAME = {
    "constant": ConstantLR,
    "step": StepLR,
    "multi_step": MultiStepLR,
    "cyclic": CyclicLR,
    "multiplicative": MultiplicativeLR,
    "one_cycle": OneCycleLR,
    "cosine": CosineScheduler,
    "poly": PolyScheduler,
    "linear": LinearScheduler,
    "proportion": ProportionScheduler,
    "cosine_annealing": CosineAnnealingLR,
    "cosine_annealing_with_warmup": CosineAnnealingWarmupRestarts,
    "cosine_annealing_with_warm_restart": CosineAnnealingWarmRestarts,
    "chebyshev": get_chebyshev_schedule,
    "rex": REXScheduler,
    "warmup_stable_decay": get_wsd_schedule,
}


def load_lr_scheduler(lr_scheduler_name):
    name = lr_scheduler_name.lower()
    if name not in _BY_NAME:
        raise NotImplementedError(f"not implemented lr_scheduler {name}")
    return _BY_NAME[name]
