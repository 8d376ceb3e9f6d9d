"""The desk's file of cases: one SQLite file in which flags, decisions and notes each have a table."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from ledger.storage import open_database

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
        self._state = open_database(
            path, what="the desk's file of flags", remedy=self.remedy, tables=";".join(self.tables)
        )

    def close(self) -> None:
        """Close the file."""
        self._state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
