"""The engine as a transformer: the library's own checks, and the same numbers as the engine itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

from anomaly.engine import DAY, EngineParameters, GraphFeatureEngine, GraphFeatures
from anomaly.graph import GraphError
from ledger.errors import ConfigurationError

PARAMETERS = EngineParameters(statistics=(DAY,), fan=(DAY,), hop_cycle=DAY, hop_length=5, ties="include")


def payments(seed: int = 0, n: int = 300) -> list[dict]:
    random = np.random.default_rng(seed)
    return [
        {
            "src": f"a{random.integers(15)}",
            "dst": f"a{random.integers(15)}",
            "t": int(random.integers(10 * DAY)),
            "amount": int(10 ** random.uniform(3, 5)),
            "currency": int(random.choice([978, 392])),
        }
        for _ in range(n)
    ]


@pytest.mark.parametrize(
    "name",
    [
        "check_estimator_cloneable",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_get_params_invariance",
        "check_set_params",
        "check_parameters_default_constructible",
    ],
)
def test_scikit_learn_s_own_checks_of_estimators_that_take_tables(name) -> None:
    getattr(estimator_checks, name)("GraphFeatures", GraphFeatures())


def test_before_it_is_fitted_it_says_so(transfers) -> None:
    with pytest.raises(NotFittedError):
        GraphFeatures().transform(transfers(payments()))
    with pytest.raises(NotFittedError):
        GraphFeatures().get_feature_names_out()


@pytest.mark.parametrize("scoring", ["arrival", "window_close"])
def test_rows_are_those_of_the_engine_in_the_order_of_the_table(transfers, scoring) -> None:
    parameters = EngineParameters(scoring=scoring, ties="include")
    rows = payments()
    features = GraphFeatures(parameters, resolution=1)
    got = features.fit_transform(transfers(rows))
    engine = GraphFeatureEngine(parameters)
    names = {name: i for i, name in enumerate(sorted({r[e] for r in rows for e in ("src", "dst")}))}
    want = engine.update(
        [names[r["src"]] for r in rows],
        [names[r["dst"]] for r in rows],
        [r["t"] for r in rows],
        [r["amount"] / (100 if r["currency"] == 978 else 1) for r in rows],
    )
    assert list(features.get_feature_names_out()) == engine.feature_names_out()
    np.testing.assert_allclose(got, want.astype(np.float32), rtol=1e-4, atol=1e-4)


def test_order_and_names_of_accounts_are_no_features(transfers) -> None:
    rows = payments(1)
    order = np.random.default_rng(0).permutation(len(rows))
    features = GraphFeatures(PARAMETERS)
    straight = features.fit_transform(transfers(rows))
    other = [rows[i] | {"src": "z" + rows[i]["src"], "dst": "z" + rows[i]["dst"]} for i in order]
    np.testing.assert_allclose(
        features.fit_transform(transfers(other)), straight[order], rtol=1e-3, atol=1e-3
    )


def test_seconds_are_not_looked_at(transfers) -> None:
    rows = payments(2)
    later = [row | {"t": row["t"] // 60 * 60 + 59} for row in rows]
    features = GraphFeatures()
    np.testing.assert_array_equal(
        features.fit_transform(transfers(rows)), features.fit_transform(transfers(later))
    )


def test_accounts_that_nobody_told_are_not_one(transfers) -> None:
    rows = [{"src": None, "dst": f"a{i}", "t": i} for i in range(5)]
    rows += [{"src": f"a{i}", "dst": None, "t": 10 + i} for i in range(5)]
    features = GraphFeatures(PARAMETERS, resolution=1)
    found = dict(
        zip(features.fit(None).get_feature_names_out(), features.transform(transfers(rows)).T, strict=True)
    )
    assert found["hop_cycle.count.1d"].max() == 0
    assert found["debtor.out.degree.1d"].max() == 1


def test_in_a_pipeline_and_as_a_copy(transfers) -> None:
    pipeline = make_pipeline(GraphFeatures(PARAMETERS), FunctionTransformer(np.abs, validate=False))
    pipeline.set_params(graphfeatures__resolution=3_600)
    again = clone(pipeline)
    assert again.get_params()["graphfeatures__parameters"] == PARAMETERS
    assert again.get_params()["graphfeatures__resolution"] == 3_600
    table = transfers(payments())
    np.testing.assert_array_equal(pipeline.fit_transform(table), again.fit_transform(table))


def test_what_is_no_payment_is_refused(transfers) -> None:
    with pytest.raises(GraphError):
        GraphFeatures().fit_transform(transfers([{"src": "a", "dst": "b", "a_low": -1, "a_high": 1}]))
    with pytest.raises(ConfigurationError):
        GraphFeatures(resolution=0).fit(None)
    assert GraphFeatures().fit(None).transform(transfers([])).shape == (0, len(GraphFeatureEngine().columns))
