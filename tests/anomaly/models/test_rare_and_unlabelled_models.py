"""Estimators: the library's own checks, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from anomaly.models.neighbourhood import NeighbourhoodClassifier, Payments
from anomaly.models.rare import MODELS, RareEventClassifier, make_model
from anomaly.models.unlabelled import IsolationScores, typology_scores
from anomaly.transactions import TransactionFeatures
from ledger.errors import InputError

DAY = 86_400


@parametrize_with_checks(
    [RareEventClassifier(LogisticRegression(), random_state=0), IsolationScores(trees=20, random_state=0)]
)
def test_scikit_learn_s_own_checks(estimator, check) -> None:
    check(estimator)


def test_the_reference_settings_are_those_of_the_literature() -> None:
    forest, boosting = MODELS["random_forest"](), MODELS["gradient_boosting"]()
    assert (forest.n_estimators, forest.max_depth, forest.min_samples_leaf) == (500, 10, 5)
    assert (boosting.n_estimators, boosting.max_depth) == (200, 6)
    assert (boosting.min_samples_leaf, boosting.learning_rate) == (10, 0.1)


def test_the_sample_keeps_probabilities_on_the_scale_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30_000, 1))
    y = (rng.random(30_000) < 1 / (1 + np.exp(6 - 1.5 * x[:, 0]))).astype(int)
    model = RareEventClassifier(LogisticRegression(), ratio=5, least=0, random_state=0).fit(x, y)
    assert model.predict_proba(x)[:, 1].mean() == pytest.approx(y.mean(), rel=0.15)


def test_a_model_by_name_finds_rare_cases_and_repeats_itself() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3_000, 4))
    y = ((x[:, 0] > 1.6) & (x[:, 1] > 0)).astype(int)
    scores = [make_model("boosted", seed).fit(x, y).predict_proba(x)[:, 1] for seed in (0, 0, 1)]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])
    assert scores[0][y == 1].mean() > 10 * scores[0][y == 0].mean()


def ring_payments(seed: int, n: int = 3_000):
    """Cases are payments of a few accounts; a payment itself hardly tells, its neighbours do."""
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, 300, n), rng.integers(0, 300, n)
    guilty = (source < 30) & (target < 30)
    guilty |= (source < 12) & (rng.random(n) < 0.7)
    time = np.sort(rng.integers(0, 60 * DAY, n))
    hint = rng.normal(size=n) + 1.2 * guilty
    values = np.stack([hint, rng.normal(size=n)], axis=1).astype(np.float32)
    return Payments(values, np.zeros(2, bool), source, target, time), guilty.astype(np.int8)


def test_the_second_stage_profits_from_neighbours() -> None:
    payments, y = ring_payments(0, n=9_000)
    train = np.flatnonzero(payments.time < 40 * DAY)
    late = payments.time > 42 * DAY
    found = []
    for folds in (0, 3):
        model = NeighbourhoodClassifier(window=7 * DAY, folds=folds, random_state=1).fit(payments, y, train)
        found.append(average_precision_score(y[late], model.predict_proba(payments)[:, 1][late]))
    assert found[1] > found[0] + 0.1


def test_labels_outside_the_training_rows_are_not_read() -> None:
    payments, y = ring_payments(2, n=1_500)
    train = np.flatnonzero(payments.time < 40 * DAY)
    turned = y.copy()
    turned[payments.time >= 40 * DAY] = 1 - turned[payments.time >= 40 * DAY]
    scores = [
        NeighbourhoodClassifier(folds=2, random_state=0).fit(payments, labels, train).predict_proba(payments)
        for labels in (y, turned)
    ]
    assert np.array_equal(*scores)


def test_one_class_is_an_error_with_a_way_out() -> None:
    payments, y = ring_payments(3, n=200)
    with pytest.raises(InputError, match="one class"):
        NeighbourhoodClassifier().fit(payments, y * 0, np.arange(100))
    with pytest.raises(ValueError, match="one class"):
        RareEventClassifier(RandomForestClassifier(5)).fit([[0.0], [1.0]], [1, 1])


def test_typology_scores_put_a_planted_group_first(transfers) -> None:
    rng = np.random.default_rng(4)
    rows = [
        {"src": f"a{rng.integers(300)}", "dst": f"a{rng.integers(300)}", "t": int(rng.integers(60 * DAY))}
        for _ in range(900)
    ]
    group = [
        {"src": f"a{i}", "dst": f"a{20 + j}", "t": 30 * DAY + i * 60} for i in range(4) for j in range(4)
    ]
    shuffled = [
        dict(r, dst=d["dst"]) for r, d in zip(rows + group, rng.permutation(rows + group), strict=True)
    ]
    features = TransactionFeatures(7 * DAY, "window_close").fit(transfers(rows + group))
    names = {
        name: i
        for i, name in enumerate(sorted({r["src"] for r in rows + group} | {r["dst"] for r in rows + group}))
    }
    source = np.array([names[r["src"]] for r in rows + group])
    target = np.array([names[r["dst"]] for r in rows + group])
    score, by_typology = typology_scores(
        features.transform(transfers(rows + group)),
        features.transform(transfers(shuffled)),
        features.get_feature_names_out(),
        source,
        target,
    )
    top = np.argsort(-by_typology["bipartite"], kind="stable")[:12]
    # of the 916 payments 16 were planted; once each of their accounts was alerted, others may come between
    assert (top[:2] >= 900).all()
    assert (top >= 900).mean() > 0.6
    assert score.shape == (916,)
    # alerts are spread: the four best name four payers and four payees
    best = np.argsort(-by_typology["bipartite"], kind="stable")[:4]
    assert len(set(source[best])) == len(set(target[best])) == 4
