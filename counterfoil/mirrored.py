"""Read the desk's mirror: batches in log order, matched transfers, and counts by state."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ledger.errors import ConfigurationError
from ledger.matching import states
from ledger.reader.mirror import Mirror
from ledger.segment import FileEntry, Manifest, SegmentError, load

__all__ = ["MatchCounts", "MirroredBatch", "list_batches", "match_counts", "matched"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MirroredBatch:
    """A batch of the log, which the mirror has accepted or rejected.

    Parameters
    ----------
    log_index : int
        Position in the log, from 0.
    member : int or None
        Code of the member that posted it; None if the account was never a member's.
    sequence : int
        Number of the batch among the member's batches, from 0.
    rows : int
        All rows of the batch, also those that are padding: as many as the chain says.
    block : int
    state : {"mirrored", "rejected"}
    reason : str or None
        Why the desk rejected the batch.
    """

    log_index: int
    member: int | None
    sequence: int
    rows: int
    block: int
    state: Literal["mirrored", "rejected"]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """Number of transfers by state, up to a block."""

    block: int
    log_size: int
    transfers: int
    states: dict[str, int]


def list_batches(mirror: Mirror, *, after: int, limit: int) -> tuple[list[MirroredBatch], int | None]:
    """Return a page of the batches that the mirror has read, in log order.

    Parameters
    ----------
    mirror : Mirror
        The open state of the mirror.
    after : int
        List the batches after this log index; -1 for the first page.
    limit : int

    Returns
    -------
    (list of MirroredBatch, int or None)
        The page, and the value of `after` for the next page (None on the last page).
    """
    found = mirror.batches(first=after + 1, limit=limit + 1)
    page = [
        MirroredBatch(
            log_index=batch.log_index,
            member=batch.code,
            sequence=batch.sequence,
            rows=batch.row_count,
            block=batch.block,
            state="mirrored" if batch.verdict.reason is None else "rejected",
            reason=batch.reason,
        )
        for batch in found[:limit]
    ]
    return page, page[-1].log_index if len(found) > limit else None


def matched(folder: Path) -> tuple[Manifest, pa.Table]:
    """Return the matched transfers (`ledger.tables.TRANSFER`) and the manifest of their file.

    Raises
    ------
    ConfigurationError
        When no batch was mirrored or matched yet.
    SegmentError
        When a file does not agree with the manifest.
    """

    def read() -> tuple[Manifest, pa.Table]:
        manifest = Manifest.read(folder)
        if manifest.transfers is None:
            raise ConfigurationError(
                "no transfers were matched yet", next_step="Run `counterfoil desk sync` first."
            )
        return manifest, _transfers(folder, manifest.transfers)

    return _twice(read)


def match_counts(folder: Path, member: int | None) -> MatchCounts:
    """Count transfers by state: all transfers, or those of which a member posted a half."""
    manifest, transfers = matched(folder)
    if member is not None:
        own = pc.or_(
            pc.equal(transfers.column("debit_member"), member),
            pc.equal(transfers.column("credit_member"), member),
        )
        transfers = transfers.filter(own)
    position = manifest.position
    return MatchCounts(position.block, position.log_size, transfers.num_rows, states(transfers))


def _twice(read: Callable[[], T]) -> T:
    """Call `read`, and once more after an error: a sync may replace a file after the manifest is read."""
    try:
        return read()
    except SegmentError:
        time.sleep(0.2)
        return read()


@lru_cache(maxsize=1)
def _transfers(folder: Path, entry: FileEntry) -> pa.Table:
    return load(folder, entry)
