"""The planted typologies, one function each: the eight of the literature here, the rest in `structuring`.

A function takes the stage and returns the legs of one instance. Each payment is later than the payment it
passes on, and slightly smaller.

References
----------
Altman et al., "Realistic synthetic financial transactions for anti-money laundering models", NeurIPS 2023
(the eight patterns). Suzumura and Kanezashi, AMLSim (their first five).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from anomaly.simulation import structuring
from anomaly.simulation.clock import DAY, HOUR
from anomaly.simulation.staging import Leg, Repertoire, Stage

__all__ = ["TYPOLOGIES"]


def fan_in(stage: Stage) -> list[Leg]:
    """Return payments of several accounts to one account within a week."""
    hub, *senders = stage.cast(int(stage.rng.integers(5, 13)))
    start, size, window = stage.begin(hub), stage.size(), int(stage.rng.integers(6 * HOUR, 7 * DAY))
    return [Leg(s, hub, stage.within(start, window, s), stage.around(size), "gather") for s in senders]


def fan_out(stage: Stage) -> list[Leg]:
    """Return payments of one account to several accounts within a week."""
    hub, *receivers = stage.cast(int(stage.rng.integers(5, 13)))
    start, size, window = stage.begin(hub), stage.size(), int(stage.rng.integers(6 * HOUR, 7 * DAY))
    return [Leg(hub, r, stage.within(start, window, hub), stage.around(size), "scatter") for r in receivers]


def cycle(stage: Stage) -> list[Leg]:
    """Return money that comes back to its first account, over three to eight accounts."""
    ring = stage.cast(int(stage.rng.integers(3, 9)))
    return _walk(stage, [*ring, ring[0]])


def random_chain(stage: Stage) -> list[Leg]:
    """Return money that is passed on over five to ten accounts and does not come back."""
    return _walk(stage, stage.cast(int(stage.rng.integers(5, 11))))


def _walk(stage: Stage, path: list[int]) -> list[Leg]:
    time, cents = stage.begin(path[0]), stage.around(2 * stage.size())
    pace = float(stage.rng.uniform(1, 120 / len(path)))  # hours from hop to hop
    legs = []
    for src, dst in pairwise(path):
        legs.append(Leg(src, dst, time, cents, "hop"))
        time, cents = stage.next(time, min(pace, 20), dst), stage.less(cents)
    return legs


def scatter_gather(stage: Stage) -> list[Leg]:
    """Return payments of one account to several, which all pay another account."""
    source, sink, *middle = stage.cast(2 + int(stage.rng.integers(3, 8)))
    start, size, window = stage.begin(source), stage.size(), int(stage.rng.integers(3 * HOUR, 3 * DAY))
    legs = []
    for account in middle:
        time, cents = stage.within(start, window, source), stage.around(size)
        legs.append(Leg(source, account, time, cents, "scatter"))
        legs.append(Leg(account, sink, stage.next(time, 18, account), stage.less(cents), "gather"))
    return legs


def gather_scatter(stage: Stage) -> list[Leg]:
    """Return payments of several accounts to one, which then pays several other accounts."""
    senders = int(stage.rng.integers(3, 8))
    hub, *rest = stage.cast(1 + senders + int(stage.rng.integers(3, 8)))
    start, size, window = stage.begin(hub), stage.size(), int(stage.rng.integers(3 * HOUR, 4 * DAY))
    legs = [Leg(s, hub, stage.within(start, window, s), stage.around(size), "gather") for s in rest[:senders]]
    pause = max(leg.time for leg in legs)
    total = stage.less(sum(leg.cents for leg in legs))
    for account, cents in zip(rest[senders:], stage.split(total, len(rest) - senders), strict=True):
        legs.append(Leg(hub, account, stage.next(pause, 14, hub), cents, "scatter"))
    return legs


def bipartite(stage: Stage) -> list[Leg]:
    """Return payments of each account of one group to nearly every account of another group."""
    left = int(stage.rng.integers(3, 6))
    people = stage.cast(left + int(stage.rng.integers(3, 5)))
    sources, sinks = people[:left], people[left:]
    edges = {(s, t) for s in sources for t in sinks}
    for edge in [(s, t) for s in sources for t in sinks]:
        out_degree = sum(s == edge[0] for s, _ in edges)
        in_degree = sum(t == edge[1] for _, t in edges)
        if out_degree > 2 and in_degree > 2 and stage.rng.random() < 0.2:
            edges.discard(edge)
    start, size, window = stage.begin(sources[0]), stage.size(), int(stage.rng.integers(8 * HOUR, 7 * DAY))
    return [Leg(s, t, stage.within(start, window, s), stage.around(size), "across") for s, t in sorted(edges)]


def stack(stage: Stage) -> list[Leg]:
    """Return payments between layers of accounts: each layer pays the next after it was paid."""
    rng = stage.rng
    sizes = [int(rng.integers(2, 5)) for _ in range(int(rng.choice([3, 3, 4])))]
    people = stage.cast(sum(sizes))
    layers = [people[sum(sizes[:i]) : sum(sizes[: i + 1])] for i in range(len(sizes))]
    first, size = stage.begin(layers[0][0]), stage.size()
    holds = {account: stage.around(2 * size) for account in layers[0]}
    ready = dict.fromkeys(layers[0], first)
    legs: list[Leg] = []
    for upper, lower in pairwise(layers):
        got: dict[int, int] = dict.fromkeys(lower, 0)
        paid: dict[int, int] = dict.fromkeys(lower, first)
        for i, account in enumerate(upper):
            payees = {lower[i % len(lower)], lower[(i + 1) % len(lower)]}
            payees |= {p for p in lower if rng.random() < 0.25}
            if account == upper[-1]:
                payees |= {p for p in lower if got[p] == 0}
            for payee, cents in zip(
                sorted(payees), stage.split(stage.less(holds[account]), len(payees)), strict=True
            ):
                time = stage.next(ready[account], 8, account)
                legs.append(Leg(account, payee, time, cents, "layer"))
                got[payee] += cents
                paid[payee] = max(paid[payee], time)
        holds, ready = got, paid
    return legs


#: Typology: (function, instances per 100,000 transactions).
TYPOLOGIES: Final[Repertoire] = {
    "fan_in": (fan_in, 12),
    "fan_out": (fan_out, 12),
    "cycle": (cycle, 14),
    "scatter_gather": (scatter_gather, 11),
    "gather_scatter": (gather_scatter, 11),
    "bipartite": (bipartite, 10),
    "stack": (stack, 10),
    "random_chain": (random_chain, 12),
    "structuring": (structuring.within_a_bank, 12),
    "structuring_across_banks": (structuring.across_banks, 14),
    "rapid_pass_through": (structuring.rapid_pass_through, 10),
    "round_trip": (structuring.round_trip, 6),
    "dormant_woken": (structuring.dormant_woken, 6),
    "burst": (structuring.burst, 5),
}
