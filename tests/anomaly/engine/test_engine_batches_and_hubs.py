"""What does not depend on batches, what is bounded, and what is cut: never silently."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.engine import DAY, HOUR, EngineParameters, GraphFeatureEngine

EXAMPLES = int(os.environ.get("KERNEL_EXAMPLES", "400"))
EVERYTHING = EngineParameters(
    fan=(DAY,), degree=(HOUR,), hop_cycle=DAY, hop_length=6, cycle_length=6, structuring=DAY,
    threshold=500.0, round_trip=7 * DAY, burst=HOUR, chain=DAY,
)  # fmt: skip


def rows(
    edges: int, accounts: int, seed: int, days: float = 20.0, skew: float = 0.8
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    weight = 1 / np.arange(1, accounts + 1) ** skew
    weight /= weight.sum()
    src, dst = (random.choice(accounts, edges, p=weight) * 1_000_003 - 77 for _ in range(2))
    time = np.sort(random.integers(0, int(days * DAY), edges)) // 600 * 600 + 1_700_000_000
    return src, dst, time, np.round(random.lognormal(5, 2, edges), 2)


def fed(columns: tuple[np.ndarray, ...], sizes: list[int], parameters: EngineParameters) -> np.ndarray:
    engine = GraphFeatureEngine(parameters)
    found, begin = [], 0
    for size in [*sizes, len(columns[0])]:
        found.append(engine.update(*(column[begin : begin + size] for column in columns)))
        begin += size
    return np.vstack(found)


@settings(max_examples=max(EXAMPLES // 40, 3), deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 700), max_size=8))
def test_one_batch_or_many_give_the_same_bits(seed, sizes) -> None:
    columns = rows(1_000, 60, seed)
    whole = fed(columns, [], EVERYTHING)
    assert np.array_equal(whole, fed(columns, sizes, EVERYTHING))
    assert np.array_equal(whole, fed(columns, [1] * 50, EVERYTHING))


@settings(max_examples=max(EXAMPLES // 40, 3), deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 600))
def test_after_a_warm_up_features_are_the_same(seed, warm) -> None:
    columns = rows(600, 60, seed)
    engine = GraphFeatureEngine(EVERYTHING)
    engine.warm_up(*(column[:warm] for column in columns))
    found = engine.update(*(column[warm:] for column in columns))
    np.testing.assert_allclose(found, fed(columns, [], EVERYTHING)[warm:], rtol=1e-7, atol=1e-7)


@settings(max_examples=max(EXAMPLES // 40, 3), deadline=None)
@given(st.integers(0, 10**6))
def test_order_of_rows_in_a_batch_says_nothing(seed) -> None:
    columns = rows(300, 25, seed)
    for parameters in (EVERYTHING, replace(EVERYTHING, ties="include")):
        straight = fed(columns, [], parameters)
        order = np.random.default_rng(seed).permutation(300)
        shuffled = fed(tuple(column[order] for column in columns), [], parameters)
        np.testing.assert_allclose(shuffled, straight[order], rtol=1e-9, atol=1e-9)


def test_amounts_that_left_leave_no_error_behind() -> None:
    """10^12 passes through a window of cents; the variance afterwards is that of the cents."""
    n = 400
    amount = np.full(n, 0.01)
    amount[1::2], amount[100] = 0.03, 1e12
    engine = GraphFeatureEngine(EngineParameters(statistics=(50,), pass_through=None))
    found = engine.update(np.ones(n), np.full(n, 2), np.arange(n), amount)
    variance = found[:, engine.feature_names_out().index("debtor.out.amount.variance.50s")]
    assert variance[100] > 1e21
    np.testing.assert_allclose(variance[160:], 1e-4, rtol=1e-9)


def test_memory_is_bounded_by_the_largest_window() -> None:
    parameters = EngineParameters(
        statistics=(HOUR,),
        scatter_gather=HOUR,
        gather_scatter=None,
        bipartite=None,
        temporal_cycle=HOUR,
        pass_through=None,
        quiet=None,
    )
    engine = GraphFeatureEngine(parameters)
    src, dst, time, amount = rows(60_000, 500, 1, days=30)
    most = 0
    for begin in range(0, len(src), 500):
        engine.update(*(c[begin : begin + 500] for c in (src, dst, time, amount)))
        most = max(most, engine.live_edges)
    assert most < 800
    assert len(engine._graph.time) <= 2_048
    assert engine.rows == 60_000


def test_parts_that_are_cut_are_marked() -> None:
    columns = rows(900, 250, 3, days=3)
    names = GraphFeatureEngine(EVERYTHING).feature_names_out()
    full = GraphFeatureEngine(replace(EVERYTHING, budget=10_000_000, hub_degree=10_000, hop_length=4))
    whole = full.update(*columns)
    assert not full.truncated
    for small in ({"budget": 100}, {"hub_degree": 3}):
        engine = GraphFeatureEngine(replace(full.parameters, **small))
        found = engine.update(*columns)
        assert engine.truncated == engine.truncated_rows.sum() == found[:, -1].sum() > 0
        uncut = ~engine.truncated_rows
        assert uncut.any()
        np.testing.assert_array_equal(found[uncut], whole[uncut])
        for name in ("temporal_cycle.count.7d", "hop_cycle.count.1d", "scatter_gather.count.7d"):
            column = names.index(name)
            assert (found[:, column] <= whole[:, column]).all(), name


def test_one_account_in_half_of_all_rows() -> None:
    n = 5_000
    random = np.random.default_rng(0)
    src, dst, time = random.integers(1, 900, n), random.integers(1, 900, n), np.arange(n) * 60
    src[::4], dst[1::4] = 0, 0
    engine = GraphFeatureEngine()
    found = engine.update(src, dst, time, random.lognormal(3, 1, n))
    assert np.isfinite(found).all()
    assert engine.truncated == engine.truncated_rows.sum()


def test_short_cycles_are_complete_where_long_ones_are_cut() -> None:
    columns = rows(2_000, 60, 5, days=2)
    p = replace(EVERYTHING, hop_length=10, histograms=True, bins=tuple(range(2, 11)), temporal_cycle=None,
                bipartite=None, gather_scatter=None, pass_through=None, scatter_gather=None)  # fmt: skip
    engine = GraphFeatureEngine(replace(p, budget=5_000))
    short = [i for i, name in enumerate(engine.feature_names_out()) if name.endswith(
        tuple(f"size_{k}.1d" for k in (2, 3, 4))) and name.startswith("hop_cycle")]  # fmt: skip
    found = engine.update(*columns)
    assert engine.truncated > 100
    whole = GraphFeatureEngine(replace(p, hop_length=4)).update(*columns)
    names = GraphFeatureEngine(replace(p, hop_length=4)).feature_names_out()
    same = [names.index(engine.feature_names_out()[i].replace("size_4.", "size_4+.")) for i in short]
    np.testing.assert_array_equal(found[:, short], whole[:, same])
    assert whole[:, same].sum() > 0


@pytest.mark.parametrize("scoring", ["arrival", "window_close"])
def test_histograms_agree_with_counts(scoring) -> None:
    columns = rows(600, 90, 9, days=14)
    plain = EngineParameters(scoring=scoring, fan=(DAY,), degree=(DAY,), hop_cycle=DAY, hop_length=5)
    binned = replace(plain, histograms=True, bins=tuple(range(1, 31)))
    (a, left), (b, right) = (
        (engine.feature_names_out(), engine.update(*columns))
        for engine in map(GraphFeatureEngine, (plain, binned))
    )
    for family, span in (("scatter_gather", "7d"), ("temporal_cycle", "7d"), ("hop_cycle", "1d")):
        bins = [i for i, name in enumerate(b) if name.startswith(f"{family}.size_")]
        np.testing.assert_array_equal(left[:, a.index(f"{family}.count.{span}")], right[:, bins].sum(axis=1))
    for name in ("fan_in", "fan_out", "degree_in", "degree_out"):
        bins = [i for i, other in enumerate(b) if other.startswith(f"{name}.size_")]
        sizes = np.minimum(left[:, a.index(f"{name}.1d")], 30)
        np.testing.assert_array_equal(sizes, right[:, bins] @ np.arange(1, 31))
