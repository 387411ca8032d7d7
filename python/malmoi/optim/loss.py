"""Losses as torch modules; value and gradient come from one native call."""

import ctypes
import json

import torch
from torch import nn

from . import _library

_DTYPES = {torch.float32: _library.F32, torch.float64: _library.F64}


class _Native(torch.autograd.Function):
    @staticmethod
    def forward(ctx, prediction, target, name, options):
        x = prediction.detach().to("cpu").contiguous()
        if x.dtype not in _DTYPES:
            x = x.float()
        y = target.detach().to("cpu")
        y = y.to(x.dtype) if y.is_floating_point() else y.to(torch.int64)
        y = y.contiguous()
        value = torch.empty(max(x.numel(), 1), dtype=torch.float64)
        gradient = torch.empty(x.numel(), dtype=torch.float64)
        count = ctypes.c_int64(value.numel())
        pointer = ctypes.POINTER(ctypes.c_double)
        _library.check(
            _library.lib.malmoi_loss(
                name.encode(), json.dumps(options).encode(), _DTYPES[x.dtype], x.data_ptr(),
                x.dim(), (ctypes.c_int64 * max(x.dim(), 1))(*x.shape),
                _DTYPES.get(y.dtype, -1), y.data_ptr(), y.dim(),
                (ctypes.c_int64 * max(y.dim(), 1))(*y.shape),
                ctypes.cast(value.data_ptr(), pointer), ctypes.byref(count),
                ctypes.cast(gradient.data_ptr(), pointer),
            )
        )
        value = value[: count.value]
        ctx.save_for_backward(gradient.to(prediction).reshape(prediction.shape))
        if options.get("reduction") == "none":
            shape = prediction.shape if value.numel() == x.numel() else prediction.shape[:-1]
            return value.to(prediction).reshape(shape)
        return value.to(prediction).reshape(())

    @staticmethod
    def backward(ctx, grad_output):
        (gradient,) = ctx.saved_tensors
        while grad_output.dim() and grad_output.dim() < gradient.dim():
            grad_output = grad_output.unsqueeze(-1)
        return gradient * grad_output, None, None, None


class _Loss(nn.Module):
    _defaults = {}
    _reductions = ("mean", "sum", "none")

    def __init__(self, *args, **kwargs):
        super().__init__()
        options = dict(self._defaults)
        for name, value in zip(options, args):
            options[name] = value
        for name, value in kwargs.items():
            if name not in options:
                raise TypeError(f"{type(self).__name__} has no argument {name!r}")
            options[name] = value
        missing = [k for k, v in options.items() if v is ...]
        if missing:
            raise TypeError(f"{type(self).__name__} requires {', '.join(missing)}")
        if options.get("classes") is not None and options.get("mode") == "binary":
            raise ValueError("masking classes is not supported with mode=binary")
        self.options = options
        for name, value in options.items():
            if name != "weight":
                setattr(self, name, value)
        if "weight" in options:
            self.register_buffer("weight", options["weight"])

    def _json(self):
        o = dict(self.options)
        if isinstance(o.get("weight"), torch.Tensor):
            o["weight"] = o["weight"].tolist()
        if "label_smooth" in o and type(self).__name__.startswith("BCE") and not self.training:
            o["label_smooth"] = 0.0
        return {k: v for k, v in o.items() if v is not None}

    def forward(self, y_pred, y_true):
        return _Native.apply(y_pred, y_true, type(self).__name__.lower(), self._json())


def _loss(name, **defaults):
    return type(name, (_Loss,), {"_defaults": defaults, "__module__": __name__})


BCELoss = _loss("BCELoss", label_smooth=0.0, eps=1e-6, reduction="mean")
BCEFocalLoss = _loss(
    "BCEFocalLoss", alpha=0.25, gamma=2.0, label_smooth=0.0, eps=1e-6, reduction="mean"
)
FocalLoss = _loss("FocalLoss", alpha=1.0, gamma=2.0)
FocalCosineLoss = _loss(
    "FocalCosineLoss", alpha=1.0, gamma=2.0, focal_weight=0.1, reduction="mean"
)
TverskyLoss = _loss("TverskyLoss", alpha=0.5, beta=0.5, smooth=1e-6)
FocalTverskyLoss = _loss("FocalTverskyLoss", alpha=0.5, beta=0.5, gamma=1.0, smooth=1e-6)
SoftF1Loss = _loss("SoftF1Loss", beta=1.0, eps=1e-6)
LovaszHingeLoss = _loss("LovaszHingeLoss", per_image=True)
LDAMLoss = _loss("LDAMLoss", num_class_list=..., max_m=0.5, weight=None, s=30.0)
DiceLoss = _loss(
    "DiceLoss", mode="binary", classes=None, log_loss=False, from_logits=True, label_smooth=0.0,
    ignore_index=None, eps=1e-6,
)
JaccardLoss = _loss(
    "JaccardLoss", mode=..., classes=None, log_loss=False, from_logits=True, label_smooth=0.0,
    eps=1e-6,
)
BiTemperedLogisticLoss = _loss(
    "BiTemperedLogisticLoss", t1=..., t2=..., label_smooth=0.0, ignore_index=None,
    reduction="mean",
)


class BinaryBiTemperedLogisticLoss(_Loss):
    _defaults = dict(t1=..., t2=..., label_smooth=0.0, ignore_index=None, reduction="mean")

    def forward(self, y_pred, y_true):
        if y_pred.size(1) != 1 or y_true.size(1) != 1:
            raise ValueError(
                "Channel dimension for predictions and targets must be equal to 1"
            )
        return super().forward(y_pred, y_true)


def bi_tempered_logistic_loss(
    activations, labels, t1, t2, label_smooth=0.0, num_iters=5, reduction="mean"
):
    if num_iters != 5:
        raise NotImplementedError("the native loss runs five iterations")
    return BiTemperedLogisticLoss(t1, t2, label_smooth, reduction=reduction)(activations, labels)


def _overlap(output, target, dims):
    def total(x):
        return x.sum() if dims is None else x.sum(dim=dims)

    return total(output * target), total(output + target)


def soft_dice_score(output, target, label_smooth=0.0, eps=1e-6, dims=None):
    both, all_ = _overlap(output, target, dims)
    return (2.0 * both + label_smooth) / (all_ + label_smooth).clamp_min(eps)


def soft_jaccard_score(output, target, label_smooth=0.0, eps=1e-6, dims=None):
    both, all_ = _overlap(output, target, dims)
    return (both + label_smooth) / (all_ - both + label_smooth).clamp_min(eps)
