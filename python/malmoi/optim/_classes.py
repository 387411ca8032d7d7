"""The optimizer classes, made from the catalogue the first time each is asked for."""

import inspect

import torch

from . import _catalog, _library
from ._adapter import _ENGINE as ENGINE_OPTIONS
from ._adapter import MalmoiOptimizer

_ROWS = {row[0]: row for row in _catalog.OPTIMIZERS}
_made = {}


def _value(default):
    if isinstance(default, str) and default.startswith("torch."):
        return getattr(torch, default[len("torch."):])
    return default


def _signature(arguments, takes_more):
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("self", kind)]
    for name, default in arguments:
        if name == "*":
            kind = inspect.Parameter.KEYWORD_ONLY
            continue
        missing = default == _catalog.REQUIRED
        parameters.append(
            inspect.Parameter(
                name, kind, default=inspect.Parameter.empty if missing else _value(default)
            )
        )
    if takes_more:
        parameters.append(inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD))
    return inspect.Signature(parameters)


def by_name(name):
    if name in _made:
        return _made[name]
    if name not in _ROWS or name not in _library.names():
        raise NotImplementedError(f"not implemented optimizer : {name}")
    _, class_name, arguments, takes_more, native = _ROWS[name]
    signature = _signature(arguments, takes_more)
    first = arguments[0][0]

    def __init__(self, *args, **kwargs):
        # The engine's own go with every class, also those whose signature is torch's.
        engine = {k: kwargs.pop(k) for k in ENGINE_OPTIONS & set(kwargs)}
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        options = dict(bound.arguments)
        options.pop("self")
        options.update(options.pop("kwargs", {}))
        self._start(options.pop(first), {**options, **engine})

    __init__.__signature__ = signature
    base = MalmoiOptimizer
    if name in ("lomo", "adalomo"):
        from ._fused_backward import LOMO as base
    cls = type(
        class_name,
        (base,),
        {
            "__init__": __init__,
            "__module__": "malmoi.optim",
            "__signature__": signature.replace(
                parameters=list(signature.parameters.values())[1:]
            ),
            "__doc__": f"{class_name}, as pytorch-optimizer's; the step is one native call.",
            "_name": name,
            "_native": native,
        },
    )
    _made[name] = cls
    return cls
