"""Deliveries: a member's numbers and hashes show what is missing, repeated or told in two ways."""

from __future__ import annotations

from hashlib import sha256
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical
from ledger.delivery import (
    NOTHING,
    Counted,
    Delivery,
    Faults,
    faults,
    open_count,
    open_counts,
    read_note,
    seal_counts,
)
from ledger.envelope import NotAddresseeError
from ledger.errors import VerificationError
from tests.support.flags import AUTHOR, KEYS, PUBLIC, READER


def chain(count: int, code: int = 1) -> list[Delivery]:
    made: list[Delivery] = []
    for number in range(count):
        previous = made[-1].hash if made else NOTHING
        made.append(Delivery(code, number, previous, sha256(bytes([number])).digest()))
    return made


def note(counts: list[Counted], hpke: dict[int, bytes] = PUBLIC) -> bytes:
    says, _ = seal_counts(counts, AUTHOR, hpke, [READER[1]])
    return canonical.dumps({"format": "counterfoil/note/1", "topic": "deliveries", **says})


def private(code: int) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(KEYS[code][0])


def test_the_hash_of_a_delivery_is_what_the_format_says() -> None:
    delivery = Delivery(258, 3, b"\x05" * 32, b"\x06" * 32)
    packed = b"counterfoil/delivery/1\x00" + b"\x01\x02" + bytes(7) + b"\x03" + b"\x05" * 32 + b"\x06" * 32
    assert delivery.hash == sha256(packed).digest()


@given(st.integers(0, 12), st.sets(st.integers(0, 11)), st.randoms(use_true_random=False))
def test_exactly_the_lost_numbers_are_missing(count: int, lost: set[int], random: Random) -> None:
    held = [delivery for delivery in chain(count) if delivery.sequence not in lost]
    random.shuffle(held)
    missing = tuple(sorted(number for number in lost if number < count))
    assert faults(held, count) == Faults(missing, (), ())


def test_repeats_and_forks_are_told_apart() -> None:
    held = chain(4)
    assert faults([*held, held[2]]).repeated == (2,)
    other = Delivery(1, 2, held[1].hash, bytes(32))
    assert faults([*held, other]) == Faults((), (), (2,))
    assert faults([*held[:2], other, held[3]]) == Faults((), (), (3,))
    assert faults([Delivery(1, 0, b"\x01" * 32, bytes(32))]).forked == (0,)


def test_a_hostile_number_does_not_fill_the_memory() -> None:
    assert len(faults([Delivery(1, 2**64 - 1, NOTHING, bytes(32))], 2**64 - 1).missing) < 20_000


def test_a_member_reads_its_own_count_and_no_other() -> None:
    counts = [Counted(1, 3, chain(3)[-1].hash), Counted(2, 0, NOTHING), Counted(3, 9, bytes(range(32)))]
    made = read_note(note(counts))
    for counted in counts:
        assert open_count(made, AUTHOR, counted.code, private(counted.code)) == counted
    with pytest.raises(VerificationError, match="no part"):
        open_count(made, AUTHOR, 4, private(4))
    with pytest.raises(VerificationError, match="another one"):
        open_count(made, AUTHOR, 1, private(2))
    with pytest.raises(VerificationError, match="no part"):
        open_count(made, b"\x22" * 20, 1, private(1))
    assert open_counts(made, AUTHOR, READER[0]) == counts
    with pytest.raises(NotAddresseeError):
        open_counts(made, AUTHOR, KEYS[1][0])


def test_all_parts_of_a_note_have_one_size_and_a_guess_cannot_be_tested() -> None:
    few = read_note(note([Counted(1, 0, NOTHING), Counted(2, 0, NOTHING)]))
    many = read_note(note([Counted(1, 10**6, bytes(range(32))), Counted(2, 7, bytes(range(32)))]))
    assert {len(slot) for slot in few.slots} == {len(slot) for slot in many.slots}
    assert len(few.readers) == len(many.readers)
    assert few.commitments[0] != read_note(note([Counted(1, 0, NOTHING)])).commitments[0]
    assert Counted(1, 0, NOTHING).commitment(bytes(32)).hex() not in few.commitments


def test_a_member_whose_key_cannot_be_used_is_named_and_the_form_stays() -> None:
    counts = [Counted(1, 1, bytes(32)), Counted(2, 0, NOTHING)]
    says, unusable = seal_counts(counts, AUTHOR, {1: bytes(32), 2: PUBLIC[2]}, [READER[1]])
    assert unusable == [1]
    made = read_note(canonical.dumps({"format": "counterfoil/note/1", "topic": "deliveries", **says}))
    assert open_count(made, AUTHOR, 2, private(2)) == counts[1]
    assert len({len(slot) for slot in made.slots}) == 1


def test_another_number_than_the_commitment_is_refused() -> None:
    one, other = (read_note(note([Counted(1, n, bytes(32))])) for n in (1, 2))
    one.slots = other.slots
    with pytest.raises(VerificationError, match="commits to another"):
        open_count(one, AUTHOR, 1, private(1))
    one.readers = other.readers
    with pytest.raises(VerificationError, match="commits to other"):
        open_counts(one, AUTHOR, READER[0])


@pytest.mark.parametrize("field", ["commitments", "slots"])
def test_a_note_with_a_part_too_few_is_malformed(field: str) -> None:
    value = canonical.loads(note([Counted(1, 1, bytes(32)), Counted(2, 0, NOTHING)]))
    value[field] = value[field][:1]
    with pytest.raises(VerificationError, match="malformed"):
        read_note(canonical.dumps(value))
