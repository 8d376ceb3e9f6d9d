"""Secrets encrypted under a passphrase: AES-256-GCM with a key from scrypt, and Ethereum keystores.

An account key is a keystore of version 3 (Web3 Secret Storage), which other Ethereum software imports. All
other secrets are one ciphertext. Its associated data is the whole key file without the ciphertext, keystores
and public parts included: if a byte of the file is changed, the file does not open.

References
----------
.. [1] RFC 7914, The scrypt Password-Based Key Derivation Function.
.. [2] Web3 Secret Storage Definition,
   https://ethereum.org/developers/docs/data-structures-and-encoding/web3-secret-storage
"""

from __future__ import annotations

import hashlib
import os
from typing import Annotated, Any, Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta

from ledger.documents import Document, Hash, Hex, Salt, convert, plain
from ledger.errors import ConfigurationError
from ledger.keystore.passphrase import PassphraseError

__all__ = ["Keystore", "Scrypt", "decrypt", "encrypt", "from_keystore", "new_scrypt", "to_keystore"]

#: Work of scrypt for a new file: with r = 8, 128 MiB and about half a second.
WORK: Final = 2**17

#: Maximum of n * r * p that is accepted: 1 GiB.
_MOST_WORK: Final = 2**23

_NONCE_SIZE: Final = 12


class Scrypt(Document):
    """Parameters of scrypt for the key of a ciphertext, and the nonce of AES-GCM."""

    n: Annotated[int, Meta(ge=2, le=2**20)]
    r: Annotated[int, Meta(ge=1, le=64)]
    p: Annotated[int, Meta(ge=1, le=64)]
    salt: Salt
    nonce: Annotated[str, Meta(pattern=r"\A[0-9a-f]{24}\Z")]


class _KeystoreScrypt(Document):
    """Parameters of scrypt in a keystore."""

    dklen: Literal[32]
    n: Annotated[int, Meta(ge=2, le=2**20)]
    r: Annotated[int, Meta(ge=1, le=64)]
    p: Annotated[int, Meta(ge=1, le=64)]
    salt: Hex


class _CipherParameters(Document):
    iv: Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]


class _Crypto(Document):
    cipher: Literal["aes-128-ctr"]
    cipherparams: _CipherParameters
    ciphertext: Hash
    kdf: Literal["scrypt"]
    kdfparams: _KeystoreScrypt
    mac: Hash


class Keystore(Document):
    """An account key as an Ethereum keystore of version 3."""

    address: Annotated[str, Meta(pattern=r"\A[0-9a-f]{40}\Z")]
    crypto: _Crypto
    id: Annotated[str, Meta(pattern=r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
    version: Literal[3]


def new_scrypt() -> Scrypt:
    """Return parameters for a new ciphertext."""
    return Scrypt(n=WORK, r=8, p=1, salt=os.urandom(16).hex(), nonce=os.urandom(_NONCE_SIZE).hex())


def encrypt(secret: bytes, passphrase: str, scrypt: Scrypt, associated: bytes) -> bytes:
    """Encrypt a secret; the parameters are for this one secret."""
    return AESGCM(_key(passphrase, scrypt)).encrypt(bytes.fromhex(scrypt.nonce), secret, associated)


def decrypt(ciphertext: bytes, passphrase: str, scrypt: Scrypt, associated: bytes, *, where: str) -> bytes:
    """Return the secret of a ciphertext.

    Raises
    ------
    PassphraseError
        When the passphrase is wrong, or the file was changed: nobody can tell the two apart.
    ConfigurationError
        When the parameters of scrypt are not possible, or want too much memory.
    """
    key = _key(passphrase, scrypt, where=where)
    try:
        return AESGCM(key).decrypt(bytes.fromhex(scrypt.nonce), ciphertext, associated)
    except InvalidTag:
        raise _wrong(where) from None


def to_keystore(key: bytes, passphrase: str) -> Keystore:
    """Return an account key as a keystore."""
    from eth_account import Account

    made: dict[str, Any] = Account.encrypt(key, passphrase, kdf="scrypt", iterations=WORK)
    return convert(made | {"address": made["address"].lower()}, Keystore, what="keystore")


def from_keystore(keystore: Keystore, passphrase: str, *, where: str) -> bytes:
    """Return the account key, 32 bytes, of a keystore.

    Raises
    ------
    PassphraseError
        When the passphrase is wrong.
    ConfigurationError
        As for `decrypt`.
    """
    from eth_account import Account

    work = keystore.crypto.kdfparams
    _check_work(work.n, work.r, work.p, where)
    try:
        return bytes(Account.decrypt(plain(keystore), passphrase))
    except ValueError:  # the MAC differs
        raise _wrong(where) from None


def _key(passphrase: str, scrypt: Scrypt, *, where: str = "new key file") -> bytes:
    _check_work(scrypt.n, scrypt.r, scrypt.p, where)
    memory = 256 * scrypt.r * (scrypt.n + scrypt.p + 2)
    salt = bytes.fromhex(scrypt.salt)
    return hashlib.scrypt(
        passphrase.encode(), salt=salt, n=scrypt.n, r=scrypt.r, p=scrypt.p, maxmem=memory, dklen=32
    )


def _check_work(n: int, r: int, p: int, where: str) -> None:
    # RFC 7914, section 2: n is a power of two, and less than 2 ** (16 * r)
    if n & (n - 1) or n >= 1 << 16 * r or n * r * p > _MOST_WORK:
        raise ConfigurationError(
            "the key file's parameters of scrypt are not possible, or want more than 1 GiB of memory",
            where=where,
            next_step="Restore the key file from a backup.",
        )


def _wrong(where: str) -> PassphraseError:
    return PassphraseError(
        "the passphrase is wrong, or the key file was changed",
        where=where,
        next_step="Run the same command again with the right passphrase; nothing was written.",
    )
