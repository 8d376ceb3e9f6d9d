"""Patterns of two hops that an edge is part of: scatter-gather and its stacks, and bipartite groups.

All of them count common neighbours: the neighbours of one end of the edge that are also neighbours of an
account two hops away. Hubs are not slow: for a long list, single pairs are looked up instead.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import IN, OUT, LiveGraph, is_latest, latest_of_pair, newest_before
from anomaly.engine.search import Family, Limits, Room, is_seen, tell_size
from anomaly.kernels.jit import jit

__all__ = ["bipartite", "scatter_gather"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@jit
def _common(
    graph: LiveGraph,
    hop: int,
    hop_way: int,
    other: int,
    other_way: int,
    extra: int,
    low: int,
    limit: int,
    limits: Limits,
    room: Room,
) -> int:
    """Count the common neighbours of `hop` and `other`; `extra` counts as a neighbour of `other`.

    They are written to `room.found`. Both lists are read in turns until the shorter one ends; then each of
    its accounts is looked up with the other end. Returns -1 if the budget is used up, or if both are hubs.
    """
    ring = len(graph.time) - 1
    a = newest_before(graph, hop_way, hop, limit)
    b = newest_before(graph, other_way, other, limit)
    looked = 0
    while True:
        hop_ends = a < 0 or graph.time[a & ring] < low
        if hop_ends or b < 0 or graph.time[b & ring] < low:
            break
        room.token[1] += 1
        looked += 1
        if room.token[1] > limits.budget or looked > limits.hub_degree:
            return -1
        a, b = graph.older[hop_way, a & ring], graph.older[other_way, b & ring]
    walked, way, asked, asked_way = (
        (hop, hop_way, other, other_way) if hop_ends else (other, other_way, hop, hop_way)
    )
    size = 0
    if not hop_ends and _deals(graph, hop, hop_way, extra, low, limit):
        room.found[size] = extra
        size += 1
    step = newest_before(graph, way, walked, limit)
    while step >= 0 and graph.time[step & ring] >= low:
        at = step & ring
        if is_latest(graph, step, limit):
            room.token[1] += 1
            if room.token[1] > limits.budget:
                return -1
            account = graph.ends[1 - way, at]
            if account == extra:
                both = hop_ends  # counted above if the other list is read
            else:
                both = (
                    account != hop
                    and account != other
                    and _deals(graph, asked, asked_way, account, low, limit)
                )
            if both:
                room.found[size] = account
                size += 1
        step = graph.older[way, at]
    return size


@jit
def _deals(graph: LiveGraph, account: int, way: int, other: int, low: int, limit: int) -> bool:
    if way == OUT:
        return is_seen(graph, account, other, low, limit)
    return is_seen(graph, other, account, low, limit)


@jit
def scatter_gather(
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
    """Count the scatter-gather patterns that each edge closes, as scatter or as gather, in its row of `out`.

    A pattern is one source, one final payee, and all intermediaries between them (two or more), with payments
    in any order within the window. Other parameters are those of `temporal_cycles`.
    """
    ring = len(graph.time) - 1
    for edge in range(first, last):
        at = edge & ring
        if graph.ends[OUT, at] == graph.ends[IN, at]:
            continue
        low, limit = graph.time[at] - family.window, graph.time[at] + limits.ties
        room.token[1] = 0
        for way in range(2):
            # way IN: the edge gathers, and an edge into its payer scatters. way OUT: the edge scatters.
            middle, other = graph.ends[way ^ IN, at], graph.ends[way, at]
            step, beyond = graph.newest[way, middle], graph.newest[way, other]
            if step >= 0 and graph.time[step & ring] >= limit:
                step = newest_before(graph, way, middle, limit)
            if step < 0 or graph.time[step & ring] < low:
                continue
            if beyond >= 0 and graph.time[beyond & ring] >= limit:
                beyond = newest_before(graph, way, other, limit)
            if beyond == edge:
                beyond = graph.older[way, at]
            if beyond < 0 or graph.time[beyond & ring] < low:
                continue  # no second intermediary
            if _between(
                graph, edge, way, middle, other, low, limit, family, limits, room, begin, credit, out
            ):
                cut[edge - begin] = True


@jit
def _between(
    graph: LiveGraph,
    edge: int,
    way: int,
    middle: int,
    other: int,
    low: int,
    limit: int,
    family: Family,
    limits: Limits,
    room: Room,
    begin: int,
    credit: int,
    out: Floats,
) -> bool:
    """Count the patterns with the intermediary `middle` and the end `other`; return whether cut."""
    ring = len(graph.time) - 1
    step, looked = newest_before(graph, way, middle, limit), 0
    cut = False
    while step >= 0 and graph.time[step & ring] >= low:
        at = step & ring
        room.token[1] += 1
        looked += 1
        if room.token[1] > limits.budget or looked > limits.hub_degree:
            return True
        hop = graph.ends[1 - way, at]
        if hop != middle and hop != other and is_latest(graph, step, limit):
            size = _common(graph, hop, 1 - way, other, way, middle, low, limit, limits, room)
            if size < 0:
                cut = True
                if room.token[1] > limits.budget:
                    break
            elif size >= 2:
                tell_size(out, edge - begin, family, size)
                if edge >= credit:
                    source, sink = (hop, other) if way == IN else (other, hop)
                    _credit(graph, edge, source, sink, size, low, limit, family, room, begin, credit, out)
        step = graph.older[way, at]
    return cut


@jit
def _credit(
    graph: LiveGraph,
    edge: int,
    source: int,
    sink: int,
    size: int,
    low: int,
    limit: int,
    family: Family,
    room: Room,
    begin: int,
    credit: int,
    out: Floats,
) -> None:
    """Count the pattern for the other edges that are part of it, including parallel edges."""
    ring = len(graph.time) - 1
    for i in range(size):
        for half in range(2):
            debtor, creditor = (source, room.found[i]) if half == 0 else (room.found[i], sink)
            step = latest_of_pair(graph, debtor, creditor, limit)
            while step >= credit and graph.time[step & ring] >= low:
                if step != edge:
                    tell_size(out, step - begin, family, size)
                step = graph.pair_older[step & ring]


@jit
def bipartite(
    graph: LiveGraph,
    first: int,
    last: int,
    ahead: bool,
    family: Family,
    limits: Limits,
    room: Room,
    begin: int,
    out: Floats,
    cut: Mask,
) -> None:
    """Write how many further payees each edge's payer shares with other payers of the same account.

    A butterfly is two payers and two payees with all four payments in the window of the edge.
    """
    ring = len(graph.time) - 1
    for edge in range(first, last):
        at = edge & ring
        payer, paid = graph.ends[OUT, at], graph.ends[IN, at]
        if payer == paid:
            continue
        low = graph.time[at] - family.window + 1
        limit = graph.time[at] + (family.window if ahead else limits.ties)
        if _meetings(graph, payer, paid, low, limit, edge - begin, family, limits, room, out):
            cut[edge - begin] = True


@jit
def _meetings(
    graph: LiveGraph,
    payer: int,
    paid: int,
    low: int,
    limit: int,
    i: int,
    family: Family,
    limits: Limits,
    room: Room,
    out: Floats,
) -> bool:
    """Count the payees shared with each other payer, starting from the payers or from the payees.

    One way costs as much as the payee has payers; the other as much as all payees of the payer have payers.
    Both are counted in parallel, and the shorter one is taken.
    """
    ring = len(graph.time) - 1
    room.token[0] += 1
    room.token[1] = 0
    payers, payees = newest_before(graph, IN, paid, limit), newest_before(graph, OUT, payer, limit)
    inner, cut = -1, False
    while payers >= 0 and graph.time[payers & ring] >= low:
        while (
            (inner < 0 or graph.time[inner & ring] < low) and payees >= 0 and graph.time[payees & ring] >= low
        ):
            account = graph.ends[IN, payees & ring]
            if account != paid and account != payer and is_latest(graph, payees, limit):
                inner = newest_before(graph, IN, account, limit)
            payees = graph.older[OUT, payees & ring]
        if inner < 0 or graph.time[inner & ring] < low:
            break
        room.token[1] += 1
        if room.token[1] > limits.hub_degree:
            return True
        payers, inner = graph.older[IN, payers & ring], graph.older[IN, inner & ring]
    by_payers = payers < 0 or graph.time[payers & ring] < low
    token, first, others = room.token[0], family.column, 0
    step = newest_before(graph, OUT, payer, limit)
    if by_payers:
        step = newest_before(graph, IN, paid, limit)
    while step >= 0 and graph.time[step & ring] >= low:
        at = step & ring
        account = graph.ends[OUT if by_payers else IN, at]
        if account != payer and account != paid and is_latest(graph, step, limit):
            if by_payers:
                room.token[1] = 0
                size = _common(graph, account, OUT, payer, OUT, paid, low, limit, limits, room)
                if size < 0:
                    cut = True
                elif size >= 2:  # the edge's payee is one of them
                    room.queue[others], room.back[account] = account, size - 1
                    others += 1
            else:
                inner = newest_before(graph, IN, account, limit)
                while inner >= 0 and graph.time[inner & ring] >= low:
                    other = graph.ends[OUT, inner & ring]
                    if other not in (payer, paid, account) and is_latest(graph, inner, limit):
                        if room.back_mark[other] != token and is_seen(graph, other, paid, low, limit):
                            room.back_mark[other], room.back[other] = token, 0
                            room.queue[others] = other
                            others += 1
                        if room.back_mark[other] == token:
                            room.back[other] += 1
                    inner = graph.older[IN, inner & ring]
        step = graph.older[OUT if not by_payers else IN, at]
    for k in range(others):
        size = room.back[room.queue[k]]
        out[i, first] += size
        out[i, first + 1] += 1
        out[i, first + 2] = max(out[i, first + 2], size)
    return cut
