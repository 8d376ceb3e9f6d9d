"""The rows of each bank: its own half of every transaction it takes part in, with booking errors ("slips").

A few interbank transfers are missing at one of the two banks, and a few are booked differently, so that
matching can be tested. `slips` lists them, with the match state that the ledger should find.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anomaly.simulation.clock import DAY, HOUR, ZONES
from anomaly.simulation.consortium import Simulation, decimal_text
from ledger.schema import FIELDS

__all__ = ["identifier_pairs", "member_rows", "slips"]

# Share of the interbank transfers between members, by type of slip; each type occurs at least twice.
_SLIPS: Final = {"omitted": 0.003, "account": 0.001, "amount": 0.001, "fee": 0.001, "time": 0.001}


def _generator(simulation: Simulation, stream: int) -> np.random.Generator:
    """Return a separate random generator per purpose, so that no file depends on the order of writing."""
    return np.random.default_rng([simulation.parameters["seed"], stream])


def slips(simulation: Simulation) -> pd.DataFrame:
    """Return for every transaction the result that matching should find.

    Returns
    -------
    DataFrame
        uetr; state (`ledger.schema.MatchState`, lower case); slip (omitted, account, amount, fee, time or
        none); agent (the bank whose row is missing or differs); field (the field that differs); certain
        (False for a fee, because it may stay inside one amount band and is then not visible).
    """
    frame = simulation.transactions
    members = {agent.agent_id for agent in simulation.agents}
    debtor, creditor = frame["debtor_agent"], frame["creditor_agent"]
    inside = (debtor.isin(members) & creditor.isin(members)).to_numpy()
    on_us = (debtor == creditor).to_numpy()
    state = np.where(on_us, "on_us", np.where(inside, "matched", "counterparty_not_member")).astype(object)
    slip = np.full(len(frame), None, dtype=object)
    agent, field = slip.copy(), slip.copy()

    rng = _generator(simulation, 1)
    last = frame["timestamp"].max() - pd.Timedelta(days=5)
    eligible = np.flatnonzero(
        inside & ~on_us & (frame["timestamp"] < last).to_numpy() & (_cents(frame["amount"]) > 5_000)
    )
    draw = rng.permutation(eligible)
    side = rng.random(len(frame)) < 0.5
    who = np.where(side, debtor.to_numpy(), creditor.to_numpy())
    for name, share in _SLIPS.items():
        count = max(2, round(share * int((inside & ~on_us).sum())))
        chosen, draw = draw[:count], draw[count:]
        slip[chosen], agent[chosen] = name, who[chosen]
        state[chosen] = "unmatched" if name == "omitted" else "conflict"
        if name != "omitted":
            field[chosen] = "amount" if name == "fee" else name
    return pd.DataFrame(
        {
            "uetr": frame["uetr"],
            "state": state,
            "slip": slip,
            "agent": agent,
            "field": field,
            "certain": slip != "fee",
        }
    )


def _cents(amount: pd.Series[str]) -> NDArray[np.int64]:
    return np.array([int(text.replace(".", "")) for text in amount], dtype=np.int64)


def member_rows(simulation: Simulation) -> dict[str, pd.DataFrame]:
    """Return each member's rows, with the columns of `ledger.schema.FIELDS`.

    A bank names only its own customer: the debtor of a debit half, the creditor of a credit half, and in an
    on-us row the payer, or the customer of a cash payment. Both banks have the settlement time.
    """
    frame, found = simulation.transactions, slips(simulation)
    debtor, creditor = frame["debtor_agent"].to_numpy(), frame["creditor_agent"].to_numpy()
    slip, slipped = found["slip"].to_numpy(), found["agent"].to_numpy()
    cash_in = frame["cash_in"].to_numpy()
    result = {}
    for number, agent in enumerate(simulation.agents):
        bic = agent.agent_id
        held = (debtor == bic) | (creditor == bic)
        held &= ~((slip == "omitted") & (slipped == bic))
        rows = np.flatnonzero(held)
        mine = frame.iloc[rows].reset_index(drop=True)
        own_is_creditor = (debtor[rows] != bic) | cash_in[rows]
        rng = _generator(simulation, 100 + number)
        mine.insert(1, "transaction_id", _transaction_ids(rng, bic, len(rows)))
        for column in ("party_id", "party_type", "on_behalf_of", "exempt"):
            mine[column] = np.where(own_is_creditor, mine[f"creditor_{column}"], mine[f"debtor_{column}"])
        wrong = slip[rows].copy()
        wrong[slipped[rows] != bic] = None
        _book_differently(rng, simulation, mine, wrong, debtor[rows] == bic)
        local = mine["timestamp"].dt.tz_convert(ZONES[agent.country])
        mine["business_date"] = local.dt.strftime("%Y-%m-%d")
        mine["timestamp"] = mine["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        result[bic] = mine[list(FIELDS)]
    return result


def _transaction_ids(rng: np.random.Generator, bic: str, count: int) -> list[str]:
    """Return a random reference per row, which reveals neither order nor label."""
    digits = rng.bytes(8 * count).hex()
    return [f"{bic[:4]}-{digits[i : i + 16]}" for i in range(0, 16 * count, 16)]


def _book_differently(
    rng: np.random.Generator,
    simulation: Simulation,
    mine: pd.DataFrame,
    wrong: NDArray[np.object_],
    own_is_debtor: NDArray[np.bool_],
) -> None:
    """Change, in place, the rows that this bank books differently from the other bank."""
    cents = _cents(mine["amount"])
    for row in np.flatnonzero(wrong == "amount"):  # a typing error that is large enough to change the band
        cents[row] = int(cents[row] * rng.uniform(1.4, 1.9))
    for row in np.flatnonzero(wrong == "fee"):
        cents[row] -= int(rng.integers(50, 1_500))
    mine["amount"] = decimal_text(cents)
    late = pd.to_timedelta(
        np.where(wrong == "time", rng.integers(50 * HOUR, 4 * DAY, len(mine)), 0), unit="s"
    )
    mine["timestamp"] = mine["timestamp"] + late
    accounts = simulation.accounts
    accounts = accounts[~accounts["kind"].isin(["cash", "treasury"])]
    for row in np.flatnonzero(wrong == "account"):  # another account of the counterparty's bank
        side = "creditor" if own_is_debtor[row] else "debtor"
        agent, account = mine.at[row, f"{side}_agent"], mine.at[row, f"{side}_account"]
        others = accounts[(accounts["agent"] == agent) & (accounts["account"] != account)]
        mine.at[row, f"{side}_account"] = others["account"].iloc[int(rng.integers(len(others)))]


def identifier_pairs(rows: dict[str, pd.DataFrame]) -> int:
    """Count distinct (bank, identifier) pairs: the pseudonyms that members request from the key holders."""
    return sum(
        len(set(part["debtor_account"]) | set(part["creditor_account"]))
        + len(set(part["party_id"].dropna()) | set(part["on_behalf_of"].dropna()))
        for part in rows.values()
    )
