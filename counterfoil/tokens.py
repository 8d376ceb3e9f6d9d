"""Access tokens of the desk's API: 256 random bits for a role and a subject, stored as SHA-256 hash."""

from __future__ import annotations

import fcntl
import hmac
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, TypeVar, get_args

from ledger import documents
from ledger.documents import Document, Hash
from ledger.errors import ConfigurationError, InputError
from ledger.home import Home
from ledger.storage import private_folder, write_atomically

__all__ = ["FORMAT", "PREFIX", "ROLES", "Role", "Token", "TokenFile", "issue", "revoke", "tokens"]

FORMAT: Final = "counterfoil/tokens/2"

#: Format of a file from before tokens could expire.
FORMAT_BEFORE: Final = "counterfoil/tokens/1"

_HEAD_BEFORE: Final = f'{{"format":"{FORMAT_BEFORE}"'.encode()

#: First characters of a token; scanners for leaked secrets can search for them.
PREFIX: Final = "cf_"

Role = Literal["member", "officer", "auditor", "operator"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

_SHORTEST_ID: Final = 8
_LONGEST_SUBJECT: Final = 128
_LONGEST_DAYS: Final = 3_660


@dataclass(frozen=True, slots=True)
class Token:
    """The stored part of a token.

    Parameters
    ----------
    hash : str
        SHA-256 of the token, hex. The token has 256 random bits, so nobody can guess it from its hash.
    role : str
    subject : str
        The member's agent identifier, or the name of the person or program that holds the token.
    issued_at : str
        UTC, ISO 8601.
    expires_at : int or None
        Unix time in seconds; None if the token never expires.
    """

    hash: Hash
    role: Role
    subject: str
    issued_at: str
    expires_at: int | None = None

    @property
    def id(self) -> str:
        """Identifier of the token, for lists, logs and `revoke`."""
        return self.hash[:12]

    def expired(self, now: datetime) -> bool:
        """Return whether the token has expired at this time."""
        return self.expires_at is not None and self.expires_at <= now.timestamp()


class TokensDocument(Document, tag_field="format", tag=FORMAT):
    """The token file in JSON."""

    tokens: list[Token]


class TokenBefore(Document):
    """A token in a file of the first format; it never expires."""

    hash: Hash
    role: Role
    subject: str
    issued_at: str


class TokensDocumentBefore(Document, tag_field="format", tag=FORMAT_BEFORE):
    """The token file of the first format in JSON."""

    tokens: list[TokenBefore]


_Tokens = TypeVar("_Tokens", TokensDocument, TokensDocumentBefore)


def issue(home: Home, role: str, subject: str, *, days: float | None = None) -> str:
    """Issue a token and return its text; only its hash is stored.

    Parameters
    ----------
    home : Home
    role : {'member', 'officer', 'auditor', 'operator'}
    subject : str
        For a member its agent identifier, as on the chain; otherwise the name of the holder.
    days : float, optional
        Number of days after which the token expires; never by default.

    Raises
    ------
    InputError
        When the role does not exist; the subject is empty, too long or not printable; or `days` is not
        positive.
    """
    known = next((known for known in ROLES if known == role), None)
    if known is None:
        raise InputError(f"there is no role {role!r}", next_step=f"The roles are: {', '.join(ROLES)}.")
    if days is not None and not 0 < days <= _LONGEST_DAYS:
        raise InputError(
            f"a token cannot expire after {days} days",
            next_step=f"Give a number of days from 1 to {_LONGEST_DAYS}.",
        )
    if not subject.strip() or len(subject) > _LONGEST_SUBJECT or not subject.isprintable():
        raise InputError(
            f"the subject of a token must have 1 to {_LONGEST_SUBJECT} printable characters",
            next_step="Give the agent identifier of the member, or the name of the holder.",
        )
    text = PREFIX + secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    issued_at = now.isoformat(timespec="seconds")
    expires_at = None if days is None else int((now + timedelta(days=days)).timestamp())
    with _changing(home.tokens):
        _write(home.tokens, [*tokens(home), Token(_hash(text), known, subject, issued_at, expires_at)])
    return text


def tokens(home: Home) -> list[Token]:
    """Return all tokens that are not revoked, in the order of issue; some may have expired.

    Raises
    ------
    ConfigurationError
        When the file is damaged.
    """
    return _read(home.tokens)


def revoke(home: Home, token_id: str) -> Token:
    """Revoke a token; a running desk refuses it from the next request on.

    Parameters
    ----------
    home : Home
    token_id : str
        At least 8 first hex digits of the hash, or the token itself.

    Raises
    ------
    InputError
        When no token or several tokens match.
    """
    prefix = _hash(token_id) if token_id.startswith(PREFIX) else token_id.lower()
    with _changing(home.tokens):
        kept = tokens(home)
        found = [token for token in kept if token.hash.startswith(prefix)]
        if len(found) != 1 or len(prefix) < _SHORTEST_ID:
            raise InputError(
                "no token matches, or more than one token matches",
                where=str(home.tokens),
                next_step=f"Give the token, or at least {_SHORTEST_ID} digits of its identifier; "
                "`counterfoil desk token list` shows the identifiers.",
            )
        _write(home.tokens, [token for token in kept if token != found[0]])
    return found[0]


class TokenFile:
    """The tokens of a state folder, read again whenever the file changes.

    Parameters
    ----------
    path : Path
        `ledger.home.Home.tokens`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._tokens: Sequence[Token] = ()

    def find(self, text: str) -> Token | None:
        """Return the stored part of the token `text`; None if it is unknown or has expired.

        Every hash is compared in constant time, so the time does not depend on the hashes.
        """
        hashed = _hash(text)
        found = None
        for token in self._current():
            if hmac.compare_digest(token.hash, hashed):
                found = token
        return None if found is None or found.expired(datetime.now(UTC)) else found

    def _current(self) -> Sequence[Token]:
        with self._lock:
            try:
                status = self._path.stat()
            except FileNotFoundError:
                self._seen, self._tokens = None, ()
                return self._tokens
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                self._tokens = _read(self._path)
                self._seen = seen
            return self._tokens


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _read(path: Path) -> list[Token]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    if data.startswith(_HEAD_BEFORE):
        before = _document(data, TokensDocumentBefore, path)
        return [Token(t.hash, t.role, t.subject, t.issued_at) for t in before.tokens]
    return _document(data, TokensDocument, path).tokens


def _document(data: bytes, kind: type[_Tokens], path: Path) -> _Tokens:
    return documents.read(
        data,
        kind,
        what="token file",
        error=ConfigurationError,
        where=str(path),
        next_step="Remove the file and issue the tokens again.",
    )


def _write(path: Path, entries: Sequence[Token]) -> None:
    write_atomically(path, documents.write(TokensDocument(tokens=list(entries))), mode=0o600)


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Lock the token file, so that only one process at a time changes it."""
    private_folder(path.parent)
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
