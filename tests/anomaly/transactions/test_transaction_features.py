"""Features of single payments: documented, blind to order and names, and never ahead of their time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from anomaly.transactions import TransactionFeatures
from anomaly.transactions.features import describe
from ledger.errors import ConfigurationError
from ledger.tables import TRANSFER

DAY = 86_400
WINDOW = 4 * DAY


def business(seed: int, n: int = 400, accounts: int = 25, bucket: int = 1, days: int = 40) -> list[dict]:
    """Payments among few accounts: parallel edges, ties and self-loops included."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        t = int(rng.integers(days * DAY)) // bucket * bucket
        rows.append(
            {
                "src": f"a{rng.integers(accounts)}",
                "dst": f"a{rng.integers(accounts)}",
                "t_low": t,
                "t_high": t + bucket,
                "amount": int(10 ** rng.uniform(3, 5)),
                "src_bank": int(rng.integers(1, 4)),
                "currency": int(rng.choice([978, 840])),
            }
        )
    return rows


def frame(transfers, rows, scoring, window=WINDOW, fit_on=None):
    features = TransactionFeatures(window, scoring)
    features.fit(transfers(fit_on if fit_on is not None else rows))
    values = features.transform(transfers(rows))
    return dict(zip(features.get_feature_names_out(), values.T, strict=True)), values


@pytest.mark.parametrize("scoring", ["arrival", "window_close"])
@pytest.mark.parametrize("graph", [True, False])
def test_every_column_is_documented_and_finite(transfers, scoring, graph) -> None:
    features = TransactionFeatures(WINDOW, scoring, graph)
    values = features.fit_transform(transfers(business(1)))
    columns = describe(scoring, graph)
    assert values.shape == (400, len(columns))
    assert [c.name for c in columns] == list(features.get_feature_names_out())
    assert len({c.name for c in columns}) == len(columns)
    assert all(c.meaning and c.unit and c.window for c in columns)
    assert np.isfinite(values).all()
    assert all(np.ptp(values[:, i]) > 0 for i, c in enumerate(columns) if c.name in ("amount", "hour"))


@pytest.mark.parametrize("scoring", ["arrival", "window_close"])
@pytest.mark.parametrize("bucket", [1, DAY])
def test_the_order_of_rows_is_no_feature(transfers, scoring, bucket) -> None:
    rows = business(2, bucket=bucket)
    order = np.random.default_rng(0).permutation(len(rows))
    _, a = frame(transfers, rows, scoring)
    _, b = frame(transfers, [rows[i] for i in order], scoring, fit_on=rows)
    assert np.allclose(a[order], b, atol=1e-5)


@pytest.mark.parametrize("scoring", ["arrival", "window_close"])
def test_names_are_no_features(transfers, scoring) -> None:
    rows = business(3)
    renamed = [r | {"src": f"z{r['src']}", "dst": f"z{r['dst']}"} for r in rows]
    _, a = frame(transfers, rows, scoring)
    _, b = frame(transfers, renamed, scoring)
    assert np.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("bucket", [1, 3_600, DAY])
@pytest.mark.parametrize(("scoring", "horizon"), [("arrival", 0), ("window_close", WINDOW)])
def test_nothing_later_than_the_time_of_judgement_counts(transfers, scoring, horizon, bucket) -> None:
    rows = business(4, n=700, accounts=18, bucket=bucket)
    known = 25 * DAY
    early = [r for r in rows if r["t_low"] <= known]
    _, whole = frame(transfers, rows, scoring, fit_on=rows)
    _, cut = frame(transfers, early, scoring, fit_on=rows)
    kept = np.array([r["t_low"] for r in rows]) <= known
    due = np.array([r["t_low"] for r in early]) <= known - horizon
    assert due.sum() > 100
    assert np.allclose(whole[kept][due], cut[due], atol=1e-4)
    if scoring == "window_close":  # and the window is really looked at
        assert not np.allclose(whole[kept][~due], cut[~due], atol=1e-4)


def test_seconds_do_not_count(transfers) -> None:
    rows = business(5, bucket=60)
    shifted = [
        r | {"t_low": r["t_low"] + i % 60, "t_high": r["t_low"] + i % 60 + 1} for i, r in enumerate(rows)
    ]
    a = frame(transfers, rows, "window_close")[0]
    b = frame(transfers, shifted, "window_close")[0]
    assert all(np.allclose(a[name], b[name], atol=1e-5) for name in a)


def test_windows_count_what_they_say(transfers) -> None:
    rows = [
        {"src": "a", "dst": "b", "t": 0, "amount": 10_000},
        {"src": "a", "dst": "c", "t": 1 * DAY, "amount": 10_000, "dst_bank": 2},
        {"src": "a", "dst": "b", "t": 2 * DAY, "amount": 20_000},
        {"src": "d", "dst": "a", "t": 9 * DAY, "amount": 10_000},
        {"src": "a", "dst": "e", "t": 10 * DAY, "amount": 10_000},
    ]
    f, _ = frame(transfers, rows, "window_close")
    assert np.allclose(np.expm1(f["window_payer_out_count"]), [1, 2, 3, 1, 1])
    assert np.allclose(np.expm1(f["window_payer_out_parties"]), [1, 2, 2, 1, 1])
    assert np.allclose(f["window_payer_out_banks"], [1, 2, 2, 1, 1])
    assert np.allclose(np.expm1(f["window_payer_in_count"]), [0, 0, 0, 0, 1])
    assert np.allclose(np.expm1(f["ahead_payee_out_count"]), [0, 0, 0, 1, 0])
    assert np.allclose(np.expm1(f["pair_before"]), [0, 0, 1, 0, 0])
    assert np.allclose(np.expm1(f["pair_after"]), [1, 0, 0, 0, 0])
    assert np.allclose(np.expm1(f["pair_since"])[2], 48)
    assert np.allclose(f["pair_change"][2], np.log(2))


@pytest.mark.parametrize("widen", [1.0, 1.12])
def test_money_is_followed_across_currencies_and_bands(transfers, widen) -> None:
    def band(amount: int) -> dict:
        return {"a_low": int(amount / widen), "a_high": int(amount * widen)}

    rows = business(6, n=300)
    chain = [("x0", "x1", 1_000_000, 978), ("x1", "x2", 970_000, 840), ("x2", "x3", 960_000, 756)]
    for hop, (src, dst, amount, currency) in enumerate(chain):
        t = 10 * DAY + hop * DAY
        rows.append({"src": src, "dst": dst, "t": t, "currency": currency, **band(amount)})
    f, _ = frame(transfers, rows, "window_close")
    assert list(f["before_chain_length"][-3:]) == [0, 1, 2]
    assert list(f["after_chain_length"][-3:]) == [2, 1, 0]
    assert f["before_exchange"][-1] == 1
    assert f["before_delay"][-1] == pytest.approx(24)
    assert f["before_weight"][-1] > 0.5


def test_a_two_by_two_group_is_seen_from_each_of_its_payments(transfers) -> None:
    group = [{"src": f"s{i}", "dst": f"d{j}", "t": 3 * DAY + i * 3_600} for i in range(3) for j in range(3)]
    f, _ = frame(transfers, [*business(7, n=200), *group], "window_close")
    assert np.allclose(np.expm1(f["butterflies"][-9:]), 4)
    assert np.allclose(np.expm1(f["group_payers"][-9:]), 2)
    late, _ = frame(transfers, [*business(7, n=200), *group], "arrival")
    assert np.allclose(np.expm1(late["butterflies"][-9:-6]), 0)  # the first payer's, when they arrive
    assert np.allclose(np.expm1(late["butterflies"][-3:]), 4)


def test_a_round_is_known_to_all_its_payments_once_it_closed(transfers) -> None:
    ring = [{"src": f"r{i}", "dst": f"r{(i + 1) % 5}", "t": 3 * DAY + i * 12 * 3_600} for i in range(5)]
    rows = [*business(8, n=100, accounts=80), *ring]
    f, _ = frame(transfers, rows, "window_close")
    assert list(f["round_hops"][-5:]) == [5] * 5
    assert list(f["closes_hops"][-5:]) == [0, 0, 0, 0, 5]
    arrival, _ = frame(transfers, rows, "arrival")
    assert list(arrival["round_hops"][-5:]) == [0, 0, 0, 0, 5]


def test_ways_through_intermediaries_are_counted_at_both_ends(transfers) -> None:
    middle = [f"m{i}" for i in range(4)]
    rows = [
        *[{"src": "p", "dst": m, "t": 2 * DAY + i * 3_600} for i, m in enumerate(middle)],
        *[{"src": m, "dst": "q", "t": 3 * DAY + i * 3_600} for i, m in enumerate(middle)],
    ]
    f, _ = frame(transfers, [*business(9, n=50), *rows], "window_close")
    assert np.allclose(np.expm1(f["scatter"][-8:-4]), 3)
    assert np.allclose(np.expm1(f["gather"][-4:]), 3)


def test_a_hub_is_cut_and_says_so(transfers) -> None:
    rows = [{"src": f"s{i}", "dst": f"h{i % 2}", "t": 60 * i} for i in range(4_000)]
    rows += [{"src": f"s{i}", "dst": "h1", "t": 60 * i + 1} for i in range(0, 4_000, 2)]
    f, values = frame(transfers, rows, "arrival")
    assert f["shape_cut"].max() == 1
    assert np.isfinite(values).all()


def test_an_empty_table_and_one_row(transfers) -> None:
    features = TransactionFeatures(WINDOW, "window_close").fit(transfers(business(1)))
    assert features.transform(TRANSFER.empty_table()).shape == (0, len(describe()))
    assert np.isfinite(features.transform(transfers([{"src": "a", "dst": "a"}]))).all()


def test_parameters_are_checked(transfers) -> None:
    for wrong in (TransactionFeatures(window=5), TransactionFeatures(scoring="yesterday")):  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError):
            wrong.fit(transfers(business(1, n=5)))


def test_prices_are_learnt_from_the_fitted_rows_alone(transfers) -> None:
    rows = business(10)
    features = TransactionFeatures(WINDOW, "arrival").fit(transfers(rows))
    raised = transfers([r | {"amount": r["amount"] * 10} for r in rows])
    assert isinstance(raised, pa.Table)
    names = list(features.get_feature_names_out())
    shift = features.transform(raised)[:, names.index("amount_in_currency")]
    shift = shift - features.transform(transfers(rows))[:, names.index("amount_in_currency")]
    assert np.allclose(shift, np.log(10), atol=1e-4)
