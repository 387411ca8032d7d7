"""Optimizers for whole models: parameter groups by name and kind."""

import warnings

from torch import nn

from . import load_optimizer

_BANNED = ("bias", "LayerNorm.bias", "LayerNorm.weight")
_MUON = ("muon", "muonclip", "adamuon", "adago", "normuon")


def get_optimizer_parameters(model_or_parameter, weight_decay, wd_ban_list=_BANNED):
    """Two groups, with and without decay; names and module classes in the ban list go without."""
    banned = set()
    if isinstance(model_or_parameter, nn.Module):
        for module_name, module in model_or_parameter.named_modules():
            kind = type(module).__name__
            for name, p in module.named_parameters(recurse=False):
                full = f"{module_name}.{name}" if module_name else name
                if any(b in s for b in wd_ban_list for s in (full, kind, f"{kind}.{name}")):
                    banned.add(id(p))
        named = list(model_or_parameter.named_parameters())
    else:
        named = list(model_or_parameter)
        banned = {id(p) for name, p in named if any(b in name for b in wd_ban_list)}
    groups = [
        {
            "params": [p for _, p in named if p.requires_grad and id(p) not in banned],
            "weight_decay": weight_decay,
        },
        {
            "params": [p for _, p in named if p.requires_grad and id(p) in banned],
            "weight_decay": 0.0,
        },
    ]
    return [g for g in groups if g["params"]]


def prepare_muon_parameters(
    model, optimizer_name, lr, weight_decay, adamw_lr=3e-4, adamw_wd=0.0, **kwargs
):
    """Hidden weight matrices to the orthogonal update, everything else to AdamW."""
    hidden, rest = {}, {}
    for module_name, module in model.named_modules():
        for name, p in module.named_parameters(recurse=False):
            if not p.requires_grad:
                continue
            full = f"{module_name}.{name}" if module_name else name
            matrix = isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.LSTM)) and p.ndim >= 2
            (hidden if matrix and "head" not in full else rest)[id(p)] = p
    groups = [
        {
            "params": [p for k, p in hidden.items() if k not in rest],
            "lr": lr,
            "weight_decay": weight_decay,
            "use_muon": True,
        },
        {
            "params": list(rest.values()),
            "lr": adamw_lr,
            "weight_decay": adamw_wd,
            "use_muon": False,
        },
    ]
    name = optimizer_name.lower()
    return load_optimizer(name if name in _MUON else "muon")(groups, **kwargs)


def create_optimizer(
    model,
    optimizer_name,
    lr=1e-3,
    weight_decay=0.0,
    wd_ban_list=_BANNED,
    use_lookahead=False,
    use_orthograd=False,
    compile=False,  # noqa: A002 - the reference's name; native steps have nothing to compile.
    compile_kwargs=None,
    **kwargs,
):
    """An optimizer for a model, with decay masks and optional wrappers."""
    name = optimizer_name.lower()
    cls = load_optimizer(name)
    if name != "lbfgs":
        kwargs["weight_decay"] = weight_decay
    if weight_decay > 0.0:
        groups = get_optimizer_parameters(model, weight_decay, wd_ban_list)
    else:
        groups = [{"params": list(model.parameters()), "weight_decay": weight_decay}]
    if name == "alig":
        optimizer = cls(groups, max_lr=lr, **kwargs)
    elif name in ("lomo", "adalomo", "adammini"):
        optimizer = cls(model, lr=lr, **kwargs)
    elif name in _MUON:
        warnings.warn(
            f"{name} is best created by hand, with groups that fit the model", UserWarning,
            stacklevel=2,
        )
        optimizer = prepare_muon_parameters(model, name, lr=lr, **kwargs)
    else:
        optimizer = cls(groups, lr=lr, **kwargs)
    if use_orthograd:
        from ._wrappers import OrthoGrad

        optimizer = OrthoGrad(optimizer)
    if use_lookahead:
        if name in ("ranger", "ranger21"):
            warnings.warn(f"{name} already has a Lookahead variant.", UserWarning, stacklevel=2)
        else:
            from ._wrappers import Lookahead

            optimizer = Lookahead(
                optimizer,
                k=kwargs.get("k", 5),
                alpha=kwargs.get("alpha", 0.5),
                pullback_momentum=kwargs.get("pullback_momentum", "none"),
            )
    return optimizer
