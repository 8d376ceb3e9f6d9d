"""Fan-in and fan-out: an account has many counterparties at once, compared with its own history.

Criteria that exclude shops and payrolls: only passing relations count (none longer than the window); their
number must be improbable for the account's own windows and for its party type (person, business, ...); small
payments do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from anomaly.detectors.detector import Candidate, Context, Detector, Found, plural
from anomaly.detectors.surprise import Baseline, material
from anomaly.graph import TemporalGraph
from anomaly.kernels.fan import FanParameters, fan_in, fan_out

__all__ = ["FAN_IN", "FAN_OUT", "FanDetectorParameters", "fans"]


@dataclass(frozen=True, slots=True)
class FanDetectorParameters:
    """Parameters of the fan detectors.

    Attributes
    ----------
    fan : FanParameters
    material : float
        Only the largest payments of a currency count, this share of them; this excludes small collections
        among friends.
    """

    fan: FanParameters = field(default_factory=FanParameters)
    material: float = 0.3


def fans(context: Context, parameters: FanDetectorParameters, *, inward: bool) -> Found:
    """Find the fans of one direction and compute their strength."""
    graph, window = context.graph, parameters.fan.window
    eligible = context.passing(window) & material(graph, parameters.material)
    instances = (fan_in if inward else fan_out)(graph, parameters.fan, eligible)
    hub, other = (graph.dst, graph.src) if inward else (graph.src, graph.dst)
    # count new relations, each at its first payment
    first = graph.firsts(np.flatnonzero(eligible))
    active = np.bincount(hub[graph.usable], minlength=graph.accounts) > 0
    baseline = Baseline.fit(graph, hub[first].astype(np.int64), graph.t_low[first], window, active)
    places = np.log10(max(active.sum() * baseline.windows, 1.0))
    found = []
    for i, evidence in enumerate(instances):
        size, account = len(np.unique(other[evidence])), int(instances.anchor[i])
        found.append(
            Candidate(
                edges=evidence,
                strength=baseline.surprise(account, size) - float(places),
                certain=graph.span(evidence) <= window,
                truncated=bool(instances.truncated[i]),
                anchor=account,
                details={
                    "counterparties": size,
                    "expected_counterparties": round(baseline.expected(account, size), 3),
                },
            )
        )
    return Found(found, instances.cut)


def _lead_in(graph: TemporalGraph, candidate: Candidate) -> str:
    size = len(np.unique(graph.src[candidate.edges]))
    return f"One account was paid by {plural(size, 'account')} that it has no standing relation with"


def _lead_out(graph: TemporalGraph, candidate: Candidate) -> str:
    size = len(np.unique(graph.dst[candidate.edges]))
    return f"One account paid {plural(size, 'account')} that it has no standing relation with"


FAN_IN = Detector(
    "fan_in", "1", "fan_in", FanDetectorParameters(), lambda c, p: fans(c, p, inward=True), _lead_in
)
FAN_OUT = Detector(
    "fan_out", "1", "fan_out", FanDetectorParameters(), lambda c, p: fans(c, p, inward=False), _lead_out
)
