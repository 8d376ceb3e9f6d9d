"""Round trips of two payments: earlier payments from the creditor to the debtor."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import IN, OUT, LiveGraph, latest_of_pair
from anomaly.engine.search import Family, Limits
from anomaly.kernels.jit import jit

__all__ = ["round_trip"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@jit
def round_trip(
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
    """Count and sum payments in the other direction (none for self-loops); write the time since the last."""
    ring = len(graph.time) - 1
    for edge in range(first, last):
        at, row, column = edge & ring, edge - begin, family.column
        now, payer, paid = graph.time[at], graph.ends[OUT, at], graph.ends[IN, at]
        out[row, column + 2] = family.window
        if payer == paid:
            continue
        low, looked = now - family.window, 0
        step = latest_of_pair(graph, paid, payer, now + (family.window if ahead else limits.ties))
        while step >= 0 and graph.time[step & ring] > low:
            looked += 1
            if looked > limits.hub_degree:
                cut[row] = True
                break
            other = step & ring
            out[row, column] += 1.0
            out[row, column + 1] += graph.amount[other]
            if graph.time[other] < now + limits.ties:
                out[row, column + 2] = min(out[row, column + 2], now - graph.time[other])
            step = graph.pair_older[other]
