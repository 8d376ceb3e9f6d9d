"""The compiler of all kernels: cached on disk where possible, plain Python on request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

__all__ = ["jit"]

Function = TypeVar("Function", bound=Callable[..., object])


def jit(function: Function) -> Function:
    """Compile with numba at the first call; without a writable cache folder, every process compiles again.

    `NUMBA_DISABLE_JIT=1` leaves the function uncompiled; `NUMBA_BOUNDSCHECK=1` checks every index.
    """
    try:
        return cast(Function, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no writable cache folder
        return cast(Function, numba.njit(nogil=True)(function))
