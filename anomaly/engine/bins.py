"""Histogram bins of pattern sizes, given by ascending lower ends; the last bin is open."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.inlined import inlined

__all__ = ["bin_of", "bin_table"]

Ints = npt.NDArray[np.int64]


def bin_table(bins: tuple[int, ...]) -> Ints:
    """Return the bin (or -1) of each size up to the lower end of the last bin."""
    return np.searchsorted(np.array(bins), np.arange(bins[-1] + 1), side="right").astype(np.int64) - 1


@inlined
def bin_of(table: Ints, size: int) -> int:
    """Return the bin of a pattern's size, or -1."""
    found: int = table[min(size, len(table) - 1)]
    return found
