"""Access tokens: 256 random bits for a role and a subject, kept only as SHA-256 hashes."""

from __future__ import annotations

import fcntl
import hmac
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, get_args

from ledger import documents
from ledger.documents import Document, Hash
from ledger.errors import ConfigurationError, InputError
from ledger.home import Home
from ledger.storage import write_atomically

__all__ = ["FORMAT", "PREFIX", "ROLES", "Role", "Token", "TokenFile", "issue", "revoke", "tokens"]

FORMAT: Final = "counterfoil/tokens/1"

#: Lets a scanner for leaked secrets recognise one.
PREFIX: Final = "cf_"

Role = Literal["member", "officer", "auditor", "operator"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

_SHORTEST_ID: Final = 8
_LONGEST_SUBJECT: Final = 128


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token.

    Parameters
    ----------
    hash : str
        SHA-256 of the token, hex. As the token is 256 random bits, a plain hash cannot be guessed back.
    role : str
    subject : str
        The member's agent identifier, or the name of the person or program that holds the token.
    issued_at : str
        UTC, ISO 8601.
    """

    hash: Hash
    role: Role
    subject: str
    issued_at: str

    @property
    def id(self) -> str:
        """What lists and logs show, and `revoke` takes."""
        return self.hash[:12]


class TokensDocument(Document, tag_field="format", tag=FORMAT):
    """The token file in JSON."""

    tokens: list[Token]


def issue(home: Home, role: Role, subject: str) -> str:
    """Make a token; its text is returned here and kept nowhere.

    Parameters
    ----------
    home : Home
    role : {'member', 'officer', 'auditor', 'operator'}
    subject : str
        For a member its agent identifier, exactly as it stands on the chain; else who holds the token.

    Raises
    ------
    InputError
        When the role does not exist or the subject is empty, too long or not printable.
    """
    if role not in ROLES:
        raise InputError(f"there is no role {role!r}", next_step=f"The roles are: {', '.join(ROLES)}.")
    if not subject.strip() or len(subject) > _LONGEST_SUBJECT or not subject.isprintable():
        raise InputError(
            f"a token's subject is 1 to {_LONGEST_SUBJECT} printable characters",
            next_step="Name the member's agent identifier, or the person who will hold the token.",
        )
    text = PREFIX + secrets.token_urlsafe(32)
    issued_at = datetime.now(UTC).isoformat(timespec="seconds")
    with _changing(home.tokens):
        _write(home.tokens, [*tokens(home), Token(_hash(text), role, subject, issued_at)])
    return text


def tokens(home: Home) -> list[Token]:
    """Return every token that is in force, in the order of issue.

    Raises
    ------
    ConfigurationError
        When the file is damaged.
    """
    return _read(home.tokens)


def revoke(home: Home, token_id: str) -> Token:
    """Take a token out of force; a running desk notices at the next request.

    Parameters
    ----------
    home : Home
    token_id : str
        The first 8 or more hex digits of its hash, or the token itself.

    Raises
    ------
    InputError
        When it names no token, or several.
    """
    prefix = _hash(token_id) if token_id.startswith(PREFIX) else token_id.lower()
    with _changing(home.tokens):
        kept = tokens(home)
        found = [token for token in kept if token.hash.startswith(prefix)]
        if len(found) != 1 or len(prefix) < _SHORTEST_ID:
            raise InputError(
                "this names no token, or more than one",
                where=str(home.tokens),
                next_step=f"Give the token, or at least {_SHORTEST_ID} digits of its identifier.",
            )
        _write(home.tokens, [token for token in kept if token != found[0]])
    return found[0]


class TokenFile:
    """The tokens of a home, read again whenever the file changes.

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
        """Return the token that `text` is, or None.

        Every hash is compared, each in constant time: how long it takes tells nothing of the hashes.
        """
        hashed = _hash(text)
        found = None
        for token in self._current():
            if hmac.compare_digest(token.hash, hashed):
                found = token
        return found

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
    document = documents.read(
        data,
        TokensDocument,
        what="token file",
        error=ConfigurationError,
        where=str(path),
        next_step="Remove it and issue the tokens again.",
    )
    return document.tokens


def _write(path: Path, entries: Sequence[Token]) -> None:
    write_atomically(path, documents.write(TokensDocument(tokens=list(entries))), mode=0o600)


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Let one process at a time change the file, so that no token issued beside another is lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
