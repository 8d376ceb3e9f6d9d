"""Files with labels on accounts (AMLSim): payments of one bank, and a table of its accounts.

`NAME_transactions.parquet` (sourceNodeId, targetNodeId, value, time in days) and, in the same folder,
`NAME_nodes.parquet` (nodeid, isFraud, fraudStep). The files do not label payments: in training, a payment
between two labelled accounts counts as laundering once both labels are known (`fraudStep`, if given, is in
the past). An account's score is its highest score in the test part. Labelled accounts that pay no labelled
account in the test part are not counted, because nothing could be found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from anomaly.evaluation.arms import Setting, prepare, shared_ledger
from anomaly.evaluation.bootstrap import intervals
from anomaly.evaluation.figures import Figure
from anomaly.evaluation.labelled import LabelledFile, labelled_of
from anomaly.evaluation.metrics import Metric, Ranking, Truth
from anomaly.evaluation.plan import Plan
from anomaly.models.chance import chance_features
from anomaly.models.unlabelled import typology_scores
from anomaly.transactions import TransactionFeatures
from anomaly.transactions.features import scoring_named
from ledger.errors import InputError

__all__ = ["evaluate_accounts", "has_account_labels", "read_account_labels"]

Floats = npt.NDArray[np.float64]

_PAYMENTS, _ACCOUNTS = "_transactions", "_nodes"


def has_account_labels(path: Path) -> bool:
    """Return whether a file's labels are in a table of accounts in the same folder."""
    return path.stem.endswith(_PAYMENTS) and _beside(path).is_file()


def _beside(path: Path) -> Path:
    return path.with_name(path.stem.removesuffix(_PAYMENTS) + _ACCOUNTS + path.suffix)


def read_account_labels(path: Path) -> tuple[LabelledFile, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Read the payments; `label` is 1 if both accounts are labelled, `instance` is unknown.

    Returns
    -------
    LabelledFile
    (n,) int64
        Unix seconds at which a payment's label became known; 0 if the file gives no day.
    (accounts,) bool
        Whether each account is labelled.

    Raises
    ------
    InputError
        When either file cannot be read or lacks a column.
    """
    frames = []
    for table, columns in (
        (path, ["sourceNodeId", "targetNodeId", "value", "time"]),
        (_beside(path), ["nodeid", "isFraud", "fraudStep"]),
    ):
        try:
            frame = pd.read_parquet(table) if table.suffix == ".parquet" else pd.read_csv(table)
        except (OSError, ValueError, pa.ArrowInvalid) as error:
            raise InputError(f"the file cannot be read: {error}", where=str(table)) from error
        missing = [name for name in columns if name not in frame.columns]
        if missing:
            raise InputError(f"the file lacks {', '.join(missing)}", where=str(table))
        frames.append(frame[columns])
    payments, accounts = frames
    marked = accounts.set_index("nodeid")
    fraud, step = marked["isFraud"] > 0, marked["fraudStep"]
    both = payments["sourceNodeId"].map(fraud).fillna(False) & payments["targetNodeId"].map(fraud).fillna(
        False
    )
    known = np.maximum(
        payments["sourceNodeId"].map(step).fillna(-1), payments["targetNodeId"].map(step).fillna(-1)
    )
    frame = pd.DataFrame(
        {
            "timestamp": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(payments["time"].astype("int64"), unit="D"),
            "src_bank": "bank",
            "src": payments["sourceNodeId"].astype(str),
            "dst_bank": "bank",
            "dst": payments["targetNodeId"].astype(str),
            "amount": payments["value"],
            "currency": "EUR",
            "is_laundering": both.astype("int8"),
        }
    )
    begin = int(pd.Timestamp("2020-01-01").timestamp())
    days = np.asarray(known, dtype=np.int64)
    file = labelled_of(frame, name=path.stem, where=str(path))
    labelled = np.zeros(int(max(file.source.max(), file.target.max())) + 1, np.bool_)
    for own, column in ((file.source, "sourceNodeId"), (file.target, "targetNodeId")):
        labelled[own] = payments[column].map(fraud).fillna(False).to_numpy(dtype=np.bool_)
    return file, np.where(days >= 0, begin + days * 86_400, 0), labelled


def evaluate_accounts(
    path: Path, plan: Plan, progress: Callable[[str, int, int], None] | None = None
) -> Iterator[Figure]:
    """Yield account-level figures: the model on the test part, and label-free scores on the whole file."""
    file, known, labelled = read_account_labels(path)
    steps = [
        (scoring, seed)
        for seed in range(plan.first_seed, plan.first_seed + plan.seeds)
        for scoring in plan.scorings
    ]
    for done, (name, seed) in enumerate(steps):
        if progress is not None:
            progress(f"accounts {name} {seed}", done, len(steps))
        setting = Setting(
            scoring=scoring_named(name),
            window=plan.window, model=plan.models[0], stages=plan.stages, seed=seed,
        )  # fmt: skip
        cut = np.sort(file.time)[int(0.6 * len(file))]
        # a label that became known after the training part is not used in training
        early = replace(
            file, label=np.where((file.time < cut) & (known > cut), 0, file.label).astype(np.int8)
        )
        result = shared_ledger(prepare(early, setting), setting)
        ranking = _accounts(file, result.rows, result.score, labelled, seed)
        yield from _figures(setting, plan.models[0], True, ranking, plan.draws)
        free = replace(setting, window=plan.free_window)
        features = TransactionFeatures(free.window, free.scoring).fit(file.transfers)
        values = features.transform(file.transfers)
        chance = chance_features(features, file.transfers, seed)
        names = features.get_feature_names_out()
        score, _ = typology_scores(values, chance, names, file.source, file.target, seed=seed)
        ranking = _accounts(file, np.arange(len(file)), score, labelled, seed)
        yield from _figures(free, "typology_scores:whole_file", False, ranking, plan.draws)
    if progress is not None:
        progress("done", len(steps), len(steps))


def _accounts(
    file: LabelledFile, rows: npt.NDArray[np.int64], score: Floats, labelled: npt.NDArray[np.bool_], seed: int
) -> Ranking:
    """Rank the accounts that appear in some rows by their highest score."""
    size = len(labelled)
    best = np.full(size, -np.inf)
    case = np.zeros(size, np.int8)
    for own in (file.source[rows], file.target[rows]):
        np.maximum.at(best, own, score)
        np.maximum.at(case, own, file.label[rows])
    counted = np.flatnonzero(np.isfinite(best) & ((case == 1) | ~labelled))
    n = len(counted)
    truth = Truth(
        case[counted],
        np.full(n, -1),
        np.full(n, "", dtype=object),
        counted,
        counted,
        np.zeros(n, np.int64),
    )
    return Ranking.of(truth, best[counted], seed)


def _figures(setting: Setting, model: str, selected: bool, ranking: Ranking, draws: int) -> Iterator[Figure]:
    metrics: dict[str, Metric] = {"account_pr_auc": lambda r, w: r.pr_auc(w)}
    for budget in (0.01, 0.02, 0.05):
        share = f"{budget * 100:g}%"
        metrics[f"account_precision@{share}"] = partial(_at, Ranking.precision_at, budget)
        metrics[f"account_recall@{share}"] = partial(_at, Ranking.recall_at, budget)
        metrics[f"account_ceiling@{share}"] = partial(_at, Ranking.ceiling_at, budget)
    for metric, interval in intervals([ranking], metrics, draws=draws, seed=setting.seed).items():
        yield Figure(
            "silo", "exact", setting.scoring, "pooled", model, selected, setting.seed, metric,
            interval.value, interval.low, interval.high,
        )  # fmt: skip


def _at(
    method: Callable[[Ranking, float, Floats], float], budget: float, ranking: Ranking, weight: Floats
) -> float:
    return method(ranking, budget, weight)
