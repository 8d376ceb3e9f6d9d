"""The epoch of the pseudonym key to which a transaction belongs: the epoch at the transaction's own time.

It is not the epoch at the time of posting: if a bank posts its half late, in the next epoch, that half must
still match the half that the other bank posted in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["epoch_range_us", "epochs_of"]


class Opened(Protocol):
    """An epoch on the chain."""

    @property
    def starts_at(self) -> int:
        """Unix time in seconds from which transactions belong to it."""
        ...


def epochs_of(opened: Sequence[Opened], times_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the position in `opened` of each time's epoch (int64, shape (n,)).

    Parameters
    ----------
    opened : sequence of Opened
        In the order in which they were opened, so that their starts are in ascending order.
    times_us : ndarray of int64, shape (n,)
        Microseconds since 1970. A time before the first epoch belongs to the first epoch.
    """
    starts = np.array([epoch.starts_at for epoch in opened[1:]], np.int64) * 1_000_000
    return np.searchsorted(starts, times_us, side="right").astype(np.int64)


def epoch_range_us(opened: Sequence[Opened], position: int) -> tuple[int, int]:
    """Return the first and the last microsecond of an epoch, the upper end excluded."""
    first = -(2**62) if position == 0 else opened[position].starts_at * 1_000_000
    last = 2**62 if position + 1 == len(opened) else opened[position + 1].starts_at * 1_000_000
    return first, last
