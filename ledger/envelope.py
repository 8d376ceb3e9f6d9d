"""The envelope: content sealed to a list of recipients and bound to its context.

Layout, all integers big-endian::

    version (1) | recipients n (1) | n x [ key id (32) | HPKE enc (32) | HPKE ciphertext (48) ]
    | key commitment (32) | content length (4) | content (AES-256-GCM, tag included)

A fresh 32-byte secret is wrapped to each recipient with HPKE (RFC 9180, base mode, DHKEM(X25519,
HKDF-SHA256), HKDF-SHA256, AES-256-GCM); its ``info`` is a domain separator and the SHA-256 of the context.
HKDF-SHA256 expands the secret into content key, nonce and key commitment. The content's AAD is the context
and all bytes before the content, so every reader detects a changed byte, even in another recipient's wrapped
key. The key commitment makes AES-GCM key-committing: a sender cannot make one envelope that two readers open
to different contents.

The context of a batch is its header; the context of a document is its identifier.

A slot is the anonymous form: one HPKE message without a key id, ``enc (32) | ciphertext (content + 16)``.
Only its addressee can tell it from a decoy (`decoy_slot`) of the same size, so slots do not show who or how
many the addressees are. A slot does not commit to its key: check its content against what is committed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from ledger.errors import VerificationError

__all__ = [
    "MAX_RECIPIENTS",
    "NotAddresseeError",
    "SealError",
    "decoy_slot",
    "generate_keypair",
    "key_id",
    "open_envelope",
    "open_slot",
    "public_key",
    "seal",
    "seal_slot",
    "slot_size",
    "usable",
]

#: The recipient count is one byte; an envelope has at least one recipient.
MAX_RECIPIENTS = 255

_VERSION = 1
_KEY_SIZE = 32
_WRAP_SIZE = 32 + _KEY_SIZE + 16  # encapsulated key, wrapped secret, tag
_RECIPIENT_SIZE = 32 + _WRAP_SIZE
_COMMITMENT_SIZE = 32
_NONCE_SIZE = 12
_TAG_SIZE = 16
_MAX_CONTENT = 2**32 - 1
_WRAP_DOMAIN = b"counterfoil/envelope/v1/wrap\x00"
_CONTENT_DOMAIN = b"counterfoil/envelope/v1/content\x00"
_SLOT_DOMAIN = b"counterfoil/envelope/v1/slot\x00"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class SealError(VerificationError):
    """Raised when an envelope is damaged, belongs to another context, or cannot be created."""


class NotAddresseeError(SealError):
    """Raised when an envelope is sealed to other keys than this one."""


class _Parsed(NamedTuple):
    head: bytes
    wraps: dict[bytes, bytes]
    commitment: bytes
    content: bytes


def generate_keypair() -> tuple[bytes, bytes]:
    """Generate an X25519 key pair for a reader.

    Returns
    -------
    tuple of bytes
        Private key and public key, 32 bytes each.
    """
    private = X25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


def public_key(private_key: bytes) -> bytes:
    """Return the public key of a 32-byte X25519 private key."""
    return X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def usable(public: bytes) -> bool:
    """Return whether content can be sealed to a public key; a key of low order cannot be used."""
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return False
    return True


def key_id(public: bytes) -> bytes:
    """Return the identifier of a public key in an envelope: its SHA-256."""
    return sha256(public).digest()


def seal(rows: bytes, context: bytes, recipients: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Seal `rows` to all `recipients`, bound to `context`.

    Sealing the same rows again gives different bytes: store the envelope and never seal the rows twice.

    Parameters
    ----------
    rows : bytes
        The content: packed rows, or any document.
    context : bytes
        What the content belongs to, such as the batch header; readers need the same bytes to open it.
    recipients : sequence of (key id, HPKE public key)
        32 bytes each; the key id is checked against the key.

    Returns
    -------
    bytes
        The envelope; the module describes its layout.

    Raises
    ------
    SealError
        When there are no or too many recipients, one is listed twice, or a key cannot be used.
    """
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise SealError(
            "cannot seal to that many recipients", expected=f"1 to {MAX_RECIPIENTS}", got=len(recipients)
        )
    if len({identifier for identifier, _ in recipients}) != len(recipients):
        raise SealError("cannot seal to the same recipient twice")
    if len(rows) > _MAX_CONTENT - _TAG_SIZE:
        raise SealError("the content is too long to seal", expected=f"below {_MAX_CONTENT}", got=len(rows))
    secret = os.urandom(_KEY_SIZE)
    info = _WRAP_DOMAIN + sha256(context).digest()
    parts = [bytes([_VERSION, len(recipients)])]
    for identifier, public in recipients:
        if len(public) != _KEY_SIZE or identifier != key_id(public):
            raise SealError(
                "the key id is not that of the recipient's key", expected=key_id(public), got=identifier
            )
        try:
            wrap = _SUITE.encrypt(secret, X25519PublicKey.from_public_bytes(public), info)
        except ValueError as error:
            raise SealError(f"the recipient's key cannot be used: {error}", where=identifier.hex()) from error
        parts.append(identifier + wrap)
    content_key, nonce, commitment = _stretch(secret, context)
    parts.append(commitment + (len(rows) + _TAG_SIZE).to_bytes(4, "big"))
    head = b"".join(parts)
    return head + AESGCM(content_key).encrypt(nonce, rows, _aad(context, head))


def open_envelope(payload: bytes, context: bytes, private_key: bytes) -> bytes:
    """Open an envelope.

    Parameters
    ----------
    payload : bytes
        What `seal` returned.
    context : bytes
        The same bytes that were given to `seal`.
    private_key : bytes
        The reader's X25519 private key, 32 bytes.

    Returns
    -------
    bytes
        The content.

    Raises
    ------
    NotAddresseeError
        When the envelope is not sealed to this key.
    SealError
        When any byte of the envelope or of the context was changed.
    """
    parsed = _parse(payload)
    private = X25519PrivateKey.from_private_bytes(private_key)
    own = key_id(private.public_key().public_bytes_raw())
    wrap = parsed.wraps.get(own)
    if wrap is None:
        raise NotAddresseeError(
            "the envelope is not sealed to this key",
            expected=" or ".join(identifier.hex() for identifier in parsed.wraps),
            got=own,
            next_step="Use a recipient's key; a reader can open only what was sealed after it joined.",
        )
    try:
        secret = _SUITE.decrypt(wrap, private, _WRAP_DOMAIN + sha256(context).digest())
    except (InvalidTag, ValueError) as error:
        raise SealError("the envelope's key does not unwrap: it is damaged or of another context") from error
    if len(secret) != _KEY_SIZE:
        raise SealError("the wrapped secret has the wrong size", expected=_KEY_SIZE, got=len(secret))
    content_key, nonce, commitment = _stretch(secret, context)
    if not compare_digest(commitment, parsed.commitment):
        raise SealError("the envelope commits to another key", expected=parsed.commitment, got=commitment)
    try:
        return AESGCM(content_key).decrypt(nonce, parsed.content, _aad(context, parsed.head))
    except InvalidTag as error:
        raise SealError("the envelope's content or head has been changed") from error


def seal_slot(content: bytes, context: bytes, public: bytes) -> bytes:
    """Seal `content` anonymously to one HPKE public key, bound to `context`.

    Raises
    ------
    SealError
        When the key cannot be used.
    """
    try:
        return _SUITE.encrypt(content, X25519PublicKey.from_public_bytes(public), _slot_info(context))
    except ValueError as error:
        raise SealError(f"the recipient's key cannot be used: {error}", where=key_id(public).hex()) from error


def decoy_slot(size: int) -> bytes:
    """Return a slot that nobody can open, as long as one with `size` bytes of content.

    Its encapsulated key is the public key of a random X25519 key, as in every slot: 32 random bytes are not
    always one.
    """
    return generate_keypair()[1] + os.urandom(size + _TAG_SIZE)


def slot_size(size: int) -> int:
    """Return the size of a slot with `size` bytes of content."""
    return _KEY_SIZE + size + _TAG_SIZE


def open_slot(slot: bytes, context: bytes, private_key: X25519PrivateKey) -> bytes | None:
    """Open a slot; return None if it is a decoy, or sealed to another key or for another context.

    Parameters
    ----------
    slot, context : bytes
    private_key : X25519PrivateKey
        The key object, not its bytes: a reader tries many slots with one key.
    """
    try:
        return _SUITE.decrypt(slot, private_key, _slot_info(context))
    except (InvalidTag, ValueError):
        return None


def _slot_info(context: bytes) -> bytes:
    return _SLOT_DOMAIN + sha256(context).digest()


def _stretch(secret: bytes, context: bytes) -> tuple[bytes, bytes, bytes]:
    """Derive content key, nonce and key commitment; deriving the nonce is safe: each secret is used once."""
    size = _KEY_SIZE + _NONCE_SIZE + _COMMITMENT_SIZE
    stream = HKDFExpand(SHA256(), size, _CONTENT_DOMAIN + sha256(context).digest()).derive(secret)
    return stream[:_KEY_SIZE], stream[_KEY_SIZE:-_COMMITMENT_SIZE], stream[-_COMMITMENT_SIZE:]


def _aad(context: bytes, head: bytes) -> bytes:
    # The length separates context and head: no byte can move from one to the other.
    return len(context).to_bytes(8, "big") + context + head


def _parse(payload: bytes) -> _Parsed:
    if len(payload) < 2:
        raise SealError("the envelope is cut short", expected="at least 2 bytes", got=len(payload))
    version, count = payload[0], payload[1]
    if version != _VERSION:
        raise SealError("the envelope has an unknown version", expected=_VERSION, got=version)
    if count == 0:
        raise SealError("the envelope is sealed to nobody")
    wraps_end = 2 + count * _RECIPIENT_SIZE
    head_end = wraps_end + _COMMITMENT_SIZE + 4
    if len(payload) < head_end + _TAG_SIZE:
        raise SealError(
            "the envelope is cut short", expected=f"at least {head_end + _TAG_SIZE} bytes", got=len(payload)
        )
    content_size = int.from_bytes(payload[head_end - 4 : head_end], "big")
    if len(payload) != head_end + content_size:
        raise SealError(
            "the envelope has the wrong length", expected=head_end + content_size, got=len(payload)
        )
    wraps: dict[bytes, bytes] = {}
    for start in range(2, wraps_end, _RECIPIENT_SIZE):
        identifier = payload[start : start + 32]
        if identifier in wraps:
            raise SealError("the envelope names a recipient twice", where=identifier.hex())
        wraps[identifier] = payload[start + 32 : start + _RECIPIENT_SIZE]
    return _Parsed(payload[:head_end], wraps, payload[wraps_end : head_end - 4], payload[head_end:])
