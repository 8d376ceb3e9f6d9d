"""Chains: money is passed on from account to account; the longest sequence that ends in this payment.

The search goes back in time from the debtor, along every payment that can have been handed on; no account
appears twice. Of several longest chains, the one with the greatest first amount is reported, then the one
that began first, so that the result does not depend on the order of rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import IN, OUT, LiveGraph, newest_before
from anomaly.engine.search import Family, Limits, Room
from anomaly.kernels.jit import jit

__all__ = ["chains"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@jit
def chains(
    graph: LiveGraph,
    first: int,
    last: int,
    family: Family,
    limits: Limits,
    room: Room,
    begin: int,
    out: Floats,
    cut: Mask,
) -> None:
    """Write the length, first amount and age of each edge's longest chain; a self-loop has no chain."""
    ring = len(graph.time) - 1
    for edge in range(first, last):
        at = edge & ring
        if graph.ends[OUT, at] != graph.ends[IN, at] and _longest(
            graph, edge, family, limits, room, edge - begin, out
        ):
            cut[edge - begin] = True


@jit
def _longest(
    graph: LiveGraph, edge: int, family: Family, limits: Limits, room: Room, row: int, out: Floats
) -> bool:
    """Search back from one edge; return whether the search was cut.

    At each depth, `room` holds the account that hands on (`path`), the time (`bound`) and amount (`low`) at
    which it does so, and the next payment into it to examine (`edge`).
    """
    ring = len(graph.time) - 1
    now, amount = graph.time[edge & ring], graph.amount[edge & ring]
    limit, longest, largest, began = now + limits.ties, 1, amount, now
    room.token[0] += 1
    token, cut, steps, depth = room.token[0], False, 0, 0
    payer = graph.ends[OUT, edge & ring]
    room.mark[payer] = room.mark[graph.ends[IN, edge & ring]] = token
    room.path[0], room.bound[0], room.low[0], room.looked[0] = payer, now, amount, 0
    room.edge[0] = newest_before(graph, IN, payer, limit)
    while depth >= 0:
        step = room.edge[depth]
        if step < 0 or graph.time[step & ring] < room.bound[depth] - family.window:
            room.mark[room.path[depth]] = 0
            depth -= 1
            continue
        at = step & ring
        room.edge[depth] = graph.older[IN, at]
        steps += 1
        if steps > limits.budget:
            cut = True
            break
        when, amount, account = graph.time[at], graph.amount[at], graph.ends[OUT, at]
        if when >= room.bound[depth] + limits.ties:
            continue
        room.looked[depth] += 1
        if room.looked[depth] > limits.hub_degree:
            cut, room.edge[depth] = True, -1
            continue
        onward = room.low[depth]
        if room.mark[account] == token or not (
            limits.keep_low * amount <= onward <= limits.keep_high * amount
        ):
            continue
        length = depth + 2
        if length > longest or (
            length == longest and (amount > largest or (amount == largest and when < began))
        ):
            longest, largest, began = length, amount, when
        if length < family.longest:
            depth += 1
            room.path[depth], room.bound[depth], room.low[depth] = account, when, amount
            room.edge[depth], room.looked[depth] = newest_before(graph, IN, account, limit), 0
            room.mark[account] = token
    out[row, family.column], out[row, family.column + 1] = longest, largest
    out[row, family.column + 2] = now - began
    return cut
