"""Files that are whole or not there, and what to say when the disk is full or fails.

Everything durable is written either in an SQLite transaction or to a file of another name that is renamed
when it is complete; so a full disk costs the step that met it, and nothing written before.
"""

from __future__ import annotations

import errno
import io
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.errors import CounterfoilError

__all__ = ["StorageError", "disk_error", "replacing", "storing", "transaction", "write_atomically"]

#: SQLite's primary result codes for a disk that is full, fails, or does not let a file be opened or written.
_SQLITE: Final = {8: "read-only", 10: "input or output fails", 13: "full", 14: "cannot be opened"}

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


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write, flush to disk and rename, so that a crash leaves the old file or the new one.

    Raises
    ------
    StorageError
        When the disk is full or cannot be written; the old file stands.
    """
    with replacing(path, mode) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, mode: int = 0o644) -> Iterator[io.BufferedRandom]:
    """Open a file that takes its name when it is complete; see `write_atomically`."""
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
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
