"""The desk's mirror as detectors and evidence read it: whole, by period, or the transfers that a flag names.

Only the whole is held whole: the others read the file by row groups, and keep what was asked for.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ledger.errors import ConfigurationError, InputError
from ledger.flag import Position, RowRef
from ledger.segment import FileEntry, Manifest, load, opened
from ledger.transfers.period import DAY, DEFAULT_DAYS, Period
from ledger.transfers.places import CREDIT, DEBIT, Places

__all__ = ["load_mirror", "load_rows", "usual_period"]


def load_mirror(mirror: Path, *, period: Period | None = None) -> tuple[pa.Table, Position]:
    """Read the matched transfers of the desk's mirror and the ledger position they stand at.

    Parameters
    ----------
    mirror : Path
    period : Period, optional
        Read only what lies in it; row groups outside it are not read.

    Raises
    ------
    ConfigurationError
        When nothing was mirrored or matched yet.
    SegmentError
        When a file is not what the manifest says.
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
    """Read the transfers of which one of these rows is a half; raises as `load_mirror` does."""
    _, entry = _matched(mirror)
    with opened(mirror, entry) as file:
        parts = [file.schema_arrow.empty_table()]
        for group in range(file.num_row_groups):
            found = Places(file.read_row_group(group, columns=[*DEBIT, *CREDIT])).rows(rows)
            if len(found):
                parts.append(file.read_row_group(group).take(pa.array(found)))
    return pa.concat_tables(parts)


def usual_period(mirror: Path, *, as_of: int, days: int | None = None, since: int | None = None) -> Period:
    """Return the period to scan: up to the newest time bucket on the ledger, whatever the clock says.

    The same ledger position gives the same period, so the same flags.

    Parameters
    ----------
    mirror : Path
    as_of : int
        Unix time of the block the mirror stands at. A member can post buckets that begin later than that;
        they move nobody's period.
    days : int, optional
        Its length; `ledger.transfers.period.DEFAULT_DAYS` where `since` is not given either.
    since : int, optional
        Its first second (Unix).

    Raises
    ------
    ConfigurationError
        When nothing was mirrored or matched yet.
    SegmentError
        When a file is not what the manifest says.
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
            next_step="Name an earlier date.",
        )
    return Period(begin, end)


def _matched(mirror: Path) -> tuple[Manifest, FileEntry]:
    manifest = Manifest.read(mirror)
    if manifest.transfers is None:
        raise ConfigurationError(
            "the mirror holds no matched transfers yet",
            where=str(mirror),
            next_step="Run `counterfoil desk sync` first.",
        )
    return manifest, manifest.transfers


def _newest(file: pq.ParquetFile, as_of: int) -> int:
    """Return the end of the newest bucket that began by `as_of`; `as_of` where there is none."""
    for group in reversed(range(file.num_row_groups)):  # the transfers are in order of time
        if _times(file, group)[0] <= as_of:
            part = file.read_row_group(group, columns=["time_low", "time_high"])
            low, high = (part.column(name).to_numpy() for name in ("time_low", "time_high"))
            if (low <= as_of).any():
                return int(high[low <= as_of].max())
    return as_of


def _times(file: pq.ParquetFile, group: int) -> tuple[int, int]:
    """Return the first and the last beginning of a bucket in a row group; any time where it does not say."""
    column = file.schema_arrow.names.index("time_low")
    statistics: Any = file.metadata.row_group(group).column(column).statistics
    if statistics is None or not statistics.has_min_max:
        span = np.iinfo(np.int64)
        return int(span.min), int(span.max)
    return int(statistics.min), int(statistics.max)
