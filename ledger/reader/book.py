"""The desk's file of cases: one SQLite file with its flags, the officers' decisions and the desk's notes."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ledger.errors import ConfigurationError
from ledger.reader.casefile import REMEDY, upgrade
from ledger.storage import storing

__all__ = ["Book"]

#: Seconds to wait for another process that writes.
PATIENCE_SECONDS: Final = 30

#: SQLite's result codes for a file or a table that another process has locked.
_LOCKED: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Book:
    """The desk's file of cases, opened durably; use it in a with statement, or close it.

    Processes that read and one that writes may have the file open at the same time: a reader sees what was
    committed before its query began, and waits for nobody. A book belongs to the thread that opened it. To
    open one takes well under a millisecond, so a server opens one for each request.

    Parameters
    ----------
    path : Path
        The SQLite file; it is created where there is none.

    Raises
    ------
    ConfigurationError
        When the file is damaged, or locked for long, or a later version of the program wrote it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with storing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._state = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE_SECONDS)
                self._state.execute("PRAGMA journal_mode=WAL")
                self._state.execute("PRAGMA synchronous=FULL")
                upgrade(self._state, path)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _LOCKED:
                raise ConfigurationError(
                    f"another process keeps the desk's file of flags locked: {error}",
                    where=str(path),
                    next_step="Run the command again when the other process has finished.",
                ) from error
            raise ConfigurationError(
                f"the desk's file of flags is not readable: {error}", where=str(path), next_step=REMEDY
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
