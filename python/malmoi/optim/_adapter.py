"""torch.optim.Optimizer over the native engine.

Parameters stay torch's; the engine reads and writes their memory in place. What it cannot (another
device, float16, strides) goes through contiguous host copies. State lives in the engine and is
copied out by state_dict(), which has pytorch-optimizer's layout, and by the `state` property.
"""

import json
import operator
import sys
from array import array
from itertools import chain

import torch

from . import _catalog, _checkpoint, _library, _objects, _step_hooks
from ._engine import DTYPES, Engine
from .exceptions import (
    NegativeLRError,
    NegativeStepError,
    NoClosureError,
    NoComplexParameterError,
    NoSparseGradientError,
)

_LOSS_VALUE = {"alig", "emonavi", "emolynx", "emofact"}
_CLOSURE = {"lbfgs", "bsam"}
_HESSIAN = {"adahessian", "sophiah"}
_DRAWS = {"alice", "apollo", "bsam", "dash", "gravity", "kron", "spam"}
_MUON = {"muon", "muonclip", "adamuon", "adago", "normuon", "distributedmuon"}
# A group without use_muon keeps AdamW's options under the plain names.
_ADAMW_HALF = (("lr", "adamw_lr"), ("betas", "adamw_betas"), ("weight_decay", "adamw_wd"),
               ("eps", "adamw_eps"))
_SWITCHED = {"schedulefreesgd", "schedulefreeadamw", "schedulefreeradam", "splus", "snsm"}
_CHANGED = {"asgd": {"lr", "theta"}}  # Options that the rule itself moves.
_TENSOR_GROUPS = {"asgd", "prodigy", "dadaptadagrad", "dadaptadam", "dadaptadan", "dadaptlion",
                  "dadaptsgd"}
_SCALAR_GROUPS = {"prodigy", "dadaptsgd"}  # Without an axis there.
# What the reference's groups hold beside the arguments.
_GROUP_KEYS = {
    "mars": lambda o: {"lr_1d_factor": o["lr_1d"] / o["lr"] if o["lr"] else 0.0},
    "vsgd": lambda o: {
        "pa2": 2.0 * o["ps"] + 1.0 + 1e-4,
        "pbg2": 2.0 * o["ps"],
        "pbhg2": 2.0 * o["ghattg"] * o["ps"],
    },
    "muonclip": lambda o: {"weight_decouple": True, "nesterov": False},
    "lorarite": lambda o: {"eps_root": o["eps"] ** 2},
}
_grad = operator.attrgetter("grad")
_params_of = operator.itemgetter("params")
_data_ptr = torch.Tensor.data_ptr
_is_contiguous = torch.Tensor.is_contiguous
_ENGINE = {"threads", "state", "f32_states", "clip_norm", "stochastic_rounding", "kahan", "seed",
           "no_decay", "bf16_products"}


def _plain(value):
    """An option as JSON has it."""
    if isinstance(value, torch.Tensor):
        return value.item() if value.numel() == 1 else value.tolist()
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, torch.dtype):
        return str(value)
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    return None


class MalmoiOptimizer(torch.optim.Optimizer):
    _name = ""
    _native = False

    def _start(self, params, options):
        self._engine = None
        self._pending = None
        self._away = {}
        self._evaluating = False
        self._engine_options = {k: options.pop(k) for k in list(options) if k in _ENGINE}
        self._engine_options.setdefault("threads", torch.get_num_threads())
        self._known = set(_library.defaults(self._name))
        self._validate(options)
        self._model = None
        if isinstance(params, torch.nn.Module):
            self._model, params = params, list(params.parameters())
        if options.get("norm_kwargs", 0) is None:
            options["norm_kwargs"] = {}
        if self._name in _GROUP_KEYS:
            options.update(_GROUP_KEYS[self._name](options))
        if self._name in _MUON:
            params = self._muon_groups(params, options)
        super().__init__(params, options)
        self._check_options()

    # --- options

    @staticmethod
    def _validate(options):
        lr = options.get("lr")
        if lr is not None and not callable(lr) and lr < 0:
            raise NegativeLRError(lr)
        for name in ("lr_1d", "max_lr", "adamw_lr", "final_lr"):
            if isinstance(options.get(name), (int, float)) and options[name] < 0:
                raise NegativeLRError(options[name])
        for name in ("weight_decay", "adamw_wd", "eps", "eps1", "eps2", "adamw_eps"):
            if isinstance(options.get(name), (int, float)) and options[name] < 0:
                raise ValueError(f"{name} must be non-negative")
        for i, beta in enumerate(options.get("betas") or (), 1):
            if isinstance(beta, float) and not 0.0 <= beta <= 1.0:
                raise ValueError(f"beta{i} must be in the range [0.0, 1.0)")
        for name in ("start_preconditioning_step", "preconditioning_compute_steps",
                     "statistics_compute_steps"):
            if isinstance(options.get(name), int) and options[name] < 1:
                raise NegativeStepError(options[name], step_type=name)

    def _muon_groups(self, params, options):
        groups = []
        for group in params:
            if not isinstance(group, dict) or "use_muon" not in group:
                raise ValueError("`use_muon` must be set.")
            group = dict(group)
            if not group["use_muon"]:
                for plain, adamw in _ADAMW_HALF:
                    if adamw in options or plain == "lr":
                        group.setdefault(plain, options.get(adamw, options.get(plain)))
            groups.append(group)
        return groups

    def _values(self, group):
        """The group's options that the engine knows, with its names."""
        values = {}
        for name in self._known:
            value = group.get(name, self.defaults.get(name))
            value = _plain(value)
            if value is not None or name in ("betas", "rank"):
                values[name] = value
        if self._name in _MUON and not group.get("use_muon", True):
            for plain, adamw in _ADAMW_HALF:
                if plain in group and adamw in self._known:
                    values[adamw] = _plain(group[plain])
        return {k: v for k, v in values.items() if v is not None}

    def _config(self):
        return {
            "options": self._values(self.defaults),  # Some rules keep what they are made with.
            "groups": [self._values(g) for g in self.param_groups],
            "engine": _plain(self._engine_options),
        }

    def _check_options(self):
        """A handle without tensors: wrong options are refused where the optimizer is made."""
        handle = _library.lib.malmoi_optim_create(
            self._name.encode(), None, 0, json.dumps(self._config()).encode()
        )
        if not handle:
            raise _library.error()
        _library.lib.malmoi_optim_destroy(handle)

    # --- engine

    def _real(self, p):
        if not p.is_complex():
            return p
        if self._name not in _catalog.COMPLEX:
            raise NoComplexParameterError(type(self).__name__)
        return torch.view_as_real(p)

    def _build(self):
        self._params, group_of, tensors = [], [], []
        self._seen = None
        self._staged = []  # (index, parameter's real view): copied to and fro each step.
        for g, group in enumerate(self.param_groups):
            for p in group["params"]:
                real = self._real(p.detach())
                direct = (
                    real.device.type == "cpu" and real.dtype in DTYPES and real.is_contiguous()
                )
                if direct:
                    tensors.append(real)
                else:
                    dtype = real.dtype if real.dtype in DTYPES else torch.float32
                    host = torch.empty(real.shape, dtype=dtype)
                    if real.device.type == "cuda":
                        host = host.pin_memory()
                    host.copy_(real)
                    tensors.append(host)
                    self._staged.append((len(self._params), real))
                self._params.append(p)
                group_of.append(g)
        self._group_of = group_of
        self._where = list(map(_data_ptr, self._params))
        # The groups as the engine has them, and the states of parameters that left them.
        self._built = [(group, list(group["params"])) for group in self.param_groups]
        self._sizes = [len(group["params"]) for group in self.param_groups]
        # Nothing but the native call: no copies, no closure, no number to hand over.
        self._plain_step = not self._staged and self._name not in (
            _CLOSURE | _LOSS_VALUE | _HESSIAN | _DRAWS | {"scionlight"}
        )
        self._engine = Engine(self._name, tensors, group_of, self._config())
        if not self._native:
            for group in self.param_groups:
                group.setdefault("step", 0)
        self._list_keys()
        self._extra = [
            set(self._engine.group_state(g)) - self._known - {"step", "clip_coef"}
            | _CHANGED.get(self._name, set())
            for g in range(len(self.param_groups))
        ]
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self.load_state_dict(pending)

    def _set_group_values(self, values):
        for i in range(len(self.param_groups)):
            self._engine.set_group(i, values)

    def _rebuild(self):
        """Some parameter's memory is another (p.data = ..., model.to(...)) or the groups hold other
        parameters: a new engine over them that goes on with the states there are."""
        packed = {id(group): i for i, (group, _) in enumerate(self._built)}
        now = self.param_groups
        self.param_groups = [{**group, "params": params} for group, params in self._built]
        try:
            saved = self._pack()
        finally:
            self.param_groups = now
        states = {k: v for k, v in saved["state"].items() if not isinstance(k, int)}
        groups, left = [], dict(self._away)
        left.update((p, saved["state"][i]) for i, p in enumerate(self._params)
                    if i in saved["state"])
        for group in now:
            values = {k: v for k, v in group.items() if k != "params"}
            if id(group) in packed:
                values = {**saved["param_groups"][packed[id(group)]], **values}
            start = sum(len(g["params"]) for g in groups)
            values["params"] = list(range(start, start + len(group["params"])))
            groups.append(values)
            for i, p in zip(values["params"], group["params"]):
                if p in left:
                    states[i] = left.pop(p)
        self._away = left
        self._engine = None
        self._pending = {**saved, "state": states, "param_groups": groups}
        self._build()

    def _list_keys(self):
        self._keys = [tuple(k for k in g if k != "params") for g in self.param_groups]
        self._step_at = [k.index("step") if "step" in k else None for k in self._keys]
        self._pushed = [[g.get(k) for k in keys] for g, keys in zip(self.param_groups, self._keys)]

    def add_param_group(self, param_group):
        engine = getattr(self, "_engine", None)
        before = self.state_dict() if engine is not None else None
        super().add_param_group(param_group)
        if before is not None:
            self._engine = None
            group = {k: v for k, v in self.param_groups[-1].items() if k != "params"}
            start = sum(len(g["params"]) for g in before["param_groups"])
            group["params"] = list(
                range(start, start + len(self.param_groups[-1]["params"]))
            )
            before["param_groups"].append(group)
            self._pending = before

    def _gradients(self):
        """Addresses of the gradients, and what must live until the step is done."""
        addresses, keep = [], []
        for p in self._params:
            g = p.grad
            if g is None:
                addresses.append(0)
                continue
            if g.layout is not torch.strided or g.dtype is not p.dtype or not g.is_contiguous():
                g = self._usable(g, p)
                keep.append(g)
            addresses.append(g.data_ptr())
        for index, real in self._staged:
            host = self._engine.tensors[index]
            g = self._params[index].grad
            if g is None:
                continue
            host.copy_(real)
            g = self._real(self._usable(g, self._params[index]))
            keep.append(g.to(device="cpu", dtype=host.dtype).contiguous())
            addresses[index] = keep[-1].data_ptr()
        return addresses, keep

    def _usable(self, g, p):
        if g.is_sparse:
            if self._name not in _catalog.SPARSE:
                raise NoSparseGradientError(type(self).__name__)
            if self._name == "madgrad":
                self._refuse_sparse_madgrad(p)
            g = g.to_dense()
        if g.is_complex():
            g = g.resolve_conj()
        return g.to(dtype=p.dtype).contiguous()

    def _refuse_sparse_madgrad(self, p):
        for group in self.param_groups:
            if not any(q is p for q in group["params"]):
                continue
            if group["momentum"] > 0:
                raise NoSparseGradientError(type(self).__name__, note="momentum > 0.0")
            if group["weight_decay"] > 0 and not group["weight_decouple"]:
                raise NoSparseGradientError(type(self).__name__, note="weight_decay")

    def _push_options(self):
        for i, group in enumerate(self.param_groups):
            now = [group.get(k) for k in self._keys[i]]
            if now == self._pushed[i]:
                continue
            changed = {k for k, v, old in zip(self._keys[i], now, self._pushed[i]) if v != old}
            values = self._values(group)
            if self._name in _MUON and not group.get("use_muon", True):
                changed |= {a for p, a in _ADAMW_HALF if p in changed}
            values = {k: v for k, v in values.items() if k in changed}
            if values:
                _library.check(
                    _library.lib.malmoi_optim_set_options(
                        self._engine.handle, i, json.dumps(values).encode()
                    )
                )
            self._pushed[i] = now

    def _bind_gradients(self):
        """Gives the engine the gradients' addresses; what it returns must live until the step is
        done. Without loops of bytecodes where the addresses are those of the last step: this is
        most of a small model's step."""
        if self._seen is not None:
            try:
                grads = list(map(_grad, self._params))
                if list(map(_data_ptr, grads)) == self._seen and all(map(_is_contiguous, grads)):
                    return None
            except (TypeError, RuntimeError):  # None, or sparse.
                pass
        addresses, keep = self._gradients()
        table = array("Q", addresses)
        _library.check(
            _library.lib.malmoi_optim_bind(
                self._engine.handle, None, table.buffer_info()[0], self._engine.count
            )
        )
        self._seen = None if keep or self._staged else addresses
        return keep

    def _after(self):
        for index, real in self._staged:
            real.copy_(self._engine.tensors[index])
        for i, group in enumerate(self.param_groups):
            if not self._native:
                group["step"] = steps = group.get("step", 0) + 1
                if self._step_at[i] is not None:
                    self._pushed[i][self._step_at[i]] = steps
            if self._extra[i]:
                state = self._engine.group_state(i)
                for name in self._extra[i]:
                    group[name] = state[name]
                self._pushed[i] = [group.get(k) for k in self._keys[i]]

    # --- the step

    def step(self, closure=None, **inputs):
        """One update of every parameter that has a gradient; returns the closure's loss."""
        if _step_hooks.listening(self):
            return _step_hooks.surrounded(self, self._step, (closure,), inputs)
        return self._step(closure, **inputs)

    step.hooked = True  # Not to be wrapped by torch.

    def _step(self, closure=None, **inputs):
        if closure is None and not inputs and self._engine is not None and self._plain_step:
            self._find_params()
            if self._plain_step:  # Those that moved may need copies now.
                self._push_options()
                keep = self._bind_gradients()
                _library.check(_library.lib.malmoi_optim_step(self._engine.handle, None))
                del keep
                self._after()
                return None
        return self._whole_step(closure, inputs)

    def _find_params(self):
        """Makes the engine if need be; makes it anew where parameters are others or elsewhere."""
        if self._engine is None:
            return self._build()
        groups = self.param_groups
        params = list(chain.from_iterable(map(_params_of, groups)))
        if (list(map(_data_ptr, params)) != self._where
                or list(map(len, map(_params_of, groups))) != self._sizes
                or self._plain_step and not all(map(_is_contiguous, params))):
            return self._rebuild()
        self._params = params

    @torch.no_grad()
    def _whole_step(self, closure, inputs):
        loss = None
        if closure is not None and self._name not in _CLOSURE:
            with torch.enable_grad():
                loss = closure()
        if closure is None and self._name in _CLOSURE | {"alig"}:
            raise NoClosureError(type(self).__name__)
        self._find_params()
        self._push_options()
        step = None
        if self._name in _CLOSURE:
            step, losses = self._closure_step(closure)
        elif self._name in _LOSS_VALUE or self._name in _HESSIAN or "grad_scale" in inputs:
            step = _library.Step(grad_scale=float(inputs.get("grad_scale", 1.0)))
            step.check_inf = int("grad_scale" in inputs)
            if loss is not None and self._name in _LOSS_VALUE:
                step.loss, step.has_loss = float(loss), 1
        hessian = self._hessian(inputs.get("hessian")) if self._name in _HESSIAN else None
        if hessian is not None:
            addresses = array("Q", [h.data_ptr() for h in hessian])
            step.hessian = addresses.buffer_info()[0]
        keep = self._bind_gradients()
        self._lend_generator()
        code = _library.lib.malmoi_optim_step(self._engine.handle, step)
        self._take_generator_back()
        if step is not None and getattr(step, "failure", None):
            raise step.failure[0]  # What the closure raised; C++ cannot carry it.
        _library.check(code)
        del keep
        if self._name in _CLOSURE:
            loss = losses[0]
        self._after()
        self._finish(inputs)
        return loss

    def _closure_step(self, closure):
        losses, kept, failure = [], [], []

        def evaluate(_):
            try:
                for index, real in self._staged:
                    real.copy_(self._engine.tensors[index])
                self._take_generator_back()
                with torch.enable_grad():
                    value = closure()
                self._lend_generator()
                losses.append(value)
                kept.append(self._bind_gradients())
                return float(value)
            except BaseException as e:  # noqa: BLE001 - raised again after the step
                failure.append(e)
                return float("nan")

        step = _library.Step(closure=_library.Closure(evaluate), grad_scale=1.0)
        step.kept, step.failure = kept, failure
        return step, losses

    # Rules that draw do so from torch's generator, as the reference does: torch.manual_seed holds.

    def _lend_generator(self):
        if self._name not in _DRAWS:
            return
        self._generator = state = torch.get_rng_state()
        numpy = sys.modules.get("numpy") if self._name == "kron" else None
        uniform = numpy.random.random() if numpy else -1.0
        _library.check(_library.lib.malmoi_optim_set_random(
            self._engine.handle, state.data_ptr(), state.numel(), uniform))

    def _take_generator_back(self):
        if self._name not in _DRAWS:
            return
        state = self._generator
        _library.check(_library.lib.malmoi_optim_random(
            self._engine.handle, state.data_ptr(), state.numel()))
        torch.set_rng_state(state)

    def _hessian(self, given):
        """What the caller handed over, else Hutchinson's estimate where the period says so."""
        group = self.param_groups[0]
        if given is not None:
            for p, h in zip(self._params, given):
                if p.shape != h.shape:
                    raise ValueError(
                        "the shape of parameter and hessian does not match. "
                        f"{p.size()} vs {h.size()}"
                    )
            return [h.detach().to(p.dtype).contiguous() for p, h in zip(self._params, given)]
        period = group.get("update_period", 1)
        if group.get("step", 0) % period != 0:
            return None
        params = [p for p in self._params if p.grad is not None and p.grad.requires_grad]
        if not params:
            return None
        samples = group.get("num_samples", self.defaults.get("num_samples", 1))
        sums = {p: torch.zeros_like(p) for p in params}
        gaussian = self.defaults.get("hessian_distribution", "rademacher") == "gaussian"
        for i in range(samples):
            with torch.enable_grad():
                zs = [
                    torch.randn_like(p) if gaussian else torch.randint_like(p, 0, 2) * 2.0 - 1.0
                    for p in params
                ]
                hzs = torch.autograd.grad(
                    [p.grad for p in params], params, grad_outputs=zs,
                    retain_graph=i < samples - 1,
                )
            for p, z, hz in zip(params, zs, hzs):
                sums[p].addcmul_(hz, z, value=1.0 / samples)
        return [sums.get(p, torch.zeros_like(p)) for p in self._params]

    def _finish(self, inputs):
        if self._name == "scionlight":
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None and group["momentum"] != 1.0:
                        p.grad.mul_(1.0 - group["momentum"])
        if self._name == "muonclip" and inputs.get("attention_max_logits") is not None:
            self._clip_attention(inputs["attention_max_logits"])

    def _clip_attention(self, logits_of):
        for group in self.param_groups:
            role = group.get("qk_clip")
            if role in (None, "key_rotary") or group.get("attention_name") not in logits_of:
                continue
            logits = logits_of[group["attention_name"]].detach().float()
            if logits.ndim != 1 or logits.numel() == 0:
                raise ValueError(
                    "attention maximum logits must be a nonempty one-dimensional tensor."
                )
            alpha, top = group["qk_clip_alpha"], group["qk_clip_threshold"]
            exponent = {"query": alpha, "key": 1.0 - alpha, "query_rotary": 1.0}[role]
            scales = (top / logits.clamp_min(top)).pow(exponent)
            for p in group["params"]:
                if p.ndim == 0 or p.size(0) % logits.numel() != 0:
                    raise ValueError(
                        "the first parameter dimension must be divisible by the attention "
                        "head count."
                    )
                rows = scales.to(p).repeat_interleave(p.size(0) // logits.numel())
                p.mul_(rows.view(-1, *([1] * (p.ndim - 1))))

    # --- the step in pieces: gradients are used as they arrive (see _fused_backward.FusedBackward)

    @torch.no_grad()
    def begin_step(self, grad_scale=1.0):
        """Opens a step whose parameters come one by one through step_param."""
        if self._name in _CLOSURE | _HESSIAN | _LOSS_VALUE:
            raise NotImplementedError(f"{type(self).__name__} cannot step in pieces")
        self._find_params()
        self._push_options()
        self._arrived_grads = array("Q", [0]) * len(self._params)
        self._place = {p: i for i, p in enumerate(self._params)}
        self._staged_at = dict(self._staged)
        self._kept_grads = []
        self._bind_arrived()  # None yet.
        step = _library.Step(grad_scale=float(grad_scale))
        _library.check(_library.lib.malmoi_optim_begin_with(self._engine.handle, step))

    @torch.no_grad()
    def step_param(self, p):
        """Steps one parameter and frees its gradient; coupled rules keep it until end_step."""
        index, g = self._place[p], self._usable(p.grad, p)
        real = self._staged_at.get(index)
        if real is not None:
            host = self._engine.tensors[index]
            host.copy_(real)
            g = self._real(g).to(device="cpu", dtype=host.dtype).contiguous()
        self._arrived_grads[index] = g.data_ptr()
        self._bind_arrived()
        _library.check(_library.lib.malmoi_optim_step_param(self._engine.handle, index))
        if _library.lib.malmoi_optim_coupled(self._engine.handle):
            self._kept_grads.append(g)
        elif real is not None:
            real.copy_(self._engine.tensors[index])
        p.grad = None  # The engine looks at no gradient twice.

    def _bind_arrived(self):
        _library.check(_library.lib.malmoi_optim_bind(
            self._engine.handle, None, self._arrived_grads.buffer_info()[0], self._engine.count
        ))

    @torch.no_grad()
    def end_step(self):
        _library.check(_library.lib.malmoi_optim_end(self._engine.handle))
        if self._kept_grads:
            for index, real in self._staged:
                real.copy_(self._engine.tensors[index])
        self._kept_grads = []
        self._seen = None
        self._after()

    # --- evaluation points of schedule-free and averaging rules

    def eval(self):
        self._switch(True)

    def train(self):
        self._switch(False)

    def _switch(self, evaluate):
        if self._name not in _SWITCHED or self._engine is None or self._evaluating == evaluate:
            return
        with torch.no_grad():
            _library.check(_library.lib.malmoi_optim_eval(self._engine.handle, int(evaluate)))
            for index, real in self._staged:
                real.copy_(self._engine.tensors[index])
        self._evaluating = evaluate
        for group in self.param_groups:
            group["train_mode"] = not evaluate

    # --- state

    @property
    def state(self):
        """Parameter -> its state, copied out of the engine; changing it changes nothing."""
        if getattr(self, "_engine", None) is None:
            return self.__dict__.setdefault("_empty_state", _objects.StateView())
        view = _objects.StateView()
        for i, p in enumerate(self._params):
            state = self._export(i)
            if state:
                view[p] = state
        return view

    @state.setter
    def state(self, value):
        pass

    def _export(self, index):
        tensors, scalars = self._engine.state(index)
        p = self._params[index]
        for name, t in tensors.items():
            if p.is_complex() and t.shape[-1:] == (2,) and t.dim() == p.dim() + 1:
                tensors[name] = torch.view_as_complex(t)
        if self._name == "sara" and not tensors:  # The reference's has one before the first step.
            below = self.param_groups[self._group_of[index]]["threshold"]
            return {"mask": p.detach().abs() < below}
        return _objects.nest(
            self._name, tensors, scalars, p, self._native, self._merged(self._group_of[index])
        )

    def _merged(self, index):
        """A group's options over the optimizer's."""
        merged = {**self.defaults, **self.param_groups[index]}
        if index < len(self._extra) and "phase" in self._extra[index]:
            merged["phase"] = self._engine.group_state(index)["phase"]
        return merged

    def state_dict(self):
        if self._engine is None and self._pending is not None:
            return self._pending
        self._find_params()
        return self._pack()

    def _pack(self):
        groups, start = [], 0
        for i, group in enumerate(self.param_groups):
            packed = {k: v for k, v in group.items() if k != "params"}
            if self._extra[i]:
                state = self._engine.group_state(i)
                packed.update({k: self._group_value(k, state[k]) for k in self._extra[i]})
            packed["params"] = list(range(start, start + len(group["params"])))
            start += len(group["params"])
            groups.append(packed)
        exported = ((i, self._export(i)) for i in range(start))
        states = {i: s for i, s in exported if s}
        if self._name == "madgrad" and states:  # Its count lives among the states there.
            states["k"] = torch.tensor([max(g.get("step", 0) for g in groups)])
        return _checkpoint.leave(
            self._name, {"state": states, "param_groups": groups}, self._params
        )

    def _group_value(self, name, value):
        """A group's number as the reference keeps it: some rules have tensors there."""
        if self._name in _TENSOR_GROUPS and isinstance(value, float) and name != "lr":
            flat = self._name in _SCALAR_GROUPS or name == "d"
            return torch.tensor(value if flat else [value])
        return value

    @torch.no_grad()
    def load_state_dict(self, state_dict):
        state_dict = _checkpoint.arrive(self._name, state_dict)
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        for group, old in zip(self.param_groups, saved):
            if len(group["params"]) != len(old["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size "
                    "of optimizer's group"
                )
        self._find_params()
        index = 0
        for i, (group, old) in enumerate(zip(self.param_groups, saved)):
            for k, v in old.items():
                if k != "params":
                    group[k] = v
            steps = [old["step"]] if "step" in old else []
            if self._name == "madgrad" and "k" in state_dict["state"]:
                steps = [int(state_dict["state"]["k"])]
            for key in old["params"]:
                state = state_dict["state"].get(key)
                if state:
                    tensors, scalars = _objects.flatten(
                        self._name, state, self._params[index], self._merged(i)
                    )
                    self._engine.set_state(index, tensors, scalars)
                    if "step" in state:
                        steps.append(float(state["step"]))
                index += 1
            values = self._values(group)
            values.update({k: _plain(old[k]) for k in self._extra[i] if k in old})
            if steps:
                values["step"] = int(max(steps))
            self._engine.set_group(i, values)
        self._list_keys()

    def __getstate__(self):
        return {
            "defaults": self.defaults,
            "param_groups": self.param_groups,
            "malmoi": self.state_dict(),
            "engine_options": self._engine_options,
        }

    def __setstate__(self, state):
        # torch's own adds what its version hooks steps with.
        super().__setstate__(dict(
            defaults=dict(state["defaults"]), param_groups=state["param_groups"], _engine=None,
            _pending=state["malmoi"], _away={}, _evaluating=False, _model=None,
            _engine_options=state["engine_options"], _known=set(_library.defaults(self._name)),
        ))
        self.defaults = state["defaults"]

    def __str__(self):
        return type(self).__name__
