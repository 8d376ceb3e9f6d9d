"""Checkpoints: the size and the root hash of a log, in a signed note.

A checkpoint is a short text with the log's origin, its size and its root hash. The log signs it, and
witnesses cosign it::

    counterfoil.example/ledger
    1294
    n4Qq...=
    <blank line>
    — counterfoil.example/ledger AbCd...=
    — witness.example/w1 EfGh...=

A log may add more lines after the third. They are part of what is signed, and are otherwise ignored; ours
have none.

References
----------
.. [1] C2SP tlog-checkpoint, https://c2sp.org/tlog-checkpoint
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.log.cosignature import verified
from ledger.log.notes import (
    CheckpointError,
    KeyType,
    Note,
    SignatureLine,
    VerifierKey,
    base64_value,
    decimal,
    encoded,
)
from ledger.log.signer import CheckpointKey, as_checkpoint_signer

if TYPE_CHECKING:
    from ledger.log.policy import Policy

__all__ = [
    "Checkpoint",
    "OpenedCheckpoint",
    "generate_signing_key",
    "open_checkpoint",
    "public_key",
    "read_checkpoint",
    "sign_checkpoint",
    "signed_by_log",
]

_MAX_SIZE: Final = 2**63
_ORIGIN: Final = re.compile(r"[^\x00-\x1f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: its name, its size and its root hash.

    Parameters
    ----------
    origin : str
        Name of the log; one line of 1 to 255 bytes.
    size : int
        Number of entries.
    root : bytes
        RFC 6962 root hash over the entries, 32 bytes.

    Raises
    ------
    CheckpointError
        When a value is not allowed in a checkpoint.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not _ORIGIN.fullmatch(self.origin) or len(self.origin.encode()) > 255:
            raise CheckpointError("the origin is not one line of 1 to 255 bytes", where="origin")
        if not 0 <= self.size < _MAX_SIZE:
            raise CheckpointError("the size of the log is out of range", where="size")
        if len(self.root) != 32:
            raise CheckpointError("the root hash does not have 32 bytes", where="root")

    @property
    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{encoded(self.root)}\n"


@dataclass(frozen=True, slots=True)
class OpenedCheckpoint:
    """A checkpoint that meets a policy, and who cosigned it.

    Parameters
    ----------
    checkpoint : Checkpoint
    cosigned_by : tuple of (str, int)
        The policy's names of the witnesses that cosigned, with the Unix time of each cosignature.
    """

    checkpoint: Checkpoint
    cosigned_by: tuple[tuple[str, int], ...]


def generate_signing_key() -> tuple[bytes, bytes]:
    """Generate an Ed25519 key pair for a log or a witness: private and public key, 32 bytes each."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


def public_key(private: CheckpointKey) -> bytes:
    """Return the public key, 32 bytes, of an Ed25519 key."""
    return as_checkpoint_signer(private).public


def sign_checkpoint(checkpoint: Checkpoint, key_name: str, private: CheckpointKey) -> str:
    """Sign a checkpoint as its log.

    Parameters
    ----------
    checkpoint : Checkpoint
    key_name : str
        Name of the log's key; C2SP wants the origin.
    private : CheckpointKey
        Ed25519 key of the log.

    Returns
    -------
    str
        The signed note.

    Raises
    ------
    ConfigurationError
        When the name is not allowed in a note.
    """
    key = as_checkpoint_signer(private)
    verifier = VerifierKey(key_name, KeyType.ED25519, key.public)
    line = SignatureLine(key_name, verifier.key_id, key.sign(checkpoint.body.encode()))
    return Note(checkpoint.body, (line,)).text


def read_checkpoint(note: Note) -> Checkpoint:
    """Read the checkpoint in a note, without verifying any signature.

    Raises
    ------
    CheckpointError
        When the note is not a checkpoint.
    """
    lines = note.body[:-1].split("\n")
    if len(lines) < 3 or "" in lines:
        raise CheckpointError("a checkpoint has at least three lines: origin, size, root hash")
    return Checkpoint(lines[0], decimal(lines[1]), base64_value(lines[2], 32))


def signed_by_log(note: Note, keys: Iterable[VerifierKey]) -> Checkpoint:
    """Check the log's own signature on a checkpoint, and read it.

    Parameters
    ----------
    note : Note
    keys : iterable of VerifierKey
        The keys of the logs that are known; one that is named as the checkpoint's origin must have signed.

    Raises
    ------
    CheckpointError
        When the note is not a checkpoint, or a known key did not sign it or its signature does not verify.
    """
    checkpoint = read_checkpoint(note)
    signed = False
    for key in keys:
        if key.name == checkpoint.origin and (line := note.line_of(key)) is not None:
            verified(key, note, line)
            signed = True
    if not signed:
        raise CheckpointError(
            "the checkpoint is not signed by the key of its log",
            where=checkpoint.origin,
            next_step="Check that the checkpoint and the trust file are of the same consortium.",
        )
    return checkpoint


def open_checkpoint(note: str | bytes, policy: Policy, *, origin: str) -> OpenedCheckpoint:
    """Check a checkpoint against a policy, and read it.

    Parameters
    ----------
    note : str or bytes
        The signed note.
    policy : Policy
        The logs, the witnesses and the quorum that are trusted.
    origin : str
        Name of the log that the checkpoint must belong to; the policy may list several logs.

    Returns
    -------
    OpenedCheckpoint

    Raises
    ------
    CheckpointError
        When the note is malformed, belongs to another log, is not signed by the log, has a signature of a
        known key that does not verify, or is not cosigned by the policy's quorum.
    """
    parsed = Note.parse(note)
    found = read_checkpoint(parsed).origin
    if found != origin:
        raise CheckpointError("the checkpoint belongs to another log", where=origin)
    checkpoint = signed_by_log(parsed, policy.log_keys)
    cosigned = []
    for witness in policy.witnesses.values():
        line = parsed.line_of(witness.key)
        if line is not None:
            cosigned.append((witness.name, verified(witness.key, parsed, line)))
    policy.require({name for name, _ in cosigned})
    return OpenedCheckpoint(checkpoint, tuple(cosigned))
