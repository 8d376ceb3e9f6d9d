"""Every feature against a slow reference that follows its definition, on small random multigraphs.

Equal times, parallel edges, self-loops and rows out of order are the rule. The reference knows nothing of
rings, lists or windows: it looks at all edges for each edge. Batches are cut at random.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.engine import EngineParameters, GraphFeatureEngine

EXAMPLES = int(os.environ.get("KERNEL_EXAMPLES", "400"))
MANY = settings(max_examples=EXAMPLES, deadline=None)

PLAIN = EngineParameters(
    statistics=(4, 9), fan=(4,), degree=(3,), scatter_gather=8, gather_scatter=6, bipartite=7,
    temporal_cycle=8, hop_cycle=5, pass_through=6, quiet=5, structuring=7,
    threshold=8.0, under=0.5, cycle_length=5, hop_length=4,
)  # fmt: skip


@dataclass(frozen=True)
class Edge:
    src: int
    dst: int
    time: int
    amount: float
    batch: int


edges = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 14), st.integers(0, 9)), max_size=16
)
cuts = st.lists(st.integers(0, 16), max_size=3)


def batched(rows: list[tuple[int, int, int, int]], at: list[int]) -> list[list[Edge]]:
    """Sort rows into batches by time; inside a batch they stand as drawn."""
    ordered = sorted(rows, key=lambda row: row[2])
    ends = [0, *sorted(min(c, len(rows)) for c in at), len(rows)]
    batches = []
    for number, (begin, end) in enumerate(pairwise(ends)):
        inside = sorted(ordered[begin:end], key=rows.index)
        batches.append([Edge(s * 7 - 9, d * 7 - 9, t, float(a), number) for s, d, t, a in inside])
    return batches


def whole_buckets(batches: list[list[Edge]]) -> bool:
    """Say whether no time is split between batches."""
    seen = [{e.time for e in batch} for batch in batches]
    return all(not (a & b) for i, a in enumerate(seen) for b in seen[i + 1 :])


def run(batches: list[list[Edge]], parameters: EngineParameters) -> tuple[np.ndarray, GraphFeatureEngine]:
    engine = GraphFeatureEngine(parameters)
    found = [
        engine.update(*(np.array([getattr(e, c) for e in batch], dtype=kind) for c, kind in _COLUMNS))
        for batch in batches
    ]
    return np.vstack(found), engine


_COLUMNS = (("src", np.int64), ("dst", np.int64), ("time", np.int64), ("amount", np.float64))


class Reference:
    """Features by definition."""

    def __init__(self, batches: list[list[Edge]], p: EngineParameters) -> None:
        self.rows = [e for batch in batches for e in batch]
        self.p, self.ties, self.ahead = p, p.ties == "include", p.scoring == "window_close"

    def all(self) -> list[dict[str, float]]:
        found: list[dict[str, float]] = []
        for i, e in enumerate(self.rows):
            row: dict[str, float] = {}
            for w in self.p.statistics:
                self._statistics(i, e, w, row)
            for w in self.p.fan:
                for way, near, far in (("in", "dst", "src"), ("out", "src", "dst")):
                    row[f"fan_{way}.{w}s"] = len({getattr(f, far) for f in self._plain(i, e, w, near)})
            for w in self.p.degree:
                for way, near in (("in", "dst"), ("out", "src")):
                    row[f"degree_{way}.{w}s"] = len(self._plain(i, e, w, near))
            self._bipartite(i, e, row)
            self._gather_scatter(i, e, row)
            self._pass_through(i, e, row)
            self._quiet(i, e, row)
            self._structuring(i, e, row)
            found.append(row)
        self._patterns(found)
        return found

    def before(self, i: int) -> list[int]:
        """Edges other than i that i sees as earlier or at the same time."""
        now = self.rows[i].time
        return [
            k
            for k, f in enumerate(self.rows)
            if k != i and f.batch <= self.rows[i].batch and (f.time < now or (self.ties and f.time == now))
        ]

    def around(self, i: int, window: int) -> list[int]:
        now = self.rows[i].time
        if self.ahead:
            inside = [k for k, f in enumerate(self.rows) if f.batch <= self.rows[i].batch and k != i]
            return [k for k in inside if abs(self.rows[k].time - now) < window]
        return [k for k in self.before(i) if self.rows[k].time > now - window]

    def _plain(self, i: int, e: Edge, w: int, near: str) -> list[Edge]:
        if e.src == e.dst:
            return []
        inside = [self.rows[k] for k in [*self.around(i, w), i]]
        return [f for f in inside if f.src != f.dst and getattr(f, near) == getattr(e, near)]

    def _statistics(self, i: int, e: Edge, w: int, row: dict[str, float]) -> None:
        inside = [self.rows[k] for k in [*self.around(i, w), i]]
        for who, account in (("debtor", e.src), ("creditor", e.dst)):
            for way, near, far in (("out", "src", "dst"), ("in", "dst", "src")):
                mine = [f for f in inside if getattr(f, near) == account]
                side = f"{who}.{way}"
                fan = len({getattr(f, far) for f in mine})
                row |= {f"{side}.fan.{w}s": fan, f"{side}.degree.{w}s": len(mine)}
                row[f"{side}.ratio.{w}s"] = len(mine) / fan if fan else 0.0
                for what, values in (
                    ("amount", [f.amount for f in mine]),
                    ("age", [e.time - f.time for f in mine]),
                ):
                    told = dict.fromkeys(("average", "sum", "variance", "skewness", "kurtosis"), 0.0)
                    if mine:
                        x = np.array(values, dtype=float)
                        c = x - x.mean()
                        told |= {"average": x.mean(), "sum": x.sum()}
                        if len(set(values)) > 1:
                            told["variance"] = v = (c**2).mean()
                            told |= {"skewness": (c**3).mean() / v**1.5, "kurtosis": (c**4).mean() / v**2}
                    row |= {f"{side}.{what}.{name}.{w}s": value for name, value in told.items()}

    def _bipartite(self, i: int, e: Edge, row: dict[str, float]) -> None:
        w = self.p.bipartite
        pairs = {(self.rows[k].src, self.rows[k].dst) for k in self.around(i, w)}
        shared = [
            len({x for x in range(-9, 30) if x not in (e.src, e.dst, o) and {(o, x), (e.src, x)} <= pairs})
            for o in {s for s, d in pairs if d == e.dst} - {e.src, e.dst}
        ]
        if e.src == e.dst:
            shared = []
        row[f"bipartite.butterflies.{w}s"] = sum(shared)
        row[f"bipartite.co_payers.{w}s"] = sum(s > 0 for s in shared)
        row[f"bipartite.shared.{w}s"] = max(shared, default=0)

    def _gather_scatter(self, i: int, e: Edge, row: dict[str, float]) -> None:
        w = self.p.gather_scatter
        inside = [self.rows[k] for k in self.around(i, w)]
        got = [f for f in inside if f.dst == e.src != f.src and e.src != e.dst]
        first = min((f.time for f in got), default=0)
        # an edge that looks ahead has at least its own time as the beginning of paying out
        first = min(first, e.time)
        paid = [
            f
            for f in inside
            if f.src == e.src != f.dst and (f.time > first or (self.ties and f.time == first))
        ]
        senders = len({f.src for f in got})
        receivers = len({f.dst for f in paid} | {e.dst}) if got else 0
        total = sum(f.amount for f in got)
        names = ("senders", "receivers", "smaller", "sent_ratio")
        sent = (sum(f.amount for f in paid) + e.amount) / total if total else 0.0
        for name, value in zip(names, (senders, receivers, min(senders, receivers), sent), strict=True):
            row[f"gather_scatter.{name}.{w}s"] = value

    def _pass_through(self, i: int, e: Edge, row: dict[str, float]) -> None:
        w = self.p.pass_through
        earlier = [self.rows[k] for k in self.before(i) if self.rows[k].time > e.time - w]
        self._handed_on(e, [f for f in earlier if f.dst == e.src != f.src], True, row)
        if self.ahead:
            later = [
                f
                for k, f in enumerate(self.rows)
                if k != i
                and f.batch <= e.batch
                and e.time <= f.time < e.time + w
                and (self.ties or f.time > e.time)
            ]
            self._handed_on(e, [f for f in later if f.src == e.dst != f.dst], False, row)

    def _quiet(self, i: int, e: Edge, row: dict[str, float]) -> None:
        w, earlier = self.p.quiet, [self.rows[k] for k in self.before(i)]
        for name, known in (
            ("debtor", [f for f in earlier if e.src in (f.src, f.dst)]),
            ("creditor", [f for f in earlier if e.dst in (f.src, f.dst)]),
            ("pair", [f for f in earlier if (f.src, f.dst) == (e.src, e.dst)]),
        ):
            row[f"quiet.{name}_seconds.{w}s"] = min([w, *(e.time - f.time for f in known)])

    def _structuring(self, i: int, e: Edge, row: dict[str, float]) -> None:
        w, p = self.p.structuring, self.p
        for way, near in (("out", "src"), ("in", "dst")):
            amounts = [f.amount for f in self._plain(i, e, w, near)]
            small = [a for a in amounts if p.under * p.threshold <= a < p.threshold]
            row[f"structuring.{way}_count.{w}s"], row[f"structuring.{way}_sum.{w}s"] = len(small), sum(small)

    def _handed_on(self, e: Edge, others: list[Edge], back: bool, row: dict[str, float]) -> None:
        w = self.p.pass_through
        pairs = [(f, (e.amount, f.amount) if back else (f.amount, e.amount)) for f in others]
        fits = [
            (abs(e.time - f.time), -(late / early if early else 1.0))
            for f, (late, early) in pairs
            if self.p.keep_low * early <= late <= self.p.keep_high * early
        ]
        apart, ratio = min(fits, default=(w, 0.0))
        total = sum(f.amount for f in others)
        values = (
            min((abs(e.time - f.time) for f in others), default=w), apart, -ratio, len(fits),
            e.amount / total if total else 0.0,
        )  # fmt: skip
        names = ("seconds_since_in", "match_seconds", "match_ratio", "matches", "received_ratio")
        ahead = ("seconds_until_out", "onward_seconds", "onward_ratio", "onward_matches", "onward_share")
        for name, value in zip(names if back else ahead, values, strict=True):
            row[f"pass_through.{name}.{w}s"] = value

    def _patterns(self, found: list[dict[str, float]]) -> None:
        p = self.p
        for row in found:
            row |= {f"scatter_gather.{n}.{p.scatter_gather}s": 0.0 for n in ("count", "largest", "stack")}
            row |= {f"hop_cycle.{n}.{p.hop_cycle}s": 0.0 for n in ("count", "shortest", "longest")}
            names = ("count", "shortest", "longest", "agreement")
            row |= {f"temporal_cycle.{n}.{p.temporal_cycle}s": 0.0 for n in names}
        for i, e in enumerate(self.rows):
            if e.src == e.dst:
                continue
            for members, size in self._scatter_gathers(i, e):
                for k in self._told(i, members):
                    row, end = found[k], f"{p.scatter_gather}s"
                    row[f"scatter_gather.count.{end}"] += 1
                    row[f"scatter_gather.largest.{end}"] = max(row[f"scatter_gather.largest.{end}"], size)
                    row[f"scatter_gather.stack.{end}"] += size - 1
            for name, window, longest in (
                ("temporal_cycle", p.temporal_cycle, p.cycle_length),
                ("hop_cycle", p.hop_cycle, p.hop_length),
            ):
                for members, length, agreement in self._cycles(
                    i, e, name == "temporal_cycle", window, longest
                ):
                    for k in self._told(i, members):
                        row = found[k]
                        row[f"{name}.count.{window}s"] += 1
                        old = row[f"{name}.shortest.{window}s"]
                        row[f"{name}.shortest.{window}s"] = min(old, length) if old else length
                        row[f"{name}.longest.{window}s"] = max(row[f"{name}.longest.{window}s"], length)
                        if name == "temporal_cycle":
                            key = f"{name}.agreement.{window}s"
                            row[key] = max(row[key], agreement)

    def _told(self, i: int, members: set[int]) -> set[int]:
        if not self.ahead:
            return {i}
        return {i} | {k for k in members if self.rows[k].batch == self.rows[i].batch}

    def _scatter_gathers(self, i: int, e: Edge) -> Iterator[tuple[set[int], int]]:
        seen = [k for k in self.before(i) if self.rows[k].time >= e.time - self.p.scatter_gather]
        pairs = {(self.rows[k].src, self.rows[k].dst) for k in [*seen, i]}
        accounts = sorted({v for pair in pairs for v in pair})
        for source, sink in permutations(accounts, 2):
            middle = {
                m for m in accounts if m not in (source, sink) and (source, m) in pairs and (m, sink) in pairs
            }
            mine = (e.src == source and e.dst in middle) or (e.dst == sink and e.src in middle)
            if len(middle) >= 2 and mine:
                legs = {(source, m) for m in middle} | {(m, sink) for m in middle}
                yield {k for k in seen if (self.rows[k].src, self.rows[k].dst) in legs}, len(middle)

    def _cycles(
        self, i: int, e: Edge, temporal: bool, window: int, longest: int
    ) -> Iterator[tuple[set[int], int, float]]:
        seen = [k for k in self.before(i) if self.rows[k].time >= e.time - window]
        between = sorted({v for k in seen for v in (self.rows[k].src, self.rows[k].dst)} - {e.src, e.dst})
        for n in range(longest - 1):
            for middle in permutations(between, n):
                places = [e.dst, *middle, e.src]
                hops = [
                    [k for k in seen if (self.rows[k].src, self.rows[k].dst) == hop]
                    for hop in pairwise(places)
                ]
                chains = list(self._chains(hops, temporal))
                if chains:
                    yield {k for c in chains for k in c}, n + 2, self._agreement(e, hops)

    def _chains(self, hops: list[list[int]], temporal: bool) -> Iterator[list[int]]:
        """Every choice of one edge for each hop that is in order."""
        chains: list[list[int]] = [[]]
        for hop in hops:
            chains = [
                [*c, k]
                for c in chains
                for k in hop
                if not c or not temporal or self._follows(self.rows[c[-1]].time, self.rows[k].time)
            ]
        yield from chains

    def _follows(self, a: int, b: int) -> bool:
        return a < b or (self.ties and a == b)

    def _agreement(self, e: Edge, hops: list[list[int]]) -> float:
        """Smallest over largest amount along the latest payments that fit, counted back from the last."""
        amounts, limit = [e.amount], e.time
        for hop in reversed(hops):
            fits = [k for k in hop if self._follows(self.rows[k].time, limit)]
            if not fits:
                return 0.0
            limit = max(self.rows[k].time for k in fits)
            amounts.append(max(self.rows[k].amount for k in fits if self.rows[k].time == limit))
        return min(amounts) / max(amounts) if max(amounts) else 1.0


def check(batches: list[list[Edge]], parameters: EngineParameters) -> None:
    got, engine = run(batches, parameters)
    names = engine.feature_names_out()
    expected = Reference(batches, parameters).all()
    assert not engine.truncated
    assert got.shape == (len(expected), len(names))
    assert all({*names} == {*row, "truncated"} for row in expected)
    want = np.array([[row.get(name, 0.0) for name in names] for row in expected]).reshape(got.shape)
    near = np.abs(got - want) <= np.maximum(1e-9 * np.abs(want), 1e-9)
    assert near.all(), [(names[j], i, got[i, j], want[i, j]) for i, j in np.argwhere(~near)]


@MANY
@given(edges, cuts)
def test_arrival_where_ties_do_not_see_each_other(rows, at) -> None:
    check(batched(rows, at), PLAIN)


@MANY
@given(edges)
def test_arrival_where_ties_see_each_other(rows) -> None:
    check(batched(rows, []), replace(PLAIN, ties="include"))


@MANY
@given(edges, cuts)
def test_window_close(rows, at) -> None:
    check(batched(rows, at), replace(PLAIN, scoring="window_close"))


@MANY
@given(edges, cuts)
def test_window_close_where_ties_see_each_other(rows, at) -> None:
    batches = batched(rows, at)
    if whole_buckets(batches):
        check(batches, replace(PLAIN, scoring="window_close", ties="include"))


def test_dense_graphs_hold_every_pattern() -> None:
    """Random graphs dense enough that no feature stays zero, in all four ways of scoring."""
    nonzero = np.zeros(0)
    for seed in range(max(EXAMPLES // 25, 4)):
        random = np.random.default_rng(seed)
        rows = list(zip(*(random.integers(0, most, 24).tolist() for most in (5, 5, 20, 10)), strict=True))
        batches = batched(rows, random.integers(0, 24, 2).tolist())
        for ties in ("exclude", "include"):
            for scoring in ("arrival", "window_close"):
                parameters = replace(PLAIN, ties=ties, scoring=scoring)
                here = batches if ties == "exclude" else batched(rows, [])
                check(here, parameters)
        found = np.abs(run(batched(rows, []), replace(PLAIN, scoring="window_close"))[0]).sum(axis=0)
        nonzero = found if not len(nonzero) else nonzero + found
    assert (nonzero[:-1] > 0).all()
