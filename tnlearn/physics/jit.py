"""Compilation of the kernels: released from the interpreter lock, kept on disk where possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

__all__ = ["kernel", "strict_kernel"]

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered (so that they vectorise) and divisions be done by reciprocals;
# NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "arcp", "nsz"}


def kernel(function: Function) -> Function:
    """`numba.njit` without the interpreter lock, cached on disk where a folder can be written."""
    return _compiled(function, _FAST)


def strict_kernel(function: Function) -> Function:
    """The same with sums and divisions as written (a product may enter a sum unrounded)."""
    return _compiled(function, {"contract"})


def _compiled(function: Function, fast: set[str]) -> Function:
    options = {"nogil": True, "fastmath": fast, "error_model": "numpy"}
    try:
        compiled: Function = numba.njit(cache=True, **options)(function)
    except RuntimeError:
        compiled = numba.njit(**options)(function)
    return compiled
