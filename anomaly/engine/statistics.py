"""The four sides of an edge: payments out of and into its debtor and its creditor, over sliding windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import LiveGraph
from anomaly.engine.windows import advance, join, total
from anomaly.kernels.jit import jit

__all__ = ["SIDE_FEATURES", "StatisticsPlan", "bin_of", "statistics"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Of one side: fan, degree, ratio, then average, sum, variance, skewness, kurtosis of amounts and of ages.
SIDE_FEATURES = 13

_FRONT, _BACK, _DISTINCT, _LOOPS, _OLDEST = 3, 4, 5, 6, 0
#: A variance below this part of the squared mean is the rounding of equal values.
_EQUAL = 1e-22


class StatisticsPlan(NamedTuple):
    """Where results go: per window a first column, or -1.

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
        Windows (t - w, t + w) instead of up to t; whether edges at t itself count.
    """

    full: Ints
    fan: Ints
    degree: Ints
    bins: Ints
    bin_table: Ints
    look_ahead: bool
    ties: bool


@jit
def bin_of(table: Ints, size: int) -> int:
    """Return the bin of a pattern's size, or -1."""
    return table[min(size, len(table) - 1)]


@jit
def _describe(out: Floats, at: int, moments: Floats, k: int, n: int, value: float, sign: float) -> None:
    """Write average, sum, variance, skewness and kurtosis; `value` is the average to tell."""
    variance = moments[k + 1] / n
    out[at], out[at + 1] = value, value * n
    if variance <= _EQUAL * moments[k] * moments[k]:
        out[at + 2] = out[at + 3] = out[at + 4] = 0.0
    else:
        out[at + 2] = variance
        out[at + 3] = sign * (moments[k + 2] / n) / (variance * np.sqrt(variance))
        out[at + 4] = (moments[k + 3] / n) / (variance * variance)


@jit
def _new_counterparty(graph: LiveGraph, edge: int, oldest: int, size: int) -> bool:
    """Say whether no edge of the same pair, earlier than this edge, is in the window."""
    ring = len(graph.time) - 1
    now = graph.time[edge & ring]
    earlier = graph.pair_older[edge & ring]
    while earlier >= 0 and graph.time[earlier & ring] == now:
        earlier = graph.pair_older[earlier & ring]
    return size == 0 or earlier < 0 or earlier < oldest


@jit
def statistics(
    graph: LiveGraph, plan: StatisticsPlan, begin: int, end: int, origin: int, out: Floats
) -> None:
    """Write the statistics of the edges from `begin` to before `end` into the rows of `out`."""
    ring = len(graph.time) - 1
    moments, own = np.empty(8), np.zeros(8)
    numbers = len(plan.bins) == 0
    for edge in range(begin, end):
        at = edge & ring
        row = out[edge - begin]
        now, age = graph.time[at], float(graph.time[at] - origin)
        loop = graph.ends[0, at] == graph.ends[1, at]
        own[0], own[4] = graph.amount[at], age
        for w in range(len(graph.windows)):
            width = graph.windows[w]
            before = now + width if plan.look_ahead else (now + 1 if plan.ties else now)
            for side in range(4):
                end_of, way = side >> 1, side & 1
                fan_side, wanted = side == 0 or side == 3, plan.full[w] >= 0
                if not wanted and not fan_side:
                    continue
                vertex = graph.ends[end_of, at]
                advance(graph, vertex, way, w, now - width, before, origin)
                state = graph.state[vertex, way, w]
                n, fan, loops = state[_FRONT] + state[_BACK], state[_DISTINCT], state[_LOOPS]
                add_own = not plan.look_ahead and not plan.ties and (fan_side or loop)
                if wanted:
                    total(graph, vertex, way, w, moments)
                if add_own:
                    if _new_counterparty(graph, edge, state[_OLDEST], n):
                        fan += 1
                    if wanted:
                        join(moments, 0, n, own, 1)
                        join(moments, 4, n, own, 1)
                    loops += loop
                    n += 1
                if wanted:
                    first = plan.full[w] + side * SIDE_FEATURES
                    if n:
                        row[first], row[first + 1], row[first + 2] = fan, n, n / fan
                        _describe(row, first + 3, moments, 0, n, moments[0], 1.0)
                        _describe(row, first + 8, moments, 4, n, age - moments[4], -1.0)
                if fan_side and not loop:
                    fan -= 1 if loops > 0 else 0
                    place = 1 if side == 0 else 0
                    if plan.fan[w] >= 0:
                        _tell(row, plan, plan.fan[w], place, fan, numbers)
                    if plan.degree[w] >= 0:
                        _tell(row, plan, plan.degree[w], place, n - loops, numbers)


@jit
def _tell(row: Floats, plan: StatisticsPlan, first: int, place: int, size: int, numbers: bool) -> None:
    if numbers:
        row[first + place] = size
    else:
        found = bin_of(plan.bin_table, size)
        if found >= 0:
            row[first + place * len(plan.bins) + found] = 1.0
