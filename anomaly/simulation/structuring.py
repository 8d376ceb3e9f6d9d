"""Planted typologies in addition to `typologies`: structuring, pass-through, round trip, dormant, burst."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from anomaly.simulation.clock import DAY, HOUR
from anomaly.simulation.staging import THRESHOLD, Leg, Stage
from anomaly.simulation.world import Kind

__all__ = ["across_banks", "burst", "dormant_woken", "rapid_pass_through", "round_trip", "within_a_bank"]


def _below(stage: Stage, low: float) -> int:
    """Draw an amount between the share `low` of the threshold and just under it, often a round one."""
    cents = int(THRESHOLD * (low + (0.998 - low) * stage.rng.beta(2.2, 1.2)))
    return cents // 10_000 * 10_000 if stage.rng.random() < 0.6 else cents // 500 * 500


def _first_day(stage: Stage) -> int:
    return int(stage.rng.integers(1, stage.clock.days - 9))


def within_a_bank(stage: Stage) -> list[Leg]:
    """Return deposits to one account, or transfers to one payee, each below the threshold, at one bank."""
    rng, world = stage.rng, stage.world
    account = sorted(stage.cast(3, far=False), key=lambda a: world.kind[a] == Kind.PERSON)[0]
    first = _first_day(stage)
    days = int(rng.integers(1, 5))
    count = int(rng.integers(3, 9))
    moments = sorted(stage.branch_time(first + int(d), account) for d in rng.integers(0, days, count))
    if rng.random() < 0.7:
        return [Leg(stage.till(account), account, t, _below(stage, 0.8), "deposit") for t in moments]
    mates = np.flatnonzero((world.kind == Kind.PERSON) & (world.agent == world.agent[account]))
    payee = int(rng.choice(mates[(mates != account) & ~world.dormant[mates]]))
    return [Leg(account, payee, t, _below(stage, 0.8), "transfer") for t in moments]


def across_banks(stage: Stage) -> list[Leg]:
    """Return structuring across banks: only the sum over the banks exceeds the threshold on a day.

    One party uses its own accounts at several banks, or other persons deposit into their accounts on its
    behalf, or it pays one payee from several banks. A bank has at most one payment a day, and on one day
    there are always two payments of more than half the threshold each.
    """
    rng, world = stage.rng, stage.world
    draw = rng.random()
    behind = -1
    if draw < 0.65 and stage.several_banks:
        accounts = stage.one_of_several_banks()
    else:
        while True:
            accounts = stage.cast(int(rng.integers(4, 10)), far=False)
            by_bank = {int(world.agent[a]): a for a in accounts}
            if len(by_bank) > 1:
                break
        people = world.of(Kind.PERSON)
        behind = int(world.party[rng.choice(people[~world.dormant[people]])])
    payee = -1
    if behind < 0 and draw < 0.22:
        outside, others = world.of(Kind.OUTSIDE), stage.cast(2, far=False)
        strangers = [a for a in others if world.party[a] != world.party[accounts[0]]]
        payee = int(rng.choice(outside)) if rng.random() < 0.5 else strangers[0]
    legs: list[Leg] = []
    by_bank_of_all: dict[int, list[int]] = {}
    for account in accounts:
        by_bank_of_all.setdefault(int(world.agent[account]), []).append(account)
    first = _first_day(stage)
    for day in range(int(rng.integers(2, 5))):
        for own in by_bank_of_all.values():
            if day and rng.random() < 0.25:
                continue
            account = own[day % len(own)]
            time, cents = _weekday_time(stage, first, day, account), _below(stage, 0.6)
            if payee >= 0:
                legs.append(Leg(account, payee, time, cents, "transfer"))
            else:
                legs.append(Leg(stage.till(account), account, time, cents, "deposit", behind))
    return legs


def _weekday_time(stage: Stage, first: int, working_day: int, account: int) -> int:
    """Return an opening time on the given working day, counted from day `first`."""
    day = first
    for step in range(working_day + 1):
        day += int(step > 0)
        while (stage.clock.start.weekday() + day) % 7 > 4:
            day += 1
    return stage.branch_time(day, account)


def rapid_pass_through(stage: Stage) -> list[Leg]:
    """Return repeated payments into an account that leave it within two hours."""
    rng = stage.rng
    rounds = int(rng.integers(3, 6))
    mule, *others = stage.cast(1 + rounds + int(rng.integers(1, 4)))
    sources, sinks = others[:rounds], others[rounds:]
    size, time = stage.size(), stage.begin(mule)
    legs = []
    for source in sources:
        cents = stage.around(size)
        legs.append(Leg(source, mule, time, cents, "in"))
        out = time + int(rng.integers(120, 7_000))
        parts = stage.split(stage.less(cents), 2) if len(sinks) > 1 and rng.random() < 0.3 else [0]
        if parts == [0]:
            legs.append(Leg(mule, int(rng.choice(sinks)), out, stage.less(cents), "out"))
        else:
            for sink, part in zip(rng.permutation(sinks)[:2], parts, strict=True):
                legs.append(Leg(mule, int(sink), out + int(rng.integers(1, 200)), part, "out"))
        time = stage.next(out, 24, mule)
    return legs


def round_trip(stage: Stage) -> list[Leg]:
    """Return money that leaves a party and returns to it, at another of its banks if it has one."""
    rng = stage.rng
    middle = stage.cast(int(rng.integers(2, 4)))
    home = stage.one_of_several_banks()[:2] if stage.several_banks else stage.cast(1) * 2
    legs = []
    time, size = stage.begin(home[0]), 2 * stage.size()
    for _ in range(int(rng.integers(1, 4))):
        path, cents = [home[0], *middle, home[1]], stage.around(size)
        for src, dst in pairwise(path):
            legs.append(Leg(src, dst, time, cents, "hop"))
            time, cents = stage.next(time, 9, dst), stage.less(cents)
    return legs


def dormant_woken(stage: Stage) -> list[Leg]:
    """Return large payments into an account without activity since the first days, and onward payments."""
    rng = stage.rng
    sleeper = stage.sleeper()
    count = int(rng.integers(2, 5))
    people = stage.cast(count + int(rng.integers(2, 5)))
    size, start = 2 * stage.size(), stage.begin(sleeper, after=0.6)
    legs = [
        Leg(s, sleeper, stage.within(start, 2 * DAY, s), stage.around(size), "in") for s in people[:count]
    ]
    last, total = max(leg.time for leg in legs), stage.less(sum(leg.cents for leg in legs))
    for payee, cents in zip(people[count:], stage.split(total, len(people) - count), strict=True):
        legs.append(Leg(sleeper, payee, stage.next(last, 10, sleeper), cents, "out"))
    return legs


def burst(stage: Stage) -> list[Leg]:
    """Return payments of many accounts to the same few accounts within an hour and a half."""
    rng = stage.rng
    collectors = int(rng.integers(1, 4))
    people = stage.cast(collectors + int(rng.integers(10, 21)))
    size, start = stage.size(), stage.begin(people[0])
    length = int(rng.integers(HOUR // 3, HOUR * 3 // 2))
    return [
        Leg(s, people[i % collectors], start + int(rng.integers(0, length)), stage.around(size), "gather")
        for i, s in enumerate(people[collectors:])
    ]
