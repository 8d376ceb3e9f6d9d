"""The policy document: it reads back as itself, and nothing else reads as a policy."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical
from ledger.encoding.bands import MAX_AMOUNT
from ledger.encoding.policy import TIME_UNITS, Policy
from ledger.errors import ConfigurationError, VerificationError
from ledger.money import NUMERIC

policies = st.builds(
    Policy,
    time_unit=st.sampled_from(list(TIME_UNITS)),
    cuts=st.dictionaries(
        st.sampled_from(sorted(NUMERIC)),
        st.lists(st.integers(1, MAX_AMOUNT), max_size=6).map(tuple),
        max_size=4,
    ),
    grid=st.lists(st.integers(1, MAX_AMOUNT), max_size=20).map(tuple),
    rule_set=st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex),
    tolerance=st.integers(0, 10**6),
    deadline=st.integers(0, 10**7),
    development=st.just(True),
)


@given(policies)
def test_a_document_reads_back_as_the_same_policy(policy: Policy) -> None:
    again = Policy.from_document(policy.document)
    assert again.document == policy.document
    assert again.hash == policy.hash == sha256(policy.document).digest()
    for currency in ("EUR", *policy.cuts):
        assert again.bands(currency).edges == policy.bands(currency).edges
    assert again.bucket_seconds == policy.bucket_seconds


@pytest.mark.parametrize("unit", ["minute", "exact"])
def test_fine_time_is_refused_outside_development(unit: Any) -> None:
    assert Policy(time_unit=unit, development=True).bucket_seconds in (60, 1)
    with pytest.raises(ConfigurationError, match="allowed only in a development consortium"):
        Policy(time_unit=unit)
    document = canonical.loads(Policy(time_unit=unit, development=True).document)
    with pytest.raises(VerificationError, match="allowed only in"):
        Policy.from_document(canonical.dumps(document | {"development": False}))


def test_production_units_and_their_lengths() -> None:
    assert Policy().bucket_seconds == 3_600
    assert Policy(time_unit="day").bucket_seconds == 86_400


def test_unknown_units_and_currencies_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown time unit"):
        Policy(time_unit="week")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="unknown currencies: XXQ"):
        Policy(cuts={"XXQ": [1]})


def test_only_the_currency_that_is_cut_is_cut() -> None:
    policy = Policy(cuts={"EUR": [1_000_001]})
    assert 1_000_001 in policy.bands("EUR").edges
    assert 1_000_001 not in policy.bands("USD").edges


def changed(**changes: Any) -> bytes:
    value = canonical.loads(Policy(cuts={"EUR": [5]}).document)
    for name, change in changes.items():
        if change is None:
            del value[name]
        else:
            value[name] = change
    return canonical.dumps(value)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"policy"',
        changed(format="counterfoil/policy/2"),
        changed(time=None),
        changed(time=[]),
        changed(time={"unit": "hour", "seconds": 60}),
        changed(time={"unit": ["hour"], "seconds": 3600}),
        changed(grid="123"),
        changed(grid=["1"]),
        changed(grid=[1.5]),
        changed(cuts=[]),
        changed(cuts={"ZZZ": [1]}),
        changed(cuts={"EUR": [7, 5]}),
        changed(cuts={"EUR": [5, 5]}),
        changed(match={}),
        changed(match={"tolerance": "x", "deadline": 1}),
        changed(development=1),
        changed(note="more than the format allows"),
        Policy().document + b"\n",
        Policy().document.replace(b":", b": ", 1),
        b'{"a":1,"a":1}',
        b"[" * 5_000,
        b"\xff",
        b'{"format":1e400}',
    ],
)
def test_nothing_else_reads_as_a_policy(document: bytes) -> None:
    with pytest.raises(VerificationError):
        Policy.from_document(document)
