"""The simulated world: banks, towns, parties and their accounts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anomaly.simulation import identifiers
from ledger.errors import InputError
from ledger.schema import PartyType

__all__ = ["CURRENCIES", "Agent", "Kind", "World", "build_world"]

Ints = NDArray[np.int64]

CURRENCIES: Final = ("EUR", "USD")

_NAMES: Final = (
    *("Alfa", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hotel", "India", "Juliett", "Kilo"),
    *("Lima", "Mike", "November", "Oscar", "Papa", "Quebec", "Romeo", "Sierra", "Tango", "Uniform"),
    *("Victor", "Whiskey", "Xray", "Yankee", "Zulu"),
)
_COUNTRIES: Final = ("DE", "FR", "US", "NL", "DE", "ES", "FR", "US", "AT", "IE", "BE", "LU")
_OUTSIDERS: Final = (
    ("Nearby Mutual", "NEBYGB20", "GB"),
    ("Summit Private", "SUMMCH20", "CH"),
    ("Amberline Pay", "AMBRLT20", "LT"),
    ("Harbour Trade", "HARBSG20", "SG"),
    ("Dune Gate Exchange", "DUNEAE20", "AE"),
)


class Kind(IntEnum):
    """The use of an account."""

    PERSON = 0
    SAVINGS = 1  # an additional account of a party
    MERCHANT = 2
    COMPANY = 3
    LANDLORD = 4
    ASSOCIATION = 5
    UTILITY = 6
    PUBLIC = 7
    EXCHANGE = 8  # sells crypto assets
    TREASURY = 9  # the bank's own account
    OUTSIDE = 10  # kept by a bank that is not a member
    CASH = 11  # a till: the other side of cash


@dataclass(frozen=True, slots=True)
class Agent:
    """A bank.

    Parameters
    ----------
    agent_id : str
        BIC, eight characters.
    name : str
    country : str
        ISO 3166-1 alpha-2.
    """

    agent_id: str
    name: str
    country: str


@dataclass(frozen=True)
class World:
    """Arrays by account (agent, party, kind, town, currency, weight) and lists by party.

    Agents 0 to `members` - 1 are the consortium; the rest are outside. `dormant` accounts have no payments
    after the first days. `till[agent, town]` is the account index of a cash desk, -1 if there is no branch.
    """

    agents: tuple[Agent, ...]
    members: int
    account_id: tuple[str, ...]
    agent: Ints
    party: Ints
    kind: Ints
    town: Ints
    currency: Ints
    weight: NDArray[np.float64]
    dormant: NDArray[np.bool_]
    till: Ints
    town_currency: Ints
    town_country: NDArray[np.str_]
    party_id: tuple[str, ...]
    party_type: Ints
    party_country: tuple[str, ...]
    exempt: NDArray[np.bool_]
    walk_in: Ints

    def of(self, *kinds: Kind) -> Ints:
        """Return the account indices of these kinds."""
        return np.flatnonzero(np.isin(self.kind, kinds))

    @cached_property
    def person_like(self) -> NDArray[np.bool_]:
        """By account, whether its party is a person (false for tills)."""
        types = np.append(self.party_type, 0)  # party -1 belongs to tills
        return np.asarray(types[self.party] == PartyType.PERSON)


def _member_agents(banks: int) -> list[Agent]:
    if not 2 <= banks <= len(_NAMES):
        raise InputError(
            f"a simulated consortium cannot have {banks} banks", next_step=f"Request 2 to {len(_NAMES)}."
        )
    result = []
    for i in range(banks):
        country = _COUNTRIES[i % len(_COUNTRIES)]
        result.append(Agent(f"{_NAMES[i][:4].upper()}{country}20", f"Bank {_NAMES[i]}", country))
    return result


class _Ledger:
    """Accounts and parties while they are being opened."""

    def __init__(self, rng: np.random.Generator, agents: list[Agent]) -> None:
        self.agents = agents
        self.rows: list[tuple[int, int, int, int, int]] = []
        self.ids: list[str] = []
        self.party_id: list[str] = []
        self.party_type: list[int] = []
        self.party_country: list[str] = []
        self._numbers = iter(rng.permutation(9_000_000) + 1_000_000)
        self._bank_code = rng.permutation(90)[: len(agents)] + 900

    def number(self) -> int:
        return int(next(self._numbers))

    def new_party(self, kind: PartyType, country: str) -> int:
        serial = self.number()
        is_person = kind is PartyType.PERSON
        self.party_id.append(
            identifiers.person(country, 80_000_000_000 + serial)
            if is_person
            else f"lei:{identifiers.lei(serial)}"
        )
        self.party_type.append(int(kind))
        self.party_country.append(country)
        return len(self.party_id) - 1

    def open(self, agent: int, party: int, kind: Kind, town: int, currency: int, name: str = "") -> int:
        bank = self.agents[agent]
        number = self.number()
        if name or bank.country in ("US", "SG", "AE"):
            self.ids.append(f"acct:{bank.agent_id}:{name or f'{number:010d}'}")
        else:
            code = int(self._bank_code[agent])
            self.ids.append(identifiers.iban(bank.country, bank.agent_id[:4], code, number))
        self.rows.append((agent, party, int(kind), town, currency))
        return len(self.rows) - 1


_TYPE_OF_KIND: Final = {
    Kind.PUBLIC: PartyType.PUBLIC_BODY,
    Kind.TREASURY: PartyType.FINANCIAL_INSTITUTION,
    Kind.PERSON: PartyType.PERSON,
}
# Kinds counted per town (share of the accounts, fewest per town) and per currency area.
_PER_TOWN: Final = ((Kind.MERCHANT, 0.05, 2), (Kind.COMPANY, 0.085, 3))
_PER_AREA: Final = (
    (Kind.LANDLORD, 0.014, 2),
    (Kind.ASSOCIATION, 0.010, 2),
    (Kind.UTILITY, 0.003, 2),
    (Kind.PUBLIC, 0.003, 1),
    (Kind.EXCHANGE, 0.0002, 1),
)
_FURTHER_ACCOUNTS: Final = 0.11


def build_world(rng: np.random.Generator, *, banks: int, accounts: int) -> World:
    """Create banks, towns, parties and accounts.

    Parameters
    ----------
    rng : numpy.random.Generator
    banks : int
        Members of the consortium.
    accounts : int
        Customers' and banks' own accounts at members; tills and accounts outside are additional.

    Raises
    ------
    InputError
        When there are too few accounts for the towns, or too few or too many banks.
    """
    members = _member_agents(banks)
    agents = members + [Agent(bic, name, country) for name, bic, country in _OUTSIDERS]
    book = _Ledger(rng, agents)
    towns = max(banks, accounts // 250)
    if accounts < 40 * towns:
        raise InputError(
            f"{accounts} accounts are too few for {banks} banks", next_step=f"Request {40 * towns} or more."
        )
    area = np.array([int(a.country == "US") for a in members])
    home = np.arange(towns) % banks
    town_currency = area[home]
    present = [_banks_in_town(rng, int(home[t]), area) for t in range(towns)]
    shares = np.array([0.55, 0.33, 0.12])

    def settle(kind: Kind, town: int) -> None:
        here = present[town]
        p = shares[: len(here)] / shares[: len(here)].sum()
        agent = int(rng.choice(here, p=p))
        country = agents[int(home[town])].country
        party = book.new_party(_TYPE_OF_KIND.get(kind, PartyType.BUSINESS), country)
        book.open(agent, party, kind, town, int(town_currency[town]))

    for i in range(banks):
        party = book.new_party(PartyType.FINANCIAL_INSTITUTION, agents[i].country)
        book.open(i, party, Kind.TREASURY, i, int(area[i]))
    for kind, share, least in _PER_TOWN:
        for town in range(towns):
            for _ in range(max(least, round(share * accounts / towns))):
                settle(kind, town)
    for currency in sorted({int(c) for c in town_currency}):
        where = np.flatnonzero(town_currency == currency)
        for kind, share, least in _PER_AREA:
            for _ in range(max(least, round(share * accounts * len(where) / towns))):
                settle(kind, int(rng.choice(where)))
    further = round(_FURTHER_ACCOUNTS * accounts)
    size = rng.lognormal(0.0, 0.35, towns)
    for town in rng.choice(towns, accounts - further - len(book.rows), p=size / size.sum()):
        settle(Kind.PERSON, int(town))
    _open_further(rng, book, further, present, area)
    _open_outside(rng, book, accounts, members=banks)
    till = _open_tills(book, present, banks, town_currency)
    country = [agents[int(b)].country for b in rng.choice(banks, max(8, accounts // 80))]
    walk_in = np.array([book.new_party(PartyType.PERSON, c) for c in country])
    town_country = np.array([agents[int(bank)].country for bank in home])
    return _freeze(rng, book, banks, till, town_currency, town_country, walk_in)


def _banks_in_town(rng: np.random.Generator, home: int, area: Ints) -> Ints:
    rivals = rng.permutation(np.flatnonzero((area == area[home]) & (np.arange(len(area)) != home)))
    return np.append(home, rivals[: 2 if rng.random() < 0.3 else 1])


def _open_further(
    rng: np.random.Generator, book: _Ledger, count: int, present: list[Ints], area: Ints
) -> None:
    """Give some parties additional accounts, often at another bank, a few at several banks."""
    owners = [i for i, row in enumerate(book.rows) if row[2] in (Kind.PERSON, Kind.COMPANY)]
    several = rng.permutation(owners)[: max(1, round(0.6 * count))]
    for owner in rng.choice(several, count):
        agent, party, _, town, currency = book.rows[int(owner)]
        draw = rng.random()
        if draw < 0.40:
            other = agent
        elif draw < 0.85:
            other = int(rng.choice(present[town]))
        else:
            other = int(rng.choice(np.flatnonzero(area == currency)))
        book.open(other, party, Kind.SAVINGS, town, currency)


def _open_outside(rng: np.random.Generator, book: _Ledger, accounts: int, *, members: int) -> None:
    for _ in range(max(15, accounts // 30)):
        agent = members + int(rng.integers(len(_OUTSIDERS)))
        kind = PartyType.PERSON if rng.random() < 0.45 else PartyType.BUSINESS
        party = book.new_party(kind, book.agents[agent].country)
        book.open(agent, party, Kind.OUTSIDE, -1, int(rng.random() < 0.3))


def _open_tills(book: _Ledger, present: list[Ints], banks: int, currency: Ints) -> Ints:
    till = np.full((banks, len(present)), -1)
    for town, here in enumerate(present):
        for agent in here:
            name = f"CASH-{town:03d}"
            till[agent, town] = book.open(int(agent), -1, Kind.CASH, town, int(currency[town]), name)
    return till


def _freeze(
    rng: np.random.Generator,
    book: _Ledger,
    members: int,
    till: Ints,
    town_currency: Ints,
    town_country: NDArray[np.str_],
    walk_in: Ints,
) -> World:
    agent, party, kind, town, currency = np.array(book.rows).T
    weight = rng.lognormal(0.0, 0.9, len(kind))
    hubs = np.isin(kind, (Kind.MERCHANT, Kind.COMPANY, Kind.LANDLORD, Kind.UTILITY))
    weight[hubs] = rng.pareto(1.3, int(hubs.sum())) + 0.1  # few large, many small
    dormant = ((kind == Kind.PERSON) & (rng.random(len(kind)) < 0.03)) | (
        (kind == Kind.SAVINGS) & (rng.random(len(kind)) < 0.12)
    )
    dormant[np.flatnonzero(kind == Kind.PERSON)[:3]] = True  # at least three, also in a small world
    party_type = np.array(book.party_type)
    exempt = np.isin(party_type, (PartyType.PUBLIC_BODY, PartyType.FINANCIAL_INSTITUTION))
    listed = np.flatnonzero(np.isin(kind, (Kind.MERCHANT, Kind.UTILITY)) & (weight > 12))
    exempt[party[listed]] = True
    return World(
        agents=tuple(book.agents),
        members=members,
        account_id=tuple(book.ids),
        agent=agent,
        party=party,
        kind=kind,
        town=town,
        currency=currency,
        weight=weight,
        dormant=dormant,
        till=till,
        town_currency=town_currency,
        town_country=town_country,
        party_id=tuple(book.party_id),
        party_type=party_type,
        party_country=tuple(book.party_country),
        exempt=exempt,
        walk_in=walk_in,
    )
