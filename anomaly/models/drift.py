"""Drift: whether scores and features still come from the population that the model learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ledger.errors import InputError

__all__ = ["CHANGED", "WATCH", "Drift", "DriftMonitor", "stability"]

Floats = npt.NDArray[np.float64]

#: Customary limits of the population stability index: below is stable, above has changed.
WATCH, CHANGED = 0.10, 0.25

#: Added to every share, so that an empty bin is rare and not impossible.
_LEAST = 1e-4


def stability(reference: Floats, current: Floats, *, bins: int = 10) -> float:
    """Return the population stability index of one variable: sum of (q - p) ln(q / p) over bins.

    Bins are quantiles of the reference; equal quantiles make one bin, so a value that many rows share is a
    bin of its own. Missing values are a bin too.

    Raises
    ------
    InputError
        When either is empty.
    """
    if not len(reference) or not len(current):
        raise InputError("stability needs values of both periods")
    known = reference[np.isfinite(reference)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.zeros(0)

    def shares(values: Floats) -> Floats:
        finite = np.isfinite(values)
        # a value equal to an edge is apart from what lies below and above it
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
    """What changed since the model was fitted.

    Attributes
    ----------
    score : float
        Stability index of the scores.
    features : dict
        Of every feature, largest first.
    verdict : {"stable", "watch", "changed"}
        By the scores, and by features once more than a tenth of them changed.
    """

    score: float
    features: dict[str, float]
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Return what is logged and anchored; features that are stable are left out."""
        moved = {name: round(value, 4) for name, value in self.features.items() if value >= WATCH}
        return {"score": round(self.score, 4), "features": moved, "verdict": self.verdict}


class DriftMonitor:
    """Compare later rows with those the model was fitted on.

    Parameters
    ----------
    values : (n, features) float
    score : (n,) float64
    names : sequence of str
    sample : int
        Most rows that are kept of the reference.
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
            raise InputError(f"the rows have {values.shape[1]} features, the reference {len(self._names)}")
        found = {
            name: stability(self._values[:, i], np.asarray(values[:, i], np.float64))
            for i, name in enumerate(self._names)
        }
        features = dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
        moved = sum(value >= CHANGED for value in features.values()) > len(features) / 10
        own = stability(self._score, np.asarray(score, np.float64))
        verdict = "changed" if own >= CHANGED or moved else "watch" if own >= WATCH else "stable"
        return Drift(own, features, verdict)
