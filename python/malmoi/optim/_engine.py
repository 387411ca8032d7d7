"""A native handle over the tensors of all groups, and the tables of their addresses."""

import ctypes
import json

import torch

from . import _library

DTYPES = {
    torch.float32: _library.F32,
    torch.float64: _library.F64,
    torch.bfloat16: _library.BF16,
}
_TORCH = {v: k for k, v in DTYPES.items()}


class Engine:
    def __init__(self, name, tensors, group_of, config):
        self.tensors = tensors
        self.count = len(tensors)
        table = (_library.Tensor * self.count)()
        shapes = []
        for i, t in enumerate(tensors):
            shape = (ctypes.c_int64 * max(t.dim(), 1))(*t.shape)
            shapes.append(shape)
            dtype = DTYPES[t.dtype]
            table[i] = _library.Tensor(
                None, dtype, dtype, group_of[i], t.dim(), shape, t.data_ptr() or None, None
            )
        self.handle = _library.lib.malmoi_optim_create(
            name.encode(), table, self.count, json.dumps(config).encode()
        )
        if not self.handle:
            raise _library.error()

    def __del__(self):
        if getattr(self, "handle", None):
            _library.lib.malmoi_optim_destroy(self.handle)
            self.handle = None

    def state(self, index):
        """{name: tensor} and {name: number} of one tensor."""
        entries = ctypes.POINTER(_library.StateEntry)()
        count, scalars = ctypes.c_int64(), ctypes.c_char_p()
        _library.check(
            _library.lib.malmoi_optim_state(
                self.handle, index, ctypes.byref(entries), ctypes.byref(count),
                ctypes.byref(scalars),
            )
        )
        tensors = {}
        for k in range(count.value):
            e = entries[k]
            shape = [e.shape[d] for d in range(e.rank)]
            t = torch.empty(shape, dtype=_TORCH[e.dtype])
            if e.bytes:
                ctypes.memmove(t.data_ptr(), e.data, e.bytes)
            tensors[e.name.decode()] = t
        return tensors, json.loads(scalars.value or b"{}")

    def set_state(self, index, tensors, scalars):
        kept = []
        table = (_library.StateEntry * max(len(tensors), 1))()
        for k, (name, t) in enumerate(tensors.items()):
            t = t.detach().to("cpu").contiguous()
            if t.dtype not in DTYPES:
                t = t.to(torch.float32)
            shape = (ctypes.c_int64 * max(t.dim(), 1))(*t.shape)
            kept += [t, shape]
            table[k] = _library.StateEntry(
                name.encode(), DTYPES[t.dtype], t.dim(), shape, t.data_ptr() or None,
                t.numel() * t.element_size(),
            )
        _library.check(
            _library.lib.malmoi_optim_set_state(
                self.handle, index, table, len(tensors), json.dumps(scalars).encode()
            )
        )

    def set_group(self, group, values):
        _library.check(
            _library.lib.malmoi_optim_set_group_state(
                self.handle, group, json.dumps(values).encode()
            )
        )

    def group_state(self, group):
        return json.loads(_library.take(_library.lib.malmoi_optim_group_state(self.handle, group)))
