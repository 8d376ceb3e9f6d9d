"""Bootstrap intervals: pattern instances are resampled as a whole, ordinary payments row by row.

Rows of one instance are correlated, so they are drawn together. Two models are compared on the same draws of
the same rows: the paired interval of a difference is narrower than two separate intervals suggest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly.evaluation.metrics import Metric, Ranking

__all__ = ["Interval", "Sample", "intervals"]

Floats = npt.NDArray[np.float64]

#: Share of resamples inside an interval.
_COVER = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A ranking whose rows are drawn by instance, or singly; a draw does not depend on the ranking."""

    ranking: Ranking

    def draw(self, seed: int) -> Floats:
        """Return how often each row of the ranking is drawn (Poisson, mean 1)."""
        random = np.random.default_rng(seed)
        original = np.empty(len(self.ranking), np.int64)
        original[self.ranking.order] = self.ranking.truth.instance
        instances = random.poisson(1.0, int(original.max(initial=-1)) + 1)
        weight = random.poisson(1.0, len(original)).astype(np.float64)
        known = original >= 0
        weight[known] = instances[original[known]]
        return np.asarray(weight[self.ranking.order])


def intervals(
    samples: list[Ranking],
    metrics: Mapping[str, Metric],
    *,
    minus: list[Ranking] | None = None,
    draws: int = 200,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return each metric's mean over the samples (one: pooled; several: banks), with an interval.

    Parameters
    ----------
    samples : list of Ranking
        Banks without a value for a metric are left out of its mean.
    metrics : mapping
        Name to a function of a ranking and weights.
    minus : list of Ranking, optional
        The same rows ranked by another model; if given, the paired difference is returned.
    """

    def values(weights: Callable[[int, Ranking], Floats], rankings: list[Ranking]) -> dict[str, Floats]:
        drawn = [weights(i, ranking) for i, ranking in enumerate(rankings)]
        return {
            name: np.array([metric(r, w) for r, w in zip(rankings, drawn, strict=True)])
            for name, metric in metrics.items()
        }

    def difference(weights: Callable[[int, Ranking], Floats]) -> dict[str, float]:
        own = values(weights, samples)
        other = values(weights, minus) if minus is not None else None
        return {name: _mean(own[name] - other[name] if other is not None else own[name]) for name in metrics}

    value = difference(lambda _i, ranking: np.ones(len(ranking)))
    resampled: dict[str, list[float]] = {name: [] for name in metrics}
    for k in range(draws):
        key = (seed * 1_000_003 + k) * 101
        drawn = difference(lambda i, ranking, key=key: Sample(ranking).draw(key + i))  # type: ignore[misc]
        for name in metrics:
            resampled[name].append(drawn[name])
    result = {}
    for name in metrics:
        known = np.array([v for v in resampled[name] if np.isfinite(v)])
        tail = (1 - _COVER) / 2
        low, high = np.quantile(known, (tail, 1 - tail)) if len(known) else (np.nan, np.nan)
        result[name] = Interval(value[name], float(low), float(high))
    return result


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
