"""The bound of Clopper and Pearson is exact: compared with whole numbers, and with SciPy."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from ledger.audit.sampling import upper_bound


@given(st.integers(1, 1_000).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_it_is_the_quantile_of_the_beta_distribution(sample: tuple[int, int]) -> None:
    found, drawn = sample
    assert upper_bound(found, drawn) == pytest.approx(beta.ppf(0.95, found + 1, drawn - found), rel=1e-9)


@pytest.mark.parametrize(("found", "drawn"), [(0, 1), (0, 20), (2, 20), (19, 20), (3, 60)])
def test_at_the_bound_so_few_are_found_once_in_twenty(found: int, drawn: int) -> None:
    share = Fraction(upper_bound(found, drawn))
    chance = sum(comb(drawn, k) * share**k * (1 - share) ** (drawn - k) for k in range(found + 1))
    assert float(chance) == pytest.approx(0.05, rel=1e-9)


@pytest.mark.parametrize("drawn", [20, 100, 1_000])
def test_the_rule_of_three_is_a_little_above_it(drawn: int) -> None:
    assert 0.9 * 3 / drawn < upper_bound(0, drawn) < 3 / drawn


def test_all_found_bounds_nothing_and_nonsense_is_refused() -> None:
    assert upper_bound(4, 4) == 1.0
    for sample in ((-1, 4), (5, 4), (0, 0)):
        with pytest.raises(ValueError, match="found is 0 to drawn"):
            upper_bound(*sample)
