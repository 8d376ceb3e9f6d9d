"""Chains: money is passed on several times and does not return (the "random" typology of the literature)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly.graph import TemporalGraph, can_continue
from anomaly.kernels.handover import Handover
from anomaly.kernels.instances import Instances
from anomaly.kernels.jit import jit

__all__ = ["ChainParameters", "chains"]


@dataclass(frozen=True, slots=True)
class ChainParameters:
    """Parameters of the chain kernel.

    Attributes
    ----------
    hop_window : int
        Seconds between the lower ends of two successive payments; at most the window of the relation.
    min_length, max_length : int
        Number of payments.
    budget : int
        Steps of the search per seed payment.
    """

    hop_window: int = 7 * 86_400
    min_length: int = 4
    max_length: int = 12
    budget: int = 2_000


def chains(
    graph: TemporalGraph, handover: Handover, weight: npt.NDArray[np.float64], parameters: ChainParameters
) -> tuple[Instances, npt.NDArray[np.float64]]:
    """Find, from each payment, the simple chain of hand-overs with the greatest total weight.

    Parameters
    ----------
    weight : float64
        Weight of each hand-over, aligned with `handover.next_edge`; not negative.

    Returns
    -------
    Instances
        At most one chain per seed payment (`anchor` is the account it left); chains may overlap.
    (k,) float64
        Total weight of each chain.
    """
    anchor, ptr, edge, truncated, total, cut = _chains(
        graph.src, graph.dst, graph.t_low, graph.t_high, handover.ptr, handover.next_edge, weight,
        parameters.hop_window, parameters.min_length, parameters.max_length, parameters.budget,
    )  # fmt: skip
    return Instances(anchor, ptr, edge, truncated, int(cut + handover.cut.sum())), total


@jit
def _chains(
    src: npt.NDArray[np.int32],
    dst: npt.NDArray[np.int32],
    t_low: npt.NDArray[np.int64],
    t_high: npt.NDArray[np.int64],
    ptr: npt.NDArray[np.int64],
    next_edge: npt.NDArray[np.int32],
    weight: npt.NDArray[np.float64],
    hop_window: int,
    min_length: int,
    max_length: int,
    budget: int,
) -> tuple[
    npt.NDArray[np.int32],
    npt.NDArray[np.int64],
    npt.NDArray[np.int32],
    npt.NDArray[np.bool_],
    npt.NDArray[np.float64],
    int,
]:
    room = 0
    for seed in range(len(src)):
        room += ptr[seed + 1] > ptr[seed]
    anchor = np.empty(room, np.int32)
    out_ptr = np.zeros(room + 1, np.int64)
    truncated = np.zeros(room, np.bool_)
    total = np.zeros(room, np.float64)
    out = np.empty(room * max_length, np.int32)
    path = np.empty(max_length, np.int32)
    best = np.empty(max_length, np.int32)
    place = np.empty(max_length, np.int64)
    earliest = np.empty(max_length, np.int64)
    sum_to = np.empty(max_length, np.float64)
    found, used, cut = 0, 0, 0
    for seed in range(len(src)):
        path[0] = seed
        place[0] = ptr[seed]
        earliest[0] = t_low[seed]
        sum_to[0] = 0.0
        depth = 0
        steps = 0
        best_length = 0
        best_sum = -1.0
        stopped = False
        while depth >= 0:
            e = path[depth]
            if depth == max_length - 1 or place[depth] >= ptr[e + 1]:
                depth -= 1
                continue
            if steps >= budget:
                stopped = True
                break
            here = place[depth]
            f = next_edge[here]
            place[depth] += 1
            steps += 1
            if t_low[f] - t_low[e] > hop_window or dst[f] == src[seed]:
                continue
            at = can_continue(earliest[depth], t_low[f], t_high[f])
            if at < 0:
                continue
            simple = True
            for i in range(depth + 1):
                if dst[path[i]] == dst[f]:
                    simple = False
                    break
            if not simple:
                continue
            depth += 1
            path[depth] = f
            place[depth] = ptr[f]
            earliest[depth] = at
            sum_to[depth] = sum_to[depth - 1] + weight[here]
            if depth + 1 >= min_length and sum_to[depth] > best_sum:
                best_sum = sum_to[depth]
                best_length = depth + 1
                for i in range(best_length):
                    best[i] = path[i]
        cut += stopped
        if best_length:
            anchor[found] = src[seed]
            truncated[found] = stopped
            total[found] = best_sum
            for i in range(best_length):
                out[used + i] = best[i]
            used += best_length
            found += 1
            out_ptr[found] = used
    return anchor[:found], out_ptr[: found + 1], out[:used], truncated[:found], total[:found], cut
