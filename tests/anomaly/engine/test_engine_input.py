"""Rows that cannot be payments are refused by name; everything else has an answer."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly.engine import DAY, EngineParameters, GraphFeatureEngine, LateRowError, RowError
from ledger.errors import ConfigurationError

GOOD = ([1, 2], [2, 3], [10, 20], [5.0, 4.5])


def test_every_feature_has_a_name_a_meaning_and_a_unit() -> None:
    engine = GraphFeatureEngine(
        EngineParameters(
            fan=(DAY,),
            degree=(DAY,),
            hop_cycle=DAY,
            structuring=DAY,
            round_trip=DAY,
            burst=DAY,
            chain=DAY,
            scoring="window_close",
        )
    )
    names = engine.feature_names_out()
    assert len(set(names)) == len(names) == engine.update(*GOOD).shape[1]
    assert all(column.meaning and column.unit and column.window for column in engine.columns)


@pytest.mark.parametrize(
    ("column", "value", "where"),
    [
        (3, [5.0, float("nan")], "row 1"),
        (3, [float("inf"), 1.0], "row 0"),
        (3, [1.0, -0.01], "row 1"),
        (2, [10.0, float("nan")], "row 1, time"),
        (2, [10.0, 10.5], "row 1, time"),
        (0, ["a", "b"], "src"),
        (1, np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[s]"), "dst"),
        (0, [[1], [2]], "src"),
        (3, ["x", "y"], "amount"),
    ],
)
def test_a_row_that_is_no_payment_is_named_and_nothing_is_taken_in(column, value, where) -> None:
    engine = GraphFeatureEngine()
    bad = list(GOOD)
    bad[column] = value
    with pytest.raises(RowError) as caught:
        engine.update(*bad)
    assert caught.value.where == where
    assert (engine.rows, engine.live_edges) == (0, 0)
    np.testing.assert_array_equal(engine.update(*GOOD), GraphFeatureEngine().update(*GOOD))


def test_columns_of_different_length() -> None:
    with pytest.raises(RowError, match="length"):
        GraphFeatureEngine().update([1], [2, 3], [1, 2], [1.0, 2.0])


def test_an_empty_batch_changes_nothing() -> None:
    engine = GraphFeatureEngine()
    assert engine.update([], [], [], []).shape == (0, len(engine.columns))
    first = engine.update(*GOOD)
    assert engine.update([], [], [], []).shape == (0, len(engine.columns))
    np.testing.assert_array_equal(first, GraphFeatureEngine().update(*GOOD))


def test_a_clock_that_goes_back_is_an_error_or_now() -> None:
    engine = GraphFeatureEngine()
    engine.update(*GOOD)
    with pytest.raises(LateRowError) as caught:
        engine.update([3, 3], [1, 1], [25, 19], [1.0, 1.0])
    assert caught.value.where == "row 1 of the batch"
    assert engine.rows == 2
    lenient = GraphFeatureEngine(EngineParameters(late="now"))
    lenient.update(*GOOD)
    lenient.update([3, 3], [1, 1], [25, 19], [1.0, 1.0])
    same = GraphFeatureEngine()
    same.update(*GOOD)
    assert (lenient.late, lenient.rows) == (1, 4)
    np.testing.assert_array_equal(
        lenient.update([1], [2], [30], [1.0]),
        (same.update([3, 3], [1, 1], [20, 25], [1.0, 1.0]), same.update([1], [2], [30], [1.0]))[1],
    )


def test_what_a_family_needs_of_the_past_is_kept() -> None:
    plain = EngineParameters(statistics=(), burst=2 * DAY, chain=DAY)
    assert plain.reach == 14 * DAY == EngineParameters(burst=2 * DAY).reach
    assert EngineParameters(chain=DAY, chain_length=16).reach == 15 * DAY
    assert EngineParameters().reach == 7 * DAY
    for parameters in (plain, EngineParameters(chain=DAY, chain_length=16)):
        engine = GraphFeatureEngine(parameters)
        engine.update([1], [2], [0], [1.0])
        engine.update([3], [4], [parameters.reach], [1.0])
        assert engine.live_edges == 2
        engine.update([3], [4], [parameters.reach + 1], [1.0])
        assert engine.live_edges == 2


def test_inside_a_batch_rows_may_stand_in_any_order() -> None:
    backwards = tuple(list(reversed(column)) for column in GOOD)
    np.testing.assert_array_equal(
        GraphFeatureEngine().update(*backwards), GraphFeatureEngine().update(*GOOD)[::-1]
    )


def test_self_loops_are_statistics_but_no_pattern() -> None:
    engine = GraphFeatureEngine(EngineParameters(fan=(DAY,), hop_cycle=DAY))
    found = dict(
        zip(engine.feature_names_out(), engine.update([7] * 3, [7] * 3, [1, 2, 3], [1.0] * 3)[2], strict=True)
    )
    assert found["debtor.out.degree.1d"] == found["creditor.in.degree.1d"] == 3
    assert found["debtor.out.fan.1d"] == 1
    assert found["fan_in.1d"] == found["hop_cycle.count.1d"] == found["temporal_cycle.count.7d"] == 0


def test_accounts_may_be_any_64_bit_numbers() -> None:
    ends = np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max, -1, 0, 2**31, 2**62])
    src, dst = np.repeat(ends, 6), np.tile(ends, 6)
    _, numbers = np.unique(np.append(src, dst), return_inverse=True)
    time, amount = np.arange(36), np.arange(36.0)
    np.testing.assert_array_equal(
        GraphFeatureEngine().update(src, dst, time, amount),
        GraphFeatureEngine().update(numbers[:36], numbers[36:], time, amount),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"scoring": "later"}, {"ties": "maybe"}, {"late": "drop"}, {"statistics": (0,)}, {"bins": ()},
        {"bins": (3, 2)}, {"cycle_length": 1}, {"hop_length": 65}, {"keep_low": 0.0}, {"budget": 0},
        {"statistics": (), "scatter_gather": None, "gather_scatter": None, "bipartite": None,
         "temporal_cycle": None, "pass_through": None, "quiet": None},
        {"threshold": 0.0}, {"under": 1.0}, {"round_trip": 0}, {"burst": -1}, {"chain": 0},
        {"chain_length": 1}, {"chain_length": 17},
    ],
)  # fmt: skip
def test_parameters_that_do_not_fit(wrong) -> None:
    with pytest.raises(ConfigurationError):
        EngineParameters(**wrong)
