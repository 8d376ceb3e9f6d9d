"""Usual counterparties: employer, landlord, shops, friends and suppliers of each account.

Ties are drawn once and used repeatedly, mostly within the town, as in real payment graphs. This also limits
the number of accounts at other banks that a bank sees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly.simulation.world import Kind, World

__all__ = ["Ties", "tie"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Ties:
    """Rows of the matrices belong to `person` (or `business`); the values are account indices.

    Parameters
    ----------
    person : array
        Active accounts of ordinary people.
    activity : array of float
        Relative number of payments of each account.
    employer, landlord : array
        By person.
    bills, shops, friends : array (persons, k)
        By person; shops ordered by preference.
    employed, tenant : array of bool
        By person.
    business : array
        Accounts that buy and sell: merchants, companies, landlords, associations.
    suppliers : array (businesses, k)
        By business.
    """

    person: Ints
    activity: NDArray[np.float64]
    employer: Ints
    landlord: Ints
    bills: Ints
    shops: Ints
    friends: Ints
    employed: NDArray[np.bool_]
    tenant: NDArray[np.bool_]
    business: Ints
    suppliers: Ints


def tie(rng: np.random.Generator, world: World) -> Ties:
    """Draw the ties of every active account."""
    person = np.flatnonzero((world.kind == Kind.PERSON) & ~world.dormant)
    business = world.of(Kind.MERCHANT, Kind.COMPANY, Kind.LANDLORD, Kind.ASSOCIATION)
    count = len(person)
    employer = np.zeros(count, dtype=np.int64)
    landlord = np.zeros(count, dtype=np.int64)
    bills = np.zeros((count, 2), dtype=np.int64)
    shops = np.zeros((count, 5), dtype=np.int64)
    friends = np.zeros((count, 4), dtype=np.int64)
    suppliers = np.zeros((len(business), 4), dtype=np.int64)

    merchants, bosses = world.of(Kind.MERCHANT), world.of(Kind.COMPANY, Kind.MERCHANT, Kind.PUBLIC)
    owners, works = world.of(Kind.LANDLORD), world.of(Kind.UTILITY)
    sellers = world.of(Kind.COMPANY)

    def pick(pool: Ints, shape: int | tuple[int, ...]) -> Ints:
        weight = world.weight[pool]
        return np.asarray(rng.choice(pool, shape, p=weight / weight.sum()), dtype=np.int64)

    for town, currency in enumerate(world.town_currency):
        rows = np.flatnonzero(world.town[person] == town)
        size = len(rows)
        here, same = world.town, world.currency == currency
        employer[rows] = pick(bosses[here[bosses] == town], size)
        shops[rows] = pick(merchants[here[merchants] == town], (size, 5))
        landlord[rows] = pick(owners[same[owners]], size)
        bills[rows] = pick(works[same[works]], (size, 2))
        neighbours = person[rows]
        if size:
            friends[rows] = rng.choice(neighbours, (size, 4))
        firms = np.flatnonzero(here[business] == town)
        suppliers[firms, :3] = pick(sellers[here[sellers] == town], (len(firms), 3))
        suppliers[firms, 3] = pick(sellers[same[sellers]], len(firms))

    online = rng.permutation(merchants)[: max(2, len(merchants) // 25)]  # shops that sell to every town
    shops[:, 4] = np.where(rng.random(count) < 0.5, rng.choice(online, count), shops[:, 4])
    far = np.flatnonzero(rng.random(count) < 0.5)
    same_money = {c: person[world.currency[person] == c] for c in (0, 1)}
    for money, pool in same_money.items():
        rows = far[world.currency[person[far]] == money]
        if len(rows):
            friends[rows, 3] = rng.choice(pool, len(rows))
    return Ties(
        person=person,
        activity=rng.lognormal(0.0, 0.9, count),
        employer=employer,
        landlord=landlord,
        bills=bills,
        shops=shops,
        friends=friends,
        employed=rng.random(count) < 0.78,
        tenant=rng.random(count) < 0.4,
        business=business,
        suppliers=suppliers,
    )
