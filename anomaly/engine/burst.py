"""Burst: how many counterparties without earlier payments an account has within a short window.

A pair is new to a window if it had no payment in the six windows before. The account's list is read once: a
payment is the first of its pair in the window if the previous payment of the pair is older than the window,
and the time of that previous payment decides whether the pair is new.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import IN, OUT, LiveGraph, newest_before
from anomaly.engine.inlined import inlined
from anomaly.engine.parameters import REMEMBERED
from anomaly.engine.search import Family, Limits
from anomaly.kernels.jit import jit

__all__ = ["burst"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@inlined
def _is_new(graph: LiveGraph, earlier: int, low: int, window: int) -> bool:
    """Return whether a pair is new to the window after `low`; `earlier` is its last payment before that."""
    ring = len(graph.time) - 1
    return bool(earlier < 0 or graph.time[earlier & ring] <= low - (REMEMBERED - 1) * window)


@jit
def burst(
    graph: LiveGraph,
    first: int,
    last: int,
    ahead: bool,
    family: Family,
    limits: Limits,
    begin: int,
    out: Floats,
    cut: Mask,
) -> None:
    """Count the new payers of each edge's creditor and the new payees of its debtor, including the edge."""
    ring = len(graph.time) - 1
    for edge in range(first, last):
        at, row = edge & ring, edge - begin
        if graph.ends[OUT, at] == graph.ends[IN, at]:
            continue
        now = graph.time[at]
        low, limit = now - family.window, now + (family.window if ahead else limits.ties)
        own = 0
        if limit <= now:  # the edge does not see its own time, but counts itself
            earlier = graph.pair_older[at]
            while earlier >= 0 and graph.time[earlier & ring] == now:
                earlier = graph.pair_older[earlier & ring]
            own = int(_is_new(graph, earlier, low, family.window))
        for side in range(2):
            way = IN if side == 0 else OUT
            size, looked = own, 0
            step = newest_before(graph, way, graph.ends[way, at], limit)
            while step >= 0 and graph.time[step & ring] > low:
                looked += 1
                if looked > limits.hub_degree:
                    cut[row] = True
                    break
                other = step & ring
                if graph.ends[OUT, other] != graph.ends[IN, other]:
                    size += _is_new(graph, graph.pair_older[other], low, family.window)
                step = graph.older[way, other]
            out[row, family.column + side] = size
