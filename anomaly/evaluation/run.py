"""All figures of one file in one go: arms, encodings, controls, label-free scores, seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomaly.evaluation.arms import (
    ARMS,
    Arm,
    Prepared,
    Setting,
    Tested,
    shared_ledger,
    shared_model,
    silo,
)
from anomaly.evaluation.bootstrap import Interval, intervals
from anomaly.evaluation.controls import shuffled_payees
from anomaly.evaluation.encode import BUCKET, Encoding, encode
from anomaly.evaluation.figures import Figure
from anomaly.evaluation.labelled import LabelledFile
from anomaly.evaluation.metrics import BUDGETS, Metric, Ranking
from anomaly.models.unlabelled import IsolationScores, typology_scores
from anomaly.transactions import Scoring, TransactionFeatures
from ledger.errors import ConfigurationError

__all__ = ["CONTROLS", "Plan", "evaluate"]

Progress = Callable[[str, int, int], None]

CONTROLS = ("no_graph", "shuffled", "left_out", "new_instances", "label_free")


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes
    ----------
    arms, encodings, scorings, models, controls : tuple of str
    seeds : int
        Runs, with seeds 0, 1, ...
    window : int
        Seconds; also the embargo.
    free_window : int
        Seconds, of the label-free scores: they need no embargo and may look further.
    banks : int
        How many of the largest banks are arms of their own.
    stages : tuple of int
        See `Setting`.
    ratio : float
    draws : int
        Of the bootstrap.
    """

    arms: tuple[str, ...] = ARMS
    encodings: tuple[str, ...] = tuple(BUCKET)
    scorings: tuple[str, ...] = ("arrival", "window_close")
    models: tuple[str, ...] = ("boosted",)
    controls: tuple[str, ...] = CONTROLS
    seeds: int = 1
    window: int = 7 * 86_400
    free_window: int = 14 * 86_400
    banks: int = 12
    stages: tuple[int, ...] = (0, 4)
    ratio: float = 20.0
    draws: int = 200

    def checked(self) -> Plan:
        """Return the plan.

        Raises
        ------
        ConfigurationError
            When it asks for something that does not exist.
        """
        from anomaly.models.rare import MODELS

        for what, given, known in (
            ("arm", self.arms, ARMS),
            ("encoding", self.encodings, tuple(BUCKET)),
            ("scoring", self.scorings, ("arrival", "window_close")),
            ("model", self.models, tuple(MODELS)),
            ("control", self.controls, CONTROLS),
        ):
            unknown = [name for name in given if name not in known]
            if unknown:
                raise ConfigurationError(
                    f"there is no {what} {', '.join(unknown)}", next_step=f"Known: {', '.join(known)}."
                )
        return self


@dataclass(frozen=True)
class _Run:
    """One setting's place in a figure."""

    arm: Arm
    setting: Setting
    name: str
    selected: bool = True
    draws: int = 200

    def figures(self, found: dict[str, Interval], aggregation: str) -> Iterator[Figure]:
        for metric, interval in found.items():
            yield Figure(
                self.arm, self.setting.encoding, self.setting.scoring, aggregation, self.name, self.selected,
                self.setting.seed, metric, interval.value, interval.low, interval.high,
            )  # fmt: skip


def evaluate(file: LabelledFile, plan: Plan | None = None, progress: Progress | None = None) -> Iterator[Figure]:
    """Yield the figures of a labelled file as they are measured.

    Parameters
    ----------
    file : LabelledFile
    plan : Plan, optional
    progress : callable, optional
        Called with (step, done, total).

    Raises
    ------
    InputError
        When the file is too short for its embargo or a part holds one class only.
    ConfigurationError
        When the plan names something unknown.
    """
    chosen = (plan or Plan()).checked()
    steps = list(_steps(chosen))
    for done, (name, step) in enumerate(steps):
        if progress is not None:
            progress(name, done, len(steps))
        yield from step(file)
    if progress is not None:
        progress("done", len(steps), len(steps))


def _steps(plan: Plan) -> Iterator[tuple[str, Callable[[LabelledFile], Iterator[Figure]]]]:
    for seed in range(plan.seeds):
        base = Setting(window=plan.window, stages=plan.stages, seed=seed, ratio=plan.ratio)
        exact = "exact" in plan.encodings or plan.arms != ("shared_ledger",)
        for scoring in plan.scorings if exact else ():
            for model in plan.models:
                setting = replace(base, scoring=_scoring(scoring), model=model)
                yield f"arms {scoring} {model} {seed}", partial(_arms, plan=plan, setting=setting)
        last = replace(base, scoring=_scoring(plan.scorings[-1]), model=plan.models[0])
        for encoding in plan.encodings if "shared_ledger" in plan.arms else ():
            if encoding != "exact":
                own = replace(last, encoding=_encoding(encoding))
                yield f"{encoding} {seed}", partial(_encoded, plan=plan, setting=own)
        if "no_graph" in plan.controls:
            without = replace(last, graph=False)
            yield f"no graph {seed}", partial(_control, plan=plan, setting=without, name="no_graph", change=None)
        if "shuffled" in plan.controls:
            shuffle = partial(shuffled_payees, seed=seed)
            yield f"shuffled {seed}", partial(_control, plan=plan, setting=last, name="shuffled", change=shuffle)
        if "left_out" in plan.controls:
            yield f"left out {seed}", partial(_left_out, plan=plan, setting=last)
        if "label_free" in plan.controls:
            for scoring in plan.scorings:
                free = replace(last, scoring=_scoring(scoring))
                yield f"label-free {scoring} {seed}", partial(_label_free, plan=plan, setting=free)


def _scoring(name: str) -> Scoring:
    return "arrival" if name == "arrival" else "window_close"


def _encoding(name: str) -> Encoding:
    return next(e for e in ("bands_minute", "bands_hour", "bands_day") if e == name)  # type: ignore[return-value]


def _metrics(
    typologies: list[str], threshold: float | None, delay: float, banks: bool = False
) -> dict[str, Metric]:
    found: dict[str, Metric] = {"pr_auc": lambda r, w: r.pr_auc(w)}
    if threshold is not None and np.isfinite(threshold):
        found["f1"] = lambda r, w: r.f1(threshold, w)
    for budget in BUDGETS:
        share = f"{budget * 100:g}%"
        found[f"precision@{share}"] = partial(_call, Ranking.precision_at, budget)
        found[f"recall@{share}"] = partial(_call, Ranking.recall_at, budget)
        found[f"ceiling@{share}"] = partial(_call, Ranking.ceiling_at, budget)
    if banks:
        return found
    for typology in typologies:
        found[f"recall@1%:{typology}"] = partial(_typology, typology)
        found[f"instance_recall@1%:{typology}"] = partial(_instance, typology, 0.0)
        found[f"half_instance_recall@1%:{typology}"] = partial(_instance, typology, 0.5)
    found["instance_recall@1%"] = partial(_instance, None, 0.0)
    found["account_recall@1%"] = partial(_call, Ranking.account_recall, 0.01)
    found["hours_to_flag@1%"] = lambda r, w: r.hours_to_flag(0.01, w, delay)
    return found


def _call(
    method: Callable[[Ranking, float, npt.NDArray[np.float64]], float],
    budget: float,
    ranking: Ranking,
    weight: npt.NDArray[np.float64],
) -> float:
    return method(ranking, budget, weight)


def _typology(typology: str, ranking: Ranking, weight: npt.NDArray[np.float64]) -> float:
    return ranking.typology_recall(typology, 0.01, weight)


def _instance(typology: str | None, part: float, ranking: Ranking, weight: npt.NDArray[np.float64]) -> float:
    return ranking.instance_recall(typology, 0.01, weight, part)


def _delay(setting: Setting) -> float:
    """Return how long after a payment it is judged: the end of its bucket, or of the window."""
    return float(setting.window if setting.scoring == "window_close" else 0) + BUCKET[setting.encoding]


def _pooled(run: _Run, prepared: Prepared, result: Tested) -> Iterator[Figure]:
    names = sorted(set(prepared.file.typology[prepared.split.test]) - {""})
    metrics = _metrics(names, result.threshold, _delay(run.setting))
    yield from run.figures(
        intervals([result.ranking], metrics, draws=run.draws, seed=run.setting.seed), "pooled"
    )


def _arms(file: LabelledFile, plan: Plan, setting: Setting) -> Iterator[Figure]:
    banks = file.banks(plan.banks)
    by_bank: dict[str, dict[str, Tested]] = {}
    prepared, result = shared_ledger(file, setting)
    cuts = prepared.split.cuts
    run = _Run("shared_ledger", setting, setting.model, draws=plan.draws)
    if "shared_ledger" in plan.arms and "exact" in plan.encodings:
        yield from _pooled(run, prepared, result)
        if "new_instances" in plan.controls:
            yield from _new_instances(replace(run, name=f"{setting.model}:new_instances"), prepared, result)
        by_bank["shared_ledger"] = _views(file, prepared, result, banks, setting)
    if "silo" in plan.arms:
        by_bank["silo"] = silo(file, setting, banks, cuts)
    if "shared_model" in plan.arms:
        by_bank["shared_model"] = shared_model(file, setting, banks, cuts)
    # banks with a case in the test part: of the others nothing can be said
    told = [b for b in banks if all(results[b].ranking.label.any() for results in by_bank.values())]
    if not told:
        return
    metrics = _metrics([], None, 0.0, banks=True)
    aligned = {arm: _aligned([results[b] for b in told], setting.seed) for arm, results in by_bank.items()}
    for arm, rankings in aligned.items():
        own = _Run("silo" if arm == "silo" else "shared_model" if arm == "shared_model" else "shared_ledger",
                   setting, setting.model, draws=plan.draws)  # fmt: skip
        found = intervals(rankings, metrics, draws=plan.draws, seed=setting.seed)
        f1 = [r.ranking.f1(r.threshold, np.ones(len(r.rows))) for r in (by_bank[arm][b] for b in told)]
        known = [v for v in f1 if np.isfinite(v)]
        value = float(np.mean(known)) if known else float("nan")
        yield from own.figures(found | {"f1": Interval(value, float("nan"), float("nan"))}, "bank_mean")
        if arm != "shared_ledger" and "shared_ledger" in aligned:
            paired = intervals(
                aligned["shared_ledger"], metrics, minus=rankings, draws=plan.draws, seed=setting.seed
            )
            gain = {f"{name}_gain_over_{arm}": interval for name, interval in paired.items()}
            yield from replace(run, arm="shared_ledger").figures(gain, "bank_mean")


def _views(
    file: LabelledFile, prepared: Prepared, result: Tested, banks: list[str], setting: Setting
) -> dict[str, Tested]:
    """Return the shared ledger's scores of each bank's test rows."""
    score = np.full(len(file), np.nan)
    score[result.rows] = result.score
    views = {}
    for bank in banks:
        rows = file.rows_of(bank)
        rows = rows[np.isfinite(score[rows])]
        views[bank] = replace(result, rows=rows, score=score[rows], ranking=_ranking(file, rows, score[rows], setting))
    return views


def _ranking(file: LabelledFile, rows: npt.NDArray[np.int64], score: npt.NDArray[np.float64], setting: Setting) -> Ranking:
    return Ranking.of(
        file.label[rows], score, file.instance[rows], file.typology[rows], file.source[rows],
        file.target[rows], file.time[rows], setting.seed,
    )  # fmt: skip


def _aligned(results: list[Tested], seed: int) -> list[Ranking]:
    """Rank again with rows in the order of the file, so that all arms draw the same rows."""
    rankings = []
    for result in results:
        ranking = result.ranking
        back = np.argsort(ranking.order)  # to the order of `rows`
        order = np.argsort(result.rows, kind="stable")
        columns = (ranking.label, ranking.score, ranking.instance, ranking.typology, ranking.source,
                   ranking.target, ranking.time)  # fmt: skip
        rankings.append(Ranking.of(*(column[back][order] for column in columns), seed))
    return rankings


def _new_instances(run: _Run, prepared: Prepared, result: Tested) -> Iterator[Figure]:
    """Measure the same scores without the rows of instances that the training rows also hold."""
    file, split = prepared.file, prepared.split
    known = set(file.instance[split.train]) - {-1}
    rows = np.flatnonzero(~np.isin(file.instance[split.test], list(known)))
    score = np.full(len(file), np.nan)
    score[split.test] = result.score
    chosen = split.test[rows]
    if not file.label[chosen].any():
        return
    ranking = _ranking(file, chosen, score[chosen], run.setting)
    yield from _pooled(run, prepared, replace(result, ranking=ranking))


def _encoded(file: LabelledFile, plan: Plan, setting: Setting) -> Iterator[Figure]:
    prepared, result = shared_ledger(file, setting)
    run = _Run("shared_ledger", setting, setting.model, draws=plan.draws)
    yield from _pooled(run, prepared, result)
    views = _views(file, prepared, result, file.banks(plan.banks), setting)
    rankings = [view.ranking for view in views.values() if view.ranking.label.any()]
    if rankings:
        metrics = _metrics([], None, 0.0, banks=True)
        yield from run.figures(intervals(rankings, metrics, draws=plan.draws, seed=setting.seed), "bank_mean")


def _control(
    file: LabelledFile, plan: Plan, setting: Setting, name: str, change: Callable[[pa.Table], pa.Table] | None
) -> Iterator[Figure]:
    prepared, result = shared_ledger(file, setting, change=change)
    run = _Run("shared_ledger", setting, f"{setting.model}:{name}", draws=plan.draws)
    yield from _pooled(run, prepared, result)


def _left_out(file: LabelledFile, plan: Plan, setting: Setting) -> Iterator[Figure]:
    names = sorted(set(file.typology) - {""})
    for typology in names if len(names) > 1 else ():
        _, result = shared_ledger(file, setting, without=typology)
        run = _Run("shared_ledger", setting, f"{setting.model}:without_{typology}", draws=plan.draws)
        metrics = {
            f"recall@1%:{typology}": partial(_typology, typology),
            f"instance_recall@1%:{typology}": partial(_instance, typology, 0.0),
        }
        found = intervals([result.ranking], metrics, draws=plan.draws, seed=setting.seed)
        yield from run.figures(found, "pooled")


def _label_free(file: LabelledFile, plan: Plan, setting: Setting) -> Iterator[Figure]:
    """Score the whole file by typology and by isolation forest; labels only judge."""
    free = replace(setting, window=plan.free_window)
    file = file.take(np.random.default_rng(setting.seed).permutation(len(file)))
    names = sorted(set(file.typology) - {""})
    for encoding in plan.encodings:
        own = replace(free, encoding=encoding if encoding == "exact" else _encoding(encoding))
        transfers = encode(file.transfers, own.encoding)
        features = TransactionFeatures(own.window, own.scoring).fit(transfers)
        values = features.transform(transfers)
        chance = features.transform(shuffled_payees(transfers, setting.seed))
        columns = features.get_feature_names_out()
        score, _ = typology_scores(values, chance, columns, file.source, file.target, seed=setting.seed)
        scores = {"typology_scores": score}
        if encoding == "exact":
            forest = IsolationScores(random_state=setting.seed).fit(values)
            scores["isolation_forest"] = -forest.score_samples(values)
        for name, one in scores.items():
            ranking = _ranking(file, np.arange(len(file)), one, own)
            run = _Run("shared_ledger", own, f"{name}:whole_file", selected=False, draws=plan.draws)
            metrics = _metrics(names, None, _delay(own))
            found = intervals([ranking], metrics, draws=plan.draws, seed=setting.seed)
            yield from run.figures(found, "pooled")
