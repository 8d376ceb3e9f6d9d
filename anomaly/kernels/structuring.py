"""Structuring: amounts that each stay below a threshold and together exceed it, inside a window."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from anomaly.graph import TemporalGraph
from anomaly.kernels.csr import runs
from anomaly.kernels.fan import FanParameters, densest_windows
from anomaly.kernels.instances import Instances

__all__ = ["StructuringParameters", "structuring"]


@dataclass(frozen=True, slots=True)
class StructuringParameters:
    """Parameters of the structuring kernel.

    Attributes
    ----------
    window : int
        Seconds.
    min_payments : int
        Minimum number of payments.
    floor : float
        Payments below this share of the threshold do not count: structuring would need dozens of them.
    max_per_group : int
        Maximum windows reported for one group.
    """

    window: int = 7 * 86_400
    min_payments: int = 3
    floor: float = 0.3
    max_per_group: int = 6


def structuring(
    graph: TemporalGraph,
    group: npt.NDArray[np.int64],
    threshold: npt.NDArray[np.int64],
    parameters: StructuringParameters,
) -> Instances:
    """Find windows of a group whose payments are each possibly under the threshold, their sum possibly over.

    Parameters
    ----------
    group : (edges,) int64
        Payments of one group are added up (for example, one party's deposits at any bank); negative: does
        not count. A group must contain one currency only.
    threshold : (edges,) int64
        Minor units; an equal amount is under the threshold (the law says "more than"). With bands, an amount
        counts if its interval begins at or under the threshold.

    Returns
    -------
    Instances
        `anchor` is the group.
    """
    counts = (
        (group >= 0)
        & (graph.amount_low <= threshold)
        & (graph.amount_high >= (parameters.floor * threshold).astype(np.int64))
    )
    edge = np.flatnonzero(counts).astype(np.int32)
    edge = edge[np.argsort(group[edge], kind="stable")]
    fan = FanParameters(parameters.window, parameters.min_payments, parameters.max_per_group)
    each_its_own = np.arange(len(edge), dtype=np.int32)
    found = densest_windows(runs(group[edge]), edge, graph.t_low[edge], each_its_own, len(edge), fan)
    over = np.zeros(len(found), np.bool_)
    for i, edges in enumerate(found):
        over[i] = graph.amount_high[edges].sum() > threshold[edges[0]]
    kept = found.take(np.flatnonzero(over))
    return replace(kept, anchor=group[kept.edge[kept.ptr[:-1]]].astype(np.int32))
