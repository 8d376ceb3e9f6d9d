"""Features of accounts: a scikit-learn transformer whose features are documented.

Amounts are geometric middles of their intervals, as log10 of minor units of the payment's currency; times are
lower ends. No feature is an identifier, and none depends on the order of rows or their place on the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator, TransformerMixin

from anomaly.detectors.detector import Context
from anomaly.graph import TemporalGraph
from anomaly.kernels.bipartite import BipartiteParameters, bipartite
from anomaly.kernels.cycle import CycleParameters, cycles
from anomaly.kernels.fan import FanParameters, fan_in, fan_out
from anomaly.kernels.handover import HandoverParameters
from ledger.arrays import distinct

__all__ = ["FEATURES", "AccountFeatures", "Feature"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Feature:
    """One feature.

    Attributes
    ----------
    name : str
    meaning : str
        Completes a phrase that begins with "its".
    unit : str
    compute : callable
        Returns one value per account, from a context and the window in seconds.
    size : bool
        Whether it mainly measures the size of the account's business.
    """

    name: str
    meaning: str
    unit: str
    compute: Callable[[Context, int], Floats]
    size: bool = False


class AccountFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features of every account of a graph; row i is vertex i (`TemporalGraph.pseudonyms[i]`).

    Parameters
    ----------
    window : int
        Window in seconds, for the features that use one.
    """

    def __init__(self, window: int = 7 * 86_400) -> None:
        self.window = window

    def fit(self, X: Any, y: None = None) -> Self:  # noqa: N803  # scikit-learn's name
        """Learn nothing: every feature depends only on the table given to `transform`."""
        self.n_features_out_ = len(FEATURES)
        return self

    def transform(self, X: Context | TemporalGraph | pa.Table | pd.DataFrame) -> Floats:  # noqa: N803
        """Return the (accounts, features) array of a table of transfers, a graph or a context."""
        context = X if isinstance(X, Context) else Context(_graph(X))
        if not context.graph.accounts:
            return np.zeros((0, len(FEATURES)))
        return np.stack([feature.compute(context, self.window) for feature in FEATURES], axis=1)

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Return the names, in column order."""
        return np.array([feature.name for feature in FEATURES], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def _graph(transfers: TemporalGraph | pa.Table | pd.DataFrame) -> TemporalGraph:
    return transfers if isinstance(transfers, TemporalGraph) else TemporalGraph.from_transfers(transfers)


def _ends(graph: TemporalGraph, inward: bool) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    return (graph.dst, graph.src) if inward else (graph.src, graph.dst)


def _count(inward: bool) -> Callable[[Context, int], Floats]:
    def compute(context: Context, window: int) -> Floats:
        own, _ = _ends(context.graph, inward)
        return np.asarray(np.log10(1.0 + np.bincount(own, minlength=context.graph.accounts)))

    return compute


def _distinct(inward: bool, banks: bool) -> Callable[[Context, int], Floats]:
    def compute(context: Context, window: int) -> Floats:
        graph = context.graph
        own, other = (ends[graph.usable].astype(np.int64) for ends in _ends(graph, inward))
        label = graph.agents[other].astype(np.int64) if banks else other
        labels = int(label.max(initial=0)) + 1
        pairs = distinct(own * labels + label) // labels
        counts = np.bincount(pairs, minlength=graph.accounts).astype(np.float64)
        return counts if banks else np.asarray(np.log10(1.0 + counts))

    return compute


def _mean_amount(inward: bool) -> Callable[[Context, int], Floats]:
    def compute(context: Context, window: int) -> Floats:
        graph = context.graph
        own, _ = _ends(graph, inward)
        count = np.bincount(own, minlength=graph.accounts)
        total = np.bincount(own, weights=np.log10(graph.amount), minlength=graph.accounts)
        return np.asarray(total / np.maximum(count, 1))

    return compute


def _largest(inward: bool) -> Callable[[Context, int], Floats]:
    def compute(context: Context, window: int) -> Floats:
        graph = context.graph
        own, _ = _ends(graph, inward)
        largest = np.zeros(graph.accounts)
        np.maximum.at(largest, own, np.log10(graph.amount))
        usual = _mean_amount(inward)(context, window)
        return np.asarray(np.maximum(largest - usual, 0.0))

    return compute


def _burst(inward: bool) -> Callable[[Context, int], Floats]:
    def compute(context: Context, window: int) -> Floats:
        graph = context.graph
        own, _ = _ends(graph, inward)
        begin, _ = graph.period
        slot = (graph.t_low - begin) // window
        slots = int(slot.max(initial=0)) + 1
        per_slot = np.bincount(own * slots + slot, minlength=graph.accounts * slots).reshape(-1, slots)
        total = per_slot.sum(axis=1)
        return np.asarray((per_slot.max(axis=1) - total / slots) / np.sqrt(total / slots + 1.0))

    return compute


def _share(mask: Callable[[Context, int], npt.NDArray[np.bool_]]) -> Callable[[Context, int], Floats]:
    def compute(context: Context, window: int) -> Floats:
        graph, chosen = context.graph, mask(context, window)
        part, whole = np.zeros(graph.accounts), np.zeros(graph.accounts)
        for own in (graph.src, graph.dst):
            part += np.bincount(own[chosen], minlength=graph.accounts)
            whole += np.bincount(own, minlength=graph.accounts)
        return np.asarray(part / np.maximum(whole, 1.0))

    return compute


def _sent_on(context: Context, window: int) -> Floats:
    graph = context.graph
    received = np.bincount(graph.dst, weights=graph.amount, minlength=graph.accounts)
    sent = np.bincount(graph.src, weights=graph.amount, minlength=graph.accounts)
    return np.asarray(np.minimum(received, sent) / np.maximum(np.maximum(received, sent), 1.0))


def _longest_pause(context: Context, window: int) -> Floats:
    graph = context.graph
    own = np.concatenate((graph.src, graph.dst))
    time = np.concatenate((graph.t_low, graph.t_low))
    order = np.lexsort((time, own))
    own, time = own[order], time[order]
    gap = np.where(own[1:] == own[:-1], np.diff(time), 0)
    pause = np.zeros(graph.accounts)
    np.maximum.at(pause, own[1:], gap.astype(np.float64))
    return np.asarray(pause / context.period)


def _handed_over(context: Context, window: int) -> Floats:
    relation, weight = context.handovers(HandoverParameters())
    most = np.zeros(context.graph.accounts)
    np.maximum.at(most, context.graph.dst[relation.first_edge], weight)
    return most


def _fan(inward: bool) -> Callable[[Context, int], Floats]:
    def compute(context: Context, window: int) -> Floats:
        graph = context.graph
        parameters = FanParameters(window=window, min_size=3, max_per_account=1)
        instances = (fan_in if inward else fan_out)(graph, parameters, context.passing(window))
        _, other = _ends(graph, inward)
        size = np.zeros(graph.accounts)
        for i, edges in enumerate(instances):
            size[instances.anchor[i]] = len(np.unique(other[edges]))
        return np.asarray(np.log10(1.0 + size))

    return compute


def _members(context: Context, edges: npt.NDArray[np.int32]) -> Floats:
    graph = context.graph
    counts = np.bincount(graph.src[edges], minlength=graph.accounts)
    counts = counts + np.bincount(graph.dst[edges], minlength=graph.accounts)
    return np.asarray(np.log10(1.0 + counts))


def _in_cycles(context: Context, window: int) -> Floats:
    relation, _ = context.handovers(HandoverParameters())
    return _members(context, cycles(context.graph, relation, CycleParameters(window=2 * window)).edge)


def _in_bipartite(context: Context, window: int) -> Floats:
    eligible = context.passing(window)
    return _members(context, bipartite(context.graph, BipartiteParameters(window=window), eligible).edge)


def _passing(context: Context, window: int) -> npt.NDArray[np.bool_]:
    return context.passing(window)


def _cash(context: Context, window: int) -> npt.NDArray[np.bool_]:
    return np.asarray(context.graph.cash_in | context.graph.cash_out)


def _round(context: Context, window: int) -> npt.NDArray[np.bool_]:
    graph = context.graph
    return np.asarray((graph.amount_low == graph.amount_high) & (graph.amount_low % 10_000 == 0))


#: Every feature, in column order.
FEATURES: tuple[Feature, ...] = (
    Feature("payments_in", "number of payments received", "log10(1 + n), whole period", _count(True), True),
    Feature("payments_out", "number of payments sent", "log10(1 + n), whole period", _count(False), True),
    Feature(
        "payers", "number of distinct payers", "log10(1 + n), whole period", _distinct(True, False), True
    ),
    Feature(
        "payees", "number of distinct payees", "log10(1 + n), whole period", _distinct(False, False), True
    ),
    Feature(
        "payer_banks", "number of banks it is paid from", "banks, whole period", _distinct(True, True), True
    ),
    Feature("payee_banks", "number of banks it pays to", "banks, whole period", _distinct(False, True), True),
    Feature("amount_in", "mean amount received", "log10 minor units, whole period", _mean_amount(True)),
    Feature("amount_out", "mean amount sent", "log10 minor units, whole period", _mean_amount(False)),
    Feature("largest_in", "largest receipt beside its usual one", "log10 of the ratio", _largest(True)),
    Feature("largest_out", "largest payment beside its usual one", "log10 of the ratio", _largest(False)),
    Feature(
        "burst_in", "busiest spell of receipts", "standard deviations above its mean, window", _burst(True)
    ),
    Feature(
        "burst_out", "busiest spell of payments", "standard deviations above its mean, window", _burst(False)
    ),
    Feature(
        "sent_on", "balance of money in and money out", "smaller sum / larger sum, whole period", _sent_on
    ),
    Feature("passing", "share of payments with passing counterparties", "share, window", _share(_passing)),
    Feature("cash", "share of cash payments", "share, whole period", _share(_cash)),
    Feature("round", "share of exactly known round hundreds", "share, whole period", _share(_round)),
    Feature("pause", "longest pause", "share of the whole period", _longest_pause),
    Feature("handed_over", "most striking hand-over of money", "-log10 chance, 7 days", _handed_over),
    Feature("fan_in", "largest fan of passing payers", "log10(1 + payers), window", _fan(True)),
    Feature("fan_out", "largest fan of passing payees", "log10(1 + payees), window", _fan(False)),
    Feature("in_cycles", "part in cycles", "log10(1 + payments), two windows", _in_cycles),
    Feature("in_bipartite", "part in bipartite groups", "log10(1 + payments), window", _in_bipartite),
)
