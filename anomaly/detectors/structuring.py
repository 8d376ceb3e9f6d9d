"""Structuring: amounts that each stay under a reporting threshold and together exceed it.

The detectors add up one customer's deposits, one customer's withdrawals, and transfers without a standing
relation to one customer or from one customer to one payee. One bank can see structuring within itself; across
banks, each sees only a small part. Criteria: the same party (or account, if the party is unknown) and
currency; the number of such amounts must be improbable for the customer and for their share of all payments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from anomaly.detectors.detector import Candidate, Context, Detector, Found, plural
from anomaly.detectors.surprise import at_least
from anomaly.graph import TemporalGraph
from anomaly.kernels.structuring import StructuringParameters, structuring
from ledger.money import ALPHA, decimals

__all__ = ["STRUCTURING", "STRUCTURING_ACROSS_BANKS"]

Edges = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class StructuringDetectorParameters:
    """Parameters of both structuring detectors.

    Attributes
    ----------
    structuring : StructuringParameters
    threshold : int
        Currency units; used for currencies that `thresholds` does not contain.
    thresholds : mapping
        ISO 4217 code to threshold in currency units.
    """

    structuring: StructuringParameters = field(default_factory=StructuringParameters)
    threshold: int = 10_000
    thresholds: Mapping[str, int] = field(default_factory=lambda: {"JPY": 1_000_000})


@dataclass(frozen=True, eq=False)
class _View:
    """One way to add payments up: which payments count, the owner of each, and the bank that sees it."""

    what: str
    counts: npt.NDArray[np.bool_]
    owner: npt.NDArray[np.int64]
    bank: npt.NDArray[np.int64]


def _views(graph: TemporalGraph, passing: npt.NDArray[np.bool_]) -> list[_View]:
    """Return the views: deposits, withdrawals, transfers to one party, transfers of one party to one payee.

    "By or on behalf of any person" (31 CFR 1010.313): if a party acts for another, the other is the owner.
    """

    def owner(behalf: Edges, party: Edges, account: Edges) -> npt.NDArray[np.int64]:
        # an on-us payment names one party only: use the owner known from the account's other payments
        return np.where(behalf >= 0, behalf, np.where(party >= 0, party, graph.owner[account]))

    into = owner(graph.dst_behalf, graph.dst_party, graph.dst)
    out = owner(graph.src_behalf, graph.src_party, graph.src)
    payer_bank, payee_bank = (graph.agents[end].astype(np.int64) for end in (graph.src, graph.dst))
    pair = np.unique(out * graph.accounts + graph.dst, return_inverse=True)[1].astype(np.int64)
    return [
        _View("deposits", graph.cash_in, into, payee_bank),
        _View("withdrawals", graph.cash_out & ~graph.cash_in, out, payer_bank),
        _View("transfers", passing & ~graph.cash_in & ~graph.cash_out, into, payer_bank),
        _View("transfers", passing & ~graph.cash_in & ~graph.cash_out, pair, payer_bank),
    ]


def _find(context: Context, parameters: StructuringDetectorParameters, *, across: bool) -> Found:
    graph = context.graph
    if not graph.edges:
        return Found([])
    threshold = np.zeros(graph.edges, np.int64)
    for code in np.unique(graph.currency).tolist():
        units = parameters.thresholds.get(ALPHA.get(code, ""), parameters.threshold)
        threshold[graph.currency == code] = units * 10 ** decimals(code)
    found: list[Candidate] = []
    cut = 0
    for view in _views(graph, context.passing(parameters.structuring.window)):
        key = view.owner * 1_000 + graph.currency
        if not across:
            key = key * 65_536 + view.bank
        group = np.full(graph.edges, -1, np.int64)
        group[view.counts] = np.unique(key[view.counts], return_inverse=True)[1]
        part = _find_in_view(context, parameters, view, group, threshold, across=across)
        found += part.candidates
        cut += part.cut
    return Found(found, cut)


def _find_in_view(
    context: Context,
    parameters: StructuringDetectorParameters,
    view: _View,
    group: npt.NDArray[np.int64],
    threshold: npt.NDArray[np.int64],
    *,
    across: bool,
) -> Found:
    graph, kernel = context.graph, parameters.structuring
    instances = structuring(graph, group, threshold, kernel)
    if not len(instances):
        return Found([], instances.cut)
    near = view.counts & (graph.amount_low <= threshold) & (graph.amount_high >= kernel.floor * threshold)
    windows = max(context.period / kernel.window, 1.0)
    total = np.bincount(group[view.counts])
    own_near = np.bincount(group[near], minlength=len(total))
    share = (float(near.sum()) + 1.0) / (float(view.counts.sum()) + 1.0)
    places = float(np.log10(len(total) * windows))
    found = []
    for i, edges in enumerate(instances):
        anchor, size = int(instances.anchor[i]), len(edges)
        banks = len(np.unique(view.bank[edges]))
        if across and banks < 2:
            continue
        # expected from the customer's other amounts near the threshold, and from their share of all payments
        habit = (float(own_near[anchor]) - size) / windows
        expected = habit + share * (float(total[anchor]) - size + 1.0) / windows
        limit = int(threshold[edges[0]])
        found.append(
            Candidate(
                edges=edges,
                strength=float(at_least(size, expected)) - places,
                certain=bool(
                    graph.span(edges) <= kernel.window
                    and (graph.amount_high[edges] <= limit).all()
                    and int(graph.amount_low[edges].sum()) > limit
                ),
                truncated=bool(instances.truncated[i]),
                details={
                    view.what: size,
                    "banks_involved": banks,
                    "threshold": limit // 10 ** decimals(int(graph.currency[edges[0]])),
                },
            )
        )
    return Found(found, instances.cut)


def _lead(graph: TemporalGraph, candidate: Candidate) -> str:
    banks = candidate.details["banks_involved"]
    where = f"at {plural(banks, 'bank')}" if banks > 1 else "at one bank"
    currency = ALPHA.get(int(graph.currency[candidate.edges[0]]), "?")
    limit = f"{currency} {candidate.details['threshold']:,}"
    if "transfers" in candidate.details:
        payers = plural(len(np.unique(graph.src[candidate.edges])), "account")
        what = f"was paid from {payers} {where}"
    else:
        what = f"{'deposited' if 'deposits' in candidate.details else 'withdrew'} cash {where}"
    return f"One customer {what} in amounts that each stay under {limit} and together exceed it"


STRUCTURING = Detector(
    "structuring",
    "1",
    "structuring",
    StructuringDetectorParameters(),
    lambda c, p: _find(c, p, across=False),
    _lead,
)
STRUCTURING_ACROSS_BANKS = Detector(
    "structuring_across_banks",
    "1",
    "structuring_across_banks",
    StructuringDetectorParameters(),
    lambda c, p: _find(c, p, across=True),
    _lead,
)
