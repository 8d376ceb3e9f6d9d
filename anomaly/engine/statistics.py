"""The four sides of an edge: payments out of and into its debtor and its creditor, over sliding windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from anomaly.engine.bins import bin_of
from anomaly.engine.graph import LiveGraph
from anomaly.engine.inlined import inlined
from anomaly.engine.windows import BACK, DISTINCT, FRONT, LOOPS, OLDEST, advance, join, total
from anomaly.kernels.jit import jit

__all__ = ["SIDE_FEATURES", "StatisticsPlan", "statistics"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Of one side: fan, degree, ratio, then average, sum, variance, skewness, kurtosis of amounts and of ages.
SIDE_FEATURES = 13

#: A variance below this share of the squared mean is a rounding error of equal values.
_EQUAL = 1e-22


class StatisticsPlan(NamedTuple):
    """Output columns per window: the first column of each result, or -1.

    Attributes
    ----------
    full : (w,) int64
        First of 4 x 13 columns.
    fan, degree : (w,) int64
        First column of the histograms (into the creditor, then out of the debtor) or of the two numbers.
    bins : (b,) int64
        Lower ends; empty for plain numbers.
    bin_table : (m,) int64
        Size to bin, -1 below the first.
    look_ahead, ties : bool
        Whether windows are (t - w, t + w) instead of up to t; whether edges at t itself count.
    """

    full: Ints
    fan: Ints
    degree: Ints
    bins: Ints
    bin_table: Ints
    look_ahead: bool
    ties: bool


@inlined
def _describe(
    out: Floats, i: int, at: int, moments: Floats, k: int, n: int, average: float, sign: float
) -> None:
    """Write average, sum, variance, skewness and kurtosis of `n` values."""
    variance = moments[k + 1] / n
    out[i, at], out[i, at + 1] = average, average * n
    if variance > _EQUAL * moments[k] * moments[k]:
        out[i, at + 2] = variance
        out[i, at + 3] = sign * (moments[k + 2] / n) / (variance * np.sqrt(variance))
        out[i, at + 4] = (moments[k + 3] / n) / (variance * variance)


@inlined
def _is_new(graph: LiveGraph, edge: int, oldest: int, size: int) -> bool:
    """Return whether no earlier edge of the same pair is in the window."""
    ring = len(graph.time) - 1
    now = graph.time[edge & ring]
    earlier = graph.pair_older[edge & ring]
    while earlier >= 0 and graph.time[earlier & ring] == now:
        earlier = graph.pair_older[earlier & ring]
    return size == 0 or earlier < oldest


@inlined
def _tell(out: Floats, i: int, plan: StatisticsPlan, first: int, place: int, size: int) -> None:
    if len(plan.bins) == 0:
        out[i, first + place] = size
    else:
        found = bin_of(plan.bin_table, size)
        if found >= 0:
            out[i, first + place * len(plan.bins) + found] = 1.0


@jit
def statistics(
    graph: LiveGraph, plan: StatisticsPlan, begin: int, end: int, origin: int, out: Floats
) -> None:
    """Write the statistics of the edges from `begin` to before `end` into the rows of `out`."""
    ring, windows = len(graph.time) - 1, len(graph.windows)
    moments, own = np.empty(8), np.zeros((1, 8))
    for edge in range(begin, end):
        at, i = edge & ring, edge - begin
        now, age = graph.time[at], float(graph.time[at] - origin)
        loop = 1 if graph.ends[0, at] == graph.ends[1, at] else 0
        own[0, 0], own[0, 4] = graph.amount[at], age
        for w in range(windows):
            width, full = graph.windows[w], plan.full[w]
            before = now + width if plan.look_ahead else (now + 1 if plan.ties else now)
            for side in range(4):
                way, of_edge = side & 1, side == 0 or side == 3
                if full < 0 and not of_edge:
                    continue
                cell = (2 * graph.ends[side >> 1, at] + way) * windows + w
                advance(graph, cell, way, w, now - width, before, origin)
                n = graph.state[cell, FRONT] + graph.state[cell, BACK]
                fan, loops = graph.state[cell, DISTINCT], graph.state[cell, LOOPS]
                if full >= 0 and n > 0:
                    total(graph, cell, way, w, moments)
                if not plan.look_ahead and not plan.ties and (of_edge or loop == 1):
                    if _is_new(graph, edge, graph.state[cell, OLDEST], n):
                        fan += 1
                    if n == 0:
                        for k in range(8):
                            moments[k] = own[0, k]
                    elif full >= 0:
                        join(moments, 0, n, own, 0, 1)
                        join(moments, 4, n, own, 0, 1)
                    loops += loop
                    n += 1
                if full >= 0 and n > 0:
                    first = full + side * SIDE_FEATURES
                    out[i, first], out[i, first + 1], out[i, first + 2] = fan, n, n / fan
                    _describe(out, i, first + 3, moments, 0, n, moments[0], 1.0)
                    _describe(out, i, first + 8, moments, 4, n, age - moments[4], -1.0)
                if of_edge and loop == 0:
                    distinct = fan - 1 if loops > 0 else fan
                    place = 1 if side == 0 else 0
                    if plan.fan[w] >= 0:
                        _tell(out, i, plan, plan.fan[w], place, distinct)
                    if plan.degree[w] >= 0:
                        _tell(out, i, plan, plan.degree[w], place, n - loops)
