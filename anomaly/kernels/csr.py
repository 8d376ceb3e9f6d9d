"""Lists that are stored end to end in one array (CSR): where each list begins, and search inside a list."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.kernels.jit import jit

__all__ = ["first_above", "first_later", "offsets", "ranges", "runs"]

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]


def offsets(length: npt.NDArray[np.int64 | np.bool_]) -> Ints:
    """Return the index at which each list of these lengths begins, and the end of the last list."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(length, dtype=np.int64)))


def runs(key: npt.NDArray[np.int32 | np.int64]) -> Ints:
    """Return the index at which each run of equal values of a sorted array begins, and the array's end."""
    begins = np.ones(len(key), np.bool_)
    begins[1:] = key[1:] != key[:-1]
    return np.append(np.flatnonzero(begins), len(key))


def ranges(begin: Ints, ptr: Ints) -> Ints:
    """Return, end to end, consecutive numbers from each `begin`, as many as its list in `ptr` has entries."""
    return np.repeat(begin - ptr[:-1], np.diff(ptr)) + np.arange(int(ptr[-1]))


@jit
def first_above(values: Ints | Indices, low: int, high: int, limit: int) -> int:
    """Return the first index in [low, high) whose value is greater than `limit`; values must ascend."""
    while low < high:
        middle = (low + high) // 2
        if values[middle] <= limit:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def first_later(time: Ints, edges: Indices, low: int, high: int, limit: int) -> int:
    """Return the first index in [low, high) whose edge is later than `limit`; edges must ascend in time."""
    while low < high:
        middle = (low + high) // 2
        if time[edges[middle]] <= limit:
            low = middle + 1
        else:
            high = middle
    return low
