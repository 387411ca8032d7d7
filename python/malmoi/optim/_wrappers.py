"""Optimizers around any torch optimizer, native or not."""

import math
import random
from collections import defaultdict

import torch

from .functions import clip_grad_norm


def _in_range(value, name, low, high, closed_high=False):
    if not (low <= value <= high if closed_high else low <= value < high):
        raise ValueError(f"{name} must be in the range [{low}, {high})")


class _Around(torch.optim.Optimizer):
    """Shares parameter groups and state with the optimizer inside."""

    def __init__(self, optimizer, **kwargs):
        if not isinstance(optimizer, torch.optim.Optimizer):
            if "params" not in kwargs:
                raise ValueError("an optimizer class needs `params`")
            optimizer = optimizer(kwargs.pop("params"), **kwargs)
        self.optimizer = optimizer
        self.defaults = optimizer.defaults
        for name in ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks"):
            setattr(self, name, {})
        for patch in ("_patch_step_function", "_hook_for_profile"):
            if hasattr(self, patch):
                getattr(self, patch)()
                break

    @property
    def param_groups(self):
        return self.optimizer.param_groups

    @property
    def state(self):
        return self.optimizer.state

    def add_param_group(self, param_group):
        self.optimizer.add_param_group(param_group)

    def zero_grad(self, set_to_none=True):
        self.optimizer.zero_grad(set_to_none=set_to_none)

    def state_dict(self):
        return self.optimizer.state_dict()

    def load_state_dict(self, state_dict):
        self.optimizer.load_state_dict(state_dict)

    def _parameters(self):
        for g, group in enumerate(self.param_groups):
            for i, p in enumerate(group["params"]):
                yield (g, i), group, p

    def __repr__(self):
        return f"{type(self).__name__}({self.optimizer!r})"


def _unpack(saved, optimizer, what, complete):
    """State saved by position (or by tensor) for the tensors that are there now."""
    found = {}
    for key, _, p in optimizer._parameters():
        state = saved.get(key, saved.get(p))
        if state is not None:
            found[p] = {
                k: v.to(device=p.device, dtype=p.dtype).clone() if torch.is_tensor(v) else v
                for k, v in state.items()
            }
    total = sum(1 for _ in optimizer._parameters())
    if len(found) != len(saved) or (complete and len(found) != total):
        raise ValueError(f"{what} state does not match the current parameters")
    return found


class Lookahead(_Around):
    """Zhang et al. 2019: every k steps back towards slow parameters."""

    def __init__(self, optimizer, k=5, alpha=0.5, pullback_momentum="none", **kwargs):
        if k <= 0:
            raise ValueError("k must be positive")
        _in_range(alpha, "alpha", 0.0, 1.0)
        if pullback_momentum not in ("none", "reset", "pullback"):
            raise ValueError("pullback_momentum must be one of none, reset or pullback")
        super().__init__(optimizer, **kwargs)
        self.k, self.alpha, self.pullback_momentum = k, alpha, pullback_momentum
        self.slow = defaultdict(dict)
        for group in self.param_groups:
            self._open(group)
        self.defaults = {
            "lookahead_alpha": alpha,
            "lookahead_k": k,
            "lookahead_pullback_momentum": pullback_momentum,
            **self.optimizer.defaults,
        }

    @property
    def state(self):
        return self.slow

    def _open(self, group):
        group.setdefault("counter", 0)
        for p in group["params"]:
            self.slow[p].setdefault("slow_params", p.detach().clone())
            if self.pullback_momentum == "pullback":
                self.slow[p].setdefault("slow_momentum", torch.zeros_like(p))

    def add_param_group(self, param_group):
        super().add_param_group(param_group)
        self._open(self.param_groups[-1])

    @torch.no_grad()
    def backup_and_load_cache(self):
        for _, _, p in self._parameters():
            self.slow[p]["backup_params"] = p.detach().clone()
            p.copy_(self.slow[p]["slow_params"])

    @torch.no_grad()
    def clear_and_load_backup(self):
        for _, _, p in self._parameters():
            p.copy_(self.slow[p].pop("backup_params"))

    @torch.no_grad()
    def _pull(self, p):
        state = self.slow[p]
        p.lerp_(state["slow_params"], 1.0 - self.alpha)
        state["slow_params"].copy_(p)
        inner = self.optimizer.state[p]
        if self.pullback_momentum == "pullback":
            buffer = inner.setdefault("momentum_buffer", torch.zeros_like(p))
            buffer.lerp_(state["slow_momentum"], 1.0 - self.alpha)
            state["slow_momentum"].copy_(buffer)
        elif self.pullback_momentum == "reset":
            inner["momentum_buffer"] = torch.zeros_like(p)

    def step(self, closure=None):
        loss = self.optimizer.step(closure)
        for group in self.param_groups:
            group["counter"] += 1
            if group["counter"] >= self.k:
                group["counter"] = 0
                for p in group["params"]:
                    if p.grad is not None:
                        self._pull(p)
        return loss

    def state_dict(self):
        saved = {key: dict(self.slow[p]) for key, _, p in self._parameters() if p in self.slow}
        return {"lookahead_state": saved, "base_optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state_dict):
        slow = _unpack(state_dict["lookahead_state"], self, "lookahead", True)
        self.optimizer.load_state_dict(state_dict["base_optimizer"])
        self.slow = defaultdict(dict, slow)


class OrthoGrad(_Around):
    """Gradients orthogonal to their parameters, with their norm kept."""

    def __init__(self, optimizer, foreach=None, **kwargs):
        super().__init__(optimizer, **kwargs)
        self.eps = 1e-30

    @torch.no_grad()
    def _project(self):
        for _, _, p in self._parameters():
            if p.grad is None or p.grad.is_sparse or p.is_complex():
                continue
            dtype = torch.float64 if p.dtype == torch.float64 else torch.float32
            w, g = p.reshape(-1).to(dtype), p.grad.reshape(-1).to(dtype)
            rest = g - w * (torch.dot(w, g) / (torch.dot(w, w) + self.eps))
            norm, left = g.norm(2), rest.norm(2)
            if left <= 4.0 * torch.finfo(dtype).eps * norm:
                rest.zero_()
            p.grad.copy_((rest * (norm / (left + self.eps))).view_as(p.grad))

    def step(self, closure=None):
        if closure is None:
            self._project()
            return self.optimizer.step()

        def projected():
            with torch.enable_grad():
                loss = closure()
            self._project()
            return loss

        return self.optimizer.step(projected)


class ScheduleFreeWrapper(_Around):
    """Defazio et al. 2024 around any optimizer; call train() before training, eval() before use."""

    def __init__(
        self, optimizer, momentum=0.9, weight_decay=0.0, r=0.0, weight_lr_power=2.0,
        maximize=False, **kwargs,
    ):
        if not 0.0 < momentum < 1.0:
            raise ValueError("momentum must be in the range (0.0, 1.0)")
        if weight_decay < 0:
            raise ValueError("weight_decay must be non-negative")
        super().__init__(optimizer, **kwargs)
        self.momentum, self.weight_decay, self.r = momentum, weight_decay, r
        self.weight_lr_power, self.maximize = weight_lr_power, maximize
        self.train_mode = False
        self.averages = defaultdict(dict)

    @property
    def state(self):
        return self.averages

    @torch.no_grad()
    def _move(self, weight):
        for _, _, p in self._parameters():
            if "z" in self.averages[p]:
                p.lerp_(self.averages[p]["z"], weight)

    def eval(self):
        if self.train_mode:
            self._move(1.0 - 1.0 / self.momentum)
        self.train_mode = False

    def train(self):
        if not self.train_mode:
            self._move(1.0 - self.momentum)
        self.train_mode = True

    @torch.no_grad()
    def step(self, closure=None):
        if not self.train_mode:
            raise ValueError(
                "optimizer was not in train mode when step is called. call .train() before training"
            )
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            group["step"] = group.get("step", 0) + 1
        for _, group, p in self._parameters():
            if p.grad is None:
                continue
            if self.maximize:
                p.grad.neg_()
            state = self.averages[p]
            z = state.setdefault("z", p.clone())
            decay = self.weight_decay * group["lr"]
            z.mul_(1.0 - decay)
            p.mul_(1.0 - decay * (1.0 - self.momentum))
            p.lerp_(z, 1.0 - 1.0 / self.momentum)
            x = p.clone()
            p.copy_(z)
            z.copy_(x)
        self.optimizer.step()
        for group in self.param_groups:
            lr = group["lr"] * group.get("d", 1.0)
            group["lr_max"] = max(lr, group.get("lr_max", 0))
            weight = group["step"] ** self.r * group["lr_max"] ** self.weight_lr_power
            group["weight_sum"] = group.get("weight_sum", 0.0) + weight
            share = weight / group["weight_sum"] if group["weight_sum"] else 0.0
            for p in group["params"]:
                if p.grad is None:
                    continue
                z = self.averages[p]["z"]
                x = p.clone()
                p.copy_(z)
                z.copy_(x)
                p.lerp_(z, share)
                p.lerp_(z, 1.0 - self.momentum)
        return loss

    def state_dict(self):
        saved = {k: dict(self.averages[p]) for k, _, p in self._parameters() if p in self.averages}
        return {
            "schedulefree_state": saved,
            "base_optimizer": self.optimizer.state_dict(),
            "train_mode": self.train_mode,
        }

    def load_state_dict(self, state_dict):
        found = _unpack(state_dict["schedulefree_state"], self, "schedule-free", False)
        self.optimizer.load_state_dict(state_dict["base_optimizer"])
        self.averages = defaultdict(dict, found)
        self.train_mode = state_dict.get("train_mode", self.train_mode)


def _imaginary_erf(x):
    """erf(ix)/i by its series, which has no cancellation."""
    term = total = x
    n = 1
    while abs(term) > 1e-17 * abs(total) and n < 4000:
        term = term * x * x / n
        total += term / (2 * n + 1)
        n += 1
    return 2.0 / math.sqrt(math.pi) * total


class TRAC(_Around):
    """Muppidi et al. 2024: the distance from the start is scaled by a tuner without a rate."""

    def __init__(
        self, optimizer, betas=(0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999), num_coefs=128,
        s_prev=1e-8, eps=1e-8, **kwargs,
    ):
        if num_coefs <= 0:
            raise ValueError("num_coefs must be positive")
        if s_prev < 0 or eps < 0:
            raise ValueError("s_prev and eps must be non-negative")
        super().__init__(optimizer, **kwargs)
        self.betas, self.s_prev, self.eps = tuple(betas), s_prev, eps
        self.trac = None

    @torch.no_grad()
    def step(self, closure=None):
        before = {p: p.clone() for _, _, p in self._parameters()}
        grads = {}

        def remember():
            for p in before:
                grads[p] = None if p.grad is None else p.grad.clone()

        if closure is None:
            remember()
            loss = self.optimizer.step()
        else:

            def evaluated():
                with torch.enable_grad():
                    value = closure()
                remember()
                return value

            loss = self.optimizer.step(evaluated)
        n = len(self.betas)
        if self.trac is None:
            self.trac = {"s": 0.0, "variance": [0.0] * n, "sigma": [1e-8] * n, "step": 0}
            self.trac["start"] = {p: t.clone() for p, t in before.items()}
        t = self.trac
        t["step"] += 1
        moves, h = {}, 0.0
        for p, old in before.items():
            if grads.get(p) is None:
                continue
            move = (old - t["start"][p]) / (t["s"] + self.eps)
            h += torch.dot(move.flatten(), grads[p].flatten()).item()
            moves[p] = move.add_(p - old)
        factor = self.s_prev / _imaginary_erf(1.0 / math.sqrt(2.0))
        t["s"] = 0.0
        for i, beta in enumerate(self.betas):
            t["variance"][i] = t["variance"][i] * beta * beta + h * h
            t["sigma"][i] = t["sigma"][i] * beta - h
            x = t["sigma"][i] / (math.sqrt(2.0 * t["variance"][i]) + self.eps)
            t["s"] += _imaginary_erf(x) * factor
        for p, move in moves.items():
            p.copy_(t["start"][p] + move * max(t["s"], 0.0))
        return loss

    def state_dict(self):
        saved = self.optimizer.state_dict()
        if self.trac is not None:
            trac = {
                "betas": torch.tensor(self.betas),
                "s": torch.tensor([self.trac["s"]]),
                "variance": torch.tensor(self.trac["variance"]),
                "sigma": torch.tensor(self.trac["sigma"]),
                "step": self.trac["step"],
            }
            for i, (_, _, p) in enumerate(self._parameters()):
                trac[i] = self.trac["start"][p]
            saved = {**saved, "state": {**saved["state"], "trac": trac}}
        return saved

    def load_state_dict(self, state_dict):
        state = dict(state_dict["state"])
        trac = state.pop("trac", None)
        if trac is not None:
            tensors = [p for _, _, p in self._parameters()]
            start = {p: trac.get(i, trac.get(p)) for i, p in enumerate(tensors)}
            if any(s is None or s.shape != p.shape for p, s in start.items()):
                raise ValueError("TRAC state does not match the current parameters")
            self.trac = {
                "s": float(trac["s"]),
                "variance": trac["variance"].tolist(),
                "sigma": trac["sigma"].tolist(),
                "step": trac["step"],
                "start": {p: s.to(p).clone() for p, s in start.items()},
            }
        self.optimizer.load_state_dict({**state_dict, "state": state})


class PCGrad(_Around):
    """Yu et al. 2020 (arXiv:2001.06782): conflicting gradients of several losses are projected."""

    def __init__(self, optimizer, reduction="mean"):
        if reduction not in ("mean", "sum"):
            raise ValueError("reduction must be one of mean or sum")
        super().__init__(optimizer)
        self.reduction = reduction

    def step(self, closure=None):
        return self.optimizer.step(closure)

    def pc_backward(self, objectives):
        tensors = [p for _, _, p in self._parameters()]
        grads, present = [], []
        for objective in objectives:
            self.optimizer.zero_grad(set_to_none=True)
            objective.backward(retain_graph=True)
            zeros = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in tensors]
            grads.append(torch.cat([z.flatten() for z in zeros]))
            here = [torch.full_like(p, float(p.grad is not None)) for p in tensors]
            present.append(torch.cat([h.flatten() for h in here]))
        projected = [g.clone() for g in grads]
        for mine in projected:
            random.shuffle(grads)
            for other in grads:
                tiny = torch.finfo(other.dtype).tiny
                along = torch.dot(mine, other).clamp_max(0.0) / other.square().sum().clamp_min(tiny)
                mine.sub_(along * other)
        merged = torch.stack(projected).sum(0)
        if self.reduction == "mean":
            shared = torch.stack(present).prod(0).bool()
            merged = torch.where(shared, merged / len(projected), merged)
        used = torch.stack(present).sum(0)
        offset = 0
        for p in tensors:
            piece = slice(offset, offset + p.numel())
            p.grad = merged[piece].view_as(p).clone() if used[piece].any() else None
            offset += p.numel()


class DynamicLossScaler:
    """A loss scale that falls at overflows and rises after a window without."""

    def __init__(
        self, init_scale=2.0**15, scale_factor=2.0, scale_window=2000, tolerance=0.0,
        threshold=None,
    ):
        self.loss_scale, self.scale_factor = init_scale, scale_factor
        self.scale_window, self.tolerance, self.threshold = scale_window, tolerance, threshold
        self.iter = 0
        self.last_overflow_iter = self.last_rescale_iter = -1
        self.overflows_since_rescale = 0

    def decrease_loss_scale(self):
        self.loss_scale /= self.scale_factor
        if self.threshold is not None:
            self.loss_scale = max(self.loss_scale, self.threshold)

    def update_scale(self, overflow):
        if overflow:
            since = self.iter - self.last_rescale_iter
            self.last_overflow_iter = self.iter
            self.overflows_since_rescale += 1
            if self.overflows_since_rescale / since >= self.tolerance:
                self.decrease_loss_scale()
                self.last_rescale_iter = self.iter
                self.overflows_since_rescale = 0
        elif (self.iter - self.last_overflow_iter) % self.scale_window == 0:
            self.loss_scale *= self.scale_factor
            self.last_rescale_iter = self.iter
        self.iter += 1


class SafeFP16Optimizer(_Around):
    """f32 masters of half-precision parameters, and a scaled loss."""

    def __init__(self, optimizer, aggregate_g_norms=False, min_loss_scale=2**-5):
        if len(optimizer.param_groups) != 1:
            raise NotImplementedError("SafeFP16Optimizer takes one parameter group")
        super().__init__(optimizer)
        self.aggregate_g_norms, self.min_loss_scale = aggregate_g_norms, min_loss_scale
        self.fp16_params = list(optimizer.param_groups[0]["params"])
        self.fp32_params = [
            torch.nn.Parameter(p.detach().float().clone(), requires_grad=p.requires_grad)
            for p in self.fp16_params
        ]
        optimizer.param_groups[0]["params"] = self.fp32_params
        self.scaler = DynamicLossScaler(2.0**15)
        self.needs_sync = True

    @property
    def loss_scale(self):
        return self.scaler.loss_scale

    def backward(self, loss, update_main_grads=False):
        (loss * self.scaler.loss_scale).backward()
        self.needs_sync = True
        if update_main_grads:
            self.update_main_grads()

    @torch.no_grad()
    def update_main_grads(self, factor=1.0):
        if not self.needs_sync:
            return
        for half, full in zip(self.fp16_params, self.fp32_params):
            full.grad = None
            if half.requires_grad and half.grad is not None:
                full.grad = half.grad.float().mul_(factor / self.scaler.loss_scale)
        self.needs_sync = False

    def multiply_grads(self, c):
        if self.needs_sync:
            self.update_main_grads(c)
            return
        for p in self.fp32_params:
            if p.grad is not None:
                p.grad.mul_(c)

    def clip_main_grads(self, max_norm):
        self.update_main_grads()
        norm = clip_grad_norm(self.fp32_params, max_norm, sync=self.aggregate_g_norms)
        overflow = not bool(torch.isfinite(norm))
        before = self.scaler.loss_scale
        self.scaler.update_scale(overflow)
        if overflow:
            self.zero_grad()
            if self.scaler.loss_scale <= self.min_loss_scale:
                self.scaler.loss_scale = before
                raise FloatingPointError(
                    f"Minimum loss scale reached ({self.min_loss_scale}): the loss is probably "
                    "exploding. Lower the learning rate, clip gradients or enlarge the batch."
                )
        return norm

    @torch.no_grad()
    def step(self, closure=None):
        self.update_main_grads()
        self.optimizer.step(closure)
        for half, full in zip(self.fp16_params, self.fp32_params):
            if half.requires_grad:
                half.copy_(full)

    def zero_grad(self, set_to_none=True):
        for p in (*self.fp16_params, *self.fp32_params):
            p.grad = None
        self.needs_sync = False

    def get_lr(self):
        return self.param_groups[0]["lr"]

    def set_lr(self, lr):
        for group in self.param_groups:
            group["lr"] = lr

    def state_dict(self):
        return {
            **self.optimizer.state_dict(),
            "fp32_params": [p.detach().clone() for p in self.fp32_params],
            "loss_scaler": self.scaler.loss_scale,
        }

    def load_state_dict(self, state_dict):
        masters = state_dict.get("fp32_params", self.fp32_params)
        if len(masters) != len(self.fp32_params):
            raise ValueError("master weights do not match the current parameters")
        self.scaler.loss_scale = state_dict.get("loss_scaler", self.scaler.loss_scale)
        self.optimizer.load_state_dict({k: state_dict[k] for k in ("state", "param_groups")})
        with torch.no_grad():
            for p, saved in zip(self.fp32_params, masters):
                p.copy_(saved)


class CPUOffloadOptimizer:
    """Optimizer state and step on the host for parameters anywhere.

    Gradients are copied to pinned host memory, the step runs there, the parameters are copied
    back. On a host without an accelerator it is the optimizer itself.
    """

    def __init__(self, params, optimizer_class=torch.optim.AdamW, *, offload_gradients=False,
                 **kwargs):
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        self.offload_gradients = offload_gradients
        self.pairs = []
        hosts = []
        for group in groups:
            copies = [self._host(p) for p in group["params"]]
            self.pairs += list(zip(group["params"], copies))
            hosts.append({**group, "params": copies})
        self.optimizer = optimizer_class(hosts, **kwargs)

    @staticmethod
    def _host(p):
        if p.device.type == "cpu":
            return p
        host = torch.empty_like(p, device="cpu", pin_memory=p.device.type == "cuda")
        host.copy_(p.detach())
        return host.requires_grad_(p.requires_grad)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        away = [(p, host) for p, host in self.pairs if p is not host]
        for p, host in away:
            host.grad = None if p.grad is None else p.grad.to("cpu", non_blocking=True)
            if self.offload_gradients:
                p.grad = None
        if away and torch.cuda.is_available():
            torch.cuda.synchronize()
        self.optimizer.step()
        for p, host in away:
            if host.grad is not None:
                p.copy_(host, non_blocking=True)
        return loss

    def zero_grad(self, set_to_none=True):
        for p, _ in self.pairs:
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad.zero_()

    @property
    def param_groups(self):
        return self.optimizer.param_groups

    def state_dict(self):
        return self.optimizer.state_dict()

    def load_state_dict(self, state_dict):
        self.optimizer.load_state_dict(state_dict)
