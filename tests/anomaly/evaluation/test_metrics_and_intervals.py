"""Metrics against scikit-learn and by hand; splits, encodings and intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from anomaly.evaluation.bootstrap import Sample, intervals
from anomaly.evaluation.encode import BUCKET, encode
from anomaly.evaluation.metrics import Ranking, Truth, best_threshold
from anomaly.evaluation.split import split_by_time
from anomaly.models.chance import shuffled_payees
from ledger.errors import InputError

DAY = 86_400


def ranking(
    label, score, instance=None, typology=None, source=None, target=None, time=None, seed=0
) -> Ranking:
    n = len(label)
    truth = Truth(
        np.asarray(label, np.int8),
        np.asarray(instance if instance is not None else [-1] * n),
        np.asarray(typology if typology is not None else [""] * n, dtype=object),
        np.asarray(source if source is not None else range(n)),
        np.asarray(target if target is not None else range(n, 2 * n)),
        np.asarray(time if time is not None else range(n)),
    )
    return Ranking.of(truth, np.asarray(score, float), seed)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 10**6)), min_size=2, max_size=60, unique_by=lambda r: r[1]
    )
)
def test_pr_auc_and_f1_are_those_of_scikit_learn(rows) -> None:
    label = np.array([r[0] for r in rows], int)
    score = np.array([r[1] for r in rows], float)
    if not label.any():
        assert np.isnan(ranking(label, score).pr_auc(np.ones(len(rows))))
        return
    r, even = ranking(label, score), np.ones(len(rows))
    assert r.pr_auc(even) == pytest.approx(average_precision_score(label, score))
    t = best_threshold(label, score)
    assert r.f1(t, even) == pytest.approx(f1_score(label, score >= t))
    assert r.f1(t, even) == pytest.approx(max(f1_score(label, score >= s) for s in score))


@given(st.lists(st.integers(0, 3), min_size=3, max_size=30), st.integers(0, 5))
def test_weights_are_repetitions(weight, seed) -> None:
    rng = np.random.default_rng(seed)
    n = len(weight)
    label, score = rng.integers(0, 2, n), rng.permutation(n).astype(float)
    r = ranking(label, score)
    w = np.array(weight, float)
    repeated = [i for i in range(n) for _ in range(int(w[r.order.tolist().index(i)]))]
    if not label[repeated].any():
        return
    # repetitions of one row stand at one place
    at_place = np.cumsum(w)[w > 0]
    hits = np.cumsum(w * r.label)[w > 0]
    share = (w * r.label)[w > 0]
    assert r.pr_auc(w) == pytest.approx(float(np.sum(share * hits / at_place) / share.sum()))


def test_budgets_and_ceilings() -> None:
    label = [1] * 5 + [0] * 195
    r, even = ranking(label, list(range(200, 0, -1))), np.ones(200)
    assert r.alerted(0.01, even).sum() == 2
    assert r.alerted(0.001, even).sum() == 1  # one alert at least
    assert r.precision_at(0.01, even) == 1
    assert r.recall_at(0.01, even) == r.ceiling_at(0.01, even) == pytest.approx(0.4)


def test_equal_scores_are_ranked_by_chance_not_by_place() -> None:
    label = [1] * 10 + [0] * 90
    first = [ranking(label, np.zeros(100), seed=s).recall_at(0.1, np.ones(100)) for s in range(200)]
    assert np.mean(first) == pytest.approx(0.1, abs=0.03)


def test_instances_accounts_and_delay() -> None:
    label = [1, 1, 1, 1, 0, 0, 0, 0]
    r = ranking(
        label,
        [9, 1, 8, 2, 7, 3, 3, 3],
        instance=[0, 0, 1, 1, -1, -1, -1, -1],
        typology=["cycle", "cycle", "stack", "stack", "", "", "", ""],
        source=[0, 1, 2, 3, 4, 5, 6, 7],
        target=[1, 0, 3, 2, 5, 4, 7, 6],
        time=[7_200, 0, 3_600, 3_600, 0, 0, 0, 0],
    )
    even = np.ones(8)
    assert r.instance_recall("cycle", 0.25, even) == 1
    assert r.instance_recall("cycle", 0.25, even, part=0.75) == 0
    assert r.instance_recall(None, 0.125, even) == 0.5
    assert np.isnan(r.instance_recall("fan_in", 0.25, even))
    assert r.typology_recall("cycle", 0.25, even) == 0.5
    assert r.account_recall(0.25, even) == 0.5  # two of eight accounts; four are in cases
    assert r.hours_to_flag(0.25, even, 3_600) == pytest.approx(2)  # (2 h, 0 h) in the middle, and the delay


@given(st.lists(st.integers(0, 60 * DAY), min_size=30, max_size=200), st.integers(0, 3 * DAY))
def test_parts_are_apart_in_time(times, embargo) -> None:
    time = np.array(times)
    try:
        split = split_by_time(time, embargo=embargo)
    except InputError:
        return
    assert time[split.train].max() + embargo < time[split.validation].min()
    assert time[split.validation].max() + embargo < time[split.test].min()
    assert len(split.test) >= 0.2 * len(time) - 1


def test_a_file_too_short_for_its_embargo_is_an_error() -> None:
    with pytest.raises(InputError, match="embargo"):
        split_by_time(np.arange(100) * 60, embargo=DAY)


@pytest.mark.parametrize("encoding", list(BUCKET))
def test_the_truth_lies_inside_the_encoded_intervals(transfers, encoding) -> None:
    rng = np.random.default_rng(0)
    table = transfers(
        [
            {"src": "a", "dst": "b", "t": int(rng.integers(10**9)), "amount": int(10 ** rng.uniform(0, 9))}
            for _ in range(500)
        ]
    )
    told = encode(table, encoding)
    assert told.schema == table.schema
    for name in ("amount", "time"):
        exact = table.column(f"{name}_low").to_numpy()
        low, high = told.column(f"{name}_low").to_numpy(), told.column(f"{name}_high").to_numpy()
        assert (low <= exact).all()
        assert (exact <= high).all() if name == "amount" else (exact < high).all()
    width = told.column("time_high").to_numpy() - told.column("time_low").to_numpy()
    assert set(width) == {BUCKET[encoding]}


def test_shuffling_payees_keeps_every_account_s_business(transfers) -> None:
    rng = np.random.default_rng(1)
    table = transfers(
        [{"src": f"a{rng.integers(9)}", "dst": f"b{rng.integers(9)}", "t": i} for i in range(200)]
    )
    mixed = shuffled_payees(table, 0)
    for name in ("debtor_account", "amount_low", "time_low"):
        assert mixed.column(name).equals(table.column(name))
    assert sorted(mixed.column("creditor_account").to_pylist()) == sorted(
        table.column("creditor_account").to_pylist()
    )
    assert not mixed.column("creditor_account").equals(table.column("creditor_account"))


def noisy(seed: int, strength: float, n: int = 3_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    label = (rng.random(n) < 0.03).astype(int)
    instance = np.where(label == 1, rng.integers(0, 20, n), -1)
    return label, np.random.default_rng(seed).normal(size=n) + strength * label, instance


def test_intervals_hold_the_value_and_pairs_are_narrower() -> None:
    label, good, instance = noisy(0, 2.5)
    better = good + 0.4 * label
    a, b = ranking(label, good, instance), ranking(label, better, instance)
    metrics = {"pr_auc": lambda r, w: r.pr_auc(w)}
    one = intervals([a], metrics, draws=100)["pr_auc"]
    two = intervals([b], metrics, draws=100)["pr_auc"]
    gain = intervals([b], metrics, minus=[a], draws=100)["pr_auc"]
    assert one.low < one.value < one.high
    assert gain.value == pytest.approx(two.value - one.value)
    assert gain.low > 0
    assert gain.high - gain.low < (one.high - one.low)


def test_rows_of_an_instance_are_drawn_together() -> None:
    label, score, instance = noisy(1, 1.0)
    r = ranking(label, score, instance)
    weight = Sample(r).draw(3)
    for number in range(20):
        assert len(set(weight[r.truth.instance == number])) == 1
    # the same rows are drawn however they are ranked
    other = ranking(label, -score, instance)
    back = np.empty(len(score)), np.empty(len(score))
    back[0][r.order], back[1][other.order] = weight, Sample(other).draw(3)
    assert np.array_equal(*back)
