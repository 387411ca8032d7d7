"""malmoi: optimizers, learning-rate schedules and losses as native kernels (malmoi.optim)."""

__version__ = "0.1.0"
