"""malmoi: optimizers, learning-rate schedules and losses as native kernels (malmoi.optim), and a
vector store in the process (malmoi.Store)."""

__version__ = "0.1.0"


def __getattr__(name):
    if name in ("Store", "StoreError"):  # Loaded when it is wanted.
        from . import store

        return getattr(store, name)
    raise AttributeError(f"module 'malmoi' has no attribute '{name}'")
