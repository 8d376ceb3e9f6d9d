"""Calibration of scores to probabilities, and adjustment of probabilities to an expected share of cases."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from ledger.errors import InputError

__all__ = ["Calibration", "shift_prior"]

Floats = npt.NDArray[np.float64]

_LEAST = 1e-9


class Calibration(BaseEstimator):  # type: ignore[misc]
    """Learn on validation rows how to turn scores into probabilities; the order of the scores stays the same.

    Attributes
    ----------
    slope_, intercept_ : float
        Slope and intercept of the logistic curve over log odds.
    prior_ : float
        Share of cases among the validation rows.

    References
    ----------
    Platt, "Probabilistic outputs for support vector machines", 1999, with his targets against overfitting.
    """

    def fit(self, score: Floats, y: npt.NDArray[np.int8]) -> Self:
        """Fit the curve.

        Parameters
        ----------
        score : (n,) float64
            In [0, 1], from rows that the model was not trained on.
        y : (n,) int8

        Raises
        ------
        InputError
            When the rows do not contain both classes.
        """
        cases = int(np.sum(y))
        others = len(y) - cases
        if not cases or not others:
            raise InputError(
                "the validation rows contain one class only",
                next_step="Use a validation window that contains cases and other rows.",
            )
        odds = _log_odds(np.asarray(score, np.float64))[:, None]
        # Platt's targets: each row counts for its own class and, with a small weight, for the other
        share_case, share_other = (cases + 1) / (cases + 2), 1 / (others + 2)
        share = np.where(np.asarray(y) == 1, share_case, share_other)
        curve = LogisticRegression(C=1e6, max_iter=1_000).fit(
            np.vstack((odds, odds)),
            np.repeat([1, 0], len(y)),
            sample_weight=np.concatenate((share, 1 - share)),
        )
        # a falling curve would reverse the ranking: then return the prior for every score
        self.slope_ = max(float(curve.coef_[0, 0]), 0.0)
        self.prior_ = cases / len(y)
        falling = float(np.log(self.prior_ / (1 - self.prior_)))
        self.intercept_ = float(curve.intercept_[0]) if self.slope_ > 0 else falling
        return self

    def predict(self, score: Floats) -> Floats:
        """Return the probability of each score."""
        check_is_fitted(self, "slope_")
        odds = self.slope_ * _log_odds(np.asarray(score, np.float64)) + self.intercept_
        return np.asarray(1.0 / (1.0 + np.exp(-odds)))


def shift_prior(probability: Floats, *, learnt: float, expected: float) -> Floats:
    """Return the probabilities for a population with another share of cases.

    Parameters
    ----------
    probability : (n,) float64
        Calibrated on a population in which the share of cases was `learnt`.
    learnt, expected : float
        Shares strictly between 0 and 1.

    References
    ----------
    Saerens, Latinne, Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities",
    Neural Computation 14 (2002), eq. 4.
    """
    for value in (learnt, expected):
        if not 0.0 < value < 1.0:
            raise InputError(f"the share of cases is {value}, but must be between 0 and 1")
    p = np.asarray(probability, np.float64)
    case, other = p * expected / learnt, (1.0 - p) * (1.0 - expected) / (1.0 - learnt)
    return np.asarray(case / (case + other))


def _log_odds(score: Floats) -> Floats:
    inside = np.clip(score, _LEAST, 1.0 - _LEAST)
    return np.asarray(np.log(inside / (1.0 - inside)))
