"""DuckDB databases in memory; data that does not fit goes to a private folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ledger.storage import disk_error

__all__ = ["disk_errors", "memory_database"]


@contextmanager
def memory_database(spill: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB database in memory; data that does not fit goes to a folder that only the owner can read.

    DuckDB's default is the folder `.tmp` in the current folder, which every user can read.

    Parameters
    ----------
    spill : Path, optional
        Parent of that folder; by default the system's folder for temporary files.
    """
    place = spill or Path(tempfile.gettempdir())
    with (
        disk_errors(place),
        tempfile.TemporaryDirectory(prefix=".duckdb-", dir=spill) as folder,
        duckdb.connect(config={"temp_directory": folder}) as connection,
    ):
        yield connection


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn DuckDB's errors about a full or failing disk into a `StorageError`."""
    try:
        yield
    except duckdb.Error as error:
        text = str(error)
        full = "No space left" in text or "max_temp_directory_size" in text
        if not (full or isinstance(error, duckdb.IOException)):
            raise
        raise disk_error(text.splitlines()[0], place, full=full) from error
