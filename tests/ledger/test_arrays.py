"""Distinct numbers: the same as NumPy's, of every type and shape; columns of integers as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, integer_dtypes, unsigned_integer_dtypes

from ledger.arrays import distinct, integers


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


@given(
    st.lists(st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=6), max_size=4),
    st.sampled_from([pa.int32(), pa.int64()]),
    st.integers(0, 3),
)
def test_a_column_is_what_arrow_makes_of_it(
    chunks: list[list[int | None]], kind: pa.DataType, start: int
) -> None:
    column = pa.chunked_array(chunks, kind).slice(start)
    expected = column.fill_null(-1).to_numpy().astype(np.int64)
    np.testing.assert_array_equal(integers(column), expected)
    assert integers(column).dtype == np.int64
