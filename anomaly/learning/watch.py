"""Drift of the champion: whether later payments still come from the population of its calibration."""

from __future__ import annotations

from typing import Final

from anomaly.learning.model import Judged, Model
from anomaly.models.drift import Drift, DriftMonitor

__all__ = ["LEAST_ROWS", "drift_since"]

#: With fewer rows the stability index is mostly noise: about (bins / rows) without any drift.
LEAST_ROWS: Final = 500


def drift_since(model: Model, judged: Judged) -> Drift | None:
    """Compare the payments after the last training row; None if there are too few of them."""
    later = judged.time > model.learnt_until
    if int(later.sum()) < LEAST_ROWS:
        return None
    monitor = DriftMonitor(model.reference.values, model.reference.probability, model.names)
    return monitor.check(judged.values[later], judged.probability[later])
