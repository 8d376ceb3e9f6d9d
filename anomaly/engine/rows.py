"""Checks of the columns of a batch: an error names the row that cannot be a payment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ledger.errors import InputError

__all__ = ["LateRowError", "RowError", "amounts", "whole"]

_QUARANTINE = "Put the row into quarantine and pass the other rows again."


class RowError(InputError):
    """Raised when a row of a batch cannot be a payment; no row of the batch is added."""


class LateRowError(InputError):
    """Raised when a batch has a row older than rows of earlier batches; no row of the batch is added."""


def whole(values: npt.ArrayLike, name: str) -> npt.NDArray[np.int64]:
    """Return a column as whole numbers, or raise `RowError`."""
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
        raise RowError(f"a column must hold whole numbers, but holds {array.dtype}", where=name)
    return array.astype(np.int64)


def amounts(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return a column as amounts (numbers of zero or more), or raise `RowError`."""
    try:
        array = np.ascontiguousarray(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise RowError(f"a column must hold amounts, but does not: {error}", where="amount") from error
    if array.ndim != 1:
        raise RowError("a column of a batch is not a list of values", where="amount")
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise RowError("an amount is negative or not a number", where=f"row {row}", next_step=_QUARANTINE)
    return array
