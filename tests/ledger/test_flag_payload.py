"""The payload of a flag: its addressees open it, a reader checks all of it, nobody else learns anything."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from ledger.caselog import addressees
from ledger.delivery import NOTHING, Delivery
from ledger.envelope import NotAddresseeError, SealError
from ledger.errors import VerificationError
from ledger.flag import MAX_EVIDENCE, Entity, Flag, RowRef
from ledger.flag_payload import (
    MAX_PAYLOAD,
    Addressee,
    OpenedByReader,
    open_for_reader,
    open_part,
    read_payload,
    seal_flag,
)
from tests.support.flags import AUTHOR, KEYS, PUBLIC, READER, SEED, flag


def sealed(made: Flag, seed: bytes = SEED, **keys: Any) -> bytes:
    flag_id = made.flag_id(seed)
    to = [Addressee(PUBLIC[code], Delivery(code, 0, NOTHING, flag_id)) for code in addressees(made)]
    return seal_flag(made, seed, author=AUTHOR, addressees=to, readers=[READER[1]]).payload


def opened(payload: bytes, flag_id: bytes, code: int, *, key: int | None = None) -> Any:
    private = X25519PrivateKey.from_private_bytes(KEYS[key or code][0])
    document = read_payload(payload, flag_id)
    found = open_part(document, flag_id, author=AUTHOR, code=code, private_key=private)
    if found is None:
        return None
    if isinstance(found[1], VerificationError):
        raise found[1]
    return found


def by_reader(payload: bytes, flag_id: bytes, author: bytes = AUTHOR) -> OpenedByReader:
    document = read_payload(payload, flag_id)
    return open_for_reader(document, flag_id, author=author, private_key=READER[0])


def form(payload: bytes) -> Any:
    """Return what every node sees: the order of the parts, and each part's size."""
    value = json.loads(payload)
    shape = {
        name: len(part) if isinstance(part, str) else list(map(len, part)) for name, part in value.items()
    }
    return list(shape.items()), len(payload)


flags = st.builds(
    flag,
    entities=st.integers(0, 40),
    rows=st.integers(0, 40),
    agents=st.sampled_from([(1,), (1, 2), (1, 2, 3), (0, 1), (2, 3), (0,), (1, 2, 3, 4, 5, 6)]),
    score=st.none() | st.floats(0, 1),
    explanation=st.text(st.characters(codec="utf-8"), max_size=80),
    citation=st.none() | st.just("31 CFR 1010.311"),
)


@settings(max_examples=60, deadline=None)
@given(made=flags, seed=st.binary(min_size=32, max_size=32))
def test_each_addressee_opens_its_part_and_a_reader_the_whole(made: Flag, seed: bytes) -> None:
    flag_id, payload = made.flag_id(seed), sealed(made, seed)
    for code in (1, 2, 3, 7):
        found = opened(payload, flag_id, code)
        if code not in addressees(made):
            assert found is None
            continue
        delivery, shown = found
        assert delivery == Delivery(code, 0, NOTHING, flag_id)
        content = made.to_json()
        assert shown["entities"] == [e for e in content["entities"] if e["agent"] == code]
        assert shown["rows"] == [r for r in content["rows"] if r["member"] == code]
        assert shown["explanation"] == made.explanation
    read = by_reader(payload, flag_id)
    assert (read.flag, read.seed) == (made, seed)
    assert [delivery.code for delivery in read.deliveries] == addressees(made)


def test_the_form_of_a_payload_is_the_same_whoever_the_addressees_are() -> None:
    forms = [
        form(sealed(flag(12, 12, agents=agents)))
        for agents in [(1,), (2,), (1, 2), (3, 2, 1), (0, 5), (1, 2, 3, 4), (0,)]
    ]
    assert forms == [forms[0]] * len(forms)
    parts = dict(forms[0][0])
    assert len(set(parts["slots"])) == 1
    assert len(parts["slots"]) == 4


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 60),
    st.integers(0, 60),
    st.lists(st.integers(1, 65_535), min_size=1, max_size=4),
    st.data(),
)
def test_the_codes_and_places_of_the_evidence_do_not_show_in_a_size(
    entities: int, rows: int, codes: list[int], data: st.DataObject
) -> None:
    ones = flag(entities, rows, agents=(1,))
    count = st.integers(0, 99_999)
    places = [RowRef(codes[n % len(codes)], data.draw(count), data.draw(count)) for n in range(rows)]
    others = replace(flag(entities, rows, agents=tuple(codes)), rows=tuple(places))
    keys = [Addressee(PUBLIC[1], Delivery(code, 0, NOTHING, bytes(32))) for code in addressees(others)]
    payload = seal_flag(others, SEED, author=AUTHOR, addressees=keys, readers=[READER[1]]).payload
    assert form(payload) == form(sealed(ones))


@pytest.mark.parametrize(("members", "slots"), [(0, 4), (1, 4), (4, 4), (5, 8), (8, 8), (9, 16)])
def test_the_number_of_slots_is_a_power_of_two_from_four(members: int, slots: int) -> None:
    made = flag(9, 0, agents=tuple(range(1, members + 1)) or (0,))
    assert len(json.loads(sealed(made))["slots"]) == slots


def test_slots_are_shuffled_and_decoys_look_like_slots() -> None:
    made = flag(4, 4, agents=(1,))
    flag_id = made.flag_id(SEED)
    places, high_bits = set(), 0
    private = X25519PrivateKey.from_private_bytes(KEYS[1][0])
    for _ in range(64):
        payload = read_payload(sealed(made), flag_id)
        for place, slot in enumerate(payload.slots):
            high_bits += slot[31] >> 7  # an X25519 public key has this bit clear; random bytes do not
            alone = replace_slots(payload, [slot] * 4)
            if open_part(alone, flag_id, author=AUTHOR, code=1, private_key=private) is not None:
                places.add(place)
    assert places == {0, 1, 2, 3}
    assert high_bits == 0


def replace_slots(payload: Any, slots: list[bytes]) -> Any:
    return type(payload)(
        leaves=payload.leaves,
        common=payload.common,
        records=payload.records,
        readers=payload.readers,
        slots=slots,
    )


def test_a_payload_shows_nothing_of_the_flag() -> None:
    made = flag(8, 8, agents=(1, 2))
    payload = sealed(made)
    plain = b"".join(
        base64.b64decode(part)
        for value in json.loads(payload).values()
        if value != "counterfoil/case-payload/2"
        for part in (value if isinstance(value, list) else [value])
    )
    for text in (made.explanation, made.title, *(e.pseudonym for e in made.entities)):
        assert text.encode() not in plain
        assert text.encode() not in payload


def test_no_byte_of_a_payload_can_change_unseen() -> None:
    made = flag(2, 2, agents=(1,))
    payload, flag_id = sealed(made), made.flag_id(SEED)
    told = opened(payload, flag_id, 1)
    for position in range(0, len(payload), 5):
        changed = bytearray(payload)
        changed[position] ^= 1
        try:
            found = opened(bytes(changed), flag_id, 1)
        except VerificationError:
            pass
        else:  # a byte of another part, or of the member's slot, which then opens for nobody
            assert found is None or found == told or found[1]["title"] == made.title
        with_slots = json.loads(payload)["slots"]
        try:
            by_reader(bytes(changed), flag_id)
        except VerificationError:
            continue
        assert json.loads(changed)["slots"] != with_slots  # only a slot is the member's to check


@pytest.mark.parametrize("other", ["flag", "author", "key"])
def test_a_payload_opens_for_its_flag_author_and_key_only(other: str) -> None:
    made = flag()
    payload, flag_id = sealed(made), made.flag_id(SEED)
    if other == "flag":
        with pytest.raises(VerificationError, match="do not belong"):
            read_payload(payload, flag(title="x").flag_id(SEED))
        return
    document = read_payload(payload, flag_id)
    author = b"\x22" * 20 if other == "author" else AUTHOR
    key = KEYS[1][0] if other == "author" else KEYS[9][0]
    private = X25519PrivateKey.from_private_bytes(key)
    assert open_part(document, flag_id, author=author, code=1, private_key=private) is None
    with pytest.raises(VerificationError):
        open_for_reader(
            document, flag_id, author=author, private_key=READER[0] if other == "author" else KEYS[9][0]
        )


def test_a_slot_made_for_another_member_is_refused() -> None:
    made = flag(agents=(1,))
    flag_id = made.flag_id(SEED)
    to = [Addressee(PUBLIC[2], Delivery(1, 0, NOTHING, flag_id))]
    payload = seal_flag(made, SEED, author=AUTHOR, addressees=to, readers=[READER[1]]).payload
    with pytest.raises(VerificationError, match="another member"):
        opened(payload, flag_id, 2)


def test_a_reader_sees_when_a_member_is_given_other_fields() -> None:
    made = flag(4, 4, agents=(1, 2))
    flag_id = made.flag_id(SEED)
    value = json.loads(sealed(made))
    records = bytearray(base64.b64decode(value["records"]))
    records[5] ^= 1  # member 1 does not find its first entity any more
    value["records"] = base64.b64encode(bytes(records)).decode()
    payload = canonical.dumps(value)
    assert len(opened(payload, flag_id, 1)[1]["entities"]) == 1
    with pytest.raises(VerificationError, match="other fields"):
        by_reader(payload, flag_id)


@pytest.mark.parametrize("key", [bytes(32), b"\x01" + bytes(31)])
def test_a_key_that_cannot_be_used_leaves_out_one_member(key: bytes) -> None:
    made = flag(agents=(1, 2))
    flag_id = made.flag_id(SEED)
    to = [Addressee({1: key, 2: PUBLIC[2]}[code], Delivery(code, 3, bytes(32), flag_id)) for code in (1, 2)]
    done = seal_flag(made, SEED, author=AUTHOR, addressees=to, readers=[READER[1]])
    assert done.left_out == (1,)
    assert opened(done.payload, flag_id, 2)[0].sequence == 3
    assert [d.code for d in by_reader(done.payload, flag_id).deliveries] == [1, 2]
    assert form(done.payload) == form(sealed(made))


def test_the_largest_flag_fits_a_transaction_that_networks_take() -> None:
    largest = flag(
        agents=(65_535,),
        entities=0,
        rows=0,
    )
    largest = replace(
        largest,
        entities=tuple(Entity(f"{i:032x}", 60_000 + i % 9) for i in range(MAX_EVIDENCE)),
        rows=tuple(RowRef(60_000 + i % 9, 99_999, i) for i in range(MAX_EVIDENCE)),
    )
    flag_id = largest.flag_id(SEED)
    to = [Addressee(PUBLIC[1], Delivery(code, 0, NOTHING, flag_id)) for code in addressees(largest)]
    done = seal_flag(largest, SEED, author=AUTHOR, addressees=to, readers=[READER[1]] * 1)
    assert len(done.payload) < MAX_PAYLOAD
    with pytest.raises(SealError, match="too large"):
        seal_flag(
            replace(largest, explanation="x" * MAX_PAYLOAD),
            SEED,
            author=AUTHOR,
            addressees=[],
            readers=[READER[1]],
        )


@pytest.mark.parametrize(
    "change",
    [
        {"slots": 0}, {"slots": 3}, {"slots": 5}, {"leaves": 16 * 32}, {"leaves": 33 * 32}, {"leaves": 31},
        {"common": 255}, {"common": 0}, {"records": 17 * 80 + 1}, {"records": 0}, {"records": 17 * 8},
    ],
)  # fmt: skip
def test_a_hostile_form_is_a_verification_error(change: dict[str, int]) -> None:
    made = flag(2, 2, agents=(1,))
    value = json.loads(sealed(made))
    for name, size in change.items():
        if name == "slots":
            value[name] = (value[name] * 2)[:size]
        else:
            value[name] = base64.b64encode(bytes(size)).decode()
    with pytest.raises(VerificationError):
        opened(canonical.dumps(value), made.flag_id(SEED), 1)


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"{}", b"[]", b"5", b'{"format":"counterfoil/case-payload/2"}',
        b'{"format":"counterfoil/case-payload/1","leaves":"","sealed":{}}',
        b'{"format":"other","slots":[]}', bytes(range(176, 256)),
    ],
)  # fmt: skip
def test_what_is_no_payload_is_a_verification_error(payload: bytes) -> None:
    with pytest.raises(VerificationError):
        read_payload(payload, bytes(32))


def test_without_a_readers_key_the_envelope_stays_closed() -> None:
    made = flag()
    document = read_payload(sealed(made), made.flag_id(SEED))
    with pytest.raises(NotAddresseeError):
        open_for_reader(document, made.flag_id(SEED), author=AUTHOR, private_key=KEYS[1][0])
