"""Nesting is counted as the parser would count it, whatever stands in the strings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical
from ledger.errors import VerificationError
from ledger.nesting import MOST_DEPTH, nesting

VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='ab"\\[]{}\n,:é'),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet='k"\\[{', max_size=3), inner, max_size=3)
    ),
    max_leaves=15,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(VALUES, st.booleans())
def test_it_is_the_depth_of_the_value(value: Any, ascii_only: bool) -> None:
    assert nesting(json.dumps(value, ensure_ascii=ascii_only).encode()) == depth(value)


@given(st.binary())
def test_any_bytes_have_some_depth(data: bytes) -> None:
    assert 0 <= nesting(data) <= MOST_DEPTH + 1


def test_it_stops_counting_where_nobody_parses_any_more() -> None:
    assert nesting(b"[" * 5_000_000) == MOST_DEPTH + 1
    assert nesting(b"[]" * 100_000) == 1


def test_a_file_of_opening_brackets_is_refused_before_it_can_end_the_process() -> None:
    for opening in (b"[", b'{"":'):
        with pytest.raises(VerificationError, match="the receipt is nested deeper than 100 levels"):
            canonical.loads(opening * 500_000, what="receipt")
