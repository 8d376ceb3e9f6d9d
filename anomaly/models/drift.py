"""Drift: whether scores and features still come from the population that the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ledger.errors import InputError

__all__ = ["CHANGED", "WATCH", "Drift", "DriftMonitor", "stability"]

Floats = npt.NDArray[np.float64]

#: Usual limits of the population stability index: below the first is stable, above the second has changed.
WATCH, CHANGED = 0.10, 0.25

#: Added to every share, so that the logarithm is defined for an empty bin.
_LEAST = 1e-4


def stability(reference: Floats, current: Floats, *, bins: int = 10) -> float:
    """Return the population stability index of one variable: sum of (q - p) ln(q / p) over bins.

    Bins are quantiles of the reference; equal quantiles are one bin, so a value that many rows share is a
    separate bin. Missing values are also a bin.

    Raises
    ------
    InputError
        When one of the two is empty.
    """
    if not len(reference) or not len(current):
        raise InputError("drift cannot be computed: one of the two periods has no rows")
    known = reference[np.isfinite(reference)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.zeros(0)

    def shares(values: Floats) -> Floats:
        finite = np.isfinite(values)
        # a value equal to an edge has its own bin, between the values below and above it
        place = np.searchsorted(edges, values[finite], "left") + np.searchsorted(
            edges, values[finite], "right"
        )
        counts = np.bincount(place, minlength=2 * len(edges) + 1).astype(np.float64)
        counts = np.append(counts, float(np.sum(~finite)))
        return np.asarray((counts / len(values) + _LEAST) / (1.0 + _LEAST * len(counts)))

    p, q = shares(np.asarray(reference, np.float64)), shares(np.asarray(current, np.float64))
    return float(np.sum((q - p) * np.log(q / p)))


@dataclass(frozen=True, slots=True)
class Drift:
    """Change of the population since the model was fitted.

    Attributes
    ----------
    score : float
        Stability index of the scores.
    features : dict
        Stability index of each feature, largest first.
    verdict : {"stable", "watch", "changed"}
        From the index of the scores; also "changed" if more than a tenth of the features changed.
    """

    score: float
    features: dict[str, float]
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value that is logged and anchored, without the stable features."""
        moved = {name: round(value, 4) for name, value in self.features.items() if value >= WATCH}
        return {"score": round(self.score, 4), "features": moved, "verdict": self.verdict}


class DriftMonitor:
    """Compare later rows with the rows that the model was fitted on.

    Parameters
    ----------
    values : (n, features) float
    score : (n,) float64
    names : sequence of str
    sample : int
        Maximum number of reference rows that are kept.
    seed : int
    """

    def __init__(
        self,
        values: npt.NDArray[np.floating[Any]],
        score: Floats,
        names: list[str],
        *,
        sample: int = 20_000,
        seed: int = 0,
    ) -> None:
        rows = np.arange(len(score))
        if len(rows) > sample:
            rows = np.random.default_rng(seed).choice(rows, sample, replace=False)
        self._values = np.asarray(values[rows], np.float64)
        self._score = np.asarray(score[rows], np.float64)
        self._names = list(names)

    def check(self, values: npt.NDArray[np.floating[Any]], score: Floats) -> Drift:
        """Return the drift of later rows."""
        if values.shape[1] != len(self._names):
            raise InputError(
                f"the rows have {values.shape[1]} features, but the reference has {len(self._names)}"
            )
        found = {
            name: stability(self._values[:, i], np.asarray(values[:, i], np.float64))
            for i, name in enumerate(self._names)
        }
        features = dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
        moved = sum(value >= CHANGED for value in features.values()) > len(features) / 10
        own = stability(self._score, np.asarray(score, np.float64))
        verdict = "changed" if own >= CHANGED or moved else "watch" if own >= WATCH else "stable"
        return Drift(own, features, verdict)
