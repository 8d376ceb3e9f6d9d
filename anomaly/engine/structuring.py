"""Payments just under a threshold: their number and sum, out of the debtor and into the creditor."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import IN, OUT, LiveGraph, newest_before
from anomaly.engine.search import Family, Limits
from anomaly.kernels.jit import jit

__all__ = ["structuring"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@jit
def structuring(
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
    """Count and add up payments just under the threshold, including the edge, without self-loops."""
    ring = len(graph.time) - 1
    for edge in range(first, last):
        at, row = edge & ring, edge - begin
        if graph.ends[OUT, at] == graph.ends[IN, at]:
            continue
        now = graph.time[at]
        limit = now + (family.window if ahead else limits.ties)
        for way in range(2):
            column, looked = family.column + 2 * way, 0
            if limits.under <= graph.amount[at] < limits.threshold:
                out[row, column], out[row, column + 1] = 1.0, graph.amount[at]
            step = newest_before(graph, way, graph.ends[way, at], limit)
            while step >= 0 and graph.time[step & ring] > now - family.window:
                other = step & ring
                if step != edge and graph.ends[OUT, other] != graph.ends[IN, other]:
                    looked += 1
                    if looked > limits.hub_degree:
                        cut[row] = True
                        break
                    if limits.under <= graph.amount[other] < limits.threshold:
                        out[row, column] += 1.0
                        out[row, column + 1] += graph.amount[other]
                step = graph.older[way, other]
