#!/usr/bin/env python3
"""Prints the table of python/malmoi/optim/_catalog.py: names, arguments and defaults.

Usage: make_optim_catalog.py > TABLE (needs torch and pytorch-optimizer; facts only)
"""

import inspect
import textwrap

import torch
from pytorch_optimizer.optimizer import OPTIMIZERS


def literal(value):
    """A default as source text; what is neither a number, a text nor a dtype is None."""
    if isinstance(value, torch.dtype):
        return repr(str(value))
    if isinstance(value, float) and value == float("inf"):
        return "float('inf')"
    if isinstance(value, tuple):
        return "(" + "".join(f"{literal(v)}, " for v in value).rstrip() + ")"
    if isinstance(value, int) and not isinstance(value, bool):
        return repr(int(value))  # Enumerations too.
    return repr(value) if isinstance(value, (bool, float, str, type(None))) else "None"


def arguments(signature):
    by_keyword = False
    for name, p in list(signature.parameters.items())[1:]:
        if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL):
            continue
        if p.kind == p.KEYWORD_ONLY and not by_keyword:
            by_keyword = True
            yield "('*', None),"
        default = "'<required>'" if p.default is p.empty else literal(p.default)
        yield f"({name!r}, {default}),"


def main():
    print("OPTIMIZERS = (")
    for name, cls in sorted(OPTIMIZERS.items()):
        signature = inspect.signature(cls.__init__)
        more = any(p.kind == p.VAR_KEYWORD for p in signature.parameters.values())
        native = cls.__module__.startswith("torch")
        print(f"    ({name!r}, {cls.__name__!r}, (")
        body = " ".join(a.replace(" ", "\0") for a in arguments(signature))
        for line in textwrap.wrap(body, 90, break_long_words=False, break_on_hyphens=False):
            print("        " + line.replace("\0", " "))
        print(f"    ), {more}, {native}),")
    print(")")


if __name__ == "__main__":
    main()
