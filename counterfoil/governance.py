"""Keys of the operator and the officers, for a consortium on one machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from ledger import documents
from ledger.documents import Document, Hash
from ledger.errors import InputError
from ledger.home import Home
from ledger.signing import new_key
from ledger.storage import write_atomically

__all__ = ["OFFICERS", "Governance", "GovernanceDocument"]

_FORMAT: Final = "counterfoil/governance/1"

#: Number of officers of a consortium on one machine: one author, and two who approve.
OFFICERS: Final = 3


class GovernanceDocument(Document, tag_field="format", tag=_FORMAT):
    """The keys of the operator and the officers in JSON."""

    operator: Hash
    officers: list[Hash]


@dataclass(frozen=True, slots=True, repr=False)
class Governance:
    """Keys of the operator and the officers, for a consortium on one machine.

    In production each party keeps its own key. Shared keys are for demonstrations and test consortia.
    """

    operator: bytes
    officers: tuple[bytes, ...]

    @classmethod
    def generate(cls) -> Self:
        """Create new keys for one operator and three officers (an author and two who approve)."""
        return cls(new_key(), tuple(new_key() for _ in range(OFFICERS)))

    def save(self, home: Home) -> None:
        """Write the keys to a file that only its owner can read."""
        document = GovernanceDocument(
            operator=self.operator.hex(), officers=[key.hex() for key in self.officers]
        )
        write_atomically(home.governance, documents.write(document))

    @classmethod
    def load(cls, home: Home) -> Self:
        """Read the keys.

        Raises
        ------
        ConfigurationError
            When the state folder holds no such keys.
        """
        document = documents.load(
            home.governance,
            GovernanceDocument,
            what="governance file",
            missing="the operator's keys are not on this machine",
            missing_step="Ask the operator to run this command.",
        )
        return cls(bytes.fromhex(document.operator), tuple(map(bytes.fromhex, document.officers)))

    def officer(self, number: int) -> bytes:
        """Return the key of an officer, counted from 1.

        Raises
        ------
        InputError
            When the officer does not exist.
        """
        if not 1 <= number <= len(self.officers):
            raise InputError(
                f"there is no officer {number} on this machine",
                next_step=f"Give a number from 1 to {len(self.officers)}.",
            )
        return self.officers[number - 1]
