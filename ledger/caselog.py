"""Entries of the case log: their kinds, whom a flag concerns, and the hash chain over all entries.

The identifier of a flag's entry is the `flag_id`; `ledger.flag_payload` seals its payload. One author can
append content of one kind only once, and no author can keep out another's: an entry is identified by its
author, kind and content hash together.
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import sha256
from typing import Final

from ledger.flag import Flag

__all__ = ["FLAG_KINDS", "CaseKind", "addressees", "entry_head", "kind_of"]


class CaseKind(IntEnum):
    """Kind of a case log entry, with its number in the contract."""

    FLAG = 1
    FINDING = 2
    DECISION = 3
    REQUEST = 4
    ANSWER = 5
    NOTE = 6


#: The kinds whose payload is a sealed flag.
FLAG_KINDS: Final = (CaseKind.FLAG, CaseKind.FINDING)


def kind_of(source: str) -> CaseKind:
    """Return the kind of the entry of a flag, by the kind of its source ("detector" or "rule")."""
    return CaseKind.FLAG if source == "detector" else CaseKind.FINDING


def addressees(flag: Flag) -> list[int]:
    """Return the codes of the members that keep an entity of the flag or posted a row of it."""
    concerned = {entity.agent for entity in flag.entities} | {row.member for row in flag.rows}
    return sorted(concerned - {0})


def entry_head(
    before: bytes, index: int, kind: int, case_id: bytes, content_hash: bytes, author: bytes, payload: bytes
) -> bytes:
    """Return the head of the case log after an entry, as the contract computes it."""
    packed = index.to_bytes(8, "big") + bytes([kind]) + case_id + content_hash + author
    return sha256(before + packed + sha256(payload).digest()).digest()
