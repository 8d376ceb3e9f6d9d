"""Ed25519 keys of logs and witnesses: in the memory of this process, or behind an object that signs.

Whatever signs a checkpoint takes a `CheckpointKey`: the 32 bytes of a private key, or a `CheckpointSigner`,
whose key may be on a token that never hands it out (`ledger.keystore.token`).
"""

from __future__ import annotations

from typing import Protocol, TypeAlias, runtime_checkable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["CheckpointKey", "CheckpointSigner", "SoftwareCheckpointKey", "as_checkpoint_signer"]


@runtime_checkable
class CheckpointSigner(Protocol):
    """An Ed25519 key that signs."""

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message (RFC 8032), 64 bytes."""


#: The key of a log or a witness, as functions take it: 32 bytes, or an object that signs.
CheckpointKey: TypeAlias = bytes | CheckpointSigner


class SoftwareCheckpointKey:
    """A key whose private part is in the memory of this process.

    Parameters
    ----------
    private : bytes
        The private key, 32 bytes.
    """

    __slots__ = ("_key",)

    def __init__(self, private: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(private)

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        return self._key.sign(message)


def as_checkpoint_signer(key: CheckpointKey) -> CheckpointSigner:
    """Return an object that signs with a key."""
    return SoftwareCheckpointKey(key) if isinstance(key, bytes) else key
