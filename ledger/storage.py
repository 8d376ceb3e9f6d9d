"""Files that are whole or not there, that only their owner may read, and errors for a disk that fails.

Everything durable is written either in an SQLite transaction or to a file of another name that is renamed
when it is complete; so a full disk costs the step that met it, and nothing written before.

State is private: files have mode 0600 in folders of mode 0700, whatever the umask. A file that others are
meant to get (`PUBLISHED`: what the desk publishes, the trust file, an export that the user names) says so.
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
    """Raised when the disk is full, or cannot be written; what was stored before stands."""


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn a disk that is full or fails into an error that says what to do.

    Raises
    ------
    StorageError
        Instead of what the operating system or SQLite raises.
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
            f"the disk is full, or the quota used up ({reason})",
            where=str(path),
            next_step="Make room, then run the same command again: what was stored before stands, "
            "and what was half written is not believed.",
        )
    return StorageError(
        f"the disk cannot be written ({reason})",
        where=str(path),
        next_step="See to the disk and to who may write there, then run the same command again.",
    )


def private_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter, and every folder missing above it.

    One that is there already and belongs to us is closed to others; a folder that many share (the sticky
    bit, as `/tmp` has it) is left as it is.
    """
    _make_folders(folder, _PRIVATE_FOLDER)
    if not folder.stat().st_mode & stat.S_ISVTX:
        _close_to_others(folder)


def private_file(path: Path) -> None:
    """Make an empty file that only its owner may read; one that is there keeps its content and is closed.

    A file that is there is not opened: closing it would release the locks that this process holds on it,
    as on an SQLite file.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE))
    except FileExistsError:
        _close_to_others(path)


def _make_folders(folder: Path, mode: int) -> None:
    """Make a folder and those above it, each with this mode; `Path.mkdir` gives it to the last one alone."""
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
    """Open an SQLite file durably (WAL, synchronous=FULL) and for its owner alone; make it if it is missing.

    Parameters
    ----------
    path : Path
        The file; its folder is made private too.
    what : str
        What the file is, for the error.
    remedy : str
        What to do when it is damaged, for the error.
    tables : str
        Statements that create what is not there yet.
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
            next_step="Run the command again when the other process has finished." if locked else remedy,
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """One durable SQLite transaction: all of it or nothing, also where the disk is full at its end."""
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
    """Write, flush to disk and rename, so that a crash leaves the old file or the new one.

    Parameters
    ----------
    path : Path
        The file. Folders missing above it are made, for those who may read the file.
    data : bytes
    mode : int
        Who may read it: its owner alone, or others too (`PUBLISHED`).

    Raises
    ------
    StorageError
        When the disk is full or cannot be written; the old file stands.
    """
    with replacing(path, mode) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, mode: int = _PRIVATE) -> Iterator[io.BufferedRandom]:
    """Open a file that takes its name when it is complete; see `write_atomically`."""
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
