"""Honest schemes that look like planted ones, so that a detector without precision raises false alerts.

They are background and never in the truth table; a separate table lists them, so that a false alert can be
attributed to one. Wages, rents and shops (in `background`) are also look-alikes, but are not listed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anomaly.simulation.clock import DAY, HOUR
from anomaly.simulation.staging import THRESHOLD, Leg, Repertoire, Stage
from anomaly.simulation.world import Kind

__all__ = ["LOOK_ALIKES"]

Ints = NDArray[np.int64]


def _pool(stage: Stage, *kinds: Kind, near: int | None = None) -> Ints:
    """Return active accounts of these kinds, from the town of `near` if that has enough of them."""
    world = stage.world
    pool = np.flatnonzero(np.isin(world.kind, kinds) & ~world.dormant)
    if near is not None:
        pool = pool[(world.currency[pool] == world.currency[near]) & (pool != near)]
        town = pool[world.town[pool] == world.town[near]]
        pool = town if len(town) >= 25 else pool
    return np.asarray(stage.rng.permutation(pool), dtype=np.int64)


def _one(stage: Stage, *kinds: Kind) -> int:
    return int(_pool(stage, *kinds)[0])


def _some(stage: Stage, low: int, high: int, *kinds: Kind, near: int) -> list[int]:
    return [int(a) for a in _pool(stage, *kinds, near=near)[: int(stage.rng.integers(low, high))]]


def collection(stage: Stage) -> list[Leg]:
    """Return payments of friends to one person, who then makes a joint purchase."""
    organiser = _one(stage, Kind.PERSON)
    friends = _some(stage, 5, 14, Kind.PERSON, near=organiser)
    start, each = stage.begin(organiser), stage.around(int(stage.rng.integers(1_000, 60_000)))
    legs = [Leg(f, organiser, stage.within(start, 6 * DAY, f), each, "share") for f in friends]
    shop = int(_pool(stage, Kind.MERCHANT, Kind.COMPANY, near=organiser)[0])
    total = int(each * len(friends) * stage.rng.uniform(0.9, 1.15))
    last = max(leg.time for leg in legs)
    return [*legs, Leg(organiser, shop, stage.next(last, 14, organiser), total, "purchase")]


def payout(stage: Stage) -> list[Leg]:
    """Return payments of a platform to its freelancers, with different amounts."""
    firm = _one(stage, Kind.COMPANY)
    people = _some(stage, 6, 16, Kind.PERSON, near=firm)
    start, size = stage.begin(firm), stage.size() // 2
    return [Leg(firm, p, stage.within(start, 2 * DAY, firm), stage.around(size, 0.8), "fee") for p in people]


def supplier_circle(stage: Stage) -> list[Leg]:
    """Return a circle of invoices between businesses, with unrelated amounts."""
    first = _one(stage, Kind.COMPANY)
    ring = [first, *_some(stage, 2, 5, Kind.COMPANY, near=first)]
    start = stage.begin(first)
    return [
        Leg(a, b, stage.within(start, 9 * DAY, a), stage.around(stage.size(), 0.6), "invoice")
        for a, b in zip(ring, [*ring[1:], first], strict=True)
    ]


def agent_of_owners(stage: Stage) -> list[Leg]:
    """Return rents to a housing agent, and payments of the agent to the owners, less a commission."""
    agent = _one(stage, Kind.COMPANY, Kind.LANDLORD)
    tenants = _some(stage, 5, 11, Kind.PERSON, near=agent)
    owners = _some(stage, 2, 5, Kind.PERSON, Kind.LANDLORD, near=agent)
    start = stage.begin(agent)
    rent = [int(stage.rng.integers(500, 1_500)) * 100 for _ in tenants]
    legs = [
        Leg(t, agent, stage.within(start, 4 * DAY, t), r, "rent") for t, r in zip(tenants, rent, strict=True)
    ]
    last, total = max(leg.time for leg in legs), int(0.93 * sum(rent))
    for owner, cents in zip(owners, stage.split(total, len(owners)), strict=True):
        legs.append(Leg(agent, owner, stage.next(last, 30, agent), cents, "rent passed on"))
    return legs


def escrow(stage: Stage) -> list[Leg]:
    """Return a purchase price that a notary receives and passes on the same day."""
    notary, seller = _one(stage, Kind.COMPANY), _one(stage, Kind.PERSON)
    buyer = int(_pool(stage, Kind.PERSON, near=seller)[0])
    time, price = stage.begin(notary), stage.around(4 * stage.size())
    out = time + int(stage.rng.integers(HOUR // 2, 8 * HOUR))
    return [
        Leg(buyer, notary, time, price, "price"),
        Leg(notary, seller, out, int(price * 0.985), "price passed on"),
    ]


def sweep(stage: Stage) -> list[Leg]:
    """Return transfers of one party to its main account each evening, and back in the morning."""
    if not stage.several_banks:
        return escrow(stage)
    groups = stage.several_banks
    main, *others = groups[int(stage.rng.integers(len(groups)))]
    start, legs = stage.begin(main), []
    for day in range(int(stage.rng.integers(2, 5))):
        for other in others:
            cents = stage.around(stage.size(), 0.5)
            evening = start + day * DAY + int(stage.rng.integers(0, HOUR))
            legs.append(Leg(other, main, evening, cents, "sweep"))
            legs.append(Leg(main, other, evening + 12 * HOUR, cents, "funding"))
    return legs


def takings(stage: Stage) -> list[Leg]:
    """Return daily cash deposits of a shop, with varying amounts."""
    rng, clock = stage.rng, stage.clock
    shop = _one(stage, Kind.MERCHANT, Kind.COMPANY)
    first, size = int(rng.integers(1, clock.days - 9)), float(rng.uniform(0.55, 1.05)) * THRESHOLD
    legs = []
    for day in range(first, first + 7):
        if (clock.start.weekday() + day) % 7 < 5:
            cents = int(size * rng.lognormal(0, 0.15)) // 500 * 500
            legs.append(Leg(stage.till(shop), shop, stage.branch_time(day, shop), cents, "takings"))
    return legs


def savings_used(stage: Stage) -> list[Leg]:
    """Return a large purchase from a savings account that was not used for a long time."""
    sleeper = stage.sleeper()
    start, price = stage.begin(sleeper, after=0.6), stage.around(5 * stage.size())
    relative = int(_pool(stage, Kind.PERSON, near=sleeper)[0])
    seller = int(_pool(stage, Kind.COMPANY, Kind.MERCHANT, near=sleeper)[0])
    return [
        Leg(relative, sleeper, start, price // 3 + 1, "help"),
        Leg(sleeper, seller, stage.next(start, 24, sleeper), price, "purchase"),
    ]


def ticket_rush(stage: Stage) -> list[Leg]:
    """Return many payments to an association at the start of a ticket sale."""
    club = _one(stage, Kind.ASSOCIATION)
    people = _some(stage, 12, 25, Kind.PERSON, near=club)
    start, price = stage.begin(club), int(stage.rng.integers(20, 180)) * 100
    return [
        Leg(p, club, start + int(stage.rng.gamma(1.5, 900)), price * int(stage.rng.integers(1, 4)), "ticket")
        for p in people
    ]


def wholesale(stage: Stage) -> list[Leg]:
    """Return payments of a retailer to its suppliers, and of these to the same manufacturer."""
    retailer, maker = (int(a) for a in _pool(stage, Kind.MERCHANT, Kind.COMPANY)[:2])
    suppliers = [a for a in _some(stage, 3, 7, Kind.COMPANY, near=retailer) if a != maker]
    start, legs = stage.begin(retailer), []
    for s in suppliers:
        time = stage.within(start, 4 * DAY, retailer)
        legs.append(Leg(retailer, s, time, stage.around(stage.size(), 0.6), "invoice"))
        legs.append(
            Leg(s, maker, stage.within(start, 9 * DAY, s), stage.around(stage.size(), 0.6), "invoice")
        )
    return legs


def shops_and_suppliers(stage: Stage) -> list[Leg]:
    """Return payments of several shops to the same few suppliers in the same week."""
    first = _one(stage, Kind.MERCHANT)
    shops = [first, *_some(stage, 2, 4, Kind.MERCHANT, near=first)]
    suppliers = [a for a in _some(stage, 3, 5, Kind.COMPANY, near=first) if a not in shops]
    start = stage.begin(first)
    return [
        Leg(a, b, stage.within(start, 7 * DAY, a), stage.around(stage.size(), 0.8), "invoice")
        for a in shops
        for b in suppliers
    ]


#: Scheme: (function, instances per 100,000 transactions).
LOOK_ALIKES: Final[Repertoire] = {
    "collection": (collection, 22),
    "payout": (payout, 15),
    "supplier_circle": (supplier_circle, 18),
    "agent_of_owners": (agent_of_owners, 10),
    "escrow": (escrow, 25),
    "sweep": (sweep, 10),
    "takings": (takings, 16),
    "savings_used": (savings_used, 15),
    "ticket_rush": (ticket_rush, 7),
    "wholesale": (wholesale, 10),
    "shops_and_suppliers": (shops_and_suppliers, 8),
}
