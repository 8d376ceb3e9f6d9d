"""Unusual accounts without a named typology: an isolation forest separates them from others in few splits.

Only a small share of accounts is reported. Each flag names the features that make the account unusual, as
robust z-scores (distance from the median in units of the scaled median absolute deviation).

References
----------
Liu, Ting, Zhou, "Isolation Forest", ICDM 2008. Its `score_samples` is not a probability and not shown as one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import IsolationForest

from anomaly.detectors.detector import Candidate, Context, Detector, Found, plural
from anomaly.features import FEATURES, AccountFeatures
from anomaly.graph import TemporalGraph
from ledger.arrays import distinct

__all__ = ["ISOLATION", "IsolationParameters", "robust_z"]

Floats = npt.NDArray[np.float64]

_MEANING = {feature.name: feature.meaning for feature in FEATURES}


@dataclass(frozen=True, slots=True)
class IsolationParameters:
    """Parameters of the isolation forest.

    Attributes
    ----------
    share : float
        Share of accounts that are reported; small, because most unusual accounts have an honest reason.
    trees, samples, seed : int
        As in `sklearn.ensemble.IsolationForest`.
    min_payments : int
        Accounts with fewer payments are not scored, because there is too little data.
    window : int
        Seconds; the window of the features.
    spell : int
        Seconds; the evidence is the account's payments in the window of this length that moves most money.
    """

    share: float = 0.0005
    trees: int = 200
    samples: int = 256
    seed: int = 20_260
    min_payments: int = 5
    window: int = 7 * 86_400
    spell: int = 86_400


def robust_z(values: Floats) -> Floats:
    """Return (accounts, features) distances from the median, in scaled median absolute deviations.

    If more than half of the accounts have the same value, the mean absolute deviation is used instead.
    """
    centre = np.median(values, axis=0)
    off = np.abs(values - centre)
    scale = 1.4826 * np.median(off, axis=0)
    scale = np.where(scale > 0, scale, 1.2533 * off.mean(axis=0))
    return np.asarray((values - centre) / np.where(scale > 0, scale, 1.0))


def _find(context: Context, parameters: IsolationParameters) -> Found:
    graph = context.graph
    degree = np.diff(graph.out_ptr) + np.diff(graph.in_ptr)
    looked = np.flatnonzero((degree >= parameters.min_payments) & ~graph.desk)
    told = int(len(looked) * parameters.share)
    if told == 0:
        return Found([])
    # leave out features of size: a large business is not unusual because it is large
    shape = [i for i, feature in enumerate(FEATURES) if not feature.size]
    values = AccountFeatures(parameters.window).transform(context)[looked][:, shape]
    names = [FEATURES[i].name for i in shape]
    forest = IsolationForest(
        n_estimators=parameters.trees,
        max_samples=min(parameters.samples, len(looked)),
        random_state=parameters.seed,
        n_jobs=1,
    )
    # the forest samples rows by number; sort rows by content, so that pseudonyms do not influence the sample
    by_content = np.lexsort(values.T[::-1])
    forest.fit(values[by_content])
    score = -forest.score_samples(values)
    z = robust_z(values)
    usual, spread = float(np.median(score)), float(np.median(np.abs(score - np.median(score))))
    found = []
    for i in np.lexsort((np.arange(len(score)), -score))[:told].tolist():
        account = int(looked[i])
        edges = _largest_window(graph, account, parameters.spell)
        extreme = np.argsort(-np.abs(z[i]), kind="stable")[:3].tolist()
        found.append(
            Candidate(
                edges=edges,
                strength=(float(score[i]) - usual) / max(spread, 1e-9) / 10.0,
                anchor=account,
                details={
                    "contributions": {names[j]: round(float(z[i, j]), 2) for j in extreme},
                    "accounts_looked_at": len(looked),
                },
            )
        )
    return Found(found)


def _largest_window(graph: TemporalGraph, account: int, window: int) -> npt.NDArray[np.int32]:
    """Return the account's payments in the window that moves most money (if equal, the earliest window)."""
    edges = distinct(
        np.append(
            graph.out_edge[graph.out_ptr[account] : graph.out_ptr[account + 1]],
            graph.in_edge[graph.in_ptr[account] : graph.in_ptr[account + 1]],
        )
    )
    time = graph.t_low[edges]
    total = np.concatenate((np.zeros(1), np.cumsum(graph.amount[edges])))
    begin = np.searchsorted(time, time, "left")
    end = np.searchsorted(time, time + window, "right")
    best = int(np.argmax(np.round(total[end] - total[begin], 3)))
    return edges[begin[best] : end[best]].astype(np.int32)


def _lead(graph: TemporalGraph, candidate: Candidate) -> str:
    contributions = candidate.details["contributions"]
    parts = [f"its {_MEANING[name]} ({value:+.1f})" for name, value in contributions.items()]
    looked = plural(candidate.details["accounts_looked_at"], "account")
    return f"One account stands out among {looked}, most by {', '.join(parts)} in robust standard deviations"


ISOLATION = Detector("isolation_forest", "2", "unusual_account", IsolationParameters(), _find, _lead)
