"""Codes: ISO numbers both ways, against values published by the standards' agencies."""

from __future__ import annotations

import numpy as np

from ledger.encoding.codes import COUNTRY_NUMERIC
from ledger.money import ALPHA, EXPONENT, NUMERIC


def test_currencies_go_both_ways_and_fit_two_bytes() -> None:
    assert len(NUMERIC) == len(ALPHA) > 150
    for alpha, numeric in NUMERIC.items():
        assert ALPHA[numeric] == alpha
        assert 0 < numeric <= np.iinfo(np.uint16).max


def test_published_currency_codes() -> None:
    """ISO 4217, list one."""
    published = {"EUR": (978, 2), "USD": (840, 2), "JPY": (392, 0), "KWD": (414, 3), "GBP": (826, 2)}
    assert {c: (NUMERIC[c], EXPONENT[c]) for c in published} == published


def test_metals_and_test_codes_are_no_currencies() -> None:
    assert not {"XAU", "XAG", "XTS", "XXX"} & set(NUMERIC)


def test_published_country_codes() -> None:
    """ISO 3166-1."""
    published = {"DE": 276, "FR": 250, "US": 840, "GB": 826, "AF": 4}
    assert {c: COUNTRY_NUMERIC[c] for c in published} == published
    assert len(set(COUNTRY_NUMERIC.values())) == len(COUNTRY_NUMERIC)
