"""The period that a scan reads: an interval of ledger time, which determines the memory of the scan.

A transfer belongs to the period in which its time bucket begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

__all__ = ["DAY", "DEFAULT_DAYS", "Period"]

DAY: Final = 86_400

#: Default number of days of a scan: a year, and about a month before it as history for its first weeks.
DEFAULT_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class Period:
    """An interval [begin, end) of Unix seconds.

    Raises
    ------
    ValueError
        When it is empty, or its ends are not integers.

    Examples
    --------
    >>> week = Period(0, 7 * DAY)
    >>> transfers = pa.table({"time_low": [DAY, 7 * DAY]})
    >>> week.select(transfers).column("time_low").to_pylist()
    [86400]
    """

    begin: int
    end: int

    def __post_init__(self) -> None:
        if type(self.begin) is not int or type(self.end) is not int or self.begin >= self.end:
            raise ValueError(f"[{self.begin!r}, {self.end!r}) is not a period")

    def select(self, transfers: pa.Table) -> pa.Table:
        """Return the transfers whose bucket begins in the period; the same table if all do."""
        low = transfers.column("time_low").to_numpy()
        inside = (low >= self.begin) & (low < self.end)
        return transfers if inside.all() else transfers.filter(pa.array(inside))
