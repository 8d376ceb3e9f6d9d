"""Keys of the operator and the officers, for a consortium on one machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from ledger.decision import officer_reader_key
from ledger.documents import Document, Hash
from ledger.errors import ConfigurationError, InputError
from ledger.home import Home
from ledger.keystore.keyfile import (
    Key,
    KeyFileDocument,
    Kind,
    document_of,
    open_keys,
    read_document,
    write_document,
)
from ledger.signing import AccountKey, address_of, new_key

__all__ = ["OFFICERS", "Governance", "GovernanceDocument", "in_memory", "read_governance"]

_FORMAT: Final = "counterfoil/governance/2"
_BEFORE: Final = "counterfoil/governance/1"

#: The names of keys in the file, before the number of an officer.
_OFFICER: Final = "officer"
_READER: Final = "officer-reader"

#: Number of officers of a consortium on one machine: one author, and two who approve.
OFFICERS: Final = 3


class GovernanceDocument(KeyFileDocument, tag_field="format", tag=_FORMAT):
    """The keys of the operator and the officers in JSON."""

    NAMES: ClassVar[Mapping[str, Kind]] = {"operator": "secp256k1"}
    NUMBERED: ClassVar[Mapping[str, Kind]] = {_OFFICER: "secp256k1", _READER: "x25519"}


class _GovernanceBefore(Document, tag_field="format", tag=_BEFORE):
    """The keys of the operator and the officers before the file could be encrypted."""

    operator: Hash
    officers: list[Hash]


@dataclass(frozen=True, slots=True, repr=False)
class Governance:
    """Keys of the operator and the officers, for a consortium on one machine.

    In production each party keeps its own key. Shared keys are for demonstrations and test consortia.

    Parameters
    ----------
    operator : AccountKey
    officers : tuple of AccountKey
        32 bytes each, or objects that sign with a key on a token.
    readers : dict of int to bytes
        The X25519 keys, by the officer's number, of officers whose account key is on a token: they open the
        officer's own decisions. For another officer, this key is derived from the account key.
    """

    operator: AccountKey
    officers: tuple[AccountKey, ...]
    readers: Mapping[int, bytes] = field(default_factory=dict)

    @classmethod
    def generate(cls) -> Self:
        """Create new keys for one operator and three officers (an author and two who approve)."""
        return cls(new_key(), tuple(new_key() for _ in range(OFFICERS)))

    def save(self, home: Home, *, passphrase: str | None = None) -> None:
        """Write the keys to a file that only its owner can read.

        Parameters
        ----------
        home : Home
        passphrase : str, optional
            Encrypts the secrets. Without it they are plain, which is for development.
        """
        keys: dict[str, Key] = {"operator": self.operator}
        keys |= {f"{_OFFICER}-{number}": key for number, key in enumerate(self.officers, 1)}
        keys |= {f"{_READER}-{number}": key for number, key in self.readers.items()}
        document = document_of(GovernanceDocument, keys, passphrase=passphrase)
        write_document(home.governance, document)

    @classmethod
    def load(cls, home: Home) -> Self:
        """Read the keys; the passphrase is read if the file is encrypted.

        Raises
        ------
        ConfigurationError
            When the state folder holds no such keys, or the file is damaged.
        PassphraseError
            When the passphrase is missing or wrong.
        """
        path = home.governance
        keys: dict[str, Any] = open_keys(read_governance(path), where=path)
        officers, readers = _numbered(keys, _OFFICER), _numbered(keys, _READER)
        if list(officers) != list(range(1, len(officers) + 1)):
            raise ConfigurationError(
                "the officers of the governance file are not numbered from 1 on",
                where=str(path),
                next_step="Restore it from a backup.",
            )
        return cls(keys["operator"], tuple(officers.values()), readers)

    def officer(self, number: int) -> AccountKey:
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

    def reader(self, number: int) -> bytes | None:
        """Return the X25519 key that opens an officer's own decisions; None if there is none."""
        key = self.officer(number)
        return self.readers.get(number) or (officer_reader_key(key) if isinstance(key, bytes) else None)


def in_memory(key: AccountKey) -> bytes:
    """Return the 32 bytes of a key, for software that signs only with a key in memory.

    Raises
    ------
    ConfigurationError
        When the key is on a token.
    """
    if not isinstance(key, bytes):
        raise ConfigurationError(
            "a consortium cannot be founded with an operator's key that is on a token",
            where=address_of(key),
            next_step="Found it first; then move the key with `counterfoil keys import`.",
        )
    return key


def read_governance(path: Path) -> GovernanceDocument:
    """Read the key file of the operator and the officers without its secrets.

    Raises
    ------
    ConfigurationError
        When the file is missing or damaged.
    """
    return read_document(
        path,
        GovernanceDocument,
        _GovernanceBefore,
        _converted,
        missing="the operator's keys are not on this machine",
        missing_step="Ask the operator to run this command.",
        next_step="Restore it from a backup.",
    )


def _converted(before: _GovernanceBefore) -> GovernanceDocument:
    keys = {f"{_OFFICER}-{number}": bytes.fromhex(key) for number, key in enumerate(before.officers, 1)}
    return document_of(
        GovernanceDocument, {"operator": bytes.fromhex(before.operator), **keys}, passphrase=None
    )


def _numbered(keys: Mapping[str, Any], before: str) -> dict[int, Any]:
    """Return the keys of this name, by their number."""
    found = [
        (int(name.rpartition("-")[2]), key) for name, key in keys.items() if name.rpartition("-")[0] == before
    ]
    return dict(sorted(found))
