"""The mirror's state in SQLite: what was read of the chain, the verdict on each batch, and the segments."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.door import Head, Known
from ledger.errors import ConfigurationError
from ledger.segment import FileEntry
from ledger.storage import open_database, transaction
from ledger.verdicts import Reason, Verdict

__all__ = ["MirrorState", "ReadBatch"]

_FORMAT: Final = 2
_AGAIN: Final = "Remove the mirror folder and sync again; the chain holds everything."

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS cursor (
  id INTEGER PRIMARY KEY CHECK (id = 1), block INTEGER NOT NULL, block_hash BLOB NOT NULL,
  entries INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS account (account BLOB PRIMARY KEY, code INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS epoch (
  position INTEGER PRIMARY KEY, number INTEGER NOT NULL, start INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS head (code INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS batch (
  log_index INTEGER PRIMARY KEY, entry INTEGER NOT NULL, hash BLOB NOT NULL, member TEXT NOT NULL,
  code INTEGER, sequence INTEGER NOT NULL, block INTEGER NOT NULL, row_count INTEGER NOT NULL,
  reason_code INTEGER, reason TEXT
);
CREATE TABLE IF NOT EXISTS segment (
  name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, rows INTEGER NOT NULL,
  log_from INTEGER NOT NULL, log_to INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """A batch that the mirror has read, and the verdict on it.

    Parameters
    ----------
    log_index : int
        Position among all batches, from 0.
    verdict : Verdict
    member : str
        The account that posted it.
    code : int or None
        Code of the member; None if the account was never a member's.
    sequence, block, row_count : int
    reason : str or None
        Why it is kept apart.
    """

    log_index: int
    verdict: Verdict
    member: str
    code: int | None
    sequence: int
    block: int
    row_count: int
    reason: str | None


class MirrorState:
    """The state of one mirror.

    Parameters
    ----------
    path : Path
        The SQLite file; it is created if it is missing.

    Raises
    ------
    ConfigurationError
        When the file is not a state of this version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = open_database(path, what="the mirror's state", remedy=_AGAIN, upgrade=_create)

    def close(self) -> None:
        """Close the file."""
        self._state.close()

    def segments(self) -> tuple[FileEntry, ...]:
        """Return the segments in log order."""
        cursor = self._state.execute(
            "SELECT name, sha256, rows, log_from, log_to FROM segment ORDER BY log_from"
        )
        return tuple(FileEntry(*row) for row in cursor)

    def batches(self, *, first: int = 0, limit: int = -1, rejected_only: bool = False) -> list[ReadBatch]:
        """Return batches from log index `first` on, in log order; a negative limit is none."""
        cursor = self._state.execute(
            "SELECT log_index, entry, hash, reason_code, member, code, sequence, block, row_count, reason "
            "FROM batch WHERE log_index >= ? AND (reason_code IS NOT NULL OR ?) ORDER BY log_index LIMIT ?",
            (first, not rejected_only, limit),
        )
        return [
            ReadBatch(
                log_index, Verdict(entry, batch_hash, None if number is None else Reason(number)), *rest
            )
            for log_index, entry, batch_hash, number, *rest in cursor
        ]

    def size(self) -> int:
        """Return the number of batches that were read."""
        return int(self._state.execute("SELECT count(*) FROM batch").fetchone()[0])

    def cursor(self) -> tuple[int, bytes] | None:
        """Return number and hash of the last block that was read, if any."""
        row = self._state.execute("SELECT block, block_hash FROM cursor").fetchone()
        return None if row is None else (int(row[0]), bytes(row[1]))

    def known(self) -> Known:
        """Return what the entries that were read said."""
        query = self._state.execute
        size = query("SELECT entries FROM cursor").fetchone()
        return Known(
            size=0 if size is None else int(size[0]),
            accounts=dict(query("SELECT account, code FROM account").fetchall()),
            epochs=dict(query("SELECT number, start FROM epoch ORDER BY position").fetchall()),
            heads={code: Head(*rest) for code, *rest in query("SELECT code, sequence, hash FROM head")},
        )

    def store(
        self,
        *,
        block: int,
        block_hash: bytes,
        known: Known,
        segment: FileEntry | None,
        batches: Sequence[ReadBatch],
    ) -> None:
        """Store what was read up to a block, in one transaction.

        Parameters
        ----------
        block : int
        block_hash : bytes
        known : Known
        segment : FileEntry or None
            The new segment.
        batches : sequence of ReadBatch
            Those that were read since the last call.
        """
        with transaction(self._state, self._path) as state:
            if segment is not None:
                row = segment.name, segment.sha256, segment.rows, segment.log_from, segment.log_to
                state.execute(f"INSERT INTO segment VALUES ({_marks(row)})", row)
            for table, rows in (
                ("batch", [_batch_row(batch) for batch in batches]),
                ("account", list(known.accounts.items())),
                ("epoch", [(position, *epoch) for position, epoch in enumerate(known.epochs.items())]),
                ("head", [(code, head.sequence, head.hash) for code, head in known.heads.items()]),
                ("cursor", [(1, block, block_hash, known.size)]),
            ):
                if rows:
                    state.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({_marks(rows[0])})", rows)


def _create(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables of a new file; refuse a file of another format."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version != _FORMAT and (version or tables):
        raise ConfigurationError(
            f"the mirror's state has format {version or 1}, this version reads {_FORMAT}",
            where=str(path),
            next_step=_AGAIN,
        )
    with transaction(connection, path):
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={_FORMAT}")


def _marks(row: Sequence[object]) -> str:
    return ", ".join("?" * len(row))


def _batch_row(batch: ReadBatch) -> tuple[object, ...]:
    verdict = batch.verdict
    number = None if verdict.reason is None else int(verdict.reason)
    place = batch.member, batch.code, batch.sequence, batch.block, batch.row_count
    return (batch.log_index, verdict.index, verdict.batch_hash, *place, number, batch.reason)
