"""Match tokens: both halves of a transfer have the same token, which only their two banks can compute.

The token is an HMAC-SHA256, truncated to 16 bytes, over the UETR, or over fields that both banks know if
there is no UETR. The two banks agree on its key (X25519 and HKDF-SHA256), which is bound to the epoch.
Without a key, a reader of the rows could test guesses of the amount and the time of a payment.
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
    """Raised when key agreement with a public key fails: it is not a valid key, or has small order."""


def pair_key(own_private: bytes, other_public: bytes, epoch: int) -> bytes:
    """Compute the token key of two banks for one epoch; both banks get the same key.

    Parameters
    ----------
    own_private : bytes
        X25519 private key of this bank, 32 bytes.
    other_public : bytes
        X25519 public key of the other bank, as registered on the chain, 32 bytes.
    epoch : int
        Epoch of the pseudonym key.

    Returns
    -------
    bytes
        32 bytes.

    Raises
    ------
    PairKeyError
        When the other key has small order, so that anyone could compute the secret (RFC 7748, 6.1).
    """
    private = X25519PrivateKey.from_private_bytes(own_private)
    try:
        secret = private.exchange(X25519PublicKey.from_public_bytes(other_public))
    except ValueError as error:
        raise PairKeyError(
            "the X25519 key agreement with this public key failed",
            where=other_public.hex(),
            next_step="Ask the member that registered it to register a new X25519 key.",
        ) from error
    # Both keys in sorted order: both banks use the same info, and the key is valid only for this pair.
    first, second = sorted((private.public_key().public_bytes_raw(), other_public))
    return _derive(secret, _PAIR_DOMAIN + epoch.to_bytes(8, "big") + first + second)


def own_key(own_private: bytes, epoch: int) -> bytes:
    """Derive the token key for rows without another member: on-us, or a counterparty outside the consortium.

    Such a token never equals the token of another bank; it only distinguishes the bank's own rows.
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
        Fields that both banks know, used if there is no UETR: debtor account and creditor account
        (identifiers), currency (ISO 4217), amount in minor units, date (ISO 8601).

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
    Without UETR, two equal payments between the same accounts on one day have the same token, so matching has
    to pair them in order. If the two banks date a transfer differently, their tokens differ.
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
