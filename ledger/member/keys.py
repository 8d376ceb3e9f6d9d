"""A member's private keys: account (posts), X25519 (match tokens), HPKE (opens flags), witness (cosigns)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ledger.documents import Document, Hash
from ledger.envelope import generate_keypair
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
from ledger.log.signer import CheckpointKey, as_checkpoint_signer
from ledger.signing import AccountKey, address_of, new_key
from ledger.typed_data import ADMISSION, KEY_CHANGE, Domain, sign_typed

__all__ = ["MemberKeys", "MemberKeysDocument", "read_member_keys"]

FORMAT: Final = "counterfoil/member-keys/3"

_BEFORE: Final = "counterfoil/member-keys/2"


class MemberKeysDocument(KeyFileDocument, tag_field="format", tag=FORMAT):
    """A member's key file in JSON."""

    NAMES: ClassVar[Mapping[str, Kind]] = {
        "account": "secp256k1",
        "hpke": "x25519",
        "witness": "ed25519",
        "x25519": "x25519",
    }

    agent: str


class _KeysBefore(Document, tag_field="format", tag=_BEFORE):
    """A member's key file before it could be encrypted."""

    agent: str
    account: Hash
    x25519: Hash
    hpke: Hash
    witness: Hash


@dataclass(frozen=True, slots=True, repr=False)
class MemberKeys:
    """A member's private keys: 32 bytes each, or objects that sign with a key on a token.

    Parameters
    ----------
    agent : str
        The bank's agent identifier.
    account : AccountKey
        secp256k1 key of the account that posts; it also signs disclosures. Do not use it for anything else.
    x25519 : bytes
        Private key for the key agreement of match tokens.
    hpke : bytes
        Private key that opens flags and requests sealed to this member.
    witness : CheckpointKey
        Ed25519 key with which the member's witness cosigns checkpoints.
    """

    agent: str
    account: AccountKey
    x25519: bytes
    hpke: bytes
    witness: CheckpointKey

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
        return as_checkpoint_signer(self.witness).public

    def sign_admission(self, domain: Domain) -> bytes:
        """Return the bank's signature over its account, its agent and its public keys.

        Parameters
        ----------
        domain : Domain
            Of the contract `Consortium`.
        """
        values = {"account": bytes.fromhex(self.address[2:]), "agent": self.agent, **self._public_keys()}
        return sign_typed(domain, ADMISSION, values, self.account)

    def sign_key_change(self, domain: Domain, account: bytes, key: AccountKey, *, nonce: int) -> bytes:
        """Return a signature over the change from another account to these keys.

        Parameters
        ----------
        domain : Domain
            Of the contract `Consortium`.
        account : bytes
            The account before the change, 20 bytes.
        key : AccountKey
            The key that signs: that of the account before the change, or that of this account.
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
            When the key file exists already: without its keys, everything posted with them becomes unusable.
        """
        if path.exists():
            raise ConfigurationError(
                "the key file exists already and is never overwritten",
                where=str(path),
                next_step="Use the existing keys; for another member, choose another name or --home.",
            )
        write_document(path, self._document(passphrase))

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
        document = read_member_keys(path)
        return cls.of(document.agent, open_keys(document, where=path))

    @classmethod
    def of(cls, agent: str, keys: Mapping[str, Any]) -> Self:
        """Return the keys of an opened key file."""
        return cls(agent, keys["account"], keys["x25519"], keys["hpke"], keys["witness"])

    def _document(self, passphrase: str | None) -> MemberKeysDocument:
        keys: dict[str, Key] = {
            "account": self.account,
            "hpke": self.hpke,
            "witness": self.witness,
            "x25519": self.x25519,
        }
        return document_of(MemberKeysDocument, keys, passphrase=passphrase, agent=self.agent)


def read_member_keys(path: Path) -> MemberKeysDocument:
    """Read a member's key file without its secrets, in this format or in the one before.

    Raises
    ------
    ConfigurationError
        When the file is missing or damaged.
    """
    return read_document(
        path,
        MemberKeysDocument,
        _KeysBefore,
        _converted,
        missing="this member has no keys here",
        missing_step="Run `counterfoil member init` first, or check --home and the member's name.",
        next_step="Restore it from a backup: the rows posted with these keys need them.",
    )


def _converted(before: _KeysBefore) -> MemberKeysDocument:
    names = ("account", "hpke", "witness", "x25519")
    keys = {name: bytes.fromhex(getattr(before, name)) for name in names}
    return document_of(MemberKeysDocument, keys, passphrase=None, agent=before.agent)
