"""The key file of a party: its keys by name, each with its public part; secrets plain or encrypted.

The public parts can be read without a passphrase. A key that is on a token has the token's name and no secret
in the file. A file with plain secrets is for development: whoever reads the file has the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeAlias, TypeVar

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import Meta

from ledger import canonical, documents
from ledger.documents import Document, Hash, Hex
from ledger.encoding.ristretto import check_scalar, multiply_base
from ledger.errors import ConfigurationError, InputError, VerificationError
from ledger.keystore.passphrase import PASSPHRASE, PassphraseError
from ledger.keystore.sealing import (
    Keystore,
    Scrypt,
    decrypt,
    encrypt,
    from_keystore,
    new_scrypt,
    to_keystore,
)
from ledger.keystore.token import TokenAccount, TokenCheckpointKey
from ledger.keystore.uri import TokenUri
from ledger.log.signer import CheckpointSigner, SoftwareCheckpointKey
from ledger.signing import AccountSigner, SoftwareAccount, checksummed
from ledger.storage import write_atomically

__all__ = [
    "EncryptedSecrets",
    "Key",
    "KeyEntry",
    "KeyFileDocument",
    "Kind",
    "PlainSecrets",
    "document_of",
    "open_keys",
    "read_document",
    "write_document",
]

Kind = Literal["secp256k1", "ed25519", "x25519", "ristretto255"]

#: A key as a party has it: 32 bytes, or a key on a token.
Key: TypeAlias = bytes | AccountSigner | CheckpointSigner

_Name = Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,40}\Z")]
_Public = Annotated[str, Meta(pattern=r"\A([0-9a-f]{40}|[0-9a-f]{64})\Z")]
_Token = Annotated[str, Meta(pattern=r"\Apkcs11:[!-~]{1,1000}\Z")]

B = TypeVar("B", bound=Document)
D = TypeVar("D", bound="KeyFileDocument")


class KeyEntry(Document):
    """A key of a key file: its kind, its public part (an address or a public key), and where it is."""

    type: Kind
    public: _Public
    token: _Token | None


class PlainSecrets(Document, tag_field="storage", tag="plain"):
    """Secrets that are not encrypted."""

    keys: dict[_Name, Hash]


class EncryptedSecrets(Document, tag_field="storage", tag="encrypted"):
    """Secrets under a passphrase: keystores of the accounts, and one ciphertext of all other keys."""

    scrypt: Scrypt
    ciphertext: Hex
    keystores: dict[_Name, Keystore]


class KeyFileDocument(Document):
    """What every key file has; a format says which keys, and may have fields of its own."""

    #: The keys that the file must have.
    NAMES: ClassVar[Mapping[str, Kind]] = {}
    #: The keys that it may have, each with a number, such as ``reader-24313``; here without the number.
    NUMBERED: ClassVar[Mapping[str, Kind]] = {}

    keys: dict[_Name, KeyEntry]
    secrets: PlainSecrets | EncryptedSecrets

    @property
    def encrypted(self) -> bool:
        """Whether the secrets are encrypted."""
        return isinstance(self.secrets, EncryptedSecrets)

    def own_fields(self) -> dict[str, str]:
        """Return the fields that the format adds."""
        common = KeyFileDocument.__struct_fields__
        return {name: getattr(self, name) for name in self.__struct_fields__ if name not in common}

    @classmethod
    def kind_of(cls, name: str) -> Kind | None:
        """Return the kind of the key of this name; None if the format has no such key."""
        before, _, number = name.rpartition("-")
        numbered = number.isdigit() and str(int(number)) == number
        return cls.NAMES.get(name) or (cls.NUMBERED.get(before) if numbered else None)


def document_of(kind: type[D], keys: Mapping[str, Key], *, passphrase: str | None, **fields: str) -> D:
    """Return the document of a key file.

    Parameters
    ----------
    kind : type
        The format.
    keys : mapping of name to Key
    passphrase : str or None
        Encrypts the secrets; None writes them plain.
    **fields : str
        The other fields of the format.
    """
    entries = {name: _entry(kind.kind_of(name), key) for name, key in keys.items()}
    secrets = {name: key for name, key in keys.items() if isinstance(key, bytes)}
    if passphrase is None:
        plain = PlainSecrets(keys={name: secret.hex() for name, secret in secrets.items()})
        return kind(keys=entries, secrets=plain, **fields)
    accounts = {name for name in secrets if entries[name].type == "secp256k1"}
    held = EncryptedSecrets(
        scrypt=new_scrypt(),
        ciphertext="",
        keystores={name: to_keystore(secrets[name], passphrase) for name in sorted(accounts)},
    )
    made = kind(keys=entries, secrets=held, **fields)
    hidden = canonical.dumps({name: key.hex() for name, key in secrets.items() if name not in accounts})
    held.ciphertext = encrypt(hidden, passphrase, held.scrypt, documents.write(made)).hex()
    return made


def read_document(
    path: Path,
    kind: type[D],
    before: type[B] | None = None,
    convert: Callable[[B], D] | None = None,
    *,
    missing: str,
    missing_step: str,
    next_step: str,
) -> D:
    """Read a key file without its secrets.

    Parameters
    ----------
    path : Path
    kind : type
        The format.
    before : type, optional
        The format before it, whose secrets are plain.
    convert : callable, optional
        Returns a document of the format from one of the format before.
    missing, missing_step, next_step : str
        As for `ledger.documents.load`.

    Raises
    ------
    ConfigurationError
        When the file is missing, malformed, or contradicts itself.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigurationError(missing, where=str(path), next_step=missing_step) from error
    if before and convert and documents.format_of(data) == before.__struct_config__.tag:
        return convert(_read(data, before, path, next_step))
    made = _read(data, kind, path, next_step)
    held = made.secrets.keys if isinstance(made.secrets, PlainSecrets) else made.secrets.keystores
    for name in sorted(kind.NAMES.keys() - made.keys.keys()):
        raise _damaged(name, "it is missing", path)
    for name, entry in made.keys.items():
        if kind.kind_of(name) != entry.type:
            raise _damaged(name, "the format has no such key", path)
        if len(entry.public) != (40 if entry.type == "secp256k1" else 64):
            raise _damaged(name, "its public part is not of its kind", path)
        if entry.token is not None:
            try:
                TokenUri.parse(entry.token)
            except InputError as error:
                raise _damaged(name, error.what, path) from error
            if entry.type in ("x25519", "ristretto255") or name in held:
                raise _damaged(name, "it cannot be on a token, or is also in the file", path)
    return made


def write_document(path: Path, document: KeyFileDocument) -> None:
    """Write a key file, readable by its owner only; it replaces an existing one atomically.

    Raises
    ------
    ConfigurationError
        When the existing file is encrypted and this document is not.
    """
    if not document.encrypted and path.exists():
        before = documents.format_of(path.read_bytes())
        if before == type(document).__struct_config__.tag and _stored_encrypted(path, type(document)):
            raise ConfigurationError(
                "the key file is encrypted, and would be replaced by one that is not",
                where=str(path),
                next_step="Give the passphrase when the keys are saved.",
            )
    write_atomically(path, documents.write(document), mode=0o600)


def _stored_encrypted(path: Path, kind: type[KeyFileDocument]) -> bool:
    read = documents.read(path.read_bytes(), kind, what="key file", error=ConfigurationError, where=str(path))
    return read.encrypted


def _read(data: bytes, kind: type[B], path: Path, next_step: str) -> B:
    return documents.read(
        data, kind, what="key file", error=ConfigurationError, where=str(path), next_step=next_step
    )


def open_keys(document: KeyFileDocument, *, where: Path) -> dict[str, Key]:
    """Return the keys of a key file; the passphrase is read if the file is encrypted.

    Raises
    ------
    PassphraseError
        When the passphrase is missing or wrong, or the file was changed.
    ConfigurationError
        When a secret is missing, or does not have the public part that the file states.
    """
    if isinstance(document.secrets, PlainSecrets):
        secrets = {name: bytes.fromhex(secret) for name, secret in document.secrets.keys.items()}
    else:
        try:
            secrets = dict(_opened(type(document), documents.write(document), PASSPHRASE.read(), str(where)))
        except PassphraseError:
            PASSPHRASE.forget()
            raise
    in_file = {name for name, entry in document.keys.items() if entry.token is None}
    if secrets.keys() != in_file:
        raise _damaged(sorted(secrets.keys() ^ in_file)[0], "the file lacks it, or does not name it", where)
    keys: dict[str, Key] = {}
    for name, entry in document.keys.items():
        if entry.token is None:
            keys[name] = secrets[name]
            if _stated(name, entry, secrets[name], where) != entry.public:
                raise _damaged(name, "its public part is that of another key", where)
        else:
            keys[name] = _on_token(entry, TokenUri.parse(entry.token))
    return keys


@lru_cache(16)
def _opened(
    kind: type[KeyFileDocument], data: bytes, passphrase: str, where: str
) -> tuple[tuple[str, bytes], ...]:
    """Return the secrets of an encrypted file; scrypt runs once for a file, however often it is read."""
    document = documents.read(data, kind, what="key file", error=ConfigurationError, where=where)
    held = document.secrets
    if not isinstance(held, EncryptedSecrets):
        raise TypeError("the secrets are not encrypted")
    ciphertext, held.ciphertext = bytes.fromhex(held.ciphertext), ""
    hidden = decrypt(ciphertext, passphrase, held.scrypt, documents.write(document), where=where)
    read = documents.read(hidden, dict[_Name, Hash], what="key file", error=ConfigurationError, where=where)
    found = {name: bytes.fromhex(secret) for name, secret in read.items()}
    for name, keystore in held.keystores.items():
        found[name] = from_keystore(keystore, passphrase, where=where)
    return tuple(found.items())


def _entry(kind: Kind | None, key: Key) -> KeyEntry:
    if kind is None:
        raise ValueError("the format has no key of this name")
    token = None
    if isinstance(key, TokenAccount | TokenCheckpointKey):
        token = key.uri.text
    elif not isinstance(key, bytes):
        raise TypeError(f"a {type(key).__name__} cannot be stored in a key file")
    return KeyEntry(type=kind, public=_public(kind, key), token=token)


def _public(kind: Kind, key: Key) -> str:
    """Return the public part of a key in hex: an address, or a public key."""
    if isinstance(key, bytes):
        if kind == "x25519":
            return X25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw().hex()
        if kind == "ristretto255":
            check_scalar(key, "the key")
            return multiply_base(key).hex()
        key = SoftwareAccount(key) if kind == "secp256k1" else SoftwareCheckpointKey(key)
    if isinstance(key, AccountSigner):
        return key.address.removeprefix("0x").lower()
    return key.public.hex()


def _stated(name: str, entry: KeyEntry, secret: bytes, where: Path) -> str:
    try:
        return _public(entry.type, secret)
    except (ValueError, VerificationError):  # not every 32 bytes are a key of secp256k1 or of ristretto255
        raise _damaged(name, "it is no key", where) from None


def _on_token(entry: KeyEntry, uri: TokenUri) -> Key:
    public = bytes.fromhex(entry.public)
    if entry.type == "secp256k1":
        return TokenAccount(uri, checksummed(public))
    return TokenCheckpointKey(uri, public)


def _damaged(name: str, what: str, path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"the key file contradicts itself at the key {name}: {what}",
        where=str(path),
        next_step="Restore it from a backup.",
    )
