"""Sliding windows over an account's payments: counts, distinct counterparties and moments up to the fourth.

Each account has, for each direction and each window, two stacks (Tangwongsan et al., General incremental
sliding-window aggregation, VLDB 2015): the older part keeps, at each edge, the moments of all edges from it
to the end of that part; the newer part keeps one running total. Leaving a window takes an edge from the
older part, so nothing is ever subtracted, and an amount of 10^12 that has left leaves no error behind.
Totals are joined by the formulas of Pébay (SAND2008-6212). Amortised O(1) for each edge and window.

`state` holds, of one window: the oldest edge in it, the next edge to take in, the newest edge in it, the
sizes of the older and of the newer part, the number of distinct counterparties, the number of self-loops.
Moments are mean, M2, M3, M4 of the amount, then of the time (seconds since `origin`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import FIRST, LiveGraph
from anomaly.kernels.jit import jit

__all__ = ["advance", "join", "leave_oldest", "total"]

Floats = npt.NDArray[np.float64]

_OLDEST, _HEAD, _NEWEST, _FRONT, _BACK, _DISTINCT, _LOOPS = range(7)


@jit
def push(moments: Floats, at: int, count: int, value: float) -> None:
    """Add one value to the moments of `count` others."""
    n = count + 1.0
    delta = value - moments[at]
    step = delta / n
    square = step * step
    term = delta * step * count
    moments[at + 3] += (
        term * square * (n * n - 3.0 * n + 3.0)
        + 6.0 * square * moments[at + 1]
        - 4.0 * step * moments[at + 2]
    )
    moments[at + 2] += term * step * (n - 2.0) - 3.0 * step * moments[at + 1]
    moments[at + 1] += term
    moments[at] += step


@jit
def join(moments: Floats, at: int, count: int, other: Floats, other_count: int) -> None:
    """Join the moments of `other_count` values into those of `count` others, both at place `at`."""
    if other_count == 0:
        return
    if count == 0:
        for i in range(at, at + 4):
            moments[i] = other[i]
        return
    a, b = float(count), float(other_count)
    n = a + b
    delta = other[at] - moments[at]
    part = delta / n
    m2, m3 = moments[at + 1], moments[at + 2]
    o2, o3 = other[at + 1], other[at + 2]
    term = delta * part * a * b
    moments[at + 3] += (
        other[at + 3]
        + term * part * part * (a * a - a * b + b * b)
        + 6.0 * part * part * (a * a * o2 + b * b * m2)
        + 4.0 * part * (a * o3 - b * m3)
    )
    moments[at + 2] = m3 + o3 + term * part * (a - b) + 3.0 * part * (a * o2 - b * m2)
    moments[at + 1] = m2 + o2 + term
    moments[at] += part * b


@jit
def _flip(graph: LiveGraph, vertex: int, way: int, w: int, origin: int) -> None:
    """Make the newer part the older one: write at each edge the moments from it to the newest."""
    ring = len(graph.time) - 1
    state, back = graph.state[vertex, way, w], graph.back[vertex, way, w]
    size = state[_BACK]
    back[:] = 0.0
    edge = state[_NEWEST]
    for count in range(size):
        at = edge & ring
        push(back, 0, count, graph.amount[at])
        push(back, 4, count, float(graph.time[at] - origin))
        graph.front[at, way, w, :] = back
        edge = graph.older[way, at]
    back[:] = 0.0
    state[_FRONT], state[_BACK] = size, 0


@jit
def _pop(graph: LiveGraph, vertex: int, way: int, w: int, origin: int) -> None:
    ring = len(graph.time) - 1
    state = graph.state[vertex, way, w]
    if state[_FRONT] == 0:
        _flip(graph, vertex, way, w, origin)
    edge = state[_OLDEST]
    at = edge & ring
    following = graph.pair_newer[at]
    if following < 0 or following > state[_NEWEST]:
        state[_DISTINCT] -= 1
    if graph.ends[0, at] == graph.ends[1, at]:
        state[_LOOPS] -= 1
    state[_FRONT] -= 1
    state[_OLDEST] = graph.newer[way, at]


@jit
def advance(graph: LiveGraph, vertex: int, way: int, w: int, after: int, before: int, origin: int) -> None:
    """Move a window to the times strictly between `after` and `before`; neither ever goes back."""
    ring = len(graph.time) - 1
    state = graph.state[vertex, way, w]
    size = state[_FRONT] + state[_BACK]
    if size and graph.time[state[_NEWEST] & ring] <= after:  # all of it has left
        state[_FRONT] = state[_BACK] = state[_DISTINCT] = state[_LOOPS] = size = 0
    while size and graph.time[state[_OLDEST] & ring] <= after:
        _pop(graph, vertex, way, w, origin)
        size -= 1
    edge = state[_HEAD]
    while edge >= 0:
        at = edge & ring
        time = graph.time[at]
        if time >= before:
            break
        if time > after:
            back = graph.back[vertex, way, w]
            if size == 0:
                state[_OLDEST] = edge
            if state[_BACK] == 0:
                back[:] = 0.0
            earlier = graph.pair_older[at]
            if earlier < 0 or earlier < state[_OLDEST]:
                state[_DISTINCT] += 1
            if graph.ends[0, at] == graph.ends[1, at]:
                state[_LOOPS] += 1
            push(back, 0, state[_BACK], graph.amount[at])
            push(back, 4, state[_BACK], float(time - origin))
            state[_BACK] += 1
            state[_NEWEST] = edge
            size += 1
        edge = graph.newer[way, at]
    state[_HEAD] = edge


@jit
def total(graph: LiveGraph, vertex: int, way: int, w: int, moments: Floats) -> int:
    """Write the moments of a window and return its number of edges."""
    state = graph.state[vertex, way, w]
    older, newer = state[_FRONT], state[_BACK]
    if older:
        front = graph.front[state[_OLDEST] & (len(graph.time) - 1), way, w]
        moments[:] = front
        join(moments, 0, older, graph.back[vertex, way, w], newer)
        join(moments, 4, older, graph.back[vertex, way, w], newer)
    elif newer:
        moments[:] = graph.back[vertex, way, w]
    else:
        moments[:] = 0.0
    return older + newer


@jit
def leave_oldest(graph: LiveGraph, origin: int) -> None:
    """Take the oldest live edge out of every window, before it is dropped."""
    edge = graph.counts[FIRST]
    at = edge & (len(graph.time) - 1)
    for way in range(2):
        vertex = graph.ends[way, at]
        for w in range(len(graph.windows)):
            state = graph.state[vertex, way, w]
            if state[_FRONT] + state[_BACK] > 0 and state[_OLDEST] == edge:
                _pop(graph, vertex, way, w, origin)
            elif state[_HEAD] == edge:
                state[_HEAD] = graph.newer[way, at]
