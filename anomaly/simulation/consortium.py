"""The simulation: background, look-alikes and planted schemes in one table of transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anomaly.simulation import habits, identifiers
from anomaly.simulation.background import ordinary_life
from anomaly.simulation.clock import ZONES, Clock
from anomaly.simulation.lookalikes import LOOK_ALIKES
from anomaly.simulation.rows import Rows, concatenate
from anomaly.simulation.scene import Scene
from anomaly.simulation.staging import Scheme, Stage, play
from anomaly.simulation.ties import tie
from anomaly.simulation.typologies import TYPOLOGIES
from anomaly.simulation.world import CURRENCIES, Agent, Kind, World, build_world
from ledger.errors import InputError
from ledger.schema import Channel, PartyType

__all__ = ["GENERATOR_VERSION", "Simulation", "simulate"]

Ints = NDArray[np.int64]

#: Increased when the same seed and parameters give different files.
GENERATOR_VERSION: Final = "1"

_FEWEST_TRANSACTIONS: Final = 3_000
_FEWEST_DAYS: Final = 21


@dataclass(frozen=True)
class Simulation:
    """A synthetic consortium.

    Parameters
    ----------
    transactions : DataFrame
        One row per transaction, in time order (ties in random order), with the parties of both sides
        (`debtor_party_id`, `creditor_party_id`, ...). `members.member_rows` gives each bank's rows.
    truth : DataFrame
        One row per planted transaction: uetr, pattern_id, typology, role ("planted"), part (its role in the
        scheme), banks_touched (distinct agents of the instance).
    look_alikes : DataFrame
        The same columns for honest schemes (role "look_alike"): never laundering.
    agents : list of Agent
        The members.
    outsiders : list of Agent
        Banks that are not members.
    accounts : DataFrame
        account, agent, party_id, party_type, country, kind, town, currency, dormant.
    parameters : dict
        Arguments of `simulate`.
    """

    transactions: pd.DataFrame
    truth: pd.DataFrame
    look_alikes: pd.DataFrame
    agents: list[Agent]
    outsiders: list[Agent]
    accounts: pd.DataFrame
    parameters: dict[str, Any] = field(default_factory=dict)


def simulate(
    *,
    banks: int = 8,
    transactions: int = 100_000,
    accounts: int = 6_000,
    days: int = 60,
    seed: int = 7,
    start: date = date(2026, 1, 5),
) -> Simulation:
    """Generate a consortium's transactions with planted typologies.

    The same arguments give the same tables under the same version of NumPy.

    Parameters
    ----------
    banks : int
        Members of the consortium, 2 to 26.
    transactions : int
        Total number of transactions, each counted once; 3,000 or more.
    accounts : int
        Accounts at members (tills and accounts at other banks are additional); 40 per bank or more.
    days : int
        Length of the period; 21 or more.
    seed : int
        Seed of `numpy.random.default_rng`.
    start : date
        First day.

    Raises
    ------
    InputError
        When an argument is out of range.
    """
    if transactions < _FEWEST_TRANSACTIONS:
        raise InputError(
            f"{transactions} transactions are too few for all typologies",
            next_step=f"Request {_FEWEST_TRANSACTIONS} or more.",
        )
    if days < _FEWEST_DAYS:
        raise InputError(
            f"a period of {days} days is too short", next_step=f"Request {_FEWEST_DAYS} or more."
        )
    if seed < 0:
        raise InputError(f"the seed is {seed}, but must not be negative")
    rng = np.random.default_rng(seed)
    world = build_world(rng, banks=banks, accounts=accounts)
    clock = Clock(start, days, [ZONES[agent.country] for agent in world.agents])
    scene = Scene(rng, world, clock, tie(rng, world))
    stage = Stage(scene)
    planted = play(stage, TYPOLOGIES, transactions)
    honest = play(stage, LOOK_ALIKES, transactions)
    schemes = [stage.rows(planted), stage.rows(honest)]
    background = ordinary_life(scene, transactions - sum(len(block) for block in schemes))
    rows = concatenate([*schemes, background])

    order = rng.permutation(transactions)
    order = order[np.argsort(rows.time[order], kind="stable")]  # ties stay shuffled
    frame = _in_words(world, rows.take(order))
    frame.insert(0, "uetr", identifiers.uetrs(rng, transactions))
    place = np.empty(transactions, dtype=np.int64)
    place[order] = np.arange(transactions)
    return Simulation(
        transactions=frame,
        truth=_labels(frame, planted, place, "planted"),
        look_alikes=_labels(frame, honest, place[len(schemes[0]) :], "look_alike"),
        agents=list(world.agents[: world.members]),
        outsiders=list(world.agents[world.members :]),
        accounts=_accounts(world),
        parameters={
            "banks": banks,
            "transactions": transactions,
            "accounts": accounts,
            "days": days,
            "seed": seed,
            "start": start.isoformat(),
        },
    )


def decimal_text(cents: Ints) -> list[str]:
    """Write minor units as a decimal with two places."""
    return [f"{c // 100}.{c % 100:02d}" for c in cents.tolist()]


def _words(values: Sequence[str | None], index: Ints) -> NDArray[np.object_]:
    """Return the value at each index; -1 gives None."""
    return np.array([*values, None], dtype=object)[index]


def _in_words(world: World, rows: Rows) -> pd.DataFrame:
    agent_ids = [agent.agent_id for agent in world.agents]
    channels = {int(c): c.name.lower() for c in Channel}
    channel_words = [channels.get(i) for i in range(max(channels) + 1)]
    types = [PartyType(t).name.lower() for t in world.party_type]
    cash_in, cash_out = world.kind[rows.src] == Kind.CASH, world.kind[rows.dst] == Kind.CASH
    debtor, creditor = world.party[rows.src], world.party[rows.dst]
    # in a cash payment the customer is on the account's side; a walk-in customer replaces its party
    creditor = np.where(rows.actor >= 0, rows.actor, creditor)
    behind_debtor = np.where(cash_in, -1, rows.on_behalf)
    behind_creditor = np.where(cash_in, rows.on_behalf, -1)
    country = _words(world.party_country, np.where(debtor >= 0, debtor, creditor))
    other = _words(world.party_country, np.where(creditor >= 0, creditor, debtor))
    is_exempt = np.append(world.exempt, False)
    cash = cash_in | cash_out
    return pd.DataFrame(
        {
            "timestamp": pd.to_datetime(rows.time, unit="s", utc=True),
            "debtor_agent": _words(agent_ids, world.agent[rows.src]),
            "debtor_account": _words(world.account_id, rows.src),
            "creditor_agent": _words(agent_ids, world.agent[rows.dst]),
            "creditor_account": _words(world.account_id, rows.dst),
            "debtor_party_id": _words(world.party_id, debtor),
            "debtor_party_type": _words(types, debtor),
            "debtor_on_behalf_of": _words(world.party_id, behind_debtor),
            "creditor_party_id": _words(world.party_id, creditor),
            "creditor_party_type": _words(types, creditor),
            "creditor_on_behalf_of": _words(world.party_id, behind_creditor),
            "amount": decimal_text(rows.cents),
            "currency": _words(CURRENCIES, rows.currency),
            "channel": _words(channel_words, rows.channel),
            "debtor_country": country,
            "creditor_country": other,
            "purpose": _words([p or None for p in habits.PURPOSES], rows.purpose),
            "cash_in": cash_in,
            "cash_out": cash_out,
            "own_account": (debtor == creditor) & ~cash,
            "occasional": rows.actor >= 0,
            "debtor_exempt": is_exempt[debtor] & cash,
            "creditor_exempt": is_exempt[creditor] & cash,
        }
    )


def _labels(frame: pd.DataFrame, schemes: list[Scheme], place: Ints, role: str) -> pd.DataFrame:
    """Return the rows of each scheme; `place` maps the legs, in order, to rows of `frame`."""
    legs = [(number, scheme, leg) for number, scheme in enumerate(schemes, 1) for leg in scheme.legs]
    rows = place[: len(legs)]
    labels = pd.DataFrame(
        {
            "uetr": frame["uetr"].to_numpy()[rows],
            "pattern_id": [f"{scheme.typology}-{number:04d}" for number, scheme, _ in legs],
            "typology": [scheme.typology for _, scheme, _ in legs],
            "role": role,
            "part": [leg.part for _, _, leg in legs],
        }
    )
    agents = frame[["debtor_agent", "creditor_agent"]].iloc[rows].reset_index(drop=True)
    both = pd.concat([agents["debtor_agent"], agents["creditor_agent"]])
    touched = both.groupby(labels["pattern_id"].loc[both.index].to_numpy()).nunique()
    labels["banks_touched"] = labels["pattern_id"].map(touched).astype("int64")
    return labels


def _accounts(world: World) -> pd.DataFrame:
    types = [PartyType(t).name.lower() for t in world.party_type]
    return pd.DataFrame(
        {
            "account": list(world.account_id),
            "agent": [world.agents[a].agent_id for a in world.agent],
            "party_id": _words(world.party_id, world.party),
            "party_type": _words(types, world.party),
            "country": _words(world.party_country, world.party),
            "kind": [Kind(k).name.lower() for k in world.kind],
            "town": world.town,
            "currency": _words(CURRENCIES, world.currency),
            "dormant": world.dormant,
        }
    )
