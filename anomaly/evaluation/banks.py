"""The result of an arm for each bank (its own test rows, ranked by the arm's scores), and the banks' mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from anomaly.evaluation.arms import Arm, Judged, Setting
from anomaly.evaluation.bootstrap import Interval, intervals
from anomaly.evaluation.figures import Figure
from anomaly.evaluation.labelled import LabelledFile
from anomaly.evaluation.measure import Run, bank_metrics
from anomaly.evaluation.metrics import Ranking

__all__ = ["bank_means", "bank_views"]


def bank_views(file: LabelledFile, result: Judged, banks: list[str], setting: Setting) -> dict[str, Judged]:
    """Return, for each bank, its own test rows with the scores of the shared ledger."""
    score = np.full(len(file), np.nan)
    score[result.rows] = result.score
    views = {}
    for bank in banks:
        rows = file.rows_of(bank)
        rows = rows[np.isfinite(score[rows])]
        ranking = Ranking.of(file.truth.take(rows), score[rows], setting.seed)
        views[bank] = replace(result, rows=rows, score=score[rows], ranking=ranking)
    return views


def bank_means(run: Run, by_bank: Mapping[Arm, Mapping[str, Judged]]) -> Iterator[Figure]:
    """Yield each arm's mean over the banks, and the paired gain of the shared ledger over the other arms.

    Banks without a case in the test part are left out, because their metrics are undefined.
    """
    banks = next(iter(by_bank.values())).keys()
    told = [b for b in banks if all(results[b].ranking.label.any() for results in by_bank.values())]
    if not told:
        return
    seed, metrics = run.setting.seed, bank_metrics()
    aligned = {arm: _aligned([results[b] for b in told], seed) for arm, results in by_bank.items()}
    for arm, rankings in aligned.items():
        found = intervals(rankings, metrics, draws=run.draws, seed=seed)
        f1 = [r.ranking.f1(r.threshold, np.ones(len(r.rows))) for r in (by_bank[arm][b] for b in told)]
        known = [v for v in f1 if np.isfinite(v)]
        mean = Interval(float(np.mean(known)) if known else float("nan"), float("nan"), float("nan"))
        yield from replace(run, arm=arm).figures(found | {"f1": mean}, "bank_mean")
        if arm != "shared_ledger" and "shared_ledger" in aligned:
            ledger = aligned["shared_ledger"]
            paired = intervals(ledger, metrics, minus=rankings, draws=run.draws, seed=seed)
            gain = {f"{name}_gain_over_{arm}": interval for name, interval in paired.items()}
            yield from replace(run, arm="shared_ledger").figures(gain, "bank_mean")


def _aligned(results: list[Judged], seed: int) -> list[Ranking]:
    """Rank again with rows in the order of the file, so that all arms have the same bootstrap samples."""
    rankings = []
    for result in results:
        ranking = result.ranking
        order = np.argsort(ranking.order)[np.argsort(result.rows, kind="stable")]
        rankings.append(Ranking.of(ranking.truth.take(order), ranking.score[order], seed))
    return rankings
