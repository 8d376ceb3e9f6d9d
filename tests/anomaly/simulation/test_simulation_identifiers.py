"""Check digits against published examples and against their definition."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.simulation import identifiers
from ledger.errors import InputError

# Bank code and account number of the examples in the SWIFT IBAN registry; the arguments follow its layouts.
REGISTRY = [
    ("DE", "", 37040044, 532013000, "DE89370400440532013000"),
    ("AT", "", 19043, 234573201, "AT611904300234573201"),
    ("BE", "", 539, 75470, "BE68539007547034"),
    ("CH", "", 762, 11623852957, "CH9300762011623852957"),
    ("GB", "NWBK", 601613, 31926819, "GB29NWBK60161331926819"),
    ("IE", "AIBK", 931152, 12345678, "IE29AIBK93115212345678"),
    ("LT", "", 10000, 11101001000, "LT121000011101001000"),
    ("LU", "", 1, 9400644750000, "LU280019400644750000"),
    ("FR", "", 30006, 12345678901, "FR7630006000011234567890189"),  # the French banks' usual specimen
    ("NL", "ABNA", 0, 417164300, "NL91ABNA0417164300"),
]


@pytest.mark.parametrize(("country", "letters", "bank", "number", "expected"), REGISTRY)
def test_iban_of_the_registry(country: str, letters: str, bank: int, number: int, expected: str) -> None:
    assert identifiers.iban(country, letters, bank, number) == expected


# The layout here fixes the branch, so the registry's ES9121000418450200051332 tests its inner digits, 45.
def test_spanish_inner_check_digits_of_the_registry() -> None:
    assert identifiers._spanish_digit("00" + "21000418") == "4"
    assert identifiers._spanish_digit("0200051332") == "5"


# GLEIF's own and Apple's LEI, and the example of ISO 17442.
@pytest.mark.parametrize("lei", ["506700GE1G29325QX363", "HWUPKR0MPOU8FGXBT394", "5493001KJTIIGC8Y1R12"])
def test_lei_check_digits_of_published_codes(lei: str) -> None:
    assert identifiers.check_digits(lei[:18]) == lei[18:]
    assert identifiers.mod97(lei) == 1


@given(
    country=st.sampled_from(["DE", "FR", "ES", "BE", "NL", "IE", "GB", "AT", "LT", "CH", "LU"]),
    bank=st.integers(900, 989),
    number=st.integers(1_000_000, 9_999_999),
)
def test_iban_leaves_one_and_has_its_length(country: str, bank: int, number: int) -> None:
    code = identifiers.iban(country, "ABCD", bank, number)
    lengths = {"DE": 22, "FR": 27, "ES": 24, "BE": 16, "NL": 18, "IE": 22, "GB": 22, "AT": 20, "LT": 20}
    assert len(code) == lengths.get(country, {"CH": 21, "LU": 20}.get(country))
    assert identifiers.mod97(code[4:] + code[:4]) == 1


@given(serial=st.integers(0, 10**12 - 1), position=st.integers(0, 19), step=st.integers(1, 9))
def test_lei_catches_one_wrong_digit(serial: int, position: int, step: int) -> None:
    code = identifiers.lei(serial)
    assert identifiers.mod97(code) == 1
    if code[position].isdigit():
        wrong = str((int(code[position]) + step) % 10)
        assert identifiers.mod97(code[:position] + wrong + code[position + 1 :]) != 1


def test_uetrs_are_distinct_uuids_of_version_4() -> None:
    drawn = identifiers.uetrs(np.random.default_rng(1), 2_000)
    assert len(set(drawn)) == 2_000
    assert {UUID(text).version for text in drawn} == {4}
    assert drawn == identifiers.uetrs(np.random.default_rng(1), 2_000)


def test_unknown_country_has_a_message() -> None:
    with pytest.raises(InputError, match="no IBAN layout"):
        identifiers.iban("US", "ABCD", 1, 1)
