"""Bins of sizes: lower ends that ascend, the last bin open."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.inlined import inlined

__all__ = ["bin_of", "bin_table"]

Ints = npt.NDArray[np.int64]


def bin_table(bins: tuple[int, ...]) -> Ints:
    """Return, for each size up to the last bin's lower end, its bin, or -1."""
    return np.searchsorted(np.array(bins), np.arange(bins[-1] + 1), side="right").astype(np.int64) - 1


@inlined
def bin_of(table: Ints, size: int) -> int:
    """Return the bin of a pattern's size, or -1."""
    found: int = table[min(size, len(table) - 1)]
    return found
