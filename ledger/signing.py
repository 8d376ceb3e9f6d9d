"""Ethereum accounts: keys, addresses, and signatures of texts (EIP-191, "personal_sign").

A member signs requests to the key holder with the account with which it posts. Typed data, such as batch
headers and disclosures, is signed in `ledger.typed_data`; transactions are signed in `ledger.gateway`.

Whatever signs takes an `AccountKey`: the 32 bytes of a private key, or an `AccountSigner`, whose key may be
on a token that never hands it out (`ledger.keystore.token`).
"""

from __future__ import annotations

from typing import Final, Protocol, TypeAlias, runtime_checkable

from coincurve import PrivateKey, PublicKey
from Crypto.Hash import keccak

from ledger.errors import VerificationError

__all__ = [
    "SIGNATURE_SIZE",
    "AccountKey",
    "AccountSigner",
    "SoftwareAccount",
    "address_of",
    "as_signer",
    "canonical_signature",
    "checksummed",
    "keccak256",
    "new_key",
    "public_point_address",
    "recover_account",
    "recover_address",
    "recover_digest",
    "sign_digest",
    "sign_text",
    "text_digest",
]

#: Bytes of a signature: r (32), s (32), v (1).
SIGNATURE_SIZE: Final = 65

#: EIP-191 version 0x45; the number of bytes of the text and the text follow.
_PREFIX: Final = b"\x19Ethereum Signed Message:\n"

#: A signature's v is the parity of the point R plus 27.
_PARITY: Final = 27
#: From this value on, v also contains the chain id (EIP-155).
_CHAIN: Final = 35

#: The order of secp256k1. EIP-2 allows only values of s up to half of it.
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@runtime_checkable
class AccountSigner(Protocol):
    """An Ethereum account that signs."""

    @property
    def address(self) -> str:
        """The account's address, with checksum (EIP-55)."""

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the signature of 32 bytes: r, s (the lower value) and v (27 or 28), 65 bytes."""


#: The key of an account, as functions take it: 32 bytes, or an object that signs.
AccountKey: TypeAlias = bytes | AccountSigner


class SoftwareAccount:
    """An account whose private key is in the memory of this process.

    Parameters
    ----------
    key : bytes
        The private key, 32 bytes.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = PrivateKey(key)

    @property
    def address(self) -> str:
        """The account's address, with checksum (EIP-55)."""
        return checksummed(_account(self._key.public_key))

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the signature of 32 bytes; the nonce follows RFC 6979."""
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([_PARITY + signature[64]])


def as_signer(key: AccountKey) -> AccountSigner:
    """Return an object that signs with a key."""
    return SoftwareAccount(key) if isinstance(key, bytes) else key


def new_key() -> bytes:
    """Return the private key of a new account, 32 bytes."""
    return PrivateKey().secret


def address_of(key: AccountKey) -> str:
    """Return the address of a key's account, with checksum (EIP-55)."""
    return as_signer(key).address


def text_digest(text: str) -> bytes:
    """Return the 32 bytes that are signed for a text."""
    data = text.encode()
    return keccak256(_PREFIX + str(len(data)).encode() + data)


def sign_text(text: str, key: AccountKey) -> bytes:
    """Return the signature of a text: r, s and v (27 or 28), 65 bytes."""
    return sign_digest(text_digest(text), key)


def sign_digest(digest: bytes, key: AccountKey) -> bytes:
    """Return the signature of 32 bytes: r, s (the lower value) and v (27 or 28), 65 bytes."""
    return as_signer(key).sign_digest(digest)


def canonical_signature(digest: bytes, pair: bytes, address: str) -> bytes:
    """Return the signature that Ethereum accepts, from the two numbers of any ECDSA signature.

    Parameters
    ----------
    digest : bytes
        The 32 bytes that were signed.
    pair : bytes
        r and s, 64 bytes; s may be the higher of its two values.
    address : str
        The account that signed. It decides v, which a token does not tell.

    Raises
    ------
    VerificationError
        When this account did not sign the digest.
    """
    if len(pair) != SIGNATURE_SIZE - 1:
        raise VerificationError(f"an ECDSA signature of secp256k1 has 64 bytes, not {len(pair)}")
    s = int.from_bytes(pair[32:], "big")
    low = pair[:32] + min(s, _ORDER - s).to_bytes(32, "big") if s <= _ORDER else pair
    for v in (_PARITY, _PARITY + 1):
        signature = low + bytes([v])
        try:
            found = recover_digest(digest, signature)
        except VerificationError:
            continue
        if found == address:
            return signature
    raise VerificationError("the signature is not one of the account", expected=address)


def public_point_address(point: bytes) -> str:
    """Return the address of a public key of secp256k1, given as a compressed or uncompressed point."""
    return checksummed(_account(PublicKey(point)))


def recover_address(text: str, signature: bytes) -> str:
    """Return the address of the account that signed a text, with checksum (EIP-55).

    Every signature recovers to some address; the caller must compare it with the expected address. A
    signature has several forms (v of 0, 27 or 35; s or n - s); a caller that accepts only one must check it.

    Raises
    ------
    VerificationError
        When the bytes are not a signature.
    """
    return recover_digest(text_digest(text), signature)


def recover_digest(digest: bytes, signature: bytes) -> str:
    """Return the address of the account that signed 32 bytes; see `recover_address`."""
    return checksummed(recover_account(digest, signature))


def recover_account(digest: bytes, signature: bytes) -> bytes:
    """Return the address of the account that signed 32 bytes, as 20 bytes; see `recover_address`."""
    if len(signature) != SIGNATURE_SIZE:
        raise VerificationError(f"a signature has {SIGNATURE_SIZE} bytes, not {len(signature)}")
    try:
        recoverable = signature[:64] + bytes([_parity(signature[64])])
        return _account(PublicKey.from_signature_and_message(recoverable, digest, hasher=None))
    except Exception as error:  # coincurve raises ValueError for some values, a bare Exception for others
        raise VerificationError(f"the signature does not recover to a public key: {error}") from error


def _parity(v: int) -> int:
    if v in (0, 1):
        return v
    if v in (_PARITY, _PARITY + 1):
        return v - _PARITY
    if v >= _CHAIN:
        return (v - _CHAIN) % 2
    raise ValueError(f"v is {v}, which is none of 0, 1, 27, 28, and 35 or more")


def _account(public: PublicKey) -> bytes:
    return keccak256(public.format(compressed=False)[1:])[-20:]


def checksummed(account: bytes) -> str:
    """Return the address in hex; the hash of this text sets the capitals (EIP-55)."""
    plain = account.hex()
    cases = keccak256(plain.encode()).hex()
    return "0x" + "".join(c.upper() if int(h, 16) >= 8 else c for c, h in zip(plain, cases, strict=False))


def keccak256(data: bytes) -> bytes:
    """Return the Keccak-256 hash that Ethereum uses, 32 bytes."""
    return bytes(keccak.new(digest_bits=256, data=data).digest())
