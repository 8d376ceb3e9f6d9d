"""Accounts that are not a bank's own: those of the founder and of officers; a key file each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from ledger.decision import officer_reader_key
from ledger.keystore.keyfile import (
    Key,
    KeyFileDocument,
    Kind,
    document_of,
    open_keys,
    read_document,
    write_document,
)
from ledger.signing import AccountKey, new_key

__all__ = ["AccountDocument", "PartyAccount", "ensure_account", "read_account"]

_FORMAT: Final = "counterfoil/account/1"
_READER: Final = "reader-1"


class AccountDocument(KeyFileDocument, tag_field="format", tag=_FORMAT):
    """The key file of an account in JSON."""

    NAMES: ClassVar[Mapping[str, Kind]] = {"account": "secp256k1"}
    NUMBERED: ClassVar[Mapping[str, Kind]] = {"reader": "x25519"}


@dataclass(frozen=True, slots=True, repr=False)
class PartyAccount:
    """The account of a founder or an officer.

    Parameters
    ----------
    key : AccountKey
        32 bytes, or an object that signs with a key on a token.
    reader_key : bytes or None
        The X25519 key that opens an officer's own decisions, if the account key is on a token; otherwise it
        is derived from the account key.
    """

    key: AccountKey
    reader_key: bytes | None = None

    @property
    def reader(self) -> bytes | None:
        """The X25519 key that opens an officer's own decisions; None if there is none."""
        return self.reader_key or (officer_reader_key(self.key) if isinstance(self.key, bytes) else None)

    @classmethod
    def load(cls, path: Path, *, who: str) -> Self:
        """Read the key file of an account; the passphrase is read if the file is encrypted.

        Parameters
        ----------
        path : Path
        who : str
            Whose account it is, for an error.

        Raises
        ------
        ConfigurationError
            When the file is missing or damaged.
        PassphraseError
            When the passphrase is missing or wrong.
        """
        keys: dict[str, Any] = open_keys(read_account(path, who=who), where=path)
        return cls(keys["account"], keys.get(_READER))

    def save(self, path: Path, *, passphrase: str | None = None) -> None:
        """Write the key file, readable by its owner only.

        Parameters
        ----------
        path : Path
        passphrase : str, optional
            Encrypts the secrets. Without it they are plain, which is for development.
        """
        keys: dict[str, Key] = {"account": self.key}
        if self.reader_key is not None:
            keys[_READER] = self.reader_key
        write_document(path, document_of(AccountDocument, keys, passphrase=passphrase))


def ensure_account(path: Path) -> AccountKey:
    """Return the key in a key file; make the file with a new key if it does not exist."""
    if not path.exists():
        PartyAccount(new_key()).save(path)
    return PartyAccount.load(path, who="this account").key


def read_account(path: Path, *, who: str = "this account") -> AccountDocument:
    """Read the key file of an account without its secrets.

    Raises
    ------
    ConfigurationError
        When the file is missing or damaged.
    """
    return read_document(
        path,
        AccountDocument,
        missing=f"the key of {who} is not on this machine",
        missing_step=f"Run this command where the key of {who} is, or check --home.",
        next_step="Restore it from a backup.",
    )
