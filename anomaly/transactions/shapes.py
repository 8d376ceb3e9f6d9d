"""Membership in patterns of passing relations: bipartite groups, scatter-gather patterns and cycles.

A payment is used only if its pair is new within the window and has paid only once up to the time of scoring:
standing relations are ordinary business.
Each search has a budget of steps; `shape_cut` is 1 if the budget stopped it and payments were not examined.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from anomaly.graph import TemporalGraph
from anomaly.kernels.csr import first_later
from anomaly.kernels.jit import jit

__all__ = ["AROUND", "CYCLES", "around", "cycles"]

Ints = npt.NDArray[np.int64]
Floats32 = npt.NDArray[np.float32]

#: Columns of `around`: name, meaning, unit.
AROUND: Final = (
    ("butterflies", "pairs (other payer, other payee) that complete a two-by-two group", "log(1 + n)"),
    ("group_payers", "other payers in such groups", "log(1 + n)"),
    ("group_payees", "other payees in such groups", "log(1 + n)"),
    ("gather", "ways by which one source reached the payee, through this payer's peers", "log(1 + n)"),
    ("scatter", "ways by which this payer reached one target, through the payee's peers", "log(1 + n)"),
    ("shape_cut", "whether a budget cut the search", "0 or 1"),
)

#: Columns of `cycles`.
CYCLES: Final = (
    ("closes_hops", "payments of the shortest round that this one closes", "payments, 0: none"),
    ("closes_weight", "rarity of that round", "-log10 chance"),
    ("round_weight", "rarity of the rarest round that this one is part of", "-log10 chance"),
    ("round_hops", "payments of that round", "payments, 0: none"),
)

_BUDGET: Final = 3_000
_HOPS: Final = 12


def around(
    graph: TemporalGraph, time: Ints, eligible: npt.NDArray[np.bool_], again: Ints, window: int, ahead: int
) -> Floats32:
    """Return (edges, AROUND) from the eligible payments in [t - window, t + ahead].

    Parameters
    ----------
    eligible : (edges,) bool
        Payments of pairs that are new within the window.
    again : (edges,) int64
        Time of the pair's next payment; times after t + ahead are not known yet.
    """
    result = np.zeros((graph.edges, len(AROUND)), np.float32)
    _around(
        graph.src, graph.dst, graph.out_ptr, graph.out_edge, graph.in_ptr, graph.in_edge,
        eligible, again, time, window, ahead, result,
    )  # fmt: skip
    return result


@jit
def _around(
    src: npt.NDArray[np.int32],
    dst: npt.NDArray[np.int32],
    out_ptr: Ints,
    out_edge: npt.NDArray[np.int32],
    in_ptr: Ints,
    in_edge: npt.NDArray[np.int32],
    eligible: npt.NDArray[np.bool_],
    again: Ints,
    time: Ints,
    window: int,
    ahead: int,
    result: Floats32,
) -> None:
    accounts = len(in_ptr) - 1
    mark = np.full(accounts, -1, np.int64)
    payer_mark = np.full(accounts, -1, np.int64)
    stamp = np.full(accounts, -1, np.int64)
    for e in range(len(src)):
        first, last = time[e] - window - 1, time[e] + ahead
        if not eligible[e] or again[e] <= last:
            continue
        s, d = src[e], dst[e]
        steps = 0
        # other payers of the payee
        low = first_later(time, in_edge, in_ptr[d], in_ptr[d + 1], first)
        high = first_later(time, in_edge, low, in_ptr[d + 1], last)
        peers = 0
        for i in range(low, high):
            f = in_edge[i]
            steps += 1
            if eligible[f] and again[f] > last and src[f] != s and mark[src[f]] != e:
                mark[src[f]] = e
                peers += 1
        butterflies, payers, payees, best_scatter, best_gather = 0, 0, 0, 0, 0
        out_low = first_later(time, out_edge, out_ptr[s], out_ptr[s + 1], first)
        out_high = first_later(time, out_edge, out_low, out_ptr[s + 1], last)
        if peers > 0:
            for i in range(out_low, out_high):
                f = out_edge[i]
                if not eligible[f] or again[f] <= last or dst[f] == d or stamp[dst[f]] == e:
                    continue
                if steps > _BUDGET:
                    break
                stamp[dst[f]] = e
                here = 0
                a = first_later(time, in_edge, in_ptr[dst[f]], in_ptr[dst[f] + 1], first)
                b = first_later(time, in_edge, a, in_ptr[dst[f] + 1], last)
                for j in range(a, b):
                    g = in_edge[j]
                    steps += 1
                    if eligible[g] and again[g] > last and src[g] != s and mark[src[g]] == e:
                        here += 1
                        if payer_mark[src[g]] != e:
                            payer_mark[src[g]] = e
                            payers += 1
                butterflies += here
                payees += here > 0
            # for each source of the payer: how many of the payee's payers it paid
            low_s = first_later(time, in_edge, in_ptr[s], in_ptr[s + 1], first)
            high_s = first_later(time, in_edge, low_s, in_ptr[s + 1], time[e])
            for i in range(low_s, high_s):
                f = in_edge[i]
                if not eligible[f] or again[f] <= last:
                    continue
                if steps > _BUDGET:
                    break
                p = src[f]
                ways = 0
                a = first_later(time, out_edge, out_ptr[p], out_ptr[p + 1], first)
                b = first_later(time, out_edge, a, out_ptr[p + 1], last)
                for j in range(a, b):
                    g = out_edge[j]
                    steps += 1
                    if eligible[g] and again[g] > last and dst[g] != s and mark[dst[g]] == e:
                        ways += 1
                best_gather = max(best_gather, ways)
        if ahead > 0 and out_high - out_low > 1:
            # for each target of the payee: how many of the payer's other payees also pay it
            low_d = first_later(time, out_edge, out_ptr[d], out_ptr[d + 1], time[e] - 1)
            high_d = first_later(time, out_edge, low_d, out_ptr[d + 1], last)
            if high_d > low_d:
                for i in range(out_low, out_high):
                    f = out_edge[i]
                    if eligible[f] and again[f] > last and dst[f] != d:
                        stamp[dst[f]] = -2 - e
                for i in range(low_d, high_d):
                    f = out_edge[i]
                    if not eligible[f] or again[f] <= last:
                        continue
                    if steps > _BUDGET:
                        break
                    t = dst[f]
                    ways = 0
                    a = first_later(time, in_edge, in_ptr[t], in_ptr[t + 1], first)
                    b = first_later(time, in_edge, a, in_ptr[t + 1], last)
                    for j in range(a, b):
                        g = in_edge[j]
                        steps += 1
                        if eligible[g] and again[g] > last and src[g] != d and stamp[src[g]] == -2 - e:
                            ways += 1
                    best_scatter = max(best_scatter, ways)
        row = result[e]
        row[0] = np.log1p(butterflies)
        row[1] = np.log1p(payers)
        row[2] = np.log1p(payees)
        row[3] = np.log1p(best_gather)
        row[4] = np.log1p(best_scatter)
        row[5] = steps > _BUDGET


def cycles(
    graph: TemporalGraph,
    time: Ints,
    eligible: npt.NDArray[np.bool_],
    again: Ints,
    span: int,
    ahead: int,
) -> Floats32:
    """Return (edges, CYCLES): cycles ("rounds") of eligible payments that close within `span`.

    Amounts are not used. A cycle is rarer the fewer accounts the search had to reach before it found the way
    back, and every hop is a passing relation: long cycles hardly occur by chance, while three accounts often
    pay each other. A cycle is scored when it closes.

    Parameters
    ----------
    ahead : int
        A payment counts as part of a cycle only if the cycle closed at most this long after it.
    """
    result = np.zeros((graph.edges, len(CYCLES)), np.float32)
    _cycles(
        graph.src, graph.dst, graph.in_ptr, graph.in_edge, graph.out_ptr, graph.out_edge, eligible, again,
        time, span, ahead, result,
    )  # fmt: skip
    return result


@jit
def _cycles(
    src: npt.NDArray[np.int32],
    dst: npt.NDArray[np.int32],
    in_ptr: Ints,
    in_edge: npt.NDArray[np.int32],
    out_ptr: Ints,
    out_edge: npt.NDArray[np.int32],
    eligible: npt.NDArray[np.bool_],
    again: Ints,
    time: Ints,
    span: int,
    ahead: int,
    result: Floats32,
) -> None:
    """Search backwards from each payment, hop by hop, for a path from its payee to its payer."""
    accounts = len(in_ptr) - 1
    latest = np.empty(accounts, np.int64)
    stamp = np.full(accounts, -1, np.int64)
    parent = np.empty(accounts, np.int32)
    queue = np.empty(accounts + 1, np.int32)
    oldest = 0
    for e in range(len(src)):
        if not eligible[e] or again[e] <= time[e]:
            continue
        s, d = src[e], dst[e]
        stamp[s] = e
        latest[s] = time[e]
        parent[s] = -1
        queue[0] = s
        begin, end, steps, hops = 0, 1, 0, 1
        found = False
        reached = 0.0
        while begin < end and hops < _HOPS and not found and steps <= _BUDGET:
            layer_end = end
            while begin < layer_end and not found and steps <= _BUDGET:
                v = queue[begin]
                begin += 1
                high = first_later(time, in_edge, in_ptr[v], in_ptr[v + 1], latest[v])
                for i in range(high - 1, in_ptr[v] - 1, -1):
                    f = in_edge[i]
                    if time[f] < time[e] - span:
                        break
                    steps += 1
                    if steps > _BUDGET:
                        break
                    u = src[f]
                    if not eligible[f] or again[f] <= time[e] or f == e:
                        continue
                    if u == d and hops >= 2:
                        found = True
                        stamp[d] = e
                        parent[d] = f
                        break
                    if stamp[u] == e or u == d:
                        continue
                    stamp[u] = e
                    latest[u] = time[f]
                    parent[u] = f
                    queue[end] = u
                    end += 1
                    reached += 1.0
            hops += 1
        if not found:
            continue
        while time[oldest] < time[e] - span:
            oldest += 1
        high = first_later(time, out_edge, out_ptr[d], out_ptr[d + 1], time[e])
        sent = high - first_later(time, out_edge, out_ptr[d], high, time[e] - span - 1)
        weight = -np.log10(min((reached + 1.0) * sent / (e - oldest + 1.0), 1.0))
        length = 1
        v = d
        while parent[v] >= 0 and v != s:
            length += 1
            v = dst[parent[v]]
        row = result[e]
        row[0] = length
        row[1] = weight
        v = d
        if weight > row[2]:
            row[2] = weight
            row[3] = length
        while v != s:
            f = parent[v]
            if time[e] - time[f] <= ahead and weight > result[f, 2]:
                result[f, 2] = weight
                result[f, 3] = length
            v = dst[f]
