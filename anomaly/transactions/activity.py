"""Activity of both accounts around a payment: counts, sums and counterparties in two-pointer sliding windows.

For each payment and each of its accounts, payments out and payments in are separate. A window that looks back
contains the payments with t - window <= time <= t, so all payments of one bucket see each other and their
order does not matter; a window that looks ahead contains t < time <= t + window.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from anomaly.graph import TemporalGraph
from anomaly.kernels.jit import jit

__all__ = ["STATISTICS", "activity"]

Floats = npt.NDArray[np.float32]

#: Statistics of each window: name, meaning, unit.
STATISTICS: Final = (
    ("count", "payments", "log(1 + n)"),
    ("parties", "distinct counterparties", "log(1 + n)"),
    ("banks", "distinct banks of counterparties", "n"),
    ("sum", "sum of amounts", "log(1 + units)"),
    ("z", "this amount beside the mean of the others", "standard deviations of log amounts"),
    ("new", "payments that were the first of their pair", "log(1 + n)"),
)


def activity(
    graph: TemporalGraph,
    time: npt.NDArray[np.int64],
    amount: npt.NDArray[np.float64],
    first: npt.NDArray[np.bool_],
    window: int,
    ahead: bool,
) -> Floats:
    """Return (edges, 2 ends, 2 directions, statistics): ends are (payer, payee), directions (out, in).

    Parameters
    ----------
    graph : TemporalGraph
    time : (edges,) int64
        Ascending, in any unit; `window` is in the same unit.
    amount : (edges,) float64
        Comparable across currencies, positive.
    first : (edges,) bool
        Whether a payment was the first of its ordered pair.
    window : int
    ahead : bool
        Look ahead instead of back.
    """
    result = np.zeros((graph.edges, 2, 2, len(STATISTICS)), np.float32)
    # pairs are numbered, so a table of counters gives distinct counterparties; banks have their own table
    log_amount = np.log(np.maximum(amount, 1e-6))
    agents = int(graph.agents.max(initial=0)) + 1
    for direction, (other, ptr, edges) in enumerate(
        (
            (graph.dst, graph.out_ptr, graph.out_edge),
            (graph.src, graph.in_ptr, graph.in_edge),
        )
    ):
        bank = graph.agents[other].astype(np.int64)
        for end, (query_ptr, query_edge) in enumerate(
            ((graph.out_ptr, graph.out_edge), (graph.in_ptr, graph.in_edge))
        ):
            _sweep(
                ptr, edges, query_ptr, query_edge, time, amount, log_amount, graph.relation,
                bank, agents, first, window, ahead, end == direction, result[:, end, direction],
            )  # fmt: skip
    return result


@jit
def _sweep(
    ptr: npt.NDArray[np.int64],
    edges: npt.NDArray[np.int32],
    query_ptr: npt.NDArray[np.int64],
    query_edge: npt.NDArray[np.int32],
    time: npt.NDArray[np.int64],
    amount: npt.NDArray[np.float64],
    log_amount: npt.NDArray[np.float64],
    relation: npt.NDArray[np.int64],
    bank: npt.NDArray[np.int64],
    agents: int,
    first: npt.NDArray[np.bool_],
    window: int,
    ahead: bool,
    own: bool,
    result: npt.NDArray[np.float32],
) -> None:
    """Move both ends of the window along each account's payments, for its queries in order of time."""
    pairs = 0
    for r in relation:
        pairs = max(pairs, r + 1)
    seen = np.zeros(pairs, np.int32)
    seen_bank = np.zeros(agents, np.int32)
    for v in range(len(ptr) - 1):
        low, high = ptr[v], ptr[v]
        count, parties, banks, new = 0, 0, 0, 0
        total, mean, square = 0.0, 0.0, 0.0
        for q in range(query_ptr[v], query_ptr[v + 1]):
            query = query_edge[q]
            begin = time[query] - window
            end = time[query]
            if ahead:
                begin = time[query] + 1
                end = time[query] + window
            while high < ptr[v + 1] and time[edges[high]] <= end:
                e = edges[high]
                high += 1
                count += 1
                total += amount[e]
                mean += log_amount[e]
                square += log_amount[e] ** 2
                new += first[e]
                seen[relation[e]] += 1
                parties += seen[relation[e]] == 1
                seen_bank[bank[e]] += 1
                banks += seen_bank[bank[e]] == 1
            while low < high and time[edges[low]] < begin:
                e = edges[low]
                low += 1
                count -= 1
                total -= amount[e]
                mean -= log_amount[e]
                square -= log_amount[e] ** 2
                new -= first[e]
                seen[relation[e]] -= 1
                parties -= seen[relation[e]] == 0
                seen_bank[bank[e]] -= 1
                banks -= seen_bank[bank[e]] == 0
            row = result[query]
            row[0] = np.log1p(count)
            row[1] = np.log1p(parties)
            row[2] = banks
            row[3] = np.log1p(max(total, 0.0))
            row[5] = np.log1p(new)
            # compare the payment with the others only
            others, m, s = count, mean, square
            if own and not ahead:
                others -= 1
                m -= log_amount[query]
                s -= log_amount[query] ** 2
            if others > 0:
                m /= others
                # prior: a standard deviation of half a log unit, with the weight of two payments
                variance = (max(s - others * m * m, 0.0) + 2 * 0.25) / (others + 2)
                row[4] = (log_amount[query] - m) / np.sqrt(variance)
        for i in range(low, high):
            seen[relation[edges[i]]] = 0
            seen_bank[bank[edges[i]]] = 0
