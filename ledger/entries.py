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
                    witness key (32) ‖ signature (65) ‖ signature of the new account (65)
3     batch         batch header (162) ‖ author's signature (65) ‖ block (8) ‖ block time (8)
4     case entry    index (8) ‖ case kind (1) ‖ case (32) ‖ content hash (32) ‖ author (20) ‖
                    SHA-256 of the payload (32) ‖ head of the case log (32) ‖ block (8) ‖ block time (8)
5     standing      code (2) ‖ status (1): 1 active, 2 suspended, 3 revoked
6     epoch         epoch (4) ‖ start (8) ‖ public key (32) ‖ share commitments (32 each, the rest)
====  ============  =========================================================================================
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ledger.batch import BatchHeader

__all__ = [
    "BatchPlace",
    "CaseAnchor",
    "EntryKind",
    "Standing",
    "account_of_entry",
    "admission_entry",
    "batch_entry",
    "batch_place",
    "case_entry",
    "epoch_entry",
    "epoch_of_entry",
    "key_change_entry",
    "standing_entry",
]

_SIGNATURE: Final = 65


class EntryKind(IntEnum):
    """First byte of an entry."""

    ADMISSION = 1
    KEY_CHANGE = 2
    BATCH = 3
    CASE = 4
    STANDING = 5
    EPOCH = 6


class Standing(IntEnum):
    """Standing of a member after a change of it."""

    ACTIVE = 1
    SUSPENDED = 2
    REVOKED = 3


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
    packed = struct.pack(
        ">BH20s32s32s32s65s", EntryKind.ADMISSION, code, account, x25519_key, hpke_key, witness_key, signature
    )
    return packed + agent.encode()


def key_change_entry(
    code: int,
    account: bytes,
    new_account: bytes,
    *,
    x25519_key: bytes,
    hpke_key: bytes,
    witness_key: bytes,
    signature: bytes,
    new_signature: bytes,
) -> bytes:
    """Return the entry of a change of a member's account or keys."""
    _check_signatures(signature, new_signature)
    return struct.pack(
        ">BH20s20s32s32s32s65s65s",
        EntryKind.KEY_CHANGE,
        code,
        account,
        new_account,
        x25519_key,
        hpke_key,
        witness_key,
        signature,
        new_signature,
    )


def batch_entry(header: BatchHeader, signature: bytes, block: int, block_time: int) -> bytes:
    """Return the entry of a posted batch."""
    _check_signatures(signature)
    return bytes([EntryKind.BATCH]) + header.pack() + signature + struct.pack(">QQ", block, block_time)


@dataclass(frozen=True, slots=True)
class BatchPlace:
    """Who posted a batch, its number, and the block and block time; as a batch entry says."""

    account: bytes
    sequence: int
    block: int
    block_time: int


def batch_place(entry: bytes) -> BatchPlace | None:
    """Return the place that a batch entry names; None for an entry of another kind."""
    if entry[0] != EntryKind.BATCH:
        return None
    # kind, version, suite, chain id and contract stand before the account
    account, sequence = struct.unpack_from(">20sQ", entry, 31)
    return BatchPlace(account, sequence, *struct.unpack(">QQ", entry[-16:]))


def case_entry(anchor: CaseAnchor) -> bytes:
    """Return the entry of an entry of the case log."""
    return struct.pack(
        ">BQB32s32s20s32s32sQQ",
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
    return struct.pack(">BHB", EntryKind.STANDING, code, standing)


def epoch_entry(epoch: int, starts_at: int, public_key: bytes, share_commitments: Sequence[bytes]) -> bytes:
    """Return the entry of a new epoch of the pseudonym key."""
    return struct.pack(">BIQ32s", EntryKind.EPOCH, epoch, starts_at, public_key) + b"".join(share_commitments)


def account_of_entry(entry: bytes) -> tuple[bytes, int] | None:
    """Return the account from which a member posts after an entry, and its code; None for other entries."""
    if entry[0] == EntryKind.ADMISSION:
        code, account = struct.unpack_from(">H20s", entry, 1)
    elif entry[0] == EntryKind.KEY_CHANGE:
        code, account = struct.unpack_from(">H20x20s", entry, 1)
    else:
        return None
    return account, code


def epoch_of_entry(entry: bytes) -> tuple[int, int] | None:
    """Return the number and the start (Unix seconds) of the epoch that an entry opens; None for others."""
    if entry[0] != EntryKind.EPOCH:
        return None
    number, starts_at = struct.unpack_from(">IQ", entry, 1)
    return number, starts_at


def _check_signatures(*signatures: bytes) -> None:
    """Refuse a signature of another size: packing would fill it up or cut it off."""
    for signature in signatures:
        if len(signature) != _SIGNATURE:
            raise ValueError(f"a signature has {_SIGNATURE} bytes, not {len(signature)}")
