"""Trees as arrays answer as the classifier did, and what is no tree is refused before it is walked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from anomaly.learning.trees import Ensemble
from ledger.errors import VerificationError


def _fitted(
    seed: int, rows: int = 150, features: int = 5
) -> tuple[HistGradientBoostingClassifier, np.ndarray]:
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, features)).round(1)
    values[random.random(values.shape) < 0.1] = np.nan
    y = (np.nan_to_num(values[:, 0]) + random.normal(size=rows) > 0).astype(int)
    y[:2] = 0, 1
    return HistGradientBoostingClassifier(max_iter=8, min_samples_leaf=5).fit(values, y), values


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_probabilities_equal_the_classifiers(seed: int) -> None:
    model, values = _fitted(seed)
    later = np.random.default_rng(seed + 1).normal(size=(50, values.shape[1])) * 3
    later[0] = np.nan
    ensemble = Ensemble.from_arrays(Ensemble.of(model).to_arrays())
    for rows in (values, later, values[:0]):
        expected = model.predict_proba(rows) if len(rows) else np.zeros((0, 2))
        np.testing.assert_allclose(ensemble.predict_proba(rows), expected, rtol=0, atol=1e-12)


_NAMES = ("left", "right", "feature", "first", "leaf", "value", "threshold")


def test_contributions_and_the_baseline_add_up_to_the_log_odds() -> None:
    model, values = _fitted(7)
    ensemble = Ensemble.of(model)
    roots = float(ensemble.nodes["value"][ensemble.nodes["first"]].sum())
    for row, odds in zip(values[:20], ensemble.log_odds(values[:20]), strict=True):
        assert ensemble.baseline + roots + ensemble.contributions(row).sum() == pytest.approx(odds)
    used = np.abs([ensemble.contributions(row) for row in values]).mean(axis=0)
    assert used.argmax() == 0  # the one that decides


@pytest.mark.parametrize(
    ("harm", "name"),
    [("point away", name) for name in _NAMES[:4]]
    + [("shorten", name) for name in _NAMES if name != "first"]
    + [(harm, name) for harm in ("other type", "leave out") for name in _NAMES],
)
def test_what_is_no_tree_is_refused(harm: str, name: str) -> None:
    model, _ = _fitted(3, rows=120)
    arrays = dict(Ensemble.of(model).to_arrays())
    if harm == "point away":
        arrays[name] = arrays[name].copy()
        arrays[name][0] = 10**6
    elif harm == "shorten":
        arrays[name] = arrays[name][:-1]
    elif harm == "other type":
        arrays[name] = arrays[name].astype(np.float32)
    else:
        del arrays[name]
    with pytest.raises(VerificationError):
        Ensemble.from_arrays(arrays)


def test_a_walk_that_would_not_end_is_refused() -> None:
    model, _ = _fitted(4)
    arrays = dict(Ensemble.of(model).to_arrays())
    arrays["left"] = arrays["left"].copy()
    arrays["left"][1 if not arrays["leaf"][1] else 0] = 0  # back to the root
    with pytest.raises(VerificationError, match="outside its tree"):
        Ensemble.from_arrays(arrays)
