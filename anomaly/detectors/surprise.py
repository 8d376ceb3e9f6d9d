"""How unlikely a finding is in ordinary business, as powers of ten: the one scale on which detectors rank.

A strength of 3 says: with every account keeping to its own rate, an accident like this would be found in one
of a thousand data sets of this size. It is a ranking with a meaning, not a probability of laundering.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from anomaly.graph import TemporalGraph
from anomaly.kernels.handover import Handover, HandoverParameters

__all__ = ["MOST", "at_least", "handover_weight", "rate_in_window", "share_between"]

Floats = npt.NDArray[np.float64]

#: No single step counts for more than this: one odd payment is not a pattern.
MOST = 5.0


def at_least(count: npt.ArrayLike, expected: npt.ArrayLike) -> Floats:
    """Return -log10 of the chance that a Poisson variable reaches `count` where `expected` is its mean."""
    tail = special.gammainc(np.maximum(np.asarray(count, np.float64), 1.0), np.maximum(expected, 1e-12))
    return np.asarray(-np.log10(np.maximum(tail, 1e-300)), dtype=np.float64)


def rate_in_window(
    total: npt.ArrayLike, inside: npt.ArrayLike, *, window: int, period: int, population: float
) -> Floats:
    """Return how many events a window of an account is expected to hold, from what lies outside it.

    Parameters
    ----------
    total, inside : array_like
        The account's events in the whole period and in the window looked at.
    window, period : int
        Seconds.
    population : float
        Mean events per account and window; weighs as one window, so that an account without history is
        taken as an average one.
    """
    windows = max(period / max(window, 1), 1.0)
    outside = np.maximum(np.asarray(total, np.float64) - np.asarray(inside, np.float64), 0.0)
    return np.asarray((outside + population) / (max(windows - 1.0, 0.0) + 1.0), dtype=np.float64)


def share_between(
    graph: TemporalGraph, currency: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike
) -> Floats:
    """Return the share of a currency's payments whose (middle) amount lies in [low, high], plus one of them."""
    codes = np.asarray(currency)
    first, last = np.asarray(low, np.float64), np.asarray(high, np.float64)
    share = np.ones(len(codes))
    for code in np.unique(codes):
        amounts = np.sort(graph.amount[graph.currency == code])
        here = codes == code
        inside = np.searchsorted(amounts, last[here], "right") - np.searchsorted(amounts, first[here], "left")
        share[here] = (inside + 1.0) / (len(amounts) + 1.0)
    return share


def handover_weight(graph: TemporalGraph, handover: Handover, parameters: HandoverParameters) -> Floats:
    """Return -log10 of the chance that a hand-over is an accident, aligned with `handover.next_edge`.

    The chance: the account in the middle sends at its own mean rate; within the time that passed it sends
    something of an amount that fits. A payment to somebody it pays again and again is ordinary business.
    """
    first, second = handover.first_edge, handover.next_edge
    if not len(second):
        return np.zeros(0)
    begin, end = graph.period
    sends = np.bincount(graph.src[graph.usable], minlength=graph.accounts)[graph.src[second]]
    delay = np.abs(graph.t_low[second] - graph.t_low[first]) + (graph.t_high - graph.t_low)[second]
    middle = graph.amount[first]
    width = np.sqrt(np.maximum(graph.amount_high, 1) / np.maximum(graph.amount_low, 1).astype(np.float64))[
        first
    ]
    fits = share_between(
        graph,
        graph.currency[second],
        parameters.keep_low * middle / width,
        parameters.keep_high * middle * width,
    )
    expected = sends * np.minimum(delay / max(end - begin, 1), 1.0) * fits
    weight = np.minimum(at_least(np.ones(len(second)), expected), MOST)
    steady = np.maximum(graph.relation_span[first], graph.relation_span[second]) > parameters.window
    return np.asarray(np.where(steady, 0.0, weight), dtype=np.float64)
