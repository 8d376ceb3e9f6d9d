"""Fan-in and fan-out: many counterparties at once, by the account's own measure.

Criteria, so that shops and payroll stay out: only relations count that last no longer than the window (new and
passing ones); the count must be improbable for the account's own rate of such relations outside the window.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from anomaly.detectors.detector import Candidate, Context, Detector, Found, plural
from anomaly.detectors.surprise import at_least, rate_in_window
from anomaly.graph import TemporalGraph
from anomaly.kernels.fan import FanParameters, fan_in, fan_out

__all__ = ["FAN_IN", "FAN_OUT", "FanDetectorParameters", "fans"]


@dataclass(frozen=True, slots=True)
class FanDetectorParameters:
    """Parameters of the fan detectors.

    Attributes
    ----------
    fan : FanParameters
    clumping : float
        Customers come in clumps: the expected count is multiplied by this before it is compared.
    """

    fan: FanParameters = field(default_factory=lambda: FanParameters(window=4 * 86_400, min_size=5))
    clumping: float = 1.5


def fans(context: Context, parameters: FanDetectorParameters, *, inward: bool) -> Found:
    """Find the fans of one direction with their strength."""
    graph, window = context.graph, parameters.fan.window
    eligible = context.passing(window)
    instances = (fan_in if inward else fan_out)(graph, parameters.fan, eligible)
    hub, other = (graph.dst, graph.src) if inward else (graph.src, graph.dst)
    # the account's own rate is that of one-time relations of any date
    relations = np.unique(graph.relation[eligible], return_index=True)[1]
    total = np.bincount(hub[eligible][relations], minlength=graph.accounts)
    active = np.maximum((np.bincount(hub[graph.usable], minlength=graph.accounts) > 0).sum(), 1)
    population = float(total.sum()) / active * window / max(context.period, window)
    places = np.log10(max(active * context.period / window, 1.0))
    found = []
    for i, edges in enumerate(instances):
        size = len(np.unique(other[edges]))
        account = int(instances.anchor[i])
        expected = float(
            rate_in_window(total[account], size, window=window, period=context.period, population=population)
        )
        strength = float(at_least(size, parameters.clumping * expected)) - places
        span = int(graph.t_high[edges].max() - 1 - graph.t_low[edges].min())
        found.append(
            Candidate(
                edges=edges,
                strength=strength,
                certain=span <= window,
                truncated=bool(instances.truncated[i]),
                anchor=account,
                details={"counterparties": size, "expected_counterparties": round(expected, 3)},
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
