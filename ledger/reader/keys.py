"""The desk's private keys: account key (anchors flags), a key for each log, and reader keys by epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ledger import documents
from ledger.documents import Count, Document, Hash
from ledger.envelope import generate_keypair, key_id, public_key
from ledger.log import generate_signing_key
from ledger.signing import address_of, new_key
from ledger.storage import write_atomically

__all__ = ["DeskKeys"]

FORMAT: Final = "counterfoil/desk-keys/2"


class KeysDocument(Document, tag_field="format", tag=FORMAT):
    """The desk's key file in JSON."""

    account: Hash
    ledger: Hash
    verdicts: Hash
    readers: dict[Count, Hash]


@dataclass(frozen=True, slots=True, repr=False)
class DeskKeys:
    """The desk's private keys.

    Parameters
    ----------
    account : bytes
        secp256k1 key of the account that writes to the case log.
    ledger : bytes
        Ed25519 key that signs checkpoints of the ledger log.
    verdicts : bytes
        Ed25519 key that signs checkpoints of the verdict log; a policy allows no key for two logs.
    readers : dict of epoch to bytes
        HPKE private keys. If the key of a past epoch is destroyed, nobody can open its sealed rows again;
        roots and proofs stay valid.
    """

    account: bytes
    ledger: bytes
    verdicts: bytes
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

    def save(self, path: Path) -> None:
        """Write the keys, readable by their owner only; replaces an existing file atomically."""
        document = KeysDocument(
            account=self.account.hex(),
            ledger=self.ledger.hex(),
            verdicts=self.verdicts.hex(),
            readers={epoch: key.hex() for epoch, key in sorted(self.readers.items())},
        )
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
            KeysDocument,
            what="key file",
            missing="there is no desk here",
            missing_step="Run `counterfoil demo`, or check --home.",
            next_step="Restore it from a backup: only these keys open what was sealed to them.",
        )
        return cls(
            bytes.fromhex(document.account),
            bytes.fromhex(document.ledger),
            bytes.fromhex(document.verdicts),
            {epoch: bytes.fromhex(key) for epoch, key in document.readers.items()},
        )
