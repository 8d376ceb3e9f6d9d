"""How unlikely a finding is in ordinary business, as powers of ten: the one scale on which detectors rank.

A strength of 3 says: with every account keeping to its own rate, an accident like this would be found in one
of a thousand data sets of this size. It is a ranking with a meaning, not a probability of laundering.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from anomaly.graph import TemporalGraph
from anomaly.kernels.handover import Handover, HandoverParameters, typical_payment

__all__ = [
    "FEE",
    "FEW_PEERS",
    "MOST",
    "Baseline",
    "at_least",
    "combined",
    "handover_weight",
    "material",
    "share_between",
    "upper_share",
]

Floats = npt.NDArray[np.float64]

#: No single step counts for more than this: one odd payment is not a pattern.
MOST = 5.0

#: Amounts that differ by no more than this share are equal: somebody took a fee.
FEE = 0.05

#: Fewer accounts of a kind than this are no standard: all accounts are.
FEW_PEERS = 30


def at_least(count: npt.ArrayLike, expected: npt.ArrayLike) -> Floats:
    """Return -log10 of the chance that a Poisson variable reaches `count` where `expected` is its mean."""
    tail = special.gammainc(np.maximum(np.asarray(count, np.float64), 1.0), np.maximum(expected, 1e-12))
    return np.asarray(-np.log10(np.maximum(tail, 1e-300)), dtype=np.float64)


def combined(total: npt.ArrayLike, steps: npt.ArrayLike) -> Floats:
    """Return -log10 of the chance that as many accidents together weigh `total` or more.

    A weight is -log10 of a chance that is itself evenly spread where nothing but accident is at work, so a
    long row of middling weights adds up to a large sum by accident too.

    References
    ----------
    R. A. Fisher, Statistical Methods for Research Workers (1932), section 21.1: combining probabilities.
    """
    x = np.maximum(np.asarray(total, np.float64), 0.0) * np.log(10.0)
    tail = special.gammaincc(np.maximum(np.asarray(steps, np.float64), 1.0), x)
    return np.asarray(-np.log10(np.maximum(tail, 1e-300)), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Baseline:
    """How many events a window of an account ordinarily holds: its own past, and its peers where it has none.

    Counts of accounts of one kind (person, business, ...) over all windows are overdispersed; a gamma prior
    with their mean and variance stands for the kind, the account's own windows update it, and the chance of
    a count is the negative binomial that follows.

    Attributes
    ----------
    total : (accounts,) float64
        Events in the whole period.
    windows : float
        Windows in the period.
    shape, rate : (accounts,) float64
        The prior of the account's kind; `rate` counts in windows.
    """

    total: Floats
    windows: float
    shape: Floats
    rate: Floats

    @classmethod
    def fit(
        cls,
        graph: TemporalGraph,
        account: npt.NDArray[np.int64],
        time: npt.NDArray[np.int64],
        window: int,
        active: npt.NDArray[np.bool_],
    ) -> Baseline:
        """Fit to events, given as the account and the time of each.

        Parameters
        ----------
        account, time : (events,) int64
        window : int
            Seconds.
        active : (accounts,) bool
            Accounts of which such events could be expected at all.
        """
        begin, end = graph.period
        windows = max((end - begin) / window, 1.0)
        slots = int(np.ceil(windows))
        slot = np.minimum((time - begin) // window, slots - 1)
        events, times = np.unique(account * slots + slot, return_counts=True)
        total = np.bincount(account, minlength=graph.accounts).astype(np.float64)
        squares = np.bincount(
            events // slots, weights=times.astype(np.float64) ** 2, minlength=graph.accounts
        )
        shape, rate = np.ones(graph.accounts), np.ones(graph.accounts)
        for kind in np.unique(graph.kind):
            own = graph.kind == kind
            peers = active & own
            if peers.sum() < FEW_PEERS:
                peers = active
            cells = max(float(peers.sum()) * slots, 1.0)
            mean = max(float(total[peers].sum()) / cells, 1e-4)
            variance = float(squares[peers].sum()) / cells - mean**2
            shape[own] = np.clip(mean**2 / max(variance - mean, 1e-9), 0.02, 50.0)
            rate[own] = shape[own] / mean
        return cls(total, windows, shape, rate)

    def surprise(self, account: int, count: int) -> float:
        """Return -log10 of the chance that one window of the account holds `count` events or more."""
        outside = max(float(self.total[account]) - count, 0.0)
        shape = float(self.shape[account]) + outside
        rate = float(self.rate[account]) + max(self.windows - 1.0, 0.0)
        tail = float(special.betainc(max(count, 1), shape, 1.0 / (1.0 + rate)))
        return -float(np.log10(max(tail, 1e-300)))

    def expected(self, account: int, count: int) -> float:
        """Return the events expected in a window, judged from the others."""
        outside = max(float(self.total[account]) - count, 0.0)
        windows = max(self.windows - 1.0, 0.0)
        return float((self.shape[account] + outside) / (self.rate[account] + windows))


def share_between(
    graph: TemporalGraph, currency: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike
) -> Floats:
    """Return the share of a currency's payments whose (middle) amount lies in [low, high], and one more."""
    codes = np.asarray(currency)
    first, last = np.asarray(low, np.float64), np.asarray(high, np.float64)
    share = np.ones(len(codes))
    for code in np.unique(codes):
        amounts = graph.amounts_of[int(code)]
        here = codes == code
        inside = np.searchsorted(amounts, last[here], "right") - np.searchsorted(amounts, first[here], "left")
        share[here] = (inside + 1.0) / (len(amounts) + 1.0)
    return share


def material(graph: TemporalGraph, share: float) -> npt.NDArray[np.bool_]:
    """Return which payments are among the largest `share` of their currency, as far as their middles tell."""
    large = np.zeros(graph.edges, np.bool_)
    for code, amounts in graph.amounts_of.items():
        least = amounts[min(int(len(amounts) * (1.0 - share)), len(amounts) - 1)]
        large |= (graph.currency == code) & (graph.amount >= least)
    return large


def upper_share(graph: TemporalGraph, currency: int, amount: float) -> float:
    """Return the share of a currency's payments whose (middle) amount is at least this."""
    return float(share_between(graph, np.array([currency]), np.array([amount]), np.array([np.inf]))[0])


def handover_weight(graph: TemporalGraph, handover: Handover, parameters: HandoverParameters) -> Floats:
    """Return -log10 of the chance that a hand-over is an accident, aligned with `handover.next_edge`.

    The chance: the account in the middle sends at its own mean rate; within the time that passed it sends
    something whose amount is as near to what came in, or nearer (bands: as near as they can tell). A payment
    to somebody it pays again and again is ordinary business.
    """
    first, second = handover.first_edge, handover.next_edge
    if not len(second):
        return np.zeros(0)
    begin, end = graph.period
    sends = np.bincount(graph.src[graph.usable], minlength=graph.accounts)[graph.src[second]]
    delay = np.abs(graph.t_low[second] - graph.t_low[first]) + (graph.t_high - graph.t_low)[second]
    amount = np.log(graph.amount)
    width = np.log(np.maximum(graph.amount_high, 1) / np.maximum(graph.amount_low, 1).astype(np.float64)) / 2
    exchanged = graph.currency[first] != graph.currency[second]
    level = np.log(np.maximum(typical_payment(graph, parameters.fewest), 1.0))
    came_in = amount[first] + np.where(exchanged, level[second] - level[first], 0.0)
    unsure = np.maximum(width[first] + width[second], np.log(1.0 + FEE))
    unsure = np.where(exchanged, np.maximum(unsure, np.log(1.0 + max(parameters.exchange, 0.0))), unsure)
    apart = np.maximum(np.abs(amount[second] - came_in), unsure)
    fits = share_between(graph, graph.currency[second], np.exp(came_in - apart), np.exp(came_in + apart))
    expected = sends * np.minimum(delay / max(end - begin, 1), 1.0) * fits
    weight = np.minimum(at_least(np.ones(len(second)), expected), MOST)
    steady = np.maximum(graph.relation_span[first], graph.relation_span[second]) > parameters.window
    return np.asarray(np.where(steady, 0.0, weight), dtype=np.float64)
