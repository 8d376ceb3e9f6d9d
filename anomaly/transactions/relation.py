"""Earlier payments between two accounts, and the time since each account was first seen: novelty and habit.

"So far" includes the payment's own bucket without the payment, so the order inside a bucket does not matter.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from anomaly.graph import TemporalGraph
from anomaly.kernels.csr import first_above
from anomaly.kernels.jit import jit

__all__ = ["COLUMNS", "first_of_pair", "habits", "next_of_pair"]

Ints = npt.NDArray[np.int64]

#: Name, meaning, unit, and whether the column is known only after the window has closed.
COLUMNS: Final = (
    ("pair_before", "earlier payments of the same pair", "log(1 + n), all so far", False),
    ("pair_since", "time since the pair's last payment", "log(1 + hours), -1: none", False),
    ("pair_change", "log ratio to the pair's last amount", "log ratio, 0: none", False),
    ("reverse_before", "earlier payments the other way", "log(1 + n), all so far", False),
    ("pair_after", "later payments of the same pair", "log(1 + n), window", True),
    ("reverse_after", "later payments the other way", "log(1 + n), window", True),
    ("payer_age", "time since the payer was first seen", "log(1 + hours)", False),
    ("payee_age", "time since the payee was first seen", "log(1 + hours)", False),
    ("payer_pause", "time since the payer's last payment in or out", "log(1 + hours), -1: none", False),
    ("payee_pause", "time since the payee's last payment in or out", "log(1 + hours), -1: none", False),
    ("payer_payments", "payments of the payer so far", "log(1 + n)", False),
    ("payee_payments", "payments of the payee so far", "log(1 + n)", False),
    ("payer_new_share", "share of the payer's payments to new payees", "share, so far", False),
    ("payee_new_share", "share of the payee's receipts from new payers", "share, so far", False),
)


def first_of_pair(graph: TemporalGraph, time: Ints) -> npt.NDArray[np.bool_]:
    """Return which payments have no earlier payment of the same ordered pair (all of the first bucket)."""
    if not graph.edges:
        return np.zeros(0, np.bool_)
    first = np.full(int(graph.relation.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, graph.relation, time)
    return np.asarray(time == first[graph.relation], dtype=np.bool_)


def next_of_pair(graph: TemporalGraph, time: Ints) -> Ints:
    """Return the time of the pair's next payment: the same time, if the bucket has several payments."""
    never = np.iinfo(np.int64).max
    order = np.lexsort((time, graph.relation))
    pair, at = graph.relation[order], time[order]
    follows = np.full(len(order), never)
    follows[:-1] = np.where(pair[1:] == pair[:-1], at[1:], never)
    # all payments of the pair in one bucket have the same next payment
    same = np.append(False, (pair[1:] == pair[:-1]) & (at[1:] == at[:-1]))
    result = np.empty(len(order), np.int64)
    result[order] = follows
    shared = np.flatnonzero(same)
    result[order[shared]] = at[shared]
    return result


def habits(
    graph: TemporalGraph,
    time: Ints,
    hour: int,
    log_amount: npt.NDArray[np.float64],
    first: npt.NDArray[np.bool_],
    window: int,
) -> npt.NDArray[np.float32]:
    """Return the (edges, COLUMNS) array.

    Parameters
    ----------
    hour : int
        Length of an hour in the unit of `time` and `window`.
    """
    n = graph.accounts
    result = np.zeros((graph.edges, len(COLUMNS)), np.float32)
    if not graph.edges:
        return result
    reverse = _reverse(graph)
    order = np.lexsort((time, graph.relation)).astype(np.int64)
    starts = np.concatenate(
        (np.zeros(1, np.int64), np.cumsum(np.bincount(graph.relation, minlength=len(reverse))))
    )
    ordered = time[order]
    _pairs(starts, order, ordered, graph.relation, reverse, time, hour, log_amount, window, result)
    _accounts(
        n, graph.src, graph.dst, graph.out_ptr, graph.out_edge, graph.in_ptr, graph.in_edge,
        time, hour, first, result,
    )  # fmt: skip
    return result


def _reverse(graph: TemporalGraph) -> Ints:
    """Return for each pair the number of the reversed pair, or -1."""
    size = int(graph.relation.max()) + 1
    key = np.zeros(size, np.int64)
    back = np.zeros(size, np.int64)
    src, dst = graph.src.astype(np.int64), graph.dst.astype(np.int64)
    key[graph.relation] = src * graph.accounts + dst
    back[graph.relation] = dst * graph.accounts + src
    found = np.minimum(np.searchsorted(key, back), size - 1)  # pairs are numbered in the order of their key
    return np.where(key[found] == back, found, -1)


@jit
def _pairs(
    starts: Ints,
    order: Ints,
    ordered: Ints,
    relation: Ints,
    reverse: Ints,
    time: Ints,
    hour: int,
    log_amount: npt.NDArray[np.float64],
    window: int,
    result: npt.NDArray[np.float32],
) -> None:
    for e in range(len(relation)):
        r = relation[e]
        low, high = starts[r], starts[r + 1]
        here = first_above(ordered, low, high, time[e])
        before = first_above(ordered, low, high, time[e] - 1)
        row = result[e]
        row[0] = np.log1p(here - low - 1)
        row[1] = -1.0
        if before > low:
            row[1] = np.log1p((time[e] - ordered[before - 1]) / hour)
            # use the mean of the last bucket, because its payments have no order
            last = first_above(ordered, low, before, ordered[before - 1] - 1)
            mean = 0.0
            for i in range(last, before):
                mean += log_amount[order[i]]
            row[2] = log_amount[e] - mean / (before - last)
        row[4] = np.log1p(first_above(ordered, low, high, time[e] + window) - here)
        b = reverse[r]
        if b >= 0:
            low, high = starts[b], starts[b + 1]
            here = first_above(ordered, low, high, time[e])
            row[3] = np.log1p(here - low)
            row[5] = np.log1p(first_above(ordered, low, high, time[e] + window) - here)


@jit
def _accounts(
    accounts: int,
    src: npt.NDArray[np.int32],
    dst: npt.NDArray[np.int32],
    out_ptr: Ints,
    out_edge: npt.NDArray[np.int32],
    in_ptr: Ints,
    in_edge: npt.NDArray[np.int32],
    time: Ints,
    hour: int,
    first: npt.NDArray[np.bool_],
    result: npt.NDArray[np.float32],
) -> None:
    """Fill the account columns: read each account's payments bucket by bucket."""
    for v in range(accounts):
        i, j = out_ptr[v], in_ptr[v]
        begin = np.int64(0)
        previous = np.int64(0)
        known = False
        sent, got, sent_new, got_new = 0, 0, 0, 0
        while i < out_ptr[v + 1] or j < in_ptr[v + 1]:
            if j == in_ptr[v + 1]:
                now = time[out_edge[i]]
            elif i == out_ptr[v + 1]:
                now = time[in_edge[j]]
            else:
                now = min(time[out_edge[i]], time[in_edge[j]])
            a, b = i, j
            while i < out_ptr[v + 1] and time[out_edge[i]] == now:
                sent += 1
                sent_new += first[out_edge[i]]
                i += 1
            while j < in_ptr[v + 1] and time[in_edge[j]] == now:
                got += 1
                got_new += first[in_edge[j]]
                j += 1
            if not known:
                begin = now
            age = np.log1p((now - begin) / hour)
            pause = np.log1p((now - previous) / hour) if known else -1.0
            for k in range(a, i):
                row = result[out_edge[k]]
                row[6], row[8], row[10], row[12] = age, pause, np.log1p(sent + got), sent_new / sent
            for k in range(b, j):
                row = result[in_edge[k]]
                row[7], row[9], row[11], row[13] = age, pause, np.log1p(sent + got), got_new / got
            previous = now
            known = True
