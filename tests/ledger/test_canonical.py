"""Canonical JSON is that of RFC 8785, also where a serialiser in C writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical, documents
from ledger.documents import Count, Document
from ledger.errors import VerificationError

#: A whole number beyond 2**53 is written without a fraction, and is then refused.
_NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15, allow_nan=False)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_a_value_has_the_bytes_of_rfc_8785_and_is_read_back(value: Any) -> None:
    data = rfc8785.dumps(value)
    assert canonical.dumps(value) == data
    assert rfc8785.dumps(canonical.loads(data)) == data


class _Holder(Document):
    held: dict[str, Any]


@given(st.dictionaries(st.text(), _VALUES))
def test_a_document_has_the_bytes_of_rfc_8785(value: dict[str, Any]) -> None:
    assert documents.write(_Holder(held=value)) == rfc8785.dumps({"held": value})


@given(_VALUES, st.booleans(), st.booleans())
def test_any_other_json_of_the_value_is_refused(value: Any, escaped: bool, spaced: bool) -> None:
    separators = (", ", ": ") if spaced else (",", ":")
    data = json.dumps(value, ensure_ascii=escaped, separators=separators).encode()
    if data == rfc8785.dumps(value):
        canonical.loads(data)
        return
    with pytest.raises(VerificationError):
        canonical.loads(data)


@pytest.mark.parametrize(
    "data",
    [
        b"1.0",
        b"1e2",
        b"[1E2]",
        b"9007199254740993",
        b"-0",
        b'{"a":1,"a":1}',
        b'{"b":1,"a":1}',
        b'"\\u0041"',
        b'"\\ud800"',
        b'"\\/"',
        b"NaN",
        b"Infinity",
        b"01",
        # U+1F600 sorts before U+E000 as UTF-16, and after it as code points
        '{"\ue000":1,"\U0001f600":2}'.encode(),
    ],
)
def test_a_form_that_rfc_8785_does_not_write_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationError):
        canonical.loads(data)


def test_the_order_of_keys_is_that_of_utf_16() -> None:
    assert canonical.loads('{"\U0001f600":2,"\ue000":1}'.encode()) == {"\U0001f600": 2, "\ue000": 1}


class _Visit(Document, tag_field="format", tag="counterfoil/visit/1"):
    count: Count
    more: dict[str, Any]


@given(st.integers(0, 2**53 - 1), st.dictionaries(st.text(), _VALUES))
def test_a_document_is_read_as_it_was_written(count: int, more: dict[str, Any]) -> None:
    data = documents.write(_Visit(count=count, more=more))
    assert documents.write(documents.read(data, _Visit, what="visit")) == data
    assert documents.format_of(data) == "counterfoil/visit/1"


@given(st.binary(max_size=40) | _VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_document_or_are_refused(data: bytes) -> None:
    assert documents.format_of(data) in (None, "counterfoil/visit/1")
    with pytest.raises(VerificationError):
        documents.read(data, _Visit, what="visit")


@pytest.mark.parametrize(
    "data",
    [
        b'{"count":true,"format":"counterfoil/visit/1","more":{}}',
        b'{"count":1.0,"format":"counterfoil/visit/1","more":{}}',
        b'{"count":-1,"format":"counterfoil/visit/1","more":{}}',
        b'{"count":9007199254740993,"format":"counterfoil/visit/1","more":{}}',
        b'{"count":1,"count":1,"format":"counterfoil/visit/1","more":{}}',
        b'{"count":1,"format":"counterfoil/visit/1","more":{},"other":1}',
        b'{"count":1,"format":"counterfoil/visit/2","more":{}}',
        b'{"count":1,"more":{}}',
        b'{"format":"counterfoil/visit/1","count":1,"more":{}}',
        b'{"count":1,"format":"counterfoil/visit/1","more":{}} ',
        b'{"count":1,"format":"counterfoil/visit/1","more":' + b'{"":' * 200_000,
    ],
)
def test_a_document_of_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationError):
        documents.read(data, _Visit, what="visit")
