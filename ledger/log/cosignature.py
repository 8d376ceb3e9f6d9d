"""Signatures on checkpoints: those of logs, and the timestamped cosignatures of witnesses.

A cosignature says that its witness saw the log only grow, and that at the stated time no larger checkpoint of
the log was known to it.

References
----------
.. [1] C2SP tlog-cosignature, https://c2sp.org/tlog-cosignature
.. [2] FIPS 204, Module-Lattice-Based Digital Signature Standard.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.errors import ConfigurationError
from ledger.log.notes import CheckpointError, KeyType, Note, SignatureLine, VerifierKey, base64_value, decimal
from ledger.log.signer import CheckpointKey, as_checkpoint_signer

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa
except ImportError:  # an older version of the library
    mldsa = None  # type: ignore[assignment]

__all__ = ["cosign", "cosign_ml_dsa", "verified", "witness_key"]

_ED25519_SIZE: Final = 64
_ML_DSA_SIZE: Final = 2420
_TIME_SIZE: Final = 8
_MAX_TIME: Final = 2**63
#: Length of a signature line's value, by the type of the key.
_VALUE_SIZE: Final = {
    KeyType.ED25519: _ED25519_SIZE,
    KeyType.COSIGNATURE: _TIME_SIZE + _ED25519_SIZE,
    KeyType.ML_DSA_44: _TIME_SIZE + _ML_DSA_SIZE,
}


def witness_key(name: str, public: bytes) -> VerifierKey:
    """Return the verifier key of a witness that cosigns with Ed25519."""
    return VerifierKey(name, KeyType.COSIGNATURE, public)


def cosign(note: Note, name: str, private: CheckpointKey, timestamp: int) -> SignatureLine:
    """Cosign a checkpoint with Ed25519.

    Parameters
    ----------
    note : Note
        The checkpoint. The caller has checked it: a cosignature says so.
    name : str
        Name of the witness's key.
    private : CheckpointKey
        Ed25519 key.
    timestamp : int
        The time now, in Unix seconds.

    Raises
    ------
    ConfigurationError
        When the name is not allowed in a note.
    """
    key = as_checkpoint_signer(private)
    verifier = witness_key(name, key.public)
    signature = key.sign(_ed25519_message(note, timestamp))
    return SignatureLine(name, verifier.key_id, struct.pack(">Q", timestamp) + signature)


def cosign_ml_dsa(note: Note, name: str, seed: bytes, timestamp: int) -> SignatureLine:
    """Cosign a checkpoint with ML-DSA-44; `seed` is the private key, 32 bytes. See `cosign`."""
    try:
        key = _ml_dsa().MLDSA44PrivateKey.from_seed_bytes(seed)
    except UnsupportedAlgorithm as error:
        raise _no_ml_dsa() from error
    verifier = VerifierKey(name, KeyType.ML_DSA_44, key.public_key().public_bytes_raw())
    signature = key.sign(_ml_dsa_message(note, name, timestamp))
    return SignatureLine(name, verifier.key_id, struct.pack(">Q", timestamp) + signature)


def verified(key: VerifierKey, note: Note, line: SignatureLine) -> int:
    """Check a signature line of a checkpoint against the key that it names.

    Returns
    -------
    int
        The time of a cosignature in Unix seconds; 0 for a signature without a time.

    Raises
    ------
    CheckpointError
        When the signature does not verify.
    ConfigurationError
        When the key is an ML-DSA key, and the installed library does not have the algorithm.
    """
    if len(line.value) != _VALUE_SIZE[key.type]:
        raise CheckpointError("a signature of the note has the wrong size", where=key.name)
    timestamp = 0 if key.type is KeyType.ED25519 else _time(line, key)
    signature = line.value[_TIME_SIZE:]
    try:
        if key.type is KeyType.ED25519:
            Ed25519PublicKey.from_public_bytes(key.public).verify(line.value, note.body.encode())
        elif key.type is KeyType.COSIGNATURE:
            message = _ed25519_message(note, timestamp)
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
        else:
            message = _ml_dsa_message(note, key.name, timestamp)
            _ml_dsa().MLDSA44PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise CheckpointError("a signature of the note does not verify", where=key.name) from error
    except UnsupportedAlgorithm as error:
        raise _no_ml_dsa() from error
    return timestamp


def _time(line: SignatureLine, key: VerifierKey) -> int:
    (timestamp,) = struct.unpack(">Q", line.value[:_TIME_SIZE])
    if timestamp >= _MAX_TIME:
        raise CheckpointError("the time of a cosignature is out of range", where=key.name)
    return int(timestamp)


def _ed25519_message(note: Note, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{note.body}".encode()


def _ml_dsa_message(note: Note, cosigner: str, timestamp: int) -> bytes:
    """Return the structure `cosigned_message` of tlog-cosignature; it does not cover extension lines."""
    lines = note.body[:-1].split("\n")
    if len(lines) != 3:
        raise CheckpointError("an ML-DSA signature covers three lines, and the note has more", where=cosigner)
    name, origin = cosigner.encode(), lines[0].encode()
    size, root = decimal(lines[1]), base64_value(lines[2], 32)
    return b"".join(
        (
            b"subtree/v1\n\x00",
            bytes([len(name)]) + name,
            struct.pack(">Q", timestamp),
            bytes([len(origin)]) + origin,
            struct.pack(">QQ", 0, size),
            root,
        )
    )


def _ml_dsa() -> Any:
    if mldsa is None:
        raise _no_ml_dsa()
    return mldsa


def _no_ml_dsa() -> ConfigurationError:
    return ConfigurationError(
        "the installed version of the library cryptography does not have ML-DSA-44",
        next_step="Install a newer version of the package cryptography.",
    )
