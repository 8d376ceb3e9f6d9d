"""What one account received before it paid: pass-through and gather-scatter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.graph import IN, OUT, LiveGraph, is_latest
from anomaly.engine.search import Family, Limits
from anomaly.kernels.jit import jit

__all__ = ["gather_scatter", "pass_through"]

Floats = npt.NDArray[np.float64]


@jit
def _handed_on(
    graph: LiveGraph,
    edge: int,
    way: int,
    low: int,
    limit: int,
    width: int,
    limits: Limits,
    row: Floats,
    at: int,
) -> bool:
    """Compare an edge with the payments into its debtor before it (way IN) or out of its creditor after it."""
    ring = len(graph.time) - 1
    account, now, amount = (
        graph.ends[1 - way, edge & ring],
        graph.time[edge & ring],
        graph.amount[edge & ring],
    )
    nearest, matched, ratio, matches, total, looked, cut = width, width, 0.0, 0, 0.0, 0, False
    step = graph.newest[way, account]
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
    row[at], row[at + 1], row[at + 2], row[at + 3] = nearest, matched, ratio, matches
    row[at + 4] = amount / total if total > 0.0 else 0.0
    return cut


@jit
def pass_through(
    graph: LiveGraph, edge: int, ahead: bool, family: Family, limits: Limits, row: Floats
) -> bool:
    """Write how an edge hands on what its debtor received, and, looking ahead, how it is handed on."""
    ring = len(graph.time) - 1
    now = graph.time[edge & ring]
    first = family.column
    cut = _handed_on(
        graph, edge, IN, now - family.window + 1, now + limits.ties, family.window, limits, row, first
    )
    if ahead:
        low, limit = now + (not limits.ties), now + family.window
        cut |= _handed_on(graph, edge, OUT, low, limit, family.window, limits, row, first + 5)
    return cut


@jit
def gather_scatter(
    graph: LiveGraph, edge: int, low: int, limit: int, family: Family, limits: Limits, row: Floats
) -> bool:
    """Write from how many accounts the debtor received, and to how many it paid after the first receipt."""
    ring = len(graph.time) - 1
    account, paid = graph.ends[OUT, edge & ring], graph.ends[IN, edge & ring]
    if account == paid:
        return False
    first, received, cut, looked, senders = graph.time[edge & ring], 0.0, False, 0, 0
    step = graph.newest[IN, account]
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
    after = first + (not limits.ties)
    receivers, sent, looked = 0, 0.0, 0
    if senders:
        step = graph.newest[OUT, account]
        while step >= 0 and graph.time[step & ring] >= low and graph.time[step & ring] >= after:
            at = step & ring
            if graph.time[at] < limit and graph.ends[IN, at] != account and step != edge:
                looked += 1
                if looked > limits.hub_degree:
                    cut = True
                    break
                receivers += is_latest(graph, step, limit) and graph.ends[IN, at] != paid
                sent += graph.amount[at]
            step = graph.older[OUT, at]
        receivers += 1
        sent += graph.amount[edge & ring]
    column = family.column
    row[column], row[column + 1], row[column + 2] = senders, receivers, min(senders, receivers)
    row[column + 3] = sent / received if received > 0.0 else 0.0
    return cut
