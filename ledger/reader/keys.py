"""The desk's private keys: the account that anchors flags, the checkpoint key, and reader keys by epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import canonical
from ledger.envelope import generate_keypair, key_id, public_key
from ledger.errors import ConfigurationError, VerificationError
from ledger.signing import address_of, new_key
from ledger.storage import write_atomically

__all__ = ["CHECKPOINT_KEY_NAME", "DeskKeys"]

#: The desk's name on the checkpoints it signs.
CHECKPOINT_KEY_NAME: Final = "desk"

FORMAT: Final = "counterfoil/desk-keys/1"


@dataclass(frozen=True, slots=True, repr=False)
class DeskKeys:
    """The desk's secrets.

    Parameters
    ----------
    account : bytes
        secp256k1 key of the account that writes to the case log.
    checkpoint : bytes
        Ed25519 key that signs checkpoints of the log.
    readers : dict of epoch to bytes
        HPKE private keys. Destroying the key of a past epoch makes its sealed rows unreadable for good;
        roots and proofs stand.
    """

    account: bytes
    checkpoint: bytes
    readers: dict[int, bytes]

    @classmethod
    def generate(cls, reader_epoch: int) -> Self:
        """Make fresh keys with one reader key."""
        private, _ = generate_keypair()
        return cls(
            new_key(),
            Ed25519PrivateKey.generate().private_bytes_raw(),
            {reader_epoch: private},
        )

    @property
    def address(self) -> str:
        """The account's address, with checksum."""
        return address_of(self.account)

    @property
    def checkpoint_public(self) -> bytes:
        """The Ed25519 public key a trust file pins."""
        return Ed25519PrivateKey.from_private_bytes(self.checkpoint).public_key().public_bytes_raw()

    def readers_public(self) -> dict[int, tuple[bytes, bytes]]:
        """Return (key identifier, HPKE public key) by epoch: what stands on the chain."""
        publics = {epoch: public_key(private) for epoch, private in self.readers.items()}
        return {epoch: (key_id(public), public) for epoch, public in publics.items()}

    def save(self, path: Path) -> None:
        """Write the keys, readable by their owner only; replaces what stood there at once."""
        write_atomically(
            path,
            canonical.dumps(
                {
                    "format": FORMAT,
                    "account": self.account.hex(),
                    "checkpoint": self.checkpoint.hex(),
                    "readers": {str(epoch): key.hex() for epoch, key in sorted(self.readers.items())},
                }
            ),
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the keys.

        Raises
        ------
        ConfigurationError
            When the file is missing or damaged.
        """
        try:
            value: Any = canonical.loads(path.read_bytes(), what="key file")
            readers = {int(epoch): bytes.fromhex(key) for epoch, key in value["readers"].items()}
            account, checkpoint = bytes.fromhex(value["account"]), bytes.fromhex(value["checkpoint"])
            sizes = {len(key) for key in (account, checkpoint, *readers.values())}
            if value["format"] != FORMAT or sizes != {32}:
                raise ValueError(f"it is not of the format {FORMAT}")
            return cls(account, checkpoint, readers)
        except FileNotFoundError as error:
            raise ConfigurationError(
                "there is no desk here",
                where=str(path),
                next_step="Run `counterfoil demo`, or check --home.",
            ) from error
        except (VerificationError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"the key file is damaged: {error}",
                where=str(path),
                next_step="Restore it from a backup: what was sealed to these keys opens with no others.",
            ) from error
