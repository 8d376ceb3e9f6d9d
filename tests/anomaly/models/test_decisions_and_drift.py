"""From scores to alerts: calibration, costs, budgets, contests, drift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.models.calibration import Calibration, shift_prior
from anomaly.models.champion import contest
from anomaly.models.decision import by_budget, by_cost
from anomaly.models.drift import CHANGED, WATCH, DriftMonitor, stability
from ledger.errors import InputError

share = st.floats(0.001, 0.999)


def overconfident(seed: int, n: int = 20_000):
    rng = np.random.default_rng(seed)
    odds = rng.normal(-3, 1.5, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(np.int8)
    return 1 / (1 + np.exp(-3 * odds)), y, 1 / (1 + np.exp(-odds))


def test_calibration_recovers_the_probabilities_and_keeps_the_order() -> None:
    score, y, truth = overconfident(0)
    calibration = Calibration().fit(score[:10_000], y[:10_000])
    p = calibration.predict(score[10_000:])
    assert np.abs(p - truth[10_000:]).mean() < 0.01
    assert np.all(np.diff(p[np.argsort(score[10_000:])]) >= 0)


def test_scores_that_say_nothing_give_the_prior() -> None:
    y = np.array([0, 1] * 100, np.int8)
    p = Calibration().fit(1 - 0.9 * y - 0.05, y).predict(np.array([0.1, 0.9]))
    assert np.allclose(p, 0.5)
    with pytest.raises(InputError):
        Calibration().fit(np.ones(3), np.zeros(3, np.int8))


@given(share, share, share)
def test_shifting_a_prior_and_back_changes_nothing(p, learnt, expected) -> None:
    there = shift_prior(np.array([p]), learnt=learnt, expected=expected)
    assert shift_prior(there, learnt=expected, expected=learnt)[0] == pytest.approx(p, abs=1e-9)
    assert (there[0] > p) == (expected > learnt) or there[0] == pytest.approx(p)


@given(st.floats(0.1, 100), st.floats(0.1, 100), share, share)
def test_moving_the_threshold_equals_shifting_every_probability(
    false_alert, missed, learnt, expected
) -> None:
    p = np.linspace(0.0005, 0.9995, 400)
    moved = by_cost(false_alert, missed, learnt=learnt, expected=expected)
    plain = by_cost(false_alert, missed)
    shifted = shift_prior(p, learnt=learnt, expected=expected)
    clear = np.abs(shifted - plain.threshold) > 1e-9
    assert np.array_equal((p >= moved.threshold)[clear], (shifted >= plain.threshold)[clear])


@given(st.floats(0.1, 50), st.floats(0.1, 50))
def test_the_threshold_by_cost_is_where_both_choices_cost_the_same(false_alert, missed) -> None:
    t = by_cost(false_alert, missed).threshold
    assert (1 - t) * false_alert == pytest.approx(t * missed)


def test_a_budget_alerts_its_share() -> None:
    p = np.random.default_rng(0).random(1_000)
    decision = by_budget(p, 0.01)
    assert (p >= decision.threshold).sum() == 10
    assert "1.00%" in decision.reason
    for wrong in (0.0, 1.5, -1):
        with pytest.raises(InputError):
            by_budget(p, wrong)
    with pytest.raises(InputError):
        by_cost(0, 1)


def test_a_challenger_wins_by_more_than_chance_or_not_at_all() -> None:
    score, y, truth = overconfident(1, 4_000)
    time = np.arange(4_000) + 1_000
    noise = np.random.default_rng(2).random(4_000)
    better = contest(y, noise, truth, time, learnt_until=999)
    assert better.replaced
    assert better.low > 0
    same = contest(y, score, truth, time, learnt_until=999)  # the same order
    assert not same.replaced
    assert not contest(y, truth, noise, time, learnt_until=999).replaced
    with pytest.raises(InputError, match="not later"):
        contest(y, score, truth, time, learnt_until=1_000)
    with pytest.raises(InputError, match="not later"):
        contest(y, score, truth, time, learnt_until=999, embargo=10)


def test_stability_is_zero_for_the_same_and_grows_with_the_shift() -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(size=20_000)
    assert stability(a, rng.normal(size=20_000)) < 0.01
    shifts = [stability(a, rng.normal(d, 1, 20_000)) for d in (0.2, 0.5, 1.0)]
    assert shifts == sorted(shifts)
    assert shifts[0] < WATCH < CHANGED < shifts[2]


def test_stability_of_counts_and_of_missing_values() -> None:
    zeros = np.zeros(1_000)
    assert stability(zeros, zeros) == pytest.approx(0)
    assert stability(zeros, np.where(np.arange(1_000) % 2, 1.0, 0.0)) > CHANGED
    assert stability(zeros, np.where(np.arange(1_000) % 2, np.nan, 0.0)) > CHANGED
    with pytest.raises(InputError):
        stability(zeros, np.zeros(0))


def test_the_monitor_names_what_moved() -> None:
    rng = np.random.default_rng(5)
    old = rng.normal(size=(5_000, 3))
    monitor = DriftMonitor(old, rng.random(5_000), ["amount", "hour", "fan"])
    new = rng.normal(size=(5_000, 3))
    calm = monitor.check(new, rng.random(5_000))
    assert calm.verdict == "stable"
    new[:, 2] += 2
    moved = monitor.check(new, rng.random(5_000) ** 3)
    assert moved.verdict == "changed"
    assert list(moved.to_json()["features"]) == ["fan"]
    with pytest.raises(InputError):
        monitor.check(new[:, :2], rng.random(5_000))
