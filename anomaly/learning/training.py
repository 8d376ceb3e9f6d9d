"""Training: a challenger is trained on early decisions, calibrated on later ones, tested on the latest.

The three windows follow one another in the time of the payments, with an embargo between them, so that no
scheme is in two windows. Without a champion, the challenger must beat the ranking by typology scores, which
needs no labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from anomaly.evaluation.split import Split, split_by_time
from anomaly.learning.labels import Judgement, Labels, label
from anomaly.learning.model import Model, Reference, payments_of
from anomaly.learning.trees import Ensemble
from anomaly.models.calibration import Calibration
from anomaly.models.champion import Contest, contest
from anomaly.models.chance import chance_features
from anomaly.models.neighbourhood import NeighbourhoodClassifier, Payments
from anomaly.models.unlabelled import typology_scores
from anomaly.transactions import Scoring, TransactionFeatures
from ledger.errors import InputError
from ledger.flag import Position

__all__ = ["LABEL_FREE", "TooFewDecisionsError", "Training", "TrainingPlan", "train"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Name of the ranking that the first challenger must beat.
LABEL_FREE: Final = "typology_scores"

WINDOWS: Final = ("training", "calibration", "contest")


class TooFewDecisionsError(InputError):
    """Raised when a window has too few flags that were decided as suspicious, or as not suspicious."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Parameters of the training of a challenger.

    Attributes
    ----------
    window : int
        Seconds; the window of the features, and the embargo between the three windows.
    scoring : {"arrival", "window_close"}
        See `TransactionFeatures`.
    folds : int
        See `NeighbourhoodClassifier`.
    shares : (float, float)
        Shares of the payments in the training and the calibration window; the rest is the contest window.
    least : mapping
        Minimum number of flags decided as suspicious, and as not suspicious, in each window.
    seed : int
    """

    window: int = 7 * 86_400
    scoring: Scoring = "arrival"
    folds: int = 0
    shares: tuple[float, float] = (0.6, 0.2)
    least: Mapping[str, int] = field(default_factory=lambda: {"training": 5, "calibration": 2, "contest": 2})
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Training:
    """A challenger and the outcome of its contest.

    Attributes
    ----------
    model : Model
    contest : Contest
    incumbent : str
        The champion's hash, or `LABEL_FREE`.
    windows : dict
        Name to `Window`.
    """

    model: Model
    contest: Contest
    incumbent: str
    windows: dict[str, Window]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value that is anchored, without the model's hash."""
        return {
            "contest": {
                k: round(v, 6) if isinstance(v, float) else v for k, v in self.contest.to_json().items()
            },
            "incumbent": self.incumbent,
            "windows": {name: asdict(window) for name, window in self.windows.items()},
            "features": self.model.names,
        }


@dataclass(frozen=True, slots=True)
class Window:
    """One of the three windows: Unix seconds of its first and last payment, and its numbers.

    Attributes
    ----------
    begin, end, payments, cases : int
    suspicious, not_suspicious : int
        Number of decided flags with a payment in the window.
    """

    begin: int
    end: int
    payments: int
    cases: int
    suspicious: int
    not_suspicious: int

    def dates(self) -> str:
        """Return the dates of the window as text."""
        begin, end = (datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d") for t in (self.begin, self.end))
        return f"{begin} to {end}"


def train(
    transfers: pa.Table,
    judgements: Sequence[Judgement],
    position: Position,
    *,
    champion: tuple[str, Model] | None = None,
    plan: TrainingPlan | None = None,
) -> Training:
    """Train, calibrate and test a challenger.

    Parameters
    ----------
    transfers : pyarrow.Table
        `ledger.tables.TRANSFER`.
    judgements : sequence of Judgement
    position : Position
        Ledger position of the transfers; recorded with the model.
    champion : (hash, Model), optional
        The model to beat; without it, the typology scores.
    plan : TrainingPlan, optional

    Raises
    ------
    TooFewDecisionsError
        When a window has too few decided flags of a kind; the error names the numbers found and needed.
    InputError
        When no flag was decided, or the decided flags span too short a time.
    """
    chosen = plan or TrainingPlan()
    labels = label(transfers, judgements)
    time = transfers.column("time_low").to_numpy().astype(np.int64)
    split = _split(time, labels, chosen)
    windows = _windows(time, labels, split)
    _require(windows, chosen)
    features = TransactionFeatures(chosen.window, chosen.scoring)
    features.fit(transfers.take(pa.array(split.train)))
    payments = payments_of(transfers, features)
    stages = _fit(payments, labels, split, chosen)
    raw = stages.predict_proba(payments)[:, 1]
    calibration = Calibration().fit(raw[split.validation], labels.y[split.validation])
    probability = calibration.predict(raw)
    learnt_until = int(time[split.validation].max())
    facts = {
        "learnt_from": int(time[split.train].min()),
        "learnt_until": learnt_until,
        "windows": {name: asdict(windows[name]) for name in ("training", "calibration")},
        "position": asdict(position),
        "seed": chosen.seed,
    }
    reference = Reference.of(payments.values[split.validation], probability[split.validation], chosen.seed)
    model = Model(features, stages, calibration, reference, facts)
    if champion is None:
        incumbent, score = LABEL_FREE, _label_free(transfers, time < labels.until, features, payments, chosen)
    else:
        incumbent, score = champion[0], champion[1].judge(transfers).probability
        learnt_until = max(learnt_until, champion[1].learnt_until)
    outcome = contest(
        labels.y[split.test],
        score[split.test],
        probability[split.test],
        time[split.test],
        learnt_until,
        embargo=chosen.window,
        seed=chosen.seed,
    )
    return Training(model, outcome, incumbent, windows)


def _split(time: Ints, labels: Labels, plan: TrainingPlan) -> Split:
    """Split the labelled rows by time; the result contains row numbers of the whole table."""
    known = np.flatnonzero(labels.known)
    training, calibration = plan.shares
    try:
        own = split_by_time(time[known], embargo=plan.window, train=training, validation=calibration)
    except InputError as error:
        days = plan.window / 86_400
        raise InputError(
            f"the decided flags span too short a time for three windows {days:g} days apart",
            next_step=f"Decide on flags that span {days * 8:g} days or more.",
        ) from error
    parts = (known[own.train], known[own.validation], known[own.test])
    return Split(*parts, own.embargo, own.cuts)


def _windows(time: Ints, labels: Labels, split: Split) -> dict[str, Window]:
    found = {}
    for name, rows in zip(WINDOWS, (split.train, split.validation, split.test), strict=True):
        inside = np.zeros(len(time), np.bool_)
        inside[rows] = True
        kinds = [suspicious for own, suspicious in labels.judged if inside[own].any()]
        begin, end = int(time[rows].min()), int(time[rows].max())
        cases = int(labels.y[rows].sum())
        found[name] = Window(begin, end, len(rows), cases, sum(kinds), len(kinds) - sum(kinds))
    return found


def _require(windows: Mapping[str, Window], plan: TrainingPlan) -> None:
    short = [
        f"{name} ({window.dates()}) needs {least} suspicious and {least} not suspicious, "
        f"has {window.suspicious} and {window.not_suspicious}"
        for name, window in windows.items()
        if min(window.suspicious, window.not_suspicious) < (least := plan.least[name])
    ]
    if short:
        raise TooFewDecisionsError(
            "there are too few decided flags to learn from",
            where="; ".join(short),
            next_step="Decide on more flags of those days: `counterfoil flag list --undecided`, "
            "then `counterfoil flag decide`.",
        )


def _fit(payments: Payments, labels: Labels, split: Split, plan: TrainingPlan) -> NeighbourhoodClassifier:
    stages = NeighbourhoodClassifier(window=plan.window, folds=plan.folds, random_state=plan.seed)
    # one thread: with several, OpenMP threads wait for each other when the desk's processors are busy
    with threadpool_limits(1, user_api="openmp"):
        stages.fit(payments, labels.y, split.train)
    # replace the fitted estimators by plain arrays
    stages.second_ = Ensemble.of(stages.second_.estimator_)
    if stages.first_ is not None:
        stages.first_ = Ensemble.of(stages.first_.estimator_)
    return stages


def _label_free(
    transfers: pa.Table,
    known: npt.NDArray[np.bool_],
    features: TransactionFeatures,
    payments: Payments,
    plan: TrainingPlan,
) -> Floats:
    """Return the typology scores of the known rows, and zero for the other rows."""
    rows = np.flatnonzero(known)
    chance = chance_features(features, transfers.take(pa.array(rows)), plan.seed)
    score = np.zeros(transfers.num_rows)
    names = features.get_feature_names_out()
    ends = (payments.source[rows], payments.target[rows])
    score[rows], _ = typology_scores(payments.values[rows], chance, names, *ends, seed=plan.seed)
    return score
