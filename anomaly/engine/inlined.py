"""Small kernels written into their callers: a call that hands over a graph copies its descriptors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

__all__ = ["inlined"]

Function = TypeVar("Function", bound=Callable[..., object])


def inlined(function: Function) -> Function:
    """Compile as part of each caller; `NUMBA_DISABLE_JIT=1` leaves the function as it is."""
    return cast(Function, numba.njit(inline="always", nogil=True)(function))
