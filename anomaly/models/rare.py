"""Learning from rare cases: all cases, and a sample of the other rows that is weighted to their number."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data

__all__ = ["MODELS", "RareEventClassifier", "make_model"]

Floats = npt.NDArray[np.float64]


class RareEventClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Fit a classifier on every case and on a sample of the other rows, weighted to their full number.

    Laundering is rare, and a sample is nearly as informative about ordinary payments as all of them. The
    weights keep the probabilities on the scale of the full data.

    Parameters
    ----------
    estimator : classifier, optional
        Must accept `sample_weight`; by default the tuned gradient boosting.
    ratio : float
        Number of other rows per case. The rarer class counts as the cases.
    least : int
        Minimum number of other rows, even if there are few cases.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : (2,) array
    estimator_ : classifier
    """

    def __init__(
        self,
        estimator: Any = None,
        ratio: float = 40.0,
        least: int = 20_000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.ratio = ratio
        self.least = least
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803  # scikit-learn's name
        """Draw the sample and fit.

        Raises
        ------
        ValueError
            When the rows do not contain two classes.
        """
        X, y = validate_data(self, X, y, ensure_all_finite="allow-nan" if self._takes_nan() else True)  # noqa: N806
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, code = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("The training rows hold one class only; two are needed.")
        random = check_random_state(self.random_state)
        counts = np.bincount(code)
        rare = int(np.argmin(counts)) if counts[0] != counts[1] else 1
        cases, others = np.flatnonzero(code == rare), np.flatnonzero(code != rare)
        size = min(len(others), max(int(self.ratio * len(cases)), self.least, 1))
        if size < len(others):
            others = np.sort(random.choice(others, size, replace=False))
        rows = np.sort(np.append(cases, others))
        weight = np.where(code[rows] == rare, 1.0, float(counts[1 - rare]) / size)
        model = clone(self.estimator) if self.estimator is not None else tuned()
        if "random_state" in model.get_params():
            model.set_params(random_state=random.randint(np.iinfo(np.int32).max))
        self.estimator_ = model.fit(np.asarray(X)[rows], np.asarray(y)[rows], sample_weight=weight)
        return self

    def predict_proba(self, X: npt.ArrayLike) -> Floats:  # noqa: N803
        """Return (rows, 2) probabilities."""
        check_is_fitted(self)
        nan = "allow-nan" if self._takes_nan() else True
        X = validate_data(self, X, reset=False, ensure_all_finite=nan)  # noqa: N806
        return np.asarray(self.estimator_.predict_proba(X), dtype=np.float64)

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:  # noqa: N803
        """Return the more probable class of each row."""
        check_is_fitted(self)
        return np.asarray(self.classes_[np.argmax(self.predict_proba(X), axis=1)])

    def _takes_nan(self) -> bool:
        return self.estimator is None or isinstance(self.estimator, HistGradientBoostingClassifier)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = self._takes_nan()
        return tags


def tuned() -> HistGradientBoostingClassifier:
    """Return the default: histogram gradient boosting; each split chooses among 30 % of the features."""
    return HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.08,
        max_leaf_nodes=31,
        min_samples_leaf=20,
        l2_regularization=1.0,
        max_features=0.3,
        early_stopping=False,
    )


def _forest() -> RandomForestClassifier:
    return RandomForestClassifier(n_estimators=500, max_depth=10, min_samples_leaf=5, n_jobs=1)


def _boosting() -> GradientBoostingClassifier:
    return GradientBoostingClassifier(n_estimators=200, max_depth=6, min_samples_leaf=10, learning_rate=0.1)


#: Models by name: the tuned default, and the reference settings of the literature.
MODELS = {"boosted": tuned, "random_forest": _forest, "gradient_boosting": _boosting}


def make_model(name: str, seed: int) -> RareEventClassifier:
    """Return a classifier of `MODELS` that is trained on all cases and a sample of the other rows."""
    return RareEventClassifier(MODELS[name](), random_state=seed)
