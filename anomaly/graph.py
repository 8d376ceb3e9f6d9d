"""The temporal graph of transfers: accounts are vertices, payments edges with intervals for time and amount.

Only this module defines order in time. A time is an interval [low, high): two payments in one bucket have
*no* order, whatever their order in a file. A payment *can* follow another if at least one pair of instants
inside the two intervals is in that order (or equal); it *surely* follows if every pair is. On a path, the
condition must hold for all edges together: `can_continue` carries the earliest instant at which the path so
far can have ended. Windows are measured between the lower ends of intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from anomaly.kernels.jit import jit
from ledger.errors import InputError
from ledger.schema import PSEUDONYM_BYTES, Flags
from ledger.transfers.places import CREDIT, DEBIT
from ledger.transfers.table import as_transfers

__all__ = [
    "NOBODY", "OPEN_AMOUNT", "GraphError", "TemporalGraph", "can_continue", "surely_follows",
]  # fmt: skip

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

#: Upper end, in minor units, of the open top band: larger than any payment, but sums still fit in 64 bits.
OPEN_AMOUNT = 1 << 50

#: Placeholder for an account that neither half names; treated as a cash desk, so never part of a path.
NOBODY = bytes(PSEUDONYM_BYTES)


class GraphError(InputError):
    """Raised when a table of transfers holds a value that no payment can have."""


@jit
def can_continue(earliest: int, low: int, high: int) -> int:
    """Return the earliest end of a path extended by an edge [low, high), or -1 if the edge cannot follow.

    `earliest` is the earliest instant at which the path so far can have ended (of one edge: its low end).
    """
    later = max(earliest, low)
    return later if later < high else -1


@jit
def surely_follows(previous_high: int, low: int) -> bool:
    """Return whether an edge with lower end `low` is later than an edge with upper end `previous_high`."""
    return low >= previous_high


@dataclass(frozen=True, eq=False)
class TemporalGraph:
    """Edges in time order, with both adjacency lists (CSR), also in time order.

    Edges are sorted by `t_low`; ties are sorted by content, so that results are repeatable, but this order
    has no meaning. All columns below have one entry per edge unless stated otherwise.

    Attributes
    ----------
    pseudonyms : list of bytes
        Per vertex, ascending; the all-zero pseudonym means that no account is given.
    agents : (n,) int32
        Per vertex, the bank that keeps the account (0: not a member).
    desk : (n,) bool
        Per vertex, whether it is a cash desk (in most of its payments the bank's side of a cash payment) or
        `NOBODY`. Desks are part of no path and do not count as counterparties.
    kind : (n,) int32
        Per vertex, the party type of its owner (`ledger.schema.PartyType`; 0 if unknown).
    src, dst : int32
    t_low, t_high : int64
        Unix seconds, [low, high).
    amount_low, amount_high : int64
        Minor units, both ends included.
    currency : int32
        ISO 4217 numeric.
    cash_in, cash_out : bool
    src_party, dst_party, src_behalf, dst_behalf : int32
        Number in `parties` of the party, and of the party on whose behalf it acts; -1 if there is none.
    row : int64
        Row of the source table.
    out_ptr, out_edge, in_ptr, in_edge : int64, int32
        CSR: edges out of v are `out_edge[out_ptr[v]:out_ptr[v + 1]]`; edges into v likewise.
    """

    pseudonyms: list[bytes]
    agents: Indices
    desk: Mask
    kind: Indices
    parties: list[bytes]
    src: Indices
    dst: Indices
    t_low: Ints
    t_high: Ints
    amount_low: Ints
    amount_high: Ints
    currency: Indices
    cash_in: Mask
    cash_out: Mask
    src_party: Indices
    dst_party: Indices
    src_behalf: Indices
    dst_behalf: Indices
    row: Ints
    out_ptr: Ints
    out_edge: Indices
    in_ptr: Ints
    in_edge: Indices

    @property
    def accounts(self) -> int:
        """Number of vertices."""
        return len(self.pseudonyms)

    @property
    def edges(self) -> int:
        """Number of edges."""
        return len(self.src)

    @cached_property
    def period(self) -> tuple[int, int]:
        """First lower and last upper end of the edges' times; (0, 0) without edges."""
        return (int(self.t_low.min()), int(self.t_high.max())) if self.edges else (0, 0)

    @cached_property
    def owner(self) -> Ints:
        """Per vertex, the number of the party that holds it; a distinct number if the party is unknown."""
        party = np.full(self.accounts, -1, dtype=np.int64)
        np.maximum.at(party, self.src, self.src_party)
        np.maximum.at(party, self.dst, self.dst_party)
        alone = len(self.parties) + np.arange(self.accounts)
        return np.asarray(np.where(party >= 0, party, alone), dtype=np.int64)

    @cached_property
    def usable(self) -> Mask:
        """Edges that can be part of a path: no self-loop, no desk at either end."""
        return np.asarray(
            (self.src != self.dst) & ~self.desk[self.src] & ~self.desk[self.dst], dtype=np.bool_
        )

    @cached_property
    def amount(self) -> npt.NDArray[np.float64]:
        """Geometric middle of the amount's interval in minor units (at least 1)."""
        low, high = np.maximum(self.amount_low, 1), np.maximum(self.amount_high, 1)
        return np.asarray(np.sqrt(low.astype(np.float64) * high), dtype=np.float64)

    @cached_property
    def amounts_of(self) -> dict[int, npt.NDArray[np.float64]]:
        """Currency to the middle amounts of its payments, ascending."""
        codes = np.unique(self.currency).tolist()
        return {code: np.sort(self.amount[self.currency == code]) for code in codes}

    @cached_property
    def relation(self) -> Ints:
        """Number of the ordered pair (src, dst) of each edge."""
        _, inverse = np.unique(self.src.astype(np.int64) * self.accounts + self.dst, return_inverse=True)
        return np.asarray(inverse, dtype=np.int64)

    @cached_property
    def relation_span(self) -> Ints:
        """Seconds between the first and the last payment of the edge's ordered pair of accounts."""
        if not self.edges:
            return np.zeros(0, dtype=np.int64)
        size = int(self.relation.max()) + 1
        first = np.full(size, np.iinfo(np.int64).max)
        last = np.full(size, np.iinfo(np.int64).min)
        np.minimum.at(first, self.relation, self.t_low)
        np.maximum.at(last, self.relation, self.t_low)
        return np.asarray((last - first)[self.relation], dtype=np.int64)

    def span(self, edges: Indices) -> int:
        """Return the seconds from the first to the last instant that these payments' times allow."""
        return int(self.t_high[edges].max() - 1 - self.t_low[edges].min())

    def firsts(self, edges: Indices | Ints) -> Indices | Ints:
        """Return the first of these edges for each ordered pair of accounts."""
        return edges[np.unique(self.relation[edges], return_index=True)[1]]

    @classmethod
    def from_transfers(cls, transfers: pa.Table | pd.DataFrame) -> TemporalGraph:
        """Build the graph: every transfer is one edge, whatever its match state.

        A conflict is one transfer, so one edge. A half also counts if it waits for the other half, or if the
        other bank is not a member, because the payment took place as far as the ledger shows.

        Raises
        ------
        GraphError
            When a column is missing, or a row has no time or amount, an empty or reversed interval, or a
            negative amount; the error names the row.
        """
        table = as_transfers(transfers)
        rows = table.num_rows
        times = [_numbers(table, name) for name in ("time_low", "time_high")]
        amounts = [_numbers(table, name) for name in ("amount_low", "amount_high")]
        _check(times, amounts)
        flags = _filled(table, "flags", 0)
        pseudonyms, ends = _numbered(table, "debtor_account", "creditor_account")
        parties, party = _numbered(
            table, "debtor_party", "creditor_party", "debtor_on_behalf", "creditor_on_behalf"
        )
        if parties and parties[0] == NOBODY:
            party -= 1
            parties = parties[1:]
        n = len(pseudonyms)
        src, dst = ends[:rows], ends[rows:]
        keeper = np.full(n, np.iinfo(np.int32).max, dtype=np.int64)
        kind = np.zeros(n, dtype=np.int64)
        for end, side in ((src, "debtor"), (dst, "creditor")):
            agent = _filled(table, f"{side}_agent", 0)
            np.minimum.at(keeper, end[agent > 0], agent[agent > 0])
            np.maximum.at(kind, end, _filled(table, f"{side}_party_type", 0))
        keeper[keeper == np.iinfo(np.int32).max] = 0

        cash_in, cash_out = (flags & Flags.CASH_IN) > 0, (flags & Flags.CASH_OUT) > 0
        at_desk = np.bincount(src[cash_in], minlength=n) + np.bincount(dst[cash_out], minlength=n)
        desk = 2 * at_desk > np.bincount(src, minlength=n) + np.bincount(dst, minlength=n)
        if n and pseudonyms[0] == NOBODY:
            desk[0] = True

        currency = _filled(table, "currency", 0)
        amounts = [np.minimum(amount, OPEN_AMOUNT) for amount in amounts]
        place = [_filled(table, name, -1) for name in reversed((*DEBIT, *CREDIT))]
        order = np.lexsort((*place, flags, currency, *amounts[::-1], dst, src, *times[::-1])).astype(np.int64)
        del place
        source, target = src[order], dst[order]
        out_ptr, out_edge = _adjacency(source, n)
        in_ptr, in_edge = _adjacency(target, n)
        return cls(
            pseudonyms=pseudonyms,
            agents=keeper.astype(np.int32),
            desk=desk,
            kind=kind.astype(np.int32),
            parties=parties,
            src=source,
            dst=target,
            t_low=times[0][order],
            t_high=times[1][order],
            amount_low=amounts[0][order],
            amount_high=amounts[1][order],
            currency=currency[order].astype(np.int32),
            cash_in=cash_in[order],
            cash_out=cash_out[order],
            src_party=party[:rows][order],
            dst_party=party[rows : 2 * rows][order],
            src_behalf=party[2 * rows : 3 * rows][order],
            dst_behalf=party[3 * rows :][order],
            row=order,
            out_ptr=out_ptr,
            out_edge=out_edge,
            in_ptr=in_ptr,
            in_edge=in_edge,
        )


def _numbers(table: pa.Table, name: str) -> Ints:
    column = table.column(name)
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise GraphError("a transfer lacks a value", where=f"row {row}, {name}")
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _filled(table: pa.Table, name: str, default: int) -> npt.NDArray[Any]:
    """Return a column as 32-bit numbers if all values fit, because millions of rows are sorted."""
    column: npt.NDArray[Any] = table.column(name).fill_null(default).to_numpy()
    span = np.iinfo(np.int32)
    fits = column.dtype == np.int64 and (
        not len(column) or span.min <= column.min() <= column.max() <= span.max
    )
    return column.astype(np.int32) if fits else column


def _check(times: list[Ints], amounts: list[Ints]) -> None:
    for wrong, what in (
        (times[1] <= times[0], "a transfer's time interval is empty"),
        (amounts[0] < 0, "a transfer's amount is negative"),
        (amounts[1] < amounts[0], "a transfer's amount interval is reversed"),
    ):
        if wrong.any():
            raise GraphError(what, where=f"row {int(np.flatnonzero(wrong)[0])}")


def _numbered(table: pa.Table, *names: str) -> tuple[list[bytes], Indices]:
    """Assign ascending numbers to the distinct values of some columns; null is the all-zero pseudonym."""
    chunks = [c for name in names for c in table.column(name).chunks]
    numbers: dict[bytes, int] = {}
    coded = np.empty(sum(map(len, chunks)), dtype=np.int32)
    start = 0
    for chunk in chunks:  # chunk by chunk, so that the values of all rows are not copied at once
        found: Any = chunk.dictionary_encode(null_encoding="encode")
        values = [NOBODY if v is None else v for v in found.dictionary.to_pylist()]
        own = np.array([numbers.setdefault(v, len(numbers)) for v in values], dtype=np.int32)
        coded[start : start + len(chunk)] = own[found.indices.to_numpy()]
        start += len(chunk)
    ascending = sorted(numbers)
    rank = np.empty(len(numbers), dtype=np.int32)
    rank[[numbers[v] for v in ascending]] = np.arange(len(numbers), dtype=np.int32)
    return ascending, rank[coded]


def _adjacency(ends: Indices, n: int) -> tuple[Ints, Indices]:
    ptr = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(ends, minlength=n), out=ptr[1:])
    return ptr, np.argsort(ends, kind="stable").astype(np.int32)
