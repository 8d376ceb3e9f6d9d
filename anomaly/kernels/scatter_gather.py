"""Scatter-gather: one account pays another through several intermediaries that hand the money over."""

from __future__ import annotations

import numpy as np

from anomaly.graph import TemporalGraph
from anomaly.kernels.csr import runs
from anomaly.kernels.fan import FanParameters, densest_windows
from anomaly.kernels.handover import Handover
from anomaly.kernels.instances import Instances

__all__ = ["scatter_gather"]


def scatter_gather(graph: TemporalGraph, handover: Handover, parameters: FanParameters) -> Instances:
    """Find pairs of accounts that several two-step paths connect inside a window.

    The paths are searched as a fan: group = (source, target), label = intermediary, time = the first step.

    Returns
    -------
    Instances
        `anchor` is the source. Evidence lists the first and the second step of each path in turn; a payment
        that two paths share appears twice.
    """
    first, second = handover.first_edge, handover.next_edge
    open_way = graph.src[first] != graph.dst[second]
    first, second = first[open_way], second[open_way]
    group_key = graph.src[first].astype(np.int64) * graph.accounts + graph.dst[second]
    _, place, pairs = np.unique(group_key, return_inverse=True, return_counts=True)
    enough = pairs[place] >= parameters.min_size  # most pairs of accounts have at most one two-step path
    first, second, group_key = first[enough], second[enough], group_key[enough]
    order = np.lexsort((second, first, graph.t_low[first], group_key))
    first, second, group_key = first[order], second[order], group_key[order]
    found = densest_windows(
        runs(group_key),
        np.arange(len(first), dtype=np.int32),
        graph.t_low[first],
        graph.dst[first],
        graph.accounts,
        parameters,
    )
    edge = np.empty(2 * len(found.edge), np.int32)
    edge[0::2], edge[1::2] = first[found.edge], second[found.edge]
    cut = found.cut + int(handover.cut.sum())
    return Instances(graph.src[edge[2 * found.ptr[:-1]]], 2 * found.ptr, edge, found.truncated, cut)
