"""Match tokens: both halves of a transfer have the same token, which only their two banks can compute.

A token is made in two steps. The *opening* is an HMAC-SHA256 of the transfer's message with the key of the
two banks. The *token* is a hash of the opening and the message, truncated to 16 bytes. Whoever gets the
opening can check that a token belongs to a UETR, and learns nothing about the key or any other token. Without
the key and without the opening, nobody can test a guess of the message.

The message is the UETR, or, if there is none, the fields that both banks know: accounts, currency and amount.
The two banks agree on their key (X25519 and HKDF-SHA256), which is bound to the epoch.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.errors import InputError, VerificationError
from ledger.schema import TokenKind

__all__ = [
    "OPENING_SIZE",
    "TOKEN_SIZE",
    "Fallback",
    "PairKeyError",
    "TokenError",
    "match_token",
    "open_token",
    "own_key",
    "pair_key",
    "token_kind",
    "token_opening",
]

#: Bytes of a match token.
TOKEN_SIZE = 16
#: Bytes of a token's opening.
OPENING_SIZE = 32

#: What both banks know of a transfer without a UETR: debtor account and creditor account (identifiers),
#: currency (ISO 4217), amount in minor units. No date: two banks may date one transfer differently.
Fallback: TypeAlias = tuple[str, str, str, int]

_KEY_SIZE = 32
_PAIR_DOMAIN = b"counterfoil/match-token/v2/pair\x00"
_OWN_DOMAIN = b"counterfoil/match-token/v2/own\x00"
_MAC_DOMAIN = b"counterfoil/match-token/v2/mac\x00"
_OPEN_DOMAIN = b"counterfoil/match-token/v2/open\x00"
_UETR_DOMAIN = b"counterfoil/match-token/v2/uetr\x00"
_TUPLE_DOMAIN = b"counterfoil/match-token/v2/tuple\x00"
_UETR = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


class PairKeyError(VerificationError):
    """Raised when key agreement with a public key fails: it is not a valid key, or has small order."""


class TokenError(VerificationError):
    """Raised when the opening of a match token is malformed."""


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


def token_kind(uetr: str | None, *, shared: bool) -> TokenKind:
    """Return the kind of a transfer's token.

    Parameters
    ----------
    uetr : str or None
    shared : bool
        Whether the key is shared with another bank (`pair_key`); False for `own_key`.
    """
    if not shared:
        return TokenKind.OWN
    return TokenKind.TUPLE if uetr is None else TokenKind.UETR


def match_token(key: bytes, uetr: str | None, fallback: Fallback) -> bytes:
    """Compute the match token of one transfer.

    Parameters
    ----------
    key : bytes
        From `pair_key` or `own_key`.
    uetr : str or None
        Unique end-to-end transaction reference, a UUID in any case.
    fallback : tuple
        The fields that are used if there is no UETR.

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
    Without UETR, equal payments between the same accounts have the same token in the whole epoch. Matching
    pairs them in order of time, and tells them apart by their number.
    """
    message = _message(uetr, fallback)
    return _token(_opening(key, message), message)


def token_opening(key: bytes, uetr: str | None, fallback: Fallback) -> bytes:
    """Compute the opening of a transfer's token, 32 bytes; parameters and errors are those of `match_token`.

    Give it only to those who may learn that this token belongs to this transfer.
    """
    return _opening(key, _message(uetr, fallback))


def open_token(opening: bytes, uetr: str) -> bytes:
    """Return the token that an opening gives for a UETR; compare it with the token in the row.

    Parameters
    ----------
    opening : bytes
        From `token_opening`, 32 bytes.
    uetr : str
        A UUID in lower case, as it is committed.

    Raises
    ------
    TokenError
        When the opening does not have 32 bytes, or the UETR is not a UUID in lower case.
    """
    if len(opening) != OPENING_SIZE:
        raise TokenError("the opening of a token has the wrong size", expected=OPENING_SIZE, got=len(opening))
    if not _UETR.fullmatch(uetr):
        raise TokenError("the value is not a UETR (a UUID in lower case)", where="uetr")
    return _token(opening, _UETR_DOMAIN + uetr.encode())


def _message(uetr: str | None, fallback: Fallback) -> bytes:
    if uetr is not None:
        normal = uetr.strip().lower()
        if not _UETR.fullmatch(normal):
            raise InputError("the value is not a UETR (a UUID)", where="uetr")
        return _UETR_DOMAIN + normal.encode()
    debtor, creditor, currency, amount = fallback
    message = _TUPLE_DOMAIN
    for part in (debtor, creditor, currency, str(amount)):
        data = part.encode()
        message += len(data).to_bytes(4, "big") + data
    return message


def _opening(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, _MAC_DOMAIN + message, "sha256")


def _token(opening: bytes, message: bytes) -> bytes:
    return sha256(_OPEN_DOMAIN + opening + message).digest()[:TOKEN_SIZE]


def _derive(secret: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), _KEY_SIZE, None, info).derive(secret)
