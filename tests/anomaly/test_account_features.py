"""Features of accounts, and what an isolation forest finds in them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from anomaly.features import FEATURES, AccountFeatures
from anomaly.graph import TemporalGraph
from anomaly.isolation import IsolationParameters, robust_z
from anomaly.scan import ScanParameters, scan
from ledger.schema import Flags
from ledger.tables import TRANSFER

DAY = 86_400


@pytest.fixture(scope="module")
def payments():
    rng = np.random.default_rng(5)
    return [
        {
            "src": f"a{rng.integers(60)}",
            "dst": f"a{rng.integers(60)}",
            "t": int(rng.integers(40 * DAY)),
            "amount": int(10 ** rng.uniform(3, 5)),
            "src_bank": int(rng.integers(1, 4)),
        }
        for _ in range(900)
    ]


def values(table) -> dict[str, np.ndarray]:
    transformer = AccountFeatures()
    return dict(zip(transformer.get_feature_names_out(), transformer.transform(table).T, strict=True))


def test_every_feature_is_documented_once_and_finite(transfers, payments) -> None:
    names = [f.name for f in FEATURES]
    assert len(set(names)) == len(names)
    assert all(f.meaning and f.unit for f in FEATURES)
    array = AccountFeatures().fit_transform(transfers(payments))
    assert array.shape == (60, len(FEATURES))
    assert np.isfinite(array).all()


def test_the_order_of_rows_is_no_feature(transfers, payments) -> None:
    table = transfers(payments)
    shuffled = table.take(pa.array(np.random.default_rng(0).permutation(table.num_rows)))
    assert np.array_equal(AccountFeatures().transform(table), AccountFeatures().transform(shuffled))


def test_names_and_places_are_no_features(transfers, payments) -> None:
    renamed = [p | {"src": "other" + p["src"], "dst": "other" + p["dst"]} for p in payments]
    old, new = transfers(payments), transfers(renamed)
    a = AccountFeatures().transform(old)
    b = AccountFeatures().transform(new)
    before, after = (sorted(map(tuple, x.round(9))) for x in (a, b))
    assert before == after


def test_features_mean_what_they_say(transfers) -> None:
    rows = [{"src": f"p{i}", "dst": "shop", "t": i * 10 * DAY, "amount": 1_000} for i in range(4)]
    rows.append({"src": "shop", "dst": "p0", "t": 31 * DAY, "amount": 2_000})
    rows.append({"src": "till", "dst": "p3", "t": 31 * DAY, "flags": int(Flags.CASH_IN)})
    table = transfers(rows)
    graph = TemporalGraph.from_transfers(table)
    (shop,) = (v for v in range(graph.accounts) if graph.in_ptr[v + 1] - graph.in_ptr[v] == 4)
    got = {name: column[shop] for name, column in values(table).items()}
    assert got["payments_in"] == pytest.approx(np.log10(5))
    assert got["payers"] == pytest.approx(np.log10(5))
    assert got["payments_out"] == pytest.approx(np.log10(2))
    assert got["amount_in"] == pytest.approx(3)
    assert got["sent_on"] == pytest.approx(0.5)
    assert got["pause"] == pytest.approx(10 / 31, rel=1e-4)
    assert got["cash"] == 0


def test_it_stands_in_a_pipeline(transfers, payments) -> None:
    pipeline = make_pipeline(AccountFeatures(), StandardScaler())
    assert pipeline.fit_transform(transfers(payments)).shape == (60, len(FEATURES))
    assert AccountFeatures().transform(TRANSFER.empty_table()).shape == (0, len(FEATURES))


def test_robust_z_of_a_constant_is_zero() -> None:
    z = robust_z(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 9.0], [1.0, 0.0]]))
    assert (z[:, 0] == 0).all()
    assert z[3, 1] > 3


def test_the_odd_one_out_is_told_with_its_reasons(transfers, position, payments) -> None:
    rng = np.random.default_rng(1)
    odd = [
        {"src": "odd", "dst": f"a{i}", "t": 20 * DAY + int(rng.integers(DAY)), "amount": 90_000_000}
        for i in range(25)
    ]
    parameters = ScanParameters(
        detectors=("isolation_forest",), overrides={"isolation_forest": IsolationParameters(share=0.02)}
    )
    (flag,) = scan(transfers(payments + odd), position, parameters=parameters)
    assert flag.details["accounts_looked_at"] == 61
    assert set(flag.details["contributions"]) <= {f.name for f in FEATURES}
    assert len(flag.rows) >= 20
    assert flag.certainty == "possible"
