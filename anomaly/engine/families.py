"""Adds a batch to the graph and runs each family of patterns on its edges, in the right order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from anomaly.engine.bins import bin_table
from anomaly.engine.burst import burst
from anomaly.engine.chain import chains
from anomaly.engine.columns import hop_bins
from anomaly.engine.graph import ROUND, LiveGraph, add, number_accounts
from anomaly.engine.hop_cycle import hop_cycles
from anomaly.engine.neighbours import bipartite, scatter_gather
from anomaly.engine.parameters import EngineParameters
from anomaly.engine.quiet import quiet
from anomaly.engine.round_trip import round_trip
from anomaly.engine.search import Family, Limits, Room
from anomaly.engine.side import gather_scatter, pass_through
from anomaly.engine.structuring import structuring
from anomaly.engine.temporal_cycle import temporal_cycles
from anomaly.kernels.jit import jit

__all__ = ["Patterns", "insert_and_search", "patterns_of"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_BIT = 64


class Patterns(NamedTuple):
    """All families that search the graph."""

    scatter_gather: Family
    temporal_cycle: Family
    hop_cycle: Family
    bipartite: Family
    gather_scatter: Family
    pass_through: Family
    quiet: Family
    structuring: Family
    round_trip: Family
    burst: Family
    chain: Family


@jit
def insert_and_search(
    graph: LiveGraph,
    patterns: Patterns,
    limits: Limits,
    room: Room,
    ahead: bool,
    src: Ints,
    dst: Ints,
    when: Ints,
    amount: Floats,
    out: Floats,
    cut: Mask,
) -> int:
    """Add a batch and search around its edges; return its first edge.

    A search has to skip edges newer than its own, so a long batch is added and searched in small parts.
    """
    n = len(src)
    begin: int = graph.counts[1]
    debtor, creditor = np.empty(n, np.int64), np.empty(n, np.int64)
    number_accounts(graph, src, debtor)
    number_accounts(graph, dst, creditor)
    credit = begin if ahead else np.iinfo(np.int64).max
    first = begin
    for i in range(n):
        add(graph, debtor[i], creditor[i], when[i], amount[i])
        last = begin + i + 1
        if i + 1 == n or (last - first >= _BIT and when[i + 1] != when[i]):
            graph.counts[ROUND] += 1
            _close(graph, patterns, limits, room, first, last, begin, credit, out, cut)
            if not ahead:
                _around(graph, patterns, limits, room, first, last, begin, ahead, out, cut)
            first = last
    if ahead:
        graph.counts[ROUND] += 1
        _around(graph, patterns, limits, room, begin, begin + n, begin, ahead, out, cut)
    return begin


@jit
def _close(
    graph: LiveGraph,
    patterns: Patterns,
    limits: Limits,
    room: Room,
    first: int,
    last: int,
    begin: int,
    credit: int,
    out: Floats,
    cut: Mask,
) -> None:
    """Find the patterns that the edges close."""
    family = patterns.scatter_gather
    if family.column >= 0:
        scatter_gather(graph, first, last, family, limits, room, begin, credit, out, cut)
    family = patterns.temporal_cycle
    if family.column >= 0:
        temporal_cycles(graph, first, last, family, limits, room, begin, credit, out, cut)
    family = patterns.hop_cycle
    if family.column >= 0:
        hop_cycles(graph, first, last, family, limits, room, begin, credit, out, cut)


@jit
def _around(
    graph: LiveGraph,
    patterns: Patterns,
    limits: Limits,
    room: Room,
    first: int,
    last: int,
    begin: int,
    ahead: bool,
    out: Floats,
    cut: Mask,
) -> None:
    """Compute the families that describe the neighbourhood of each edge in its window."""
    if patterns.bipartite.column >= 0:
        bipartite(graph, first, last, ahead, patterns.bipartite, limits, room, begin, out, cut)
    if patterns.gather_scatter.column >= 0:
        gather_scatter(graph, first, last, ahead, patterns.gather_scatter, limits, begin, out, cut)
    if patterns.pass_through.column >= 0:
        pass_through(graph, first, last, ahead, patterns.pass_through, limits, begin, out, cut)
    if patterns.quiet.column >= 0:
        quiet(graph, first, last, patterns.quiet, limits, begin, out)
    if patterns.structuring.column >= 0:
        structuring(graph, first, last, ahead, patterns.structuring, limits, begin, out, cut)
    if patterns.round_trip.column >= 0:
        round_trip(graph, first, last, ahead, patterns.round_trip, limits, begin, out, cut)
    if patterns.burst.column >= 0:
        burst(graph, first, last, ahead, patterns.burst, limits, begin, out, cut)
    if patterns.chain.column >= 0:
        chains(graph, first, last, patterns.chain, limits, room, begin, out, cut)


def patterns_of(p: EngineParameters, places: dict[str, int]) -> Patterns:
    """Return each family with its first column, or -1 if the family is left out."""
    none = np.zeros(0, dtype=np.int64)
    sized = bin_table(p.bins) if p.histograms else none
    hops = bin_table(hop_bins(p)) if p.histograms else none

    def family(name: str, bins: Ints = none, longest: int = 0) -> Family:
        return Family(places.get(name, -1), getattr(p, name) or 0, longest, bins)

    return Patterns(
        scatter_gather=family("scatter_gather", sized),
        temporal_cycle=family("temporal_cycle", sized, p.cycle_length),
        hop_cycle=family("hop_cycle", hops, p.hop_length),
        bipartite=family("bipartite"),
        gather_scatter=family("gather_scatter"),
        pass_through=family("pass_through"),
        quiet=family("quiet"),
        structuring=family("structuring"),
        round_trip=family("round_trip"),
        burst=family("burst"),
        chain=family("chain", longest=p.chain_length),
    )
