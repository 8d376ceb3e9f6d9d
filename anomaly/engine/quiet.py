"""Time since both accounts of a payment, and the pair, were last active: shows dormant accounts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import IN, OUT, LiveGraph, latest_of_pair, newest_before
from anomaly.engine.search import Family, Limits
from anomaly.kernels.jit import jit

__all__ = ["quiet"]

Floats = npt.NDArray[np.float64]


@jit
def quiet(
    graph: LiveGraph, first: int, last: int, family: Family, limits: Limits, begin: int, out: Floats
) -> None:
    """Write the seconds since the debtor, the creditor and the pair last took part in a payment."""
    ring = len(graph.time) - 1
    for edge in range(first, last):
        at, row = edge & ring, edge - begin
        now = graph.time[at]
        limit = now + limits.ties
        for side in range(2):
            seconds = family.window
            for way in range(2):
                step = newest_before(graph, way, graph.ends[side, at], limit)
                if step == edge:
                    step = graph.older[way, at]
                if step >= 0:
                    seconds = min(seconds, now - graph.time[step & ring])
            out[row, family.column + side] = seconds
        step = latest_of_pair(graph, graph.ends[OUT, at], graph.ends[IN, at], limit)
        if step == edge:
            step = graph.pair_older[at]
        seconds = now - graph.time[step & ring] if step >= 0 else family.window
        out[row, family.column + 2] = min(family.window, seconds)
