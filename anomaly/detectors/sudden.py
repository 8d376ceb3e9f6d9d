"""Burst and dormant account: activity that is unusual because of its timing.

Burst: within hours, many accounts pay receivers that they have no standing relation with; receivers that are
paid in the same hours form one burst. Dormant: an account without payments for a month or more moves sums
within days that are large compared with its own history and with all accounts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly.detectors.detector import Candidate, Context, Detector, Found, plural
from anomaly.detectors.fans import FanDetectorParameters, fans
from anomaly.detectors.surprise import Baseline, material
from anomaly.graph import TemporalGraph
from anomaly.kernels.fan import FanParameters

__all__ = ["BURST", "DORMANT"]


@dataclass(frozen=True, slots=True)
class DormantParameters:
    """Parameters of the dormant account.

    Attributes
    ----------
    quiet : int
        Seconds without any payment; half a year is usual, but a young ledger has no such history.
    window : int
        Length in seconds of the window that begins with the first new payment.
    min_payments : int
        Minimum number of large payments in the window.
    material : float
        Share of a currency's payments that counts as large.
    """

    quiet: int = 30 * 86_400
    window: int = 7 * 86_400
    min_payments: int = 3
    material: float = 0.3


def _burst_parameters() -> FanDetectorParameters:
    return FanDetectorParameters(fan=FanParameters(window=3 * 3_600, min_size=4))


def _find_bursts(context: Context, parameters: FanDetectorParameters) -> Found:
    graph = context.graph
    hits = fans(context, parameters, inward=True)
    strong = [c for c in hits.candidates if c.strength > 0]
    strong.sort(key=lambda c: c.edges.tolist())
    joined: list[list[Candidate]] = []
    until = 0
    for hit in strong:
        begin, end = int(graph.t_low[hit.edges].min()), int(graph.t_high[hit.edges].max())
        if joined and begin < until:
            joined[-1].append(hit)
        else:
            joined.append([hit])
            until = end
        until = max(until, end) if begin < until else end
    found = []
    for group in joined:
        edges = np.unique(np.concatenate([c.edges for c in group]))
        found.append(
            Candidate(
                edges=edges,
                strength=sum(c.strength for c in group),
                certain=all(c.certain for c in group),
                truncated=any(c.truncated for c in group),
                anchor=group[0].anchor,
                details={"receivers": len(group), "payers": len(np.unique(graph.src[edges]))},
            )
        )
    return Found(found, hits.cut)


def _find_dormant(context: Context, parameters: DormantParameters) -> Found:
    graph = context.graph
    large = material(graph, parameters.material)
    places = float(np.log10(max(graph.accounts, 1)))
    end = np.concatenate((graph.src, graph.dst))
    active = (np.bincount(end, minlength=graph.accounts) > 0) & ~graph.desk
    events = np.tile(large, 2)
    usual = Baseline.fit(
        graph, end[events].astype(np.int64), np.tile(graph.t_low, 2)[events], parameters.window, active
    )
    edge = np.tile(np.arange(graph.edges), 2)
    order = np.lexsort((edge, end))
    end, edge = end[order], edge[order]
    if not len(end):
        return Found([])
    same = end[1:] == end[:-1]
    wakes = np.flatnonzero(same & (graph.t_low[edge[1:]] - graph.t_high[edge[:-1]] >= parameters.quiet)) + 1
    last = np.searchsorted(end, np.arange(graph.accounts), "right")
    found = []
    for at in wakes.tolist():
        account = int(end[at])
        if graph.desk[account]:
            continue
        own = np.unique(edge[at : last[account]])
        woken = int(graph.t_low[own[0]])
        inside = own[graph.t_low[own] - woken <= parameters.window]
        evidence = inside[large[inside]].astype(np.int32)
        if len(evidence) < parameters.min_payments:
            continue
        slept = woken - int(graph.t_high[edge[at - 1]])
        found.append(
            Candidate(
                edges=evidence,
                strength=usual.surprise(account, len(evidence)) - places,
                certain=True,
                anchor=account,
                details={"days_quiet": slept // 86_400},
            )
        )
    return Found(found)


def _lead_burst(graph: TemporalGraph, candidate: Candidate) -> str:
    payers, receivers = candidate.details["payers"], candidate.details["receivers"]
    return (
        f"{plural(payers, 'account')} at once paid {plural(receivers, 'account')} without a standing relation"
    )


def _lead_dormant(graph: TemporalGraph, candidate: Candidate) -> str:
    days = plural(candidate.details["days_quiet"], "day")
    return f"An account that was quiet for {days} woke and moved large sums"


BURST = Detector("burst", "1", "burst", _burst_parameters(), _find_bursts, _lead_burst)
DORMANT = Detector("dormant_woken", "2", "dormant_woken", DormantParameters(), _find_dormant, _lead_dormant)
