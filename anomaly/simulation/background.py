"""Ordinary life: wages and rents, shops and friends, invoices and cash.

Each stream is a function of (scene, wanted number of rows); `STREAMS` says which share of the background it
makes up. Card purchases fill what is left, so that the total is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anomaly.simulation import habits
from anomaly.simulation.clock import HOUR, Clock
from anomaly.simulation.rows import Rows, concatenate, payments
from anomaly.simulation.ties import Ties
from anomaly.simulation.world import Kind, World
from ledger.schema import Channel

__all__ = ["STREAMS", "Scene", "ordinary_life"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Scene:
    """What every stream and every planted pattern needs: chance, world, calendar, ties."""

    rng: np.random.Generator
    world: World
    clock: Clock
    ties: Ties

    def some(self, pool: Ints, count: int, weight: NDArray[np.float64] | None = None) -> Ints:
        """Draw `count` elements of `pool` with replacement."""
        p = None if weight is None else weight / weight.sum()
        return np.asarray(self.rng.choice(pool, count, p=p), dtype=np.int64)

    def when(self, profile: str, src: Ints) -> Ints:
        """Draw times by `profile` in the local time of the banks of `src`."""
        return self.clock.draw(self.rng, len(src), profile, self.world.agent[src])


def _code(purpose: str) -> int:
    return habits.PURPOSES.index(purpose)


def _standing(
    scene: Scene, wanted: int, payer: Ints, payee: Ints, day: Ints, cents: Ints, hour: Ints, **dress: int
) -> Rows:
    """Monthly orders of as many pairs as the wanted number allows, booked in the hour given."""
    months = max(1, round(scene.clock.days / 30.4))
    keep = scene.rng.permutation(len(payer))[: wanted // months]
    who, when = scene.clock.monthly(day[keep])
    who = keep[who]
    second = hour[who] * HOUR + scene.rng.integers(0, 90, len(who))
    time = scene.clock.at(when, second, scene.world.agent[payer[who]])
    return payments(scene.rng, scene.world, payer[who], payee[who], time, cents[who], **dress)


def salaries(scene: Scene, wanted: int) -> Rows:
    """Each employer pays everybody in one batch: the look-alike of every fan-out."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    rows = np.flatnonzero(ties.employed)
    boss = ties.employer[rows]
    day, hour = rng.integers(24, 32, len(world.kind)), rng.integers(4, 11, len(world.kind))
    cents = habits.amounts(rng, len(rows), 2_350, 0.42)
    dress = {"channel": int(Channel.WIRE), "purpose": _code("SALA")}
    return _standing(scene, wanted, boss, ties.person[rows], day[boss], cents, hour[boss], **dress)


def benefits(scene: Scene, wanted: int) -> Rows:
    """Pensions and benefits from a public body, around the first of the month."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    rows = np.flatnonzero(~ties.employed)
    offices = world.of(Kind.PUBLIC)
    payer = np.zeros(len(rows), dtype=np.int64)
    for money in np.unique(world.currency[offices]):
        mine = world.currency[ties.person[rows]] == money
        payer[mine] = scene.some(offices[world.currency[offices] == money], int(mine.sum()))
    cents = habits.amounts(rng, len(rows), 1_150, 0.4)
    day, hour = np.full(len(rows), 1), np.full(len(rows), 5)
    dress = {"channel": int(Channel.WIRE), "purpose": _code("PENS")}
    return _standing(scene, wanted, payer, ties.person[rows], day, cents, hour, **dress)


def rents(scene: Scene, wanted: int) -> Rows:
    """Tenants to landlords in the first days of the month: the look-alike of every fan-in."""
    rng, ties = scene.rng, scene.ties
    rows = np.flatnonzero(ties.tenant)
    cents = habits.amounts(rng, len(rows), 820, 0.35, step=500)
    day, hour = rng.integers(1, 6, len(rows)), rng.integers(6, 20, len(rows))
    return _standing(
        scene, wanted, ties.person[rows], ties.landlord[rows], day, cents, hour, purpose=_code("RENT")
    )


def bills(scene: Scene, wanted: int) -> Rows:
    """Power, water, telephone."""
    rng, ties = scene.rng, scene.ties
    payer, payee = np.repeat(ties.person, 2), ties.bills.ravel()
    day = rng.integers(1, 29, len(payer))
    cents = habits.amounts(rng, len(payer), 62, 0.55)
    dress = {"channel": int(Channel.WIRE), "purpose": _code("UBIL")}
    return _standing(scene, wanted, payer, payee, day, cents, np.full(len(payer), 3), **dress)


def purchases(scene: Scene, wanted: int) -> Rows:
    """Cards at the shops one always goes to."""
    rng, ties = scene.rng, scene.ties
    row = scene.some(np.arange(len(ties.person)), wanted, ties.activity)
    preference = np.array([0.38, 0.24, 0.16, 0.11, 0.11])
    shop = ties.shops[row, rng.choice(5, wanted, p=preference)]
    cents = habits.amounts(rng, wanted, 27, 0.95)
    ending = rng.choice([99, 95, 50, 0], wanted, p=[0.5, 0.2, 0.15, 0.15])
    cents = np.where(rng.random(wanted) < 0.45, cents // 100 * 100 + ending, cents)
    src = ties.person[row]
    time = scene.when("shop", src)
    dress = {"channel": int(Channel.CARD), "purpose": _code("GDDS")}
    return payments(rng, scene.world, src, shop, time, np.maximum(cents, 50), **dress)


def among_people(scene: Scene, wanted: int) -> Rows:
    """Friends and family, now and then a stranger; mostly little, sometimes a car."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    row = scene.some(np.arange(len(ties.person)), wanted, ties.activity)
    src = ties.person[row]
    dst = ties.friends[row, rng.integers(0, 4, wanted)]
    order = np.argsort(world.town[ties.person], kind="stable")
    bound = np.searchsorted(world.town[ties.person][order], np.arange(len(world.town_currency) + 1))
    town = world.town[src]
    near = ties.person[order[rng.integers(bound[town], bound[town + 1])]]  # anyone in town
    dst = np.where(rng.random(wanted) < 0.22, near, dst)
    large = rng.random(wanted) < 0.24
    cents = np.where(large, habits.amounts(rng, wanted, 980, 1.0), habits.amounts(rng, wanted, 42, 1.0))
    ok = src != dst
    rows = payments(rng, world, src, dst, scene.when("home", src), habits.round_some(rng, cents, 0.6))
    return rows.take(np.flatnonzero(ok))


def invoices(scene: Scene, wanted: int) -> Rows:
    """Businesses pay their suppliers; part of the trade is in dollars."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    weight = world.weight[ties.business] ** 0.5
    row = scene.some(np.arange(len(ties.business)), wanted, weight)
    src = ties.business[row]
    dst = ties.suppliers[row, rng.choice(4, wanted, p=[0.4, 0.27, 0.18, 0.15])]
    currency = np.where(rng.random(wanted) < 0.08, 1, world.currency[src])
    cents = habits.round_some(rng, habits.amounts(rng, wanted, 1_900, 1.15), 0.25)
    ok = np.flatnonzero(src != dst)
    return payments(rng, world, src, dst, scene.when("office", src), cents, currency=currency).take(ok)


def taxes(scene: Scene, wanted: int) -> Rows:
    """Businesses to the public body of their currency area."""
    rng, world = scene.rng, scene.world
    src = scene.some(scene.ties.business, wanted)
    dst = np.zeros(wanted, dtype=np.int64)
    offices = world.of(Kind.PUBLIC)
    for money in np.unique(world.currency[offices]):
        rows = np.flatnonzero(world.currency[src] == money)
        dst[rows] = scene.some(offices[world.currency[offices] == money], len(rows))
    cents = habits.amounts(rng, wanted, 1_400, 1.0)
    return payments(rng, world, src, dst, scene.when("office", src), cents, purpose=_code("TAXS"))


def savings(scene: Scene, wanted: int) -> Rows:
    """Between accounts of one party, at one bank or two."""
    rng, world = scene.rng, scene.world
    further = np.flatnonzero((world.kind == Kind.SAVINGS) & ~world.dormant)
    first = np.zeros(len(world.party_id), dtype=np.int64)
    main = world.of(Kind.PERSON, Kind.COMPANY)
    first[world.party[main]] = main
    row = scene.some(further, wanted)
    other = first[world.party[row]]
    out = rng.random(wanted) < 0.6
    src, dst = np.where(out, other, row), np.where(out, row, other)
    cents = habits.round_some(rng, habits.amounts(rng, wanted, 420, 1.1), 0.85)
    return payments(rng, world, src, dst, scene.when("home", src), cents, purpose=_code("SAVG"))


def fees(scene: Scene, wanted: int) -> Rows:
    """Book the banks' own: charges from customers, interest to them."""
    rng, world = scene.rng, scene.world
    treasury = np.zeros(world.members, dtype=np.int64)
    own = world.of(Kind.TREASURY)
    treasury[world.agent[own]] = own
    customer = scene.some(np.flatnonzero((world.kind <= Kind.ASSOCIATION) & ~world.dormant), wanted)
    bank = treasury[world.agent[customer]]
    charge = rng.random(wanted) < 0.75
    src, dst = np.where(charge, customer, bank), np.where(charge, bank, customer)
    cents = habits.amounts(rng, wanted, 7, 0.6)
    purpose = np.where(charge, _code("SCVE"), _code("INTE"))
    time = scene.when("office", src)
    return payments(rng, world, src, dst, time, cents, channel=int(Channel.INTERNAL), purpose=purpose)


def withdrawals(scene: Scene, wanted: int) -> Rows:
    """Cash from the till of one's own bank, in whole notes."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    src = ties.person[scene.some(np.arange(len(ties.person)), wanted, ties.activity)]
    cents = habits.amounts(rng, wanted, 110, 0.75, step=1_000)
    till = world.till[world.agent[src], world.town[src]]
    dress = {"channel": int(Channel.CASH), "purpose": 0}
    return payments(rng, world, src, till, scene.when("shop", src), cents, **dress)


def deposits(scene: Scene, wanted: int) -> Rows:
    """Bring shops' takings and, less, people's cash; some of it is brought by a helper for the owner."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    shops = world.of(Kind.MERCHANT)
    shop = rng.random(wanted) < 0.65
    dst = np.where(shop, scene.some(shops, wanted), scene.some(ties.person, wanted))
    cents = np.where(shop, habits.amounts(rng, wanted, 2_600, 0.85), habits.amounts(rng, wanted, 380, 1.2))
    cents = np.maximum(habits.round_some(rng, cents, 0.5) // 500 * 500, 500)
    till = world.till[world.agent[dst], world.town[dst]]
    helped = ~shop & (rng.random(wanted) < 0.08)
    behind = np.where(helped, world.party[scene.some(ties.person, wanted)], -1)
    dress = {"channel": int(Channel.CASH), "purpose": 0}
    return payments(rng, world, till, dst, scene.when("branch", dst), cents, on_behalf=behind, **dress)


def walk_ins(scene: Scene, wanted: int) -> Rows:
    """Bills paid at the counter by people who keep no account there."""
    rng, world = scene.rng, scene.world
    payee = world.of(Kind.UTILITY, Kind.LANDLORD, Kind.ASSOCIATION)
    dst = scene.some(payee[world.till[world.agent[payee], world.town[payee]] >= 0], wanted)
    till = world.till[world.agent[dst], world.town[dst]]
    cents = habits.amounts(rng, wanted, 95, 0.9, step=100)
    who = scene.some(world.walk_in, wanted)
    dress = {"channel": int(Channel.CASH), "purpose": 0}
    return payments(rng, world, till, dst, scene.when("branch", dst), cents, actor=who, **dress)


def abroad(scene: Scene, wanted: int) -> Rows:
    """To and from banks outside the consortium: remittances, imports, exports."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    outside = world.of(Kind.OUTSIDE)
    firm = rng.random(wanted) < 0.55
    inside = np.where(
        firm,
        scene.some(ties.business, wanted, world.weight[ties.business] ** 0.5),
        scene.some(ties.person, wanted, ties.activity),
    )
    other = scene.some(outside, wanted, world.weight[outside])
    out = rng.random(wanted) < 0.55
    src, dst = np.where(out, inside, other), np.where(out, other, inside)
    cents = np.where(firm, habits.amounts(rng, wanted, 2_400, 1.2), habits.amounts(rng, wanted, 240, 1.1))
    time = scene.when("office", src)
    return payments(rng, world, src, dst, time, habits.round_some(rng, cents, 0.3))


def crypto(scene: Scene, wanted: int) -> Rows:
    """People to and from the exchanges."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    person = scene.some(ties.person, wanted, ties.activity**2)
    exchange = scene.some(world.of(Kind.EXCHANGE), wanted)
    buys = rng.random(wanted) < 0.7
    src, dst = np.where(buys, person, exchange), np.where(buys, exchange, person)
    cents = habits.round_some(rng, habits.amounts(rng, wanted, 210, 1.2), 0.6)
    dress = {"channel": int(Channel.CRYPTO), "purpose": _code("INVS")}
    return payments(rng, world, src, dst, scene.when("home", src), cents, **dress)


def long_ago(scene: Scene, wanted: int) -> Rows:
    """Give dormant accounts their last sign of life, in the first days of the period."""
    rng, world = scene.rng, scene.world
    sleeper = np.repeat(np.flatnonzero(world.dormant), 2)[:wanted]
    friend = scene.some(scene.ties.person, len(sleeper))
    day = rng.integers(0, max(1, scene.clock.days // 10), len(sleeper))
    time = scene.clock.at(day, rng.integers(8 * HOUR, 21 * HOUR, len(sleeper)), world.agent[sleeper])
    cents = habits.round_some(rng, habits.amounts(rng, len(sleeper), 60, 0.9), 0.6)
    return payments(rng, world, sleeper, friend, time, cents)


#: Stream and its share of the background; purchases by card are the rest.
STREAMS: Final[tuple[tuple[Callable[[Scene, int], Rows], float], ...]] = (
    (salaries, 0.08),
    (benefits, 0.022),
    (rents, 0.035),
    (bills, 0.06),
    (among_people, 0.15),
    (invoices, 0.115),
    (taxes, 0.01),
    (savings, 0.025),
    (fees, 0.02),
    (withdrawals, 0.045),
    (deposits, 0.035),
    (walk_ins, 0.003),
    (abroad, 0.025),
    (crypto, 0.006),
    (long_ago, 0.005),
)

# Amounts at which "more than 10,000" and "10,000 or more" part, in minor units.
_EDGES: Final = (1_000_000, 1_000_001, 999_999, 1_000_000, 990_000, 1_005_000)


def _touch_edges(scene: Scene, rows: Rows) -> Rows:
    """Set some deposits, withdrawals and transfers, in each currency, right at and around 10,000."""
    cents = rows.cents.copy()
    repeat = max(1, len(rows) // 25_000)
    for currency in (0, 1):
        for channel in (Channel.CASH, Channel.WIRE):
            pool = np.flatnonzero((rows.currency == currency) & (rows.channel == channel) & (rows.actor < 0))
            pool = pool[np.argsort(-cents[pool], kind="stable")][: max(60, len(pool) // 5)]
            chosen = scene.rng.permutation(pool)[: len(_EDGES) * repeat]
            cents[chosen] = np.resize(np.array(_EDGES), len(chosen))
    return Rows(**{**vars(rows), "cents": cents})


def ordinary_life(scene: Scene, count: int) -> Rows:
    """Return exactly `count` background payments."""
    blocks = [stream(scene, int(count * share)) for stream, share in STREAMS]
    blocks.append(purchases(scene, count - sum(len(block) for block in blocks)))
    return _touch_edges(scene, concatenate(blocks))
