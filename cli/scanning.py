"""What the desk scans: the usual period of its mirror, or the one that was asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ledger.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.gateway import Gateway
    from ledger.transfers.period import Period

__all__ = ["period_to_scan", "told"]


def period_to_scan(
    gateway: Gateway, mirror: Path, *, days: int | None = None, since: datetime | None = None
) -> Period:
    """Return the period to scan, by the ledger's own time; see `ledger.transfers.mirror.usual_period`.

    Raises
    ------
    InputError
        When both a length and a first day are given, or nothing lies in the period.
    """
    from ledger.segment import Manifest
    from ledger.transfers.mirror import usual_period

    if days is not None and since is not None:
        raise InputError("--days and --since both say where the period begins", next_step="Give one of them.")
    first = None if since is None else int(since.replace(tzinfo=UTC).timestamp())
    as_of = gateway.block_time(Manifest.read(mirror).position.block)
    return usual_period(mirror, as_of=as_of, days=days, since=first)


def told(period: Period) -> str:
    """Return a period as a person reads it."""
    begin, end = (datetime.fromtimestamp(t, UTC) for t in (period.begin, period.end))
    return f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
