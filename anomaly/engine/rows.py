"""The columns of a batch, checked: a row that cannot be a payment is refused by name."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ledger.errors import InputError

__all__ = ["LateRowError", "RowError", "amounts", "whole"]

_QUARANTINE = "Put the row into quarantine and give the others again."


class RowError(InputError):
    """Raised when a row of a batch cannot be a payment; nothing of the batch is taken in."""


class LateRowError(InputError):
    """Raised when a batch holds a row older than what an earlier batch held; nothing of it is taken in."""


def whole(values: npt.ArrayLike, name: str) -> npt.NDArray[np.int64]:
    """Return a column of whole numbers."""
    array = np.asarray(values)
    if array.dtype == np.int64 and array.ndim == 1:
        return np.ascontiguousarray(array)
    if array.ndim != 1:
        raise RowError("a column of a batch is not a list of values", where=name)
    if array.dtype.kind == "f":
        wrong = ~np.isfinite(array) | (array != np.floor(array)) | (np.abs(array) >= 2.0**63)
        if wrong.any():
            raise RowError(
                "a value is not a whole number", where=f"row {int(np.flatnonzero(wrong)[0])}, {name}"
            )
    elif array.dtype.kind not in "iub" and len(array):
        raise RowError(f"a column of whole numbers holds {array.dtype}", where=name)
    return array.astype(np.int64)


def amounts(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return a column of amounts: numbers, zero or more."""
    try:
        array = np.ascontiguousarray(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise RowError(f"a column of amounts holds something else: {error}", where="amount") from error
    if array.ndim != 1:
        raise RowError("a column of a batch is not a list of values", where="amount")
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise RowError("an amount is negative or not a number", where=f"row {row}", next_step=_QUARANTINE)
    return array
