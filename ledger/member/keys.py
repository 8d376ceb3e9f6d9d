"""A member's private keys: account (posts), X25519 (match tokens), HPKE (opens flags), witness (cosigns)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ledger import documents
from ledger.documents import Document, Hash
from ledger.envelope import generate_keypair
from ledger.errors import ConfigurationError
from ledger.signing import address_of, new_key
from ledger.storage import write_atomically
from ledger.typed_data import ADMISSION, KEY_CHANGE, Domain, sign_typed

__all__ = ["MemberKeys"]

FORMAT: Final = "counterfoil/member-keys/2"


class KeysDocument(Document, tag_field="format", tag=FORMAT):
    """A member's key file in JSON."""

    agent: str
    account: Hash
    x25519: Hash
    hpke: Hash
    witness: Hash


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
    witness : bytes
        Ed25519 private key with which the member's witness cosigns checkpoints.
    """

    agent: str
    account: bytes
    x25519: bytes
    hpke: bytes
    witness: bytes

    @classmethod
    def generate(cls, agent: str) -> Self:
        """Generate new keys."""
        hpke, _ = generate_keypair()
        return cls(
            agent,
            new_key(),
            X25519PrivateKey.generate().private_bytes_raw(),
            hpke,
            Ed25519PrivateKey.generate().private_bytes_raw(),
        )

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

    @property
    def witness_public(self) -> bytes:
        """The public key that verifies the cosignatures of the member's witness."""
        return Ed25519PrivateKey.from_private_bytes(self.witness).public_key().public_bytes_raw()

    def sign_admission(self, domain: Domain) -> bytes:
        """Return the bank's signature over its account, its agent and its public keys.

        Parameters
        ----------
        domain : Domain
            Of the contract `Consortium`.
        """
        values = {"account": bytes.fromhex(self.address[2:]), "agent": self.agent, **self._public_keys()}
        return sign_typed(domain, ADMISSION, values, self.account)

    def sign_key_change(self, domain: Domain, account: bytes, key: bytes, *, nonce: int) -> bytes:
        """Return a signature over the change from another account to these keys.

        Parameters
        ----------
        domain : Domain
            Of the contract `Consortium`.
        account : bytes
            The account before the change, 20 bytes.
        key : bytes
            The private key that signs: that of the account before the change, or that of this account.
        nonce : int
            How many times the bank has changed its keys; `Gateway.key_changes` reads it.
        """
        new = {"newAccount": bytes.fromhex(self.address[2:]), **self._public_keys()}
        return sign_typed(domain, KEY_CHANGE, {"account": account, **new, "nonce": nonce}, key)

    def _public_keys(self) -> dict[str, bytes]:
        return {
            "x25519Key": self.x25519_public,
            "hpkeKey": self.hpke_public,
            "witnessKey": self.witness_public,
        }

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
            agent=self.agent,
            account=self.account.hex(),
            x25519=self.x25519.hex(),
            hpke=self.hpke.hex(),
            witness=self.witness.hex(),
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
        secrets = (document.account, document.x25519, document.hpke, document.witness)
        return cls(document.agent, *map(bytes.fromhex, secrets))
