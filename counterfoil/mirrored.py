"""What the desk has mirrored: batches in log order, matched transfers, and how many halves have met."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
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
    """A batch of the log as the mirror took it, or refused it for a reason.

    Parameters
    ----------
    log_index : int
        Its place in the log, from 0.
    member : int or None
        Code of the member that posted it; None: the account never was a member's.
    sequence : int
        Counts the member's own batches from 0.
    rows, block : int
    state : {"mirrored", "rejected"}
    reason : str or None
        Why the desk could not take it.
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
    """Transfers by state, up to a block."""

    block: int
    log_size: int
    transfers: int
    states: dict[str, int]


def list_batches(
    folder: Path, mirror: Mirror, codes: Callable[[], Mapping[str, int]], *, after: int, limit: int
) -> tuple[list[MirroredBatch], int | None]:
    """Return a page of the batches that the mirror has read, in log order.

    Parameters
    ----------
    folder : Path
        The mirror's folder.
    mirror : Mirror
        Its state.
    codes : callable
        Gives the code of each member account (lower case); asked only when a rejected batch is in the page.
    after : int
        Log index to continue after; -1 for the first page.
    limit : int

    Returns
    -------
    (list of MirroredBatch, int or None)
        The page, and what to give as `after` for the next one; None: this is the last page.
    """
    last = after + limit
    segments, rejected = mirror.segments(), mirror.rejected()
    found = [
        batch
        for entry in segments
        if entry.log_from <= last and entry.log_to > after
        for batch in _taken(folder, entry)
        if after < batch.log_index <= last
    ]
    refused = [entry for entry in rejected if after < entry.log_index <= last]
    known = codes() if refused else {}
    found += [
        MirroredBatch(
            log_index=entry.log_index,
            member=known.get(entry.member.lower()),
            sequence=entry.sequence,
            rows=entry.row_count,
            block=entry.block,
            state="rejected",
            reason=entry.reason,
        )
        for entry in refused
    ]
    end = max([entry.log_to for entry in segments] + [entry.log_index + 1 for entry in rejected], default=0)
    found.sort(key=lambda batch: batch.log_index)
    return found, last if last < end - 1 else None


def matched(folder: Path) -> tuple[Manifest, pa.Table]:
    """Return the matched transfers (`ledger.tables.TRANSFER`) and the manifest that names them.

    Raises
    ------
    ConfigurationError
        When nothing was mirrored or matched yet.
    SegmentError
        When a file is not what the manifest says.
    """

    def read() -> tuple[Manifest, pa.Table]:
        manifest = Manifest.read(folder)
        if manifest.transfers is None:
            raise ConfigurationError(
                "no halves were matched yet", next_step="The operator runs `counterfoil desk sync`."
            )
        return manifest, _transfers(folder, manifest.transfers)

    return _twice(read)


def match_counts(folder: Path, member: int | None) -> MatchCounts:
    """Count transfers by state: all of them, or those of which a member posted a half."""
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
    """Read again once: a sync may replace a file between its manifest and the file itself."""
    try:
        return read()
    except SegmentError:
        time.sleep(0.2)
        return read()


@lru_cache(maxsize=1)
def _transfers(folder: Path, entry: FileEntry) -> pa.Table:
    return load(folder, entry)


@lru_cache(maxsize=256)
def _taken(folder: Path, entry: FileEntry) -> tuple[MirroredBatch, ...]:
    """Return the batches of one segment; a segment never changes, so its batches do not either."""
    places = load(folder, entry, columns=["log_index", "member", "sequence", "block"])
    counted = places.group_by(["log_index", "member", "sequence", "block"]).aggregate([([], "count_all")])
    return tuple(
        MirroredBatch(
            log_index=row["log_index"],
            member=row["member"],
            sequence=row["sequence"],
            rows=row["count_all"],
            block=row["block"],
            state="mirrored",
        )
        for row in counted.to_pylist()
    )
