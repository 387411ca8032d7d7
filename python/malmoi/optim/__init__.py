"""Optimizers of pytorch-optimizer as native kernels, under its names and signatures.

Importing this module does not import torch; the classes do, when they are first touched.
"""

import importlib

from .exceptions import (  # noqa: F401
    NegativeLRError,
    NegativeStepError,
    NoClosureError,
    NoComplexParameterError,
    NoSparseGradientError,
    ZeroParameterSizeError,
)

_ELSEWHERE = {
    name: module
    for module, names in {
        "_factory": "create_optimizer get_optimizer_parameters prepare_muon_parameters",
        "_wrappers": "Lookahead OrthoGrad ScheduleFreeWrapper TRAC PCGrad SafeFP16Optimizer "
        "DynamicLossScaler CPUOffloadOptimizer",
        "_fused_backward": "FusedBackward",
        "_rotograd": "RotoGrad RotoGradNorm RotateOnly VanillaMTL",
        "_sharpness": "SAM GSAM WSAM LookSAM FriendlySAM",
        "lr_scheduler": "ConstantLR StepLR MultiStepLR MultiplicativeLR CyclicLR OneCycleLR "
        "CosineAnnealingLR CosineAnnealingWarmRestarts CosineAnnealingWarmupRestarts "
        "LinearScheduler CosineScheduler PolyScheduler ProportionScheduler REXScheduler "
        "get_chebyshev_schedule get_chebyshev_perm_steps get_wsd_schedule load_lr_scheduler "
        "deberta_v3_large_lr_scheduler",
        "loss": "BCELoss BCEFocalLoss FocalLoss FocalCosineLoss FocalTverskyLoss TverskyLoss "
        "SoftF1Loss LovaszHingeLoss LDAMLoss DiceLoss JaccardLoss BiTemperedLogisticLoss "
        "BinaryBiTemperedLogisticLoss bi_tempered_logistic_loss soft_dice_score "
        "soft_jaccard_score",
        "functions": "agc centralize_gradient clip_grad_norm copy_stochastic "
        "disable_running_stats enable_running_stats get_global_gradient_norm "
        "normalize_gradient unit_norm",
    }.items()
    for name in names.split()
}
_SCHEDULERS = (
    "chebyshev constant cosine cosine_annealing cosine_annealing_with_warm_restart "
    "cosine_annealing_with_warmup cyclic linear multi_step multiplicative one_cycle poly "
    "proportion rex step warmup_stable_decay"
).split()
_LOSSES = (
    "bcefocalloss bceloss binarybitemperedlogisticloss bitemperedlogisticloss diceloss "
    "focalcosineloss focalloss focaltverskyloss jaccardloss ldamloss lovaszhingeloss softf1loss "
    "tverskyloss"
).split()


def _classes_of_catalogue():
    """{class name: registry name}; read when a class is asked for, as it is long."""
    from . import _catalog

    return {row[1]: row[0] for row in _catalog.OPTIMIZERS}


def _filtered(names, filters):
    if filters is None:
        return sorted(names)
    import fnmatch

    filters = filters if isinstance(filters, (tuple, list)) else [filters]
    return sorted({n for f in filters for n in fnmatch.filter(names, f)})


def get_supported_optimizers(filters=None):
    """Registry names that match a glob, or one of several; all of them for None."""
    from . import _library

    return _filtered(_library.names(), filters)


def get_supported_lr_schedulers(filters=None):
    return _filtered(_SCHEDULERS, filters)


def get_supported_loss_functions(filters=None):
    return _filtered(_LOSSES, filters)


def load_optimizer(optimizer):
    """The class of that registry name, in any case."""
    name = optimizer.lower()
    for prefix, needs in (
        ("bnb", "bitsandbytes and CUDA"),
        ("q_galore", "bitsandbytes, q-galore-torch, and CUDA"),
        ("torchao", "torchao"),
    ):
        if name.startswith(prefix):
            raise ImportError(f"{needs} required for the optimizer {name}")
    from . import _classes

    return _classes.by_name(name)


def __getattr__(name):
    if name.startswith("_"):  # Python asks for its own, and for modules before it imports them.
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _ELSEWHERE:
        value = getattr(importlib.import_module(f".{_ELSEWHERE[name]}", __name__), name)
    elif (registered := _classes_of_catalogue().get(name)) is not None:
        from . import _classes

        try:
            value = _classes.by_name(registered)
        except NotImplementedError as e:
            raise AttributeError(str(e)) from None
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_classes_of_catalogue(), *_ELSEWHERE})
