"""DuckDB in memory: what does not fit there goes to a folder that only its owner may enter."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ledger.storage import disk_error

__all__ = ["memory_database"]


@contextmanager
def memory_database(spill: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB database in memory; what does not fit there goes to a folder that only we may enter.

    DuckDB's own choice is `.tmp` in the current folder, readable by everybody.

    Parameters
    ----------
    spill : Path, optional
        Where that folder is made; by default in the system's place for temporary files.
    """
    place = spill or Path(tempfile.gettempdir())
    with (
        _spilling(place),
        tempfile.TemporaryDirectory(prefix=".duckdb-", dir=spill) as folder,
        duckdb.connect(config={"temp_directory": folder}) as connection,
    ):
        yield connection


@contextmanager
def _spilling(place: Path) -> Iterator[None]:
    """Turn DuckDB's errors about a disk that is full or fails into a `StorageError`."""
    try:
        yield
    except duckdb.Error as error:
        text = str(error)
        full = "No space left" in text or "max_temp_directory_size" in text
        if not (full or isinstance(error, duckdb.IOException)):
            raise
        raise disk_error(text.splitlines()[0], place, full=full) from error
