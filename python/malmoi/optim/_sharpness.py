"""Sharpness-aware minimisation around any torch optimizer: SAM and its relatives."""

from collections import defaultdict

import torch

from .exceptions import NoClosureError
from .functions import (
    centralize_gradient,
    disable_running_stats,
    enable_running_stats,
    get_global_gradient_norm,
)


class _Sharpness(torch.optim.Optimizer):
    """SAM and its relatives: a base optimizer steps with gradients taken at a perturbed point."""

    def __init__(self, params, base_optimizer, defaults, **kwargs):
        super().__init__(params, {**defaults, **kwargs})
        if isinstance(base_optimizer, torch.optim.Optimizer):
            self.base_optimizer = base_optimizer
        else:
            self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups
        self.memory = defaultdict(dict)

    def _active(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    yield group, p

    @torch.no_grad()
    def _climb(self, norm, rho=None, adaptive=None):
        for group, p in self._active():
            scale = (group["rho"] if rho is None else rho) / norm
            squared = group["adaptive"] if adaptive is None else adaptive
            e = (p.square() if squared else 1.0) * p.grad * scale.to(p)
            self.memory[p]["old_p"] = p.clone()
            self.memory[p]["e_w"] = e
            p.add_(e)

    @torch.no_grad()
    def _return(self, exact=True):
        for p, kept in self.memory.items():
            if "old_p" in kept:
                old, e = kept.pop("old_p"), kept.pop("e_w")
                p.copy_(old) if exact else p.sub_(e)

    def _norm(self):
        return get_global_gradient_norm(self.param_groups, weight_adaptive=True).sqrt_().squeeze(0)

    def _evaluate(self, closure):
        with torch.enable_grad():
            return closure()

    @torch.no_grad()
    def step(self, closure=None):
        if closure is None:
            raise NoClosureError(type(self).__name__)
        self.first_step(zero_grad=True)
        self._evaluate(closure)
        self.second_step()

    def state_dict(self):
        return {**super().state_dict(), "base_optimizer": self.base_optimizer.state_dict()}

    def load_state_dict(self, state_dict):
        base = state_dict.get("base_optimizer")
        self.base_optimizer.load_state_dict(
            base if base is not None else {k: state_dict[k] for k in ("state", "param_groups")}
        )
        self.param_groups = self.base_optimizer.param_groups


def _non_negative(**values):
    for name, value in values.items():
        if value < 0:
            raise ValueError(f"{name} must be non-negative")


class SAM(_Sharpness):
    def __init__(
        self, params, base_optimizer, rho=0.05, adaptive=False, use_gc=False, perturb_eps=1e-12,
        foreach=None, **kwargs,
    ):
        _non_negative(rho=rho, perturb_eps=perturb_eps)
        self.use_gc, self.perturb_eps = use_gc, perturb_eps
        super().__init__(params, base_optimizer, {"rho": rho, "adaptive": adaptive}, **kwargs)

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        norm = self._norm().add_(self.perturb_eps)
        if self.use_gc:
            for _, p in self._active():
                centralize_gradient(p.grad)
        self._climb(norm)
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        self._return()
        self.base_optimizer.step()
        if zero_grad:
            self.zero_grad()

    def state_dict(self):
        return self.base_optimizer.state_dict()


class FriendlySAM(_Sharpness):
    def __init__(
        self, params, base_optimizer, rho=0.05, sigma=1.0, lmbda=0.9, adaptive=False,
        perturb_eps=1e-12, foreach=None, **kwargs,
    ):
        _non_negative(rho=rho, sigma=sigma, lmbda=lmbda, perturb_eps=perturb_eps)
        self.perturb_eps, self.sigma, self.lmbda = perturb_eps, sigma, lmbda
        super().__init__(params, base_optimizer, {"rho": rho, "adaptive": adaptive}, **kwargs)

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        for _, p in self._active():
            kept = self.memory[p]
            raw = p.grad.clone()
            if "momentum" not in kept:
                kept["momentum"] = raw
                continue
            p.grad.sub_(kept["momentum"], alpha=self.sigma)
            kept["momentum"].lerp_(raw, 1.0 - self.lmbda)
        self._climb(self._norm().add_(self.perturb_eps))
        if zero_grad:
            self.zero_grad()

    second_step = SAM.second_step


class LookSAM(_Sharpness):
    def __init__(
        self, params, base_optimizer, rho=0.1, k=10, alpha=0.7, adaptive=False, use_gc=False,
        perturb_eps=1e-12, foreach=None, **kwargs,
    ):
        _non_negative(rho=rho, perturb_eps=perturb_eps)
        if k <= 0:
            raise ValueError("k must be positive")
        if not 0.0 < alpha < 1.0:
            raise ValueError("alpha must be in the range (0.0, 1.0)")
        self.k, self.alpha, self.use_gc, self.perturb_eps = k, alpha, use_gc, perturb_eps
        super().__init__(params, base_optimizer, {"rho": rho, "adaptive": adaptive}, **kwargs)

    def get_step(self):
        return self.param_groups[0].get("looksam_step", 0)

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        if self.get_step() % self.k == 0:
            norm = self._norm().add_(self.perturb_eps)
            for _, p in self._active():
                if self.use_gc:
                    centralize_gradient(p.grad)
                self.memory[p]["first"] = p.grad.clone()
            self._climb(norm)
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        step = self.get_step()
        self._return()
        for _, p in self._active():
            kept = self.memory[p]
            norm = p.grad.norm(2)
            first = kept.pop("first", None)
            if step % self.k == 0 and first is not None:
                unit = first / first.norm(2).clamp_min(self.perturb_eps)
                along = torch.sum(unit * (p.grad / norm.clamp_min(self.perturb_eps)))
                kept["gv"] = p.grad - norm * along * unit
            elif step % self.k != 0 and "gv" in kept:
                p.grad.add_(norm / (kept["gv"].norm(2) + 1e-8) * kept["gv"], alpha=self.alpha)
        self.base_optimizer.step()
        for group in self.param_groups:
            group["looksam_step"] = step + 1
        if zero_grad:
            self.zero_grad()


class WSAM(_Sharpness):
    def __init__(
        self, model, params, base_optimizer, rho=0.05, gamma=0.9, adaptive=False, decouple=True,
        max_norm=None, eps=1e-12, foreach=None, **kwargs,
    ):
        _non_negative(rho=rho)
        self.model, self.decouple, self.max_norm = model, decouple, max_norm
        defaults = {
            "rho": rho, "alpha": gamma / (1.0 - gamma), "adaptive": adaptive, "sam_eps": eps
        }
        super().__init__(params, base_optimizer, defaults, **kwargs)

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        for _, p in self._active():
            self.memory[p]["first"] = p.grad.clone()
        self._climb(self._norm() + self.param_groups[0]["sam_eps"])
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        self._return(exact=False)
        if self.max_norm is not None:
            torch.nn.utils.clip_grad_norm_([p for _, p in self._active()], self.max_norm)
        sharpness = {}
        for group, p in self._active():
            first = self.memory[p].pop("first", None)
            first = torch.zeros_like(p.grad) if first is None else first
            if self.decouple:
                sharpness[p] = p.grad - first
                p.grad.copy_(first)
            else:
                p.grad.lerp_(first, 1.0 - group["alpha"])
        self.base_optimizer.step()
        for group, p in self._active():
            if p in sharpness:
                p.add_(sharpness[p], alpha=-group["lr"] * group["alpha"])
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def step(self, closure=None):
        if closure is None:
            raise NoClosureError(type(self).__name__)
        enable_running_stats(self.model)
        loss = self._evaluate(closure)
        self.first_step(zero_grad=True)
        disable_running_stats(self.model)
        self._evaluate(closure)
        self.second_step()
        return loss


class GSAM(_Sharpness):
    def __init__(
        self, params, base_optimizer, model, rho_scheduler, alpha=0.4, adaptive=False,
        perturb_eps=1e-12, foreach=None, **kwargs,
    ):
        if not 0.0 <= alpha < 1.0:
            raise ValueError("alpha must be in the range [0.0, 1.0)")
        self.model, self.rho_scheduler, self.alpha = model, rho_scheduler, alpha
        self.adaptive, self.perturb_eps = adaptive, perturb_eps
        self.forward_backward_func = None
        super().__init__(params, base_optimizer, {"adaptive": adaptive}, **kwargs)
        self.update_rho_t()

    def update_rho_t(self):
        self.rho_t = self.rho_scheduler.step()
        return self.rho_t

    def set_closure(self, loss_fn, inputs, targets, **kwargs):
        def evaluate():
            self.base_optimizer.zero_grad()
            with torch.enable_grad():
                outputs = self.model(inputs)
                loss = loss_fn(outputs, targets, **kwargs)
            loss.backward()
            return outputs, loss.detach()

        self.forward_backward_func = evaluate

    @torch.no_grad()
    def step(self, closure=None):
        evaluate = closure or self.forward_backward_func
        if evaluate is None:
            raise NoClosureError(type(self).__name__)
        outputs, loss = self._evaluate(evaluate)
        norms = [(p.abs() * p.grad if self.adaptive else p.grad).norm() for _, p in self._active()]
        first = {p: p.grad.clone() for _, p in self._active()}
        self._climb(torch.stack(norms).norm() + self.perturb_eps, self.rho_t, self.adaptive)
        disable_running_stats(self.model)
        self._evaluate(evaluate)
        new = get_global_gradient_norm(self.param_groups).sqrt_().squeeze(0)
        old = torch.stack([g.norm() for g in first.values()]).norm()
        inner = sum((first[p] * p.grad).sum() for _, p in self._active() if p in first)
        cosine = inner / (new * old + self.perturb_eps)
        for _, p in self._active():
            vertical = first.get(p, torch.zeros_like(p)) - cosine * old * p.grad / (
                new + self.perturb_eps
            )
            p.grad.add_(vertical, alpha=-self.alpha)
        self._return(exact=False)
        self.base_optimizer.step()
        enable_running_stats(self.model)
        return outputs, loss
