"""Scores of neighbours against a plain reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.transactions.neighbours import NEIGHBOUR_COLUMNS, neighbour_scores

payment = st.tuples(
    st.integers(0, 4), st.integers(0, 4), st.integers(0, 12), st.integers(0, 20).map(lambda k: k / 20)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(payment, min_size=1, max_size=14), st.integers(0, 6), st.integers(0, 6))
def test_highest_sum_and_mean(rows, back, ahead) -> None:
    source, target, time, score = (np.array(column) for column in zip(*rows, strict=True))
    found = neighbour_scores(source, target, time, score.astype(float), back, ahead)
    assert found.shape == (len(rows), len(NEIGHBOUR_COLUMNS))
    for e in range(len(rows)):
        for way, (own, other) in enumerate(
            ((source[e], source), (source[e], target), (target[e], source), (target[e], target))
        ):
            near = (other == own) & (time >= time[e] - back) & (time <= time[e] + ahead)
            near[e] = False
            scores = score[near]
            wanted = (scores.max(initial=0), scores.sum(), scores.mean() if len(scores) else 0)
            if source[e] != target[e]:
                assert np.allclose(found[e, way * 3 : way * 3 + 3], wanted, atol=1e-5)
