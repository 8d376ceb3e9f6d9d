"""How improbable a finding is in ordinary business, in powers of ten: the scale on which all detectors rank.

A strength of 3 means: if every account keeps its own rate, chance alone produces such a finding in one of a
thousand data sets of this size. Strength ranks findings; it is not a probability of laundering.
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

#: Maximum weight of a single step: one odd payment is not a pattern.
MOST = 5.0

#: Amounts that differ by at most this share count as equal: the difference may be a fee.
FEE = 0.05

#: If there are fewer accounts of a party type than this, all accounts are the peers.
FEW_PEERS = 30


def at_least(count: npt.ArrayLike, expected: npt.ArrayLike) -> Floats:
    """Return -log10 of the probability that a Poisson variable with mean `expected` reaches `count`."""
    tail = special.gammainc(np.maximum(np.asarray(count, np.float64), 1.0), np.maximum(expected, 1e-12))
    return np.asarray(-np.log10(np.maximum(tail, 1e-300)), dtype=np.float64)


def combined(total: npt.ArrayLike, steps: npt.ArrayLike) -> Floats:
    """Return -log10 of the probability that so many steps together weigh `total` or more by chance.

    A weight is -log10 of a p-value, and p-values are uniform if only chance is at work. A long sequence of
    moderate weights therefore adds up to a large sum by chance too.

    References
    ----------
    R. A. Fisher, Statistical Methods for Research Workers (1932), section 21.1: combining probabilities.
    """
    x = np.maximum(np.asarray(total, np.float64), 0.0) * np.log(10.0)
    tail = special.gammaincc(np.maximum(np.asarray(steps, np.float64), 1.0), x)
    return np.asarray(-np.log10(np.maximum(tail, 1e-300)), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Baseline:
    """Usual number of events in one window of an account, estimated from its own past and from its peers.

    Counts of accounts of one party type (person, business, ...) over all windows are overdispersed. A gamma
    prior with their mean and variance describes the type; the account's own windows update it. A count then
    has a negative binomial distribution.

    Attributes
    ----------
    total : (accounts,) float64
        Events in the whole period.
    windows : float
        Windows in the period.
    shape, rate : (accounts,) float64
        The prior of the account's party type; `rate` is in windows.
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
            Accounts that can have such events.
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
        """Return -log10 of the probability that one window of the account holds `count` events or more."""
        outside = max(float(self.total[account]) - count, 0.0)
        shape = float(self.shape[account]) + outside
        rate = float(self.rate[account]) + max(self.windows - 1.0, 0.0)
        tail = float(special.betainc(max(count, 1), shape, 1.0 / (1.0 + rate)))
        return -float(np.log10(max(tail, 1e-300)))

    def expected(self, account: int, count: int) -> float:
        """Return the expected number of events in a window, estimated from the other windows."""
        outside = max(float(self.total[account]) - count, 0.0)
        windows = max(self.windows - 1.0, 0.0)
        return float((self.shape[account] + outside) / (self.rate[account] + windows))


def share_between(
    graph: TemporalGraph, currency: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike
) -> Floats:
    """Return the share of a currency's payments with a middle amount in [low, high], plus-one smoothed."""
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
    """Return which payments are among the largest `share` of their currency, by their middle amounts."""
    large = np.zeros(graph.edges, np.bool_)
    for code, amounts in graph.amounts_of.items():
        least = amounts[min(int(len(amounts) * (1.0 - share)), len(amounts) - 1)]
        large |= (graph.currency == code) & (graph.amount >= least)
    return large


def upper_share(graph: TemporalGraph, currency: int, amount: float) -> float:
    """Return the share of a currency's payments with a middle amount of at least `amount`."""
    return float(share_between(graph, np.array([currency]), np.array([amount]), np.array([np.inf]))[0])


def handover_weight(graph: TemporalGraph, handover: Handover, parameters: HandoverParameters) -> Floats:
    """Return -log10 of the probability of each hand-over by chance, aligned with `handover.next_edge`.

    The model: the intermediary sends at its own mean rate; within the time that passed it sends an amount at
    least as close to the amount received (bands: as close as they can show). A hand-over in a standing
    relation has weight zero: it is ordinary business.
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
