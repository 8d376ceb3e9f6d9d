"""Structuring: one party's cash, in amounts that each stay under a reporting threshold and together exceed it.

Within a bank, that bank could see it; across banks, each bank sees a harmless part. Criteria: the same party
(or account, where no party is told), same currency, same direction; the number of such amounts must be
improbable for the party's own rate of cash payments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from anomaly.detectors.detector import Candidate, Context, Detector, Found, plural
from anomaly.detectors.surprise import at_least, rate_in_window
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


def _groups(graph: TemporalGraph, *, by_bank: bool) -> npt.NDArray[np.int64]:
    """Number the (party, currency, direction[, bank]) of each cash payment; -1: not cash."""
    inward = graph.cash_in
    party = np.where(inward, graph.dst_party, graph.src_party).astype(np.int64)
    account = np.where(inward, graph.dst, graph.src).astype(np.int64)
    owner = np.where(party >= 0, party, len(graph.parties) + account)
    keys = [graph.agents[account].astype(np.int64)] if by_bank else []
    keys += [inward.astype(np.int64), graph.currency.astype(np.int64), owner]
    cash = graph.cash_in | graph.cash_out
    group = np.full(graph.edges, -1, np.int64)
    if cash.any():
        group[cash] = np.unique(np.stack(keys)[:, cash], axis=1, return_inverse=True)[1].reshape(-1)
    return group


def _find(context: Context, parameters: StructuringDetectorParameters, *, across: bool) -> Found:
    graph, kernel = context.graph, parameters.structuring
    threshold = np.zeros(graph.edges, np.int64)
    for code in np.unique(graph.currency).tolist():
        units = parameters.thresholds.get(ALPHA.get(code, ""), parameters.threshold)
        threshold[graph.currency == code] = units * 10 ** EXPONENT.get(code, 2)
    group = _groups(graph, by_bank=not across)
    instances = structuring(graph, group, threshold, kernel)
    cash = group >= 0
    total = np.bincount(group[cash]) if cash.any() else np.zeros(0, np.int64)
    near = cash & (graph.amount_low <= threshold) & (graph.amount_high >= kernel.floor * threshold)
    share = (float(near.sum()) + 1.0) / (float(cash.sum()) + 1.0)
    windows = max(context.period / kernel.window, 1.0)
    places = np.log10(max(len(total) * windows, 1.0))
    found = []
    for i, edges in enumerate(instances):
        inward = bool(graph.cash_in[edges[0]])
        accounts = (graph.dst if inward else graph.src)[edges]
        banks = len(np.unique(graph.agents[accounts]))
        if across and banks < 2:
            continue
        size = len(edges)
        expected = share * float(
            rate_in_window(
                total[int(instances.anchor[i])], size, window=kernel.window, period=context.period,
                population=float(total.sum()) / max(len(total), 1) / windows,
            )
        )  # fmt: skip
        span = int(graph.t_high[edges].max() - 1 - graph.t_low[edges].min())
        limit = int(threshold[edges[0]])
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
                party=int((graph.dst_party if inward else graph.src_party)[edges[0]]),
                details={
                    "banks": banks,
                    "deposits" if inward else "withdrawals": size,
                    "threshold": limit // 10 ** EXPONENT.get(int(graph.currency[edges[0]]), 2),
                },
            )
        )
    return Found(found, instances.cut)


def _lead(graph: TemporalGraph, candidate: Candidate) -> str:
    banks = candidate.details["banks"]
    what = "deposited" if "deposits" in candidate.details else "withdrew"
    where = f"at {plural(banks, 'bank')}" if banks > 1 else "at one bank"
    currency = ALPHA.get(int(graph.currency[candidate.edges[0]]), "?")
    limit = f"{currency} {candidate.details['threshold']:,}"
    return f"One customer {what} cash {where} in amounts that each stay under {limit} and together exceed it"


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
