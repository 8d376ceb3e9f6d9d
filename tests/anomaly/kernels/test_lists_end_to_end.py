"""Lists end to end in one array, against NumPy's own search and against plain Python."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anomaly.kernels.csr import first_above, first_later, offsets, ranges, runs

KEYS = st.lists(st.integers(-3, 3), max_size=20).map(sorted)


@given(KEYS)
def test_runs_part_equal_keys(keys) -> None:
    lengths = [len(list(group)) for _, group in groupby(keys)]
    ptr = runs(np.array(keys, np.int64))
    assert ptr.tolist() == offsets(np.array(lengths, np.int64)).tolist()
    assert np.diff(ptr).tolist() == lengths


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 4)), max_size=10))
def test_ranges_stand_one_behind_the_other(lists) -> None:
    begin, length = (np.array([pair[k] for pair in lists], np.int64) for k in (0, 1))
    wanted = [first + i for first, count in lists for i in range(count)]
    assert ranges(begin, offsets(length)).tolist() == wanted


@given(KEYS, st.data())
def test_a_limit_falls_where_numpy_says(keys, data) -> None:
    values = np.array(keys, np.int64)
    low = data.draw(st.integers(0, len(keys)))
    high = data.draw(st.integers(low, len(keys)))
    limit = data.draw(st.integers(-4, 4))
    wanted = low + int(np.searchsorted(values[low:high], limit, side="right"))
    assert first_above(values, low, high, limit) == wanted
    shuffled = np.random.default_rng(len(keys)).permutation(len(keys)).astype(np.int32)
    time = np.empty(len(keys), np.int64)
    time[shuffled] = values
    assert first_later(time, shuffled, low, high, limit) == wanted
