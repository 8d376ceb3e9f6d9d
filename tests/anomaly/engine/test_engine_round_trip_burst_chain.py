"""Round trip, burst and chain against their definitions, on small random multigraphs over many windows.

Streams last several times as long as anything is remembered, so that the graph forgets as it goes; the
reference remembers everything. Equal times, parallel edges, self-loops and rows out of order are the rule.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.engine import EngineParameters, GraphFeatureEngine

EXAMPLES = int(os.environ.get("KERNEL_EXAMPLES", "400"))
MANY = settings(max_examples=EXAMPLES, deadline=None)
NAMES = (
    "round_trip.count.4s", "round_trip.sum.4s", "round_trip.seconds.4s",
    "burst.new_payers.2s", "burst.new_payees.2s",
    "chain.length.3s", "chain.first_amount.3s", "chain.seconds.3s",
)  # fmt: skip
NEW = EngineParameters(
    statistics=(), scatter_gather=None, gather_scatter=None, bipartite=None, temporal_cycle=None,
    pass_through=None, quiet=None, round_trip=4, burst=2, chain=3, chain_length=4, keep_low=0.5,
)  # fmt: skip


@dataclass(frozen=True)
class Edge:
    src: int
    dst: int
    time: int
    amount: float
    batch: int


Row = tuple[int, int, int, int]
edges = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 24), st.integers(0, 6)), max_size=30
)
cuts = st.lists(st.integers(0, 30), max_size=5)


def batched(rows: list[Row], at: list[int], *, whole: bool) -> list[list[Edge]]:
    """Cut rows into batches by time, `whole` never between equal times; inside they stand as drawn."""
    ordered = sorted(range(len(rows)), key=lambda k: rows[k][2])
    ends = sorted(min(c, len(rows)) for c in at)
    if whole:
        ends = [c for c in ends if 0 < c < len(rows) and rows[ordered[c - 1]][2] != rows[ordered[c]][2]]
    return [
        [Edge(*rows[k][:3], float(rows[k][3]), number) for k in sorted(ordered[begin:end])]
        for number, (begin, end) in enumerate(pairwise([0, *ends, len(rows)]))
    ]


def run(batches: list[list[Edge]], parameters: EngineParameters) -> np.ndarray:
    engine = GraphFeatureEngine(parameters)
    assert engine.feature_names_out() == [*NAMES, "truncated"]
    found = [
        engine.update(*([getattr(e, c) for e in batch] for c in ("src", "dst", "time", "amount")))
        for batch in batches
    ]
    assert not engine.truncated
    return np.vstack(found)


class Definition:
    """The features of each edge, from all edges."""

    def __init__(self, batches: list[list[Edge]], p: EngineParameters) -> None:
        self.rows = [e for batch in batches for e in batch]
        self.p, self.ties, self.ahead = p, p.ties == "include", p.scoring == "window_close"

    def all(self) -> list[tuple[float, ...]]:
        return [(*self.round_trip(i, e), *self.burst(i, e), *self.chain(i, e)) for i, e in self.told()]

    def told(self) -> list[tuple[int, Edge]]:
        return list(enumerate(self.rows))

    def before(self, i: int) -> list[int]:
        e = self.rows[i]
        return [
            k
            for k, f in self.told()
            if k != i and f.batch <= e.batch and (f.time < e.time or (self.ties and f.time == e.time))
        ]

    def around(self, i: int, window: int) -> list[Edge]:
        e = self.rows[i]
        if self.ahead:
            inside = [f for k, f in self.told() if k != i and f.batch <= e.batch]
            return [f for f in inside if abs(f.time - e.time) < window]
        return [self.rows[k] for k in self.before(i) if self.rows[k].time > e.time - window]

    def round_trip(self, i: int, e: Edge) -> tuple[float, ...]:
        w = self.p.round_trip
        if e.src == e.dst:
            return 0, 0, w
        back = [f.amount for f in self.around(i, w) if (f.src, f.dst) == (e.dst, e.src)]
        earlier = [self.rows[k] for k in self.before(i)]
        ago = [e.time - f.time for f in earlier if (f.src, f.dst) == (e.dst, e.src)]
        return len(back), sum(back), min([w, *ago])

    def burst(self, i: int, e: Edge) -> tuple[float, ...]:
        w = self.p.burst
        if e.src == e.dst:
            return 0, 0
        known = {(f.src, f.dst) for f in self.rows if e.time - 7 * w < f.time <= e.time - w}
        pairs = {(f.src, f.dst) for f in [*self.around(i, w), e] if f.src != f.dst} - known
        return len({s for s, d in pairs if d == e.dst}), len({d for s, d in pairs if s == e.src})

    def chain(self, i: int, e: Edge) -> tuple[float, ...]:
        if e.src == e.dst:
            return 0, 0, 0
        rows = [([i], {e.src, e.dst})]
        found = []
        while rows:
            edges, accounts = rows.pop()
            head = self.rows[edges[0]]
            found.append((len(edges), head.amount, e.time - head.time))
            if len(edges) == self.p.chain_length:
                continue
            for k in self.before(edges[0]):
                f = self.rows[k]
                kept = self.p.keep_low * f.amount <= head.amount <= self.p.keep_high * f.amount
                if (
                    f.dst == head.src
                    and f.src not in accounts
                    and head.time - f.time <= self.p.chain
                    and kept
                ):
                    rows.append(([k, *edges], accounts | {f.src}))
        return max(found)


def check(batches: list[list[Edge]], parameters: EngineParameters) -> np.ndarray:
    got = run(batches, parameters)
    want = np.array([(*row, 0) for row in Definition(batches, parameters).all()], dtype=float)
    np.testing.assert_allclose(got, want.reshape(got.shape), rtol=1e-12)
    return got


@pytest.mark.parametrize("ties", ["exclude", "include"])
@pytest.mark.parametrize("scoring", ["arrival", "window_close"])
@MANY
@given(rows=edges, at=cuts)
def test_each_feature_is_as_defined(ties, scoring, rows, at) -> None:
    batches = batched(rows, at, whole=ties == "include")
    check(batches, replace(NEW, ties=ties, scoring=scoring))


@pytest.mark.parametrize("ties", ["exclude", "include"])
@MANY
@given(rows=edges, at=cuts)
def test_one_batch_or_many_and_any_order_give_the_same_bits(ties, rows, at) -> None:
    parameters = replace(NEW, ties=ties)
    one, many = (batched(rows, where, whole=ties == "include") for where in ([], at))
    key = dict(zip(one[0], run(one, parameters).tolist(), strict=True))
    for edge, row in zip((e for b in many for e in b), run(many, parameters).tolist(), strict=True):
        assert key[replace(edge, batch=0)] == row
    turned = run([one[0][::-1]], parameters)[::-1].tolist()
    assert turned == [key[e] for e in one[0]]


@pytest.mark.parametrize("scoring", ["arrival", "window_close"])
def test_dense_streams_hold_every_feature(scoring) -> None:
    """Chains of the greatest length, pairs that come back as new, and all of it after much was forgotten."""
    random = np.random.default_rng(3)
    rows = list(zip(*(random.integers(0, most, 300).tolist() for most in (8, 8, 90, 6)), strict=True))
    got = check(batched(rows, list(range(20, 300, 20)), whole=False), replace(NEW, scoring=scoring))
    length = got[150:, NAMES.index("chain.length.3s")]
    assert (got[150:, :-1].max(axis=0) > 0).all()
    assert length.max() == NEW.chain_length
    assert len(set(got[150:, NAMES.index("burst.new_payers.2s")])) > 2


def test_what_is_cut_is_marked() -> None:
    time = np.arange(40)
    src, dst = np.where(time % 2, 1, 2 + time % 3), np.where(time % 2, 2 + time % 3, 1)
    amount = np.ones(40)
    wide = replace(NEW, round_trip=50, burst=50, chain=50)
    whole = GraphFeatureEngine(wide).update(src, dst, time, amount)
    assert not whole[:, -1].any()
    for family in ("round_trip", "burst", "chain"):
        off = dict.fromkeys(("round_trip", "burst", "chain"))
        alone = replace(wide, hub_degree=3, **(off | {family: 50}))
        engine = GraphFeatureEngine(alone)
        found = engine.update(src, dst, time, amount)
        columns = [i for i, name in enumerate(NAMES) if name.startswith(family)]
        uncut = found[:, -1] == 0
        assert 0 < engine.truncated == (~uncut).sum() < 40
        np.testing.assert_array_equal(found[uncut][:, :-1], whole[uncut][:, columns])
