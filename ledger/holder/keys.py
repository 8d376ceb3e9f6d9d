"""A holder's own keys: the account of its messages on the chain, and the key its shares are encrypted to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from ledger.encoding.ceremony import encryption_key_pair
from ledger.encoding.ristretto import multiply_base
from ledger.errors import ConfigurationError
from ledger.keystore.keyfile import (
    Key,
    KeyFileDocument,
    Kind,
    document_of,
    open_keys,
    read_document,
    write_document,
)
from ledger.keystore.passphrase import PASSPHRASE
from ledger.signing import AccountKey, address_of, new_key

__all__ = ["HolderKeys", "HolderKeysDocument", "read_holder_keys"]

_FORMAT: Final = "counterfoil/holder-keys/1"


class HolderKeysDocument(KeyFileDocument, tag_field="format", tag=_FORMAT):
    """A holder's key file in JSON."""

    NAMES: ClassVar[Mapping[str, Kind]] = {"account": "secp256k1", "encryption": "ristretto255"}


@dataclass(frozen=True, slots=True, repr=False)
class HolderKeys:
    """A holder's private keys.

    Parameters
    ----------
    account : AccountKey
        The key of the account that sends the holder's messages: 32 bytes, or a key on a token.
    encryption : bytes
        Scalar of ristretto255, 32 bytes: it opens the shares that are dealt to the holder in one ceremony.
        When a ceremony begins, another one takes its place, and when it has ended, this one is erased: who
        steals the keys later reads no share of a ceremony before.
    """

    account: AccountKey
    encryption: bytes

    @classmethod
    def generate(cls) -> Self:
        """Generate new keys."""
        return cls(new_key(), encryption_key_pair()[0])

    @property
    def address(self) -> str:
        """The account's address, with checksum (EIP-55)."""
        return address_of(self.account)

    @property
    def encryption_public(self) -> bytes:
        """The key that the holder's shares are encrypted to: an element of ristretto255."""
        return multiply_base(self.encryption)

    def renewed(self, path: Path) -> Self:
        """Replace the encryption key in the key file, which stays encrypted if it was; return the keys.

        A copy of the old key may stay in blocks of the disk that are not yet used again, and in backups.
        """
        encrypted = read_holder_keys(path).encrypted
        made = replace(self, encryption=encryption_key_pair()[0])
        made._write(path, passphrase=PASSPHRASE.read() if encrypted else None)
        return made

    def save(self, path: Path, *, passphrase: str | None = None) -> None:
        """Write the keys, readable by their owner only.

        Parameters
        ----------
        path : Path
        passphrase : str, optional
            Encrypts the secrets. Without it they are plain, which is for development.

        Raises
        ------
        ConfigurationError
            When the key file exists already: without it, the holder's share cannot be received again.
        """
        if path.exists():
            raise ConfigurationError(
                "the holder's key file exists already and is never overwritten", where=str(path)
            )
        self._write(path, passphrase=passphrase)

    def _write(self, path: Path, *, passphrase: str | None) -> None:
        keys: dict[str, Key] = {"account": self.account, "encryption": self.encryption}
        write_document(path, document_of(HolderKeysDocument, keys, passphrase=passphrase))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the keys; the passphrase is read if the file is encrypted.

        Raises
        ------
        ConfigurationError
            When the file is missing or damaged.
        PassphraseError
            When the passphrase is missing or wrong.
        """
        keys: dict[str, Any] = open_keys(read_holder_keys(path), where=path)
        return cls(keys["account"], keys["encryption"])


def read_holder_keys(path: Path) -> HolderKeysDocument:
    """Read a holder's key file without its secrets.

    Raises
    ------
    ConfigurationError
        When the file is missing or damaged.
    """
    return read_document(
        path,
        HolderKeysDocument,
        missing="there is no key holder in this folder",
        missing_step="Run `counterfoil keyholder init` first, or check --home.",
        next_step="Restore it from a backup; without it, another holder must take its place.",
    )
