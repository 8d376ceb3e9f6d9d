"""Temporal cycles that a payment closes: money returns to the account it left, payments in order of time.

The search goes back in time from the payer to the payee, at each step along the latest payment that still
fits. Before the search, each account is labelled with the latest time at which money must leave it to arrive
in time, and with the earliest time at which money from the payee can be there; steps that cannot lead to a
cycle are skipped. Parallel payments are one step: a cycle is a sequence of accounts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import IN, OUT, LiveGraph, is_latest, latest_of_pair, newest_before
from anomaly.engine.search import Family, Limits, Room, tell_cycle
from anomaly.kernels.jit import jit

__all__ = ["credit_cycle", "may_close", "temporal_cycles"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@jit
def may_close(graph: LiveGraph, first: int, last: int, window: int, ties: bool, open_edge: Mask) -> None:
    """Mark the edges whose payer received a payment and whose payee made a payment within the window."""
    ring = len(graph.time) - 1
    for edge in range(first, last):
        at = edge & ring
        low, limit = graph.time[at] - window, graph.time[at] + ties
        payer, paid = graph.ends[OUT, at], graph.ends[IN, at]
        received, sent = graph.newest[IN, payer], graph.newest[OUT, paid]
        if received >= 0 and graph.time[received & ring] >= limit:
            received = newest_before(graph, IN, payer, limit)
        if sent >= 0 and graph.time[sent & ring] >= limit:
            sent = newest_before(graph, OUT, paid, limit)
        open_edge[edge - first] = (
            payer != paid
            and received >= 0
            and sent >= 0
            and graph.time[received & ring] >= low
            and graph.time[sent & ring] >= low
        )


@jit
def temporal_cycles(
    graph: LiveGraph,
    first: int,
    last: int,
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
        From this edge on, cycles are also counted for the other edges that are part of them.
    """
    ring = len(graph.time) - 1
    open_edge = np.empty(last - first, np.bool_)
    may_close(graph, first, last, family.window, limits.ties, open_edge)
    for edge in range(first, last):
        if open_edge[edge - first]:
            low, limit = graph.time[edge & ring] - family.window, graph.time[edge & ring] + limits.ties
            if _closed_by(graph, edge, low, limit, family, limits, room, begin, credit, out):
                cut[edge - begin] = True


@jit
def _closed_by(
    graph: LiveGraph,
    edge: int,
    low: int,
    limit: int,
    family: Family,
    limits: Limits,
    room: Room,
    begin: int,
    credit: int,
    out: Floats,
) -> bool:
    """Count the cycles that one edge closes with others from `low` to before `limit`; return whether cut."""
    room.token[0] += 1
    room.token[1] = 0
    payer, paid = graph.ends[OUT, edge & (len(graph.time) - 1)], graph.ends[IN, edge & (len(graph.time) - 1)]
    cut = _must_leave(graph, payer, paid, low, limit, limits, room)
    if room.back_mark[paid] != room.token[0]:
        return cut
    cut |= _can_be_there(graph, payer, paid, low, limit, limits, room)
    return _search(graph, edge, low, limit, family, limits, room, begin, credit, out) or cut


@jit
def _must_leave(
    graph: LiveGraph, payer: int, paid: int, low: int, limit: int, limits: Limits, room: Room
) -> bool:
    """Label accounts with the time before which money must leave them to reach the payer in time."""
    ring, token, cut = len(graph.time) - 1, room.token[0], False
    room.queue[0], room.back_mark[payer], room.back[payer] = payer, token, limit
    head, tail = 0, 1
    while head < tail:
        account, looked = room.queue[head], 0
        head += 1
        bound, step = room.back[account], newest_before(graph, IN, account, limit)
        while step >= 0 and graph.time[step & ring] >= low:
            at = step & ring
            if graph.time[at] < bound:
                room.token[1] += 1
                looked += 1
                if room.token[1] > limits.budget:
                    return True
                if looked > limits.hub_degree:
                    cut = True
                    break
                other, leave = graph.ends[OUT, at], graph.time[at] + limits.ties
                if other != payer and (room.back_mark[other] != token or room.back[other] < leave):
                    room.back_mark[other], room.back[other] = token, leave
                    if other != paid:
                        room.queue[tail] = other
                        tail += 1
            step = graph.older[IN, at]
    return cut


@jit
def _can_be_there(
    graph: LiveGraph, payer: int, paid: int, low: int, limit: int, limits: Limits, room: Room
) -> bool:
    """Label accounts with the earliest time at which money from the payee can leave them."""
    ring, token, cut = len(graph.time) - 1, room.token[0], False
    room.queue[0], room.ahead_mark[paid], room.ahead[paid] = paid, token, low
    head, tail = 0, 1
    room.token[1] = 0
    while head < tail:
        account, looked = room.queue[head], 0
        head += 1
        earliest, step = room.ahead[account], newest_before(graph, OUT, account, limit)
        while step >= 0 and graph.time[step & ring] >= earliest:
            at = step & ring
            other = graph.ends[IN, at]
            room.token[1] += 1
            looked += 1
            if room.token[1] > limits.budget:
                return True
            if looked > limits.hub_degree:
                cut = True
                break
            if other != paid and room.back_mark[other] == token and graph.time[at] < room.back[other]:
                leave = graph.time[at] + (not limits.ties)
                if room.ahead_mark[other] != token or leave < room.ahead[other]:
                    room.ahead_mark[other], room.ahead[other] = token, leave
                    if other != payer:
                        room.queue[tail] = other
                        tail += 1
            step = graph.older[OUT, at]
    return cut


@jit
def _search(
    graph: LiveGraph,
    edge: int,
    low: int,
    limit: int,
    family: Family,
    limits: Limits,
    room: Room,
    begin: int,
    credit: int,
    out: Floats,
) -> bool:
    """Follow the labelled accounts back from the payer; return whether the search was cut."""
    ring = len(graph.time) - 1
    payer, paid = graph.ends[OUT, edge & ring], graph.ends[IN, edge & ring]
    token, cut, steps, depth = room.token[0], False, 0, 0
    room.path[0], room.bound[0], room.edge[0] = payer, limit, newest_before(graph, IN, payer, limit)
    room.looked[0], room.fresh[0] = 0, 0
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
        account = graph.ends[OUT, at]
        if room.ahead_mark[account] != token or room.ahead[account] > graph.time[at]:
            continue
        if not is_latest(graph, step, room.bound[depth]):
            continue
        amount = _largest_at_once(graph, step)
        if account == paid:
            smallest, largest = min(room.low[depth], amount), max(room.high[depth], amount)
            agreement = smallest / largest if largest > 0.0 else 1.0
            tell_cycle(out, edge - begin, family, depth + 2, agreement)
            if room.fresh[depth] == 1 or step >= credit:
                credit_cycle(
                    graph, edge, depth, low, True, family, limits, room, begin, credit, agreement, out
                )
        elif room.mark[account] != token and depth + 2 < family.longest:
            room.low[depth + 1] = min(room.low[depth], amount)
            room.high[depth + 1] = max(room.high[depth], amount)
            depth += 1
            room.path[depth], room.edge[depth] = account, newest_before(graph, IN, account, limit)
            room.bound[depth] = graph.time[at] + limits.ties
            room.looked[depth], room.fresh[depth] = 0, room.fresh[depth - 1] | (step >= credit)
            room.mark[account] = token
    return cut


@jit
def _largest_at_once(graph: LiveGraph, edge: int) -> float:
    """Return the largest amount of parallel payments at the edge's time, because they have no order."""
    ring = len(graph.time) - 1
    now = graph.time[edge & ring]
    largest: float = graph.amount[edge & ring]
    older = graph.pair_older[edge & ring]
    while older >= 0 and graph.time[older & ring] == now:
        largest = max(largest, graph.amount[older & ring])
        older = graph.pair_older[older & ring]
    return largest


@jit
def credit_cycle(
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
    """Count the cycle for the other edges that can be part of it: each parallel edge that fits in time."""
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
