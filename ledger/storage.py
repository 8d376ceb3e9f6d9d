"""Atomic file writes, private file modes, and errors for a full or failing disk.

Durable data is written either in an SQLite transaction or to a temporary file that is renamed when it is
complete. When the disk is full, only the current step fails; data written before it stays intact.

State is private: files have mode 0600 in folders of mode 0700, whatever the umask. Files for other readers
(the desk's published files, the trust file, an export that the user names) are written with `PUBLISHED`.
"""

from __future__ import annotations

import errno
import io
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.errors import ConfigurationError, CounterfoilError

__all__ = [
    "PUBLISHED",
    "StorageError",
    "disk_error",
    "open_database",
    "private_file",
    "private_folder",
    "replacing",
    "storing",
    "transaction",
    "write_atomically",
]

#: Mode of a file that others may read; the umask may narrow it.
PUBLISHED: Final = 0o644

_PRIVATE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_OTHERS: Final = 0o077

#: SQLite's primary result codes for a disk that is full, fails, or does not let a file be opened or written.
_SQLITE: Final = {8: "read-only", 10: "input or output fails", 13: "full", 14: "cannot be opened"}

#: Seconds to wait for another process that writes to the same database.
PATIENCE_SECONDS: Final = 30

#: SQLite's result codes for a file or a table that another process has locked.
_LOCKED: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StorageError(CounterfoilError):
    """Raised when the disk is full or cannot be written; data stored before stays intact."""


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn disk errors of the operating system and of SQLite into an error that says what to do.

    Raises
    ------
    StorageError
        When the disk is full, fails, or cannot be written.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        reason = _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        if reason is None:
            raise
        raise disk_error(f"{reason}: {error}", path, full=reason == "full") from error
    except OSError as error:
        raise disk_error(error.strerror or str(error), path, full=error.errno in _FULL) from error


def disk_error(reason: str, path: Path, *, full: bool) -> StorageError:
    """Return the error for a disk that is full, or that cannot be written for another reason."""
    if full:
        return StorageError(
            f"the disk is full, or the quota is used up ({reason})",
            where=str(path),
            next_step="Free disk space, then run the same command again: data stored before is intact, "
            "and the incomplete write is ignored.",
        )
    return StorageError(
        f"the disk cannot be written ({reason})",
        where=str(path),
        next_step="Check the disk and the write permission, then run the same command again.",
    )


def private_folder(folder: Path) -> None:
    """Create a folder that only its owner may enter, and its missing parent folders.

    If the folder exists and belongs to the current user, other users lose access. A shared folder (with the
    sticky bit, such as `/tmp`) is left unchanged.
    """
    _make_folders(folder, _PRIVATE_FOLDER)
    if not folder.stat().st_mode & stat.S_ISVTX:
        _close_to_others(folder)


def private_file(path: Path) -> None:
    """Create an empty file that only its owner may read; an existing file keeps its content.

    Other users lose access to an existing file. It is not opened: closing it would release the locks that
    this process holds on it, for example on an SQLite file.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE))
    except FileExistsError:
        _close_to_others(path)


def _make_folders(folder: Path, mode: int) -> None:
    """Create a folder and its parents, each with this mode; `Path.mkdir` sets it on the last one only."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=mode, exist_ok=True)


def _close_to_others(path: Path) -> None:
    status = path.stat()
    if status.st_mode & _OTHERS and status.st_uid == os.geteuid():
        path.chmod(stat.S_IMODE(status.st_mode) & ~_OTHERS)


def open_database(
    path: Path,
    *,
    what: str,
    remedy: str,
    tables: str = "",
    upgrade: Callable[[sqlite3.Connection, Path], None] | None = None,
) -> sqlite3.Connection:
    """Open a private SQLite file with durable writes (WAL, synchronous=FULL); create it if it is missing.

    Parameters
    ----------
    path : Path
        The file; its folder is made private too.
    what : str
        Name of the file in error messages.
    remedy : str
        The next step in the error about a damaged file.
    tables : str
        SQL statements that create missing tables.
    upgrade : callable, optional
        Brings the tables of an earlier version up to date.

    Returns
    -------
    sqlite3.Connection
        In autocommit mode; see `transaction`.

    Raises
    ------
    ConfigurationError
        When the file is not an SQLite database, or another process keeps it locked.
    StorageError
        When the disk is full or cannot be written.
    """
    with storing(path):
        private_folder(path.parent)
        private_file(path)  # SQLite gives its journals the mode of the file
        connection = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE_SECONDS)
    try:
        with storing(path):
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.executescript(tables)
            if upgrade is not None:
                upgrade(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        locked = getattr(error, "sqlite_errorcode", 0) & 0xFF in _LOCKED
        raise ConfigurationError(
            f"another process keeps {what} locked: {error}" if locked else f"{what} is not readable: {error}",
            where=str(path),
            next_step="Wait until the other process has finished, then run the command again."
            if locked
            else remedy,
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """Run one durable SQLite transaction: it is stored completely or not at all, even on a full disk."""
    with storing(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk may have rolled it back already
                connection.execute("ROLLBACK")
            raise


def write_atomically(path: Path, data: bytes, *, mode: int = _PRIVATE) -> None:
    """Write a temporary file, flush it to disk and rename it; a crash leaves the old file or the new one.

    Parameters
    ----------
    path : Path
        The file. Missing parent folders are created; whoever may read the file may enter them.
    data : bytes
    mode : int
        Who may read it: only its owner, or others too (`PUBLISHED`).

    Raises
    ------
    StorageError
        When the disk is full or cannot be written; the old file stays.
    """
    with replacing(path, mode) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, mode: int = _PRIVATE) -> Iterator[io.BufferedRandom]:
    """Open a temporary file that is renamed to `path` when it is complete; see `write_atomically`."""
    with storing(path):
        _make_folders(path.parent, mode | (mode & 0o444) >> 2)  # who may read the file may enter its folder
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with os.fdopen(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode), "wb+") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
