"""The payload of a flag's entry: what every node sees shows neither whom the flag concerns nor how many.

The payload holds the flag's salted leaf hashes, and the opened leaves, encrypted once: the common fields
under one key, each entity and row under the key of the member that it belongs to. One anonymous slot per
addressee gives it these two keys and the number of the delivery; decoys fill the slots up to a power of two.
The readers' envelope has the whole flag, its seed and the deliveries. All keys follow from the seed, so a
reader can check what each member was given.

A key encrypts one stream: the content XOR ``SHAKE-256(domain | key)``. The leaf hashes authenticate it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import shake_256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ledger import canonical, documents
from ledger.commitment import merkle
from ledger.commitment.record import SALT_SIZE, field_leaf
from ledger.delivery import Delivery
from ledger.documents import Document, Salt
from ledger.envelope import (
    SealError,
    decoy_slot,
    key_id,
    open_envelope,
    open_slot,
    seal,
    seal_slot,
    slot_size,
)
from ledger.errors import VerificationError
from ledger.flag import COMMON, VIEW_FORMAT, Flag, verify_view

__all__ = [
    "MAX_PAYLOAD",
    "Addressee",
    "OpenedByReader",
    "Payload",
    "SealedFlag",
    "open_for_reader",
    "open_part",
    "read_payload",
    "seal_flag",
]

#: The largest payload: an entry of this size fits in a transaction that networks accept (128 KiB).
MAX_PAYLOAD: Final = 120 * 1024

_FORMAT: Final = "counterfoil/case-payload/2"
_CONTEXT: Final = b"counterfoil/case-payload/2\x00"
_KEY: Final = b"counterfoil/case-payload/2/key\x00"
_STREAM: Final = b"counterfoil/case-payload/2/stream\x00"
_KEY_SIZE: Final = 32
_FEWEST_SLOTS: Final = 4
#: A slot's content: code, sequence, previous, key of the common fields, key of the member's own fields.
_PART_SIZE: Final = 2 + 8 + 32 + 2 * _KEY_SIZE
_DELIVERY_SIZE: Final = 2 + 8 + 32
_RECORD_STEP: Final = 16
#: Fits an entity and a row of a ledger with any codes, so that the size says nothing about them.
_SMALLEST_RECORD: Final = 80
_COMMON_STEP: Final = 256
_READERS_STEP: Final = 1024
_SHUFFLE: Final = random.SystemRandom()


class Payload(Document, tag_field="format", tag=_FORMAT):
    """The payload in JSON; bytes in base64."""

    leaves: bytes
    common: bytes
    records: bytes
    slots: list[bytes]
    readers: bytes

    @property
    def hashes(self) -> list[bytes]:
        """The leaf hashes."""
        return [self.leaves[i : i + 32] for i in range(0, len(self.leaves), 32)]

    @property
    def record_size(self) -> int:
        """The size of one record."""
        return len(self.records) // (len(self.leaves) // 32 - len(COMMON))


@dataclass(frozen=True, slots=True)
class Addressee:
    """The HPKE key of a member, and the delivery to it."""

    hpke_key: bytes
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class SealedFlag:
    """A payload, and the codes of the members that are left out, because their keys cannot be used."""

    payload: bytes
    left_out: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OpenedByReader:
    """What a reader's key opens: the flag, its seed, and the deliveries sorted by member code."""

    flag: Flag
    seed: bytes
    deliveries: tuple[Delivery, ...]


class _ForReaders(Document):
    flag: dict[str, Any]
    seed: documents.Hash


def seal_flag(
    flag: Flag, seed: bytes, *, author: bytes, addressees: Iterable[Addressee], readers: Iterable[bytes]
) -> SealedFlag:
    """Seal a flag for the case log.

    Parameters
    ----------
    flag : Flag
    seed : bytes
        32 random bytes that salt the flag's fields.
    author : bytes
        The address that appends the entry, 20 bytes; the payload opens in no other author's entry.
    addressees : iterable of Addressee
    readers : iterable of bytes
        HPKE public keys of the current readers.

    Raises
    ------
    SealError
        When there is no reader, a reader's key cannot be used, or the payload is too large.
    """
    flag_id = flag.flag_id(seed)
    context = _context(author, flag_id)
    slots, sent, left_out = [], [], []
    for addressee in addressees:
        part = _pack(addressee.delivery) + _key(seed, None) + _key(seed, addressee.delivery.code)
        try:
            slots.append(seal_slot(part, context, addressee.hpke_key))
        except SealError:
            left_out.append(addressee.delivery.code)
        else:
            sent.append(addressee.delivery)
    total = max(_FEWEST_SLOTS, 1 << (len(slots) + len(left_out) - 1).bit_length())
    slots += [decoy_slot(_PART_SIZE) for _ in range(total - len(slots))]
    _SHUFFLE.shuffle(slots)
    told = b"".join(map(_pack, sent)).ljust(total * _DELIVERY_SIZE, b"\0")
    value = canonical.dumps(documents.plain(_ForReaders(flag=flag.to_json(), seed=seed.hex())))
    payload = documents.write(
        Payload(
            leaves=b"".join(flag.leaf_hashes(seed)),
            **_streams(flag, seed),
            slots=slots,
            readers=seal(
                _padded(told + value, _READERS_STEP), context, [(key_id(key), key) for key in readers]
            ),
        )
    )
    if len(payload) > MAX_PAYLOAD:
        raise SealError("the flag is too large for the case log", expected=MAX_PAYLOAD, got=len(payload))
    return SealedFlag(payload, tuple(left_out))


def read_payload(payload: bytes, flag_id: bytes) -> Payload:
    """Read a payload, and check without any key that it has the right form and belongs to the flag.

    Raises
    ------
    VerificationError
        When it is malformed, or its leaves are not those of the flag.
    """
    document = documents.read(payload, Payload, what="case payload")
    count, slots = len(document.leaves) // 32, len(document.slots)
    if len(document.leaves) % 32 or count < 32 or count & (count - 1):
        raise VerificationError("the case payload is malformed: the number of its leaves is not allowed")
    size = document.record_size
    if (
        len(document.records) != size * (count - len(COMMON))
        or size % _RECORD_STEP
        or size < _SMALLEST_RECORD
    ):
        raise VerificationError("the case payload is malformed: its records have a size that is not allowed")
    if len(document.common) % _COMMON_STEP:
        raise VerificationError(
            "the case payload is malformed: its common fields have a size that is not allowed"
        )
    if slots < _FEWEST_SLOTS or slots & (slots - 1):
        raise VerificationError("the case payload is malformed: the number of its slots is not allowed")
    if {len(slot) for slot in document.slots} != {slot_size(_PART_SIZE)}:
        raise VerificationError("the case payload is malformed: its slots have different sizes")
    root = merkle.root(document.hashes)
    if root != flag_id:
        raise VerificationError("the leaves do not belong to the flag", expected=flag_id, got=root)
    return document


def open_part(
    payload: Payload, flag_id: bytes, *, author: bytes, code: int, private_key: X25519PrivateKey
) -> tuple[Delivery, dict[str, Any] | VerificationError] | None:
    """Open one member's part of a payload; return None if the payload has none for this key.

    Returns
    -------
    tuple or None
        The delivery, and the fields that the member may see, verified; or the error, if a delivery is there
        but its fields do not belong to the flag.

    Raises
    ------
    VerificationError
        When the slot that this key opens is made for another member.
    """
    for slot in payload.slots:
        part = open_slot(slot, _context(author, flag_id), private_key)
        if part is not None:
            delivery = _unpack(part, flag_id)
            if delivery.code != code:
                raise VerificationError("the flag's slot for this key is made for another member")
            keys = part[_DELIVERY_SIZE:]
            try:
                return delivery, _view(payload, flag_id, keys[:_KEY_SIZE], [keys[_KEY_SIZE:]])
            except VerificationError as error:
                return delivery, error
    return None


def open_for_reader(payload: Payload, flag_id: bytes, *, author: bytes, private_key: bytes) -> OpenedByReader:
    """Open a payload with a reader's key, and check everything that the seed determines.

    Raises
    ------
    NotAddresseeError
        When the payload is not sealed to this key.
    VerificationError
        When the flag and the seed do not give the identifier, or a member was given other fields.
    """
    content = _unpadded(open_envelope(payload.readers, _context(author, flag_id), private_key))
    start = len(payload.slots) * _DELIVERY_SIZE
    packed = [content[i : i + _DELIVERY_SIZE] for i in range(0, start, _DELIVERY_SIZE)]
    value = documents.read(content[start:], _ForReaders, what="readers' part of a flag")
    flag, seed = Flag.from_json(value.flag), bytes.fromhex(value.seed)
    if flag.flag_id(seed) != flag_id:
        raise VerificationError(
            "the flag and its seed do not give the identifier", expected=flag_id, got=flag.flag_id(seed)
        )
    if flag.leaf_hashes(seed) != payload.hashes or _streams(flag, seed) != {
        "common": payload.common,
        "records": payload.records,
    }:
        raise VerificationError("the members are given other fields than those of the flag")
    sent = sorted(_unpack(part, flag_id) for part in packed if any(part))
    return OpenedByReader(flag, seed, tuple(sent))


def _streams(flag: Flag, seed: bytes) -> dict[str, bytes]:
    """Return the encrypted common fields and records; flag and seed determine every byte."""
    view, owners = flag.view(seed)["leaves"], flag.owners()
    opened = [leaf for leaf in view if not isinstance(leaf, str)]
    common = canonical.dumps([leaf[1:] for leaf in opened[: len(COMMON)]])
    texts = [_record(leaf) for leaf in opened[len(COMMON) :]]
    size = max(_SMALLEST_RECORD, _rounded(max(map(len, texts), default=0), _RECORD_STEP))
    keys = [_key(seed, owners[leaf[0]]) for leaf in opened[len(COMMON) :]]
    total = size * (len(view) - len(COMMON))
    streams = {key: _stream(key, total) for key in (*keys, _key(seed, 0))}
    records = [
        _xor(text.ljust(size, b"\0"), streams[key][n * size : (n + 1) * size])
        for n, (text, key) in enumerate(zip(texts, keys, strict=True))
    ]
    rest = streams[_key(seed, 0)][len(records) * size :]
    padded = _padded(common, _COMMON_STEP)
    return {
        "common": _xor(padded, _stream(_key(seed, None), len(padded))),
        "records": b"".join(records) + rest,
    }


def _view(payload: Payload, flag_id: bytes, common_key: bytes, keys: Sequence[bytes]) -> dict[str, Any]:
    """Decrypt the common fields, and the records that a key opens; verify them against the identifier."""
    content = _unpadded(_xor(payload.common, _stream(common_key, len(payload.common))))
    common = documents.read(content, list[tuple[str | None, Salt]], what="flag view")
    leaves: list[Any] = [leaf.hex() for leaf in payload.hashes]
    if len(common) != len(COMMON):
        raise VerificationError("the flag view does not have the common fields")
    for index, (name, opened) in enumerate(zip(COMMON, common, strict=True)):
        leaves[index] = [name, *opened]
    counts = [_count(common[COMMON.index(name)][0]) for name in ("entity_count", "row_count")]
    names = [
        *(f"entities/{i}" for i in range(min(counts[0], len(leaves)))),
        *(f"rows/{i}" for i in range(min(counts[1], len(leaves)))),
    ][: len(leaves) - len(COMMON)]
    size = payload.record_size
    for key in keys:
        opened_records = _xor(payload.records, _stream(key, len(payload.records)))
        for n, name in enumerate(names):
            leaf = _leaf(name, opened_records[n * size : (n + 1) * size])
            index = len(COMMON) + n
            if leaf is not None and field_leaf(name, leaf[1], bytes.fromhex(leaf[2])).hex() == leaves[index]:
                leaves[index] = leaf
    return verify_view({"format": VIEW_FORMAT, "leaves": leaves}, flag_id)


def _count(text: str | None) -> int:
    value = canonical.loads((text or "").encode(), what="flag view")
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise VerificationError("the flag view is malformed: a count is not a number")
    return value


def _record(leaf: Sequence[str]) -> bytes:
    text = leaf[1].encode()
    return bytes.fromhex(leaf[2]) + len(text).to_bytes(2, "big") + text


def _leaf(name: str, record: bytes) -> list[str] | None:
    """Return an opened leaf; None if the record was encrypted with another key."""
    start = SALT_SIZE + 2
    length = int.from_bytes(record[SALT_SIZE:start], "big")
    if start + length > len(record) or any(record[start + length :]):
        return None
    try:
        return [name, record[start : start + length].decode(), record[:SALT_SIZE].hex()]
    except UnicodeDecodeError:
        return None


def _pack(delivery: Delivery) -> bytes:
    return delivery.code.to_bytes(2, "big") + delivery.sequence.to_bytes(8, "big") + delivery.previous


def _unpack(part: bytes, flag_id: bytes) -> Delivery:
    code, sequence = int.from_bytes(part[:2], "big"), int.from_bytes(part[2:10], "big")
    return Delivery(code, sequence, part[10:_DELIVERY_SIZE], flag_id)


def _key(seed: bytes, owner: int | None) -> bytes:
    """Return the key of a member's own fields; of the common fields for None; nobody gets the key of 0."""
    who = b"common" if owner is None else b"member" + owner.to_bytes(2, "big")
    return shake_256(_KEY + seed + who).digest(_KEY_SIZE)


def _stream(key: bytes, size: int) -> bytes:
    return shake_256(_STREAM + key).digest(size)


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")


def _rounded(size: int, step: int) -> int:
    return -(-size // step) * step


def _padded(content: bytes, step: int) -> bytes:
    whole = len(content).to_bytes(4, "big") + content
    return whole.ljust(_rounded(len(whole), step), b"\0")


def _unpadded(padded: bytes) -> bytes:
    size = int.from_bytes(padded[:4], "big")
    content = padded[4 : 4 + size]
    if len(content) != size or any(padded[4 + size :]):
        raise VerificationError("the flag's content is malformed: its padding is not zero")
    return content


def _context(author: bytes, flag_id: bytes) -> bytes:
    return _CONTEXT + author + flag_id
