"""The desk's file of cases: one SQLite file in which flags, decisions and notes each have a table."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

from ledger.errors import ConfigurationError
from ledger.storage import storing

__all__ = ["Book"]


class Book:
    """Tables in the desk's file of cases, opened durably; use it in a with statement, or close it.

    Parameters
    ----------
    path : Path
        The SQLite file.
    """

    #: The statements that create what is not there yet.
    tables: tuple[str, ...] = ()
    #: What to do when the file is damaged.
    remedy = "Restore it from a backup."

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with storing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._state = sqlite3.connect(path, isolation_level=None, timeout=30)
                self._state.execute("PRAGMA journal_mode=WAL")
                self._state.execute("PRAGMA synchronous=FULL")
                for statement in self.tables:
                    self._state.execute(statement)
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(
                f"the desk's file of flags is not readable: {error}", where=str(path), next_step=self.remedy
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
