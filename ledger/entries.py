"""Entries of the ledger log: what happened on the chain, in chain order, as bytes that anyone can derive.

The ledger log is an RFC 6962 tree over these entries, in the order (block, position in the block). They
contain only what final events of the chain say: no clock of any process and no version of any software. So
everyone with a node derives the same tree. All numbers are big-endian; `‖` joins bytes.

====  ============  =========================================================================================
kind  entry         content after the kind (1 byte)
====  ============  =========================================================================================
1     admission     code (2) ‖ account (20) ‖ X25519 key (32) ‖ HPKE key (32) ‖ witness key (32) ‖
                    the bank's signature (65) ‖ agent (UTF-8, the rest)
2     key change    code (2) ‖ account (20) ‖ new account (20) ‖ X25519 key (32) ‖ HPKE key (32) ‖
                    witness key (32) ‖ nonce (8) ‖ signature (65) ‖ signature of the new account (65)
3     batch         batch header (162) ‖ author's signature (65) ‖ block (8) ‖ block time (8)
4     case entry    index (8) ‖ case kind (1) ‖ case (32) ‖ content hash (32) ‖ author (20) ‖
                    SHA-256 of the payload (32) ‖ head of the case log (32) ‖ block (8) ‖ block time (8)
5     standing      code (2) ‖ status (1): 1 active, 2 suspended, 3 revoked
6     epoch         epoch (4) ‖ start (8) ‖ ceremony (8) ‖ public key (32)
7     key shares    ceremony (8) ‖ epoch (4) ‖ generation (4) ‖ public key (32) ‖
                    share commitments (32 each, the rest)
====  ============  =========================================================================================
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ledger.batch import HEADER_SIZE, BatchHeader
from ledger.errors import VerificationError

__all__ = [
    "Admission",
    "CaseAnchor",
    "Entry",
    "EntryKind",
    "EpochOpening",
    "KeyChange",
    "KeyShares",
    "Posting",
    "Standing",
    "StandingChange",
    "admission_entry",
    "batch_entry",
    "case_entry",
    "epoch_entry",
    "key_change_entry",
    "parse_entry",
    "shares_entry",
    "standing_entry",
]

_SIGNATURE: Final = 65
_KEY: Final = 32

_ADMISSION: Final = struct.Struct(">BH20s32s32s32s65s")
_KEY_CHANGE: Final = struct.Struct(">BH20s20s32s32s32sQ65s65s")
_BATCH: Final = struct.Struct(f">B{HEADER_SIZE}s65sQQ")
_CASE: Final = struct.Struct(">BQB32s32s20s32s32sQQ")
_STANDING: Final = struct.Struct(">BHB")
_EPOCH: Final = struct.Struct(">BIQQ32s")
_SHARES: Final = struct.Struct(">BQII32s")


class EntryKind(IntEnum):
    """First byte of an entry."""

    ADMISSION = 1
    KEY_CHANGE = 2
    BATCH = 3
    CASE = 4
    STANDING = 5
    EPOCH = 6
    SHARES = 7


class Standing(IntEnum):
    """Standing of a member after a change of it."""

    ACTIVE = 1
    SUSPENDED = 2
    REVOKED = 3


@dataclass(frozen=True, slots=True)
class Admission:
    """The admission of a bank, with its own signature."""

    code: int
    account: bytes
    agent: str
    x25519_key: bytes
    hpke_key: bytes
    witness_key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class KeyChange:
    """The change of a member's account or keys, signed by the account before and the one after."""

    code: int
    account: bytes
    new_account: bytes
    x25519_key: bytes
    hpke_key: bytes
    witness_key: bytes
    nonce: int
    signature: bytes
    new_signature: bytes


@dataclass(frozen=True, slots=True)
class Posting:
    """A posted batch, without its payload."""

    header: BatchHeader
    signature: bytes
    block: int
    block_time: int


@dataclass(frozen=True, slots=True)
class CaseAnchor:
    """An entry of the case log, without its payload.

    Parameters
    ----------
    index, kind : int
    case_id, content_hash : bytes
        32 bytes.
    author : bytes
        Address, 20 bytes.
    payload_hash : bytes
        SHA-256 of the payload.
    head : bytes
        Head of the case log's hash chain after this entry.
    block, block_time : int
    """

    index: int
    kind: int
    case_id: bytes
    content_hash: bytes
    author: bytes
    payload_hash: bytes
    head: bytes
    block: int
    block_time: int


@dataclass(frozen=True, slots=True)
class StandingChange:
    """A suspension, a reinstatement or a revocation."""

    code: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class EpochOpening:
    """A new epoch of the pseudonym key; `starts_at` is in Unix seconds, `ceremony` made the key."""

    epoch: int
    starts_at: int
    ceremony: int
    public_key: bytes


@dataclass(frozen=True, slots=True)
class KeyShares:
    """The result of a key ceremony: the public key, and the public key of each holder's share."""

    ceremony: int
    epoch: int
    generation: int
    public_key: bytes
    share_commitments: tuple[bytes, ...]


Entry = Admission | KeyChange | Posting | CaseAnchor | StandingChange | EpochOpening | KeyShares


def admission_entry(
    code: int,
    account: bytes,
    agent: str,
    *,
    x25519_key: bytes,
    hpke_key: bytes,
    witness_key: bytes,
    signature: bytes,
) -> bytes:
    """Return the entry of an admission."""
    _check_signatures(signature)
    keys = x25519_key, hpke_key, witness_key
    return _ADMISSION.pack(EntryKind.ADMISSION, code, account, *keys, signature) + agent.encode()


def key_change_entry(
    code: int,
    account: bytes,
    new_account: bytes,
    *,
    x25519_key: bytes,
    hpke_key: bytes,
    witness_key: bytes,
    nonce: int,
    signature: bytes,
    new_signature: bytes,
) -> bytes:
    """Return the entry of a change of a member's account or keys."""
    _check_signatures(signature, new_signature)
    keys = x25519_key, hpke_key, witness_key
    signatures = signature, new_signature
    return _KEY_CHANGE.pack(EntryKind.KEY_CHANGE, code, account, new_account, *keys, nonce, *signatures)


def batch_entry(header: BatchHeader, signature: bytes, block: int, block_time: int) -> bytes:
    """Return the entry of a posted batch."""
    _check_signatures(signature)
    return _BATCH.pack(EntryKind.BATCH, header.pack(), signature, block, block_time)


def case_entry(anchor: CaseAnchor) -> bytes:
    """Return the entry of an entry of the case log."""
    return _CASE.pack(
        EntryKind.CASE,
        anchor.index,
        anchor.kind,
        anchor.case_id,
        anchor.content_hash,
        anchor.author,
        anchor.payload_hash,
        anchor.head,
        anchor.block,
        anchor.block_time,
    )


def standing_entry(code: int, standing: Standing) -> bytes:
    """Return the entry of a suspension, a reinstatement or a revocation."""
    return _STANDING.pack(EntryKind.STANDING, code, standing)


def epoch_entry(epoch: int, starts_at: int, ceremony: int, public_key: bytes) -> bytes:
    """Return the entry of a new epoch of the pseudonym key."""
    return _EPOCH.pack(EntryKind.EPOCH, epoch, starts_at, ceremony, public_key)


def shares_entry(
    ceremony: int, epoch: int, generation: int, public_key: bytes, share_commitments: Sequence[bytes]
) -> bytes:
    """Return the entry of the result of a key ceremony."""
    head = _SHARES.pack(EntryKind.SHARES, ceremony, epoch, generation, public_key)
    return head + b"".join(share_commitments)


def parse_entry(data: bytes) -> Entry:
    """Return what an entry says; the functions above make the same bytes of it again.

    Raises
    ------
    VerificationError
        When the bytes are not an entry of the ledger log.
    """
    try:
        return _PARSERS[EntryKind(data[0])](data)
    except (ValueError, IndexError, struct.error) as error:  # not UTF-8 is a ValueError too
        raise VerificationError("the bytes are not an entry of the ledger log") from error


def _admission(data: bytes) -> Admission:
    _, code, account, *rest = _ADMISSION.unpack_from(data)
    return Admission(code, account, data[_ADMISSION.size :].decode(), *rest)


def _key_change(data: bytes) -> KeyChange:
    return KeyChange(*_KEY_CHANGE.unpack(data)[1:])


def _posting(data: bytes) -> Posting:
    _, header, *rest = _BATCH.unpack(data)
    return Posting(BatchHeader.unpack(header), *rest)


def _case(data: bytes) -> CaseAnchor:
    return CaseAnchor(*_CASE.unpack(data)[1:])


def _standing(data: bytes) -> StandingChange:
    _, code, standing = _STANDING.unpack(data)
    return StandingChange(code, Standing(standing))


def _epoch(data: bytes) -> EpochOpening:
    return EpochOpening(*_EPOCH.unpack(data)[1:])


def _shares(data: bytes) -> KeyShares:
    _, ceremony, epoch, generation, public_key = _SHARES.unpack_from(data)
    shares = data[_SHARES.size :]
    if len(shares) % _KEY:
        raise ValueError("a share commitment is cut off")
    commitments = tuple(shares[i : i + _KEY] for i in range(0, len(shares), _KEY))
    return KeyShares(ceremony, epoch, generation, public_key, commitments)


_PARSERS: Final[dict[EntryKind, Callable[[bytes], Entry]]] = {
    EntryKind.ADMISSION: _admission,
    EntryKind.KEY_CHANGE: _key_change,
    EntryKind.BATCH: _posting,
    EntryKind.CASE: _case,
    EntryKind.STANDING: _standing,
    EntryKind.EPOCH: _epoch,
    EntryKind.SHARES: _shares,
}


def _check_signatures(*signatures: bytes) -> None:
    """Refuse a signature of another size: packing would fill it up or cut it off."""
    for signature in signatures:
        if len(signature) != _SIGNATURE:
            raise ValueError(f"a signature has {_SIGNATURE} bytes, not {len(signature)}")
