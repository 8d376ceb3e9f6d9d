"""A member's private keys: account key (posting), X25519 key (match tokens), HPKE key (opens flags)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ledger import documents
from ledger.documents import Document, Hash
from ledger.envelope import generate_keypair
from ledger.errors import ConfigurationError
from ledger.signing import address_of, new_key
from ledger.storage import write_atomically

__all__ = ["MemberKeys"]

FORMAT: Final = "counterfoil/member-keys/1"


class KeysDocument(Document, tag_field="format", tag=FORMAT):
    """A member's key file in JSON."""

    agent: str
    account: Hash
    x25519: Hash
    hpke: Hash


@dataclass(frozen=True, slots=True, repr=False)
class MemberKeys:
    """A member's private keys, 32 bytes each.

    Parameters
    ----------
    agent : str
        The bank's agent identifier.
    account : bytes
        secp256k1 key of the account that posts; it also signs disclosures. Do not use it for anything else.
    x25519 : bytes
        Private key for the key agreement of match tokens.
    hpke : bytes
        Private key that opens flags and requests sealed to this member.
    """

    agent: str
    account: bytes
    x25519: bytes
    hpke: bytes

    @classmethod
    def generate(cls, agent: str) -> Self:
        """Generate new keys."""
        hpke, _ = generate_keypair()
        return cls(agent, new_key(), X25519PrivateKey.generate().private_bytes_raw(), hpke)

    @property
    def address(self) -> str:
        """The account's address, with checksum (EIP-55)."""
        return address_of(self.account)

    @property
    def x25519_public(self) -> bytes:
        """The public key with which other members compute match tokens."""
        return X25519PrivateKey.from_private_bytes(self.x25519).public_key().public_bytes_raw()

    @property
    def hpke_public(self) -> bytes:
        """The public key to which flags are sealed."""
        return X25519PrivateKey.from_private_bytes(self.hpke).public_key().public_bytes_raw()

    def save(self, path: Path) -> None:
        """Write the keys, readable by their owner only.

        Raises
        ------
        ConfigurationError
            When the key file exists already: without its keys, everything posted with them becomes unusable.
        """
        if path.exists():
            raise ConfigurationError(
                "the key file exists already and is never overwritten",
                where=str(path),
                next_step="Use the existing keys; for another member, choose another name or --home.",
            )
        document = KeysDocument(
            agent=self.agent, account=self.account.hex(), x25519=self.x25519.hex(), hpke=self.hpke.hex()
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
            missing="this member has no keys here",
            missing_step="Run `counterfoil member init` first, or check --home and the member's name.",
            next_step="Restore it from a backup: the rows posted with these keys need them.",
        )
        secrets = (document.account, document.x25519, document.hpke)
        return cls(document.agent, *map(bytes.fromhex, secrets))
