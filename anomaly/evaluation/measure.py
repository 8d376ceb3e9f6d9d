"""Figures of one result: the list of metrics, and their values with intervals for a ranking."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from anomaly.evaluation.arms import Arm, Judged, Prepared, Setting
from anomaly.evaluation.bootstrap import Interval, intervals
from anomaly.evaluation.encode import BUCKET
from anomaly.evaluation.figures import Figure
from anomaly.evaluation.metrics import BUDGETS, Metric, Ranking

__all__ = ["Run", "bank_metrics", "delay", "pooled", "pooled_metrics", "ranked", "typology_metrics"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """The description of one run in its figures, and the number of bootstrap resamples."""

    arm: Arm
    setting: Setting
    name: str
    selected: bool = True
    draws: int = 200

    def figures(self, found: Mapping[str, Interval], aggregation: str) -> Iterator[Figure]:
        """Yield one figure for each metric."""
        for metric, interval in found.items():
            yield Figure(
                self.arm, self.setting.encoding, self.setting.scoring, aggregation, self.name, self.selected,
                self.setting.seed, metric, interval.value, interval.low, interval.high,
            )  # fmt: skip


def bank_metrics() -> dict[str, Metric]:
    """Return the metrics of one bank: PR-AUC, and metrics at alert budgets."""
    found: dict[str, Metric] = {"pr_auc": lambda r, w: r.pr_auc(w)}
    for budget in BUDGETS:
        share = f"{budget * 100:g}%"
        found[f"precision@{share}"] = partial(_at, Ranking.precision_at, budget)
        found[f"recall@{share}"] = partial(_at, Ranking.recall_at, budget)
        found[f"ceiling@{share}"] = partial(_at, Ranking.ceiling_at, budget)
    return found


def typology_metrics(typology: str) -> dict[str, Metric]:
    """Return recall metrics at 1 % for a typology: of rows, and of instances by any or half of their rows."""
    return {
        f"recall@1%:{typology}": partial(_typology, typology),
        f"instance_recall@1%:{typology}": partial(_instance, typology, 0.0),
        f"half_instance_recall@1%:{typology}": partial(_instance, typology, 0.5),
    }


def pooled_metrics(typologies: list[str], threshold: float | None, wait: float) -> dict[str, Metric]:
    """Return all metrics.

    Parameters
    ----------
    typologies : list of str
    threshold : float or None
        Threshold of F1, chosen on validation; None: no F1.
    wait : float
        Seconds between a payment and its score.
    """
    found = bank_metrics()
    if threshold is not None and np.isfinite(threshold):
        found["f1"] = lambda r, w: r.f1(threshold, w)
    for typology in typologies:
        found |= typology_metrics(typology)
    found["instance_recall@1%"] = partial(_instance, None, 0.0)
    found["hours_to_flag@1%"] = lambda r, w: r.hours_to_flag(0.01, w, wait)
    return found


def _at(
    method: Callable[[Ranking, float, Floats], float], budget: float, ranking: Ranking, weight: Floats
) -> float:
    return method(ranking, budget, weight)


def _typology(typology: str, ranking: Ranking, weight: Floats) -> float:
    return ranking.typology_recall(typology, 0.01, weight)


def _instance(typology: str | None, part: float, ranking: Ranking, weight: Floats) -> float:
    return ranking.instance_recall(typology, 0.01, weight, part)


def delay(setting: Setting) -> float:
    """Return the seconds between a payment and its score: the length of its bucket, and of the window."""
    return float(setting.window if setting.scoring == "window_close" else 0) + BUCKET[setting.encoding]


def pooled(run: Run, prepared: Prepared, result: Judged) -> Iterator[Figure]:
    """Yield all figures of a whole test part."""
    names = sorted(set(prepared.file.typology[prepared.split.test]) - {""})
    yield from ranked(run, result.ranking, names, result.threshold)


def ranked(
    run: Run, ranking: Ranking, typologies: list[str], threshold: float | None = None
) -> Iterator[Figure]:
    """Yield all figures of one ranking; see `pooled_metrics`."""
    metrics = pooled_metrics(typologies, threshold, delay(run.setting))
    found = intervals([ranking], metrics, draws=run.draws, seed=run.setting.seed)
    # no interval: a resample of payments loses accounts, so the bootstrap of their recall is biased
    accounts = ranking.account_recall(0.01, np.ones(len(ranking)))
    found["account_recall@1%"] = Interval(accounts, float("nan"), float("nan"))
    yield from run.figures(found, "pooled")
