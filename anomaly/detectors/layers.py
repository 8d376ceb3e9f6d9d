"""Bipartite and stack: groups of accounts that pay the same other accounts, once or in successive layers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from anomaly.detectors.detector import Candidate, Context, Detector, Found, plural
from anomaly.detectors.surprise import MOST, at_least
from anomaly.graph import TemporalGraph, can_continue
from anomaly.kernels.bipartite import BipartiteParameters, bipartite

__all__ = ["BIPARTITE", "STACK"]


@dataclass(frozen=True, slots=True)
class LayerParameters:
    """Parameters of both detectors.

    Attributes
    ----------
    bipartite : BipartiteParameters
    hub_degree : int
        Accounts with more passing relations than this per window on average (shops) are left out.
    pause : int
        Stack: maximum seconds between the first payments of successive layers.
    shared : int
        Stack: minimum number of accounts that receive in one layer and pay in the next.
    """

    bipartite: BipartiteParameters = field(default_factory=BipartiteParameters)
    hub_degree: float = 4.0
    pause: int = 14 * 86_400
    shared: int = 2


def _layers(context: Context, parameters: LayerParameters) -> Found:
    """Find bipartite groups; strength is the rarity of the payments, corrected for choosing the accounts."""
    graph, window = context.graph, parameters.bipartite.window
    eligible = context.passing(window)
    n, windows = graph.accounts, max(context.period / window, 1.0)
    into = np.bincount(graph.dst[eligible], minlength=n) / windows
    out = np.bincount(graph.src[eligible], minlength=n) / windows
    eligible &= (into[graph.dst] <= parameters.hub_degree) & (out[graph.src] <= parameters.hub_degree)
    instances = bipartite(graph, parameters.bipartite, eligible)
    per_window = max(float(eligible.sum()) / windows, 1.0)
    choice = np.log10(max(n, 1))
    found = []
    for i, edges in enumerate(instances):
        once = graph.firsts(edges)
        expected = (out[graph.src[once]] + 1 / windows) * (into[graph.dst[once]] + 1 / windows) / per_window
        payers, payees = len(np.unique(graph.src[edges])), len(np.unique(graph.dst[edges]))
        rarity = float(np.minimum(at_least(np.ones(len(once)), expected), MOST).sum())
        found.append(
            Candidate(
                edges=edges,
                strength=rarity - (payers + payees) * choice - float(np.log10(windows)),
                certain=graph.span(edges) <= window,
                truncated=bool(instances.truncated[i]),
                details={"payers": payers, "payees": payees},
            )
        )
    return Found(found, instances.cut)


def _find_stacks(context: Context, parameters: LayerParameters) -> Found:
    graph = context.graph
    layers = _layers(context, parameters)
    begins = [int(graph.t_low[c.edges].min()) for c in layers.candidates]
    payers = [set(graph.src[c.edges].tolist()) for c in layers.candidates]
    payees = [set(graph.dst[c.edges].tolist()) for c in layers.candidates]
    by_payer: dict[int, list[int]] = {}
    for j, group in enumerate(payers):
        for account in group:
            by_payer.setdefault(account, []).append(j)
    found = []
    for i, first in enumerate(layers.candidates):
        nexts = sorted({j for account in payees[i] for j in by_payer.get(account, ()) if j != i})
        for j in nexts:
            second = layers.candidates[j]
            shared = payees[i] & payers[j]
            latest = int(graph.t_high[second.edges].max())
            if len(shared) < parameters.shared or begins[j] - begins[i] > parameters.pause:
                continue
            if begins[j] < begins[i] or can_continue(begins[i], begins[j], latest) < 0:
                continue
            edges = np.unique(np.append(first.edges, second.edges))
            # both strengths are corrected for choosing the shared accounts; undo one correction
            bonus = len(shared) * float(np.log10(max(graph.accounts, 1)))
            found.append(
                Candidate(
                    edges=edges,
                    strength=first.strength + second.strength + bonus,
                    truncated=first.truncated or second.truncated,
                    details={"layers": [len(payers[i]), len(shared), len(payees[j])]},
                )
            )
    return Found(found, layers.cut)


def _lead_bipartite(graph: TemporalGraph, candidate: Candidate) -> str:
    payers, payees = len(np.unique(graph.src[candidate.edges])), len(np.unique(graph.dst[candidate.edges]))
    return f"A group of {plural(payers, 'account')} paid the same {plural(payees, 'account')}"


def _lead_stack(graph: TemporalGraph, candidate: Candidate) -> str:
    return "Groups of accounts paid each other in successive layers"


BIPARTITE = Detector("bipartite", "1", "bipartite", LayerParameters(), _layers, _lead_bipartite)
STACK = Detector("stack", "1", "stack", LayerParameters(), _find_stacks, _lead_stack)
