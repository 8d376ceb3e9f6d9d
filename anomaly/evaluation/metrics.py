"""Metrics of a ranking, with weights: rows are sorted once, and each bootstrap resample only changes weights.

A budget of 1 % is the 1 % of rows (by weight) with the highest scores. Rows with equal scores are ordered
randomly once, so that the order of a file has no influence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BUDGETS", "Metric", "Ranking", "Truth", "best_threshold"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Shares of rows that are alerted.
BUDGETS = (0.001, 0.005, 0.01)


@dataclass(frozen=True, eq=False)
class Truth:
    """The labels of some rows, which only an evaluation knows; one entry per row.

    Attributes
    ----------
    label : (n,) int8
    instance : (n,) int64
        Pattern instance, or -1.
    typology : (n,) object
        Name of the pattern, or "".
    source, target, time : (n,) int64
    """

    label: npt.NDArray[np.int8]
    instance: Ints
    typology: npt.NDArray[np.object_]
    source: Ints
    target: Ints
    time: Ints

    def take(self, rows: Ints) -> Truth:
        """Return the given rows, in the given order."""
        return Truth(
            self.label[rows],
            self.instance[rows],
            self.typology[rows],
            self.source[rows],
            self.target[rows],
            self.time[rows],
        )


@dataclass(frozen=True, eq=False)
class Ranking:
    """Rows of a test part, highest score first.

    Attributes
    ----------
    truth : Truth
    score : (n,) float64
    order : (n,) int64
        Index of each row before sorting.
    """

    truth: Truth
    score: Floats
    order: Ints

    @classmethod
    def of(cls, truth: Truth, score: Floats, seed: int = 0) -> Ranking:
        """Sort rows by score; ties are in random order."""
        order = np.lexsort((np.random.default_rng(seed).random(len(score)), -score))
        return cls(truth.take(order), score[order], order)

    @property
    def label(self) -> npt.NDArray[np.int8]:
        """Which rows are cases."""
        return self.truth.label

    def __len__(self) -> int:
        return len(self.score)

    def pr_auc(self, weight: Floats) -> float:
        """Return the average precision: the mean of the precision at the rank of each case."""
        hits = np.cumsum(weight * self.label)
        seen = np.cumsum(weight)
        total = hits[-1] if len(hits) else 0.0
        if total == 0:
            return float("nan")
        return float(np.sum(weight * self.label * hits / np.maximum(seen, 1e-12)) / total)

    def alerted(self, budget: float, weight: Floats) -> npt.NDArray[np.bool_]:
        """Return which rows are alerted at this budget; at least one."""
        seen = np.cumsum(weight)
        limit = max(np.floor(budget * seen[-1] + 1e-9), 1.0) if len(seen) else 0.0
        return np.asarray(seen <= limit + 1e-9)

    def precision_at(self, budget: float, weight: Floats) -> float:
        """Return the share of alerts that are cases."""
        alert = self.alerted(budget, weight)
        return _share(weight * self.label * alert, weight * alert)

    def recall_at(self, budget: float, weight: Floats) -> float:
        """Return the share of cases that are alerted."""
        return _share(weight * self.label * self.alerted(budget, weight), weight * self.label)

    def ceiling_at(self, budget: float, weight: Floats) -> float:
        """Return the recall of a perfect ranking; below 1 if the budget is less than the number of cases."""
        cases = float(np.sum(weight * self.label))
        alerts = float(np.sum(weight * self.alerted(budget, weight)))
        return min(alerts / cases, 1.0) if cases else float("nan")

    def f1(self, threshold: float, weight: Floats) -> float:
        """Return the F1 of alerts at or above a threshold that was chosen on other rows."""
        alert = self.score >= threshold
        hit = float(np.sum(weight * self.label * alert))
        wrong = float(np.sum(weight * (alert != (self.label == 1))))
        return 2 * hit / (2 * hit + wrong) if hit + wrong else float("nan")

    def typology_recall(self, typology: str, budget: float, weight: Floats) -> float:
        """Return the share of a typology's rows that are alerted."""
        own = weight * (self.truth.typology == typology)
        return _share(own * self.alerted(budget, weight), own)

    def instance_recall(
        self, typology: str | None, budget: float, weight: Floats, part: float = 0.0
    ) -> float:
        """Return the share of instances of which any row (or at least `part` of the rows) is alerted."""
        chosen = (
            self.truth.instance >= 0
            if typology is None
            else (self.truth.instance >= 0) & (self.truth.typology == typology)
        )
        if not chosen.any():
            return float("nan")
        _, number = np.unique(self.truth.instance[chosen], return_inverse=True)
        alert = self.alerted(budget, weight)[chosen]
        rows = np.bincount(number)
        hit = np.bincount(number, weights=(alert & (weight[chosen] > 0)).astype(np.float64))
        # all rows of an instance have the same weight: how often the instance was drawn
        drawn = np.zeros(len(rows))
        drawn[number] = weight[chosen]
        return _share(drawn * ((hit > 0) & (hit >= part * rows)), drawn)

    def account_recall(self, budget: float, weight: Floats) -> float:
        """Return the share of accounts in cases that are alerted when accounts rank by their best row."""
        own = np.concatenate((self.truth.source, self.truth.target))
        place = np.concatenate((np.arange(len(self)), np.arange(len(self))))
        drawn = np.concatenate((weight, weight)) > 0
        _, number = np.unique(own[drawn], return_inverse=True)
        best = np.full(int(number.max(initial=-1)) + 1, len(self))
        np.minimum.at(best, number, place[drawn])
        case = np.zeros(len(best))
        np.maximum.at(case, number, np.concatenate((self.label, self.label))[drawn].astype(np.float64))
        alert = np.zeros(len(best))
        alert[np.argsort(best, kind="stable")[: max(int(budget * len(best)), 1)]] = 1.0
        return _share(case * alert, case)

    def hours_to_flag(self, budget: float, weight: Floats, delay: float) -> float:
        """Return the median hours from an instance's first row to its first alert, over alerted instances.

        Parameters
        ----------
        delay : float
            Seconds between a row and its score.
        """
        chosen = self.truth.instance >= 0
        _, number = np.unique(self.truth.instance[chosen], return_inverse=True)
        begin = np.full(int(number.max(initial=-1)) + 1, np.inf)
        found = begin.copy()
        np.minimum.at(begin, number, self.truth.time[chosen].astype(np.float64))
        alert = self.alerted(budget, weight)[chosen]
        np.minimum.at(found, number[alert], self.truth.time[chosen][alert].astype(np.float64))
        waits = (found - begin)[np.isfinite(found)]
        return float((np.median(waits) + delay) / 3_600) if len(waits) else float("nan")


def best_threshold(label: npt.NDArray[np.int8], score: Floats) -> float:
    """Return the score threshold with the highest F1 on the given (validation) rows."""
    if not label.any():
        return float("inf")
    order = np.argsort(-score, kind="stable")
    hits, ordered = np.cumsum(label[order]), score[order]
    f1 = 2 * hits / (np.arange(1, len(score) + 1) + hits[-1])
    last = np.append(ordered[1:] != ordered[:-1], True)  # equal scores are on one side of a threshold
    return float(ordered[int(np.argmax(np.where(last, f1, -1.0)))])


def _share(part: Floats, whole: Floats) -> float:
    total = float(np.sum(whole))
    return float(np.sum(part)) / total if total > 0 else float("nan")


Metric = Callable[[Ranking, Floats], float]
