"""Rapid pass-through: an account sends on what it receives inside the same short window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly.graph import TemporalGraph, can_continue
from anomaly.kernels.csr import first_later
from anomaly.kernels.instances import Instances
from anomaly.kernels.jit import jit

__all__ = ["PassThroughParameters", "pass_through"]


@dataclass(frozen=True, slots=True)
class PassThroughParameters:
    """Parameters of the pass-through kernel.

    Attributes
    ----------
    window : int
        Seconds from the first payment in.
    keep_low, keep_high : float
        Share of the sum received that is sent on; with bands, possibly sent on.
    hub_degree : int
        Hub policy: an account with more payments than this in one window is left out and counted as cut.
    max_per_account : int
        Maximum windows reported for one account.
    """

    window: int = 2 * 86_400
    keep_low: float = 0.85
    keep_high: float = 1.02
    hub_degree: int = 40
    max_per_account: int = 4


def pass_through(
    graph: TemporalGraph, parameters: PassThroughParameters, eligible: npt.NDArray[np.bool_]
) -> Instances:
    """Find windows in which an account sends on what it receives.

    A window opens at a payment in. It contains the eligible payments of the same currency whose lower ends
    lie inside it: all payments in, and all payments out that can follow the first payment in. It is an
    instance when the sum out is (possibly) between `keep_low` and `keep_high` of the sum in. The windows of
    one account do not overlap: the largest sum in (of lower ends) is taken first, then the earliest window.

    Returns
    -------
    Instances
        `anchor` is the account; evidence is the payments in, then the payments out.
    """
    anchor, ptr, edge, truncated, cut = _pass_through(
        graph.t_low, graph.t_high, graph.amount_low, graph.amount_high, graph.currency,
        graph.out_ptr, graph.out_edge, graph.in_ptr, graph.in_edge, eligible,
        parameters.window, parameters.keep_low, parameters.keep_high, parameters.hub_degree,
        parameters.max_per_account, int((graph.t_high - graph.t_low).max()) if graph.edges else 0,
    )  # fmt: skip
    return Instances(anchor, ptr, edge, truncated, int(cut))


@jit
def _pass_through(
    t_low: npt.NDArray[np.int64],
    t_high: npt.NDArray[np.int64],
    amount_low: npt.NDArray[np.int64],
    amount_high: npt.NDArray[np.int64],
    currency: npt.NDArray[np.int32],
    out_ptr: npt.NDArray[np.int64],
    out_edge: npt.NDArray[np.int32],
    in_ptr: npt.NDArray[np.int64],
    in_edge: npt.NDArray[np.int32],
    eligible: npt.NDArray[np.bool_],
    window: int,
    keep_low: float,
    keep_high: float,
    hub_degree: int,
    most: int,
    width: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.bool_], int]:
    edges = len(t_low)
    anchor = np.empty(edges + 1, np.int32)
    out_begin = np.zeros(edges + 2, np.int64)
    truncated = np.zeros(edges + 1, np.bool_)
    out = np.empty(3 * edges + 2, np.int32)  # a payment out can lie in two windows
    total = np.zeros(edges, np.float64)  # per index of in_edge: sum in, if an instance opens there
    found, used, cut = 0, 0, 0
    for v in range(len(in_ptr) - 1):
        low, high = in_ptr[v], in_ptr[v + 1]
        out_low, out_high = out_ptr[v], out_ptr[v + 1]
        if low == high or out_low == out_high:
            continue
        is_hub = False
        for a in range(low, high):
            total[a] = -1.0
            e = in_edge[a]
            if not eligible[e]:
                continue
            ins, outs = 0, 0
            in_least, in_most, out_least, out_most = 0, 0, 0, 0
            for b in range(first_later(t_low, in_edge, low, high, t_low[e] - 1), high):
                f = in_edge[b]
                if t_low[f] - t_low[e] > window or ins > hub_degree:
                    break
                if eligible[f] and currency[f] == currency[e]:
                    ins += 1
                    in_least += amount_low[f]
                    in_most += amount_high[f]
            for b in range(first_later(t_low, out_edge, out_low, out_high, t_low[e] - width - 1), out_high):
                f = out_edge[b]
                if t_low[f] - t_low[e] > window or outs > hub_degree:
                    break
                if eligible[f] and currency[f] == currency[e]:
                    if can_continue(t_low[e], t_low[f], t_high[f]) < 0:
                        continue
                    outs += 1
                    out_least += amount_low[f]
                    out_most += amount_high[f]
            if ins > hub_degree or outs > hub_degree:
                is_hub = True
                continue
            if outs == 0 or out_most < keep_low * in_least or out_least > keep_high * in_most:
                continue
            total[a] = in_least
        cut += is_hub
        taken = 0
        while True:
            best = low
            for a in range(low, high):
                if total[a] > total[best]:
                    best = a
            if total[best] < 0.0:
                break
            if taken == most:
                truncated[found - 1] = True
                cut += 1
                break
            e = in_edge[best]
            anchor[found] = v
            for b in range(first_later(t_low, in_edge, low, high, t_low[e] - 1), high):
                f = in_edge[b]
                if t_low[f] - t_low[e] > window:
                    break
                if eligible[f] and currency[f] == currency[e]:
                    out[used] = f
                    used += 1
            for b in range(first_later(t_low, out_edge, out_low, out_high, t_low[e] - width - 1), out_high):
                f = out_edge[b]
                if t_low[f] - t_low[e] > window:
                    break
                follows = can_continue(t_low[e], t_low[f], t_high[f]) >= 0
                if follows and eligible[f] and currency[f] == currency[e]:
                    out[used] = f
                    used += 1
            found += 1
            out_begin[found] = used
            taken += 1
            for a in range(low, high):
                if abs(t_low[in_edge[a]] - t_low[e]) <= window:
                    total[a] = -1.0
    return anchor[:found], out_begin[: found + 1], out[:used], truncated[:found], cut
