"""Keys on a token (PKCS#11): a hardware security module, a smart card, or SoftHSM in tests.

The token signs; the private key never leaves it. A key is made on the token, or imported; it is then
sensitive and cannot be extracted. A process opens one session for each token, with a PIN that it reads once.
A PIN that the token refused is not sent again: most tokens lock themselves after a few wrong ones.

References
----------
.. [1] OASIS PKCS #11 Specification Version 3.1.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.errors import ConfigurationError, VerificationError
from ledger.installation import requiring
from ledger.keystore.passphrase import PIN, PassphraseError
from ledger.keystore.uri import TokenUri
from ledger.signing import canonical_signature, public_point_address

__all__ = [
    "NoKeyError",
    "TokenAccount",
    "TokenCheckpointKey",
    "TokenError",
    "TokenKind",
    "create_key",
    "find_public",
    "import_key",
    "public_part",
]

T = TypeVar("T")

#: The kinds of keys that a token can hold.
TokenKind = Literal["secp256k1", "ed25519"]

#: The curves as PKCS#11 names them: an object identifier, and a printable string.
_CURVES: Final[dict[TokenKind, bytes]] = {
    "secp256k1": bytes.fromhex("06052b8104000a"),
    "ed25519": bytes.fromhex("130c") + b"edwards25519",
}
#: Sizes of a public key in bytes.
_POINTS: Final[dict[TokenKind, int]] = {"secp256k1": 65, "ed25519": 32}

_OCTET_STRING: Final = 4


class TokenError(ConfigurationError):
    """Raised when a token is not there, does not have a key, or fails."""


class NoKeyError(TokenError):
    """Raised when a token does not have a key."""


class TokenAccount:
    """An Ethereum account whose key is on a token.

    Parameters
    ----------
    uri : TokenUri
    address : str
        Its address, with checksum; a signature of another key is not given out.
    """

    def __init__(self, uri: TokenUri, address: str) -> None:
        self.uri = uri
        self.address = address

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the signature of 32 bytes: r, s (the lower value) and v (27 or 28), 65 bytes.

        Raises
        ------
        TokenError
            When the token is not there, or its key is that of another account.
        PassphraseError
            When the PIN is wrong.
        """
        pair = _signed(self.uri, "secp256k1", digest)
        try:
            return canonical_signature(digest, pair, self.address)
        except VerificationError:
            raise _other_key(self.uri, f"the account {self.address}") from None


class TokenCheckpointKey:
    """An Ed25519 key of a log or a witness that is on a token.

    Parameters
    ----------
    uri : TokenUri
    public : bytes
        Its public key, 32 bytes; a signature of another key is not given out.
    """

    def __init__(self, uri: TokenUri, public: bytes) -> None:
        self.uri = uri
        self.public = public

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message; raises as `TokenAccount.sign_digest` does."""
        signature = _signed(self.uri, "ed25519", message)
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise _other_key(self.uri, f"the public key {self.public.hex()}") from None
        return signature


def create_key(uri: TokenUri, kind: TokenKind) -> str:
    """Make a key pair on a token; return its public part (`public_part`).

    Raises
    ------
    TokenError
        When a key of this name is there already, or the token cannot make one.
    """
    pkcs11 = _pkcs11()
    edwards = kind == "ed25519"
    mechanism = pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN if edwards else pkcs11.Mechanism.EC_KEY_PAIR_GEN

    def make(session: Any) -> None:
        _require_free(session, uri)
        parameters = session.create_domain_parameters(
            _key_type(kind), {pkcs11.Attribute.EC_PARAMS: _CURVES[kind]}, local=True
        )
        parameters.generate_keypair(
            mechanism=mechanism,
            store=True,
            label=uri.label or "",
            id=uri.identifier or os.urandom(8),
            private_template=_private_template(),
        )

    _OPEN.use(uri, make)
    return public_part(uri, kind)


def import_key(uri: TokenUri, kind: TokenKind, secret: bytes, public: bytes) -> None:
    """Store a key that was made elsewhere on a token, from where it cannot be read again.

    Parameters
    ----------
    uri : TokenUri
    kind : {"secp256k1", "ed25519"}
    secret, public : bytes
        The private key, 32 bytes, and its public key: an uncompressed point, or 32 bytes.

    Raises
    ------
    TokenError
        When a key of this name is there already, or the token takes no keys.
    """
    pkcs11 = _pkcs11()
    attribute, classes = pkcs11.Attribute, pkcs11.ObjectClass
    common = {
        attribute.KEY_TYPE: _key_type(kind),
        attribute.TOKEN: True,
        attribute.LABEL: uri.label or "",
        attribute.ID: uri.identifier or os.urandom(8),
        attribute.EC_PARAMS: _CURVES[kind],
    }

    def store(session: Any) -> None:
        _require_free(session, uri)
        point = bytes([_OCTET_STRING, len(public)]) + public
        shown = {attribute.CLASS: classes.PUBLIC_KEY, attribute.VERIFY: True, attribute.EC_POINT: point}
        session.create_object(common | shown)
        hidden = {attribute.CLASS: classes.PRIVATE_KEY, attribute.SIGN: True, attribute.VALUE: secret}
        session.create_object(common | _private_template() | hidden)

    _OPEN.use(uri, store)


def public_part(uri: TokenUri, kind: TokenKind) -> str:
    """Return the public part of a key on a token: an address with checksum, or a public key in hex.

    Raises
    ------
    TokenError
        When the token has no such public key.
    """
    pkcs11 = _pkcs11()

    def read(session: Any) -> bytes:
        key = _found(session, pkcs11.ObjectClass.PUBLIC_KEY, uri, kind)
        return bytes(key[pkcs11.Attribute.EC_POINT])

    point = _OPEN.use(uri, read)
    if len(point) == _POINTS[kind] + 2 and point[0] == _OCTET_STRING:
        point = point[2:]
    if len(point) != _POINTS[kind]:
        raise TokenError("the token's public key has a form that is not known", where=uri.text)
    return public_point_address(point) if kind == "secp256k1" else point.hex()


def find_public(uri: TokenUri, kind: TokenKind) -> str | None:
    """Return `public_part`, or None if the token has no such key."""
    try:
        return public_part(uri, kind)
    except NoKeyError:
        return None


def _signed(uri: TokenUri, kind: TokenKind, data: bytes) -> bytes:
    pkcs11 = _pkcs11()
    mechanism = pkcs11.Mechanism.ECDSA if kind == "secp256k1" else pkcs11.Mechanism.EDDSA

    def sign(session: Any) -> bytes:
        key = _found(session, pkcs11.ObjectClass.PRIVATE_KEY, uri, kind)
        return bytes(key.sign(data, mechanism=mechanism))

    return _OPEN.use(uri, sign)


class _Sessions:
    """The open sessions of this process, one for each token; a lock lets one thread use them at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str | None, str | None], Any] = {}
        self._refused: dict[tuple[str, str | None, str | None], str] = {}

    def use(self, uri: TokenUri, act: Callable[[Any], T]) -> T:
        """Do something with the session of a token; open it first, and again if the token was away."""
        place = (uri.library, uri.token, uri.serial)
        with self._lock, _explained(uri):
            known = self._open.get(place)
            if known is not None:
                try:
                    return act(known)
                except _stale():
                    with suppress(_pkcs11().PKCS11Error):
                        self._open.pop(place).close()
            session = self._open[place] = self._opened(uri, place)
            return act(session)

    def close(self) -> None:
        """Close all sessions, and forget which PINs were refused."""
        with self._lock:
            for session in self._open.values():
                session.close()
            self._open.clear()
            self._refused.clear()

    def _opened(self, uri: TokenUri, place: tuple[str, str | None, str | None]) -> Any:
        pkcs11 = _pkcs11()
        wanted = {"token_label": uri.token, "token_serial": uri.serial and uri.serial.encode()}
        token = pkcs11.lib(uri.library).get_token(**{name: value for name, value in wanted.items() if value})
        pin = PIN.read()
        if self._refused.get(place) == pin:
            raise _wrong_pin(uri)
        try:
            return token.open(rw=True, user_pin=pin)
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
            self._refused[place] = pin
            raise _wrong_pin(uri) from None


_OPEN: Final = _Sessions()


def _pkcs11() -> Any:
    with requiring("hsm"):
        import pkcs11
    return pkcs11


def _key_type(kind: TokenKind) -> Any:
    types = _pkcs11().KeyType
    return types.EC if kind == "secp256k1" else types.EC_EDWARDS


def _found(session: Any, which: Any, uri: TokenUri, kind: TokenKind) -> Any:
    named = {"label": uri.label, "id": uri.identifier}
    given = {name: value for name, value in named.items() if value}
    return session.get_key(object_class=which, key_type=_key_type(kind), **given)


def _private_template() -> dict[Any, bool]:
    attribute = _pkcs11().Attribute
    return {attribute.PRIVATE: True, attribute.SENSITIVE: True, attribute.EXTRACTABLE: False}


def _require_free(session: Any, uri: TokenUri) -> None:
    attribute = _pkcs11().Attribute
    wanted = {attribute.LABEL: uri.label} if uri.label else {attribute.ID: uri.identifier}
    if next(iter(session.get_objects(wanted)), None) is not None:
        raise TokenError(
            "the token has a key of this name already",
            where=uri.text,
            next_step="Choose another name for the key, with object= in the URI.",
        )


def _stale() -> tuple[type[Exception], ...]:
    """Return the errors of a session that ended: the token was taken out, or its software restarted."""
    errors = _pkcs11()
    return (
        errors.DeviceRemoved,
        errors.KeyHandleInvalid,
        errors.ObjectHandleInvalid,
        errors.SessionClosed,
        errors.SessionHandleInvalid,
        errors.TokenNotPresent,
        errors.UserNotLoggedIn,
    )


@contextmanager
def _explained(uri: TokenUri) -> Iterator[None]:
    """Turn an error of PKCS#11 into one that says what to do."""
    errors = _pkcs11()
    known: dict[Any, tuple[str, str]] = {
        errors.NoSuchToken: ("the token is not there", "Put it in, or correct token= and the library."),
        errors.TokenNotPresent: ("the token is not there", "Put it in, then run the same command again."),
        errors.DeviceRemoved: ("the token was removed", "Put it in, then run the same command again."),
        errors.MultipleTokensReturned: ("several tokens have this name", "Name one with serial= in the URI."),
        errors.NoSuchKey: ("the token has no such key", "Correct object= or id= in the URI."),
        errors.MultipleObjectsReturned: ("the token has several such keys", "Name one with id= in the URI."),
        errors.PinLocked: ("the token is locked after wrong PINs", "Unlock it with its own software."),
    }
    try:
        yield
    except errors.PKCS11Error as error:
        what, step = known.get(
            type(error),
            (
                f"the token or its library fails: {error or type(error).__name__}",
                "Check the library's path and the token with its own software, then run the command again.",
            ),
        )
        kind = NoKeyError if isinstance(error, errors.NoSuchKey) else TokenError
        raise kind(what, where=uri.text, next_step=step) from error


def _wrong_pin(uri: TokenUri) -> PassphraseError:
    return PassphraseError(
        "the token refuses the PIN",
        where=uri.text,
        next_step="Run the command again with the right PIN; a token locks itself after a few wrong ones.",
    )


def _other_key(uri: TokenUri, wanted: str) -> TokenError:
    return TokenError(
        f"the key on the token is not the one of {wanted}",
        where=uri.text,
        next_step="Correct the name of the key, or put in the right token.",
    )
