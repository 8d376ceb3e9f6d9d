"""Every planted instance has the shape that its name promises, in the tables that a detector gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from anomaly.simulation import Simulation
from anomaly.simulation.typologies import TYPOLOGIES

DAY = pd.Timedelta(days=1)


def instances(simulation: Simulation, typology: str) -> Iterator[pd.DataFrame]:
    """Yield the transactions of each instance, in time order, with exact amounts in minor units."""
    labelled = simulation.truth[simulation.truth["typology"] == typology]
    rows = labelled.merge(simulation.transactions, on="uetr", validate="one_to_one")
    assert len(rows) == len(labelled) > 0
    rows["cents"] = [int(text.replace(".", "")) for text in rows["amount"]]
    for _, group in rows.groupby("pattern_id"):
        yield group.sort_values("timestamp", kind="stable").reset_index(drop=True)


def span(group: pd.DataFrame) -> pd.Timedelta:
    return group["timestamp"].max() - group["timestamp"].min()


def test_all_typologies_are_planted_and_the_literature_is_complete(simulation: Simulation) -> None:
    literature = {"fan_in", "fan_out", "cycle", "scatter_gather", "gather_scatter", "bipartite", "stack"}
    assert literature | {"random_chain"} <= set(TYPOLOGIES)
    assert set(simulation.truth["typology"]) == set(TYPOLOGIES)


def test_no_payment_to_oneself_and_one_currency(simulation: Simulation) -> None:
    for typology in TYPOLOGIES:
        for group in instances(simulation, typology):
            assert (group["debtor_account"] != group["creditor_account"]).all()
            assert group["currency"].nunique() == 1
            assert span(group) < 13 * DAY


def test_banks_touched_is_counted_on_both_sides(simulation: Simulation) -> None:
    for typology in TYPOLOGIES:
        for group in instances(simulation, typology):
            agents = set(group["debtor_agent"]) | set(group["creditor_agent"])
            assert (group["banks_touched"] == len(agents)).all()


def test_most_schemes_cross_banks(simulation: Simulation) -> None:
    one_each = simulation.truth.drop_duplicates("pattern_id")
    one_each = one_each[one_each["typology"] != "structuring"]
    assert (one_each["banks_touched"] > 1).mean() > 0.6


@pytest.mark.parametrize(
    ("typology", "hub", "leaf"),
    [("fan_in", "creditor_account", "debtor_account"), ("fan_out", "debtor_account", "creditor_account")],
)
def test_fan(simulation: Simulation, typology: str, hub: str, leaf: str) -> None:
    for group in instances(simulation, typology):
        assert group[hub].nunique() == 1
        assert group[leaf].nunique() == len(group) >= 4
        assert span(group) <= 7.6 * DAY


def test_cycle_closes_and_runs_forward(simulation: Simulation) -> None:
    for group in instances(simulation, "cycle"):
        assert len(group) >= 3
        assert list(group["creditor_account"]) == [*group["debtor_account"][1:], group["debtor_account"][0]]
        assert group["debtor_account"].nunique() == len(group)
        assert group["timestamp"].is_monotonic_increasing
        assert group["timestamp"].is_unique
        assert (np.diff(group["cents"]) <= 0).all()
        assert group["cents"].iloc[-1] > 0.5 * group["cents"].iloc[0]


def test_random_chain_runs_forward_and_does_not_return(simulation: Simulation) -> None:
    for group in instances(simulation, "random_chain"):
        assert len(group) >= 4
        path = [group["debtor_account"][0], *group["creditor_account"]]
        assert list(group["debtor_account"]) == path[:-1]
        assert len(set(path)) == len(path)
        assert group["timestamp"].is_unique


def test_scatter_gather_goes_through_every_middle_account_in_order(simulation: Simulation) -> None:
    for group in instances(simulation, "scatter_gather"):
        out = group[group["part"] == "scatter"].set_index("creditor_account")
        back = group[group["part"] == "gather"].set_index("debtor_account")
        assert out["debtor_account"].nunique() == back["creditor_account"].nunique() == 1
        assert set(out.index) == set(back.index)
        assert len(out) >= 3
        for account in out.index:
            assert out.at[account, "timestamp"] < back.at[account, "timestamp"]
            assert out.at[account, "cents"] >= back.at[account, "cents"]


def test_gather_scatter_collects_before_it_spreads(simulation: Simulation) -> None:
    for group in instances(simulation, "gather_scatter"):
        into, out = group[group["part"] == "gather"], group[group["part"] == "scatter"]
        assert set(into["creditor_account"]) == set(out["debtor_account"])
        assert into["creditor_account"].nunique() == 1
        assert min(into["debtor_account"].nunique(), out["creditor_account"].nunique()) >= 3
        assert into["timestamp"].max() < out["timestamp"].min()
        assert 0.5 * into["cents"].sum() < out["cents"].sum() <= into["cents"].sum()


def test_bipartite_has_two_sides_and_nearly_all_edges(simulation: Simulation) -> None:
    for group in instances(simulation, "bipartite"):
        left, right = set(group["debtor_account"]), set(group["creditor_account"])
        assert not left & right
        assert min(len(left), len(right)) >= 3
        assert len(group) >= 0.6 * len(left) * len(right)
        assert min(Counter(group["debtor_account"]).values()) >= 2
        assert min(Counter(group["creditor_account"]).values()) >= 2


def test_stack_pays_on_only_what_has_arrived(simulation: Simulation) -> None:
    for group in instances(simulation, "stack"):
        sources = set(group["debtor_account"]) - set(group["creditor_account"])
        sinks = set(group["creditor_account"]) - set(group["debtor_account"])
        middle = set(group["debtor_account"]) & set(group["creditor_account"])
        assert min(len(sources), len(sinks), len(middle)) >= 2
        for account in sorted(middle):
            into = group[group["creditor_account"] == account]
            out = group[group["debtor_account"] == account]
            assert into["timestamp"].max() < out["timestamp"].min()
            assert out["cents"].sum() <= into["cents"].sum()


def test_structuring_stays_below_at_one_bank(simulation: Simulation) -> None:
    for group in instances(simulation, "structuring"):
        assert (group["cents"] < 1_000_000).all()
        assert group["cents"].sum() > 1_000_000
        assert (group["banks_touched"] == 1).all()
        assert group["creditor_account"].nunique() == 1
        assert span(group) < 8 * DAY


def test_structuring_across_banks_is_invisible_to_each_bank_and_plain_to_all(simulation: Simulation) -> None:
    for group in instances(simulation, "structuring_across_banks"):
        deposits = group["cash_in"].all()
        bank = group["creditor_agent"] if deposits else group["debtor_agent"]
        day = group["timestamp"].dt.strftime("%Y-%m-%d")  # opening hours lie within one UTC day
        assert bank.nunique() >= 2
        assert group.groupby([bank, day])["cents"].sum().max() < 1_000_000
        assert group.groupby(day)["cents"].sum().max() > 1_000_000
        behind = group["creditor_on_behalf_of"].where(
            group["creditor_on_behalf_of"].notna(),
            group["creditor_party_id"] if deposits else group["debtor_party_id"],
        )
        assert behind.nunique() == 1  # one party stands behind all of it


def test_rapid_pass_through_empties_within_two_hours(simulation: Simulation) -> None:
    for group in instances(simulation, "rapid_pass_through"):
        into, out = group[group["part"] == "in"], group[group["part"] == "out"]
        assert into["creditor_account"].nunique() == 1
        assert set(out["debtor_account"]) == set(into["creditor_account"])
        for (_, first), (_, following) in pairwise([*into.iterrows(), (None, None)]):
            until = pd.Timestamp.max.tz_localize("UTC") if following is None else following["timestamp"]
            mine = out[(out["timestamp"] > first["timestamp"]) & (out["timestamp"] < until)]
            assert len(mine) >= 1
            assert mine["timestamp"].max() - first["timestamp"] <= pd.Timedelta(hours=2)
            assert 0.7 * first["cents"] < mine["cents"].sum() <= first["cents"]


def test_round_trip_returns_to_the_same_party(simulation: Simulation) -> None:
    for group in instances(simulation, "round_trip"):
        party = group["debtor_party_id"].iloc[0]
        starts = (group["debtor_party_id"] == party).sum()
        assert starts == (group["creditor_party_id"] == party).sum() >= 1
        assert group["creditor_party_id"].iloc[-1] == party
        assert (group["creditor_agent"] != group["debtor_agent"]).any()


def test_dormant_woken_breaks_a_long_silence(simulation: Simulation) -> None:
    frame = simulation.transactions
    for group in instances(simulation, "dormant_woken"):
        sleeper = group[group["part"] == "in"]["creditor_account"].iloc[0]
        touches = (frame["debtor_account"] == sleeper) | (frame["creditor_account"] == sleeper)
        before = frame.loc[touches & (frame["timestamp"] < group["timestamp"].min()), "timestamp"]
        first = frame["timestamp"].min() if before.empty else before.max()
        assert group["timestamp"].min() - first > 12 * DAY  # of 40 days
        assert set(group[group["part"] == "out"]["debtor_account"]) == {sleeper}


def test_burst_is_many_at_once(simulation: Simulation) -> None:
    for group in instances(simulation, "burst"):
        assert group["debtor_account"].nunique() >= 10
        assert group["creditor_account"].nunique() <= 3
        assert span(group) <= pd.Timedelta(hours=1.5)
