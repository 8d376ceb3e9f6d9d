"""Match tokens: what the two halves of one transfer have in common, and only their two banks can compute.

The token is an HMAC-SHA256, truncated to 16 bytes, over the UETR, or over what both banks know of the
transfer where it has none. Its key is agreed between the two banks (X25519 and HKDF-SHA256) and bound to the
epoch: without it a reader of the rows could test guesses at the amount and the second of a payment.
"""

from __future__ import annotations

import hmac
import re

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.errors import InputError, VerificationError

__all__ = ["TOKEN_SIZE", "PairKeyError", "match_token", "own_key", "pair_key"]

#: Bytes of a match token.
TOKEN_SIZE = 16

_KEY_SIZE = 32
_PAIR_DOMAIN = b"counterfoil/match-token/v1/pair\x00"
_OWN_DOMAIN = b"counterfoil/match-token/v1/own\x00"
_UETR_DOMAIN = b"counterfoil/match-token/v1/uetr\x00"
_TUPLE_DOMAIN = b"counterfoil/match-token/v1/tuple\x00"
_UETR = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


class PairKeyError(VerificationError):
    """Raised when no key can be agreed with a public key: it is not a key, or has small order."""


def pair_key(own_private: bytes, other_public: bytes, epoch: int) -> bytes:
    """Agree the token key of two banks for one epoch; both compute the same.

    Parameters
    ----------
    own_private : bytes
        X25519 private key of this bank, 32 bytes.
    other_public : bytes
        X25519 public key of the other bank, as it stands on chain, 32 bytes.
    epoch : int
        Epoch of the pseudonym key.

    Returns
    -------
    bytes
        32 bytes.

    Raises
    ------
    PairKeyError
        When the other key has small order, so that the secret would be known to everybody (RFC 7748, 6.1).
    """
    private = X25519PrivateKey.from_private_bytes(own_private)
    try:
        secret = private.exchange(X25519PublicKey.from_public_bytes(other_public))
    except ValueError as error:
        raise PairKeyError(
            "no secret can be agreed with this public key",
            where=other_public.hex(),
            next_step="Ask the member that registered it to register a fresh X25519 key.",
        ) from error
    # Both keys in sorted order: one info for both ends, and the secret serves this pair only.
    first, second = sorted((private.public_key().public_bytes_raw(), other_public))
    return _derive(secret, _PAIR_DOMAIN + epoch.to_bytes(8, "big") + first + second)


def own_key(own_private: bytes, epoch: int) -> bytes:
    """Derive the token key for rows that have no other member: on-us, or a counterparty outside.

    Such a token meets nobody else's; it only keeps the bank's own rows apart.
    """
    public = X25519PrivateKey.from_private_bytes(own_private).public_key().public_bytes_raw()
    return _derive(own_private, _OWN_DOMAIN + epoch.to_bytes(8, "big") + public)


def match_token(key: bytes, uetr: str | None, fallback: tuple[str, str, str, int, str]) -> bytes:
    """Compute the match token of one transfer.

    Parameters
    ----------
    key : bytes
        From `pair_key` or `own_key`.
    uetr : str or None
        Unique end-to-end transaction reference, a UUID in any case.
    fallback : tuple
        What both banks know where there is no UETR: debtor account and creditor account (identifiers),
        currency (ISO 4217), amount in minor units, date (ISO 8601). Not looked at when there is a UETR.

    Returns
    -------
    bytes
        16 bytes.

    Raises
    ------
    InputError
        When the UETR is not a UUID.

    Notes
    -----
    Without UETR, two equal payments between the same accounts on one day have the same token, and two banks
    that date a transfer differently have different ones: matching has to pair by count and to allow for it.
    """
    if uetr is not None:
        normal = uetr.strip().lower()
        if not _UETR.fullmatch(normal):
            raise InputError(f"{uetr[:60]!r} is not a UETR (a UUID)", where="uetr")
        message = _UETR_DOMAIN + normal.encode()
    else:
        debtor, creditor, currency, amount, day = fallback
        message = _TUPLE_DOMAIN
        for part in (debtor, creditor, currency, str(amount), day):
            data = part.encode()
            message += len(data).to_bytes(4, "big") + data
    return hmac.digest(key, message, "sha256")[:TOKEN_SIZE]


def _derive(secret: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), _KEY_SIZE, None, info).derive(secret)
