"""What the desk's case file holds, as plain values that are compared with the chain."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.delivery import Delivery

__all__ = ["StoredCases", "StoredDecision", "StoredFlag", "StoredNote"]


@dataclass(frozen=True, slots=True)
class StoredFlag:
    """A flag: its identifier, "detector" or "rule", block, document, seed, and SHA-256 of the payload."""

    flag_id: bytes
    kind: str
    block: int | None
    document: bytes
    seed: bytes
    payload_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """An opened decision: its content hash, author, flag, entry, block and document."""

    content_hash: bytes
    author: str
    flag_id: bytes
    entry: int
    block: int
    document: bytes


@dataclass(frozen=True, slots=True)
class StoredNote:
    """A note: its content hash, case, block, and SHA-256 of the payload."""

    content_hash: bytes
    case_id: bytes
    block: int | None
    payload_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredCases:
    """Everything in a case file."""

    flags: tuple[StoredFlag, ...]
    decisions: tuple[StoredDecision, ...]
    notes: tuple[StoredNote, ...]
    deliveries: frozenset[Delivery]
