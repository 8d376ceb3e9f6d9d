"""What the checks of an auditor find: a place, and what is wrong there."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import VerificationError

__all__ = ["Difference", "FsckError"]


class FsckError(VerificationError):
    """Raised when the chain, the published logs or a mirror do not fit together."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: its place and its description."""

    where: str
    what: str
