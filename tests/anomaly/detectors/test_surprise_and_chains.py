"""What accident explains, checked against accident; and chains of money that changes currency."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly.detectors import REGISTRY, Context
from anomaly.detectors.pass_through import _of_so_many
from anomaly.detectors.surprise import combined
from anomaly.graph import TemporalGraph

DAY = 86_400


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_combined_weights_of_accidents_are_as_rare_as_they_say(steps) -> None:
    chances = np.random.default_rng(steps).random((100_000, steps))
    strength = combined(-np.log10(chances).sum(axis=1), steps)
    for least in (0.5, 1.0, 2.0):
        assert (strength >= least).mean() == pytest.approx(10.0**-least, rel=0.15)


def test_matches_among_many_payments_are_no_rarer_than_accident_makes_them() -> None:
    random = np.random.default_rng(4)
    rare = [_of_so_many((-np.log10(random.random(12))).tolist(), 12)[0] for _ in range(20_000)]
    for least in (0.5, 1.0, 2.0):
        assert (np.array(rare) >= least).mean() <= 1.1 * 10.0**-least


def test_the_closest_matches_count_and_the_others_do_not() -> None:
    rarity, closest = _of_so_many([4.0, 3.9, 0.1, 0.05], 6)
    assert closest == 2
    assert rarity > 3


@pytest.fixture
def several_currencies(transfers):
    """Shops' takings in three currencies, of which yen have a hundred times the numbers, and two chains."""
    random = np.random.default_rng(1)
    level = {978: 5_000, 840: 5_000, 392: 500_000}
    rows = []
    for code, typical in level.items():
        for _ in range(400):
            amount = int(typical * np.exp(random.normal(0, 1)))
            src, dst = random.integers(0, 300), random.integers(300, 340)
            at = int(random.integers(0, 60 * DAY))
            rows.append({"src": f"p{src}", "dst": f"s{dst}", "t": at, "amount": amount, "currency": code})
    for start in (20, 35):
        path = ["origin", *(f"m{start}-{i}" for i in range(5))]
        for i, (src, dst, code) in enumerate(
            zip(path[:-1], path[1:], (978, 392, 840, 392, 978), strict=True)
        ):
            rows.append(
                {
                    "src": src, "dst": dst, "t": start * DAY + i * 40_000, "currency": code,
                    "amount": int(40 * level[code] * 0.98**i),
                }
            )  # fmt: skip
    return TemporalGraph.from_transfers(transfers(rows))


def test_chains_through_several_currencies_are_one_flag_of_their_origin(several_currencies) -> None:
    graph = several_currencies
    chain = REGISTRY["chain"]
    found = [c for c in chain.find(Context(graph), chain.parameters).candidates if c.strength > 0]
    assert len(found) == 1
    assert sorted(graph.row[found[0].edges].tolist()) == list(range(1_200, 1_210))
    assert found[0].details == {"chains": 2, "hops": 5}
    assert not found[0].certain, "a rate learnt from the rows is a rough one"
    assert "2 sums" in chain.lead(graph, found[0])


def _ways(middle_type: int) -> list[dict[str, object]]:
    """Six intermediaries between two accounts, sums that do not agree, among a thousand other payments."""
    random = np.random.default_rng(2)
    rows: list[dict[str, object]] = []
    for i in range(6):
        first = {"src": "source", "dst": f"m{i}", "t": 20 * DAY + i * 3_000, "amount": 90_000 - 9_000 * i}
        then = {"src": f"m{i}", "dst": "target", "t": 25 * DAY + i * 9_000, "amount": 20_000 + 11_000 * i}
        rows += [row | {"src_type": middle_type, "dst_type": middle_type} for row in (first, then)]
    for _ in range(1_000):
        src, dst = random.choice(400, 2, replace=False)
        amount, at = int(random.integers(100, 90_000)), int(random.integers(0, 60 * DAY))
        rows.append({"src": f"p{src}", "dst": f"p{dst}", "t": at, "amount": amount})
    return rows


@pytest.mark.parametrize(("party_type", "told"), [(0, True), (1, True), (2, False)])
def test_a_scatter_gather_is_told_by_its_shape_unless_all_are_businesses(transfers, party_type, told) -> None:
    graph = TemporalGraph.from_transfers(transfers(_ways(party_type)))
    detector = REGISTRY["scatter_gather"]
    found = detector.find(Context(graph), detector.parameters).candidates
    strong = [c for c in found if c.strength > 0]
    assert len(strong) == told
    assert all(sorted(graph.row[c.edges].tolist()) == list(range(12)) for c in strong)
