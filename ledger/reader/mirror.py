"""The mirror: reads final blocks, checks and opens every batch, and stores the rows as Parquet segments.

Cursor, heads, log leaves and segment entries change together in one SQLite transaction, after the segment's
file is durable. A file that is in no transaction is left over from a crash and is removed.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from ledger.commitment.merkle import leaf_hash
from ledger.errors import ConfigurationError, VerificationError
from ledger.flag import Position
from ledger.opening import BatchError, BatchOpener, Head, OpenedBatch, to_table
from ledger.reader.keys import DeskKeys
from ledger.segment import FileEntry, Manifest, SegmentError, write_table
from ledger.verdicts import Reason, accepted_entry, rejected_entry
from ledger.storage import open_database, private_file, storing, transaction

if TYPE_CHECKING:
    from ledger.gateway import Gateway, PostedBatch

__all__ = ["Mirror", "Rejected", "ReorganisedError", "SyncCounts"]

#: Blocks fetched in one request; a full block carries a few batches of at most 120 KiB.
BLOCKS_PER_REQUEST: Final = 16

#: Rows collected before a segment is written, unless the sync ends earlier.
ROWS_PER_SEGMENT: Final = 100_000

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS cursor (
  id INTEGER PRIMARY KEY CHECK (id = 1), block INTEGER NOT NULL, block_hash BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS head (member BLOB PRIMARY KEY, sequence INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS leaf (log_index INTEGER PRIMARY KEY, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS verdict (log_index INTEGER PRIMARY KEY, entry BLOB NOT NULL, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS segment (
  name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, rows INTEGER NOT NULL,
  log_from INTEGER NOT NULL, log_to INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS rejected (
  log_index INTEGER PRIMARY KEY, member TEXT NOT NULL, sequence INTEGER NOT NULL, block INTEGER NOT NULL,
  row_count INTEGER NOT NULL, reason TEXT NOT NULL
);
"""


class ReorganisedError(VerificationError):
    """Raised when the chain replaced a block that was treated as final."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A batch that failed a check, and the reason; it is counted, and its rows are not used."""

    log_index: int
    member: str
    sequence: int
    block: int
    row_count: int
    reason: str


@dataclass(slots=True)
class SyncCounts:
    """The counts of one sync."""

    blocks: int = 0
    batches: int = 0
    rows: int = 0
    rejected: int = 0


class Mirror:
    """The desk's copy of the ledger's rows.

    Parameters
    ----------
    folder : Path
        The folder of the manifest, the segments and the mirror's state.
    depth : int
        Number of later blocks after which a block is final; 0 on the embedded chain, which never reorganises.
    """

    def __init__(self, folder: Path, *, depth: int = 0) -> None:
        self.folder = folder
        self._depth = depth
        self._held: IO[bytes] | None = None
        self._state = open_database(
            folder / "state.sqlite",
            what="the mirror's state",
            remedy="Remove the mirror folder and sync again; the chain holds everything.",
            tables=_TABLES,
        )

    def close(self) -> None:
        """Close the state and release the lock."""
        self._state.close()
        if self._held is not None:
            self._held.close()
            self._held = None

    # -- reading ----------------------------------------------------------------------------------------

    def segments(self) -> tuple[FileEntry, ...]:
        """Return the segments in log order."""
        cursor = self._state.execute(
            "SELECT name, sha256, rows, log_from, log_to FROM segment ORDER BY log_from"
        )
        return tuple(FileEntry(*row) for row in cursor)

    def rejected(self) -> list[Rejected]:
        """Return every batch that failed a check."""
        cursor = self._state.execute(
            "SELECT log_index, member, sequence, block, row_count, reason FROM rejected ORDER BY log_index"
        )
        return [Rejected(*row) for row in cursor]

    def leaves(self) -> list[bytes]:
        """Return the log's leaf hashes (RFC 6962, over the batch hashes) in order."""
        return [leaf_hash(row[0]) for row in self._state.execute("SELECT hash FROM leaf ORDER BY log_index")]

    def verdict_entries(self, first: int = 0) -> list[bytes]:
        return [r[0] for r in self._state.execute("SELECT entry FROM verdict WHERE log_index >= ? ORDER BY log_index", (first,))]

    def batch_hashes(self) -> list[bytes]:
        """Return the batch hashes in log order."""
        return [row[0] for row in self._state.execute("SELECT hash FROM leaf ORDER BY log_index")]

    def next_block(self, first: int) -> int:
        """Return the next block to read; `first` if no block was read yet."""
        row = self._state.execute("SELECT block FROM cursor").fetchone()
        return first if row is None else int(row[0]) + 1

    def position(self, gateway: Gateway) -> Position:
        """Return the ledger position of the mirror."""
        (size,) = self._state.execute("SELECT count(*) FROM leaf").fetchone()
        return Position(
            chain_id=gateway.deployment.chain_id,
            contract="0x" + gateway.deployment.address("BatchLedger").hex(),
            block=self.next_block(gateway.deployment.block) - 1,
            log_size=size,
        )

    # -- following --------------------------------------------------------------------------------------

    def sync(
        self, gateway: Gateway, keys: DeskKeys, *, progress: Callable[[str, int, int], None] | None = None
    ) -> SyncCounts:
        """Read every new final block. Only one process can do so: it locks the mirror until `close`.

        Raises
        ------
        ConfigurationError
            When another process syncs this mirror, or none of the keys was ever registered on the chain.
        ReorganisedError
            When the chain replaced a block that was already read.
        ChainError
            When the node fails; what was read is stored, so call it again.
        """
        self._lock()
        self._remove_debris()
        self._check_not_reorganised(gateway)
        counts = SyncCounts()
        last = gateway.height() - self._depth
        opener = BatchOpener.at(gateway, list(keys.readers.values())[::-1])
        start = first = self.next_block(gateway.deployment.block)
        opened: list[OpenedBatch] = []
        seen: list[PostedBatch] = []
        rejected: list[Rejected] = []
        heads = self._heads()
        entries: list[bytes] = []
        size = self._state.execute("SELECT coalesce(max(size), -1) FROM verdict").fetchone()[0]
        size = sum(1 for _ in gateway.ledger_entries(gateway.deployment.block, start - 1)) if start > gateway.deployment.block else 0
        expected_index = self._state.execute("SELECT count(*) FROM leaf").fetchone()[0]
        while first <= last:
            until = min(first + BLOCKS_PER_REQUEST - 1, last)
            places = {}
            for entry in gateway.ledger_entries(first, until):
                if entry[0] == 3:
                    places[len(places)] = size
                size += 1
            n = 0
            for posted in gateway.batches(first, until):
                place = places[n]; n += 1
                if posted.log_index != expected_index:
                    raise _left_out(expected_index, posted.log_index, posted.block)
                expected_index += 1
                seen.append(replace(posted, payload=b""))
                try:
                    member = opener.check_place(posted, heads.get(posted.header.member, Head()))
                    opened.append(opener.open(posted, member))
                    self._state.execute("INSERT OR REPLACE INTO verdict VALUES (?, ?, ?)", (posted.log_index, accepted_entry(place, posted.batch_hash), 0))
                except BatchError as problem:
                    rejected.append(_rejected(posted, problem))
                    self._state.execute("INSERT OR REPLACE INTO verdict VALUES (?, ?, ?)", (posted.log_index, rejected_entry(place, posted.batch_hash, Reason.ROOT), 0))
                heads[posted.header.member] = Head(posted.header.sequence + 1, posted.batch_hash)
            first = until + 1
            if first > last and (size := gateway.log_size(last)) != expected_index:
                raise _left_out(size, expected_index, last)
            if sum(len(batch.rows) for batch in opened) >= ROWS_PER_SEGMENT or first > last:
                self._commit(gateway, until, opened, seen, rejected, heads)
                counts.batches += len(seen)
                counts.rows += sum(len(batch.rows) for batch in opened)
                counts.rejected += len(rejected)
                opened, seen, rejected = [], [], []
            if progress:
                progress("mirror", until - start + 1, last - start + 1)
        counts.blocks = max(0, last - start + 1)
        return counts

    def publish(self, position: Position, transfers: FileEntry | None) -> Manifest:
        """Write the manifest, from which scans start.

        The transfers of the previous manifest stay for scans that still read them; older ones are deleted.
        """
        manifest = Manifest(position, self.segments(), transfers)
        keep = {entry.name for entry in (transfers, self._published_transfers()) if entry is not None}
        manifest.write(self.folder)
        for path in self.folder.glob("transfers-*.parquet"):
            if path.name not in keep:
                path.unlink()
        return manifest

    def _published_transfers(self) -> FileEntry | None:
        try:
            return Manifest.read(self.folder).transfers
        except (ConfigurationError, SegmentError):
            return None

    def _commit(
        self,
        gateway: Gateway,
        block: int,
        opened: list[OpenedBatch],
        seen: list[PostedBatch],
        rejected: list[Rejected],
        heads: dict[bytes, Head],
    ) -> None:
        entry = None
        if opened:
            log_from, log_to = opened[0].posted.log_index, opened[-1].posted.log_index + 1
            path = self.folder / f"rows-{log_from:09d}-{log_to:09d}.parquet"
            entry = write_table(path, to_table(opened), log_from=log_from, log_to=log_to)
        block_hash = gateway.block_hash(block)
        with self._writing() as state:
            if entry is not None:
                state.execute(
                    "INSERT INTO segment (name, sha256, rows, log_from, log_to) VALUES (?, ?, ?, ?, ?)",
                    (entry.name, entry.sha256, entry.rows, entry.log_from, entry.log_to),
                )
            state.executemany(
                "INSERT INTO leaf (log_index, hash) VALUES (?, ?)",
                ((p.log_index, p.batch_hash) for p in seen),
            )
            state.executemany(
                "INSERT INTO rejected (log_index, member, sequence, block, row_count, reason) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                ((r.log_index, r.member, r.sequence, r.block, r.row_count, r.reason) for r in rejected),
            )
            state.executemany(
                "INSERT INTO head (member, sequence, hash) VALUES (?, ?, ?) "
                "ON CONFLICT (member) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash",
                ((member, head.sequence, head.hash) for member, head in heads.items()),
            )
            state.execute(
                "INSERT INTO cursor (id, block, block_hash) VALUES (1, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET block = excluded.block, block_hash = excluded.block_hash",
                (block, block_hash),
            )

    def _heads(self) -> dict[bytes, Head]:
        cursor = self._state.execute("SELECT member, sequence, hash FROM head")
        return {member: Head(sequence, last) for member, sequence, last in cursor}

    def _check_not_reorganised(self, gateway: Gateway) -> None:
        row = self._state.execute("SELECT block, block_hash FROM cursor").fetchone()
        if row is not None and gateway.block_hash(row[0]) != row[1]:
            raise ReorganisedError(
                "the chain replaced a block that was treated as final",
                expected=row[1],
                got=gateway.block_hash(row[0]),
                where=f"block {row[0]}",
                next_step="Remove the mirror folder, then sync again with a greater --depth.",
            )

    def _lock(self) -> None:
        if self._held is not None:
            return
        with storing(self.folder):
            private_file(self.folder / "lock")
            held = (self.folder / "lock").open("wb")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            held.close()
            raise ConfigurationError(
                "another process is syncing this mirror",
                where=str(self.folder),
                next_step="Wait until it has finished, then run the same command again.",
            ) from error
        self._held = held

    def _remove_debris(self) -> None:
        named = {entry.name for entry in self.segments()}
        for path in self.folder.glob("rows-*.parquet"):
            if path.name not in named:
                path.unlink()
        for path in self.folder.glob(".*.tmp"):
            path.unlink()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with transaction(self._state, self.folder / "state.sqlite") as state:
            yield state


def _left_out(expected: int, got: int, block: int) -> VerificationError:
    return VerificationError(
        "the node left out a batch of the log",
        expected=expected,
        got=got,
        where=f"block {block}",
        next_step="Try another endpoint with --chain; the mirror has no rows after that batch.",
    )


def _rejected(posted: PostedBatch, problem: BatchError) -> Rejected:
    return Rejected(
        log_index=posted.log_index,
        member="0x" + posted.header.member.hex(),
        sequence=posted.header.sequence,
        block=posted.block,
        row_count=posted.header.row_count,
        reason=str(problem),
    )
