"""Temporal cycles: money returns through other accounts to the account it left, each hop a hand-over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly.graph import TemporalGraph, can_continue
from anomaly.kernels.handover import Handover
from anomaly.kernels.instances import Instances
from anomaly.kernels.jit import jit

__all__ = ["CycleParameters", "cycles"]


@dataclass(frozen=True, slots=True)
class CycleParameters:
    """Parameters of the cycle kernel.

    Attributes
    ----------
    window : int
        Seconds from the first payment to the last, between lower ends.
    min_length, max_length : int
        Number of payments; a cycle of two payments is an ordinary repayment.
    budget : int
        Steps of the search per seed payment; a search that needs more stops, and its instances are truncated.
    """

    window: int = 14 * 86_400
    min_length: int = 3
    max_length: int = 10
    budget: int = 2_000


def cycles(
    graph: TemporalGraph,
    handover: Handover,
    parameters: CycleParameters,
    owner: npt.NDArray[np.int64] | None = None,
) -> Instances:
    """Find simple temporal cycles.

    A cycle is a set of payments with an order e1, ..., ek in which each payment hands over the one before,
    the whole path is possible in time, all accounts differ and ek reaches the account that e1 left. Each set
    is reported once, even if several of its payments can be the first.

    Parameters
    ----------
    owner : (accounts,) int64, optional
        Owner of each account. If given, any account of the same owner closes a cycle: a round trip.

    Notes
    -----
    Depth-first search over the hand-over relation from each payment; O(seeds x budget) at worst. The first
    payment need not hand over the last one: the money may stay in the account where the cycle starts.

    References
    ----------
    Kumar & Calders, "2SCENT: an efficient algorithm for enumerating all simple temporal cycles", VLDB 2018.
    """
    holder = np.arange(graph.accounts, dtype=np.int64) if owner is None else owner
    anchor, ptr, edge, truncated, cut = _cycles(
        graph.dst, holder[graph.src], holder[graph.dst], graph.t_low, graph.t_high,
        handover.ptr, handover.next_edge,
        parameters.window, parameters.min_length, parameters.max_length, parameters.budget,
    )  # fmt: skip
    found = Instances(graph.src[anchor], ptr, edge, truncated, int(cut + handover.cut.sum()))
    first: dict[bytes, int] = {}
    for i, edges in enumerate(found):
        first.setdefault(np.sort(edges).tobytes(), i)
    return found.take(np.fromiter(first.values(), np.int64))


@jit
def _cycles(
    dst: npt.NDArray[np.int32],
    from_owner: npt.NDArray[np.int64],
    to_owner: npt.NDArray[np.int64],
    t_low: npt.NDArray[np.int64],
    t_high: npt.NDArray[np.int64],
    ptr: npt.NDArray[np.int64],
    next_edge: npt.NDArray[np.int32],
    window: int,
    min_length: int,
    max_length: int,
    budget: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.bool_], int]:
    room, found, used, cut = 1024, 0, 0, 0
    anchor = np.empty(room, np.int32)
    out_ptr = np.zeros(room + 1, np.int64)
    truncated = np.zeros(room, np.bool_)
    out = np.empty(room * max_length, np.int32)
    path = np.empty(max_length, np.int32)
    place = np.empty(max_length, np.int64)
    earliest = np.empty(max_length, np.int64)
    for seed in range(len(dst)):
        home = from_owner[seed]
        path[0] = seed
        place[0] = ptr[seed]
        earliest[0] = t_low[seed]
        depth = 0
        steps = 0
        first_of_seed = found
        while depth >= 0:
            e = path[depth]
            if depth == max_length - 1 or place[depth] >= ptr[e + 1]:
                depth -= 1
                continue
            if steps >= budget:
                cut += 1
                for i in range(first_of_seed, found):
                    truncated[i] = True
                break
            f = next_edge[place[depth]]
            place[depth] += 1
            steps += 1
            if abs(t_low[f] - t_low[seed]) > window:
                continue
            at = can_continue(earliest[depth], t_low[f], t_high[f])
            if at < 0:
                continue
            if to_owner[f] == home:
                if depth + 2 < min_length:
                    continue
                if found == room:
                    room *= 2
                    anchor = np.append(anchor, np.empty(found, np.int32))
                    truncated = np.append(truncated, np.zeros(found, np.bool_))
                    out_ptr = np.append(out_ptr, np.zeros(found, np.int64))
                    out = np.append(out, np.empty(found * max_length, np.int32))
                anchor[found] = seed
                for i in range(depth + 1):
                    out[used + i] = path[i]
                out[used + depth + 1] = f
                used += depth + 2
                found += 1
                out_ptr[found] = used
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
    return anchor[:found], out_ptr[: found + 1], out[:used], truncated[:found], cut
