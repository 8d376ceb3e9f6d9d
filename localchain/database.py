"""The chain's SQLite database: py-evm's key-value store and the index of transactions and logs, in one file.

py-evm writes a block's state in many small steps. They stay in memory until `commit` stores them, together
with the block's index rows, in one SQLite transaction. A process killed before has changed nothing.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eth.abc import AtomicWriteBatchAPI
from eth.db.atomic import AtomicDBWriteBatch
from eth.db.backends.base import BaseAtomicDB

from localchain.home import private_file

__all__ = ["Database"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS transactions (
    block INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL UNIQUE, sender BLOB NOT NULL,
    contract BLOB, status INTEGER NOT NULL, gas_used INTEGER NOT NULL, cumulative_gas INTEGER NOT NULL,
    gas_price INTEGER NOT NULL, size INTEGER NOT NULL, raw BLOB NOT NULL, PRIMARY KEY (block, position));
CREATE TABLE IF NOT EXISTS deployers (account BLOB PRIMARY KEY, block INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS logs (
    place INTEGER PRIMARY KEY, position INTEGER NOT NULL, hash BLOB NOT NULL,
    address BLOB NOT NULL, topic0 BLOB, topic1 BLOB, topic2 BLOB, topic3 BLOB,
    size INTEGER NOT NULL, data BLOB NOT NULL, gap INTEGER NOT NULL DEFAULT 0,
    borrowed_from INTEGER NOT NULL DEFAULT 0, borrowed INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS logs_by_event ON logs (address, topic0);
"""

#: Columns that a chain of an earlier version lacks; their defaults say what its rows mean.
_ADDED = {
    "logs": ("gap", "borrowed_from", "borrowed"),
}

#: Bytes that the journal keeps on disk between checkpoints.
_JOURNAL_LIMIT = 16 * 2**20

#: Rows for the tables of the index, by the SQL that inserts them.
Rows = Sequence[tuple[str, Iterable[Sequence[Any]]]]


class Database(BaseAtomicDB):
    """A py-evm database whose writes become durable block by block.

    Only one thread may use it at a time, except for `query`, which has its own connection and lock and sees
    committed blocks only. A long query does not delay the thread that makes a block.

    Parameters
    ----------
    path : Path
        The SQLite file; made if it is not there, for its owner alone.
    """

    def __init__(self, path: Path) -> None:
        self._pending: dict[bytes, bytes | None] = {}
        private_file(path)  # SQLite gives its journals the mode of the file
        self._writer = self._connect(path)
        self._writer.executescript(_SCHEMA)
        self._add_columns()
        self._reader = self._connect(path)
        self._reader.execute("PRAGMA query_only = ON")
        self._reader_lock = threading.Lock()

    @staticmethod
    def _connect(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL, not NORMAL: an acknowledged block survives a power cut too, not only a killed process.
        connection.execute("PRAGMA synchronous = FULL")
        # A long read, such as a backup, lets the journal grow; it shrinks to this again.
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT}")
        return connection

    def _add_columns(self) -> None:
        for table, columns in _ADDED.items():
            present = {row[1] for row in self._writer.execute(f"PRAGMA table_info({table})")}
            for column in columns:
                if column not in present:
                    self._writer.execute(
                        f"ALTER TABLE {table} ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0"
                    )

    # ------------------------------------------------------------ what py-evm asks of a database

    def __getitem__(self, key: bytes) -> bytes:
        if key in self._pending:
            value = self._pending[key]
        else:
            row = self._writer.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
            value = None if row is None else row[0]
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._pending[key] = value

    def __delitem__(self, key: bytes) -> None:
        self[key]
        self._pending[key] = None

    def _exists(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    @contextmanager
    def atomic_batch(self) -> Iterator[AtomicWriteBatchAPI]:
        """Collect writes and apply them together, as py-evm requires; `commit` makes them durable."""
        with AtomicDBWriteBatch._commit_unless_raises(self) as batch:
            yield batch

    # ------------------------------------------------------------ blocks

    def commit(self, rows: Rows) -> None:
        """Make all writes since the last commit durable together with `rows`, or none of them.

        Parameters
        ----------
        rows : sequence of (str, iterable of sequence)
            Insert statements and their rows.

        Raises
        ------
        sqlite3.Error
            If the disk is full or fails; the pending writes are dropped.
        """
        kept = [(key, value) for key, value in self._pending.items() if value is not None]
        dropped = [(key,) for key, value in self._pending.items() if value is None]
        self._pending.clear()
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            self._writer.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", kept)
            self._writer.executemany("DELETE FROM state WHERE key = ?", dropped)
            for statement, values in rows:
                self._writer.executemany(statement, values)
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    def rollback(self) -> None:
        """Drop all writes since the last commit."""
        self._pending.clear()

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read committed rows; safe to call from any thread.

        Parameters
        ----------
        statement : str
            A SELECT.
        values : sequence
            The values that are bound to it.

        Returns
        -------
        list of tuple
            The rows.
        """
        with self._reader_lock:
            return self._reader.execute(statement, values).fetchall()

    def query_in_turn(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read as `query` does, but only on the thread that may write: it does not wait for other readers."""
        return self._writer.execute(statement, values).fetchall()

    def close(self) -> None:
        """Close the file; uncommitted writes are lost."""
        with self._reader_lock:
            self._reader.close()
        self._writer.close()
