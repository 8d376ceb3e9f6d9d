"""The transfers a check reads: the columns it needs, with what a plain file lacks filled in and named."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import pyarrow as pa

from ledger.errors import InputError
from ledger.schema import TRANSFER

__all__ = ["Prepared", "prepare"]

_REQUIRED: Final = ("amount_low", "amount_high", "currency", "time_low")
_PSEUDONYMS: Final = tuple(name for name in TRANSFER.names if TRANSFER.field(name).type == pa.binary(16))
_PLACES: Final = tuple(name for name in TRANSFER.names if name.endswith(("_member", "_sequence", "_index")))
#: What its absence leaves open, in words a bank can answer.
_SAYS: Final = {"channel": "the channel", "flags": "cash in, cash out, occasional and exempt marks"}


class Prepared:
    """A table with every column of a transfer plus `row`, and what had to be filled in."""

    def __init__(self, table: pa.Table, absent: tuple[str, ...]) -> None:
        self.table = table
        self.absent = absent

    @property
    def missing(self) -> tuple[str, ...]:
        """What the rows do not carry, in words."""
        return tuple(words for name, words in _SAYS.items() if name in self.absent)


def prepare(transfers: pa.Table | pd.DataFrame) -> Prepared:
    """Return transfers with all columns of the schema.

    Parameters
    ----------
    transfers : pyarrow.Table or pandas.DataFrame
        Columns of `ledger.schema.TRANSFER`; pseudonyms may be strings (a file's own identifiers).

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
    prepared = pa.table(columns)
    if table.num_rows:
        low, high = (prepared[name].to_numpy() for name in ("amount_low", "amount_high"))
        if (low > high).any() or (low < 0).any():
            row = int(((low > high) | (low < 0)).argmax())
            raise InputError(
                f"amount_low {low[row]} and amount_high {high[row]} are no interval", where=f"transfer {row}"
            )
    return Prepared(prepared, absent)


def _filled(name: str, table: pa.Table) -> pa.Array:
    rows = table.num_rows
    if name == "time_high":
        return table["time_low"]
    if name == "business_date":
        seconds = table["time_low"].to_numpy()
        return pa.array(seconds // 86_400, pa.int32())
    if name in _PSEUDONYMS:
        kind = table["debtor_account"].type if "debtor_account" in table.column_names else pa.binary()
        return pa.nulls(rows, kind)
    if name in _PLACES:
        return pa.array([-1] * rows, pa.int64())
    return pa.array([0] * rows, TRANSFER.field(name).type)
