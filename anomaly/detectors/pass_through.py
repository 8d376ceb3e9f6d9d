"""Rapid pass-through: an account sends on nearly all that it received within days.

Criteria: only passing relations count on both sides. Either the sums in and out of one window agree, include
a large payment, and the account's activity is improbable for its own windows and its party type; or the
account repeatedly passes on single payments within a day, with amounts and times closer than by chance.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import special

from anomaly.detectors.detector import Candidate, Context, Detector, Found, plural
from anomaly.detectors.surprise import MOST, Baseline, upper_share
from anomaly.graph import TemporalGraph, surely_follows
from anomaly.kernels.handover import HandoverParameters
from anomaly.kernels.pass_through import PassThroughParameters, pass_through
from ledger.arrays import distinct

__all__ = ["PASS_THROUGH"]


@dataclass(frozen=True, slots=True)
class PassThroughDetectorParameters:
    """Parameters of rapid pass-through.

    Attributes
    ----------
    pass_through : PassThroughParameters
        Sums: the sum received within the window leaves within the window.
    handover : HandoverParameters
        Single payments: each is passed on within the window of the relation.
    repeats : int
        Minimum number of single payments passed on inside one spell.
    spell : int
        Seconds.
    new : int
        Seconds; longer relations are standing relations and do not count.
    material : float
        The largest payment in is among the largest payments of its currency, this share of them.
    fit : float
        Probability that the sums in and out agree by chance.
    """

    pass_through: PassThroughParameters = field(default_factory=PassThroughParameters)
    handover: HandoverParameters = field(
        default_factory=lambda: HandoverParameters(window=86_400, keep_low=0.85, keep_high=1.02)
    )
    repeats: int = 2
    spell: int = 14 * 86_400
    new: int = 7 * 86_400
    material: float = 0.25
    fit: float = 0.1


def _find(context: Context, parameters: PassThroughDetectorParameters) -> Found:
    sums, singles = _find_sums(context, parameters), _find_repeated(context, parameters)
    return Found(sums.candidates + singles.candidates, sums.cut + singles.cut)


def _find_repeated(context: Context, parameters: PassThroughDetectorParameters) -> Found:
    """Find accounts that repeatedly pass on single payments."""
    graph = context.graph
    relation, weight = context.handovers(parameters.handover)
    first, second = relation.first_edge, relation.next_edge
    returned = graph.src[first] == graph.dst[second]
    order = np.lexsort((second, first, -np.round(weight, 9)))
    order = order[(weight[order] > 0) & ~returned[order]]
    taken = np.zeros(graph.edges, np.uint8)  # 1: passed on, 2: passes on
    pairs: dict[int, list[tuple[int, int, float]]] = {}
    for i in order.tolist():
        e, f = int(first[i]), int(second[i])
        if not (taken[e] & 1 or taken[f] & 2):
            taken[e] |= 1
            taken[f] |= 2
            pairs.setdefault(int(graph.dst[e]), []).append((e, f, float(weight[i])))
    received = _times_received(graph)
    payers = len(distinct(graph.src[graph.usable]))
    places = float(np.log10(max(payers * context.period / parameters.spell, 1)))
    found = []
    for account, own in pairs.items():
        own.sort()
        best: list[tuple[int, int, float]] = []
        rarest = 0.0
        for i, (e, _, _) in enumerate(own):
            begin = graph.t_low[e]
            spell = [p for p in own[i:] if graph.t_low[p[0]] - begin <= parameters.spell]
            if len(spell) < parameters.repeats:
                continue
            inside = np.searchsorted(received[account], (begin, begin + parameters.spell + 1))
            rarity, closest = _of_so_many([p[2] for p in spell], int(np.diff(inside)[0]))
            if closest >= parameters.repeats and rarity > rarest + 1e-9:
                best = sorted(sorted(spell, key=lambda p: (-round(p[2], 9), p))[:closest])
                rarest = rarity
        if not best:
            continue
        ins, outs = (np.array([p[k] for p in best], np.int32) for k in (0, 1))
        found.append(
            Candidate(
                edges=np.unique(np.append(ins, outs)),
                strength=rarest - places,
                anchor=account,
                details={
                    "payments_in": len(best),
                    "payments_out": len(best),
                    "share_sent_on": round(
                        int(graph.amount_low[outs].sum()) / max(int(graph.amount_low[ins].sum()), 1), 3
                    ),
                },
            )
        )
    return Found(found, int(relation.cut.sum()))


def _times_received(graph: TemporalGraph) -> list[npt.NDArray[np.int64]]:
    """Return, per account, the ascending times of the usable payments that reached it."""
    edges = graph.in_edge[graph.usable[graph.in_edge]]
    return np.split(graph.t_low[edges], np.searchsorted(graph.dst[edges], np.arange(1, graph.accounts)))


def _of_so_many(weights: list[float], of: int) -> tuple[float, int]:
    """Return -log10 of the probability that k of `of` payments are passed on so closely by chance, and k.

    By chance, each of n payments is passed on as closely as the k-th closest with probability p; the event is
    k or more successes in n trials. The least probable k is taken, corrected for the choice among n.
    """
    chance = np.sort(10.0 ** -np.asarray(weights, np.float64))
    k = np.arange(1, len(chance) + 1)
    tail = special.betainc(k, np.maximum(of - k + 1, 1), chance)
    best = int(np.argmin(tail))
    return float(-np.log10(max(float(tail[best]), 1e-300)) - np.log10(max(of, 1))), best + 1


def _find_sums(context: Context, parameters: PassThroughDetectorParameters) -> Found:
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
        rarity = upper_share(graph, int(graph.currency[edges[0]]), float(graph.amount[ins].max()))
        if rarity > parameters.material:
            continue
        chance = min(into.surprise(account, len(ins)), MOST) + min(out.surprise(account, len(outs)), MOST)
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
    "pass_through", "2", "rapid_pass_through", PassThroughDetectorParameters(), _find, _lead
)
