"""Ordinary payments of people: wages, rents, bills, purchases, payments to friends, savings.

Each stream is a function of (scene, wanted number of rows) and returns about that number of rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomaly.simulation import habits
from anomaly.simulation.clock import HOUR
from anomaly.simulation.habits import purpose_code
from anomaly.simulation.rows import Rows, payments
from anomaly.simulation.scene import Scene
from anomaly.simulation.world import Kind
from ledger.schema import Channel

__all__ = [
    "among_people",
    "benefits",
    "bills",
    "crypto",
    "long_ago",
    "purchases",
    "rents",
    "salaries",
    "savings",
    "withdrawals",
]

Ints = NDArray[np.int64]


def _standing(
    scene: Scene, wanted: int, payer: Ints, payee: Ints, day: Ints, cents: Ints, hour: Ints, **dress: int
) -> Rows:
    """Return monthly standing orders of as many pairs as `wanted` allows, booked in the given hour."""
    months = max(1, round(scene.clock.days / 30.4))
    keep = scene.rng.permutation(len(payer))[: wanted // months]
    who, when = scene.clock.monthly(day[keep])
    who = keep[who]
    run = scene.rng.integers(0, HOUR, len(scene.world.kind))  # when each payer's batch runs
    second = hour[who] * HOUR + run[payer[who]] + scene.rng.integers(0, 90, len(who))
    time = scene.clock.at(when, second, scene.world.agent[payer[who]])
    return payments(scene.rng, scene.world, payer[who], payee[who], time, cents[who], **dress)


def salaries(scene: Scene, wanted: int) -> Rows:
    """Return salaries; each employer pays all employees in one batch, which looks like a fan-out."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    rows = np.flatnonzero(ties.employed)
    boss = ties.employer[rows]
    day, hour = rng.integers(24, 32, len(world.kind)), rng.integers(4, 11, len(world.kind))
    cents = habits.amounts(rng, len(rows), 2_350, 0.42)
    dress = {"channel": int(Channel.WIRE), "purpose": purpose_code("SALA")}
    return _standing(scene, wanted, boss, ties.person[rows], day[boss], cents, hour[boss], **dress)


def benefits(scene: Scene, wanted: int) -> Rows:
    """Return pensions and benefits from a public body, around the first of the month."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    rows = np.flatnonzero(~ties.employed)
    offices = world.of(Kind.PUBLIC)
    payer = np.zeros(len(rows), dtype=np.int64)
    for money in np.unique(world.currency[offices]):
        mine = world.currency[ties.person[rows]] == money
        payer[mine] = scene.some(offices[world.currency[offices] == money], int(mine.sum()))
    cents = habits.amounts(rng, len(rows), 1_150, 0.4)
    day, hour = np.full(len(rows), 1), np.full(len(rows), 5)
    dress = {"channel": int(Channel.WIRE), "purpose": purpose_code("PENS")}
    return _standing(scene, wanted, payer, ties.person[rows], day, cents, hour, **dress)


def rents(scene: Scene, wanted: int) -> Rows:
    """Return rents in the first days of the month, which look like a fan-in at the landlord."""
    rng, ties = scene.rng, scene.ties
    rows = np.flatnonzero(ties.tenant)
    cents = habits.amounts(rng, len(rows), 820, 0.35, step=500)
    day, hour = rng.integers(1, 6, len(rows)), rng.integers(6, 20, len(rows))
    return _standing(
        scene, wanted, ties.person[rows], ties.landlord[rows], day, cents, hour, purpose=purpose_code("RENT")
    )


def bills(scene: Scene, wanted: int) -> Rows:
    """Return bills for power, water and telephone."""
    rng, ties = scene.rng, scene.ties
    payer, payee = np.repeat(ties.person, 2), ties.bills.ravel()
    day = rng.integers(1, 29, len(payer))
    cents = habits.amounts(rng, len(payer), 62, 0.55)
    dress = {"channel": int(Channel.WIRE), "purpose": purpose_code("UBIL")}
    return _standing(scene, wanted, payer, payee, day, cents, np.full(len(payer), 3), **dress)


def purchases(scene: Scene, wanted: int) -> Rows:
    """Return card payments at each person's preferred shops."""
    rng, ties = scene.rng, scene.ties
    row = scene.some(np.arange(len(ties.person)), wanted, ties.activity)
    preference = np.array([0.38, 0.24, 0.16, 0.11, 0.11])
    shop = ties.shops[row, rng.choice(5, wanted, p=preference)]
    cents = habits.amounts(rng, wanted, 27, 0.95)
    ending = rng.choice([99, 95, 50, 0], wanted, p=[0.5, 0.2, 0.15, 0.15])
    cents = np.where(rng.random(wanted) < 0.45, cents // 100 * 100 + ending, cents)
    src = ties.person[row]
    time = scene.when("shop", src)
    dress = {"channel": int(Channel.CARD), "purpose": purpose_code("GDDS")}
    return payments(rng, scene.world, src, shop, time, np.maximum(cents, 50), **dress)


def among_people(scene: Scene, wanted: int) -> Rows:
    """Return payments to friends and family, some to strangers; most amounts are small, some large."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    row = scene.some(np.arange(len(ties.person)), wanted, ties.activity)
    src = ties.person[row]
    dst = ties.friends[row, rng.integers(0, 4, wanted)]
    order = np.argsort(world.town[ties.person], kind="stable")
    bound = np.searchsorted(world.town[ties.person][order], np.arange(len(world.town_currency) + 1))
    town = world.town[src]
    near = ties.person[order[rng.integers(bound[town], bound[town + 1])]]  # any person in the same town
    dst = np.where(rng.random(wanted) < 0.22, near, dst)
    large = rng.random(wanted) < 0.3
    far = large & (rng.random(wanted) < 0.15)  # for example a used car or a tuition fee
    for money in (0, 1):
        rows = np.flatnonzero(far & (world.currency[src] == money))
        if len(rows):
            dst[rows] = scene.some(ties.person[world.currency[ties.person] == money], len(rows))
    cents = np.where(large, habits.amounts(rng, wanted, 1_150, 1.05), habits.amounts(rng, wanted, 42, 1.0))
    ok = np.flatnonzero(src != dst)
    cents = habits.round_some(rng, cents, 0.6)
    return payments(rng, world, src, dst, scene.when("home", src), cents).take(ok)


def savings(scene: Scene, wanted: int) -> Rows:
    """Return transfers between accounts of one party, at one bank or at two."""
    rng, world = scene.rng, scene.world
    further = np.flatnonzero((world.kind == Kind.SAVINGS) & ~world.dormant)
    first = np.zeros(len(world.party_id), dtype=np.int64)
    main = world.of(Kind.PERSON, Kind.COMPANY)
    first[world.party[main]] = main
    further = further[~world.dormant[first[world.party[further]]]]
    row = scene.some(further, wanted)
    other = first[world.party[row]]
    out = rng.random(wanted) < 0.6
    src, dst = np.where(out, other, row), np.where(out, row, other)
    cents = habits.round_some(rng, habits.amounts(rng, wanted, 420, 1.1), 0.85)
    return payments(rng, world, src, dst, scene.when("home", src), cents, purpose=purpose_code("SAVG"))


def withdrawals(scene: Scene, wanted: int) -> Rows:
    """Return cash withdrawals at the customer's own bank, in whole notes."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    src = ties.person[scene.some(np.arange(len(ties.person)), wanted, ties.activity)]
    cents = habits.amounts(rng, wanted, 110, 0.75, step=1_000)
    till = world.till[world.agent[src], world.town[src]]
    dress = {"channel": int(Channel.CASH), "purpose": 0}
    return payments(rng, world, src, till, scene.when("shop", src), cents, **dress)


def crypto(scene: Scene, wanted: int) -> Rows:
    """Return payments between people and crypto exchanges."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    person = scene.some(ties.person, wanted, ties.activity**2)
    exchange = scene.some(world.of(Kind.EXCHANGE), wanted)
    buys = rng.random(wanted) < 0.7
    src, dst = np.where(buys, person, exchange), np.where(buys, exchange, person)
    cents = habits.round_some(rng, habits.amounts(rng, wanted, 210, 1.2), 0.6)
    dress = {"channel": int(Channel.CRYPTO), "purpose": purpose_code("INVS")}
    return payments(rng, world, src, dst, scene.when("home", src), cents, **dress)


def long_ago(scene: Scene, wanted: int) -> Rows:
    """Return the last payments of dormant accounts, in the first days of the period."""
    rng, world = scene.rng, scene.world
    sleeper = np.repeat(np.flatnonzero(world.dormant), 2)[:wanted]
    friend = scene.some(scene.ties.person, len(sleeper))
    day = rng.integers(0, max(1, scene.clock.days // 10), len(sleeper))
    time = scene.clock.at(day, rng.integers(8 * HOUR, 21 * HOUR, len(sleeper)), world.agent[sleeper])
    cents = habits.round_some(rng, habits.amounts(rng, len(sleeper), 60, 0.9), 0.6)
    return payments(rng, world, sleeper, friend, time, cents)
