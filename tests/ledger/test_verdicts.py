"""Entries of the verdict log: one reading each, and every other byte is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.verdicts import Reason, Verdict, accepted_entry, parse_verdict, rejected_entry

VERDICTS = st.builds(
    Verdict,
    st.integers(0, 2**64 - 1),
    st.binary(min_size=32, max_size=32),
    st.none() | st.sampled_from(list(Reason)),
)


@given(VERDICTS)
def test_an_entry_is_read_as_it_was_written(verdict: Verdict) -> None:
    assert parse_verdict(verdict.to_entry()) == verdict


@given(st.binary(max_size=60) | st.binary(min_size=43, max_size=43))
def test_what_is_read_is_written_the_same(data: bytes) -> None:
    try:
        verdict = parse_verdict(data)
    except VerificationError:
        return
    assert verdict.to_entry() == data


def test_the_bytes() -> None:
    place = bytes(7) + b"\5" + b"\xab" * 32
    assert accepted_entry(5, b"\xab" * 32) == b"\1" + place + b"\1\0"
    assert rejected_entry(5, b"\xab" * 32, Reason.DUPLICATE) == b"\1" + place + b"\2\x0b"


@pytest.mark.parametrize("tail", [b"\1\1", b"\2\0", b"\2\x0c", b"\3\0", b"\0\0"])
def test_a_verdict_with_a_reason_that_does_not_fit_is_refused(tail: bytes) -> None:
    with pytest.raises(VerificationError):
        parse_verdict(b"\1" + bytes(40) + tail)


def test_each_reason_has_words() -> None:
    assert len({reason.text for reason in Reason}) == len(Reason)
