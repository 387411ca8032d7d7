"""The C interface (include/malmoi/optim.h) through ctypes."""

import ctypes
import json
import os
from ctypes import POINTER, c_char_p, c_double, c_int, c_int32, c_int64, c_void_p

F32, F64, BF16 = 0, 1, 2


class Tensor(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("dtype", c_int32),
        ("grad_dtype", c_int32),
        ("group", c_int64),
        ("rank", c_int64),
        ("shape", POINTER(c_int64)),
        ("data", c_void_p),
        ("grad", c_void_p),
    ]


Closure = ctypes.CFUNCTYPE(c_double, c_void_p)


class Step(ctypes.Structure):
    _fields_ = [
        ("closure", Closure),
        ("context", c_void_p),
        ("loss", c_double),
        ("has_loss", c_int32),
        ("check_inf", c_int32),
        ("grad_scale", c_double),
        ("hessian", c_void_p),
        ("skipped", c_int32),
        ("grad_norm", c_double),
    ]


class StateEntry(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("dtype", c_int32),
        ("rank", c_int64),
        ("shape", POINTER(c_int64)),
        ("data", c_void_p),
        ("bytes", c_int64),
    ]


def _open():
    """MALMOI_OPTIM_LIBRARY, else beside this file: with the matrix optimizers, or without BLAS."""
    here = os.path.dirname(os.path.abspath(__file__))
    wanted = os.environ.get("MALMOI_OPTIM_LIBRARY")
    names = [wanted] if wanted else [
        os.path.join(here, n) for n in ("libmalmoi_optim_matrix.so", "libmalmoi_optim.so")
    ]
    failures = []
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError as e:
            failures.append(f"{name}: {e}")
    raise ImportError("malmoi's optimizer library cannot be loaded: " + "; ".join(failures))


lib = _open()
for _name, _result, _arguments in (
    ("malmoi_last_error", c_char_p, []),
    ("malmoi_free", None, [c_void_p]),
    ("malmoi_optim_names", c_void_p, []),
    ("malmoi_optim_defaults", c_void_p, [c_char_p]),
    ("malmoi_optim_create", c_void_p, [c_char_p, POINTER(Tensor), c_int64, c_char_p]),
    ("malmoi_optim_destroy", None, [c_void_p]),
    ("malmoi_optim_bind", c_int, [c_void_p, c_void_p, c_void_p, c_int64]),
    ("malmoi_optim_step", c_int, [c_void_p, POINTER(Step)]),
    ("malmoi_optim_set_random", c_int, [c_void_p, c_void_p, c_int64, c_double]),
    ("malmoi_optim_random", c_int, [c_void_p, c_void_p, c_int64]),
    ("malmoi_optim_begin", c_int, [c_void_p]),
    ("malmoi_optim_begin_with", c_int, [c_void_p, POINTER(Step)]),
    ("malmoi_optim_coupled", c_int, [c_void_p]),
    ("malmoi_optim_step_param", c_int, [c_void_p, c_int64]),
    ("malmoi_optim_end", c_int, [c_void_p]),
    ("malmoi_optim_eval", c_int, [c_void_p, c_int32]),
    ("malmoi_optim_set_options", c_int, [c_void_p, c_int64, c_char_p]),
    ("malmoi_optim_group_state", c_void_p, [c_void_p, c_int64]),
    ("malmoi_optim_set_group_state", c_int, [c_void_p, c_int64, c_char_p]),
    (
        "malmoi_optim_state",
        c_int,
        [c_void_p, c_int64, POINTER(POINTER(StateEntry)), POINTER(c_int64), POINTER(c_char_p)],
    ),
    ("malmoi_optim_set_state", c_int, [c_void_p, c_int64, POINTER(StateEntry), c_int64, c_char_p]),
    ("malmoi_optim_save", c_int, [c_void_p, c_char_p]),
    ("malmoi_optim_load", c_int, [c_void_p, c_char_p]),
    (
        "malmoi_loss",
        c_int,
        [c_char_p, c_char_p, c_int32, c_void_p, c_int64, POINTER(c_int64), c_int32, c_void_p]
        + [c_int64, POINTER(c_int64), POINTER(c_double), POINTER(c_int64), POINTER(c_double)],
    ),
):
    _function = getattr(lib, _name)
    _function.restype, _function.argtypes = _result, _arguments

_EXCEPTIONS = {1: ValueError, 2: NotImplementedError, 3: NotImplementedError, 4: ValueError}


def error(code=None):
    text = lib.malmoi_last_error().decode()
    return _EXCEPTIONS.get(code, ValueError if code is None else RuntimeError)(text)


def check(code):
    if code:
        raise error(code)


def take(pointer):
    """The text behind a char* that is ours to free; None for null."""
    if not pointer:
        return None
    try:
        return ctypes.string_at(pointer).decode()
    finally:
        lib.malmoi_free(pointer)


_names = None


def names():
    global _names
    if _names is None:
        _names = json.loads(take(lib.malmoi_optim_names()))
    return list(_names)


def defaults(name):
    """An optimizer's options with their defaults; {} for one that does not list them."""
    return json.loads(take(lib.malmoi_optim_defaults(name.encode())) or "{}")
