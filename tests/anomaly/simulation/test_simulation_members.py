"""The members' files together are the transactions, and joining the halves finds exactly the slips told."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest

from anomaly.simulation import Simulation, identifier_pairs, member_rows, slips
from ledger.schema import FIELDS

BOTH_TELL = ["timestamp", "debtor_agent", "debtor_account", "creditor_agent", "creditor_account"]
BOTH_TELL += ["amount", "currency", "channel", "debtor_country", "creditor_country", "purpose"]
BOTH_TELL += ["cash_in", "cash_out", "own_account", "occasional"]


@pytest.fixture(scope="module")
def rows(simulation: Simulation) -> dict[str, pd.DataFrame]:
    return member_rows(simulation)


def test_columns_are_the_schema(rows: dict[str, pd.DataFrame]) -> None:
    for part in rows.values():
        assert tuple(part.columns) == FIELDS
        assert part["transaction_id"].is_unique
        assert part["uetr"].is_unique


def test_each_bank_holds_only_its_own_sides(rows: dict[str, pd.DataFrame]) -> None:
    for bic, part in rows.items():
        assert ((part["debtor_agent"] == bic) | (part["creditor_agent"] == bic)).all()


def test_files_together_are_the_transactions(simulation: Simulation, rows: dict[str, pd.DataFrame]) -> None:
    frame, found = simulation.transactions, slips(simulation)
    held = Counter(uetr for part in rows.values() for uetr in part["uetr"])
    assert set(held) == set(frame["uetr"])
    members = {agent.agent_id for agent in simulation.agents}
    for uetr, debtor, creditor, slip in zip(
        frame["uetr"], frame["debtor_agent"], frame["creditor_agent"], found["slip"], strict=True
    ):
        sides = len({debtor, creditor} & members)
        assert sides > 0
        assert held[uetr] == sides - (slip == "omitted")


def test_joined_halves_show_the_expected_states(
    simulation: Simulation, rows: dict[str, pd.DataFrame]
) -> None:
    halves = pd.concat([part.assign(holder=bic) for bic, part in rows.items()])
    members = {agent.agent_id for agent in simulation.agents}
    by_uetr: dict[str, list[dict[str, object]]] = {}
    for record in halves[[*BOTH_TELL, "uetr", "holder"]].to_dict("records"):
        by_uetr.setdefault(str(record["uetr"]), []).append(record)
    found = slips(simulation)
    for uetr, state, slip, agent, field in found[["uetr", "state", "slip", "agent", "field"]].itertuples(
        index=False
    ):
        group = by_uetr[uetr]
        first = group[0]
        if len(group) == 2:
            differ = [name for name in BOTH_TELL if not _same(first[name], group[1][name])]
            assert state == ("conflict" if differ else "matched")
            if differ:
                assert agent in {first["holder"], group[1]["holder"]}
                assert len(differ) == 1
                assert {"timestamp": "time"}.get(differ[0], differ[0].split("_")[-1]) == field
        elif first["debtor_agent"] == first["creditor_agent"]:
            assert state == "on_us"
        elif {first["debtor_agent"], first["creditor_agent"]} <= members:
            assert (state, slip) == ("unmatched", "omitted")
            assert agent != first["holder"]
        else:
            assert state == "counterparty_not_member"


def _same(one: object, other: object) -> bool:
    return one == other or (pd.isna(one) and pd.isna(other))  # type: ignore[call-overload]


def test_every_state_and_slip_occurs(simulation: Simulation) -> None:
    found = slips(simulation)
    assert set(found["state"]) == {"on_us", "matched", "conflict", "unmatched", "counterparty_not_member"}
    assert set(found["slip"].dropna()) == {"omitted", "account", "amount", "fee", "time"}
    assert set(found.loc[~found["certain"], "slip"]) == {"fee"}
    assert found["state"].isin(["conflict", "unmatched"]).mean() < 0.02


def test_a_mistyped_amount_leaves_every_band_of_ten_per_decade(
    simulation: Simulation, rows: dict[str, pd.DataFrame]
) -> None:
    true = simulation.transactions.set_index("uetr")["amount"].astype(float)
    typed = slips(simulation).query("slip == 'amount'")
    for uetr, agent in zip(typed["uetr"], typed["agent"], strict=True):
        booked = float(rows[agent].set_index("uetr").at[uetr, "amount"])
        assert booked / true[uetr] > 10**0.1


def test_a_bank_tells_its_own_customer(simulation: Simulation, rows: dict[str, pd.DataFrame]) -> None:
    parties = simulation.accounts.set_index("account")["party_id"]
    for bic, part in rows.items():
        usual = part[~part["occasional"]]
        own_credit = (usual["debtor_agent"] != bic) | usual["cash_in"]
        account = usual["creditor_account"].where(own_credit, usual["debtor_account"])
        assert (usual["party_id"].to_numpy() == parties.loc[account].to_numpy()).all()
        walked_in = part[part["occasional"]]
        assert not set(walked_in["party_id"]) & set(parties.dropna())


def test_cash_moves_between_a_till_and_a_customer(rows: dict[str, pd.DataFrame]) -> None:
    for bic, part in rows.items():
        cash = part[part["channel"] == "cash"]
        assert (cash["cash_in"] ^ cash["cash_out"]).all()
        assert not (part["cash_in"] | part["cash_out"])[part["channel"] != "cash"].any()
        till = cash["debtor_account"].where(cash["cash_in"], cash["creditor_account"])
        assert till.str.startswith(f"acct:{bic}:CASH-").all()


def test_business_date_is_local(simulation: Simulation, rows: dict[str, pd.DataFrame]) -> None:
    american = next(agent for agent in simulation.agents if agent.country == "US")
    part = rows[american.agent_id]
    early = part[part["timestamp"].str.slice(11, 13) < "05"]  # New York is five hours behind in winter
    assert len(early) > 0
    assert (early["business_date"] < early["timestamp"].str.slice(0, 10)).all()


def test_identifier_pairs_are_counted_by_bank(rows: dict[str, pd.DataFrame]) -> None:
    told = set()
    for bic, part in rows.items():
        for column in ("debtor_account", "creditor_account", "party_id", "on_behalf_of"):
            told |= {(bic, "p" in column[:1] or "o" in column[:1], text) for text in part[column].dropna()}
    assert identifier_pairs(rows) == len(told)
