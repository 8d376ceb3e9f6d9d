"""Lists end to end in one array (CSR): where each of them begins, and where a limit falls in one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.kernels.jit import jit

__all__ = ["first_above", "first_later", "offsets", "ranges", "runs"]

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]


def offsets(length: npt.NDArray[np.int64 | np.bool_]) -> Ints:
    """Return where lists of these lengths begin, and the end of the last."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(length, dtype=np.int64)))


def runs(key: npt.NDArray[np.int32 | np.int64]) -> Ints:
    """Return where the runs of equal values of a sorted array begin, and the end of the last."""
    begins = np.ones(len(key), np.bool_)
    begins[1:] = key[1:] != key[:-1]
    return np.append(np.flatnonzero(begins), len(key))


def ranges(begin: Ints, ptr: Ints) -> Ints:
    """Return the numbers from each `begin` on, as many as the list of `ptr` has places, end to end."""
    return np.repeat(begin - ptr[:-1], np.diff(ptr)) + np.arange(int(ptr[-1]))


@jit
def first_above(values: Ints | Indices, low: int, high: int, limit: int) -> int:
    """Return the first place in [low, high) whose value, they ascend, is greater than `limit`."""
    while low < high:
        middle = (low + high) // 2
        if values[middle] <= limit:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def first_later(time: Ints, edges: Indices, low: int, high: int, limit: int) -> int:
    """Return the first place in [low, high) whose edge, they ascend in time, is later than `limit`."""
    while low < high:
        middle = (low + high) // 2
        if time[edges[middle]] <= limit:
            low = middle + 1
        else:
            high = middle
    return low
