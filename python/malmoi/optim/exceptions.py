"""What the optimizers raise, under pytorch-optimizer's names."""


class _Named(Exception):
    def __init__(self, message):
        self.message = message
        super().__init__(message)


class NoSparseGradientError(_Named):
    def __init__(self, optimizer_name, note=""):
        self.note = f" w/ {note} " if note else " "
        super().__init__(f"{optimizer_name}{self.note}does not support sparse gradient.")


class NoComplexParameterError(_Named):
    def __init__(self, optimizer_name, note=""):
        self.note = f" w/ {note} " if note else " "
        super().__init__(f"{optimizer_name}{self.note}does not support complex parameter.")


class NoClosureError(_Named):
    def __init__(self, optimizer_name, note=""):
        super().__init__(f"{optimizer_name} requires closure.{note}")


class ZeroParameterSizeError(_Named):
    def __init__(self):
        super().__init__("parameter size is 0")


class NegativeLRError(_Named):
    def __init__(self, lr, lr_type=""):
        self.note = lr_type or "learning rate"
        super().__init__(f"{self.note} must be positive. ({lr} > 0)")


class NegativeStepError(_Named):
    def __init__(self, num_steps, step_type=""):
        self.note = step_type or "step"
        super().__init__(f"{self.note} must be positive. ({num_steps} > 0)")
