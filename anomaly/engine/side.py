"""Pass-through and gather-scatter: compares what an account received with what it paid afterwards."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import IN, OUT, LiveGraph, is_latest, newest_before
from anomaly.engine.inlined import inlined
from anomaly.engine.search import Family, Limits
from anomaly.kernels.jit import jit

__all__ = ["gather_scatter", "pass_through"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@inlined
def _handed_on(
    graph: LiveGraph,
    edge: int,
    way: int,
    low: int,
    limit: int,
    width: int,
    limits: Limits,
    out: Floats,
    i: int,
    at: int,
) -> bool:
    """Compare an edge with earlier payments into its debtor (way IN) or later ones out of its creditor."""
    ring = len(graph.time) - 1
    account, now, amount = (
        graph.ends[1 - way, edge & ring],
        graph.time[edge & ring],
        graph.amount[edge & ring],
    )
    nearest, matched, ratio, matches, total, looked, cut = width, width, 0.0, 0, 0.0, 0, False
    step = newest_before(graph, way, account, limit)
    while step >= 0 and graph.time[step & ring] >= low:
        other = step & ring
        if graph.time[other] < limit and graph.ends[OUT, other] != graph.ends[IN, other] and step != edge:
            looked += 1
            if looked > limits.hub_degree:
                cut = True
                break
            apart = abs(now - graph.time[other])
            earlier = graph.amount[other] if way == IN else amount
            later = amount if way == IN else graph.amount[other]
            nearest = min(nearest, apart)
            total += graph.amount[other]
            if limits.keep_low * earlier <= later <= limits.keep_high * earlier:
                matches += 1
                part = later / earlier if earlier > 0.0 else 1.0
                if apart < matched or (apart == matched and part > ratio):
                    matched, ratio = apart, part
        step = graph.older[way, other]
    out[i, at], out[i, at + 1], out[i, at + 2], out[i, at + 3] = nearest, matched, ratio, matches
    out[i, at + 4] = amount / total if total > 0.0 else 0.0
    return cut


@jit
def pass_through(
    graph: LiveGraph,
    first: int,
    last: int,
    ahead: bool,
    family: Family,
    limits: Limits,
    begin: int,
    out: Floats,
    cut: Mask,
) -> None:
    """Write how each edge hands on receipts of its debtor and, with look-ahead, how the edge is handed on."""
    ring, width, column = len(graph.time) - 1, family.window, family.column
    for edge in range(first, last):
        now, i = graph.time[edge & ring], edge - begin
        low, limit = now - width + 1, now + limits.ties
        if _handed_on(graph, edge, IN, low, limit, width, limits, out, i, column):
            cut[i] = True
        if ahead:
            low, limit = now + (not limits.ties), now + width
            if _handed_on(graph, edge, OUT, low, limit, width, limits, out, i, column + 5):
                cut[i] = True


@jit
def gather_scatter(
    graph: LiveGraph,
    first: int,
    last: int,
    ahead: bool,
    family: Family,
    limits: Limits,
    begin: int,
    out: Floats,
    cut: Mask,
) -> None:
    """Write how many accounts paid each edge's debtor, and how many it paid after the first receipt."""
    ring = len(graph.time) - 1
    for edge in range(first, last):
        now = graph.time[edge & ring]
        low, limit = now - family.window + 1, now + (family.window if ahead else limits.ties)
        if graph.ends[OUT, edge & ring] != graph.ends[IN, edge & ring] and _gathered(
            graph, edge, low, limit, family, limits, out, edge - begin
        ):
            cut[edge - begin] = True


@inlined
def _gathered(
    graph: LiveGraph,
    edge: int,
    low: int,
    limit: int,
    family: Family,
    limits: Limits,
    out: Floats,
    i: int,
) -> bool:
    ring = len(graph.time) - 1
    account, paid = graph.ends[OUT, edge & ring], graph.ends[IN, edge & ring]
    first, received, cut, looked, senders = graph.time[edge & ring], 0.0, False, 0, 0
    step = newest_before(graph, IN, account, limit)
    while step >= 0 and graph.time[step & ring] >= low:
        at = step & ring
        if graph.time[at] < limit and graph.ends[OUT, at] != account:
            looked += 1
            if looked > limits.hub_degree:
                cut = True
                break
            senders += is_latest(graph, step, limit)
            received += graph.amount[at]
            first = min(first, graph.time[at])
        step = graph.older[IN, at]
    receivers, sent, looked = 0, 0.0, 0
    if senders > 0:
        low = max(low, first + (not limits.ties))
        receivers, sent = 1, graph.amount[edge & ring]
        step = newest_before(graph, OUT, account, limit)
        while step >= 0 and graph.time[step & ring] >= low:
            at = step & ring
            if graph.time[at] < limit and graph.ends[IN, at] != account and step != edge:
                looked += 1
                if looked > limits.hub_degree:
                    cut = True
                    break
                receivers += is_latest(graph, step, limit) and graph.ends[IN, at] != paid
                sent += graph.amount[at]
            step = graph.older[OUT, at]
    column = family.column
    out[i, column], out[i, column + 1] = senders, receivers
    out[i, column + 2] = min(senders, receivers)
    out[i, column + 3] = sent / received if received > 0.0 else 0.0
    return cut
