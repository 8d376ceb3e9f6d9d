"""The desk's file of cases: one SQLite file with its flags, the officers' decisions and the desk's notes."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from ledger.reader.casefile import REMEDY, upgrade
from ledger.storage import open_database

__all__ = ["Book"]


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
        self._state = open_database(path, what="the desk's file of flags", remedy=REMEDY, upgrade=upgrade)

    def close(self) -> None:
        """Close the file."""
        self._state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
