"""The alert threshold, from the costs of errors or from the number of alerts that officers can review."""

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
    """An alert threshold and its reason.

    Attributes
    ----------
    threshold : float
        Alert if the calibrated probability (for the training population) is at least this.
    reason : str
        Explanation of the threshold, used in the explanation of a flag.
    """

    threshold: float
    reason: str


def by_cost(
    false_alert: float, missed: float, *, learnt: float | None = None, expected: float | None = None
) -> AlertThreshold:
    """Alert if the expected cost of no alert is at least that of an alert: p >= C_FP / (C_FP + C_FN).

    Parameters
    ----------
    false_alert, missed : float
        Positive costs, in the same unit.
    learnt, expected : float, optional
        Share of cases in the population of the calibration, and in the population of use. The threshold is
        adjusted instead of each probability; both give the same alerts.

    References
    ----------
    Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, eq. 2 and theorem 2.
    """
    if not (false_alert > 0 and missed > 0 and np.isfinite(false_alert) and np.isfinite(missed)):
        raise InputError("the costs of a false alert and of a missed case must be positive")
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
    """Alert the highest `share` of rows, at least one, and all rows equal to the last of them.

    Parameters
    ----------
    probability : (n,) float64
        Of a past period; the threshold is used for the next period.
    """
    if not 0.0 < share <= 1.0:
        raise InputError(f"the budget is {share}, but must be a share of rows above 0 and at most 1")
    ranked = np.sort(np.asarray(probability, np.float64))
    if not len(ranked):
        raise InputError("a budget cannot be applied to no rows", next_step="Use a period with payments.")
    most = max(int(share * len(ranked)), 1)
    threshold = float(ranked[-most])
    return AlertThreshold(
        threshold,
        f"alerted because its probability is among the highest {share:.2%}, from {threshold:.2%} on",
    )
