"""The mirror: reads final blocks, judges and opens every batch, and stores the rows as Parquet segments.

Its state (`ledger.reader.mirror_state`) changes in one transaction, after the segment's file is durable. A
file that is in no transaction is left over from a crash and is removed.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from ledger.batch_errors import BatchError
from ledger.door import Door
from ledger.duplicates import KEYED, KeyedRows
from ledger.errors import ConfigurationError, VerificationError
from ledger.flag import Position
from ledger.opening import OpenedBatch, to_table
from ledger.reader.keys import DeskKeys
from ledger.reader.mirror_state import MirrorState, ReadBatch
from ledger.segment import FileEntry, Manifest, SegmentError, load, write_table
from ledger.storage import private_file, storing

if TYPE_CHECKING:
    from ledger.gateway import Gateway, LedgerEntry

__all__ = ["Mirror", "Rejected", "ReorganisedError", "SyncCounts"]

#: Blocks fetched in one request; a full block carries a few batches of at most 120 KiB.
BLOCKS_PER_REQUEST: Final = 16

#: Rows collected before a segment is written, unless the sync ends earlier.
ROWS_PER_SEGMENT: Final = 100_000

#: Columns of a segment that are compared when a row may have been posted before.
_KEYS: Final = list(KEYED.names or ())


class ReorganisedError(VerificationError):
    """Raised when the chain replaced a block that was treated as final."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A batch that is kept apart, and why (`ledger.verdicts.Reason`); its rows are counted and not used."""

    log_index: int
    member: str
    sequence: int
    block: int
    row_count: int
    reason: str
    reason_code: int


@dataclass(slots=True)
class SyncCounts:
    """The counts of one sync.

    Parameters
    ----------
    blocks, batches : int
    rows : int
        Rows that were mirrored.
    late : int
        Rows among them that were posted after the policy's deadline.
    decoys : int
        Rows that are padding and were not mirrored.
    rejected : int
        Batches that are kept apart.
    """

    blocks: int = 0
    batches: int = 0
    rows: int = 0
    rejected: int = 0
    late: int = 0
    decoys: int = 0


@dataclass(slots=True)
class _Pending:
    """What was read and is not stored yet."""

    opened: list[OpenedBatch] = field(default_factory=list)
    read: list[ReadBatch] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(len(batch.rows) for batch in self.opened)


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
        self._state = MirrorState(folder / "state.sqlite")
        self._pending = _Pending()

    def close(self) -> None:
        """Close the state and release the lock."""
        self._state.close()
        if self._held is not None:
            self._held.close()
            self._held = None

    # -- reading ----------------------------------------------------------------------------------------

    def segments(self) -> tuple[FileEntry, ...]:
        """Return the segments in log order."""
        return self._state.segments()

    def batches(self, *, first: int = 0, limit: int = -1) -> list[ReadBatch]:
        """Return the batches that were read, from log index `first` on; a negative limit is none."""
        return self._state.batches(first=first, limit=limit)

    def rejected(self) -> list[Rejected]:
        """Return every batch that is kept apart, in log order."""
        return [
            Rejected(b.log_index, b.member, b.sequence, b.block, b.row_count, b.reason or "", int(reason))
            for b in self._state.batches(rejected_only=True)
            if (reason := b.verdict.reason) is not None
        ]

    def verdict_entries(self, first: int = 0) -> list[bytes]:
        """Return the entries of the verdict log from index `first` on: one for each batch in log order."""
        return [batch.verdict.to_entry() for batch in self._state.batches(first=first)]

    def next_block(self, first: int) -> int:
        """Return the next block to read; `first` if no block was read yet."""
        cursor = self._state.cursor()
        return first if cursor is None else cursor[0] + 1

    def position(self, gateway: Gateway) -> Position:
        """Return the ledger position of the mirror."""
        return Position(
            chain_id=gateway.deployment.chain_id,
            contract="0x" + gateway.deployment.address("BatchLedger").hex(),
            block=self.next_block(gateway.deployment.block) - 1,
            log_size=self._state.size(),
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
        self._pending = _Pending()
        counts = SyncCounts()
        last = gateway.height() - self._depth
        start = first = self.next_block(gateway.deployment.block)
        size = self._state.size()
        readers = list(keys.readers.values())[::-1]
        door = Door.at(gateway, readers, self._read_again, self._state.known())
        if first <= last and gateway.log_size(last) != size:
            self._restore(door)
        while first <= last:
            until = min(first + BLOCKS_PER_REQUEST - 1, last)
            for entry in gateway.ledger(first, until):
                self._read(door, entry, size + len(self._pending.read))
            first = until + 1
            expected = size + len(self._pending.read)
            if first > last and (found := gateway.log_size(last)) != expected:
                raise _left_out(found, expected, last)
            if self._pending.rows >= ROWS_PER_SEGMENT or first > last:
                self._store(gateway, until, door, counts)
                size = expected
            if progress:
                progress("mirror", until - start + 1, last - start + 1)
        counts.blocks = max(0, last - start + 1)
        return counts

    def _read(self, door: Door, entry: LedgerEntry, expected: int) -> None:
        posted = entry.batch
        if posted is not None and posted.log_index != expected:
            raise _left_out(expected, posted.log_index, posted.block)
        judged = door.read(entry)
        if judged is None or posted is None:
            return
        verdict, outcome = judged
        problem = str(outcome) if isinstance(outcome, BatchError) else None
        if isinstance(outcome, OpenedBatch):
            self._pending.opened.append(outcome)
        self._pending.read.append(
            ReadBatch(
                log_index=posted.log_index,
                verdict=verdict,
                member="0x" + posted.header.member.hex(),
                code=door.known.accounts.get(posted.header.member),
                sequence=posted.header.sequence,
                block=posted.block,
                row_count=posted.header.row_count,
                reason=problem,
            )
        )

    def _store(self, gateway: Gateway, block: int, door: Door, counts: SyncCounts) -> None:
        pending, entry = self._pending, None
        if pending.opened:
            table = to_table(pending.opened)
            log_from = pending.opened[0].posted.log_index
            log_to = pending.opened[-1].posted.log_index + 1
            path = self.folder / f"rows-{log_from:09d}-{log_to:09d}.parquet"
            entry = write_table(path, table, log_from=log_from, log_to=log_to)
            counts.rows += table.num_rows
            counts.late += sum(int(batch.late[batch.real].sum()) for batch in pending.opened)
            counts.decoys += pending.rows - table.num_rows
        self._state.store(
            block=block,
            block_hash=gateway.block_hash(block),
            known=door.known,
            segment=entry,
            batches=pending.read,
        )
        counts.batches += len(pending.read)
        counts.rejected += len(pending.read) - len(pending.opened)
        self._pending = _Pending()

    def _restore(self, door: Door) -> None:
        for entry in self.segments():
            door.restore(_keyed_rows(load(self.folder, entry, columns=_KEYS)))

    def _read_again(self, log_index: int) -> KeyedRows:
        """Return the rows of an accepted batch, from its segment or from memory."""
        for batch in self._pending.opened:
            if batch.posted.log_index == log_index:
                return batch.keyed
        for entry in self.segments():
            if entry.log_from <= log_index < entry.log_to:
                rows = _keyed_rows(load(self.folder, entry, columns=_KEYS))
                return np.asarray(rows[rows["log_index"] == log_index])
        return np.zeros(0, KEYED)

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

    def _check_not_reorganised(self, gateway: Gateway) -> None:
        cursor = self._state.cursor()
        if cursor is None:
            return
        block, expected = cursor
        if (found := gateway.block_hash(block)) != expected:
            raise ReorganisedError(
                "the chain replaced a block that was treated as final",
                expected=expected,
                got=found,
                where=f"block {block}",
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


def _left_out(expected: int, got: int, block: int) -> VerificationError:
    return VerificationError(
        "the node left out a batch of the log",
        expected=expected,
        got=got,
        where=f"block {block}",
        next_step="Try another endpoint with --chain; the mirror has no rows after that batch.",
    )


def _keyed_rows(table: pa.Table) -> KeyedRows:
    rows = np.zeros(table.num_rows, KEYED)
    for name in _KEYS:
        column = table.column(name).combine_chunks()
        if pa.types.is_fixed_size_binary(column.type):
            _, octets = column.buffers()
            size, start = column.type.byte_width, column.offset
            rows[name] = np.frombuffer(octets, KEYED[name], count=len(column), offset=start * size)
        else:
            rows[name] = np.from_dlpack(column)
    return rows
