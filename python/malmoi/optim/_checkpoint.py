"""What pytorch-optimizer keeps outside of parameters' states, on the way out and on the way in.

`leave` changes a state_dict that was just made; `arrive` gives a changed copy of one that came from
either side. What the engine keeps as numbers of a group stays there as well: the reference does not
look at it, and a state_dict of this package needs nothing else.
"""

import math

import torch

_EMO = {"emonavi", "emolynx", "emofact"}
_LBFGS_LISTS = ("old_dirs", "old_stps")


def leave(name, state_dict, params):
    states, groups = state_dict["state"], state_dict["param_groups"]
    first = groups[0]
    if name in _EMO and first.get("ema_seen"):
        states["ema"] = {k: first[f"ema_{k}"] for k in ("short", "medium", "long")}
    elif name == "ranger21":
        state_dict["lookahead_step"] = first.get("lookahead_step", 0)
        state_dict["starting_lr"] = first.get("starting_lr", first["lr"])
        state_dict["current_lr"] = first["lr"]  # Computed again in each step.
    elif name == "stablespam":
        state_dict["total_step"] = first.get("total_step", 0)
    elif name == "spam" and states:
        states["total_step"] = first.get("total_step", 0)
        states["current_step"] = first.get("current_step", 0)
    elif name == "kron":
        for group in groups:
            group.setdefault("precondition_lr", 0.1)
            group.setdefault("precondition_init_scale", 1.0)
    elif name == "sara":
        for group in groups:
            if group.get("lr") is None:
                group["lr"] = 1e-3 * math.exp(-350.0 * group["threshold"])
    elif name == "flashadamw":
        for group in groups:
            group["master_byte_width"] = {None: 0, 24: 3, 32: 4}[group["master_weight_bits"]]
    elif name == "lbfgs":
        if first.get("max_eval") is None:
            first["max_eval"] = first["max_iter"] * 5 // 4
        if first.get("n_iter"):
            states[0] = _lbfgs_out(first, params[0])
    return state_dict


def arrive(name, state_dict):
    states = dict(state_dict["state"])
    groups = [dict(group) for group in state_dict["param_groups"]]
    more = {}
    if name in _EMO and "ema" in states:
        more = {f"ema_{k}": v for k, v in states.pop("ema").items()}
        more["ema_seen"] = True
    elif name == "ranger21":
        more = {k: state_dict[k] for k in ("lookahead_step", "starting_lr") if k in state_dict}
    elif name == "stablespam" and "total_step" in state_dict:
        more = {"total_step": state_dict["total_step"]}
    elif name == "spam":
        more = {k: states.pop(k) for k in ("total_step", "current_step") if k in states}
    elif name == "lbfgs" and "d" in states.get(0, {}):
        more = _lbfgs_in(states.pop(0))
    if name in ("spam", "stablespam") and "warmup" in state_dict:
        more["death_rate"] = state_dict["warmup"]["optimizer"]["param_groups"][0]["lr"]
    for group in groups:
        group.update(more)
    return {**state_dict, "state": states, "param_groups": groups}


def _lbfgs_out(group, param):
    """The engine's [d, gradient, ro, directions ..., steps ...] as the state of the first parameter."""
    history = [torch.tensor(v, dtype=torch.float64).to(param.dtype) for v in group["history"]]
    d, gradient, ro = history[:3]
    kept = (len(history) - 3) // 2
    return {
        "func_evals": group["func_evals"], "n_iter": group["n_iter"], "d": d, "t": group["t"],
        "old_dirs": history[3:3 + kept], "old_stps": history[3 + kept:], "ro": list(ro.unbind()),
        "H_diag": group["h_diag"], "prev_flat_grad": gradient, "prev_loss": None,
        "al": [None] * group["history_size"],
    }


def _lbfgs_in(state):
    rows = [state["d"], state["prev_flat_grad"]]
    history = [[float(x) for x in row] for row in rows]
    history.append([float(x) for x in state["ro"]])
    for name in _LBFGS_LISTS:
        history += [[float(x) for x in row] for row in state[name]]
    return {
        "history": history, "n_iter": int(state["n_iter"]), "func_evals": int(state["func_evals"]),
        "h_diag": float(state["H_diag"]), "t": float(state["t"]),
    }
