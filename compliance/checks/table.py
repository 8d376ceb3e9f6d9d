"""The transfers a check reads: the columns it needs, with what a plain file lacks filled in and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
from iso3166 import countries_by_numeric

from compliance.jurisdictions import Establishment, home_of
from ledger.errors import InputError
from ledger.schema import NOT_A_MEMBER
from ledger.tables import TRANSFER

__all__ = ["NOBODY", "UNKNOWN", "Prepared", "prepare"]

#: A place of `Prepared.places`: a bank of which nobody said where it stands.
UNKNOWN: Final = 0
#: The place of a side that no member stands behind: nobody owes anything for it.
NOBODY: Final = -1

_REQUIRED: Final = ("amount_low", "amount_high", "currency", "time_low")
_PSEUDONYMS: Final = tuple(name for name in TRANSFER.names if TRANSFER.field(name).type == pa.binary(16))
_PLACES: Final = tuple(name for name in TRANSFER.names if name.endswith(("_member", "_sequence", "_index")))
#: What its absence leaves open, in words a bank can answer.
_SAYS: Final = {"channel": "the channel", "flags": "cash in, cash out, occasional and exempt marks"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """Transfers with every column, their row numbers, and where their banks stand.

    Parameters
    ----------
    table : pyarrow.Table
        Columns of a transfer, `row`, and `debtor_place` and `creditor_place`: indices into `places`.
    absent : tuple of str
        Columns that were filled in.
    places : tuple
        Homes of banks; the first is None, a bank of unknown home.
    located : bool
        Whether homes were given at all; without them every rule is checked for every bank.
    """

    table: pa.Table
    absent: tuple[str, ...]
    places: tuple[Establishment | None, ...] = (None,)
    located: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """What the rows do not carry, in words."""
        return tuple(words for name, words in _SAYS.items() if name in self.absent)

    def home(self, place: int) -> Establishment | None:
        """Return the home of a place; None where it is unknown, or nobody's."""
        return self.places[place] if place > UNKNOWN else None


def prepare(transfers: pa.Table | pd.DataFrame, homes: Mapping[int, Establishment] | None = None) -> Prepared:
    """Return transfers with all columns of the schema.

    Parameters
    ----------
    transfers : pyarrow.Table or pandas.DataFrame
        Columns of `ledger.tables.TRANSFER`; pseudonyms may be strings (a file's own identifiers).
    homes : mapping of member code to Establishment, optional
        Where banks stand. For a bank it does not name, the country columns of the row tell; without it no
        rule is kept to the banks of its jurisdiction.

    Raises
    ------
    InputError
        When amounts, currency or time are missing, or an interval is upside down.
    """
    table = (
        pa.Table.from_pandas(transfers, preserve_index=False)
        if isinstance(transfers, pd.DataFrame)
        else transfers
    )
    lacking = [name for name in _REQUIRED if name not in table.column_names]
    if lacking:
        raise InputError(
            f"the transfers lack {', '.join(lacking)}",
            next_step="Give amount_low and amount_high in minor units, the currency as a number, time_low.",
        )
    absent = tuple(name for name in TRANSFER.names if name not in table.column_names)
    columns: dict[str, Any] = {"row": pa.array(range(table.num_rows), pa.int64())}
    for name in TRANSFER.names:
        columns[name] = table[name] if name in table.column_names else _filled(name, table)
    places, sides = _places(columns, homes, agents="debtor_agent" in table.column_names)
    if "business_date" in absent and homes is not None:
        columns["business_date"] = _local_dates(columns["time_low"], sides, places)
    for name, values in sides.items():
        columns[f"{name}_place"] = pa.array(values)
    prepared = pa.table(columns)
    if table.num_rows:
        low, high = (prepared[name].to_numpy() for name in ("amount_low", "amount_high"))
        if (low > high).any() or (low < 0).any():
            row = int(((low > high) | (low < 0)).argmax())
            raise InputError(
                f"amount_low {low[row]} and amount_high {high[row]} are no interval", where=f"transfer {row}"
            )
    return Prepared(prepared, absent, places, homes is not None)


def _places(
    columns: Mapping[str, Any], homes: Mapping[int, Establishment] | None, *, agents: bool
) -> tuple[tuple[Establishment | None, ...], dict[str, Any]]:
    """Return the homes that occur, and for each side of each row the index of its bank's."""
    known: list[Establishment | None] = [None]
    sides = {}
    for side in ("debtor", "creditor"):
        agent = np.asarray(columns[f"{side}_agent"].to_numpy(zero_copy_only=False), np.int64)
        country = np.asarray(columns[f"{side}_country"].to_numpy(zero_copy_only=False), np.int64)
        place = np.full(len(agent), UNKNOWN, np.int32)
        if homes is not None:
            for number in np.unique(country):
                entry = countries_by_numeric.get(f"{number:03d}")
                if entry is not None:
                    place[country == number] = _index(known, home_of(entry.alpha2))
            for code, home in homes.items():
                place[agent == code] = _index(known, home)
            if agents:
                place[agent == NOT_A_MEMBER] = NOBODY
        sides[side] = place
    return tuple(known), sides


def _index(known: list[Establishment | None], home: Establishment) -> int:
    if home not in known:
        known.append(home)
    return known.index(home)


def _local_dates(times: Any, sides: Mapping[str, Any], places: tuple[Establishment | None, ...]) -> pa.Array:
    """Return the days on which times fall where the bank stands; UTC where that is not known."""
    seconds = np.asarray(times.to_numpy(zero_copy_only=False), np.int64)
    place = np.where(sides["creditor"] > 0, sides["creditor"], sides["debtor"])
    days = seconds // 86_400
    for index, home in enumerate(places):
        if home is None or home.zone is None:
            continue
        zone = ZoneInfo(home.zone)
        mine = np.flatnonzero(place == index)
        # one offset per hour: zones change on the hour
        hours, back = np.unique(seconds[mine] // 3600, return_inverse=True)
        offsets = [datetime.fromtimestamp(int(h) * 3600, UTC).astimezone(zone).utcoffset() for h in hours]
        shift = np.array([int(o.total_seconds()) if o else 0 for o in offsets], np.int64)
        days[mine] = (seconds[mine] + shift[back]) // 86_400 if len(mine) else days[mine]
    return pa.array(days, pa.int32())


def _filled(name: str, table: pa.Table) -> pa.Array:
    rows = table.num_rows
    if name == "time_high":
        return pa.array(table["time_low"].to_numpy() + 1, pa.int64())
    if name == "business_date":
        seconds = table["time_low"].to_numpy()
        return pa.array(seconds // 86_400, pa.int32())
    if name in _PSEUDONYMS:
        kind = table["debtor_account"].type if "debtor_account" in table.column_names else pa.binary()
        return pa.nulls(rows, kind)
    if name in _PLACES:
        return pa.array([-1] * rows, pa.int64())
    return pa.array([0] * rows, TRANSFER.field(name).type)
