"""Scores of neighbouring payments: the scores that a first model gives to an account's other payments.

A scheme uses the same accounts repeatedly, so a suspicious neighbour makes a payment suspicious. The
payment's own score is not included.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from anomaly.kernels.jit import jit

__all__ = ["NEIGHBOUR_COLUMNS", "neighbour_scores"]

_WAYS: Final = (
    "of what the payer sent",
    "of what the payer received",
    "of what the payee sent",
    "of what the payee received",
)

#: Name, meaning, unit.
NEIGHBOUR_COLUMNS: Final = tuple(
    (f"neighbour_{name}_{i}", f"{meaning} first score {way}", "probability")
    for i, way in enumerate(_WAYS)
    for name, meaning in (("highest", "highest"), ("sum", "sum of the"), ("mean", "mean of the"))
)

#: Maximum payments of an account that are used, nearest in time first, before and after the payment.
_MOST: Final = 200


def neighbour_scores(
    source: npt.NDArray[np.int64],
    target: npt.NDArray[np.int64],
    time: npt.NDArray[np.int64],
    score: npt.NDArray[np.float64],
    back: int,
    ahead: int,
) -> npt.NDArray[np.float32]:
    """Return (payments, NEIGHBOUR_COLUMNS) over [t - back, t + ahead], including the payment's own bucket.

    Parameters
    ----------
    source, target : (payments,) int64
        Numbers of the accounts; any numbering gives the same result.
    time : (payments,) int64
    score : (payments,) float64
    """
    n = len(source)
    account = np.concatenate((source, target))
    edge = np.concatenate((np.arange(n), np.arange(n)))
    role = np.repeat(np.arange(2), n)
    order = np.lexsort((score[edge], time[edge], account))
    account, edge, role = account[order], edge[order], role[order]
    size = int(account[-1]) + 1 if n else 0
    ptr = np.searchsorted(account, np.arange(size + 1))
    result = np.zeros((n, 4, 3), np.float32)
    _gather(ptr, edge, role, time, score, back, ahead, result)
    return result.reshape(n, -1)


@jit
def _gather(
    ptr: npt.NDArray[np.int64],
    edge: npt.NDArray[np.int64],
    role: npt.NDArray[np.int64],
    time: npt.NDArray[np.int64],
    score: npt.NDArray[np.float64],
    back: int,
    ahead: int,
    result: npt.NDArray[np.float32],
) -> None:
    for v in range(len(ptr) - 1):
        for i in range(ptr[v], ptr[v + 1]):
            e = edge[i]
            number = np.zeros(2, np.int64)
            total = np.zeros(2)
            for step in (-1, 1):
                limit = ahead if step == 1 else back
                j = i + step
                looked = 0
                while ptr[v] <= j < ptr[v + 1] and looked < _MOST:
                    if abs(time[edge[j]] - time[e]) > limit:
                        break
                    if edge[j] != e:
                        way = role[i] * 2 + role[j]
                        result[e, way, 0] = max(result[e, way, 0], score[edge[j]])
                        total[role[j]] += score[edge[j]]
                        number[role[j]] += 1
                    j += step
                    looked += 1
            for k in range(2):
                if number[k] > 0:
                    result[e, role[i] * 2 + k, 1] = total[k]
                    result[e, role[i] * 2 + k, 2] = total[k] / number[k]
