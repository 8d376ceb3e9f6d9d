"""A model in two stages: the second stage reads the first stage's scores of each payment's neighbours.

The first stage's scores of the training rows are out-of-fold: the training time is split into blocks, and
each block is scored by a model trained on the other blocks, with one window left out on both sides. The first
stage uses only features known on arrival, so the second stage looks no further ahead than its own features.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from anomaly.models.rare import make_model
from anomaly.transactions.neighbours import neighbour_scores
from ledger.errors import InputError

__all__ = ["NeighbourhoodClassifier", "Payments"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Payments:
    """Features of payments, with the accounts and times that determine which payments are neighbours.

    Attributes
    ----------
    values : (n, features) float32
    ahead : (features,) bool
        Which features are known only after the window has closed.
    source, target : (n,) int64
        Numbers of the accounts; used to find neighbours, never as features.
    time : (n,) int64
        Seconds, lower ends.
    """

    values: npt.NDArray[np.float32]
    ahead: npt.NDArray[np.bool_]
    source: Ints
    target: Ints
    time: Ints

    def __len__(self) -> int:
        return len(self.time)


class NeighbourhoodClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of two stages over `Payments`.

    Parameters
    ----------
    model : str
        Name in `anomaly.models.rare.MODELS`.
    window : int
        Seconds; the same as for the features.
    folds : int
        Number of blocks of training time for the first stage; 0: one stage only.
    random_state : int
    """

    def __init__(
        self,
        model: str = "boosted",
        window: int = 7 * 86_400,
        folds: int = 4,
        random_state: int = 0,
    ) -> None:
        self.model = model
        self.window = window
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: Payments, y: npt.NDArray[np.int8], rows: Ints) -> Self:  # noqa: N803
        """Learn from the given rows; labels of other rows are not used.

        Parameters
        ----------
        X : Payments
            The training rows and the rows around them, whose features are part of the neighbourhood.
        y : (n,) int8
        rows : int64
            Numbers of the training rows.

        Raises
        ------
        InputError
            When the training rows do not contain both classes.
        """
        if len(np.unique(y[rows])) < 2:
            raise InputError(
                "the training rows contain one class only",
                next_step="Add labelled payments of the other class, or use the scores of "
                "`anomaly.models.unlabelled`, which need no labels.",
            )
        self.classes_ = np.array([0, 1])
        self.first_: Any = None
        values = X.values
        if self.folds:
            known = values[:, ~X.ahead]
            self.first_ = self._new(0).fit(known[rows], y[rows])
            score = self.first_.predict_proba(known)[:, 1]
            score = self._out_of_fold(X, known, y, rows, score)
            values = self._second(X, score)
        self.second_ = self._new(1).fit(values[rows], y[rows])
        return self

    def predict_proba(self, X: Payments) -> Floats:  # noqa: N803
        """Return (n, 2) probabilities, which are not calibrated."""
        check_is_fitted(self, "second_")
        return np.asarray(self.second_.predict_proba(self.read(X)), dtype=np.float64)

    def read(self, X: Payments) -> npt.NDArray[np.float32]:  # noqa: N803
        """Return the input of the last stage: the features and, with two stages, the first stage's scores."""
        if self.first_ is None:
            return X.values
        return self._second(X, self.first_.predict_proba(X.values[:, ~X.ahead])[:, 1])

    def _new(self, stage: int) -> Any:
        return make_model(self.model, self.random_state * 2 + stage)

    def _out_of_fold(
        self,
        payments: Payments,
        known: npt.NDArray[np.float32],
        y: npt.NDArray[np.int8],
        rows: Ints,
        score: Floats,
    ) -> Floats:
        """Replace the scores of the training time by out-of-fold scores, block by block."""
        score = score.copy()
        time = payments.time
        edges = np.quantile(time[rows], np.linspace(0, 1, self.folds + 1))
        for low, high in pairwise(edges.tolist()):
            last = high == edges[-1]
            block = (time >= low) & ((time < high) | (last & (time <= high)))
            apart = rows[(time[rows] < low - self.window) | (time[rows] > high + self.window)]
            if len(np.unique(y[apart])) < 2:
                score[block] = float(np.mean(y[rows]))  # one class only: use the prior
                continue
            score[block] = self._new(0).fit(known[apart], y[apart]).predict_proba(known[block])[:, 1]
        return score

    def _second(self, payments: Payments, score: Floats) -> npt.NDArray[np.float32]:
        ahead = self.window if payments.ahead.any() else 0
        ends = (payments.source, payments.target, payments.time)
        near = neighbour_scores(*ends, score, self.window, ahead)
        far = neighbour_scores(*ends, score, 4 * self.window, 0)
        return np.hstack([payments.values, score[:, None].astype(np.float32), near, far])
