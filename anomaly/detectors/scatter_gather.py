"""Scatter-gather: one account pays several intermediaries, and all of these pay one other account.

Criteria: either the amounts agree on each path more closely than by chance ("sums"); or, for any amounts, no
relation is a standing relation, and the payer and the payee share more intermediaries than their numbers of
new relations in that time explain ("any sum"). If all accounts belong to businesses, only the first criterion
applies: a supplier of a supplier is not an intermediary.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from anomaly.detectors.detector import Candidate, Context, Detector, Found, plural
from anomaly.detectors.paths import pair_weights, rarely_reached, surely_handed_on
from anomaly.detectors.surprise import at_least, combined
from anomaly.graph import TemporalGraph
from anomaly.kernels.csr import offsets
from anomaly.kernels.fan import FanParameters
from anomaly.kernels.handover import Handover, HandoverParameters, handovers
from anomaly.kernels.scatter_gather import scatter_gather
from ledger.schema import PartyType

__all__ = ["SCATTER_GATHER"]

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class ScatterGatherParameters:
    """Parameters of scatter-gather.

    Attributes
    ----------
    handover : HandoverParameters
        Sums: the amount passed on by each intermediary.
    fan : FanParameters
        Sums: paths that begin within its window.
    any_sum : HandoverParameters
        Any sum: time from payment to payment, and maximum length of a relation that counts as new.
    any_sum_fan : FanParameters
        Any sum: paths that begin within its window.
    """

    handover: HandoverParameters = field(default_factory=HandoverParameters)
    fan: FanParameters = field(default_factory=lambda: FanParameters(window=10 * _DAY, min_size=3))
    any_sum: HandoverParameters = field(
        default_factory=lambda: HandoverParameters(
            window=14 * _DAY, keep_low=0.0, keep_high=1e12, exchange=1e12, fewest=1
        )
    )
    any_sum_fan: FanParameters = field(default_factory=lambda: FanParameters(window=28 * _DAY, min_size=3))


def _find(context: Context, parameters: ScatterGatherParameters) -> Found:
    sums, shape = _find_sums(context, parameters), _find_shape(context, parameters)
    return Found(sums.candidates + shape.candidates, sums.cut + shape.cut)


def _find_sums(context: Context, parameters: ScatterGatherParameters) -> Found:
    graph = context.graph
    relation, weight = context.handovers(parameters.handover)
    instances = scatter_gather(graph, relation, parameters.fan)
    weights = pair_weights(relation, weight) if len(instances) else {}
    received = np.bincount(graph.dst, minlength=graph.accounts)
    places = np.log10(max(graph.edges, 1)) + np.log10(max(graph.accounts, 1))
    found = []
    for i, edges in enumerate(instances):
        first, second = edges[0::2], edges[1::2]
        best: dict[int, float] = {}  # by intermediary: parallel paths count as one
        for e, f in zip(first.tolist(), second.tolist(), strict=True):
            middle = int(graph.dst[e])
            best[middle] = max(best.get(middle, 0.0), weights[e, f])
        ways = sum(1 for weight_of_way in best.values() if weight_of_way > 0)
        passed_on = float(combined(sum(best.values()), len(best)))
        strength = passed_on + ways * rarely_reached(graph, int(received[graph.dst[second[0]]])) - places
        found.append(
            Candidate(
                edges=np.unique(edges),
                strength=float(strength),
                certain=all(
                    surely_handed_on(graph, np.array([e, f], np.int32), parameters.handover)
                    for e, f in zip(first, second, strict=True)
                ),
                truncated=bool(instances.truncated[i]),
                anchor=int(instances.anchor[i]),
                details={"intermediaries": len(best)},
            )
        )
    return Found(found, instances.cut)


def _find_shape(context: Context, parameters: ScatterGatherParameters) -> Found:
    graph, window = context.graph, parameters.any_sum_fan.window
    new = context.passing(parameters.any_sum.window)
    instances = scatter_gather(
        graph, _among(handovers(graph, parameters.any_sum), new), parameters.any_sum_fan
    )
    # count new relations, each at its first payment
    first = graph.firsts(np.flatnonzero(new))
    windows = max(context.period / window, 1.0)
    out, into = (
        np.bincount(end[first], minlength=graph.accounts) / windows for end in (graph.src, graph.dst)
    )
    # by chance, a relation reaches an account in proportion to the account's number of relations
    two_steps = float((into * out).sum()) / max(float(out.sum()) ** 2, 1e-12)
    places = 2 * float(np.log10(max((out > 0).sum(), 1))) + float(np.log10(windows))
    found = []
    for i, edges in enumerate(instances):
        source, target = int(instances.anchor[i]), int(graph.dst[edges[1]])
        ways = len(np.unique(graph.dst[edges[0::2]]))
        ends = np.append(graph.dst[edges], source)
        if (graph.kind[ends] == PartyType.BUSINESS).all():
            continue
        expected = (out[source] + 1 / windows) * (into[target] + 1 / windows) * two_steps
        found.append(
            Candidate(
                edges=np.unique(edges),
                strength=float(at_least(ways, expected)) - places,
                truncated=bool(instances.truncated[i]),
                anchor=source,
                details={"intermediaries": ways},
            )
        )
    return Found(found, instances.cut)


def _among(relation: Handover, chosen: npt.NDArray[np.bool_]) -> Handover:
    """Keep the pairs of which both payments are chosen."""
    first, second = relation.first_edge, relation.next_edge
    keep = chosen[first] & chosen[second]
    count = np.bincount(first[keep], minlength=len(chosen))
    return Handover(offsets(count), second[keep], relation.cut)


def _lead(graph: TemporalGraph, candidate: Candidate) -> str:
    middle = plural(candidate.details["intermediaries"], "intermediary", "intermediaries")
    return f"One account sent through {middle} to one other account"


SCATTER_GATHER = Detector("scatter_gather", "2", "scatter_gather", ScatterGatherParameters(), _find, _lead)
