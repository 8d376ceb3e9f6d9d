"""Flags: an addressee is shown its own and can verify it; nobody is shown, or can be told, anything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from ledger.errors import VerificationError
from ledger.flag import MAX_EVIDENCE, Entity, Flag, Position, RowRef, verify_view
from tests.support.flags import SEED, flag

flags = st.builds(
    flag,
    entities=st.integers(0, 40),
    rows=st.integers(0, 40),
    agents=st.sampled_from([(1,), (1, 2), (1, 2, 3), (0, 1), (2, 3)]),
    score=st.none() | st.floats(0, 1),
    explanation=st.text(st.characters(codec="utf-8"), max_size=80),
    truncated=st.booleans(),
    citation=st.none() | st.just("31 CFR 1010.311"),
)


@settings(max_examples=40, deadline=None)
@given(made=flags, seed=st.binary(min_size=32, max_size=32))
def test_each_addressee_sees_the_common_fields_and_its_own_and_nothing_else(made: Flag, seed: bytes) -> None:
    flag_id = made.flag_id(seed)
    content = made.to_json()
    for code in (1, 2, 3):
        shown = verify_view(made.view(seed, code), flag_id)
        assert shown["entities"] == [e for e in content["entities"] if e["agent"] == code]
        assert shown["rows"] == [r for r in content["rows"] if r["member"] == code]
        for name in ("title", "position", "score", "explanation", "details", "entity_count", "row_count"):
            assert shown[name] == content[name]
    everything = verify_view(made.view(seed), flag_id)
    assert (everything["entities"], everything["rows"]) == (content["entities"], content["rows"])


@settings(max_examples=25, deadline=None)
@given(made=flags)
def test_a_flag_reads_back_as_itself(made: Flag) -> None:
    again = Flag.from_json(canonical.loads(canonical.dumps(made.to_json())))
    assert again.to_json() == made.to_json()
    assert again.flag_id(SEED) == made.flag_id(SEED)


def test_a_closed_entity_does_not_show_in_a_view() -> None:
    made = flag(agents=(1, 2))
    text = canonical.dumps(made.view(SEED, 1))
    for entity in made.entities:
        assert (entity.pseudonym.encode() in text) == (entity.agent == 1)


def test_the_identifier_is_salted_and_tells_every_field() -> None:
    made = flag()
    assert made.flag_id(SEED) != made.flag_id(bytes(32))
    changes: list[dict[str, Any]] = [
        {"title": "other"}, {"score": 0.25}, {"truncated": True}, {"window": (0, 1)}, {"details": {}},
        {"entities": made.entities[:-1]}, {"rows": made.rows[::-1]}, {"explanation": "x"},
    ]  # fmt: skip
    ids = {replace(made, **change).flag_id(SEED) for change in changes} | {made.flag_id(SEED)}
    assert len(ids) == len(changes) + 1


def opened(index: int, change: Callable[[list[Any]], Any]) -> Callable[[dict[str, Any]], None]:
    def apply(view: dict[str, Any]) -> None:
        view["leaves"][index] = change(view["leaves"][index])

    return apply


TAMPERINGS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another value": opened(2, lambda leaf: [leaf[0], '"cycle"', leaf[2]]),
    "another name": opened(2, lambda leaf: ["clause", leaf[1], leaf[2]]),
    "another salt": opened(2, lambda leaf: [leaf[0], leaf[1], "00" * 16]),
    "a longer salt": opened(2, lambda leaf: [leaf[0], leaf[1], leaf[2] + "00"]),
    "a hidden common field": opened(2, lambda leaf: "00" * 32),
    "no value": opened(2, lambda leaf: [leaf[0], None, leaf[2]]),
    "a value that is no JSON": opened(2, lambda leaf: [leaf[0], "fan-in", leaf[2]]),
    "too many parts": opened(2, lambda leaf: [*leaf, 1]),
    "a number": opened(2, lambda leaf: 5),
    "a leaf less": lambda view: view["leaves"].pop(),
    "a leaf more": lambda view: view["leaves"].append("00" * 32),
    "two leaves swapped": lambda view: view["leaves"].insert(0, view["leaves"].pop(1)),
    "bytes moved between closed leaves": lambda view: view["leaves"].__setitem__(
        slice(-2, None), [view["leaves"][-2] + view["leaves"][-1][:2], view["leaves"][-1][2:]]
    ),
    "upper case": lambda view: view["leaves"].__setitem__(-1, view["leaves"][-1].upper()),
    "one more key": lambda view: view.__setitem__("note", 1),
    "another format": lambda view: view.__setitem__("format", "counterfoil/flag-view/2"),
    "no leaves": lambda view: view.__setitem__("leaves", []),
    "leaves of another kind": lambda view: view.__setitem__("leaves", {"0": "x"}),
}


@pytest.mark.parametrize("name", sorted(TAMPERINGS))
def test_a_tampered_view_fails(name: str) -> None:
    made = flag()
    view = made.view(SEED, 1)
    verify_view(view, made.flag_id(SEED))
    before = canonical.dumps(view)
    TAMPERINGS[name](view)
    assert canonical.dumps(view) != before
    with pytest.raises(VerificationError):
        verify_view(view, made.flag_id(SEED))


def test_a_view_of_another_flag_fails() -> None:
    with pytest.raises(VerificationError, match="does not belong"):
        verify_view(flag().view(SEED, 1), flag(title="x").flag_id(SEED))


LIES: list[tuple[dict[str, Any], str]] = [
    ({"rows": (RowRef(1, 0, 0), RowRef(1, True, 0))}, r"rows\[1\].sequence: expected int, got bool"),
    ({"rows": (RowRef(1, 0, 0.5),)}, r"rows\[0\].index: expected int, got float"),
    ({"position": Position(1, "0x", "4", 7)}, r"position.block: expected int, got str"),
    ({"position": Position(1, "0x", -4, 7)}, r"position.block: expected int >= 0"),
    ({"entities": (Entity(7, 1),)}, r"entities\[0\].pseudonym: expected str, got int"),
    ({"window": (0, True)}, r"window\[1\]: expected int, got bool"),
    ({"score": "0.5"}, r"score: expected float | null, got str"),
    ({"certainty": "sure"}, r"certainty: it is not one of the values"),
    ({"truncated": 1}, r"truncated: expected bool, got int"),
    ({"title": None}, r"title: expected str, got null"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), LIES)
def test_what_a_desk_commits_to_must_have_the_flags_types_too(change: dict[str, Any], told: str) -> None:
    """Its view belongs to its identifier: nothing but the types can tell."""
    lie = replace(flag(), **change)
    with pytest.raises(VerificationError, match=f"the flag view is malformed: field {told}"):
        verify_view(lie.view(SEED), lie.flag_id(SEED))
    with pytest.raises(VerificationError, match=f"the flag is malformed: field {told}"):
        Flag.from_json(canonical.loads(canonical.dumps(lie.to_json())))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "counterfoil/flag/2"}, {"source": None}, {"position": {}}, {"entities": [{"x": 1}]},
        {"rows": 5}, {"window": [1]}, {"window": ["a", 1]},
    ],
)  # fmt: skip
def test_a_malformed_flag_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(VerificationError):
        Flag.from_json(flag().to_json() | change)


def test_parameters_that_do_not_match_their_hash_are_refused() -> None:
    value = flag().to_json()
    value["source"]["parameters"] = {"window": 1}
    with pytest.raises(VerificationError, match="do not match their hash"):
        Flag.from_json(value)


def test_evidence_is_cut_and_says_so() -> None:
    small, large = flag(), flag(MAX_EVIDENCE + 1, 3)
    assert small.bounded() == small
    assert large.bounded().truncated
    assert len(large.bounded().entities) == MAX_EVIDENCE
