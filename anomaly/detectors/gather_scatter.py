"""Gather-scatter: an account collects money from many accounts, then sends it to many other accounts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from anomaly.detectors.detector import Candidate, Context, Detector, Found, plural
from anomaly.detectors.fans import FanDetectorParameters, fans
from anomaly.graph import TemporalGraph, can_continue
from anomaly.kernels.fan import FanParameters

__all__ = ["GATHER_SCATTER"]


@dataclass(frozen=True, slots=True)
class GatherScatterParameters:
    """Parameters of gather-scatter.

    Attributes
    ----------
    fans : FanDetectorParameters
        Parameters of both fans; each fan may be smaller than a fan that is reported alone.
    pause : int
        Maximum seconds between the last payment in and the first payment out.
    keep_low, keep_high : float
        The sum out as a share of the sum in.
    """

    fans: FanDetectorParameters = field(
        default_factory=lambda: FanDetectorParameters(fan=FanParameters(min_size=3), material=0.5)
    )
    pause: int = 4 * 86_400
    keep_low: float = 0.6
    keep_high: float = 1.1


def _find(context: Context, parameters: GatherScatterParameters) -> Found:
    graph = context.graph
    gathered = fans(context, parameters.fans, inward=True)
    scattered = fans(context, parameters.fans, inward=False)
    places = np.log10(max(context.period / parameters.fans.fan.window * graph.accounts, 1.0))
    outward: dict[int, list[Candidate]] = {}
    for candidate in scattered.candidates:
        outward.setdefault(candidate.anchor, []).append(candidate)
    found = []
    for into in gathered.candidates:
        for out in outward.get(into.anchor, ()):
            begin, last = int(graph.t_low[into.edges].min()), int(graph.t_low[into.edges].max())
            keep = [
                e for e in out.edges if can_continue(begin, int(graph.t_low[e]), int(graph.t_high[e])) >= 0
            ]
            if len(keep) < len(out.edges) or int(graph.t_low[out.edges].min()) > last + parameters.pause:
                continue
            if len(np.unique(graph.currency[np.append(into.edges, out.edges)])) > 1:
                continue
            in_low, in_high = (int(a[into.edges].sum()) for a in (graph.amount_low, graph.amount_high))
            out_low, out_high = (int(a[out.edges].sum()) for a in (graph.amount_low, graph.amount_high))
            if out_high < parameters.keep_low * in_low or out_low > parameters.keep_high * in_high:
                continue
            certain = (
                into.certain
                and out.certain
                and int(graph.t_low[out.edges].min()) >= int(graph.t_high[into.edges].max())
                and out_low >= parameters.keep_low * in_high
                and out_high <= parameters.keep_high * in_low
            )
            found.append(
                Candidate(
                    edges=np.unique(np.append(into.edges, out.edges)),
                    # both strengths are corrected for choosing account and window; undo one correction
                    strength=into.strength + out.strength + float(places),
                    certain=certain,
                    truncated=into.truncated or out.truncated,
                    anchor=into.anchor,
                    details={
                        "senders": into.details["counterparties"],
                        "receivers": out.details["counterparties"],
                        "share_sent_on": round(out_low / max(in_low, 1), 3),
                    },
                )
            )
    return Found(found, gathered.cut + scattered.cut)


def _lead(graph: TemporalGraph, candidate: Candidate) -> str:
    senders, receivers = candidate.details["senders"], candidate.details["receivers"]
    return f"One account gathered from {plural(senders, 'account')} and sent on to {receivers:,} others"


GATHER_SCATTER = Detector("gather_scatter", "1", "gather_scatter", GatherScatterParameters(), _find, _lead)
