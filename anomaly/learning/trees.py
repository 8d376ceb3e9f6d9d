"""Boosted trees as plain arrays: stored as data, evaluated without the library that trained them.

A pickled model runs code when it is loaded and needs the library version that wrote it. Here a model is a
table of nodes, and the replay of a flag years later needs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier

from anomaly.kernels.jit import jit
from ledger.errors import VerificationError

__all__ = ["Ensemble"]

Floats = npt.NDArray[np.float64]

#: Arrays by name, with their types: one entry per node; `first` has one entry per tree.
_COLUMNS: dict[str, Any] = {
    "first": np.int64,
    "feature": np.int32,
    "threshold": np.float64,
    "missing_left": np.bool_,
    "left": np.int32,
    "right": np.int32,
    "value": np.float64,
    "leaf": np.bool_,
}


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Trees; the sum of the reached leaves is the log odds.

    Attributes
    ----------
    features : int
    baseline : float
        Log odds before the first tree.
    nodes : dict of str to array
        `first`: the first node of each tree. Per node: `feature` and `threshold` (values up to it go left),
        `missing_left`, `left` and `right` (counted from the tree's first node), `leaf`, and `value`, which a
        leaf adds.
    """

    features: int
    baseline: float
    nodes: Mapping[str, npt.NDArray[Any]]

    @classmethod
    def of(cls, model: HistGradientBoostingClassifier) -> Self:
        """Copy the trees of a fitted binary classifier without categorical features."""
        trees = [stage[0].nodes for stage in model._predictors]
        rows = np.concatenate(trees)
        names = {"feature": "feature_idx", "threshold": "num_threshold", "missing_left": "missing_go_to_left"}
        names |= {name: name for name in ("left", "right", "value")} | {"leaf": "is_leaf"}
        nodes = {name: rows[source].astype(_COLUMNS[name]) for name, source in names.items()}
        # an inner node's value is the mean of its subtree; scale it like the values of the leaves
        nodes["value"] = np.where(nodes["leaf"], nodes["value"], nodes["value"] * model.learning_rate)
        nodes["first"] = np.cumsum([0, *map(len, trees[:-1])]).astype(np.int64)
        return cls(int(model.n_features_in_), float(model._baseline_prediction.ravel()[0]), nodes)

    def log_odds(self, values: npt.NDArray[np.floating[Any]]) -> Floats:
        """Return the log odds of each row of (rows, features)."""
        n = self.nodes
        total = np.full(len(values), self.baseline)
        _add(
            np.ascontiguousarray(values, np.float64), n["first"], n["feature"], n["threshold"],
            n["missing_left"], n["left"], n["right"], n["value"], n["leaf"], total,
        )  # fmt: skip
        return total

    def contributions(self, row: npt.NDArray[np.floating[Any]]) -> Floats:
        """Return each feature's contribution to the log odds of one row: changes of value along its paths.

        References
        ----------
        Saabas, "Interpreting random forests", 2014; Palczewska et al., "Interpreting random forest
        classification models using a feature contribution method", 2014.
        """
        n = self.nodes
        added = np.zeros(self.features)
        for root in n["first"].tolist():
            node = root
            while not n["leaf"][node]:
                feature = int(n["feature"][node])
                x = float(row[feature])
                go_left = n["missing_left"][node] if np.isnan(x) else x <= n["threshold"][node]
                child = root + int(n["left" if go_left else "right"][node])
                added[feature] += n["value"][child] - n["value"][node]
                node = child
        return added

    def predict_proba(self, values: npt.NDArray[np.floating[Any]]) -> Floats:
        """Return (rows, 2) probabilities, equal to those of the classifier."""
        p = 1.0 / (1.0 + np.exp(-self.log_odds(values)))
        return np.stack((1.0 - p, p), axis=1)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the stored arrays."""
        return {"shape": np.array([self.features, self.baseline]), **self.nodes}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Read the stored arrays.

        Raises
        ------
        VerificationError
            When a type or a length is wrong, or a node points outside its tree.
        """
        try:
            features, baseline = (float(v) for v in arrays["shape"])
            nodes = {name: np.ascontiguousarray(arrays[name]) for name in _COLUMNS}
        except (KeyError, ValueError) as error:
            raise VerificationError(f"the stored trees are malformed: {error!r}") from error
        size = len(nodes["leaf"])
        first = nodes["first"]
        typed = all(nodes[name].dtype == kind and nodes[name].ndim == 1 for name, kind in _COLUMNS.items())
        ends = np.diff(np.append(first, size)) if typed and len(first) else np.zeros(1, np.int64)
        whole = typed and first[0] == 0 and bool(np.all(ends > 0))
        whole = whole and all(len(array) == size for name, array in nodes.items() if name != "first")
        if whole:
            # each child comes after its parent and inside its tree, so every path ends
            place = np.arange(size) - np.repeat(first, ends)
            last = np.repeat(ends, ends)
            inner = ~nodes["leaf"]
            for side in ("left", "right"):
                child = nodes[side][inner]
                whole = whole and bool(np.all((child > place[inner]) & (child < last[inner])))
            used = nodes["feature"][inner]
            whole = whole and bool(np.all((used >= 0) & (used < features)))
        if not whole:
            raise VerificationError("the stored trees are malformed: a node points outside its tree")
        return cls(int(features), baseline, nodes)


@jit
def _add(
    values: Floats,
    first: npt.NDArray[np.int64],
    feature: npt.NDArray[np.int32],
    threshold: Floats,
    missing_left: npt.NDArray[np.bool_],
    left: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    value: Floats,
    leaf: npt.NDArray[np.bool_],
    total: Floats,
) -> None:
    for row in range(len(values)):
        for tree in range(len(first)):
            root = first[tree]
            node = root
            while not leaf[node]:
                x = values[row, feature[node]]
                go_left = missing_left[node] if np.isnan(x) else x <= threshold[node]
                node = root + (left[node] if go_left else right[node])
            total[row] += value[node]
