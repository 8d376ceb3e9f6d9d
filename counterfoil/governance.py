"""Keys of the operator and of the officers, for a consortium that lives on one machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from ledger import documents
from ledger.documents import Document, Hash
from ledger.errors import ConfigurationError, InputError
from ledger.home import Home
from ledger.signing import new_key
from ledger.storage import write_atomically

__all__ = ["OFFICERS", "Governance", "GovernanceDocument"]

_FORMAT: Final = "counterfoil/governance/1"

#: Officers of a consortium that lives on one machine: an author, and two who approve.
OFFICERS: Final = 3


class GovernanceDocument(Document, tag_field="format", tag=_FORMAT):
    """The keys of operator and officers in JSON."""

    operator: Hash
    officers: list[Hash]


@dataclass(frozen=True, slots=True, repr=False)
class Governance:
    """Keys of the operator and of the officers, for a consortium that lives on one machine.

    In production each party keeps its own key; here they make a demonstration and a test consortium possible.
    """

    operator: bytes
    officers: tuple[bytes, ...]

    @classmethod
    def generate(cls) -> Self:
        """Make fresh keys: one operator, three officers (an author and two who approve)."""
        return cls(new_key(), tuple(new_key() for _ in range(OFFICERS)))

    def save(self, home: Home) -> None:
        """Write the keys, readable by their owner only."""
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
            When they are not kept here.
        """
        try:
            data = home.governance.read_bytes()
        except FileNotFoundError as error:
            raise ConfigurationError(
                "the operator's keys are not on this machine",
                where=str(home.governance),
                next_step="Ask the operator to do this.",
            ) from error
        document = documents.read(
            data,
            GovernanceDocument,
            what="governance file",
            error=ConfigurationError,
            where=str(home.governance),
        )
        return cls(bytes.fromhex(document.operator), tuple(map(bytes.fromhex, document.officers)))

    def officer(self, number: int) -> bytes:
        """Return the key of an officer, counted from 1.

        Raises
        ------
        InputError
            When there is no such officer.
        """
        if not 1 <= number <= len(self.officers):
            raise InputError(
                f"there is no officer {number} on this machine",
                next_step=f"Name one of the officers 1 to {len(self.officers)}.",
            )
        return self.officers[number - 1]
