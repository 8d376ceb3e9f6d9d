"""Encode and decode the bands of many amounts at once, as NumPy arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ledger.encoding.bands import MAX_AMOUNT, Bands
from ledger.errors import InputError

__all__ = ["decode", "encode"]


def encode(bands: Bands, amounts: npt.ArrayLike) -> npt.NDArray[np.uint16]:
    """Return the band of each amount (int64 minor units, shape (n,)) as uint16, shape (n,).

    Raises
    ------
    InputError
        When an amount is below zero or above `MAX_AMOUNT`.
    """
    values = np.asarray(amounts, dtype=np.int64)
    if values.size and (values.min() < 0 or values.max() > MAX_AMOUNT):
        raise InputError(f"amounts must lie between 0 and {MAX_AMOUNT} minor units")
    return np.searchsorted(np.array(bands.edges, np.int64), values, side="right").astype(np.uint16)


def decode(bands: Bands, codes: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the lowest and the highest amount of each band, both included, in minor units.

    Raises
    ------
    InputError
        When a code does not belong to a band.
    """
    chosen = np.asarray(codes, dtype=np.int64)
    if chosen.size and chosen.max() >= len(bands):
        raise InputError(f"band {int(chosen.max())} does not exist; the policy has {len(bands)} bands")
    low = np.array([0, *bands.edges], np.int64)
    high = np.array([*(edge - 1 for edge in bands.edges), MAX_AMOUNT], np.int64)
    return low[chosen], high[chosen]
