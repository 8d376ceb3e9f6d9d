"""One number with all that is needed to read it; its JSON is one line of `counterfoil evaluate --json`."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Figure"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes
    ----------
    arm : {"silo", "shared_model", "shared_ledger"}
    encoding : {"exact", "bands_minute", "bands_hour", "bands_day"}
    scoring : {"arrival", "window_close"}
    aggregation : {"pooled", "bank_mean"}
    model : str
        Name of the model; for a control, followed by a colon and the name of the control.
    selected_on_validation : bool
        Whether model and threshold were chosen on the validation part (not for scores without labels).
    seed : int
    metric : str
    value, low, high : float or None
        Value with a 95 % bootstrap interval; None if it cannot be measured.
    """

    arm: str
    encoding: str
    scoring: str
    aggregation: str
    model: str
    selected_on_validation: bool
    seed: int
    metric: str
    value: float | None
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that is printed; undefined numbers are null."""
        return {
            key: (None if isinstance(value, float) and not math.isfinite(value) else value)
            for key, value in asdict(self).items()
        }
