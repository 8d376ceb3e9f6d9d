"""The trained model: from transfers to calibrated probabilities, stored completely as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomaly.graph import TemporalGraph
from anomaly.learning.trees import Ensemble
from anomaly.models.calibration import Calibration
from anomaly.models.neighbourhood import NeighbourhoodClassifier, Payments
from anomaly.transactions import TransactionFeatures
from anomaly.transactions.features import Scoring, describe
from anomaly.transactions.neighbours import NEIGHBOUR_COLUMNS
from anomaly.transactions.passing import AmountShares
from ledger.documents import Count, Document
from ledger.errors import VerificationError
from ledger.transfers.table import as_transfers

__all__ = ["FORMAT", "MEANING", "Judged", "Model", "ModelDocument", "Reference", "payments_of"]

FORMAT: Final = "counterfoil/model/1"

Floats = npt.NDArray[np.float64]

#: Inputs of the second stage in addition to the features.
_SECOND: Final = (
    "first_score",
    *(name for name, _, _ in NEIGHBOUR_COLUMNS),
    *(f"long_{name}" for name, _, _ in NEIGHBOUR_COLUMNS),
)

#: Feature to its meaning.
MEANING: Final[dict[str, str]] = {column.name: column.meaning for column in describe("window_close")} | {
    name: meaning for name, meaning, _ in NEIGHBOUR_COLUMNS
}

#: Rows of the calibration window that are kept for comparison with later rows.
REFERENCE_ROWS: Final = 5_000


class ModelDocument(Document, tag_field="format", tag=FORMAT):
    """What a model is beside its arrays, in JSON.

    Attributes
    ----------
    levels : list
        Each currency's code, mean log amount, and share of payments.
    calibration : tuple
        Slope, intercept, prior.
    """

    facts: dict[str, Any]
    features: list[str]
    window: Count
    scoring: Scoring
    levels: list[tuple[Count, float, float]]
    calibration: tuple[float, float, float]
    stages: Literal[1, 2]


def payments_of(transfers: pa.Table, features: TransactionFeatures) -> Payments:
    """Return the features of transfers, row for row, with the accounts and times that define neighbours."""
    table = as_transfers(transfers)
    graph = TemporalGraph.from_transfers(table)
    source, target, time = (np.empty(graph.edges, np.int64) for _ in range(3))
    source[graph.row], target[graph.row], time[graph.row] = graph.src, graph.dst, graph.t_low
    ahead = np.array([column.ahead for column in features.columns_], dtype=np.bool_)
    return Payments(features.transform(table), ahead, source, target, time)


@dataclass(frozen=True, eq=False)
class Judged:
    """A model's result: features, input of the last stage, times and calibrated probabilities."""

    values: npt.NDArray[np.float32]
    read: npt.NDArray[np.float32]
    time: npt.NDArray[np.int64]
    probability: Floats


@dataclass(frozen=True, eq=False)
class Reference:
    """Distribution of features and probabilities when the model was calibrated.

    Each column is sorted separately, so that it shows the distribution but contains no row of a payment.

    Attributes
    ----------
    values : (rows, features) float32
    probability : (rows,) float64
    """

    values: npt.NDArray[np.float32]
    probability: Floats

    @classmethod
    def of(cls, values: npt.NDArray[np.float32], probability: Floats, seed: int = 0) -> Self:
        """Take a sample of rows and sort each column."""
        rows = np.arange(len(values))
        if len(rows) > REFERENCE_ROWS:
            rows = np.random.default_rng(seed).choice(rows, REFERENCE_ROWS, replace=False)
        return cls(np.sort(values[rows], axis=0), np.sort(probability[rows]))


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted model.

    Attributes
    ----------
    features : TransactionFeatures
    stages : NeighbourhoodClassifier
        Its estimators are `Ensemble`.
    calibration : Calibration
    reference : Reference
    facts : mapping
        JSON: `learnt_from`, `learnt_until` (Unix seconds of the first and last row used for training or
        calibration), and other facts recorded at training.
    """

    features: TransactionFeatures
    stages: NeighbourhoodClassifier
    calibration: Calibration
    reference: Reference
    facts: Mapping[str, Any]

    @property
    def learnt_until(self) -> int:
        """Unix seconds of the last row used for training or calibration."""
        return int(self.facts["learnt_until"])

    @property
    def names(self) -> list[str]:
        """Names of the features, in order."""
        return [str(name) for name in self.features.get_feature_names_out()]

    def judge(self, transfers: pa.Table) -> Judged:
        """Return the probability of each transfer, in the order of the table."""
        payments = payments_of(transfers, self.features)
        read = self.stages.read(payments)
        probability = self.calibration.predict(self.stages.second_.predict_proba(read)[:, 1])
        return Judged(payments.values, read, payments.time, probability)

    def reasons(self, judged: Judged, row: int, *, most: int = 3) -> dict[str, float]:
        """Return the features with the largest contributions to one transfer, in calibrated log odds."""
        names = [*self.names, *_SECOND]
        added = self.stages.second_.contributions(judged.read[row]) * self.calibration.slope_
        order = np.lexsort((np.arange(len(added)), -np.abs(added)))[:most]
        return {names[i]: round(float(added[i]), 2) for i in order.tolist() if added[i]}

    def to_arrays(self) -> tuple[ModelDocument, dict[str, npt.NDArray[Any]]]:
        """Return what is stored: a document, and arrays by name."""
        document = ModelDocument(
            facts=dict(self.facts),
            features=self.names,
            window=self.features.window,
            scoring=self.features.scoring,
            levels=[
                (int(c), self.features.middle_[c], self.features.common_[c]) for c in self.features.middle_
            ],
            calibration=(self.calibration.slope_, self.calibration.intercept_, self.calibration.prior_),
            stages=1 if self.stages.first_ is None else 2,
        )
        parts = {"second": self.stages.second_} | (
            {"first": self.stages.first_} if document.stages == 2 else {}
        )
        arrays = {
            f"{part}.{n}": array for part, trees in parts.items() for n, array in trees.to_arrays().items()
        }
        arrays["shares"] = self.features.shares_.cumulative
        arrays["reference.values"] = self.reference.values
        arrays["reference.probability"] = self.reference.probability
        return document, arrays

    @classmethod
    def from_arrays(cls, document: ModelDocument, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Rebuild a model.

        Raises
        ------
        VerificationError
            When a part is missing, or this version computes other features.
        """
        features = TransactionFeatures(document.window, document.scoring)
        features.columns_ = describe(features.scoring, features.graph)
        features.n_features_out_ = len(features.columns_)
        features.middle_ = {code: middle for code, middle, _ in document.levels}
        features.common_ = {code: share for code, _, share in document.levels}
        features.shares_ = AmountShares(np.zeros(0))
        calibration = Calibration()
        calibration.slope_, calibration.intercept_, calibration.prior_ = document.calibration
        stages = NeighbourhoodClassifier(window=features.window)
        stages.classes_ = np.array([0, 1])
        stages.first_ = None if document.stages == 1 else Ensemble.from_arrays(_part(arrays, "first"))
        stages.second_ = Ensemble.from_arrays(_part(arrays, "second"))
        try:
            features.shares_.cumulative = arrays["shares"]
            reference = Reference(arrays["reference.values"], arrays["reference.probability"])
        except KeyError as error:
            raise VerificationError(f"the model is malformed: it lacks the array {error}") from error
        known = document.facts.get("learnt_until")
        if type(known) is not int or known < 0:
            raise VerificationError("the model is malformed: it does not say until when it learnt")
        model = cls(features, stages, calibration, reference, document.facts)
        learnt = document.features
        if learnt != model.names:
            raise VerificationError(
                "the model was trained on other features than this version computes",
                expected=f"{len(learnt)} features",
                got=f"{len(model.names)} features, {len(set(model.names) & set(learnt))} of them the same",
                next_step="Use the version that trained it, or train again: `counterfoil desk train`.",
            )
        return model


def _part(arrays: Mapping[str, npt.NDArray[Any]], part: str) -> dict[str, npt.NDArray[Any]]:
    prefix = part + "."
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
