"""A model in two stages: the second sees what the first thinks of each payment's neighbours.

The first stage's scores of the training rows come from models that did not learn from those rows: the
training time is cut into blocks, each scored by a model of the others, with one window left out on either
side. The first stage only knows what is known on arrival, so the second never looks further ahead than its
own features do.
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
    """Features of payments, and what is needed to know which are neighbours.

    Attributes
    ----------
    values : (n, features) float32
    ahead : (features,) bool
        Which features are known only when the window has closed.
    source, target : (n,) int64
        Numbers of the accounts; they say who is next to whom and are never features.
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
    """Two stages over `Payments`.

    Parameters
    ----------
    model : str
        Name in `anomaly.models.rare.MODELS`.
    window : int
        Seconds, as of the features.
    folds : int
        Blocks of training time for the first stage; 0: one stage only.
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
        """Learn from some rows; labels of other rows are not looked at.

        Parameters
        ----------
        X : Payments
            The training rows and those around them, which lend their features to the neighbourhood.
        y : (n,) int8
        rows : int64
            Which rows to learn from.

        Raises
        ------
        InputError
            When the rows do not hold both classes.
        """
        if len(np.unique(y[rows])) < 2:
            raise InputError(
                "the training rows hold one class only",
                next_step="A model needs payments of both kinds; without labels use `UnlabelledScores`.",
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
        """Return (n, 2) probabilities; not calibrated."""
        check_is_fitted(self, "second_")
        return np.asarray(self.second_.predict_proba(self.read(X)), dtype=np.float64)

    def read(self, X: Payments) -> npt.NDArray[np.float32]:  # noqa: N803
        """Return what the last stage reads: the features, and with two stages what the first says of them."""
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
        """Replace the scores of the training time by those of models that did not learn from that block."""
        score = score.copy()
        time = payments.time
        edges = np.quantile(time[rows], np.linspace(0, 1, self.folds + 1))
        for low, high in pairwise(edges.tolist()):
            last = high == edges[-1]
            block = (time >= low) & ((time < high) | (last & (time <= high)))
            apart = rows[(time[rows] < low - self.window) | (time[rows] > high + self.window)]
            if len(np.unique(y[apart])) < 2:
                score[block] = float(np.mean(y[rows]))  # nothing to learn from: the prior
                continue
            score[block] = self._new(0).fit(known[apart], y[apart]).predict_proba(known[block])[:, 1]
        return score

    def _second(self, payments: Payments, score: Floats) -> npt.NDArray[np.float32]:
        ahead = self.window if payments.ahead.any() else 0
        ends = (payments.source, payments.target, payments.time)
        near = neighbour_scores(*ends, score, self.window, ahead)
        far = neighbour_scores(*ends, score, 4 * self.window, 0)
        return np.hstack([payments.values, score[:, None].astype(np.float32), near, far])
