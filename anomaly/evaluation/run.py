"""Measures all figures of one file: arms, encodings, controls, label-free scores, seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa

from anomaly.evaluation.arms import (
    Arm,
    Features,
    Judged,
    Prepared,
    Setting,
    bank_parts,
    prepare,
    shared_ledger,
    shared_model,
    silo,
)
from anomaly.evaluation.banks import bank_means, bank_views
from anomaly.evaluation.bootstrap import intervals
from anomaly.evaluation.encode import encode, encoding_named
from anomaly.evaluation.figures import Figure
from anomaly.evaluation.labelled import LabelledFile
from anomaly.evaluation.measure import Run, pooled, ranked, typology_metrics
from anomaly.evaluation.metrics import Ranking
from anomaly.evaluation.plan import Plan
from anomaly.models.chance import chance_features, shuffled_payees
from anomaly.models.unlabelled import IsolationScores, typology_scores
from anomaly.transactions import TransactionFeatures
from anomaly.transactions.features import scoring_named

__all__ = ["evaluate"]

Progress = Callable[[str, int, int], None]
#: Seed and scoring to the number of folds chosen on validation.
Selected = dict[tuple[int, str], tuple[int, ...]]
#: Controls that use other features of each payment.
_OTHER_FEATURES: dict[str, Features] = {"no_graph": "own_row", "engine": "engine", "one_stage": "one_stage"}


def evaluate(
    file: LabelledFile, plan: Plan | None = None, progress: Progress | None = None
) -> Iterator[Figure]:
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
        When the file is too short for the embargo, or a part contains one class only.
    ConfigurationError
        When the plan names something unknown.
    """
    chosen = (plan or Plan()).checked()
    selected: Selected = {}
    steps = list(_steps(chosen, selected))
    for done, (name, step) in enumerate(steps):
        if progress is not None:
            progress(name, done, len(steps))
        yield from step(file)
    if progress is not None:
        progress("done", len(steps), len(steps))


def _steps(
    plan: Plan, selected: Selected
) -> Iterator[tuple[str, Callable[[LabelledFile], Iterator[Figure]]]]:
    """Yield the steps; encodings and controls use the number of folds chosen on exact rows."""
    controls = plan.controls if plan.arms else ("label_free",)
    for seed in range(plan.first_seed, plan.first_seed + plan.seeds):
        base = Setting(per_decade=plan.bands_per_decade, window=plan.window, stages=plan.stages, seed=seed)
        exact = "exact" in plan.encodings or plan.arms != ("shared_ledger",)
        for scoring in plan.scorings if exact and plan.arms else ():
            for model in plan.models:
                setting = replace(base, scoring=scoring_named(scoring), model=model)
                yield (
                    f"arms {scoring} {model} {seed}",
                    partial(_arms, plan=plan, setting=setting, selected=selected),
                )
        last = replace(base, scoring=scoring_named(plan.scorings[-1]), model=plan.models[0])
        for encoding in plan.encodings if "shared_ledger" in plan.arms else ():
            if encoding != "exact":
                own = replace(last, encoding=encoding_named(encoding))
                yield f"{encoding} {seed}", partial(_encoded, plan=plan, setting=own, selected=selected)
        for name, features in _OTHER_FEATURES.items():
            if name in controls:
                other = replace(last, features=features)
                yield (
                    f"{name} {seed}",
                    partial(_control, plan=plan, setting=other, selected=selected, name=name),
                )
        if "shuffled" in controls:
            shuffle = partial(shuffled_payees, seed=seed)
            yield (
                f"shuffled {seed}",
                partial(
                    _control, plan=plan, setting=last, selected=selected, name="shuffled", change=shuffle
                ),
            )
        if "left_out" in controls:
            yield f"left out {seed}", partial(_left_out, plan=plan, setting=last, selected=selected)
        if "label_free" in controls:
            for scoring in plan.scorings:
                free = replace(last, scoring=scoring_named(scoring))
                yield f"label-free {scoring} {seed}", partial(_label_free, plan=plan, setting=free)


def _as_selected(setting: Setting, selected: Selected) -> Setting:
    return replace(setting, stages=selected.get((setting.seed, setting.scoring), setting.stages))


def _arms(file: LabelledFile, plan: Plan, setting: Setting, selected: Selected) -> Iterator[Figure]:
    banks = file.banks(plan.banks)
    by_bank: dict[Arm, dict[str, Judged]] = {}
    prepared = prepare(file, setting)
    result = shared_ledger(prepared, setting)
    selected.setdefault((setting.seed, setting.scoring), (result.stages,))
    run = Run("shared_ledger", setting, setting.model, draws=plan.draws)
    if "shared_ledger" in plan.arms and "exact" in plan.encodings:
        yield from pooled(run, prepared, result)
        if "new_instances" in plan.controls:
            yield from _new_instances(replace(run, name=f"{setting.model}:new_instances"), prepared, result)
        by_bank["shared_ledger"] = bank_views(file, result, banks, setting)
    if {"silo", "shared_model"} & set(plan.arms):
        parts = bank_parts(file, setting, banks, prepared.split.cuts)
        if "silo" in plan.arms:
            by_bank["silo"] = silo(parts, setting)
        if "shared_model" in plan.arms:
            by_bank["shared_model"] = shared_model(parts, setting)
    yield from bank_means(run, by_bank)


def _new_instances(run: Run, prepared: Prepared, result: Judged) -> Iterator[Figure]:
    """Measure the same scores without test rows of instances that have rows in the training part."""
    file, split = prepared.file, prepared.split
    known = set(file.instance[split.train]) - {-1}
    rows = np.flatnonzero(~np.isin(file.instance[split.test], list(known)))
    score = np.full(len(file), np.nan)
    score[split.test] = result.score
    chosen = split.test[rows]
    if not file.label[chosen].any():
        return
    ranking = Ranking.of(file.truth.take(chosen), score[chosen], run.setting.seed)
    yield from pooled(run, prepared, replace(result, ranking=ranking))


def _encoded(file: LabelledFile, plan: Plan, setting: Setting, selected: Selected) -> Iterator[Figure]:
    prepared = prepare(file, setting)
    result = shared_ledger(prepared, _as_selected(setting, selected))
    run = Run("shared_ledger", setting, setting.model, draws=plan.draws)
    yield from pooled(run, prepared, result)
    yield from bank_means(run, {"shared_ledger": bank_views(file, result, file.banks(plan.banks), setting)})


def _control(
    file: LabelledFile,
    plan: Plan,
    setting: Setting,
    selected: Selected,
    name: str,
    change: Callable[[pa.Table], pa.Table] | None = None,
) -> Iterator[Figure]:
    prepared = prepare(file, setting, change=change)
    result = shared_ledger(prepared, _as_selected(setting, selected))
    run = Run("shared_ledger", setting, f"{setting.model}:{name}", draws=plan.draws)
    yield from pooled(run, prepared, result)


def _left_out(file: LabelledFile, plan: Plan, setting: Setting, selected: Selected) -> Iterator[Figure]:
    names = sorted(set(file.typology) - {""})
    if len(names) < 2:
        return
    prepared, setting = prepare(file, setting), _as_selected(setting, selected)
    for typology in names:
        result = shared_ledger(prepared, setting, without=typology)
        run = Run("shared_ledger", setting, f"{setting.model}:without_{typology}", draws=plan.draws)
        found = intervals([result.ranking], typology_metrics(typology), draws=plan.draws, seed=setting.seed)
        yield from run.figures(found, "pooled")


def _label_free(file: LabelledFile, plan: Plan, setting: Setting) -> Iterator[Figure]:
    """Score the whole file by typology and by isolation forest; labels are used only for the metrics."""
    free = replace(setting, window=plan.free_window)
    file = file.take(np.random.default_rng(setting.seed).permutation(len(file)))
    names = sorted(set(file.typology) - {""})
    for encoding in plan.encodings:
        own = replace(free, encoding=encoding_named(encoding))
        transfers = encode(file.transfers, own.encoding, per_decade=own.per_decade)
        features = TransactionFeatures(own.window, own.scoring).fit(transfers)
        values = features.transform(transfers)
        chance = chance_features(features, transfers, setting.seed)
        columns = features.get_feature_names_out()
        score, _ = typology_scores(values, chance, columns, file.source, file.target, seed=setting.seed)
        scores = {"typology_scores": score}
        if encoding == "exact":
            forest = IsolationScores(random_state=setting.seed).fit(values)
            scores["isolation_forest"] = -forest.score_samples(values)
        for name, one in scores.items():
            ranking = Ranking.of(file.truth, one, own.seed)
            run = Run("shared_ledger", own, f"{name}:whole_file", selected=False, draws=plan.draws)
            yield from ranked(run, ranking, names)
