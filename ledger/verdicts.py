"""Entries of the verdict log: for each batch of the ledger log, whether its rows count, and if not, why.

An entry has 43 bytes, big-endian: 0x01 ‖ index of the batch in the ledger log (8) ‖ batch hash (32) ‖ verdict
(1): 1 accepted, 2 kept apart ‖ reason (1): 0, or the number of a `Reason`. The entries have the order of the
batches in the ledger log. A verdict depends on the chain and on what the reader's key opens, and on nothing
else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ledger.errors import VerificationError

__all__ = ["Reason", "Verdict", "accepted_entry", "parse_verdict", "rejected_entry"]

_LAYOUT: Final = struct.Struct(">BQ32sBB")
_KIND: Final = 1
_ACCEPTED: Final = 1
_APART: Final = 2


class Reason(IntEnum):
    """Why a batch is kept apart."""

    AUTHOR = 1
    PLACE = 2
    SEAL = 3
    ROOT = 4
    POLICY = 5
    COLUMN = 6
    SIDE = 7
    TIME = 8
    AMOUNT = 9
    IDENTIFIER = 10
    DUPLICATE = 11

    @property
    def text(self) -> str:
        """The reason in words."""
        return _TEXTS[self]


_TEXTS: Final = {
    Reason.AUTHOR: "the account is not a member, or did not sign the batch",
    Reason.PLACE: "the batch does not follow the member's last one",
    Reason.SEAL: "the seal is damaged, or none of the reader's keys opens it",
    Reason.ROOT: "the rows are not those of the header",
    Reason.POLICY: "the encoding policy cannot be read",
    Reason.COLUMN: "a column has a value that is not in its list",
    Reason.SIDE: "a row speaks for another bank's side",
    Reason.TIME: "a row's time is not possible",
    Reason.AMOUNT: "a row's amount band or currency is not one of the policy",
    Reason.IDENTIFIER: "a row has no account, no match token or no record root",
    Reason.DUPLICATE: "a row was posted before",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict on one batch.

    Parameters
    ----------
    index : int
        Index of the batch's entry in the ledger log.
    batch_hash : bytes
        32 bytes.
    reason : Reason or None
        Why the batch is kept apart; None if it is accepted.
    """

    index: int
    batch_hash: bytes
    reason: Reason | None = None

    def to_entry(self) -> bytes:
        """Return the verdict's entry."""
        verdict, reason = (_ACCEPTED, 0) if self.reason is None else (_APART, int(self.reason))
        return _LAYOUT.pack(_KIND, self.index, self.batch_hash, verdict, reason)


def accepted_entry(index: int, batch_hash: bytes) -> bytes:
    """Return the entry of an accepted batch."""
    return Verdict(index, batch_hash).to_entry()


def rejected_entry(index: int, batch_hash: bytes, reason: Reason) -> bytes:
    """Return the entry of a batch that is kept apart."""
    return Verdict(index, batch_hash, reason).to_entry()


def parse_verdict(entry: bytes) -> Verdict:
    """Read an entry of the verdict log.

    Raises
    ------
    VerificationError
        When it is not an entry, or has more than one reading.
    """
    if len(entry) != _LAYOUT.size:
        raise VerificationError(f"an entry of the verdict log has {_LAYOUT.size} bytes, not {len(entry)}")
    kind, index, batch_hash, verdict, number = _LAYOUT.unpack(entry)
    known = verdict == _APART and number in set(Reason)
    if kind != _KIND or not (known or (verdict, number) == (_ACCEPTED, 0)):
        raise VerificationError("this is not an entry of the verdict log")
    return Verdict(index, batch_hash, Reason(number) if known else None)
