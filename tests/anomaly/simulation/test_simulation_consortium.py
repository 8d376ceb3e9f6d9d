"""The table as a whole: exact size, order, thresholds, and labels that nothing but structure gives away."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from anomaly.simulation import Simulation, simulate
from ledger.errors import InputError


def test_size_order_and_period(simulation: Simulation) -> None:
    frame = simulation.transactions
    assert len(frame) == 12_000
    assert frame["uetr"].is_unique
    assert frame["timestamp"].is_monotonic_increasing
    assert frame["timestamp"].iloc[0] >= pd.Timestamp("2026-01-05", tz="UTC")
    assert frame["timestamp"].iloc[-1] < pd.Timestamp("2026-01-05", tz="UTC") + pd.Timedelta(days=40)
    assert (frame["debtor_account"] != frame["creditor_account"]).all()


def test_amounts_are_positive_decimals_with_two_places(simulation: Simulation) -> None:
    assert simulation.transactions["amount"].str.fullmatch(r"[0-9]+\.[0-9]{2}").all()
    assert (simulation.transactions["amount"].astype(float) > 0).all()


@pytest.mark.parametrize("currency", ["EUR", "USD"])
@pytest.mark.parametrize("channel", ["cash", "wire"])
def test_amounts_at_the_edge_of_the_thresholds(simulation: Simulation, currency: str, channel: str) -> None:
    frame = simulation.transactions
    amounts = frame.loc[(frame["currency"] == currency) & (frame["channel"] == channel), "amount"]
    assert {"9999.99", "10000.00", "10000.01"} <= set(amounts)


def test_truth_and_look_alikes_are_small_and_apart(simulation: Simulation) -> None:
    planted, honest = set(simulation.truth["uetr"]), set(simulation.look_alikes["uetr"])
    assert len(planted) == len(simulation.truth)
    assert not planted & honest
    assert planted | honest <= set(simulation.transactions["uetr"])
    assert 0.005 < len(planted) / 12_000 < 0.02


def test_participants_lead_ordinary_lives_too(simulation: Simulation) -> None:
    frame = simulation.transactions
    planted = frame["uetr"].isin(simulation.truth["uetr"])
    taking_part = set(frame.loc[planted, "debtor_account"]) | set(frame.loc[planted, "creditor_account"])
    ordinary = frame[~planted]
    active = set(ordinary["debtor_account"]) | set(ordinary["creditor_account"])
    assert len(taking_part & active) / len(taking_part) > 0.97


def test_dormant_accounts_are_silent_outside_schemes(simulation: Simulation) -> None:
    frame = simulation.transactions
    dormant = set(simulation.accounts.loc[simulation.accounts["dormant"], "account"])
    told = set(simulation.truth["uetr"]) | set(simulation.look_alikes["uetr"])
    awake = frame[frame["debtor_account"].isin(dormant) | frame["creditor_account"].isin(dormant)]
    awake = awake[~awake["uetr"].isin(told)]
    assert len(awake) > 0
    assert (awake["timestamp"] - frame["timestamp"].iloc[0]).max() < pd.Timedelta(days=6)


def test_looks_alone_do_not_tell_the_label() -> None:
    frames = []
    for seed in range(4):
        made = simulate(banks=4, transactions=10_000, accounts=900, days=40, seed=seed)
        frame = made.transactions
        frames.append(frame.assign(label=frame["uetr"].isin(made.truth["uetr"]), place=range(len(frame))))
    frame = pd.concat(frames)
    looks = {
        "place in the hour": frame.groupby(frame["timestamp"].dt.floor("h"))["place"].rank(pct=True),
        "uetr": frame["uetr"].str.slice(0, 8).map(lambda text: int(text, 16)),
        "second": frame["timestamp"].dt.second,
        "minute": frame["timestamp"].dt.minute,
    }
    for name, values in looks.items():
        assert roc_auc_score(frame["label"], values) == pytest.approx(0.5, abs=0.07), name


def test_ties_stand_in_no_order() -> None:
    first = []
    for seed in range(6):
        made = simulate(banks=2, transactions=40_000, accounts=400, days=21, seed=seed)
        frame = made.transactions
        label = frame["uetr"].isin(made.truth["uetr"])
        sizes = frame.groupby("timestamp")["uetr"].transform("size")
        mixed = label.groupby(frame["timestamp"]).transform("any") & (sizes == 2)
        pairs = label[mixed].to_numpy().reshape(-1, 2)
        first += [bool(a) for a, b in pairs if a != b]
    assert len(first) > 40
    assert 0.25 < np.mean(first) < 0.75


def test_payments_follow_the_week_and_the_day(one_simulation: Simulation) -> None:
    time = one_simulation.transactions["timestamp"].dt
    assert time.day_of_week.isin([5, 6]).mean() < 0.27
    cards = one_simulation.transactions[one_simulation.transactions["channel"] == "card"]
    european = cards[cards["currency"] == "EUR"]["timestamp"].dt.hour
    assert european.isin(range(5)).mean() < 0.04
    office = one_simulation.transactions[one_simulation.transactions["purpose"] == "SUPP"]["timestamp"].dt
    assert office.day_of_week.isin([5, 6]).mean() < 0.1


def test_degrees_are_heavy_tailed(one_simulation: Simulation) -> None:
    degree = one_simulation.transactions["creditor_account"].value_counts()
    assert degree.iloc[: len(degree) // 100].sum() > 0.12 * len(one_simulation.transactions)


def test_same_seed_same_tables_other_seed_others() -> None:
    shape = {"banks": 3, "transactions": 4_000, "accounts": 300, "days": 30}
    one, again, other = (simulate(**shape, seed=seed) for seed in (5, 5, 6))
    for name in ("transactions", "truth", "look_alikes", "accounts"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(again, name))
    assert not np.array_equal(one.transactions["amount"], other.transactions["amount"])


@pytest.mark.parametrize("banks", [2, 5, 26])
def test_any_number_of_banks(banks: int) -> None:
    made = simulate(banks=banks, transactions=3_000, accounts=60 * banks, days=21, start=date(2025, 3, 10))
    assert len(made.agents) == banks
    assert len({agent.agent_id for agent in made.agents}) == banks
    assert len(made.transactions) == 3_000


@pytest.mark.parametrize(
    "wrong",
    [{"banks": 1}, {"banks": 27}, {"transactions": 10}, {"accounts": 50}, {"days": 5}, {"seed": -1}],
)
def test_what_cannot_be_simulated_is_said(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        simulate(**wrong)
