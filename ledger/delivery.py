"""Deliveries: each flag that a member gets has the member's own number, and names the delivery before it.

The hash of a delivery is::

    SHA-256(domain | code (2) | sequence (8) | previous (32) | flag id (32))

with the previous delivery's hash, or zero bytes before the first. After each round of anchoring, the desk
appends a note to the case log with a salted commitment for each member::

    SHA-256(domain | salt (32) | code (2) | count (8) | head (32))

and opens it to this member in an anonymous slot of the same size for all. So a member knows that a flag is
missing, and learns nothing about the flags of others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256, shake_256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ledger import documents
from ledger.documents import Document, Hash
from ledger.envelope import SealError, decoy_slot, key_id, open_envelope, open_slot, seal, seal_slot
from ledger.errors import VerificationError

__all__ = [
    "NOTHING",
    "TOPIC",
    "Counted",
    "Delivery",
    "Faults",
    "faults",
    "open_count",
    "open_counts",
    "read_note",
    "seal_counts",
]

#: The previous hash of a member's first delivery, and the head of a member without deliveries.
NOTHING: Final = bytes(32)
#: The topic of the desk's notes of deliveries.
TOPIC: Final = "deliveries"

_DELIVERY: Final = b"counterfoil/delivery/1\x00"
_COMMITMENT: Final = b"counterfoil/delivery-count/1\x00"
_SALT: Final = b"counterfoil/delivery-salt/1\x00"
_CONTEXT: Final = b"counterfoil/deliveries/1\x00"
_COUNTED_SIZE: Final = 2 + 8 + 32
_SALT_SIZE: Final = 32


@dataclass(frozen=True, slots=True, order=True)
class Delivery:
    """One flag sent to one member: the member's code, its number (from 0), the hash before it, the flag."""

    code: int
    sequence: int
    previous: bytes
    flag_id: bytes

    @property
    def hash(self) -> bytes:
        """The hash that the member's next delivery names."""
        number = self.code.to_bytes(2, "big") + self.sequence.to_bytes(8, "big")
        return sha256(_DELIVERY + number + self.previous + self.flag_id).digest()


@dataclass(frozen=True, slots=True, order=True)
class Counted:
    """How many deliveries were sent to one member, and the hash of the last one."""

    code: int
    count: int
    head: bytes

    def pack(self) -> bytes:
        """Return the 42 bytes: code, count, head."""
        return self.code.to_bytes(2, "big") + self.count.to_bytes(8, "big") + self.head

    @classmethod
    def unpack(cls, data: bytes) -> Counted:
        """Read what `pack` returned."""
        return cls(int.from_bytes(data[:2], "big"), int.from_bytes(data[2:10], "big"), data[10:])

    def commitment(self, salt: bytes) -> bytes:
        """Return the salted commitment."""
        return sha256(_COMMITMENT + salt + self.pack()).digest()


class DeliveriesNote(Document, tag_field="format", tag="counterfoil/note/1"):
    """The desk's note of deliveries in JSON; bytes in base64."""

    topic: str
    commitments: list[Hash]
    slots: list[bytes]
    readers: bytes


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with one member's deliveries: numbers that are missing, repeated, or do not connect."""

    missing: tuple[int, ...]
    repeated: tuple[int, ...]
    forked: tuple[int, ...]


def faults(deliveries: Iterable[Delivery], count: int = 0) -> Faults:
    """Check the deliveries of one desk to one member, in any order.

    Parameters
    ----------
    deliveries : iterable of Delivery
    count : int
        How many there must be at least.
    """
    held: dict[int, Delivery] = {}
    repeated: set[int] = set()
    forked: set[int] = set()
    for delivery in deliveries:
        known = held.get(delivery.sequence)
        if known is None:
            held[delivery.sequence] = delivery
        else:
            (repeated if known == delivery else forked).add(delivery.sequence)
    for number, delivery in held.items():
        before = held.get(number - 1)
        expected = NOTHING if number == 0 else None if before is None else before.hash
        if expected is not None and delivery.previous != expected:
            forked.add(number)
    upto = max(count, max(held, default=-1) + 1)
    missing = (number for number in range(min(upto, len(held) + _MOST_MISSING)) if number not in held)
    return Faults(tuple(missing), tuple(sorted(repeated)), tuple(sorted(forked)))


#: The most missing numbers that are listed: a hostile count must not fill the memory.
_MOST_MISSING: Final = 10_000


def seal_counts(
    counts: Sequence[Counted], author: bytes, hpke_keys: Mapping[int, bytes], readers: Iterable[bytes]
) -> tuple[dict[str, Any], list[int]]:
    """Make the content of a note of deliveries.

    Parameters
    ----------
    counts : sequence of Counted
        One for each member, sorted by code.
    author : bytes
        The desk's address, 20 bytes.
    hpke_keys : mapping of member code to HPKE public key
    readers : iterable of bytes
        HPKE public keys of the current readers.

    Returns
    -------
    (dict, list of int)
        The fields of the note after its topic, and the codes whose key cannot be used: their slots are
        decoys.
    """
    seed = os.urandom(_SALT_SIZE)
    slots, unusable = [], []
    for counted in counts:
        content = _salt(seed, counted.code) + counted.pack()
        try:
            slots.append(seal_slot(content, _CONTEXT + author, hpke_keys[counted.code]))
        except (SealError, KeyError):
            unusable.append(counted.code)
            slots.append(decoy_slot(len(content)))
    packed = seed + b"".join(counted.pack() for counted in counts)
    note = DeliveriesNote(
        topic=TOPIC,
        commitments=[counted.commitment(_salt(seed, counted.code)).hex() for counted in counts],
        slots=slots,
        readers=seal(packed, _CONTEXT + author, [(key_id(public), public) for public in readers]),
    )
    value = documents.plain(note)
    return {name: value[name] for name in ("commitments", "slots", "readers")}, unusable


def read_note(payload: bytes) -> DeliveriesNote:
    """Read a note of deliveries and check its form.

    Raises
    ------
    VerificationError
        When it is malformed.
    """
    note = documents.read(payload, DeliveriesNote, what="note of deliveries")
    sizes = {len(slot) for slot in note.slots}
    if note.topic != TOPIC or len(note.slots) != len(note.commitments) or len(sizes) > 1:
        raise VerificationError("the note of deliveries is malformed: its slots differ in number or size")
    return note


def open_count(note: DeliveriesNote, author: bytes, code: int, private_key: X25519PrivateKey) -> Counted:
    """Return what a note says to one member.

    Raises
    ------
    VerificationError
        When no slot opens with this key, or what it opens is not what the note commits to.
    """
    for slot, commitment in zip(note.slots, note.commitments, strict=True):
        content = open_slot(slot, _CONTEXT + author, private_key)
        if content is None:
            continue
        counted = Counted.unpack(content[_SALT_SIZE:])
        if len(content) != _SALT_SIZE + _COUNTED_SIZE or counted.code != code:
            raise VerificationError("the note of deliveries tells this member about another one")
        if counted.commitment(content[:_SALT_SIZE]).hex() != commitment:
            raise VerificationError("the note of deliveries commits to another number than it tells")
        return counted
    raise VerificationError("the note of deliveries has no part for this member's key")


def open_counts(note: DeliveriesNote, author: bytes, private_key: bytes) -> list[Counted]:
    """Return what a note says to all members, with a reader's key.

    Raises
    ------
    NotAddresseeError
        When the note is not sealed to this key.
    VerificationError
        When it is damaged, or what it opens is not what the note commits to.
    """
    content = open_envelope(note.readers, _CONTEXT + author, private_key)
    seed, packed = content[:_SALT_SIZE], content[_SALT_SIZE:]
    counts = [Counted.unpack(packed[i : i + _COUNTED_SIZE]) for i in range(0, len(packed), _COUNTED_SIZE)]
    if any(len(counted.head) != 32 for counted in counts):
        raise VerificationError("the note of deliveries is malformed: the readers' part is cut short")
    if [counted.commitment(_salt(seed, counted.code)).hex() for counted in counts] != note.commitments:
        raise VerificationError("the note of deliveries commits to other numbers than it tells the readers")
    return counts


def _salt(seed: bytes, code: int) -> bytes:
    return shake_256(_SALT + seed + code.to_bytes(2, "big")).digest(_SALT_SIZE)
