"""Structuring: amounts that each stay under a reporting threshold and together exceed it.

Counted are one customer's deposits, one customer's withdrawals, and transfers to one customer from accounts
without a standing relation. Within a bank, that bank could see it; across banks, each sees a harmless part.
Criteria: the same party (or account, where no party is told) and currency; the number of such amounts must be
improbable for the customer's own habit and for the share that such amounts have among all.
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
from anomaly.money import ALPHA, EXPONENT

__all__ = ["STRUCTURING", "STRUCTURING_ACROSS_BANKS"]


@dataclass(frozen=True, slots=True)
class StructuringDetectorParameters:
    """Parameters of both structuring detectors.

    Attributes
    ----------
    structuring : StructuringParameters
    threshold : int
        Currency units; used where `thresholds` names no other.
    thresholds : mapping
        ISO 4217 code to currency units.
    """

    structuring: StructuringParameters = field(default_factory=StructuringParameters)
    threshold: int = 10_000
    thresholds: Mapping[str, int] = field(default_factory=lambda: {"JPY": 1_000_000})


def _groups(graph: TemporalGraph, eligible: npt.NDArray[np.bool_], *, by_bank: bool) -> npt.NDArray[np.int64]:
    """Return for each payment what it is added up with, or -1.

    Cash is added up by the customer at the till; transfers, if eligible, by the beneficiary. By bank, the
    other bank's part is left out, as that bank would have to.
    """
    outward = graph.cash_out
    party = np.where(outward, graph.src_party, graph.dst_party).astype(np.int64)
    account = np.where(outward, graph.src, graph.dst).astype(np.int64)
    owner = np.where(party >= 0, party, len(graph.parties) + account)
    way = np.where(graph.cash_in, 0, np.where(outward, 1, 2))
    keys = [owner, graph.currency.astype(np.int64), way]
    if by_bank:
        keys.append(graph.agents[account].astype(np.int64))
    counts = graph.cash_in | graph.cash_out | eligible
    group = np.full(graph.edges, -1, np.int64)
    if counts.any():
        group[counts] = np.unique(np.stack(keys)[:, counts], axis=1, return_inverse=True)[1].reshape(-1)
    return group


def _banks(graph: TemporalGraph, edges: npt.NDArray[np.int32]) -> int:
    """Return how many banks see a part: the customer's for cash; for transfers the payers' or the payee's."""
    if graph.cash_in[edges[0]] or not graph.cash_out[edges[0]]:
        kept = len(np.unique(graph.agents[graph.dst[edges]]))
    else:
        kept = len(np.unique(graph.agents[graph.src[edges]]))
    if graph.cash_in[edges[0]] or graph.cash_out[edges[0]]:
        return kept
    return max(kept, len(np.unique(graph.agents[graph.src[edges]])))


def _find(context: Context, parameters: StructuringDetectorParameters, *, across: bool) -> Found:
    graph, kernel = context.graph, parameters.structuring
    threshold = np.zeros(graph.edges, np.int64)
    for code in np.unique(graph.currency).tolist():
        units = parameters.thresholds.get(ALPHA.get(code, ""), parameters.threshold)
        threshold[graph.currency == code] = units * 10 ** EXPONENT.get(code, 2)
    near = (graph.amount_low <= threshold) & (graph.amount_high >= kernel.floor * threshold)
    group = _groups(graph, context.passing(kernel.window), by_bank=not across)
    instances = structuring(graph, group, threshold, kernel)
    windows = max(context.period / kernel.window, 1.0)
    found = []
    cash = graph.cash_in | graph.cash_out
    share: dict[bool, float] = {}
    groups: dict[bool, int] = {}
    for is_cash in (True, False):
        kind = (group >= 0) & (cash == is_cash)
        share[is_cash] = (float((kind & near).sum()) + 1.0) / (float(kind.sum()) + 1.0)
        groups[is_cash] = max(len(np.unique(group[kind])), 1)
    total = np.bincount(group[group >= 0]) if (group >= 0).any() else np.zeros(0, np.int64)
    own_near = np.bincount(group[(group >= 0) & near], minlength=len(total))
    for i, edges in enumerate(instances):
        anchor, is_cash = int(instances.anchor[i]), bool(cash[edges[0]])
        banks, size = _banks(graph, edges), len(edges)
        if across == (banks < 2):
            continue
        # by the customer's own habit of such amounts, and by everybody's share of them among all amounts
        habit = (float(own_near[anchor]) - size) / windows
        expected = habit + share[is_cash] * (float(total[anchor]) - size + 1.0) / windows
        places = np.log10(groups[is_cash] * windows)
        span = int(graph.t_high[edges].max() - 1 - graph.t_low[edges].min())
        limit = int(threshold[edges[0]])
        outward = bool(graph.cash_out[edges[0]])
        accounts = (graph.src if outward else graph.dst)[edges]
        what = "deposits" if graph.cash_in[edges[0]] else "withdrawals" if outward else "transfers"
        found.append(
            Candidate(
                edges=edges,
                strength=float(at_least(size, expected)) - float(places),
                certain=bool(
                    span <= kernel.window
                    and (graph.amount_high[edges] <= limit).all()
                    and int(graph.amount_low[edges].sum()) > limit
                ),
                truncated=bool(instances.truncated[i]),
                anchor=int(accounts[0]),
                party=int((graph.src_party if outward else graph.dst_party)[edges[0]]),
                details={
                    what: size,
                    "banks_involved": banks,
                    "threshold": limit // 10 ** EXPONENT.get(int(graph.currency[edges[0]]), 2),
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
        what = f"was paid from {payers} {where}" if banks > 1 else f"was paid from {payers}"
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
