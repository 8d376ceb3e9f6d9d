"""Parameters of the engine: families of features, their windows, and the limits of each search."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Literal

from ledger.errors import ConfigurationError

__all__ = ["DAY", "HOUR", "REMEMBERED", "EngineParameters"]

HOUR = 3_600
DAY = 24 * HOUR

#: Number of burst windows, including the current one, in which an earlier payment makes a pair not new.
REMEMBERED = 7

_BINS = tuple(range(2, 31))


@dataclass(frozen=True, slots=True)
class EngineParameters:
    """Which features are computed; a family whose window is empty or None is left out.

    A vertex window contains the edges with a time in (t - window, t]; a pattern lies within [t - window, t],
    both ends included, where t is the time of the edge that closes it.

    Attributes
    ----------
    scoring : {"arrival", "window_close"}
        "arrival": an edge sees itself and earlier edges. "window_close": it also sees later edges of its
        batch, up to one window: vertex windows are (t - window, t + window), and a pattern counts for each of
        its edges in the batch in which it closed.
    ties : {"exclude", "include"}
        Whether edges of the same second (or time bucket) see each other. With "include", they do so in both
        directions, because they have no order; all rows of one bucket must then be in one batch.
    late : {"error", "now"}
        For a row older than rows of earlier batches: raise `LateRowError`, or use the newest time seen and
        count the row in `GraphFeatureEngine.late`.
    statistics : tuple of int
        Windows in seconds: fan, degree, ratio, and average, sum, variance, skewness and kurtosis of amounts
        and of ages, outgoing and incoming, at both ends of the edge.
    fan, degree : tuple of int
        Windows in seconds: distinct counterparties (or edges) into the creditor and out of the debtor.
    scatter_gather, gather_scatter, bipartite, temporal_cycle, hop_cycle, pass_through : int or None
        Window in seconds.
    quiet, structuring : int or None
        Window in seconds; longer times without a payment count as the window.
    round_trip : int or None
        Window in seconds.
    burst : int or None
        Window in seconds, short (for example, one hour). A pair is new to (t - window, t] if it has no
        payment in (t - 7 windows, t - window].
    chain : int or None
        Maximum seconds from one payment of a chain to the next. Chains look back, whatever the scoring.
    chain_length : int
        Maximum payments of a chain.
    cycle_length : int
        Maximum edges of a temporal cycle.
    hop_length : int
        Maximum edges of a hop-constrained cycle.
    histograms : bool
        Pattern sizes as histograms over `bins`, one column per bin, instead of counts and extremes.
    bins : tuple of int
        Ascending lower ends of the bins; the last bin is open. Hop cycles use the bins up to `hop_length`.
    keep_low, keep_high : float
        A payment hands on an earlier payment if its amount is between these shares of the earlier amount.
    threshold, under : float
        Structuring counts payments below the threshold and not below this share of it.
    budget : int
        Maximum edges that one search examines; a search that needs more stops and is marked as truncated.
    hub_degree : int
        Maximum edges that a search examines around one account, newest first; the search is then marked as
        truncated. A search for common neighbours stops only if both accounts have more edges.
    """

    scoring: Literal["arrival", "window_close"] = "arrival"
    ties: Literal["exclude", "include"] = "exclude"
    late: Literal["error", "now"] = "error"
    statistics: tuple[int, ...] = (DAY, 7 * DAY)
    fan: tuple[int, ...] = ()
    degree: tuple[int, ...] = ()
    scatter_gather: int | None = 7 * DAY
    gather_scatter: int | None = 7 * DAY
    bipartite: int | None = 7 * DAY
    temporal_cycle: int | None = 7 * DAY
    hop_cycle: int | None = None
    pass_through: int | None = 7 * DAY
    quiet: int | None = 7 * DAY
    structuring: int | None = None
    round_trip: int | None = None
    burst: int | None = None
    chain: int | None = None
    chain_length: int = 8
    cycle_length: int = 32
    hop_length: int = 10
    histograms: bool = False
    bins: tuple[int, ...] = _BINS
    keep_low: float = 0.8
    keep_high: float = 1.0
    threshold: float = 10_000.0
    under: float = 0.8
    budget: int = 200_000
    hub_degree: int = 1_000

    def __post_init__(self) -> None:
        for name in ("statistics", "fan", "degree", "bins"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        windows = self.windows
        wrong = (
            (self.scoring not in ("arrival", "window_close"), "scoring is 'arrival' or 'window_close'"),
            (self.ties not in ("exclude", "include"), "ties is 'exclude' or 'include'"),
            (self.late not in ("error", "now"), "late is 'error' or 'now'"),
            (not windows, "no family has a window"),
            (any(w < 1 for w in windows), "a window is at least one second"),
            (not self.bins or any(b <= a for a, b in pairwise(self.bins)),
             "bins ascend"),
            (not self.bins or self.bins[0] < 1, "bins start at 1 or above"),
            (not 2 <= self.cycle_length <= 64, "cycle_length is from 2 to 64"),
            (not 2 <= self.hop_length <= 64, "hop_length is from 2 to 64"),
            (not 2 <= self.chain_length <= 16, "chain_length is from 2 to 16"),
            (not 0 < self.keep_low <= self.keep_high, "keep_low is above 0 and at most keep_high"),
            (not 0 <= self.under < 1 or self.threshold <= 0, "under is a part of a threshold above 0"),
            (self.budget < 1 or self.hub_degree < 1, "budget and hub_degree are at least 1"),
        )  # fmt: skip
        for is_wrong, rule in wrong:
            if is_wrong:
                raise ConfigurationError(f"the engine's parameters do not fit: {rule}")

    @property
    def windows(self) -> tuple[int, ...]:
        """Every window of every family, in seconds."""
        one = (self.scatter_gather, self.gather_scatter, self.bipartite, self.temporal_cycle)
        more = (self.hop_cycle, self.pass_through, self.quiet, self.structuring)
        last = (self.round_trip, self.burst, self.chain)
        many = (*self.statistics, *self.fan, *self.degree)
        return (*many, *(w for w in (*one, *more, *last) if w is not None))

    @property
    def reach(self) -> int:
        """Seconds before a payment that the families need: the largest window, or a multiple of one."""
        chain, burst = self.chain or 0, self.burst or 0
        return max(*self.windows, (self.chain_length - 1) * chain, REMEMBERED * burst)

    @classmethod
    def gfp(cls, **changes: object) -> EngineParameters:
        """Return the families, windows and bins of GFP's published money-laundering settings.

        Windows are 6 hours for scatter-gather and one day for the others; hop cycles have up to ten edges.

        References
        ----------
        Blanuša et al., Graph Feature Preprocessor: Real-time Subgraph-based Feature Extraction for Financial
        Crime Detection, ICAIF 2024, section 3.
        """
        same = cls(
            statistics=(DAY,), fan=(DAY,), degree=(DAY,), scatter_gather=6 * HOUR, gather_scatter=None,
            bipartite=None, temporal_cycle=DAY, hop_cycle=DAY, pass_through=None, quiet=None, histograms=True,
        )  # fmt: skip
        values = {f.name: getattr(same, f.name) for f in fields(cls)}
        return cls(**{**values, **changes})
