"""The key files of a state folder: show them, encrypt them, and move keys to a token.

Every change is written to a new file, which is opened again before it replaces the old one: after a wrong
passphrase, a token that fails or a crash, the old file is there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from counterfoil.accounts import AccountDocument, read_account
from counterfoil.extras import needs
from counterfoil.member import agent_identifier
from ledger.errors import ConfigurationError, InputError
from ledger.home import Home

if TYPE_CHECKING:
    from ledger.keystore.keyfile import Key, KeyFileDocument
    from ledger.keystore.token import TokenKind
    from ledger.keystore.uri import TokenUri

__all__ = ["KeyFile", "KeyShown", "create_on_token", "key_files", "token_key"]


@dataclass(frozen=True, slots=True)
class KeyShown:
    """The public part of a key.

    Parameters
    ----------
    name : str
        Its name in the file, such as ``account``.
    type : {"secp256k1", "ed25519", "x25519", "ristretto255"}
    public : str
        The address of an account, with checksum; otherwise the public key in hex.
    storage : {"plain", "encrypted", "token"}
    token : str or None
        The URI of the key on the token.
    """

    name: str
    type: str
    public: str
    storage: Literal["plain", "encrypted", "token"]
    token: str | None


@needs()
class KeyFile:
    """The key file of one party.

    Parameters
    ----------
    party : str
        Whose keys they are, for a person.
    path : Path
    read : callable
        Reads the file without its secrets.
    """

    def __init__(self, party: str, path: Path, read: Callable[[Path], KeyFileDocument]) -> None:
        self.party, self.path, self._read = party, path, read

    @classmethod
    def of_member(cls, home: Home, agent: str) -> KeyFile:
        """Return the key file of a member."""
        from ledger.member.keys import read_member_keys

        agent = agent_identifier(agent)
        return cls(f"member {agent}", home.member(agent).keys, read_member_keys)

    @classmethod
    def of_desk(cls, home: Home) -> KeyFile:
        """Return the key file of the desk."""
        from ledger.reader.keys import read_desk_keys

        return cls("desk", home.desk.keys, read_desk_keys)

    @classmethod
    def of_founder(cls, home: Home) -> KeyFile:
        """Return the key file of the founder."""
        return cls("founder", home.founder, read_account)

    @classmethod
    def of_officer(cls, home: Home, number: int) -> KeyFile:
        """Return the key file of an officer of this machine, counted from 1."""
        return cls(f"officer {number}", home.officer(number), read_account)

    @classmethod
    def of_holder(cls, home: Home) -> KeyFile:
        """Return the key file of the key holder of a state folder."""
        from ledger.holder.keys import read_holder_keys

        return cls("key holder", home.holder / "keys.json", read_holder_keys)

    @property
    def encrypted(self) -> bool:
        """Whether the secrets of the file are encrypted."""
        return self._read(self.path).encrypted

    def show(self) -> list[KeyShown]:
        """Return the public parts of all keys; no passphrase is needed."""
        from ledger.signing import checksummed

        document = self._read(self.path)
        return [
            KeyShown(
                name,
                entry.type,
                checksummed(bytes.fromhex(entry.public)) if entry.type == "secp256k1" else entry.public,
                "token" if entry.token else "encrypted" if document.encrypted else "plain",
                entry.token,
            )
            for name, entry in sorted(document.keys.items())
        ]

    def encrypt(self) -> None:
        """Encrypt the file under a passphrase; what was plain may stay on the disk, and in backups.

        Raises
        ------
        ConfigurationError
            When it is encrypted already.
        PassphraseError
            When there is no passphrase.
        """
        from ledger.keystore.passphrase import PASSPHRASE

        document = self._read(self.path)
        if document.encrypted:
            raise ConfigurationError(
                "the key file is encrypted already",
                where=str(self.path),
                next_step="Run `counterfoil keys passphrase` to change its passphrase.",
            )
        self._write(document, self._opened(document), PASSPHRASE.choose())

    def change_passphrase(self) -> None:
        """Encrypt the file under another passphrase; backups keep the old one.

        Raises
        ------
        ConfigurationError
            When it is not encrypted.
        PassphraseError
            When a passphrase is missing, or the old one is wrong.
        """
        from ledger.keystore.passphrase import NEW_PASSPHRASE

        document = self._read(self.path)
        if not document.encrypted:
            raise ConfigurationError(
                "the key file is not encrypted",
                where=str(self.path),
                next_step="Run `counterfoil keys encrypt`.",
            )
        keys = self._opened(document)
        chosen = NEW_PASSPHRASE.choose()
        self._write(document, keys, chosen)

    def to_token(self, name: str, uri: str) -> KeyShown:
        """Move a key to a token; the file then has its name on the token, and no secret.

        If it was interrupted, make the same call again. Earlier copies of the file still have the secret.

        Parameters
        ----------
        name : str
            The key's name in the file.
        uri : str
            The key's name on the token (RFC 7512).

        Raises
        ------
        InputError
            When there is no such key, it cannot be on a token, or the URI is malformed.
        TokenError
            When the token is not there, has another key of this name, or does not take keys.
        """
        from ledger.decision import officer_reader_key
        from ledger.keystore.uri import TokenUri

        document, place = self._read(self.path), TokenUri.parse(uri)
        entry = document.keys.get(name)
        fixed = ("x25519", "ristretto255")
        if entry is None or entry.type in fixed or entry.token is not None:
            movable = [known.name for known in self.show() if known.type not in fixed and known.token is None]
            raise InputError(
                f"the key file has no key {name!r} that can be moved to a token",
                where=str(self.path),
                next_step=f"Keys that can be moved: {', '.join(movable) or 'none'}.",
            )
        keys = self._opened(document)
        secret = keys[name]
        if not isinstance(secret, bytes):
            raise TypeError("a key that is not on a token is 32 bytes")
        keys[name] = _imported(place, entry.type, secret)
        if isinstance(document, AccountDocument) and name == "account":
            keys["reader-1"] = officer_reader_key(secret)
        self._write(document, keys, _passphrase(document))
        return next(shown for shown in self.show() if shown.name == name)

    def _opened(self, document: KeyFileDocument) -> dict[str, Key]:
        from ledger.keystore.keyfile import open_keys

        return open_keys(document, where=self.path)

    def _write(self, document: KeyFileDocument, keys: Mapping[str, Key], passphrase: str | None) -> None:
        """Write the file anew, after the new document was opened."""
        from ledger.keystore.keyfile import document_of, open_keys, write_document
        from ledger.keystore.passphrase import PASSPHRASE

        made = document_of(type(document), keys, passphrase=passphrase, **document.own_fields())
        if passphrase is not None:
            PASSPHRASE.use(passphrase)
        again = open_keys(made, where=self.path)
        if again.keys() != keys.keys() or any(
            again[name] != key for name, key in keys.items() if isinstance(key, bytes)
        ):
            raise RuntimeError("the new key file does not open to the same keys")
        write_document(self.path, made)


def key_files(home: Home) -> Iterator[KeyFile]:
    """Return the key files that are in a state folder: founder, officers, desk, key holder, members."""
    members = sorted(home.member("any").root.parent.glob("*/keys.json"))
    officers = sorted(home.officer(1).parent.glob("*.json"))
    found = [KeyFile.of_founder(home), KeyFile.of_desk(home), KeyFile.of_holder(home)]
    found += [KeyFile.of_officer(home, int(path.stem)) for path in officers if path.stem.isdecimal()]
    found += [KeyFile.of_member(home, path.parent.name) for path in members]
    return (file for file in found if file.path.exists())


def create_on_token(kind: TokenKind, uri: str) -> str:
    """Make a key pair on a token, from where it cannot be read; return its address or its public key.

    Raises
    ------
    InputError
        When the URI is malformed.
    TokenError
        When the token is not there, or has a key of this name already.
    """
    from ledger.keystore.token import create_key
    from ledger.keystore.uri import TokenUri

    return create_key(TokenUri.parse(uri), kind)


def token_key(kind: TokenKind, uri: TokenUri) -> Key:
    """Return the key of this name on a token; it is made if the token does not have it."""
    from ledger.keystore.token import TokenAccount, TokenCheckpointKey, create_key, find_public

    public = find_public(uri, kind) or create_key(uri, kind)
    return (
        TokenAccount(uri, public) if kind == "secp256k1" else TokenCheckpointKey(uri, bytes.fromhex(public))
    )


def _imported(uri: TokenUri, kind: str, secret: bytes) -> Key:
    """Import a key into a token, unless it is there; the token must then sign with it."""
    from coincurve import PrivateKey

    from ledger.keystore.token import TokenAccount, TokenCheckpointKey, TokenError, find_public, import_key
    from ledger.log.signer import SoftwareCheckpointKey
    from ledger.signing import address_of

    key: TokenAccount | TokenCheckpointKey
    if kind == "secp256k1":
        point, public = PrivateKey(secret).public_key.format(compressed=False), address_of(secret)
        key = TokenAccount(uri, public)
    else:
        point = SoftwareCheckpointKey(secret).public
        public, key = point.hex(), TokenCheckpointKey(uri, point)
    there = find_public(uri, cast("TokenKind", kind))
    if there is None:
        import_key(uri, cast("TokenKind", kind), secret, point)
    elif there != public:
        raise TokenError(
            "the token has another key of this name",
            where=uri.text,
            next_step="Choose another name for the key, with object= in the URI.",
        )
    probe = os.urandom(32)
    if isinstance(key, TokenAccount):
        key.sign_digest(probe)
    else:
        key.sign(probe)
    return key


def _passphrase(document: KeyFileDocument) -> str | None:
    from ledger.keystore.passphrase import PASSPHRASE

    return PASSPHRASE.read() if document.encrypted else None
