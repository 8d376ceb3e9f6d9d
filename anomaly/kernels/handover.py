"""The hand-over relation: which payment can pass on the money of which other payment.

Payment f *hands over* payment e when f leaves the account that e reached, can be later than e by at most one
window, and has about the same value. Cycles, chains, scatter-gather and repeated pass-through are paths in
this relation.

Launderers change currency at a hop, and the ledger holds no exchange rates. Amounts in two currencies are
therefore compared through the typical payment of each currency in the same rows. This is only a rough rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly.graph import TemporalGraph, can_continue
from anomaly.kernels.csr import first_later, offsets
from anomaly.kernels.jit import jit

__all__ = ["Handover", "HandoverParameters", "handovers", "typical_payment"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HandoverParameters:
    """Parameters of the hand-over relation.

    Attributes
    ----------
    window : int
        Seconds between the lower ends of the two payments.
    keep_low, keep_high : float
        The amount passed on is between these shares of the amount received; with bands, possibly between.
    hub_degree : int
        Hub policy: if more payments than this leave an account inside the window, none of them is followed,
        and the payment that reached the account counts as cut.
    exchange : float
        Tolerance of the rate across currencies, as a share; below 0, currencies are never exchanged.
    fewest : int
        A currency with fewer payments has no typical payment and is compared with no other currency.
    """

    window: int = 7 * 86_400
    keep_low: float = 0.8
    keep_high: float = 1.05
    hub_degree: int = 60
    exchange: float = 0.1
    fewest: int = 300


@dataclass(frozen=True, eq=False)
class Handover:
    """The relation as CSR over edges: `next_edge[ptr[e]:ptr[e + 1]]` can hand over e, in order of time.

    `cut[e]` is true where the hub policy left out the payments that follow e.
    """

    ptr: npt.NDArray[np.int64]
    next_edge: npt.NDArray[np.int32]
    cut: npt.NDArray[np.bool_]

    @property
    def first_edge(self) -> npt.NDArray[np.int32]:
        """The edge handed over, aligned with `next_edge`."""
        return np.repeat(np.arange(len(self.ptr) - 1, dtype=np.int32), np.diff(self.ptr))


def typical_payment(graph: TemporalGraph, fewest: int) -> Floats:
    """Return per payment the geometric mean of all payments in its currency (minor units; 0 if too few)."""
    codes, place, count = np.unique(graph.currency, return_inverse=True, return_counts=True)
    total = np.bincount(place, weights=np.log(graph.amount), minlength=len(codes))
    typical = np.where(count >= fewest, np.exp(total / np.maximum(count, 1)), 0.0)
    return np.asarray(typical[place], dtype=np.float64)


def handovers(graph: TemporalGraph, parameters: HandoverParameters) -> Handover:
    """Compute the relation over the usable edges of a graph."""
    usable = graph.usable
    keep = usable[graph.out_edge]
    out_edge = graph.out_edge[keep]
    out_ptr = offsets(keep)[graph.out_ptr]
    width = int((graph.t_high - graph.t_low).max()) if graph.edges else 0
    arguments = (
        graph.dst, usable, graph.t_low, graph.t_high, graph.amount_low, graph.amount_high, graph.currency,
        typical_payment(graph, parameters.fewest), out_ptr, out_edge, parameters.window, width,
        parameters.keep_low, parameters.keep_high, parameters.hub_degree, parameters.exchange,
    )  # fmt: skip
    nothing = np.zeros(0, np.int32)
    count, cut, _ = _pairs(*arguments, np.zeros(0, np.int64), nothing)
    ptr = offsets(count)
    _, _, next_edge = _pairs(*arguments, ptr, np.empty(int(ptr[-1]), np.int32))
    return Handover(ptr, next_edge, cut)


@jit
def _pairs(
    dst: npt.NDArray[np.int32],
    usable: npt.NDArray[np.bool_],
    t_low: npt.NDArray[np.int64],
    t_high: npt.NDArray[np.int64],
    amount_low: npt.NDArray[np.int64],
    amount_high: npt.NDArray[np.int64],
    currency: npt.NDArray[np.int32],
    typical: Floats,
    out_ptr: npt.NDArray[np.int64],
    out_edge: npt.NDArray[np.int32],
    window: int,
    width: int,
    keep_low: float,
    keep_high: float,
    hub_degree: int,
    exchange: float,
    ptr: npt.NDArray[np.int64],
    target: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.int32]]:
    """Count the pairs of each edge; if `ptr` is not empty, also write them to `target`."""
    edges = len(dst)
    count = np.zeros(edges, np.int64)
    cut = np.zeros(edges, np.bool_)
    write = len(ptr) > 0
    for e in range(edges):
        if not usable[e]:
            continue
        low, high = out_ptr[dst[e]], out_ptr[dst[e] + 1]
        # edges that start up to one interval's width earlier can still be later
        start = first_later(t_low, out_edge, low, high, t_low[e] - width)
        end = first_later(t_low, out_edge, start, high, t_low[e] + window)
        if end - start > hub_degree:
            cut[e] = True
            continue
        for i in range(start, end):
            f = out_edge[i]
            if can_continue(t_low[e], t_low[f], t_high[f]) < 0:
                continue
            least, most = keep_low, keep_high
            if currency[f] != currency[e]:
                if exchange < 0 or typical[e] <= 0 or typical[f] <= 0:
                    continue
                rate = typical[f] / typical[e]
                least, most = keep_low * rate / (1 + exchange), keep_high * rate * (1 + exchange)
            if amount_high[f] < least * amount_low[e] or amount_low[f] > most * amount_high[e]:
                continue
            if write:
                target[ptr[e] + count[e]] = f
            count[e] += 1
    return count, cut, target
