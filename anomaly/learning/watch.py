"""Drift of the champion: whether the payments since still come from the population it was calibrated on."""

from __future__ import annotations

from typing import Final

from anomaly.learning.model import Judged, Model
from anomaly.models.drift import Drift, DriftMonitor

__all__ = ["LEAST_ROWS", "drift_since"]

#: The stability index of fewer rows is noise: about (bins / rows) without any drift.
LEAST_ROWS: Final = 500


def drift_since(model: Model, judged: Judged) -> Drift | None:
    """Compare the payments after the last one that was learnt from; None where they are too few to tell."""
    later = judged.time > model.learnt_until
    if int(later.sum()) < LEAST_ROWS:
        return None
    monitor = DriftMonitor(model.reference.values, model.reference.probability, model.names)
    return monitor.check(judged.values[later], judged.probability[later])
