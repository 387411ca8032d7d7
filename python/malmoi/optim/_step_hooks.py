"""torch's hooks and profiling records around step(), entered only where somebody listens.

torch wraps every optimizer's step in a profiler record and loops over hooks, which costs 10 us a
step. `listening` says whether that is wanted now; `surrounded` does then what torch's wrapper does.
"""

import sys

import torch

_module = sys.modules[torch.optim.Optimizer.__module__]  # Below 2.0 it has no hooks.
_before = getattr(_module, "_global_optimizer_pre_hooks", {})
_after = getattr(_module, "_global_optimizer_post_hooks", {})
_profiling = torch.autograd._profiler_enabled


def listening(optimizer):
    own = optimizer.__dict__
    return (
        own.get("_optimizer_step_pre_hooks") or own.get("_optimizer_step_post_hooks")
        or _before or _after or _profiling()
    )


def surrounded(optimizer, call, args, kwargs):
    """call(*args, **kwargs) between the hooks of before and after, as one profiler record."""
    own = optimizer.__dict__
    with torch.autograd.profiler.record_function(f"Optimizer.step#{type(optimizer).__name__}.step"):
        for hook in [*_before.values(), *own.get("_optimizer_step_pre_hooks", {}).values()]:
            result = hook(optimizer, (optimizer, *args), kwargs)
            if result is None:
                continue
            if not isinstance(result, tuple) or len(result) != 2:
                raise RuntimeError(
                    f"{hook} must return None or a tuple of (new_args, new_kwargs), but got {result}."
                )
            (_, *args), kwargs = result
        out = call(*args, **kwargs)
        optimizer._optimizer_step_code()
        for hook in [*own.get("_optimizer_step_post_hooks", {}).values(), *_after.values()]:
            hook(optimizer, (optimizer, *args), kwargs)
        return out
