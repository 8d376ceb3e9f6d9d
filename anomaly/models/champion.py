"""Champion and challenger: a new model replaces the old one only if it is better on a later window."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ledger.errors import InputError

__all__ = ["Contest", "contest"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Contest:
    """Outcome of a contest on rows that neither model was trained on.

    Attributes
    ----------
    replaced : bool
        Whether the challenger becomes champion.
    champion, challenger : float
        PR-AUC.
    gain, low, high : float
        Challenger minus champion, with the 95 % interval of the paired bootstrap.
    cases, rows : int
    begin : int
        Unix seconds of the first row.
    """

    replaced: bool
    champion: float
    challenger: float
    gain: float
    low: float
    high: float
    cases: int
    rows: int
    begin: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value that is logged and anchored."""
        return asdict(self)


def contest(
    y: npt.NDArray[np.int8],
    champion: Floats,
    challenger: Floats,
    time: npt.NDArray[np.int64],
    learnt_until: int,
    *,
    embargo: int = 0,
    draws: int = 500,
    seed: int = 0,
) -> Contest:
    """Compare two models on a later window; the challenger must win by more than chance explains.

    Parameters
    ----------
    y : (n,) int8
        Decisions on the rows of the window.
    champion, challenger : (n,) float64
        Scores of the same rows.
    time : (n,) int64
        Unix seconds.
    learnt_until : int
        Time of the last row that either model was trained on.
    embargo : int
        Minimum seconds between that row and the window.

    Raises
    ------
    InputError
        When a row is not later, or the window contains one class only.
    """
    if len(time) and int(time.min()) <= learnt_until + embargo:
        raise InputError(
            "the contest window is not later than the rows that the models were trained on",
            next_step="Use rows that begin at least one embargo after the last training row.",
        )
    if len(np.unique(y)) < 2:
        raise InputError(
            "the contest window contains decisions of one kind only",
            next_step="Use a window with suspicious and not suspicious decisions.",
        )
    random = np.random.default_rng(seed)
    order = [np.lexsort((random.random(len(y)), -score)) for score in (champion, challenger)]

    def pr_auc(places: npt.NDArray[np.int64], weight: Floats) -> float:
        w, hit = weight[places], (weight * y)[places]
        return float(np.sum(hit * np.cumsum(hit) / np.maximum(np.cumsum(w), 1e-12)) / max(hit.sum(), 1e-12))

    even = np.ones(len(y))
    old, new = (pr_auc(places, even) for places in order)
    gains = []
    for _ in range(draws):
        weight = random.poisson(1.0, len(y)).astype(np.float64)
        if np.any(weight * y > 0):
            gains.append(pr_auc(order[1], weight) - pr_auc(order[0], weight))
    low, high = (float(v) for v in np.quantile(gains, (0.025, 0.975)))
    return Contest(low > 0, old, new, new - old, low, high, int(np.sum(y)), len(y), int(time.min()))
