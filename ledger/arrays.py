"""Operations on arrays of integers that are faster than those of NumPy."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["distinct"]

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
