"""Money that is handed on: the payment that this one most probably passes on, hop by hop, back and ahead.

Amounts are compared as numbers, whatever the currency, because launderers change currency at a hop and the
ledger holds no exchange rates. Bands are intervals: the distance of two amounts is the smallest that their
intervals allow. `weight` is -log10 of the probability of such a match by chance.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from anomaly.graph import TemporalGraph
from anomaly.kernels.csr import first_later
from anomaly.kernels.jit import jit

__all__ = ["COLUMNS", "AmountShares", "passing"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Per direction (money before, money after): name, meaning, unit.
COLUMNS: Final = (
    ("matches", "payments that fit as the same money", "log(1 + n)"),
    ("weight", "rarity of the best fit", "-log10 chance, 0: none"),
    ("ratio", "amount of the best fit beside this one", "log ratio, 0: none"),
    ("delay", "time to the best fit", "hours, -1: none"),
    ("fresh", "whether the best fit was the first payment of its pair", "0 or 1"),
    ("exchange", "whether the best fit is in another currency", "0 or 1"),
    ("chain_weight", "rarity of the best fits in a row", "-log10 chance"),
    ("chain_length", "number of best fits in a row", "hops"),
    ("chain_ratio", "amount at the far end of the row beside this one", "log ratio"),
)

#: A hop passes on at least this share of the amount received, and at most this share (log values).
_KEEP_LOW: Final = float(np.log(0.80))
_KEEP_HIGH: Final = float(np.log(1.05))
_DEPTH: Final = 8
#: Maximum weight of one hop.
_MOST: Final = 5.0
#: Width of a cell of the amount histogram, in log units.
_CELL: Final = 0.005
_CELLS: Final = 8_000


class AmountShares:
    """Distribution of amounts: cumulative shares over log amounts, learnt from a set of payments.

    Parameters
    ----------
    log_amount : (n,) float64
    """

    def __init__(self, log_amount: Floats) -> None:
        cell = np.clip((log_amount + 10.0) / _CELL, 0, _CELLS - 1).astype(np.int64)
        counts = np.bincount(cell, minlength=_CELLS).astype(np.float64)
        # the middle of a band is shared by many payments and falls into one cell
        self.cumulative: Floats = np.concatenate((np.zeros(1), np.cumsum(counts))) / max(len(cell), 1)


def passing(
    graph: TemporalGraph,
    time: Ints,
    hour: int,
    log_amount: Floats,
    half_width: Floats,
    first: npt.NDArray[np.bool_],
    shares: AmountShares,
    window: int,
    ahead: bool,
) -> npt.NDArray[np.float32]:
    """Return (edges, COLUMNS) of the money before (or after) each payment.

    Parameters
    ----------
    half_width : (edges,) float64
        Half the width of each amount's interval, in log units.
    window : int
        Back: maximum time between two payments of a sequence. Ahead: maximum time from this payment to the
        end of the sequence, so that no payment later than one window is used.
    """
    ptr, edges = (graph.out_ptr, graph.out_edge) if ahead else (graph.in_ptr, graph.in_edge)
    usable = graph.usable
    result = np.zeros((graph.edges, len(COLUMNS)), np.float32)
    _rows(
        graph.src, graph.dst, ptr, edges, usable, time, hour, log_amount, half_width, graph.currency, first,
        shares.cumulative, window, ahead, result,
    )  # fmt: skip
    return result


@jit
def _share(cumulative: Floats, low: float, high: float) -> float:
    cells = len(cumulative) - 1
    i = min(max(int((low + 10.0) / 0.005), 0), cells)
    j = min(max(int((high + 10.0) / 0.005) + 1, 0), cells)
    return float(cumulative[j] - cumulative[i])


@jit
def _rows(
    src: npt.NDArray[np.int32],
    dst: npt.NDArray[np.int32],
    ptr: Ints,
    edges: npt.NDArray[np.int32],
    usable: npt.NDArray[np.bool_],
    time: Ints,
    hour: int,
    log_amount: Floats,
    half_width: Floats,
    currency: npt.NDArray[np.int32],
    first: npt.NDArray[np.bool_],
    cumulative: Floats,
    window: int,
    ahead: bool,
    result: npt.NDArray[np.float32],
) -> None:
    visited = np.empty(_DEPTH + 2, np.int32)
    for e in range(len(src)):
        row = result[e]
        row[3] = -1.0
        if not usable[e]:
            continue
        at = e
        total = 0.0
        depth = 0
        visited[0] = src[e] if ahead else dst[e]
        while depth < _DEPTH:
            v = dst[at] if ahead else src[at]
            visited[depth + 1] = v
            low, high = ptr[v], ptr[v + 1]
            if ahead:
                low = first_later(time, edges, low, high, time[at] - 1)
                high = first_later(time, edges, low, high, time[e] + window)
            else:
                high = first_later(time, edges, low, high, time[at])
                low = first_later(time, edges, low, high, time[at] - window - 1)
            matches = 0
            best = -1
            best_gap = 1e9
            best_rank = 1e18
            for i in range(low, high):
                f = edges[i]
                if not usable[f]:
                    continue
                difference = log_amount[f] - log_amount[at] if ahead else log_amount[at] - log_amount[f]
                slack = half_width[f] + half_width[at]
                if difference + slack < _KEEP_LOW or difference - slack > _KEEP_HIGH:
                    continue
                far = dst[f] if ahead else src[f]
                known = False
                for k in range(depth + 2):
                    known = known or visited[k] == far
                if known:
                    continue
                matches += 1
                gap = max(abs(difference), slack)
                delay = abs(time[f] - time[at])
                rank = gap * 1e6 + delay / (window + 1.0)
                if rank < best_rank:
                    best_rank, best_gap, best = rank, gap, f
            if depth == 0:
                row[0] = np.log1p(matches)
            if best < 0:
                break
            reach = max(best_gap, 0.01)
            chance = _share(cumulative, log_amount[at] - reach, log_amount[at] + reach)
            expected = max((high - low) * chance, 1e-9)
            weight = min(-np.log10(1.0 - np.exp(-expected)), _MOST)
            if depth == 0:
                row[1] = weight
                row[2] = log_amount[best] - log_amount[e]
                row[3] = abs(time[best] - time[e]) / hour
                row[4] = first[best]
                row[5] = currency[best] != currency[e]
            elif weight < 0.3:  # about even odds (10 ** -0.3): no evidence that the sequence goes on
                break
            total += weight
            depth += 1
            at = best
        row[6] = total
        row[7] = depth
        row[8] = log_amount[at] - log_amount[e]
