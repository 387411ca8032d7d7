"""Steps inside the backward pass: each gradient is used as it arrives and freed.

`FusedBackward` serves any optimizer; LOMO and AdaLOMO have no other way to step in the reference.
"""

import torch

from . import _library
from ._adapter import MalmoiOptimizer


def after_accumulation(p, call):
    """Calls call(p) once the gradient of p is complete; returns what undoes it."""
    if hasattr(p, "register_post_accumulate_grad_hook"):
        return p.register_post_accumulate_grad_hook(call), None
    node = p.expand_as(p).grad_fn.next_functions[0][0]  # torch < 2.1: the node that accumulates.
    return node.register_hook(lambda *_: call(p)), node  # Kept: the hook lives as long as it.


class FusedBackward:
    """Context manager: inside it, loss.backward() steps each parameter and frees its gradient.

        with FusedBackward(optimizer):
            loss.backward()

    Optimizers that couple tensors (a norm over all of them) keep the gradients to the end.
    """

    def __init__(self, optimizer):
        self.optimizer, self._hooks = optimizer, []

    def __enter__(self):
        o = self.optimizer
        o.begin_step()
        for group in o.param_groups:
            self._hooks += [
                after_accumulation(p, o.step_param) for p in group["params"] if p.requires_grad
            ]
        return o

    def __exit__(self, kind, value, trace):
        for hook, _ in self._hooks:
            hook.remove()
        self._hooks = []
        self.optimizer.end_step()
        return False


class LOMO(MalmoiOptimizer):
    """Hooks at every parameter step it during backward with the rate of `fused_backward`."""

    def _start(self, model, options):
        if options.get("clip_grad_value") is not None and options["clip_grad_value"] < 0:
            raise ValueError("clip_grad_value must be non-negative")
        if options.get("clip_grad_norm") is not None and options["clip_grad_norm"] < 0:
            raise ValueError("clip_grad_norm must be non-negative")
        super()._start(model, options)
        self.model, self.lr = model, options["lr"]
        self.clip_grad_norm = options.get("clip_grad_norm")
        self.clip_coef, self.gather_norm, self.grad_norms = None, False, []
        self.num_steps = 0
        self.loss_scaler = None
        first = next(iter(model.parameters()))
        if self._name == "lomo" and first.dtype is torch.float16:
            from ._wrappers import DynamicLossScaler

            if self.clip_grad_norm is None:
                raise ValueError(
                    "loss scaling is recommended to be used with grad norm to get better performance."
                )
            self.loss_scaler = DynamicLossScaler(init_scale=2.0**16)
        self._overflow = False
        self._hooks = [after_accumulation(p, self._arrived) for p in model.parameters()
                       if p.requires_grad]

    @property
    def loss_scale(self):
        return self.loss_scaler.loss_scale if self.loss_scaler else self.defaults.get("loss_scale")

    def _scaled(self, loss):
        return loss * self.loss_scale if self.loss_scale else loss

    @torch.no_grad()
    def _arrived(self, p):
        if p.grad is None:
            return
        checks = self._name == "lomo"  # AdaLOMO takes what comes, as the reference does.
        if checks and (self._overflow or not bool(torch.isfinite(p.grad).all())):
            p.grad = None
            self._overflow = self.loss_scaler is not None
            return
        if self.gather_norm:
            self.grad_norms.append(torch.norm(p.grad.float() / (self.loss_scale or 1.0), 2.0))
            p.grad = None
            return
        if not self._stepping:
            self.begin_step(grad_scale=1.0 / (self.loss_scale or 1.0))
            own, self._stepping = True, True
        else:
            own = False
        self.step_param(p)
        if own:
            self.end_step()

    def begin_step(self, grad_scale=1.0):
        for group in self.param_groups:
            group["lr"] = self.lr
        self._stepping = True
        super().begin_step(grad_scale)

    def end_step(self):
        super().end_step()
        self._stepping = False

    _stepping = False

    def fused_backward(self, loss, lr):
        """Backward with a step of every parameter as its gradient arrives."""
        self.lr = lr
        clips = self.clip_grad_norm is not None and self.clip_grad_norm > 0.0
        if clips and self.clip_coef is None and self._name == "lomo":
            raise ValueError(
                "clip_grad_norm is not None, but clip_coef is None. "
                "Please call optimizer.grad_norm() before optimizer.fused_backward()."
            )
        self.num_steps += 1
        if self._engine is None:
            self._build()
        # Not one norm for the step: what grad_norm() measured, or nothing.
        coef = float(self.clip_coef) if clips and self.clip_coef is not None else 1.0
        self._set_group_values({"clip_coef": coef})
        self.begin_step(grad_scale=1.0 / (self.loss_scale or 1.0))
        try:
            self._scaled(loss).backward()
        finally:
            self.end_step()

    def grad_norm(self, loss):
        """A backward pass that only measures the norm for the next fused_backward."""
        self.gather_norm, self.grad_norms, self._overflow = True, [], False
        self._scaled(loss).backward(retain_graph=True)
        if self._overflow:
            self.loss_scaler.update_scale(overflow=True)
            for p in self.model.parameters():
                p.grad = None
            return
        with torch.no_grad():
            total = torch.norm(torch.stack(self.grad_norms), 2.0)
            self.clip_coef = torch.clamp(float(self.clip_grad_norm) / (total + 1e-6), max=1.0)
        self.gather_norm = False

    # AdaLOMO's states lie beside the usual ones, by the parameter's name in the model.

    def state_dict(self):
        state = super().state_dict()
        if self._name != "adalomo":
            return state
        out = {**state, "state": {}, "num_steps": self.num_steps}
        tables = {k: {} for k in ("exp_avg_sq", "exp_avg_sq_row", "exp_avg_sq_col")}
        for i, (name, p) in enumerate(self.model.named_parameters()):
            known = state["state"].get(i)
            if not known:
                wide = p.dim() != 1
                known = {"exp_avg_sq": torch.zeros(p.shape[0])} if not wide else {
                    "exp_avg_sq_row": torch.zeros(p.shape[0]),
                    "exp_avg_sq_col": torch.zeros(p.shape[1]),
                }
            for key, value in known.items():
                if key in tables:
                    tables[key][name] = value
        return {**out, **tables}

    def load_state_dict(self, state_dict):
        if self._name != "adalomo" or "num_steps" not in state_dict:
            return super().load_state_dict(state_dict)
        states = {}
        for i, (name, _) in enumerate(self.model.named_parameters()):
            states[i] = {
                key: state_dict[key][name].float()
                for key in ("exp_avg_sq", "exp_avg_sq_row", "exp_avg_sq_col")
                if name in state_dict.get(key, {})
            }
        self.num_steps = state_dict["num_steps"]
        groups = [{**g, "step": self.num_steps} for g in state_dict["param_groups"]]
        super().load_state_dict({"state": states, "param_groups": groups})
