"""Flags: an addressee is shown its own and can verify it; nobody is shown, or can be told, anything else."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from ledger.caselog import CaseKind, addressees, open_flag, seal_flag
from ledger.envelope import generate_keypair
from ledger.errors import InputError, VerificationError
from ledger.flag import MAX_EVIDENCE, Entity, Flag, FlagSource, Position, RowRef, verify_view
from ledger.member.inbox import received_flags
from ledger.reader.cases import CaseBook
from tests.support.consortium import ChainProcess, SmallConsortium, founded

KEYS = {code: generate_keypair() for code in (1, 2, 3)}
PUBLIC = {code: public for code, (_, public) in KEYS.items()}
SEED = bytes(range(32))


def flag(entities: int = 4, rows: int = 4, *, agents: tuple[int, ...] = (1, 2), **changes: Any) -> Flag:
    made = Flag(
        source=FlagSource("detector", "fan_in", "1", {"window": 86_400}),
        title="fan-in",
        position=Position(20_261, "0x" + "11" * 20, 40, 7),
        entities=tuple(Entity(f"{i:032x}", agents[i % len(agents)]) for i in range(entities)),
        rows=tuple(RowRef(agents[i % len(agents)], 0, i) for i in range(rows)),
        window=(0, 86_400),
        score=0.5,
        certainty="possible",
        severity="medium",
        explanation="Many accounts pay into one within a day.",
        details={"count": entities},
    )
    return replace(made, **changes)


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


# sealed to its addressees


def test_a_flag_opens_for_each_addressee_and_nobody_else() -> None:
    made = flag(agents=(1, 2, 0))
    payload, flag_id = seal_flag(made, SEED, PUBLIC), made.flag_id(SEED)
    assert addressees(made) == [1, 2]
    for code in (1, 2):
        shown = open_flag(payload, flag_id, code, KEYS[code][0])
        assert shown is not None
        assert {e["agent"] for e in shown["entities"]} == {code}
    assert open_flag(payload, flag_id, 3, KEYS[3][0]) is None
    for code, wrong in ((1, 2), (2, 1), (1, 3)):
        with pytest.raises(VerificationError):
            open_flag(payload, flag_id, code, KEYS[wrong][0])


def test_a_payload_does_not_show_who_is_concerned_beyond_the_addressees() -> None:
    made = flag()
    payload = seal_flag(made, SEED, PUBLIC)
    for entity in made.entities:
        assert entity.pseudonym.encode() not in payload
    assert made.explanation.encode() not in payload


def test_no_byte_of_a_payload_can_change() -> None:
    made = flag(2, 2, agents=(1,))
    payload, flag_id = seal_flag(made, SEED, PUBLIC), made.flag_id(SEED)
    for position in range(0, len(payload), 3):
        changed = bytearray(payload)
        changed[position] ^= 1
        try:
            shown = open_flag(bytes(changed), flag_id, 1, KEYS[1][0])
        except VerificationError:
            continue
        # the addressee's code is the one place a flip makes it somebody else's mail
        assert shown is None, position
        assert set(canonical.loads(bytes(changed))["sealed"]) != {"1"}


def test_a_payload_moved_to_another_flag_or_addressee_fails() -> None:
    made = flag()
    payload = seal_flag(made, SEED, PUBLIC)
    with pytest.raises(VerificationError):
        open_flag(payload, flag(title="x").flag_id(SEED), 1, KEYS[1][0])
    value = canonical.loads(payload)
    value["sealed"]["2"] = value["sealed"]["1"]
    with pytest.raises(VerificationError):
        open_flag(canonical.dumps(value), made.flag_id(SEED), 2, KEYS[2][0])


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"{}", b"[]", b"5", b'{"format":"counterfoil/case-payload/1"}',
        b'{"format":"counterfoil/case-payload/1","sealed":[]}',
        b'{"format":"counterfoil/case-payload/1","sealed":{"1":5}}',
        b'{"format":"counterfoil/case-payload/1","sealed":{"1":"%%"}}',
        b'{"format":"counterfoil/case-payload/1","sealed":{"1":""}}',
        b'{"format":"other","sealed":{}}', bytes(range(176, 256)),
    ],
)  # fmt: skip
def test_a_hostile_payload_is_a_verification_error(payload: bytes) -> None:
    with pytest.raises(VerificationError):
        open_flag(payload, bytes(32), 1, KEYS[1][0])


# on the chain


@pytest.fixture(scope="module")
def anchored(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    return founded(chain, tmp_path_factory.mktemp("cases"))


def test_flags_reach_the_inboxes_of_whom_they_concern_once(anchored: SmallConsortium) -> None:
    hpke = {member.code: member.hpke_key for member in anchored.gateway.members()}
    desk = anchored.desk_keys
    kept = CaseBook(anchored.home.desk.cases)
    first = flag(agents=(1, 2))
    finding = flag(agents=(2,), source=FlagSource("rule", "us-31cfr1010.311-1", "1"), title="rule")
    many = [flag(title=f"t{i}", agents=(3,)) for i in range(20)]
    assert kept.keep([first, finding, first, *many], hpke) == 22
    later = replace(first, position=replace(first.position, block=50, log_size=9))
    assert kept.keep([later], hpke) == 0, "what it says is the same; only the scan is later"
    assert kept.anchor(anchored.gateway, desk.account) == 22
    assert kept.anchor(anchored.gateway, desk.account) == 0
    assert all(item.block is not None for item in list(kept.each()))
    entries = list(anchored.gateway.case_entries())
    assert [e.kind for e in entries[:2]] == [CaseKind.FLAG, CaseKind.FINDING]
    assert len(entries) == 22
    inboxes = [list(received_flags(anchored.gateway, anchored.keys[bank])) for bank in anchored.banks]
    assert [len(inbox) for inbox in inboxes] == [1, 2, 20]
    assert inboxes[0][0].shown is not None
    assert {e["agent"] for e in inboxes[0][0].shown["entities"]} == {1}
    assert inboxes[1][1].flag_id == list(kept.each())[1].flag_id
    kept.close()


def test_a_crash_after_the_chain_took_a_flag_is_healed(anchored: SmallConsortium) -> None:
    hpke = {member.code: member.hpke_key for member in anchored.gateway.members()}
    kept = CaseBook(anchored.home.desk.cases)
    kept.keep([flag(title="crash")], hpke)
    before = len(list(anchored.gateway.case_entries()))
    assert kept.anchor(anchored.gateway, anchored.desk_keys.account) == 1
    kept._state.execute("UPDATE flag SET block = NULL")
    assert kept.anchor(anchored.gateway, anchored.desk_keys.account) == 0
    assert len(list(anchored.gateway.case_entries())) == before + 1
    assert all(item.block is not None for item in list(kept.each()))
    kept.close()


def test_a_hostile_entry_is_named_and_does_not_hold_up_the_others(anchored: SmallConsortium) -> None:
    good = flag(title="after", agents=(1,))
    hpke = {member.code: member.hpke_key for member in anchored.gateway.members()}
    desk = anchored.desk_keys.account
    junk = [(CaseKind.FLAG, os.urandom(32), os.urandom(32), os.urandom(60))]
    anchored.gateway.transact(desk, "CaseLog", "append", junk)
    kept = CaseBook(anchored.home.desk.cases)
    kept.keep([good], hpke)
    kept.anchor(anchored.gateway, desk)
    *_, broken, last = received_flags(anchored.gateway, anchored.keys["ALFADEFF"])
    assert (broken.shown, last.problem) == (None, None)
    assert broken.problem is not None
    assert "case payload" in broken.problem
    assert last.shown is not None
    assert last.shown["title"] == "after"
    kept.close()


def test_a_flag_is_found_by_the_beginning_of_its_identifier(anchored: SmallConsortium) -> None:
    kept = CaseBook(anchored.home.desk.cases)
    known = next(iter(kept.each()))
    assert kept.find(known.flag_id.hex()[:20]) == known
    with pytest.raises(InputError, match="no flag starts"):
        kept.find("zz")
    with pytest.raises(InputError, match="flags start"):
        kept.find("")
    kept.close()


def test_the_largest_flag_fits_a_transaction_that_networks_take(anchored: SmallConsortium) -> None:
    largest = flag(MAX_EVIDENCE, MAX_EVIDENCE, agents=(1, 2, 3), title="largest")
    assert len(seal_flag(largest, SEED, PUBLIC)) < 120 * 1024
    kept = CaseBook(anchored.home.desk.cases)
    kept.keep([largest], {member.code: member.hpke_key for member in anchored.gateway.members()})
    assert kept.anchor(anchored.gateway, anchored.desk_keys.account) == 1
    kept.close()
