"""Hop-constrained cycles that a payment closes: simple cycles of few payments in any order within a window.

A bidirectional breadth-first search starts at the payee (along payments) and at the payer (against them)
until the two radii together reach the longest cycle; each side then continues only inside the other.
Accounts that are on no cycle of the allowed length are removed. The others are copied into a small graph
without parallel edges, in which each path that is followed can still close within the allowed length.

References
----------
Peng et al., Efficient Hop-constrained s-t Simple Path Enumeration, VLDB Journal 2021 (the bound).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import IN, OUT, LiveGraph, is_latest, newest_before
from anomaly.engine.search import Family, Limits, Room, tell_cycle
from anomaly.engine.temporal_cycle import credit_cycle, may_close
from anomaly.kernels.jit import jit

__all__ = ["hop_cycles"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Cycles up to this length are searched first, with a separate budget, so that only longer ones are cut.
_SHORT = 4


@jit
def hop_cycles(
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
    """Count in each edge's row the cycles that the edge closes; parameters as in `temporal_cycles`."""
    ring = len(graph.time) - 1
    open_edge = np.empty(last - first, np.bool_)
    may_close(graph, first, last, family.window, limits.ties, open_edge)
    for edge in range(first, last):
        if not open_edge[edge - first]:
            continue
        low, limit = graph.time[edge & ring] - family.window, graph.time[edge & ring] + limits.ties
        told = 1
        for longest in (min(_SHORT, family.longest), family.longest):
            if longest > told:
                closed = _label(graph, edge, low, limit, longest, limits, room)
                if closed > 0 and _link(graph, edge, low, limit, longest, limits, room):
                    if _search(
                        graph, edge, low, limit, told, longest, family, limits, room, begin, credit, out
                    ):
                        cut[edge - begin] = True
                elif closed != 0:
                    cut[edge - begin] = True
                told = longest


@jit
def _grow(
    graph: LiveGraph,
    way: int,
    queue: Ints,
    mark: Ints,
    label: Ints,
    level: int,
    head: int,
    tail: int,
    other_mark: Ints,
    other_label: Ints,
    most: int,
    end: int,
    low: int,
    limit: int,
    limits: Limits,
    room: Room,
) -> int:
    """Add the next level of one search to its queue and return the new end; -1 if the budget is used up.

    With `most` >= 0, only accounts that the other search labelled with at most this distance are added.
    """
    ring, token = len(graph.time) - 1, room.token[0]
    after = tail
    for k in range(head, tail):
        account, looked = queue[k], 0
        if account == end:
            continue
        step = newest_before(graph, way, account, limit)
        while step >= 0 and graph.time[step & ring] >= low:
            at = step & ring
            if graph.time[at] < limit:
                room.token[1] += 1
                looked += 1
                if room.token[1] > limits.budget or looked > limits.hub_degree:
                    return -1
                other = graph.ends[1 - way, at]
                if mark[other] != token and (
                    most < 0 or (other_mark[other] == token and other_label[other] <= most)
                ):
                    mark[other], label[other] = token, level
                    queue[after] = other
                    after += 1
            step = graph.older[way, at]
    return after


@jit
def _label(
    graph: LiveGraph, edge: int, low: int, limit: int, longest: int, limits: Limits, room: Room
) -> int:
    """Label accounts with distances; return 1 if a cycle may exist, 0 if not, -1 if the search is cut."""
    ring = len(graph.time) - 1
    payer, paid = graph.ends[OUT, edge & ring], graph.ends[IN, edge & ring]
    room.token[0] += 1
    room.token[1] = 0
    token = room.token[0]
    forth, back = room.found, room.queue
    forth[0], room.ahead_mark[paid], room.ahead[paid] = paid, token, 0
    back[0], room.back_mark[payer], room.back[payer] = payer, token, 0
    forth_head, forth_tail, forth_level = 0, 1, 0
    back_head, back_tail, back_level = 0, 1, 0
    while forth_level + back_level < longest - 1:
        if forth_tail - forth_head <= back_tail - back_head:
            forth_level += 1
            after = _grow(
                graph, OUT, forth, room.ahead_mark, room.ahead, forth_level, forth_head, forth_tail,
                room.back_mark, room.back, -1, payer, low, limit, limits, room,
            )  # fmt: skip
            forth_head, forth_tail = forth_tail, after
            if forth_head == forth_tail:  # all accounts reachable from the payee are known
                if room.ahead_mark[payer] != token:
                    return 0
                forth_level = longest
        else:
            back_level += 1
            after = _grow(
                graph, IN, back, room.back_mark, room.back, back_level, back_head, back_tail,
                room.ahead_mark, room.ahead, -1, paid, low, limit, limits, room,
            )  # fmt: skip
            back_head, back_tail = back_tail, after
            if back_head == back_tail:
                if room.back_mark[paid] != token:
                    return 0
                back_level = longest
        if after < 0:
            return -1
    while back_level < longest - 1 and back_head < back_tail:
        back_level += 1
        after = _grow(
            graph, IN, back, room.back_mark, room.back, back_level, back_head, back_tail,
            room.ahead_mark, room.ahead, longest - 1 - back_level, paid, low, limit, limits, room,
        )  # fmt: skip
        if after < 0:
            return -1
        back_head, back_tail = back_tail, after
    if room.back_mark[paid] != token:
        return 0
    while forth_level < longest - 1 and forth_head < forth_tail:
        forth_level += 1
        after = _grow(
            graph, OUT, forth, room.ahead_mark, room.ahead, forth_level, forth_head, forth_tail,
            room.back_mark, room.back, longest - 1 - forth_level, payer, low, limit, limits, room,
        )  # fmt: skip
        if after < 0:
            return -1
        forth_head, forth_tail = forth_tail, after
    room.looked[0] = back_tail
    return 1


@jit
def _link(
    graph: LiveGraph, edge: int, low: int, limit: int, longest: int, limits: Limits, room: Room
) -> bool:
    """Copy the edges that can be on a cycle: the payers of each account, nearest to the payee first."""
    ring, token = len(graph.time) - 1, room.token[0]
    paid = graph.ends[IN, edge & ring]
    room.token[1] = 0
    size = 0
    for k in range(room.looked[0]):
        account = room.queue[k]
        room.span[account, 0] = room.span[account, 1] = size
        left = longest - 2 - room.back[account]
        if account == paid or room.ahead_mark[account] != token or room.ahead[account] > left + 1:
            continue
        begin, step = size, newest_before(graph, IN, account, limit)
        while step >= 0 and graph.time[step & ring] >= low:
            at = step & ring
            if graph.time[at] < limit:
                room.token[1] += 1
                if room.token[1] > limits.budget:
                    return False
                other = graph.ends[OUT, at]
                if (
                    other != account
                    and room.ahead_mark[other] == token
                    and room.ahead[other] <= left
                    and is_latest(graph, step, limit)
                ):
                    place = size
                    while place > begin and room.ahead[room.link[place - 1]] > room.ahead[other]:
                        room.link[place], room.link_edge[place] = (
                            room.link[place - 1],
                            room.link_edge[place - 1],
                        )
                        place -= 1
                    room.link[place], room.link_edge[place] = other, step
                    size += 1
            step = graph.older[IN, at]
        room.span[account, 1] = size
    return True


@jit
def _search(
    graph: LiveGraph,
    edge: int,
    low: int,
    limit: int,
    told: int,
    longest: int,
    family: Family,
    limits: Limits,
    room: Room,
    begin: int,
    credit: int,
    out: Floats,
) -> bool:
    """Follow the links back from the payer and count cycles longer than `told`; return whether cut."""
    ring, token = len(graph.time) - 1, room.token[0]
    payer, paid = graph.ends[OUT, edge & ring], graph.ends[IN, edge & ring]
    room.path[0], room.edge[0], room.fresh[0] = payer, room.span[payer, 0], 0
    room.mark[payer] = token
    steps, depth = 0, 0
    while depth >= 0:
        account, link = room.path[depth], room.edge[depth]
        if link == room.span[account, 1] or room.ahead[room.link[link]] > longest - 2 - depth:
            room.mark[account] = 0
            depth -= 1
            continue
        room.edge[depth] = link + 1
        steps += 1
        if steps > limits.budget:
            return True
        other = room.link[link]
        fresh = 1 if room.fresh[depth] == 1 or room.link_edge[link] >= credit else 0
        if other == paid:
            if depth + 2 > told:
                tell_cycle(out, edge - begin, family, depth + 2, -1.0)
                if fresh == 1:
                    for k in range(depth + 1):
                        room.bound[k] = limit
                    credit_cycle(
                        graph, edge, depth, low, False, family, limits, room, begin, credit, -1.0, out
                    )
        elif room.mark[other] != token:
            depth += 1
            room.path[depth], room.edge[depth], room.fresh[depth] = other, room.span[other, 0], fresh
            room.mark[other] = token
    return False
