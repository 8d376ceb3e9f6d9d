"""When to alert: by what errors cost, or by how many alerts officers can read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly.models.calibration import shift_prior
from ledger.errors import InputError

__all__ = ["AlertThreshold", "by_budget", "by_cost"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AlertThreshold:
    """An alert threshold and where it comes from.

    Attributes
    ----------
    threshold : float
        Alert when the calibrated probability (of the learnt population) reaches it.
    reason : str
        A sentence for a flag.
    """

    threshold: float
    reason: str


def by_cost(
    false_alert: float, missed: float, *, learnt: float | None = None, expected: float | None = None
) -> AlertThreshold:
    """Alert where the expected cost of silence is at least that of an alert: p >= C_FP / (C_FP + C_FN).

    Parameters
    ----------
    false_alert, missed : float
        Costs, positive, in one unit.
    learnt, expected : float, optional
        Share of cases where the probabilities were calibrated, and where they are used. The threshold moves
        instead of every probability; both give the same alerts.

    References
    ----------
    Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, eq. 2 and theorem 2.
    """
    if not (false_alert > 0 and missed > 0 and np.isfinite(false_alert) and np.isfinite(missed)):
        raise InputError("costs of errors must be positive")
    threshold = false_alert / (false_alert + missed)
    reason = (
        f"alerted because its probability reaches {threshold:.2%}: a missed case is taken to cost "
        f"{missed / false_alert:g} times a needless alert"
    )
    if learnt is not None and expected is not None:
        threshold = float(shift_prior(np.array([threshold]), learnt=expected, expected=learnt)[0])
        reason += f"; the share of cases is expected at {expected:.2%} instead of {learnt:.2%}"
    return AlertThreshold(threshold, reason)


def by_budget(probability: Floats, share: float) -> AlertThreshold:
    """Alert the highest `share` of rows, at least one; rows equal to the last of them are all alerted.

    Parameters
    ----------
    probability : (n,) float64
        Of a past period; its threshold serves the next.
    """
    if not 0.0 < share <= 1.0:
        raise InputError(f"a budget of {share} is not a share of rows")
    ranked = np.sort(np.asarray(probability, np.float64))
    if not len(ranked):
        raise InputError("a budget needs rows to choose from")
    most = max(int(share * len(ranked)), 1)
    threshold = float(ranked[-most])
    return AlertThreshold(
        threshold,
        f"alerted because its probability is among the highest {share:.2%}, from {threshold:.2%} on",
    )
