"""Cycle, round trip and chain: paths of hand-overs, ranked by how improbable they are by chance.

Criteria: each hop leaves the account that the last hop reached, can be later, and passes on about the same
amount; hops in standing relations have weight zero; the combined weight of the hops must exceed the
correction for multiple comparisons (log10 of the number of payments searched).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from anomaly.detectors.detector import Candidate, Context, Detector, Found, plural
from anomaly.detectors.surprise import MOST, combined
from anomaly.graph import TemporalGraph, surely_follows
from anomaly.kernels.chain import ChainParameters, chains
from anomaly.kernels.cycle import CycleParameters, cycles
from anomaly.kernels.handover import Handover, HandoverParameters

__all__ = ["CHAIN", "CYCLE", "ROUND_TRIP", "pair_weights", "rarely_reached", "surely_handed_on"]

Edges = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CycleDetectorParameters:
    """Parameters of the hand-over relation and of the cycle kernel."""

    handover: HandoverParameters = field(default_factory=HandoverParameters)
    cycle: CycleParameters = field(default_factory=CycleParameters)


@dataclass(frozen=True, slots=True)
class ChainDetectorParameters:
    """Parameters of the chain detector.

    Attributes
    ----------
    handover : HandoverParameters
    chain : ChainParameters
    pause : int
        Seconds; chains with the same first or last account and at most this pause between them are one flag.
    """

    handover: HandoverParameters = field(default_factory=HandoverParameters)
    chain: ChainParameters = field(default_factory=ChainParameters)
    pause: int = 30 * 86_400


def surely_handed_on(graph: TemporalGraph, edges: Edges, parameters: HandoverParameters) -> bool:
    """Return whether every hop of a path is a hand-over for all values that the intervals allow."""
    for e, f in pairwise(edges):
        if not surely_follows(graph.t_high[e], graph.t_low[f]):
            return False
        if graph.currency[e] != graph.currency[f]:
            return False  # the exchange rate is only an estimate
        if graph.amount_low[f] < parameters.keep_low * graph.amount_high[e]:
            return False
        if graph.amount_high[f] > parameters.keep_high * graph.amount_low[e]:
            return False
    return True


def pair_weights(handover: Handover, weight: Floats) -> dict[tuple[int, int], float]:
    """Return the weight of each hand-over, by its pair of payments."""
    pairs = zip(handover.first_edge.tolist(), handover.next_edge.tolist(), strict=True)
    return dict(zip(pairs, weight.tolist(), strict=True))


def rarely_reached(graph: TemporalGraph, received: int) -> float:
    """Return -log10 of the share of all payments that an account with so many receipts receives."""
    return min(float(np.log10(max(graph.edges, 1) / max(received, 1))), MOST)


def _find_rounds(context: Context, parameters: CycleDetectorParameters, *, by_owner: bool) -> Found:
    """Find cycles of accounts, or cycles of owners that end in another account of the same owner."""
    graph = context.graph
    relation, weight = context.handovers(parameters.handover)
    holder = graph.owner if by_owner else np.arange(graph.accounts)
    instances = cycles(graph, relation, parameters.cycle, holder)
    weights = pair_weights(relation, weight) if len(instances) else {}
    received = np.bincount(holder[graph.dst], minlength=len(graph.parties) + graph.accounts)
    places = np.log10(max(graph.edges, 1))
    found = []
    for i, edges in enumerate(instances):
        home, back = int(instances.anchor[i]), int(graph.dst[edges[-1]])
        if by_owner and home == back:
            continue  # the cycle detector reports it
        hops = sum(weights[hop] for hop in pairwise(edges.tolist()))
        closing = rarely_reached(graph, int(received[holder[home]]))
        found.append(
            Candidate(
                edges=edges,
                strength=float(combined(hops, len(edges) - 1) + closing - places),
                certain=surely_handed_on(graph, edges, parameters.handover),
                truncated=bool(instances.truncated[i]),
                anchor=home,
                details={"hops": len(edges)},
            )
        )
    return Found(found, instances.cut)


def _find_chains(context: Context, parameters: ChainDetectorParameters) -> Found:
    graph = context.graph
    relation, weight = context.handovers(parameters.handover)
    instances, total = chains(graph, relation, weight, parameters.chain)
    places = float(np.log10(max(graph.edges, 1)))
    likely = np.flatnonzero(total > places)  # the combined weight of hops never exceeds their sum
    weights = pair_weights(relation, weight) if len(likely) else {}
    found = []
    for i in likely.tolist():
        edges = instances.edges_of(i)
        # end the chain where further hops do not make it rarer: they may be ordinary business
        so_far = np.cumsum([weights[hop] for hop in pairwise(edges.tolist())])
        rarity = combined(so_far, np.arange(1, len(edges)))[parameters.chain.min_length - 2 :]
        best = int(np.argmax(rarity))
        edges = edges[: parameters.chain.min_length + best]
        found.append(
            Candidate(
                edges=edges,
                strength=float(rarity[best]) - places,
                certain=surely_handed_on(graph, edges, parameters.handover),
                truncated=bool(instances.truncated[i]),
                details={"hops": len(edges)},
            )
        )
    return Found(_joined(graph, found, parameters.pause), instances.cut)


def _joined(graph: TemporalGraph, found: list[Candidate], pause: int) -> list[Candidate]:
    """Keep the strongest of overlapping chains, and join chains that share their first or last account."""
    told: list[Candidate] = []
    held: set[int] = set()
    for chain in sorted(found, key=lambda c: (-round(c.strength, 9), c.edges.tolist())):
        edges = chain.edges.tolist()
        if chain.strength > 0 and 2 * len(held.intersection(edges)) < len(edges):
            held.update(edges)
            told.append(chain)
    begin = np.array([graph.t_low[c.edges].min() for c in told], np.int64)
    end = np.array([graph.t_low[c.edges].max() for c in told], np.int64)
    links = []
    for meets in ([graph.src[c.edges[0]] for c in told], [graph.dst[c.edges[-1]] for c in told]):
        order = np.lexsort((begin, meets))
        before, after = order[:-1], order[1:]
        at = np.array(meets, np.int64)
        near = (at[before] == at[after]) & (begin[after] - end[before] <= pause)
        links.append(np.stack((before[near], after[near])))
    first, second = np.concatenate(links, axis=1)
    ones = np.ones(len(first), np.bool_)
    groups, group = connected_components(coo_array((ones, (first, second)), shape=(len(told), len(told))))
    joined = []
    for number in range(groups):
        chains_of = [told[i] for i in np.flatnonzero(group == number)]
        joined.append(
            Candidate(
                edges=np.unique(np.concatenate([c.edges for c in chains_of])),
                strength=sum(c.strength for c in chains_of),
                certain=all(c.certain for c in chains_of),
                truncated=any(c.truncated for c in chains_of),
                details={"chains": len(chains_of), "hops": max(c.details["hops"] for c in chains_of)},
            )
        )
    return joined


def _lead_cycle(graph: TemporalGraph, candidate: Candidate) -> str:
    return f"Money returned to the account it left after {plural(candidate.details['hops'], 'hop')}"


def _lead_round_trip(graph: TemporalGraph, candidate: Candidate) -> str:
    hops = plural(candidate.details["hops"], "hop")
    return f"Money came back to another account of its owner after {hops}"


def _lead_chain(graph: TemporalGraph, candidate: Candidate) -> str:
    chains, hops = candidate.details["chains"], plural(candidate.details["hops"], "time")
    if chains == 1:
        return f"Money was handed on {hops} in a row, little of it kept"
    return f"{chains:,} sums of the same senders or receivers were handed on, up to {hops} in a row"


CYCLE = Detector(
    "cycle",
    "2",
    "cycle",
    CycleDetectorParameters(),
    lambda c, p: _find_rounds(c, p, by_owner=False),
    _lead_cycle,
)
ROUND_TRIP = Detector(
    "round_trip",
    "2",
    "round_trip",
    CycleDetectorParameters(),
    lambda c, p: _find_rounds(c, p, by_owner=True),
    _lead_round_trip,
)
CHAIN = Detector("chain", "2", "random_chain", ChainDetectorParameters(), _find_chains, _lead_chain)
