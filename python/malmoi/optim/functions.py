"""Helpers on gradients and models, under the reference's names."""

import math

import torch
from torch.nn.modules.batchnorm import _BatchNorm


def unit_norm(x, norm=2.0):
    """The norm of each output unit: of everything but the first dimension, kept."""
    if x.dim() <= 1:
        return x.norm(p=norm)
    dims = 1 if x.dim() in (2, 3) else tuple(range(1, x.dim()))
    return x.norm(p=norm, dim=dims, keepdim=True)


def agc(p, grad, agc_eps=1e-3, agc_clip_val=1e-2, eps=1e-6):
    """Adaptive gradient clipping (Brock et al. 2021): unit by unit, relative to the weights."""
    limit = unit_norm(p).clamp_min(agc_eps) * agc_clip_val
    norm = unit_norm(grad).clamp_min(eps)
    return torch.where(norm > limit, grad * (limit / norm), grad)


def centralize_gradient(grad, gc_conv_only=False):
    """Takes the mean over all but the first dimension out, in place."""
    for g in [grad] if isinstance(grad, torch.Tensor) else grad:
        if g.dim() > (3 if gc_conv_only else 1):
            g.sub_(g.mean(dim=tuple(range(1, g.dim())), keepdim=True))


def normalize_gradient(x, use_channels=False, epsilon=1e-8):
    """Divides by the standard deviation, of each channel or of all, in place."""
    if x.dim() > 1 and use_channels:
        if math.prod(x.shape[1:]) > 1:
            x.div_(x.std(dim=tuple(range(1, x.dim())), keepdim=True).add_(epsilon))
    elif x.numel() > 2:
        x.div_(x.std().add_(epsilon))


@torch.no_grad()
def get_global_gradient_norm(param_groups, device=None, *, weight_adaptive=False):
    """The squared norm over all gradients, as one number in f32."""
    total = torch.zeros(1, dtype=torch.float32, device=device)
    for group in param_groups or []:
        for p in group["params"]:
            if p.grad is None:
                continue
            g = p.grad.float() if p.grad.dtype in (torch.float16, torch.bfloat16) else p.grad
            if weight_adaptive and group.get("adaptive", False):
                g = g * p.abs()
            total += g.norm().float().square().to(total.device)
    return total


def clip_grad_norm(parameters, max_norm=0.0, sync=False):
    """The gradients' norm, to which they are clipped where max_norm > 0."""
    if parameters is None:
        raise ValueError("parameters cannot be None.")
    parameters = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
    if max_norm > 0 and not sync:
        return torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    square = get_global_gradient_norm([{"params": parameters}])
    if sync:
        torch.distributed.all_reduce(square)
    norm = square.sqrt_().squeeze_(0)
    if max_norm > 0:
        factor = (max_norm / (norm + 1e-6)).clamp_(max=1.0)
        for p in parameters:
            if p.grad is not None:
                p.grad.detach().mul_(factor.to(p.grad.device))
    return norm


@torch.no_grad()
def copy_stochastic(target, source):
    """Copies f32 to bf16, rounding up or down with the probability that keeps the mean."""
    bits = torch.randint_like(source, dtype=torch.int32, low=0, high=1 << 16)
    bits.add_(source.view(dtype=torch.int32)).bitwise_and_(-65536)
    target.copy_(bits.view(dtype=torch.float32))


def disable_running_stats(model):
    for m in model.modules():
        if isinstance(m, _BatchNorm):
            m.backup_momentum, m.momentum = m.momentum, 0


def enable_running_stats(model):
    for m in model.modules():
        if isinstance(m, _BatchNorm) and hasattr(m, "backup_momentum"):
            m.momentum = m.backup_momentum
