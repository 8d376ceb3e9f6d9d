"""Bands: an amount lies in its band, there is no gap, and a cut threshold is decided as the amount does."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.encoding import band_arrays
from ledger.encoding.bands import MAX_AMOUNT, Bands, logarithmic_grid
from ledger.errors import InputError

amounts = st.one_of(st.integers(0, MAX_AMOUNT), st.integers(0, 5_000_000))
edge_sets = st.lists(st.integers(1, MAX_AMOUNT), max_size=40)


def interval(bands: Bands, amount: int) -> tuple[int, int]:
    """Return the lowest and the highest amount of an amount's band."""
    low, high = band_arrays.decode(bands, [bands.band(amount)])
    return int(low[0]), int(high[0])


@given(edges=edge_sets, values=st.lists(amounts, max_size=50), near=st.lists(st.integers(-1, 1), max_size=40))
def test_one_amount_and_many_have_the_same_bands(
    edges: list[int], values: list[int], near: list[int]
) -> None:
    bands = Bands(edges)
    at_edges = [min(edge + step, MAX_AMOUNT) for edge, step in zip(edges, near, strict=False)]
    found = band_arrays.encode(bands, values + at_edges)
    assert found.dtype == np.uint16
    assert found.tolist() == [bands.band(value) for value in values + at_edges]


@given(edges=edge_sets, values=st.lists(amounts, max_size=50))
def test_an_amount_lies_in_its_band(edges: list[int], values: list[int]) -> None:
    bands = Bands(edges)
    low, high = band_arrays.decode(bands, band_arrays.encode(bands, values))
    assert (low <= np.array(values, np.int64)).all()
    assert (high >= np.array(values, np.int64)).all()


@given(edges=edge_sets)
def test_bands_cover_every_amount_once(edges: list[int]) -> None:
    bands = Bands(edges)
    low, high = band_arrays.decode(bands, np.arange(len(bands)))
    assert low[0] == 0
    assert high[-1] == MAX_AMOUNT
    assert (low[1:] == high[:-1] + 1).all()
    assert (band_arrays.encode(bands, low) == np.arange(len(bands))).all()
    assert (band_arrays.encode(bands, high) == np.arange(len(bands))).all()


@given(threshold=st.integers(1, MAX_AMOUNT - 1), others=edge_sets, amount=amounts, near=st.integers(-2, 2))
@example(threshold=1_000_000, others=[], amount=1_000_000, near=0)
@example(threshold=1_000_000, others=[], amount=1_000_001, near=0)
@example(threshold=1_000_000, others=[], amount=999_999, near=0)
def test_a_policy_that_cuts_a_threshold_decides_it_exactly(
    threshold: int, others: list[int], amount: int, near: int
) -> None:
    bands = Bands([*logarithmic_grid(), threshold, threshold + 1, *others])
    for value in (amount, min(max(threshold + near, 0), MAX_AMOUNT)):
        low, high = interval(bands, value)
        assert (low > threshold) == (high > threshold) == (value > threshold)
        assert (low >= threshold) == (high >= threshold) == (value >= threshold)


@given(threshold=st.integers(2, MAX_AMOUNT - 1), amount=amounts)
def test_one_cut_decides_the_one_comparison_it_was_made_for(threshold: int, amount: int) -> None:
    more_than, or_more = Bands([threshold + 1]), Bands([threshold])
    for value in (amount, threshold, threshold - 1, threshold + 1):
        low, high = interval(more_than, value)
        assert (low > threshold) == (high > threshold) == (value > threshold)
        low, high = interval(or_more, value)
        assert (low >= threshold) == (high >= threshold) == (value >= threshold)


@pytest.mark.parametrize("per_decade", [1, 3, 10, 100])
def test_the_grid_has_its_bands_per_decade_and_no_float_error(per_decade: int) -> None:
    grid = logarithmic_grid(per_decade)
    assert grid == sorted(set(grid))
    assert set(grid) >= {10**k for k in range(15)}
    assert grid[0] == 1
    assert grid[-1] <= MAX_AMOUNT
    for edge in grid[-per_decade:]:
        # the exact edge is the least integer whose per_decade-th power reaches the power of ten
        k = round(Decimal(edge).ln() / Decimal(10).ln() * per_decade)
        assert edge**per_decade >= 10**k > (edge - 1) ** per_decade


@pytest.mark.parametrize("per_decade", [0, -1, 101])
def test_another_grid_is_refused(per_decade: int) -> None:
    with pytest.raises(InputError, match="bands per decade"):
        logarithmic_grid(per_decade)


@pytest.mark.parametrize("edges", [[0], [-1], [MAX_AMOUNT + 1]])
def test_edges_out_of_range_are_refused(edges: list[int]) -> None:
    with pytest.raises(InputError, match="edges must lie between"):
        Bands(edges)


def test_more_bands_than_a_code_can_name_are_refused() -> None:
    assert len(Bands(range(1, 65_536))) == 65_536
    with pytest.raises(InputError, match="too many for a band code"):
        Bands(range(1, 65_538))


@pytest.mark.parametrize("amount", [-1, MAX_AMOUNT + 1])
def test_amounts_out_of_range_are_refused(amount: int) -> None:
    with pytest.raises(InputError, match="amounts must lie"):
        band_arrays.encode(Bands([5]), [amount])
    with pytest.raises(InputError, match="amounts must lie"):
        Bands([5]).band(amount)


def test_a_code_of_another_policy_is_refused() -> None:
    with pytest.raises(InputError, match="band 2 does not exist"):
        band_arrays.decode(Bands([5]), [0, 2])
