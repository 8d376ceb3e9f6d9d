"""Ordinary payments of businesses and banks: invoices, services, taxes, cash takings, foreign trade, charges.

Each stream is a function of (scene, wanted number of rows) and returns about that number of rows.
"""

from __future__ import annotations

import numpy as np

from anomaly.simulation import habits
from anomaly.simulation.habits import purpose_code
from anomaly.simulation.rows import Rows, payments
from anomaly.simulation.scene import Scene
from anomaly.simulation.world import Kind
from ledger.schema import Channel

__all__ = ["abroad", "deposits", "fees", "invoices", "services", "taxes", "walk_ins"]


def services(scene: Scene, wanted: int) -> Rows:
    """Return payments from people to businesses for services, and from businesses to people."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    row = scene.some(np.arange(len(ties.person)), wanted, ties.activity)
    person = ties.person[row]
    firms = world.of(Kind.COMPANY, Kind.MERCHANT)
    order = np.argsort(world.town[firms], kind="stable")
    bound = np.searchsorted(world.town[firms][order], np.arange(len(world.town_currency) + 1))
    town = world.town[person]
    firm = firms[order[rng.integers(bound[town], bound[town + 1])]]
    pays = rng.random(wanted) < 0.5
    src, dst = np.where(pays, person, firm), np.where(pays, firm, person)
    cents = habits.round_some(rng, habits.amounts(rng, wanted, 650, 1.1), 0.45)
    return payments(rng, world, src, dst, scene.when("office", src), cents)


def invoices(scene: Scene, wanted: int) -> Rows:
    """Return payments of businesses to their suppliers; a part is in dollars."""
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
    """Return payments of businesses to the public body of their currency area."""
    rng, world = scene.rng, scene.world
    src = scene.some(scene.ties.business, wanted)
    dst = np.zeros(wanted, dtype=np.int64)
    offices = world.of(Kind.PUBLIC)
    for money in np.unique(world.currency[offices]):
        rows = np.flatnonzero(world.currency[src] == money)
        dst[rows] = scene.some(offices[world.currency[offices] == money], len(rows))
    cents = habits.amounts(rng, wanted, 1_400, 1.0)
    return payments(rng, world, src, dst, scene.when("office", src), cents, purpose=purpose_code("TAXS"))


def fees(scene: Scene, wanted: int) -> Rows:
    """Return the banks' own payments: charges paid by customers, interest paid to them."""
    rng, world = scene.rng, scene.world
    treasury = np.zeros(world.members, dtype=np.int64)
    own = world.of(Kind.TREASURY)
    treasury[world.agent[own]] = own
    customer = scene.some(np.flatnonzero((world.kind <= Kind.ASSOCIATION) & ~world.dormant), wanted)
    bank = treasury[world.agent[customer]]
    charge = rng.random(wanted) < 0.75
    src, dst = np.where(charge, customer, bank), np.where(charge, bank, customer)
    cents = habits.amounts(rng, wanted, 7, 0.6)
    purpose = np.where(charge, purpose_code("SCVE"), purpose_code("INTE"))
    time = scene.when("office", src)
    return payments(rng, world, src, dst, time, cents, channel=int(Channel.INTERNAL), purpose=purpose)


def deposits(scene: Scene, wanted: int) -> Rows:
    """Return cash deposits of shops and of people; some are made by another person for the owner."""
    rng, ties, world = scene.rng, scene.ties, scene.world
    shops = world.of(Kind.MERCHANT)
    shop = rng.random(wanted) < 0.65
    dst = np.where(shop, scene.some(shops, wanted), scene.some(ties.person, wanted))
    sale = ~shop & (rng.random(wanted) < 0.2)  # a large one-off amount, for example from the sale of a car
    cents = np.where(shop, habits.amounts(rng, wanted, 2_600, 0.85), habits.amounts(rng, wanted, 320, 1.1))
    cents = np.where(sale, habits.amounts(rng, wanted, 5_000, 0.55), cents)
    cents = np.maximum(habits.round_some(rng, cents, 0.5) // 500 * 500, 500)
    till = world.till[world.agent[dst], world.town[dst]]
    helped = ~shop & (rng.random(wanted) < 0.08)
    behind = np.where(helped, world.party[scene.some(ties.person, wanted)], -1)
    dress = {"channel": int(Channel.CASH), "purpose": 0}
    return payments(rng, world, till, dst, scene.when("branch", dst), cents, on_behalf=behind, **dress)


def walk_ins(scene: Scene, wanted: int) -> Rows:
    """Return bills paid in cash at a branch by people without an account there."""
    rng, world = scene.rng, scene.world
    payee = world.of(Kind.UTILITY, Kind.LANDLORD, Kind.ASSOCIATION)
    dst = scene.some(payee[world.till[world.agent[payee], world.town[payee]] >= 0], wanted)
    till = world.till[world.agent[dst], world.town[dst]]
    cents = habits.amounts(rng, wanted, 95, 0.9, step=100)
    who = scene.some(world.walk_in, wanted)
    dress = {"channel": int(Channel.CASH), "purpose": 0}
    return payments(rng, world, till, dst, scene.when("branch", dst), cents, actor=who, **dress)


def abroad(scene: Scene, wanted: int) -> Rows:
    """Return payments to and from banks outside the consortium: remittances, imports, exports."""
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
