"""Bipartite groups: several accounts each pay several of the same accounts inside a window.

The smallest instance is the butterfly: two payers, two payees and all four payments between them.
Butterflies that share a payment are joined into one instance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly.graph import TemporalGraph
from anomaly.kernels.csr import first_above, runs
from anomaly.kernels.instances import Instances
from anomaly.kernels.jit import jit

__all__ = ["BipartiteParameters", "bipartite"]


@dataclass(frozen=True, slots=True)
class BipartiteParameters:
    """Parameters of the bipartite kernel.

    Attributes
    ----------
    window : int
        Seconds from the first to the last payment of a butterfly.
    budget : int
        Steps of the search per seed payment; a search that needs more stops, and its instance is truncated.
    """

    window: int = 7 * 86_400
    budget: int = 5_000


def bipartite(
    graph: TemporalGraph, parameters: BipartiteParameters, eligible: npt.NDArray[np.bool_]
) -> Instances:
    """Find the connected unions of butterflies among the eligible payments.

    Returns
    -------
    Instances
        `anchor` is the payer of the first payment; evidence is in the order of the graph's edges.

    References
    ----------
    Sanei-Mehri et al., "Butterfly counting in bipartite networks", KDD 2018.
    """
    root, cut_seed = _components(
        graph.src, graph.dst, graph.t_low, graph.out_ptr, graph.out_edge, graph.in_ptr, graph.in_edge,
        eligible, parameters.window, parameters.budget,
    )  # fmt: skip
    edge = np.flatnonzero(root >= 0).astype(np.int32)
    edge = edge[np.argsort(root[edge], kind="stable")]
    ptr = runs(root[edge])
    starts = ptr[:-1]
    truncated = np.logical_or.reduceat(cut_seed[edge], starts) if len(starts) else np.zeros(0, np.bool_)
    return Instances(graph.src[edge[starts]], ptr, edge, truncated, int(cut_seed.sum()))


@jit
def _find(parent: npt.NDArray[np.int32], e: int) -> int:
    while parent[e] != e:
        parent[e] = parent[parent[e]]
        e = parent[e]
    return e


@jit
def _join(parent: npt.NDArray[np.int32], e: int, f: int) -> None:
    a, b = _find(parent, e), _find(parent, f)
    if a < b:
        parent[b] = a
    elif b < a:
        parent[a] = b


@jit
def _components(
    src: npt.NDArray[np.int32],
    dst: npt.NDArray[np.int32],
    t_low: npt.NDArray[np.int64],
    out_ptr: npt.NDArray[np.int64],
    out_edge: npt.NDArray[np.int32],
    in_ptr: npt.NDArray[np.int64],
    in_edge: npt.NDArray[np.int32],
    eligible: npt.NDArray[np.bool_],
    window: int,
    budget: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Return the first edge of each edge's component (-1: in no butterfly), and the seeds that were cut.

    A butterfly is found from its first edge e = (s, d); its other edges s -> d2, s2 -> d2, s2 -> d are later.
    """
    edges = len(src)
    parent = np.arange(edges).astype(np.int32)
    member = np.zeros(edges, np.bool_)
    cut = np.zeros(edges, np.bool_)
    pays = np.full(len(in_ptr), -1, np.int32)  # last seed for which the account also pays d
    hit = np.full(len(in_ptr), -1, np.int32)  # last seed for which it closes a butterfly
    for e in range(edges):
        if not eligible[e]:
            continue
        s, d = src[e], dst[e]
        steps = 0
        # edge numbers ascend with time
        first_in = first_above(in_edge, in_ptr[d], in_ptr[d + 1], e)
        others = 0
        for i in range(first_in, in_ptr[d + 1]):
            h = in_edge[i]
            steps += 1
            if t_low[h] - t_low[e] > window or steps > budget:
                break
            if eligible[h] and src[h] != s:
                pays[src[h]] = e
                others += 1
        if others == 0:
            cut[e] = steps > budget
            continue
        for i in range(first_above(out_edge, out_ptr[s], out_ptr[s + 1], e), out_ptr[s + 1]):
            e2 = out_edge[i]
            if t_low[e2] - t_low[e] > window or steps > budget:
                break
            d2 = dst[e2]
            if not eligible[e2] or d2 == d:
                continue
            for j in range(first_above(in_edge, in_ptr[d2], in_ptr[d2 + 1], e), in_ptr[d2 + 1]):
                g = in_edge[j]
                steps += 1
                if t_low[g] - t_low[e] > window or steps > budget:
                    break
                if eligible[g] and src[g] != s and pays[src[g]] == e:
                    hit[src[g]] = e
                    member[e] = member[e2] = member[g] = True
                    _join(parent, e, e2)
                    _join(parent, e, g)
        cut[e] = steps > budget
        if member[e]:
            for i in range(first_in, in_ptr[d + 1]):
                h = in_edge[i]
                if t_low[h] - t_low[e] > window:
                    break
                if eligible[h] and hit[src[h]] == e:
                    member[h] = True
                    _join(parent, e, h)
    root = np.full(edges, -1, np.int32)
    for e in range(edges):
        if member[e]:
            root[e] = _find(parent, e)
    return root, cut
