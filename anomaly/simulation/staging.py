"""Choice of accounts, times and amounts for planted schemes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anomaly.simulation.clock import DAY, HOUR
from anomaly.simulation.rows import Rows, payments
from anomaly.simulation.scene import Scene
from anomaly.simulation.world import Kind
from ledger.schema import Channel

__all__ = ["THRESHOLD", "Leg", "Repertoire", "Scheme", "Stage", "play"]

#: Reporting threshold in minor units, for both currencies (31 CFR 1010.311; EU limits of EUR 10 000).
THRESHOLD: Final = 1_000_000


class Leg(NamedTuple):
    """One payment of a scheme; `part` is its role in the scheme."""

    src: int
    dst: int
    time: int
    cents: int
    part: str
    on_behalf: int = -1


@dataclass(frozen=True)
class Scheme:
    """A planted pattern: its typology and its payments."""

    typology: str
    legs: tuple[Leg, ...]


class Stage:
    """Chooses accounts, mostly accounts that no scheme used before, and draws times and amounts.

    Parameters
    ----------
    scene : Scene
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.rng = scene.rng
        self.world = scene.world
        self.clock = scene.clock
        self._used = np.zeros(len(self.world.kind), dtype=bool)

    @cached_property
    def _ordinary(self) -> NDArray[np.bool_]:
        world = self.world
        small = np.isin(world.kind, (Kind.MERCHANT, Kind.COMPANY)) & (world.weight < 1.5)
        return np.asarray(((world.kind == Kind.PERSON) & ~world.dormant) | small)

    def cast(self, count: int, *, far: bool = True) -> list[int]:
        """Choose ordinary accounts of two towns; sometimes of one bank only, or with one from elsewhere."""
        world, rng = self.world, self.rng
        currency = int(rng.choice(world.town_currency))
        towns = np.flatnonzero(world.town_currency == currency)
        home = int(rng.choice(towns))
        if rng.random() < 0.7:  # the second town is in the same country, not only in the same currency area
            towns = towns[world.town_country[towns] == world.town_country[home]]
        here = [home, int(rng.choice(towns))]
        pool = np.flatnonzero(self._ordinary & ~self._used & np.isin(world.town, here))
        if len(pool) < 2 * count:
            pool = np.flatnonzero(self._ordinary & (world.currency == currency))
        if len(pool) < count:
            pool = np.flatnonzero(self._ordinary)
        chosen = self._mixed(pool, count)
        if rng.random() < 0.1:
            bank = world.agent[chosen[0]]
            mates = np.flatnonzero(self._ordinary & (world.agent == bank) & (world.currency == currency))
            if len(mates) >= count:
                chosen = self._mixed(mates, count)
        elif len(np.unique(world.agent[chosen])) == 1 or (far and rng.random() < 0.15):
            others = np.flatnonzero(self._ordinary & (world.agent != world.agent[chosen[0]]))
            near = others[world.currency[others] == currency]
            pool = near if len(near) and not far else others
            chosen[rng.integers(count)] = rng.choice(np.setdiff1d(pool, chosen))
        self._used[chosen] = True
        return [int(account) for account in chosen]

    def _mixed(self, pool: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """Choose `count` accounts of the pool, about 30 % of them businesses, in random order."""
        person = self.world.kind[pool] == Kind.PERSON
        firms, people = self.rng.permutation(pool[~person]), self.rng.permutation(pool[person])
        wanted = min(int(self.rng.binomial(count, 0.3)), len(firms))
        chosen = np.concatenate([firms[:wanted], people, firms[wanted:]])[:count]
        return np.asarray(self.rng.permutation(chosen), dtype=np.int64)

    @cached_property
    def several_banks(self) -> list[list[int]]:
        """Active accounts, one per bank, of each party that has accounts at two or more members."""
        world = self.world
        mine = np.flatnonzero(np.isin(world.kind, (Kind.PERSON, Kind.COMPANY, Kind.SAVINGS)) & ~world.dormant)
        by_party: dict[int, dict[int, int]] = {}
        for account in mine:
            banks = by_party.setdefault(int(world.party[account]), {})
            banks.setdefault(int(world.agent[account]), int(account))
        return [list(banks.values()) for banks in by_party.values() if len(banks) > 1]

    def one_of_several_banks(self) -> list[int]:
        """Choose a party with accounts at several banks, an unused one if possible."""
        fresh = [group for group in self.several_banks if not self._used[group[0]]] or self.several_banks
        group = fresh[int(self.rng.integers(len(fresh)))]
        self._used[group] = True
        return [int(account) for account in self.rng.permutation(group)]

    def sleeper(self) -> int:
        """Choose a dormant account, an unused one if possible."""
        dormant = np.flatnonzero(self.world.dormant)
        fresh = dormant[~self._used[dormant]]
        account = int(self.rng.choice(fresh if len(fresh) else dormant))
        self._used[account] = True
        return account

    def till(self, account: int) -> int:
        """Return a till of the account's bank, in its own town or another town."""
        tills = self.world.till[self.world.agent[account]]
        own = tills[self.world.town[account]]
        open_ones = tills[tills >= 0]
        return int(own if own >= 0 and self.rng.random() < 0.6 else self.rng.choice(open_ones))

    def size(self) -> int:
        """Draw the typical amount of a scheme, in minor units."""
        return int(np.clip(self.rng.lognormal(np.log(160_000), 0.9), 15_000, 6_000_000))

    def around(self, cents: int, spread: float = 0.3) -> int:
        """Draw an amount around `cents`, often a round one."""
        return self.tidy(int(cents * self.rng.lognormal(0.0, spread)), 0.55)

    def tidy(self, cents: int, share: float = 0.3) -> int:
        """Round down a share of the amounts to tens or hundreds of units; never to zero."""
        step = 1_000 if cents < 200_000 else 10_000
        return cents // step * step if cents > step and self.rng.random() < share else max(cents, 1)

    def less(self, cents: int) -> int:
        """Return the amount less a small fee."""
        return self.tidy(int(cents * (1 - self.rng.uniform(0.002, 0.04))), 0.25)

    def split(self, cents: int, count: int) -> list[int]:
        """Split an amount into parts of different sizes, none very small, in sum at most the amount."""
        share = self.rng.dirichlet(np.full(count, 6.0)) * 0.8 + 0.2 / count
        return [self.tidy(int(cents * s), 0.25) for s in share]

    def begin(self, account: int, *, after: float = 0.02) -> int:
        """Draw a start time in the daytime of the account's bank, after a share of the period."""
        first, last = int(after * self.clock.days * DAY), (self.clock.days - 3) * DAY
        time = self.clock.origin + int(self.rng.integers(first, max(last, first + 1)))
        return self.clock.wake(self.rng, time, self._agent(account))

    def within(self, start: int, seconds: int, account: int) -> int:
        """Draw a time at most `seconds` after `start`, or the next morning."""
        return self.clock.wake(self.rng, start + int(self.rng.integers(1, seconds)), self._agent(account))

    def next(self, time: int, hours: float, account: int) -> int:
        """Draw a later time, `hours` on average and at most three times that, or the next morning."""
        delay = min(float(self.rng.gamma(2.0, hours / 2)), 3 * hours) * HOUR
        return self.clock.wake(self.rng, time + 60 + int(delay), self._agent(account))

    def branch_time(self, day: int, account: int) -> int:
        """Draw an opening time of the account's branch on that day of the period."""
        return self.clock.opening(self.rng, day, self._agent(account))

    def _agent(self, account: int) -> int:
        return int(self.world.agent[account])

    def fit(self, legs: Sequence[Leg]) -> tuple[Leg, ...]:
        """Move a scheme that ends after the period to an earlier time, by whole weeks or else by days."""
        late = max(leg.time for leg in legs) - (self.clock.end - 1)
        if late <= 0:
            return tuple(legs)
        room = min(leg.time for leg in legs) - self.clock.origin
        days = -(-late // DAY)
        weeks = -(-days // 7) * 7
        back = (weeks if weeks * DAY <= room else days) * DAY
        return tuple(leg._replace(time=leg.time - back) for leg in legs)

    def rows(self, schemes: Sequence[Scheme]) -> Rows:
        """Convert all legs to payments, in the order of the schemes; a scheme has one currency."""
        world = self.world
        legs = [leg for scheme in schemes for leg in scheme.legs]
        src, dst = np.array([leg.src for leg in legs]), np.array([leg.dst for leg in legs])
        money = np.repeat(
            [int(world.currency[scheme.legs[0].src]) for scheme in schemes],
            [len(scheme.legs) for scheme in schemes],
        )
        rows = payments(
            self.rng,
            world,
            src,
            dst,
            [leg.time for leg in legs],
            [leg.cents for leg in legs],
            currency=money,
            on_behalf=[leg.on_behalf for leg in legs],
        )
        cash = (world.kind[src] == Kind.CASH) | (world.kind[dst] == Kind.CASH)
        channel = np.where(cash, int(Channel.CASH), rows.channel)
        return Rows(**{**vars(rows), "channel": channel, "purpose": np.where(cash, 0, rows.purpose)})


#: By name: the function that returns the legs of one instance, and instances per 100,000 transactions.
Repertoire: TypeAlias = Mapping[str, tuple[Callable[[Stage], list[Leg]], int]]


def play(stage: Stage, repertoire: Repertoire, transactions: int) -> list[Scheme]:
    """Return instances of each scheme in proportion to the transactions, at least one of each."""
    schemes = []
    for name, (function, rate) in repertoire.items():
        for _ in range(max(1, round(rate * transactions / 100_000))):
            schemes.append(Scheme(name, stage.fit(function(stage))))
    return schemes
