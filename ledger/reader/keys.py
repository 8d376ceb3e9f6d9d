"""The desk's private keys: account key (anchors flags), a key for each log, and reader keys by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from ledger.documents import Count, Document, Hash
from ledger.envelope import generate_keypair, key_id, public_key
from ledger.keystore.keyfile import (
    Key,
    KeyFileDocument,
    Kind,
    document_of,
    open_keys,
    read_document,
    write_document,
)
from ledger.log import CheckpointKey, generate_signing_key
from ledger.signing import AccountKey, address_of, new_key

__all__ = ["DeskKeys", "DeskKeysDocument", "read_desk_keys"]

FORMAT: Final = "counterfoil/desk-keys/3"

_BEFORE: Final = "counterfoil/desk-keys/2"

#: The name of a reader key in the file, before the number of its epoch.
_READER: Final = "reader"


class DeskKeysDocument(KeyFileDocument, tag_field="format", tag=FORMAT):
    """The desk's key file in JSON."""

    NAMES: ClassVar[Mapping[str, Kind]] = {"account": "secp256k1", "ledger": "ed25519", "verdicts": "ed25519"}
    NUMBERED: ClassVar[Mapping[str, Kind]] = {_READER: "x25519"}


class _KeysBefore(Document, tag_field="format", tag=_BEFORE):
    """The desk's key file before it could be encrypted."""

    account: Hash
    ledger: Hash
    verdicts: Hash
    readers: dict[Count, Hash]


@dataclass(frozen=True, slots=True, repr=False)
class DeskKeys:
    """The desk's private keys: 32 bytes each, or objects that sign with a key on a token.

    Parameters
    ----------
    account : AccountKey
        secp256k1 key of the account that writes to the case log.
    ledger : CheckpointKey
        Ed25519 key that signs checkpoints of the ledger log.
    verdicts : CheckpointKey
        Ed25519 key that signs checkpoints of the verdict log; a policy allows no key for two logs.
    readers : dict of epoch to bytes
        HPKE private keys. If the key of a past epoch is destroyed, nobody can open its sealed rows again;
        roots and proofs stay valid.
    """

    account: AccountKey
    ledger: CheckpointKey
    verdicts: CheckpointKey
    readers: dict[int, bytes]

    @classmethod
    def generate(cls, reader_epoch: int) -> Self:
        """Generate new keys with one reader key."""
        private, _ = generate_keypair()
        (ledger, _), (verdicts, _) = generate_signing_key(), generate_signing_key()
        return cls(new_key(), ledger, verdicts, {reader_epoch: private})

    @property
    def address(self) -> str:
        """The account's address, with checksum (EIP-55)."""
        return address_of(self.account)

    def readers_public(self) -> dict[int, tuple[bytes, bytes]]:
        """Return (key identifier, HPKE public key) by epoch, as they are registered on the chain."""
        publics = {epoch: public_key(private) for epoch, private in self.readers.items()}
        return {epoch: (key_id(public), public) for epoch, public in publics.items()}

    def save(self, path: Path, *, passphrase: str | None = None) -> None:
        """Write the keys, readable by their owner only; replaces an existing file atomically.

        Parameters
        ----------
        path : Path
        passphrase : str, optional
            Encrypts the secrets. Without it they are plain, which is for development.
        """
        keys: dict[str, Key] = {"account": self.account, "ledger": self.ledger, "verdicts": self.verdicts}
        keys |= {f"{_READER}-{epoch}": key for epoch, key in self.readers.items()}
        document = document_of(DeskKeysDocument, keys, passphrase=passphrase)
        write_document(path, document)

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
        keys: dict[str, Any] = open_keys(read_desk_keys(path), where=path)
        readers = {name: key for name, key in keys.items() if name not in DeskKeysDocument.NAMES}
        epochs = sorted((int(name.rpartition("-")[2]), key) for name, key in readers.items())
        return cls(keys["account"], keys["ledger"], keys["verdicts"], dict(epochs))


def read_desk_keys(path: Path) -> DeskKeysDocument:
    """Read the desk's key file without its secrets, in this format or in the one before.

    Raises
    ------
    ConfigurationError
        When the file is missing or damaged.
    """
    return read_document(
        path,
        DeskKeysDocument,
        _KeysBefore,
        _converted,
        missing="there is no desk here",
        missing_step="Run `counterfoil demo`, or check --home.",
        next_step="Restore it from a backup: only these keys open what was sealed to them.",
    )


def _converted(before: _KeysBefore) -> DeskKeysDocument:
    keys = {name: bytes.fromhex(getattr(before, name)) for name in DeskKeysDocument.NAMES}
    keys |= {f"{_READER}-{epoch}": bytes.fromhex(key) for epoch, key in before.readers.items()}
    return document_of(DeskKeysDocument, keys, passphrase=None)
