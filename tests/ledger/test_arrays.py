"""Distinct numbers: the same as NumPy's, of every type and shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, integer_dtypes, unsigned_integer_dtypes

from ledger.arrays import distinct


@given(
    st.one_of(integer_dtypes(endianness="="), unsigned_integer_dtypes(endianness="=")).flatmap(
        lambda kind: arrays(kind, array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=12))
    )
)
def test_it_returns_what_numpy_does_and_leaves_the_array_as_it_was(values: npt.NDArray[Any]) -> None:
    before = values.copy()
    found, expected = distinct(values), np.unique(values)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("values", [[], [5], [5, 5], [2, 1, 2], [-1, 2**62, -1, 0]])
def test_a_few_by_hand(values: list[int]) -> None:
    assert distinct(np.array(values, np.int64)).tolist() == sorted(set(values))
