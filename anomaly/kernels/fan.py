"""Fan-in and fan-out: one account and many distinct counterparties inside a window.

`densest_windows` is the general form: items are in groups, sorted by time, and have labels; it finds the
windows of a group with the most distinct labels. Scatter-gather and structuring use it with other labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly.graph import TemporalGraph
from anomaly.kernels.csr import offsets, ranges
from anomaly.kernels.instances import Instances
from anomaly.kernels.jit import jit

__all__ = ["FanParameters", "densest_windows", "fan_in", "fan_out"]


@dataclass(frozen=True, slots=True)
class FanParameters:
    """Parameters of the fan kernels.

    Attributes
    ----------
    window : int
        Seconds, between the lower ends of the first and the last payment, both included.
    min_size : int
        Minimum number of distinct counterparties.
    max_per_account : int
        Maximum windows reported for one account; if there are more, the last reported one is truncated.
    """

    window: int = 7 * 86_400
    min_size: int = 5
    max_per_account: int = 6


def fan_in(graph: TemporalGraph, parameters: FanParameters, eligible: npt.NDArray[np.bool_]) -> Instances:
    """Find accounts that many distinct other accounts pay inside a window.

    The windows of one account do not overlap: the window with the most counterparties is taken first (the
    earliest if several are equal), then the best of the remaining windows.

    Parameters
    ----------
    graph : TemporalGraph
    parameters : FanParameters
    eligible : (edges,) bool
        Edges that count; see `TemporalGraph.usable` and `relation_span`.
    """
    return _fan(graph.in_ptr, graph.in_edge, graph.src, graph, parameters, eligible)


def fan_out(graph: TemporalGraph, parameters: FanParameters, eligible: npt.NDArray[np.bool_]) -> Instances:
    """Find accounts that pay many distinct other accounts inside a window; see `fan_in`."""
    return _fan(graph.out_ptr, graph.out_edge, graph.dst, graph, parameters, eligible)


def _fan(
    ptr: npt.NDArray[np.int64],
    edge: npt.NDArray[np.int32],
    other: npt.NDArray[np.int32],
    graph: TemporalGraph,
    parameters: FanParameters,
    eligible: npt.NDArray[np.bool_],
) -> Instances:
    keep = eligible[edge]
    kept = edge[keep]
    return densest_windows(
        offsets(keep)[ptr], kept, graph.t_low[kept], other[kept], graph.accounts, parameters
    )


def densest_windows(
    ptr: npt.NDArray[np.int64],
    item: npt.NDArray[np.int32],
    time: npt.NDArray[np.int64],
    label: npt.NDArray[np.int32],
    labels: int,
    parameters: FanParameters,
) -> Instances:
    """Find, in each group, disjoint windows with the most distinct labels.

    Parameters
    ----------
    ptr : (groups + 1,) int64
    item : int32
        Reported as evidence; `time` must ascend inside each group.
    time : int64
    label : int32
        In [0, labels).
    """
    anchor, out_ptr, begin, truncated = _densest(
        ptr, time, label, labels, parameters.window, parameters.min_size, parameters.max_per_account
    )
    return Instances(anchor, out_ptr, item[ranges(begin, out_ptr)], truncated, int(truncated.sum()))


@jit
def _densest(
    ptr: npt.NDArray[np.int64],
    time: npt.NDArray[np.int64],
    label: npt.NDArray[np.int32],
    labels: int,
    window: int,
    min_size: int,
    most: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    room = len(time) // max(min_size, 1) + 1
    anchor = np.empty(room, np.int32)
    out_ptr = np.zeros(room + 1, np.int64)
    begin = np.empty(room, np.int64)
    truncated = np.zeros(room, np.bool_)
    count = np.zeros(labels, np.int32)
    distinct = np.zeros(len(time), np.int64)
    left_of = np.zeros(len(time), np.int64)
    found = 0
    for group in range(len(ptr) - 1):
        low, high = ptr[group], ptr[group + 1]
        if high - low < min_size:
            continue
        left = low
        now = 0
        best = 0
        for right in range(low, high):
            if count[label[right]] == 0:
                now += 1
            count[label[right]] += 1
            while time[right] - time[left] > window:
                count[label[left]] -= 1
                if count[label[left]] == 0:
                    now -= 1
                left += 1
            left_of[right] = left
            # equal times have no order: a window ends after all of them
            ends = right + 1 == high or time[right + 1] != time[right]
            distinct[right] = now if ends else 0
            best = max(best, distinct[right])
        for i in range(left, high):
            count[label[i]] = 0
        taken = 0
        while best >= min_size:
            at = low
            while distinct[at] < best:
                at += 1
            if taken == most:
                truncated[found - 1] = True
                break
            first = left_of[at]
            anchor[found] = group
            begin[found] = first
            out_ptr[found + 1] = out_ptr[found] + at + 1 - first
            found += 1
            taken += 1
            best = 0
            for i in range(low, high):
                if i >= first and left_of[i] <= at:
                    distinct[i] = 0
                best = max(best, distinct[i])
    return anchor[:found], out_ptr[: found + 1], begin[:found], truncated[:found]
