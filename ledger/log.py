"""Checkpoints of the log of batches: size, root hash and block in a C2SP signed note.

The entries of one RFC 6962 tree (`ledger.commitment.merkle`) are the batch hashes in chain order. A
checkpoint is a short text with the tree's size and root hash; the desk signs it and members cosign it::

    counterfoil.example/log
    1294
    n4Qq...=
    block 1300 5f0c...
    <blank line>
    — desk.example AbCd...=

Reading is strict: a checkpoint has exactly one byte representation, so a change of any byte in the text, in a
name or in a signature is refused.

References
----------
.. [1] C2SP signed-note, https://c2sp.org/signed-note
.. [2] C2SP tlog-checkpoint, https://c2sp.org/tlog-checkpoint
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import ConfigurationError, VerificationError

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "cosign",
    "decode_verifier_key",
    "encode_verifier_key",
    "generate_signing_key",
    "key_hash",
    "open_checkpoint",
    "sign_checkpoint",
]

_ED25519 = b"\x01"
_MAX_NOTE = 1 << 16
_MAX_SIGNATURES = 300
_MAX_NUMBER = 2**63
_DASH = "\u2014 "
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_KEY_NAME = re.compile(r"[^\s+\x00-\x1f\x7f\ud800-\udfff]{1,255}")
_LINE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,255}")
_BLOCK_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


class CheckpointError(VerificationError):
    """Raised when a checkpoint is malformed, or lacks the required valid signatures of trusted keys."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of the log in a signed note.

    Parameters
    ----------
    origin : str
        Name of the log, unique to the consortium; one line.
    size : int
        Number of batches.
    root : bytes
        RFC 6962 root hash over the batches, 32 bytes.
    block : int
        Number of the last block that was read.
    block_hash : bytes
        Its hash, 32 bytes.

    Raises
    ------
    CheckpointError
        When a value is not allowed in a checkpoint.
    """

    origin: str
    size: int
    root: bytes
    block: int
    block_hash: bytes

    def __post_init__(self) -> None:
        if not _LINE.fullmatch(self.origin):
            raise CheckpointError("the origin is not one line of 1 to 255 characters", where="origin")
        if not 0 <= self.size < _MAX_NUMBER or not 0 <= self.block < _MAX_NUMBER:
            raise CheckpointError("a number of the checkpoint is out of range", where="size or block")
        if len(self.root) != 32 or len(self.block_hash) != 32:
            raise CheckpointError("a hash of the checkpoint does not have 32 bytes", where="root or block")

    def body(self) -> str:
        """Return the text that is signed."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\nblock {self.block} {self.block_hash.hex()}\n"


class _Signature(NamedTuple):
    name: str
    key_hash: bytes
    value: bytes


def generate_signing_key() -> tuple[bytes, bytes]:
    """Generate an Ed25519 key pair for checkpoints: private key and public key, 32 bytes each."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


def key_hash(name: str, public_key: bytes) -> bytes:
    """Return the 4-byte key ID of a signed note: ``SHA-256(name || LF || 0x01 || key)[:4]``."""
    return sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def encode_verifier_key(name: str, public_key: bytes) -> str:
    """Encode a public key as a verifier key for a trust file: ``name+hash+base64(0x01 || key)``.

    Raises
    ------
    ConfigurationError
        When the name has white space or a plus sign, or the key does not have 32 bytes.
    """
    _check_name(name)
    if len(public_key) != 32:
        raise ConfigurationError(f"an Ed25519 key has 32 bytes, not {len(public_key)}", where=name)
    encoded = base64.b64encode(_ED25519 + public_key).decode()
    return f"{name}+{key_hash(name, public_key).hex()}+{encoded}"


def decode_verifier_key(text: str) -> tuple[str, bytes]:
    """Decode a verifier key that `encode_verifier_key` wrote.

    Returns
    -------
    tuple of str and bytes
        Name and 32-byte public key.

    Raises
    ------
    ConfigurationError
        When `text` is not a verifier key for Ed25519, or its hash does not match its key.
    """
    name, _, rest = text.partition("+")
    _, _, encoded = rest.partition("+")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 33 or key[:1] != _ED25519 or encode_verifier_key(name, key[1:]) != text:
        raise ConfigurationError(
            "not a verifier key",
            where=text[:80],
            next_step="Copy the verifier key as its owner published it: name+hash+base64.",
        )
    return name, key[1:]


def sign_checkpoint(checkpoint: Checkpoint, key_name: str, private_key: bytes) -> str:
    """Sign a checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
    key_name : str
        Name of the signer, under which verifiers store its key.
    private_key : bytes
        Ed25519 private key, 32 bytes.

    Returns
    -------
    str
        The signed note.

    Raises
    ------
    ConfigurationError
        When the name is not allowed in a note.
    """
    body = checkpoint.body()
    return f"{body}\n{_signature_line(body, key_name, private_key)}"


def cosign(note: str | bytes, key_name: str, private_key: bytes) -> str:
    """Add one more signature to a checkpoint.

    Before it signs, a cosigner must open the note with `open_checkpoint`, and check that it is consistent
    with the last checkpoint that it cosigned.

    Raises
    ------
    CheckpointError
        When the note is malformed, or already has a signature of that name.
    ConfigurationError
        When the name is not allowed in a note.
    """
    text, body, _, signatures = _parse(note)
    if any(signature.name == key_name for signature in signatures):
        raise CheckpointError("the checkpoint already has a signature of that name", where=key_name)
    return text + _signature_line(body, key_name, private_key)


def open_checkpoint(
    note: str | bytes,
    trusted: Mapping[str, bytes],
    *,
    origin: str | None = None,
    quorum: int = 1,
    allow_unknown: bool = False,
) -> Checkpoint:
    """Check a signed checkpoint and read it.

    Parameters
    ----------
    note : str or bytes
        The note; not one byte may differ from the published note.
    trusted : mapping of str to bytes
        Ed25519 public keys (32 bytes) by key name, from a pinned trust file.
    origin : str, optional
        Name of the log that the checkpoint must belong to.
    quorum : int
        How many trusted keys must have signed.
    allow_unknown : bool
        Accept well-formed signatures of names that are not trusted, as C2SP does. Off by default, because
        nobody would detect a change in such a line.

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError
        When the note is malformed, a signature of a trusted name is not valid, too few trusted keys have
        signed, or the checkpoint belongs to another log.
    """
    _, body, checkpoint, signatures = _parse(note)
    valid = 0
    for signature in signatures:
        public = trusted.get(signature.name)
        if public is None:
            if allow_unknown:
                continue
            raise CheckpointError(
                "the checkpoint is signed by a key that is not trusted",
                where=signature.name,
                next_step="If the consortium trusts this key, add its verifier key to the trust file.",
            )
        if signature.key_hash != key_hash(signature.name, public):
            raise CheckpointError(
                "the signature was made with another key than the trusted key of that name",
                expected=key_hash(signature.name, public),
                got=signature.key_hash,
                where=signature.name,
            )
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature.value, body.encode())
        except (InvalidSignature, ValueError) as error:
            raise CheckpointError(
                "the checkpoint's signature does not verify", where=signature.name
            ) from error
        valid += 1
    if valid < max(quorum, 1):
        raise CheckpointError(
            "too few trusted keys have signed the checkpoint", expected=max(quorum, 1), got=valid
        )
    if origin is not None and checkpoint.origin != origin:
        raise CheckpointError("the checkpoint belongs to another log", expected=origin, got=checkpoint.origin)
    return checkpoint


def _signature_line(body: str, key_name: str, private_key: bytes) -> str:
    _check_name(key_name)
    private = Ed25519PrivateKey.from_private_bytes(private_key)
    hashed = key_hash(key_name, private.public_key().public_bytes_raw())
    return f"{_DASH}{key_name} {base64.b64encode(hashed + private.sign(body.encode())).decode()}\n"


def _check_name(name: str) -> None:
    if not _KEY_NAME.fullmatch(name):
        raise ConfigurationError(
            "a key name must have 1 to 255 characters, without white space or plus signs", where=repr(name)
        )


def _parse(note: str | bytes) -> tuple[str, str, Checkpoint, list[_Signature]]:
    try:
        raw = note.encode() if isinstance(note, str) else note
        text = raw.decode()
    except UnicodeError as error:
        raise CheckpointError("the checkpoint is not UTF-8") from error
    if len(raw) > _MAX_NOTE:
        raise CheckpointError(
            "the checkpoint is too long", expected=f"at most {_MAX_NOTE} bytes", got=len(raw)
        )
    head, blank, tail = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or len(lines) != 4 or not tail.endswith("\n"):
        raise CheckpointError("the checkpoint does not have four lines, a blank line, and signatures")
    block_line = lines[3].split(" ")
    if len(block_line) != 3 or block_line[0] != "block" or not _BLOCK_HASH.fullmatch(block_line[2]):
        raise CheckpointError(
            "the fourth line of the checkpoint is not a block line",
            expected="block <number> <64 hex digits>",
            got=lines[3][:100],
        )
    checkpoint = Checkpoint(
        lines[0],
        _number(lines[1]),
        _base64(lines[2]),
        _number(block_line[1]),
        bytes.fromhex(block_line[2]),
    )
    signature_lines = tail[:-1].split("\n")
    if len(signature_lines) > _MAX_SIGNATURES:
        raise CheckpointError(
            "the checkpoint has too many signatures",
            expected=f"at most {_MAX_SIGNATURES}",
            got=len(signature_lines),
        )
    signatures = [_signature(line) for line in signature_lines]
    if len({signature.name for signature in signatures}) != len(signatures):
        raise CheckpointError("the checkpoint has two signatures of the same name")
    return text, checkpoint.body(), checkpoint, signatures


def _signature(line: str) -> _Signature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] + " " != _DASH or not _KEY_NAME.fullmatch(parts[1]):
        raise CheckpointError(
            "a line of the checkpoint is not a signature", expected="— <name> <base64>", got=line[:100]
        )
    value = _base64(parts[2])
    if len(value) != 4 + 64:
        raise CheckpointError("the signature has the wrong size", expected=68, got=len(value), where=parts[1])
    return _Signature(parts[1], value[:4], value[4:])


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise CheckpointError(
            "a number of the checkpoint is not decimal", expected="digits, no leading zero", got=text[:40]
        )
    return int(text)


def _base64(text: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if base64.b64encode(value).decode() != text:  # other padding bits would decode to the same value
        raise CheckpointError("a value of the checkpoint is not canonical base64", got=text[:100])
    return value
