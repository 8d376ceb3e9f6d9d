"""Rapid pass-through: an account sends on within days nearly all that it received.

Criteria: only passing relations on both sides; the account's activity and the size of the payments must be
improbable by its own rate and by the payments of that currency.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from anomaly.detectors.detector import Candidate, Context, Detector, Found, plural
from anomaly.detectors.surprise import Baseline, upper_share
from anomaly.graph import TemporalGraph, surely_follows
from anomaly.kernels.pass_through import PassThroughParameters, pass_through

__all__ = ["PASS_THROUGH"]


@dataclass(frozen=True, slots=True)
class PassThroughDetectorParameters:
    """Parameters of rapid pass-through.

    Attributes
    ----------
    pass_through : PassThroughParameters
    new : int
        Seconds; relations that last longer are standing ones and do not count.
    fit : float
        Chance that sums in and out agree by accident.
    """

    pass_through: PassThroughParameters = field(default_factory=PassThroughParameters)
    new: int = 7 * 86_400
    fit: float = 0.1


def _find(context: Context, parameters: PassThroughDetectorParameters) -> Found:
    graph, kernel = context.graph, parameters.pass_through
    eligible = context.passing(parameters.new)
    instances = pass_through(graph, kernel, eligible)
    usable = np.flatnonzero(graph.usable)
    active = np.bincount(graph.src[usable], minlength=graph.accounts) > 0
    active &= np.bincount(graph.dst[usable], minlength=graph.accounts) > 0
    into, out = (
        Baseline.fit(graph, end[usable].astype(np.int64), graph.t_low[usable], kernel.window, active)
        for end in (graph.dst, graph.src)
    )
    places = np.log10(max(active.sum() * into.windows, 1.0))
    found = []
    for i, edges in enumerate(instances):
        account = int(instances.anchor[i])
        ins, outs = edges[graph.dst[edges] == account], edges[graph.src[edges] == account]
        chance = into.surprise(account, len(ins)) + out.surprise(account, len(outs))
        rarity = upper_share(graph, int(graph.currency[edges[0]]), float(graph.amount[ins].max()))
        in_low, in_high = int(graph.amount_low[ins].sum()), int(graph.amount_high[ins].sum())
        out_low, out_high = int(graph.amount_low[outs].sum()), int(graph.amount_high[outs].sum())
        certain = (
            surely_follows(int(graph.t_high[ins].min()), int(graph.t_low[outs].min()))
            and out_low >= kernel.keep_low * in_high
            and out_high <= kernel.keep_high * in_low
        )
        found.append(
            Candidate(
                edges=edges,
                strength=float(chance - np.log10(rarity) - np.log10(parameters.fit) - places),
                certain=certain,
                truncated=bool(instances.truncated[i]),
                anchor=account,
                details={
                    "payments_in": len(ins),
                    "payments_out": len(outs),
                    "share_sent_on": round(out_low / max(in_low, 1), 3),
                },
            )
        )
    return Found(found, instances.cut)


def _lead(graph: TemporalGraph, candidate: Candidate) -> str:
    ins, outs = candidate.details["payments_in"], candidate.details["payments_out"]
    return (
        f"One account sent on nearly all of what it received, {plural(ins, 'payment')} in and {outs} out, "
        "between counterparties it has no standing relation with"
    )


PASS_THROUGH = Detector(
    "pass_through", "1", "rapid_pass_through", PassThroughDetectorParameters(), _find, _lead
)
