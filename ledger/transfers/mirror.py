"""Read transfers from the desk's mirror: all of them, those of a period, or those of a flag.

Only the first needs memory for all transfers; the others read the file by row groups.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ledger.arrays import row_numbers
from ledger.errors import ConfigurationError, InputError
from ledger.flag import Position, RowRef
from ledger.segment import FileEntry, Manifest, load, opened
from ledger.transfers.period import DAY, DEFAULT_DAYS, Period
from ledger.transfers.places import CREDIT, DEBIT, Places

__all__ = ["load_mirror", "load_rows", "usual_period"]


def load_mirror(mirror: Path, *, period: Period | None = None) -> tuple[pa.Table, Position]:
    """Read the matched transfers of the desk's mirror and their ledger position.

    Parameters
    ----------
    mirror : Path
    period : Period, optional
        Read only the transfers of this period; row groups outside it are not read.

    Raises
    ------
    ConfigurationError
        When nothing was mirrored or matched yet.
    SegmentError
        When a file does not match the manifest.
    """
    manifest, entry = _matched(mirror)
    if period is None:
        return load(mirror, entry), manifest.position
    with opened(mirror, entry) as file:
        parts = [file.schema_arrow.empty_table()]
        for group in range(file.num_row_groups):
            first, last = _times(file, group)
            if first < period.end and last >= period.begin:
                parts.append(period.select(file.read_row_group(group)))
    return pa.concat_tables(parts), manifest.position


def load_rows(mirror: Path, rows: Collection[RowRef]) -> pa.Table:
    """Read the transfers that contain one of these rows; raises the same errors as `load_mirror`."""
    _, entry = _matched(mirror)
    with opened(mirror, entry) as file:
        parts = [pa.Table.from_batches([], schema=file.schema_arrow)]
        for group in range(file.num_row_groups):
            found = Places(file.read_row_group(group, columns=[*DEBIT, *CREDIT])).rows(rows)
            if len(found):
                parts.append(file.read_row_group(group).take(row_numbers(found)))
    return pa.concat_tables(parts)


def usual_period(mirror: Path, *, as_of: int, days: int | None = None, since: int | None = None) -> Period:
    """Return the period to scan; it ends with the newest time bucket on the ledger, not at the current time.

    The same ledger position gives the same period, and so the same flags.

    Parameters
    ----------
    mirror : Path
    as_of : int
        Unix time of the last block that the mirror has read. A member can post buckets that begin later;
        these do not change the period.
    days : int, optional
        Length of the period; `ledger.transfers.period.DEFAULT_DAYS` if `since` is not given either.
    since : int, optional
        First second of the period (Unix time).

    Raises
    ------
    ConfigurationError
        When nothing was mirrored or matched yet.
    SegmentError
        When a file does not match the manifest.
    InputError
        When the period would begin after the newest bucket.
    """
    _, entry = _matched(mirror)
    with opened(mirror, entry) as file:
        end = _newest(file, as_of)
    begin = end - (DEFAULT_DAYS if days is None else days) * DAY if since is None else since
    if begin >= end:
        raise InputError(
            "there is nothing to scan: the newest payments on the ledger are older",
            where=f"newest at {datetime.fromtimestamp(end, UTC):%Y-%m-%d %H:%M} UTC",
            next_step="Give an earlier date.",
        )
    return Period(begin, end)


def _matched(mirror: Path) -> tuple[Manifest, FileEntry]:
    manifest = Manifest.read(mirror)
    if manifest.transfers is None:
        raise ConfigurationError(
            "the mirror has no matched transfers yet",
            where=str(mirror),
            next_step="Run `counterfoil desk sync` first.",
        )
    return manifest, manifest.transfers


def _newest(file: pq.ParquetFile, as_of: int) -> int:
    """Return the end of the newest bucket that began by `as_of`; `as_of` if there is no such bucket."""
    for group in reversed(range(file.num_row_groups)):  # the transfers are in order of time
        if _times(file, group)[0] <= as_of:
            part = file.read_row_group(group, columns=["time_low", "time_high"])
            low, high = (part.column(name).to_numpy() for name in ("time_low", "time_high"))
            if (low <= as_of).any():
                return int(high[low <= as_of].max())
    return as_of


def _times(file: pq.ParquetFile, group: int) -> tuple[int, int]:
    """Return the first and last bucket start in a row group; the full range if it has no statistics."""
    column = file.schema_arrow.names.index("time_low")
    statistics: Any = file.metadata.row_group(group).column(column).statistics
    if statistics is None or not statistics.has_min_max:
        span = np.iinfo(np.int64)
        return int(span.min), int(span.max)
    return int(statistics.min), int(statistics.max)
