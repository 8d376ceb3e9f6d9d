"""Documents: read with strict types and no field more or less; an error names the field, never a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from ledger import canonical, documents
from ledger.documents import Address, Count, Document, Hash, Hex
from ledger.errors import ConfigurationError, VerificationError

FORMAT = "counterfoil/sample/1"
PRIVATE = "DE89370400440532013000"


@dataclass(frozen=True, slots=True)
class Place:
    member: Count
    label: str = ""


class Inner(Document):
    flag: bool
    score: float | None


class Sample(Document, tag_field="format", tag=FORMAT):
    name: str
    verdict: Literal["good", "bad"]
    count: Count
    hash: Hash
    account: Address
    path: list[Hex]
    places: list[Place]
    window: tuple[int, int]
    inner: Inner
    names: dict[str, str]
    keys: dict[Count, str]
    packed: bytes
    more: dict[str, Any]


SAMPLE = Sample(
    name="a",
    verdict="good",
    count=3,
    hash="ab" * 32,
    account="cd" * 20,
    path=["", "00ff"],
    places=[Place(1, "x")],
    window=(-1, 2),
    inner=Inner(flag=True, score=1.0),
    names={PRIVATE: "x"},
    keys={7: "y"},
    packed=b"\x00\x01",
    more={"one": [1, None, True, {"x": 0.5}]},
)


def test_a_document_is_written_in_canonical_form_with_its_format_and_read_back() -> None:
    data = documents.write(SAMPLE)
    assert data == canonical.dumps(canonical.loads(data))
    assert b'"format":"counterfoil/sample/1"' in data
    assert b'"score":1}' in data
    assert documents.read(data, Sample, what="sample") == SAMPLE


def test_numbers_of_numpy_are_written_as_numbers_and_other_objects_not_at_all() -> None:
    inner = documents.plain(Inner(flag=True, score=np.float64(0.5)))
    assert type(inner["score"]) is float
    with pytest.raises(TypeError, match="object is not a JSON value"):
        documents.plain({"x": object()})


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"count": True}, "field count: expected int, got bool"),
    ({"count": 1.5}, "field count: expected int, got float"),
    ({"count": "1"}, "field count: expected int, got str"),
    ({"count": -1}, "field count: expected int >= 0"),
    ({"count": None}, "field count: expected int, got null"),
    ({"name": 5}, "field name: expected str, got int"),
    ({"verdict": PRIVATE}, "field verdict: it is not one of the values that the format allows"),
    ({"verdict": f"{PRIVATE} - at `$.x`"}, "field verdict: it is not one of the values"),
    ({"hash": "AB" * 32}, "field hash: expected str matching"),
    ({"hash": "ab" * 32 + "\n"}, "field hash: expected str matching"),
    ({"account": "ab"}, "field account: expected str matching"),
    ({"path": ["0"]}, r"field path\[0\]: expected str matching"),
    ({"path": "00"}, "field path: expected array, got str"),
    ({"places": [{"member": True, "label": ""}]}, r"field places\[0\].member: expected int, got bool"),
    ({"places": [{"member": 1}]}, r"field places\[0\]: its content differs from what the format allows"),
    ({"places": [{"member": 1, "label": "", PRIVATE: 1}]}, r"field places\[0\]: its content differs"),
    ({"window": [1]}, "field window: expected array of length 2, got 1"),
    ({"window": [1, 2.5]}, r"field window\[1\]: expected int, got float"),
    ({"inner": {"flag": 1, "score": None}}, "field inner.flag: expected bool, got int"),
    ({"inner": {"flag": True, "score": True}}, "field inner.score: expected float | null, got bool"),
    ({"inner": {"flag": True}}, "field inner: object missing required field score"),
    ({"inner": {"flag": True, "score": 1, "more": 1}}, "field inner: it has a field that the format"),
    ({"names": {PRIVATE: 5}}, r"field names\[...\]: expected str, got int"),
    ({"keys": {"x": "y"}}, "field keys: expected int, got str"),
    ({"keys": {"07": "y"}}, "field keys: expected int, got str"),
    ({"packed": "AAF="}, "field packed: its content differs"),  # another spelling of the same bytes
    ({"packed": "A"}, "field packed: it is not one of the values that the format allows"),
    ({"extra": 1}, "it has a field that the format does not have: extra$"),
    ({PRIVATE: 1}, r"it has a field that the format does not have: \.\.\.$"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), CHANGES)
def test_what_the_format_does_not_allow_is_refused_by_its_field(change: dict[str, Any], told: str) -> None:
    value = documents.plain(SAMPLE) | change
    data = canonical.dumps(value)
    with pytest.raises(VerificationError, match=f"^the sample is malformed: {told}") as caught:
        documents.read(data, Sample, what="sample")
    assert PRIVATE not in str(caught.value)
    told_by_others = None if caught.value.__suppress_context__ else caught.value.__context__
    assert (caught.value.__cause__, told_by_others) == (None, None), "a traceback would repeat the value"


def test_a_whole_number_that_is_written_as_a_fraction_is_refused() -> None:
    with pytest.raises(VerificationError, match="field count: expected int, got float"):
        documents.convert(documents.plain(SAMPLE) | {"count": 1.0}, Sample, what="sample")


@pytest.mark.parametrize("name", sorted(documents.plain(SAMPLE)))
def test_no_field_may_be_missing(name: str) -> None:
    value = documents.plain(SAMPLE)
    del value[name]
    with pytest.raises(VerificationError, match=f"missing required field {name}|its format is missing"):
        documents.read(canonical.dumps(value), Sample, what="sample")


@pytest.mark.parametrize("value", [None, True, 5, "x", [], {}, [[]]])
def test_what_is_no_document_at_all_is_refused(value: Any) -> None:
    with pytest.raises(VerificationError, match="this is not a sample: its format is missing or unknown"):
        documents.read(canonical.dumps(value), Sample, what="sample")
    with pytest.raises(VerificationError, match="the part is malformed"):
        documents.read(canonical.dumps(value), Inner, what="part")


def test_a_document_of_another_format_is_named() -> None:
    for found, told in (
        ("counterfoil/other/2", "counterfoil/other/2"),
        (PRIVATE, "missing or unknown"),
        (5, "missing or unknown"),
    ):
        with pytest.raises(VerificationError) as caught:
            documents.convert(documents.plain(SAMPLE) | {"format": found}, Sample, what="sample")
        assert caught.value.what == f"this is not a sample: its format is {told}, not {FORMAT}"


def test_other_spellings_are_refused() -> None:
    data = documents.write(SAMPLE)
    for other in (data + b"\n", data.replace(b":", b": ", 1), data[:-1], b"", b"\xff"):
        with pytest.raises(VerificationError, match="canonical"):
            documents.read(other, Sample, what="sample")


def test_a_file_says_where_it_stands_and_what_to_do() -> None:
    for data in (b"{}", b"{", documents.write(SAMPLE).replace(b'"count":3', b'"count":"3"')):
        with pytest.raises(ConfigurationError) as caught:
            documents.read(
                data, Sample, what="sample", error=ConfigurationError, where="a/file", next_step="Mend it."
            )
        assert (caught.value.where, caught.value.next_step) == ("a/file", "Mend it.")
