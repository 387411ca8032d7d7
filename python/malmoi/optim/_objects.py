"""Between the engine's flat state ("GG.0", "projector.ortho_matrix") and pytorch-optimizer's."""

import sys
from collections import deque

import torch


class StateView(dict):
    def __missing__(self, key):
        return {}


# States that are lists, and states that are objects, by their first part.
_OBJECTS = {"projector", "pre_conditioner", "graft"}


def _insert(tree, path, value):
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = value


def _lists(tree):
    if not isinstance(tree, dict):
        return tree
    tree = {k: _lists(v) for k, v in tree.items()}
    if tree and all(isinstance(k, str) and k.isdigit() for k in tree):
        return [tree[str(i)] for i in range(len(tree))]
    return tree


def nest(name, tensors, scalars, param, native, group):
    """The state of one parameter in the reference's layout. `group` holds its options."""
    if name in _LEAVING and tensors:
        tensors, scalars = dict(tensors), dict(scalars)
        _LEAVING[name](tensors, scalars, group)
    tree = {}
    for key, value in tensors.items():
        if value.dim() == 2 and value.numel() == 0 and name in ("soap", "splus"):
            value = [] if name == "soap" else None  # A dimension that is not preconditioned.
        first, _, rest = key.partition(".")
        if name == "aggmo" and rest:  # A dictionary by the momentum's factor.
            tree.setdefault(first, {})[float(rest)] = value
        else:
            _insert(tree, key.split("."), value)
    for key, value in scalars.items():
        if key in tensors:
            continue  # The tensor's value, exactly; C++ callers use it.
        if native and key == "step" and not torch.is_tensor(value):
            value = torch.tensor(float(value))
        _insert(tree, key.split("."), value)
    state = _lists(tree)
    if name == "adashift" and isinstance(state, dict) and "exp_avg" in state:
        state["grad_queue"] = deque(state.get("grad_queue", ()), maxlen=group["keep_num"])
    if name == "dash" and state:
        rows = param.shape[0] if param.dim() > 1 else param.numel()
        state["shape"] = (rows, param.numel() // rows if rows else 0)
        state["one_sided"] = param.dim() < 2
    if name == "spam" and param.dim() == 2 and "exp_avg" in state:
        mask = state.get("mask", torch.ones_like(param)) > 0.5
        state = {k: v[mask] for k, v in state.items() if k != "mask"}
        state["mask"] = mask
    reference = sys.modules.get("pytorch_optimizer")
    if reference is not None and name == "scalableshampoo" and state:
        state.setdefault("pre_conditioner", {})  # Nothing to precondition: an empty one.
    if reference is not None and isinstance(state, dict):
        for key in _OBJECTS & set(state):
            state[key] = _as_object(key, state[key], param, group)
        if name == "kron" and "Q" in state:
            from pytorch_optimizer.optimizer.psgd import initialize_q_expressions

            state["expressions"] = _expressions(initialize_q_expressions, param, state["Q"])
    return state


def _expressions(initialize, param, qs):
    diagonal = [q.dim() < 2 for q in qs]
    for mode in (None, "one_diag", "smart_one_diag", "all_diag"):
        made, expressions = initialize(param.detach(), 1.0, 8192, 2, mode)
        if [q.dim() < 2 for q in made] == diagonal:
            return expressions
    return None


def _as_object(key, parts, param, group):
    if key == "pre_conditioner":
        return _preconditioner(parts, param, group)
    if key == "graft":
        from pytorch_optimizer.optimizer.utils.graft import build_graft

        graft = build_graft(param.detach(), group["graft_type"], group["diagonal_eps"])
        for part, value in parts.items():
            setattr(graft, part, value)
        return graft
    from pytorch_optimizer.optimizer.galore import GaLoreProjector

    projector = GaLoreProjector()
    matrix = parts["ortho_matrix"]
    projector.ortho_matrix = tuple(matrix) if isinstance(matrix, list) else matrix
    projector.last_svd_step = int(parts.get("last_svd_step", -1))
    return projector


def _preconditioner(parts, param, group):
    from pytorch_optimizer.optimizer.utils.preconditioner import PreConditioner

    made = PreConditioner(
        param.detach(), group["betas"][1], group["inverse_exponent_override"], group["block_size"],
        group["skip_preconditioning_rank_lt"], group["no_preconditioning_for_layers_with_dim_gt"],
        group["shape_interpretation"], group["pre_conditioner_type"], group["matrix_eps"],
        group["use_svd"],
    )
    for part, value in parts.items():
        if not value:
            continue
        setattr(made, part, torch.stack(value) if made.is_same_shapes else value)
    return made


# What the engine keeps otherwise than the reference, on the way out and on the way in.


def _queue_out(tensors, scalars, group):
    """A ring of gradients becomes the reference's queue: the oldest first, none that is empty."""
    count, size = int(scalars.pop("queue_count", 0)), int(group["keep_num"])
    ring = [tensors.pop(f"grad_queue.{i}") for i in range(size)]
    order = range(count) if count < size else range(count, count + size)
    for i, k in enumerate(order):
        tensors[f"grad_queue.{i}"] = ring[k % size]


def _queue_in(tensors, scalars, group):
    size = int(group["keep_num"])
    count = sum(1 for k in tensors if k.startswith("grad_queue."))
    for i in range(count, size):
        tensors[f"grad_queue.{i}"] = torch.zeros_like(tensors["exp_avg"])
    scalars.setdefault("queue_count", count)


_MASKED = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")


def _masked_out(tensors, scalars, group):
    """Moments of the trained weights only, in order, and which those are."""
    mask = tensors["mask"] = tensors["mask"] > 0.5
    for key in _MASKED:
        if key in tensors:
            tensors[key] = tensors[key][mask]


def _masked_in(tensors, scalars, group):
    mask = tensors["mask"].bool()
    if "exp_avg" not in tensors:  # Before the first step; the mask is made then.
        tensors.clear()
        return
    tensors["mask"] = mask.to(tensors["exp_avg"].dtype)
    for key in _MASKED:
        if key in tensors:
            full = torch.zeros(mask.shape, dtype=tensors[key].dtype)
            full[mask] = tensors[key].to("cpu")
            tensors[key] = full


def _swats_out(tensors, scalars, group):
    if group.get("phase") != "sgd":
        tensors.pop("momentum_buffer", None)


def _swats_in(tensors, scalars, group):
    if "exp_avg" in tensors:
        tensors.setdefault("momentum_buffer", torch.zeros_like(tensors["exp_avg"]))


def _alice_out(tensors, scalars, group):
    tensors["phi"] = tensors["phi"].reshape(())


def _alice_in(tensors, scalars, group):
    tensors["phi"] = tensors["phi"].reshape(1)


def _dash_in(tensors, scalars, group):
    for key in [k for k in scalars if k == "one_sided" or k.startswith("shape.")]:
        del scalars[key]


def _spam_in(tensors, scalars, group):
    if "mask" not in tensors or "exp_avg" not in tensors:
        return
    _masked_in(tensors, scalars, group)
    if group.get("density", 1.0) >= 1.0:
        del tensors["mask"]


def _flash_in(tensors, scalars, group):
    """Codes of groups of 32 become the numbers they stand for."""
    for key, most in (("exp_avg", 127.0), ("exp_avg_sq", 255.0)):
        codes = tensors.pop(f"{key}::quantized", None)
        if codes is None:
            continue
        scales = tensors.pop(f"{key}::scales").float().repeat_interleave(32)[: codes.numel()]
        x = codes.float().reshape(-1) / most
        if key == "exp_avg":
            x = x / (2.0 - x.abs()).clamp_min(1e-12)  # Back through the softsign.
        x = (x * scales).reshape(codes.shape)
        tensors[key] = x if key == "exp_avg" else x.square()


_LEAVING = {"alice": _alice_out, "adashift": _queue_out, "sara": _masked_out, "swats": _swats_out}
_COMING = {"alice": _alice_in, "dash": _dash_in, "spam": _spam_in, "flashadamw": _flash_in,
           "adashift": _queue_in, "sara": _masked_in, "swats": _swats_in}


def _walk(prefix, value, tensors, scalars):
    if isinstance(value, torch.Tensor):
        tensors[prefix] = value
    elif isinstance(value, dict):
        for k, v in value.items():
            _walk(f"{prefix}.{k}", v, tensors, scalars)
    elif hasattr(value, "ortho_matrix"):
        _walk(f"{prefix}.ortho_matrix", value.ortho_matrix, tensors, scalars)
        scalars[f"{prefix}.last_svd_step"] = value.last_svd_step
    elif hasattr(value, "pre_conditioners"):
        for part in ("statistics", "pre_conditioners"):
            for i, t in enumerate(getattr(value, part)):
                tensors[f"{prefix}.{part}.{i}"] = t
    elif hasattr(value, "precondition_gradient"):
        for part in ("momentum", "statistics"):
            if isinstance(getattr(value, part, None), torch.Tensor):
                tensors[f"{prefix}.{part}"] = getattr(value, part)
    elif isinstance(value, (bool, int, float)):
        scalars[prefix] = value
    elif value is None or isinstance(value, str):
        pass
    elif hasattr(value, "__iter__"):
        items = list(value)
        if not items and "." in prefix:
            tensors[prefix] = torch.zeros(0, 0)
        for i, v in enumerate(items):
            _walk(f"{prefix}.{i}", torch.zeros(0, 0) if v is None else v, tensors, scalars)


def flatten(name, state, param, group):
    """({name: tensor}, {name: number}) for the engine."""
    tensors, scalars = {}, {}
    for key, value in state.items():
        if name == "kron" and key == "expressions":
            continue
        if name == "aggmo" and isinstance(value, dict):
            for beta, t in value.items():
                tensors[f"{key}.{str(float(beta)).removesuffix('.0')}"] = t
            continue
        _walk(str(key), value, tensors, scalars)
    if name in _COMING:
        _COMING[name](tensors, scalars, group)
    for key, t in list(tensors.items()):
        if t.is_complex():
            tensors[key] = torch.view_as_real(t)
        elif not t.is_floating_point() and t.numel() == 1:
            scalars[key] = t.item()
            del tensors[key]
    return tensors, scalars
