"""Map the rows of a transfer table to the ledger positions of their halves, and back."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ledger.arrays import distinct, integers, row_numbers
from ledger.flag import RowRef

__all__ = ["CREDIT", "DEBIT", "Places"]

Ints = npt.NDArray[np.int64]

#: The columns with the ledger position of each half.
DEBIT: Final = ("debit_member", "debit_sequence", "debit_index")
CREDIT: Final = ("credit_member", "credit_sequence", "credit_index")

#: Limits of member codes, of batches per member, and of rows per batch (a plain file is one batch).
_LIMITS: Final = (1 << 16, 1 << 31, 1 << 31)


class Places:
    """The ledger positions of a table's rows: one for each half that exists.

    Parameters
    ----------
    transfers : pyarrow.Table
        A table with at least the columns `DEBIT` and `CREDIT`.
    """

    def __init__(self, transfers: pa.Table) -> None:
        self._table = transfers.select([*DEBIT, *CREDIT])

    def of(self, rows: Ints) -> tuple[RowRef, ...]:
        """Return the positions of these rows' halves, in row order, each once (an on-us row has one half)."""
        found = self._table.take(row_numbers(rows))
        halves = zip(*(integers(column).tolist() for column in found.columns), strict=True)
        places: dict[RowRef, None] = {}
        for half in halves:
            for member, sequence, index in (half[:3], half[3:]):
                if member >= 0 and sequence >= 0:
                    places[RowRef(member, sequence, index)] = None
        return tuple(places)

    def rows(self, refs: Collection[RowRef]) -> Ints:
        """Return the distinct rows of these positions; a position that is not in the table gives no row."""
        keys, row = self._by_key
        told = ((ref.member, ref.sequence, ref.index) for ref in refs)
        named = np.array([place for place in told if _can_be(place)], np.int64).reshape(-1, 3)
        if not len(named) or not len(keys):
            return np.zeros(0, np.int64)
        wanted = _key(*named.T)
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return distinct(row[place[keys[place] == wanted]])

    @cached_property
    def _by_key(self) -> tuple[Ints, Ints]:
        """The keys of all halves, ascending, and the row of each."""
        keys, rows = [], []
        for half in (DEBIT, CREDIT):
            member, sequence, index = (integers(self._table.column(name)) for name in half)
            there = (member >= 0) & (sequence >= 0)
            keys.append(_key(member, sequence, index)[there])
            rows.append(np.flatnonzero(there))
        key, row = np.concatenate(keys), np.concatenate(rows)
        order = np.argsort(key, kind="stable")
        return key[order], row[order]


def _can_be(place: tuple[int, int, int]) -> bool:
    """Check that a position is within the limits: a flag that comes as JSON may contain any number."""
    return all(isinstance(n, int | np.integer) and 0 <= n < m for n, m in zip(place, _LIMITS, strict=True))


def _key(member: Ints, sequence: Ints, index: Ints) -> Ints:
    """Pack a position into an integer: a batch has fewer than 2^16 rows, a member fewer than 2^31 batches."""
    return (member << 47) | (sequence << 16) | index
