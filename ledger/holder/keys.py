"""A holder's own keys: the account of its messages on the chain, and the key its shares are encrypted to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ledger import documents
from ledger.documents import Document, Hash
from ledger.encoding.ceremony import encryption_key_pair
from ledger.encoding.ristretto import multiply_base
from ledger.errors import ConfigurationError
from ledger.signing import address_of, new_key
from ledger.storage import write_atomically

__all__ = ["HolderKeys"]

_FORMAT: Final = "counterfoil/holder-keys/1"


class HolderKeysDocument(Document, tag_field="format", tag=_FORMAT):
    """A holder's key file in JSON."""

    account: Hash
    encryption: Hash


@dataclass(frozen=True, slots=True, repr=False)
class HolderKeys:
    """A holder's private keys, 32 bytes each.

    Parameters
    ----------
    account : bytes
        secp256k1 key of the account that sends the holder's messages.
    encryption : bytes
        Scalar of ristretto255: it opens the shares that are dealt to the holder.
    """

    account: bytes
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

    def save(self, path: Path) -> None:
        """Write the keys, readable by their owner only.

        Raises
        ------
        ConfigurationError
            When the key file exists already: without it, the holder's share cannot be received again.
        """
        if path.exists():
            raise ConfigurationError(
                "the holder's key file exists already and is never overwritten", where=str(path)
            )
        document = HolderKeysDocument(account=self.account.hex(), encryption=self.encryption.hex())
        write_atomically(path, documents.write(document), mode=0o600)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the keys.

        Raises
        ------
        ConfigurationError
            When the file is missing or damaged.
        """
        document = documents.load(
            path,
            HolderKeysDocument,
            what="holder's key file",
            missing="there is no key holder in this folder",
            missing_step="Run `counterfoil keyholder init` first, or check --home.",
            next_step="Restore it from a backup; without it, another holder must take its place.",
        )
        return cls(bytes.fromhex(document.account), bytes.fromhex(document.encryption))
