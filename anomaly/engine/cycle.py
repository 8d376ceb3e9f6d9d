"""Cycles that an edge closes: temporal ones (each payment later than the one before) and hop-constrained ones.

The search starts at the account that pays and goes back in time from account to account, at each step along
the latest payment that still fits, until it reaches the account that is paid. Parallel payments are one
step: a cycle is a sequence of accounts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import IN, OUT, LiveGraph, is_latest, latest_of_pair
from anomaly.engine.search import Family, Limits, Room, tell_cycle
from anomaly.kernels.jit import jit

__all__ = ["cycles"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@jit
def cycles(
    graph: LiveGraph,
    first: int,
    last: int,
    temporal: bool,
    family: Family,
    limits: Limits,
    room: Room,
    begin: int,
    credit: int,
    out: Floats,
    cut: Mask,
) -> None:
    """Count the cycles that each edge from `first` to before `last` closes, in its row of `out`.

    Parameters
    ----------
    begin : int
        Edge of the first row of `out` and `cut`.
    credit : int
        Edges from this one on are told, too, of the cycles that they are part of.
    """
    ring = len(graph.time) - 1
    for edge in range(first, last):
        at = edge & ring
        low, limit = graph.time[at] - family.window, graph.time[at] + limits.ties
        # money must have come in to the payer and gone out of the paid account
        step = graph.newest[IN, graph.ends[OUT, at]]
        while step >= 0 and graph.time[step & ring] >= limit:
            step = graph.older[IN, step & ring]
        if step < 0 or graph.time[step & ring] < low:
            continue
        step = graph.newest[OUT, graph.ends[IN, at]]
        while step >= 0 and graph.time[step & ring] >= limit:
            step = graph.older[OUT, step & ring]
        if step < 0 or graph.time[step & ring] < low or graph.ends[OUT, at] == graph.ends[IN, at]:
            continue
        if _closed_by(graph, edge, low, limit, temporal, family, limits, room, begin, credit, out):
            cut[edge - begin] = True


@jit
def _closed_by(
    graph: LiveGraph,
    edge: int,
    low: int,
    limit: int,
    temporal: bool,
    family: Family,
    limits: Limits,
    room: Room,
    begin: int,
    credit: int,
    out: Floats,
) -> bool:
    """Count the cycles that one edge closes with others from `low` to before `limit`; return whether cut."""
    ring = len(graph.time) - 1
    payer, paid = graph.ends[OUT, edge & ring], graph.ends[IN, edge & ring]
    room.token[0] += 1
    token, cut, steps, depth = room.token[0], False, 0, 0
    room.path[0], room.edge[0], room.bound[0] = payer, graph.newest[IN, payer], limit
    room.looked[0] = 0
    room.low[0] = room.high[0] = graph.amount[edge & ring]
    room.mark[payer] = token
    while depth >= 0:
        step = room.edge[depth]
        if step < 0 or graph.time[step & ring] < low:
            room.mark[room.path[depth]] = 0
            depth -= 1
            continue
        at = step & ring
        room.edge[depth] = graph.older[IN, at]
        if graph.time[at] >= room.bound[depth]:
            continue
        steps += 1
        room.looked[depth] += 1
        if steps > limits.budget:
            cut = True
            break
        if room.looked[depth] > limits.hub_degree:
            cut, room.edge[depth] = True, -1
            continue
        if not is_latest(graph, step, room.bound[depth]):
            continue
        account = graph.ends[OUT, at]
        amount = _largest_at_once(graph, step)
        if account == paid:
            smallest, largest = min(room.low[depth], amount), max(room.high[depth], amount)
            agreement = -1.0 if not temporal else (smallest / largest if largest > 0.0 else 1.0)
            tell_cycle(out, edge - begin, family, depth + 2, agreement)
            if edge >= credit:
                _credit(
                    graph, edge, depth, low, temporal, family, limits, room, begin, credit, agreement, out
                )
        elif room.mark[account] != token and depth + 2 < family.longest:
            room.low[depth + 1] = min(room.low[depth], amount)
            room.high[depth + 1] = max(room.high[depth], amount)
            depth += 1
            room.path[depth], room.edge[depth] = account, graph.newest[IN, account]
            room.bound[depth] = (graph.time[at] + limits.ties) if temporal else limit
            room.looked[depth] = 0
            room.mark[account] = token
    return cut


@jit
def _largest_at_once(graph: LiveGraph, edge: int) -> float:
    """Return the largest amount among parallel payments of the edge's time: those have no order."""
    ring = len(graph.time) - 1
    now, largest = graph.time[edge & ring], graph.amount[edge & ring]
    older = graph.pair_older[edge & ring]
    while older >= 0 and graph.time[older & ring] == now:
        largest = max(largest, graph.amount[older & ring])
        older = graph.pair_older[older & ring]
    return largest


@jit
def _credit(
    graph: LiveGraph,
    edge: int,
    depth: int,
    low: int,
    temporal: bool,
    family: Family,
    limits: Limits,
    room: Room,
    begin: int,
    credit: int,
    agreement: float,
    out: Floats,
) -> None:
    """Tell the cycle to the other edges that can be part of it: every parallel one that fits in time."""
    ring = len(graph.time) - 1
    debtor, earliest = graph.ends[IN, edge & ring], low
    for k in range(depth, -1, -1):
        creditor, first = room.path[k], room.bound[k]
        step = latest_of_pair(graph, debtor, creditor, room.bound[k])
        while step >= 0 and graph.time[step & ring] >= earliest:
            first = graph.time[step & ring]
            if step >= credit and step != edge:
                tell_cycle(out, step - begin, family, depth + 2, agreement)
            step = graph.pair_older[step & ring]
        if temporal:
            earliest = first + (not limits.ties)
        debtor = creditor
