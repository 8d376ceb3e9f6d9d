"""Sliding windows over an account's payments: counts, distinct counterparties and moments up to the fourth.

Each account has, for each direction and each window, two stacks (Tangwongsan et al., General incremental
sliding-window aggregation, VLDB 2015): the older part stores, at each edge, the moments of all edges from it
to the end of that part; the newer part stores one running total. An edge leaves a window from the older part,
so nothing is subtracted, and an amount of 10^12 that has left causes no rounding error.
Totals are joined by the formulas of Pébay (SAND2008-6212). Amortised O(1) for each edge and window.

A cell is one account, direction and window: `cell = (2 * account + way) * windows + w`, and for the moments
kept at edges `(2 * slot + way) * windows + w`. Moments are mean, M2, M3, M4 of the amount, then of the time
(seconds since `origin`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import FIRST, LiveGraph
from anomaly.engine.inlined import inlined
from anomaly.kernels.jit import jit

__all__ = ["BACK", "DISTINCT", "FRONT", "LOOPS", "OLDEST", "advance", "join", "leave_oldest", "total"]

Floats = npt.NDArray[np.float64]

#: Columns of `state`: the oldest edge in the window, the next edge to add, the newest edge in the window, the
#: sizes of the older and of the newer part, the numbers of distinct counterparties and of self-loops.
OLDEST, HEAD, NEWEST, FRONT, BACK, DISTINCT, LOOPS = range(7)


@inlined
def push(moments: Floats, i: int, at: int, count: int, value: float) -> None:
    """Add one value to the moments of `count` other values, at index `at` of row `i`."""
    n = count + 1.0
    delta = value - moments[i, at]
    step = delta / n
    square = step * step
    term = delta * step * count
    m2, m3 = moments[i, at + 1], moments[i, at + 2]
    moments[i, at + 3] += term * square * (n * n - 3.0 * n + 3.0) + 6.0 * square * m2 - 4.0 * step * m3
    moments[i, at + 2] = m3 + term * step * (n - 2.0) - 3.0 * step * m2
    moments[i, at + 1] = m2 + term
    moments[i, at] += step


@inlined
def join(moments: Floats, at: int, count: int, other: Floats, i: int, other_count: int) -> None:
    """Join the moments of `other_count` values in row `i` into those of `count` values; both above zero."""
    a, b = float(count), float(other_count)
    n = a + b
    delta = other[i, at] - moments[at]
    part = delta / n
    m2, m3 = moments[at + 1], moments[at + 2]
    o2, o3 = other[i, at + 1], other[i, at + 2]
    term = delta * part * a * b
    square = part * part
    moments[at + 3] += (
        other[i, at + 3]
        + term * square * (a * a - a * b + b * b)
        + 6.0 * square * (a * a * o2 + b * b * m2)
        + 4.0 * part * (a * o3 - b * m3)
    )
    moments[at + 2] = m3 + o3 + term * part * (a - b) + 3.0 * part * (a * o2 - b * m2)
    moments[at + 1] = m2 + o2 + term
    moments[at] += part * b


@inlined
def _clear(moments: Floats, i: int) -> None:
    for k in range(8):
        moments[i, k] = 0.0


@jit
def _flip(graph: LiveGraph, cell: int, way: int, w: int, origin: int) -> None:
    """Make the newer part the older one: write at each edge the moments from it to the newest."""
    ring, windows = len(graph.time) - 1, len(graph.windows)
    size, edge = graph.state[cell, BACK], graph.state[cell, NEWEST]
    _clear(graph.back, cell)
    for count in range(size):
        at = edge & ring
        push(graph.back, cell, 0, count, graph.amount[at])
        push(graph.back, cell, 4, count, float(graph.time[at] - origin))
        kept = (2 * at + way) * windows + w
        for k in range(8):
            graph.front[kept, k] = graph.back[cell, k]
        edge = graph.older[way, at]
    _clear(graph.back, cell)
    graph.state[cell, FRONT], graph.state[cell, BACK] = size, 0


@inlined
def _pop(graph: LiveGraph, cell: int, way: int, w: int, origin: int) -> None:
    if graph.state[cell, FRONT] == 0:
        if graph.state[cell, BACK] == 1:  # no edge is left in the window: no moments to store
            graph.state[cell, FRONT], graph.state[cell, BACK] = 1, 0
        else:
            _flip(graph, cell, way, w, origin)
    at = graph.state[cell, OLDEST] & (len(graph.time) - 1)
    following = graph.pair_newer[at]
    if following < 0 or following > graph.state[cell, NEWEST]:
        graph.state[cell, DISTINCT] -= 1
    if graph.ends[0, at] == graph.ends[1, at]:
        graph.state[cell, LOOPS] -= 1
    graph.state[cell, FRONT] -= 1
    graph.state[cell, OLDEST] = graph.newer[way, at]


@inlined
def advance(graph: LiveGraph, cell: int, way: int, w: int, after: int, before: int, origin: int) -> None:
    """Move a window to the times strictly between `after` and `before`; both only increase."""
    ring = len(graph.time) - 1
    size = graph.state[cell, FRONT] + graph.state[cell, BACK]
    if size > 0 and graph.time[graph.state[cell, NEWEST] & ring] <= after:  # every edge has left
        for k in range(FRONT, LOOPS + 1):
            graph.state[cell, k] = 0
        size = 0
    while size > 0 and graph.time[graph.state[cell, OLDEST] & ring] <= after:
        _pop(graph, cell, way, w, origin)
        size -= 1
    edge = graph.state[cell, HEAD]
    while edge >= 0:
        at = edge & ring
        time = graph.time[at]
        if time >= before:
            break
        if time > after:
            if size == 0:
                graph.state[cell, OLDEST] = edge
            if graph.state[cell, BACK] == 0:
                _clear(graph.back, cell)
            earlier = graph.pair_older[at]
            if earlier < 0 or earlier < graph.state[cell, OLDEST]:
                graph.state[cell, DISTINCT] += 1
            if graph.ends[0, at] == graph.ends[1, at]:
                graph.state[cell, LOOPS] += 1
            push(graph.back, cell, 0, graph.state[cell, BACK], graph.amount[at])
            push(graph.back, cell, 4, graph.state[cell, BACK], float(time - origin))
            graph.state[cell, BACK] += 1
            graph.state[cell, NEWEST] = edge
            size += 1
        edge = graph.newer[way, at]
    graph.state[cell, HEAD] = edge


@inlined
def total(graph: LiveGraph, cell: int, way: int, w: int, moments: Floats) -> None:
    """Write the moments of a window that is not empty."""
    older, newer = graph.state[cell, FRONT], graph.state[cell, BACK]
    if older > 0:
        at = graph.state[cell, OLDEST] & (len(graph.time) - 1)
        kept = (2 * at + way) * len(graph.windows) + w
        for k in range(8):
            moments[k] = graph.front[kept, k]
        if newer > 0:
            join(moments, 0, older, graph.back, cell, newer)
            join(moments, 4, older, graph.back, cell, newer)
    else:
        for k in range(8):
            moments[k] = graph.back[cell, k]


@inlined
def leave_oldest(graph: LiveGraph, origin: int) -> None:
    """Remove the oldest live edge from every window, before it is dropped."""
    edge = graph.counts[FIRST]
    at = edge & (len(graph.time) - 1)
    for way in range(2):
        cell = (2 * graph.ends[way, at] + way) * len(graph.windows)
        for w in range(len(graph.windows)):
            size = graph.state[cell + w, FRONT] + graph.state[cell + w, BACK]
            if size > 0 and graph.state[cell + w, OLDEST] == edge:
                _pop(graph, cell + w, way, w, origin)
            elif graph.state[cell + w, HEAD] == edge:
                graph.state[cell + w, HEAD] = graph.newer[way, at]
