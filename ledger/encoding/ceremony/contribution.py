"""The contribution of a dealer to a key ceremony: its commitments, and a share for each receiver, encrypted.

A contribution has one byte representation, and its size follows from the ceremony:

version (1) ‖ ceremony (32) ‖ dealer (1) ‖ t (1) ‖ n (1) ‖ t x commitment (32) ‖ proof of the constant term
(64) ‖ ephemeral key R (32) ‖ proof of R (64) ‖ n x encrypted share (48)

Both proofs are Schnorr proofs of knowledge, bound to the ceremony and the dealer. The first one stops a
dealer that makes its commitments from those of others (a rogue key). The second one stops a dealer that
repeats the ephemeral key of another contribution: a receiver that complained would open that other one.

A share is encrypted by ECIES on ristretto255: S = r x (encryption key of the receiver); HKDF-SHA256 of S
gives key and nonce of AES-256-GCM. A holder may be killed at any moment: it stores its contribution before it
commits, and needs nothing else of it later, since the share for itself is in the contribution too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha512
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.encoding import ristretto, sharing
from ledger.encoding.ceremony.description import DOMAIN, Ceremony, CeremonyError, Party, Role
from ledger.errors import InputError, VerificationError

__all__ = [
    "VERSION",
    "Contribution",
    "contribution_size",
    "encryption_key_pair",
    "make_contribution",
    "open_share",
    "read_contribution",
]

VERSION: Final = 1

_SEALED: Final = 48
_PROOF: Final = 64
_HEAD: Final = 36
_CONSTANT: Final = b"/constant\0"
_EPHEMERAL: Final = b"/ephemeral\0"


@dataclass(frozen=True, slots=True)
class Contribution:
    """A contribution whose public part was checked.

    Parameters
    ----------
    dealer : int
    commitments : tuple of bytes
        To the coefficients of the dealer's polynomial, constant term first.
    ephemeral : bytes
        R, the ephemeral public key of the encryption.
    sealed : tuple of bytes
        The encrypted share of each receiver, in the order of their indices.
    """

    dealer: int
    commitments: tuple[bytes, ...]
    ephemeral: bytes
    sealed: tuple[bytes, ...]


def encryption_key_pair() -> tuple[bytes, bytes]:
    """Return a new secret scalar, and the encryption key that a holder publishes."""
    secret = ristretto.random_scalar()
    return secret, ristretto.multiply_base(secret)


def contribution_size(ceremony: Ceremony) -> int:
    """Return the size of each contribution to a ceremony, in bytes."""
    return _HEAD + 32 * ceremony.threshold + _PROOF + 32 + _PROOF + _SEALED * len(ceremony.holders)


def make_contribution(
    ceremony: Ceremony,
    dealer: int,
    *,
    old_share: bytes | None = None,
    scalars: Callable[[], bytes] = ristretto.random_scalar,
) -> bytes:
    """Return a contribution. Store it before you publish its hash: each call makes another one.

    Parameters
    ----------
    ceremony : Ceremony
    dealer : int
        Index of the dealer; in a reshare, its old one.
    old_share : bytes, optional
        For a reshare: the dealer's share of the old generation.
    scalars : callable
        The source of random scalars; give another one only for test vectors.

    Raises
    ------
    InputError
        When this is no dealer of the ceremony, or the old share is not its share.
    """
    expected = ceremony.old_commitment(dealer) if dealer in ceremony.dealers else None
    if dealer not in ceremony.dealers or (expected is None) != (old_share is None):
        raise InputError(f"holder {dealer} cannot deal in this key ceremony with what it has")
    if old_share is not None and ristretto.multiply_base(old_share) != expected:
        raise InputError(f"the old share is not that of holder {dealer} in this generation of the key")
    coefficients = sharing.polynomial(ceremony.threshold, old_share, scalars=scalars)
    committed = sharing.commitments(coefficients)
    secret = scalars()
    ephemeral = ristretto.multiply_base(secret)
    party = ceremony.id + bytes([dealer])
    sealed = (
        _seal(
            sharing.share(coefficients, index),
            ristretto.multiply(secret, key),
            _context(party, index, ephemeral, key),
        )
        for index, key in enumerate(ceremony.holders, start=1)
    )
    return b"".join(
        (
            bytes([VERSION]),
            party,
            bytes([ceremony.threshold, len(ceremony.holders)]),
            *committed,
            _prove(coefficients[0], committed[0], party + _CONSTANT, scalars()),
            ephemeral,
            _prove(secret, ephemeral, party + _EPHEMERAL, scalars()),
            *sealed,
        )
    )


def read_contribution(ceremony: Ceremony, dealer: int, data: bytes) -> Contribution:
    """Read a contribution, and check all of it that is public.

    Raises
    ------
    CeremonyError
        With this dealer, when it is not a contribution of this dealer to this ceremony.
    """
    party = Party(Role.DEALER, dealer)
    if dealer not in ceremony.dealers:
        raise CeremonyError(party, "takes no part in it, and sent a contribution")
    bound = ceremony.id + bytes([dealer])
    head = bytes([VERSION]) + bound + bytes([ceremony.threshold, len(ceremony.holders)])
    if len(data) != contribution_size(ceremony) or not data.startswith(head):
        raise CeremonyError(party, "sent bytes that are no contribution of it to this ceremony")
    place = _HEAD + 32 * ceremony.threshold
    committed = tuple(data[start : start + 32] for start in range(_HEAD, place, 32))
    proof, ephemeral = data[place : place + 64], data[place + 64 : place + 96]
    ephemeral_proof, place = data[place + 96 : place + 160], place + 160
    sealed = tuple(data[start : start + _SEALED] for start in range(place, len(data), _SEALED))
    try:
        for number, element in enumerate(committed):
            ristretto.check_element(element, f"commitment {number}")
        ristretto.check_element(ephemeral, "the ephemeral key")
        _check_knowledge(committed[0], proof, bound + _CONSTANT, "the constant term")
        _check_knowledge(ephemeral, ephemeral_proof, bound + _EPHEMERAL, "the ephemeral key")
    except VerificationError as error:
        raise CeremonyError(party, f"sent a contribution that is not valid: {error.what}") from error
    if ceremony.old_commitment(dealer) not in (None, committed[0]):
        raise CeremonyError(party, "shares another secret than its old share")
    return Contribution(dealer, committed, ephemeral, sealed)


def open_share(ceremony: Ceremony, contribution: Contribution, receiver: int, shared: bytes) -> bytes:
    """Decrypt the share of a receiver with the shared point S, and check it against the commitments.

    Raises
    ------
    VerificationError
        When the dealer encrypted something that is not the share of this receiver.
    """
    party = ceremony.id + bytes([contribution.dealer])
    context = _context(party, receiver, contribution.ephemeral, ceremony.holders[receiver - 1])
    try:
        value = _unseal(contribution.sealed[receiver - 1], shared, context)
    except InvalidTag:
        raise sharing.ShareError(f"the share of holder {receiver} cannot be decrypted") from None
    sharing.check_share(value, receiver, contribution.commitments)
    return value


def _context(party: bytes, receiver: int, ephemeral: bytes, key: bytes) -> bytes:
    return party + bytes([receiver]) + ephemeral + key


def _seal(value: bytes, shared: bytes, context: bytes) -> bytes:
    cipher, nonce = _cipher(shared, context)
    return cipher.encrypt(nonce, value, None)


def _unseal(sealed: bytes, shared: bytes, context: bytes) -> bytes:
    cipher, nonce = _cipher(shared, context)
    return cipher.decrypt(nonce, sealed, None)


def _cipher(shared: bytes, context: bytes) -> tuple[AESGCM, bytes]:
    """Derive cipher and nonce; each pair of point and context is used once."""
    derived = HKDF(SHA256(), length=44, salt=None, info=DOMAIN + b"/share\0" + context).derive(shared)
    return AESGCM(derived[:32]), derived[32:]


def _prove(secret: bytes, public: bytes, context: bytes, randomness: bytes) -> bytes:
    """Return a Schnorr proof of knowledge of a secret scalar: challenge and response."""
    challenge = _challenge(context, public, ristretto.multiply_base(randomness))
    response = ristretto.subtract_scalars(randomness, ristretto.multiply_scalars(challenge, secret))
    return challenge + response


def _check_knowledge(public: bytes, proof: bytes, context: bytes, what: str) -> None:
    challenge, response = proof[:32], proof[32:]
    ristretto.check_scalar(challenge, f"the challenge for {what}")
    ristretto.check_scalar(response, f"the response for {what}")
    commitment = ristretto.add(ristretto.multiply_base(response), ristretto.multiply(challenge, public))
    if _challenge(context, public, commitment) != challenge:
        raise VerificationError(f"the dealer does not prove that it knows {what}")


def _challenge(context: bytes, public: bytes, commitment: bytes) -> bytes:
    digest = sha512(DOMAIN + b"/knowledge\0" + context + public + commitment).digest()
    return ristretto.reduce_scalar(digest)
