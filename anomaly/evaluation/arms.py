"""The three arms, scored on the same test rows: each bank alone, a shared model, the shared ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomaly.evaluation.controls import engine_features
from anomaly.evaluation.encode import BUCKET, Encoding, encode
from anomaly.evaluation.labelled import LabelledFile
from anomaly.evaluation.metrics import Ranking, best_threshold
from anomaly.evaluation.split import Split, split_by_time
from anomaly.models.neighbourhood import NeighbourhoodClassifier, Payments
from anomaly.transactions import Scoring, TransactionFeatures

__all__ = [
    "ARMS",
    "Arm",
    "Features",
    "Judged",
    "Prepared",
    "Setting",
    "bank_parts",
    "join",
    "judged",
    "prepare",
    "shared_ledger",
    "shared_model",
    "silo",
]

Arm = Literal["silo", "shared_model", "shared_ledger"]
Features = Literal["all", "one_stage", "engine", "own_row"]
ARMS: tuple[Arm, ...] = ("silo", "shared_model", "shared_ledger")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Setting:
    """Parameters of one run.

    Attributes
    ----------
    scoring : {"arrival", "window_close"}
    encoding : str
    per_decade : int
        Amount bands per factor of ten, if the encoding has bands.
    window : int
        Seconds; also the embargo.
    model : str
        Name in `anomaly.models.rare.MODELS`.
    stages : tuple of int
        Numbers of folds to choose from on the validation part (0: one stage only).
    features : {"all", "one_stage", "engine", "own_row"}
        Input of the model: all features of payments and, in a second stage, scores of their neighbours; the
        same in one stage; features of the row itself and of the engine; features of the row itself.
    seed : int
        Seed of samples, trees, the order of rows, and ties.
    """

    scoring: Scoring = "window_close"
    encoding: Encoding = "exact"
    per_decade: int = 10
    window: int = 7 * 86_400
    model: str = "boosted"
    stages: tuple[int, ...] = (0, 4)
    features: Features = "all"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Prepared:
    """A file prepared for a setting: features of its rows (in random order), labels and parts."""

    file: LabelledFile
    payments: Payments
    split: Split
    rows: Ints


@dataclass(frozen=True, eq=False)
class Judged:
    """Result of a model on the test part.

    Attributes
    ----------
    rows : int64
        Rows of the whole file.
    score : float64
        Scores of these rows.
    ranking : Ranking
    threshold : float
        Threshold with the best F1 on validation.
    validation : float
        PR-AUC of the chosen model on validation.
    stages : int
        Folds of the chosen model.
    """

    rows: Ints
    score: Floats
    ranking: Ranking
    threshold: float
    validation: float
    stages: int


def prepare(
    file: LabelledFile,
    setting: Setting,
    *,
    rows: Ints | None = None,
    cuts: tuple[int, int] | None = None,
    change: Callable[[pa.Table], pa.Table] | None = None,
) -> Prepared:
    """Encode transfers, compute features and split the rows by time.

    Parameters
    ----------
    file : LabelledFile
    rows : int64, optional
        Rows that the arm may use; by default all.
    cuts : (int, int), optional
        Times of the split; by default quantiles of the rows.
    change : callable, optional
        Change of the transfers that a control makes.
    """
    chosen = np.arange(len(file)) if rows is None else rows
    chosen = np.random.default_rng(setting.seed).permutation(chosen)
    seen = file.take(chosen)
    split = split_by_time(seen.time, embargo=setting.window, cuts=cuts)
    transfers = encode(seen.transfers, setting.encoding, per_decade=setting.per_decade)
    if change is not None:
        transfers = change(transfers)
    graph = setting.features in ("all", "one_stage")
    features = TransactionFeatures(setting.window, setting.scoring, graph)
    values = features.fit(transfers.take(pa.array(split.train))).transform(transfers)
    ahead = np.array([column.ahead for column in features.columns_])
    if setting.features == "engine":
        around = engine_features(transfers, setting.window, setting.scoring)
        values = np.hstack([values, around])
        ahead = np.append(ahead, np.full(around.shape[1], setting.scoring == "window_close"))
    bucket = BUCKET[setting.encoding]
    payments = Payments(
        values,
        ahead,
        seen.source,
        seen.target,
        seen.time // bucket * bucket,
    )
    return Prepared(seen, payments, split, chosen)


def _fit(
    prepared: Prepared, setting: Setting, train: Ints | None = None
) -> tuple[NeighbourhoodClassifier, Floats, int, float]:
    """Fit one model per number of folds and return the best one on the validation part."""
    y, split = prepared.file.label, prepared.split
    learn = split.train if train is None else train
    best: tuple[float, NeighbourhoodClassifier, Floats, int] | None = None
    for folds in setting.stages if setting.features == "all" else (0,):
        model = NeighbourhoodClassifier(setting.model, setting.window, folds, setting.seed)
        score = model.fit(prepared.payments, y, learn).predict_proba(prepared.payments)[:, 1]
        value = _rank(prepared, split.validation, score, setting.seed).pr_auc(np.ones(len(split.validation)))
        value = value if np.isfinite(value) else 0.0
        if best is None or value > best[0]:
            best = (value, model, score, folds)
    if best is None:
        raise ValueError("a setting must name at least one number of folds in `stages`")
    return best[1], best[2], best[3], best[0]


def _rank(prepared: Prepared, rows: Ints, score: Floats, seed: int) -> Ranking:
    return Ranking.of(prepared.file.truth.take(rows), score[rows], seed)


def judged(
    prepared: Prepared, score: Floats, setting: Setting, *, stages: int = 0, validation: float = np.nan
) -> Judged:
    """Rank the test rows by score; the threshold is chosen on the validation rows."""
    split = prepared.split
    y = prepared.file.label
    return Judged(
        prepared.rows[split.test],
        score[split.test],
        _rank(prepared, split.test, score, setting.seed),
        best_threshold(y[split.validation], score[split.validation]),
        validation,
        stages,
    )


def shared_ledger(prepared: Prepared, setting: Setting, *, without: str | None = None) -> Judged:
    """Train one model on one graph of all rows.

    Parameters
    ----------
    prepared : Prepared
        All rows.
    setting : Setting
    without : str, optional
        A typology whose rows are left out of training.
    """
    train = prepared.split.train
    if without is not None:
        train = train[prepared.file.typology[train] != without]
    _, score, folds, validation = _fit(prepared, setting, train)
    return judged(prepared, score, setting, stages=folds, validation=validation)


def bank_parts(
    file: LabelledFile, setting: Setting, banks: list[str], cuts: tuple[int, int]
) -> dict[str, Prepared]:
    """Return each bank's own exact rows with features from their graph, split at the times of the whole."""
    return {bank: prepare(file, setting, rows=file.rows_of(bank), cuts=cuts) for bank in banks}


def silo(parts: Mapping[str, Prepared], setting: Setting) -> dict[str, Judged]:
    """Train one model per bank, on its own rows and labels.

    A bank with fewer than two cases in its training rows cannot learn; its rows are ranked at random.
    """
    results = {}
    for bank, own in parts.items():
        if own.file.label[own.split.train].sum() < 2:
            score = np.random.default_rng(setting.seed).random(len(own.rows))
            results[bank] = judged(own, score, setting)
            continue
        _, score, folds, validation = _fit(own, setting)
        results[bank] = judged(own, score, setting, stages=folds, validation=validation)
    return results


def shared_model(parts: Mapping[str, Prepared], setting: Setting) -> dict[str, Judged]:
    """Train one model on the private feature rows of all banks; features use each bank's own graph only."""
    _, score, folds, validation = _fit(join(list(parts.values())), setting)
    scores = np.split(score, np.cumsum([len(own.rows) for own in parts.values()])[:-1])
    return {
        bank: judged(own, score, setting, stages=folds, validation=validation)
        for (bank, own), score in zip(parts.items(), scores, strict=True)
    }


def join(parts: list[Prepared]) -> Prepared:
    """Concatenate the rows of all banks; accounts in the graphs of two banks are never neighbours."""
    files = [part.file for part in parts]
    begin = np.cumsum([0] + [len(part.rows) for part in parts[:-1]])
    room = 1 + max(int(max(f.source.max(), f.target.max())) for f in files)
    train, validation, test = (
        np.concatenate([rows + b for rows, b in zip(of_banks, begin, strict=True)])
        for of_banks in (
            [p.split.train for p in parts],
            [p.split.validation for p in parts],
            [p.split.test for p in parts],
        )
    )
    split = Split(train, validation, test, parts[0].split.embargo, parts[0].split.cuts)
    payments = Payments(
        np.vstack([p.payments.values for p in parts]),
        parts[0].payments.ahead,
        np.concatenate([p.payments.source + i * room for i, p in enumerate(parts)]),
        np.concatenate([p.payments.target + i * room for i, p in enumerate(parts)]),
        np.concatenate([p.payments.time for p in parts]),
    )
    columns = {
        name: np.concatenate([getattr(f, name) for f in files])
        for name in (
            "label",
            "instance",
            "typology",
            "source",
            "target",
            "source_bank",
            "target_bank",
            "time",
        )
    }
    transfers = pa.concat_tables([f.transfers for f in files])
    file = LabelledFile(name=files[0].name, transfers=transfers, **columns)
    return Prepared(file, payments, split, np.concatenate([p.rows for p in parts]))
