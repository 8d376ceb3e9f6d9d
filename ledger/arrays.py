"""Operations on arrays of integers that are faster than those of NumPy."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["distinct", "integers", "row_numbers"]

_Number = TypeVar("_Number", bound=np.integer)


def distinct(values: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
    """Return the distinct numbers of an array, ascending, as `numpy.unique` does.

    Parameters
    ----------
    values : numpy.ndarray
        Integers, in an array of any shape.

    Returns
    -------
    numpy.ndarray
        One-dimensional array of the same type.

    Notes
    -----
    Since version 2.3, NumPy puts the numbers into a hash table before it sorts them; if most of them are
    distinct, this takes many times longer than the sort: see `python -m bench.distinct`.
    """
    ordered = np.sort(values, axis=None)
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def integers(column: pa.ChunkedArray, *, null: int = -1) -> npt.NDArray[np.int64]:
    """Return a column of integers as NumPy numbers; `null` stands for a value that is not there.

    Arrow's own `to_numpy` and `fill_null` import pandas, which takes longer than most commands.
    """
    if column.null_count:
        column = column.fill_null(null)
    chunks = [np.from_dlpack(chunk).astype(np.int64, copy=False) for chunk in column.chunks]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.int64)


def row_numbers(rows: npt.NDArray[np.int64]) -> pa.Array:
    """Return row numbers as Arrow's `take` wants them; `pyarrow.array` would import pandas."""
    numbers = np.ascontiguousarray(rows, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])
