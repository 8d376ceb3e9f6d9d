"""Inlining of small compiled functions, because a call with a graph argument copies its array descriptors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

__all__ = ["inlined"]

Function = TypeVar("Function", bound=Callable[..., object])


def inlined(function: Function) -> Function:
    """Compile as part of each caller; `NUMBA_DISABLE_JIT=1` leaves the function uncompiled."""
    return cast(Function, numba.njit(inline="always", nogil=True)(function))
