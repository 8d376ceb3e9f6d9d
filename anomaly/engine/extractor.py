"""The engine: takes batches of payments, keeps the live graph, returns one row of features per payment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anomaly.engine.bins import bin_table
from anomaly.engine.columns import SEARCHED, Column, columns, first_columns
from anomaly.engine.families import insert_and_search, patterns_of
from anomaly.engine.graph import LiveGraph, drop, empty, grown
from anomaly.engine.parameters import EngineParameters
from anomaly.engine.rows import LateRowError, RowError, amounts, whole
from anomaly.engine.search import Limits, Room, room
from anomaly.engine.statistics import StatisticsPlan, statistics
from anomaly.engine.windows import leave_oldest
from anomaly.kernels.jit import jit

__all__ = ["GraphFeatureEngine"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_CHUNK = 4_096


class GraphFeatureEngine:
    """Graph features of each payment as it arrives.

    Parameters
    ----------
    parameters : EngineParameters, optional

    Attributes
    ----------
    parameters : EngineParameters
    columns : list of Column
        Name, meaning, unit and window of each feature.
    rows : int
        Rows received so far.
    late : int
        Rows whose time was replaced by the newest time seen (`late="now"`).
    truncated : int
        Rows so far for which `budget`, `hub_degree` or a length stopped a search.
    truncated_rows : (n,) bool
        Rows of the last batch for which a search was stopped.

    Notes
    -----
    Memory grows with the edges within `parameters.reach` plus one batch, and with the accounts seen.
    With scoring "arrival", rows give the same features in one batch or in many (with `ties="include"`, if no
    time bucket is split). With "window_close", the look-ahead is limited to the batch, as in GFP.
    """

    def __init__(self, parameters: EngineParameters | None = None) -> None:
        self.parameters = parameters or EngineParameters()
        self.columns: list[Column] = columns(self.parameters)
        p = self.parameters
        places = first_columns(self.columns)
        widths = tuple(sorted({*p.statistics, *p.fan, *p.degree}))
        self._plan = _statistics_plan(p, widths, places)
        self._patterns, self._nothing = patterns_of(p, places), patterns_of(p, {})
        self._limits = Limits(
            p.ties == "include", p.budget, p.hub_degree, p.keep_low, p.keep_high,
            p.under * p.threshold, p.threshold,
        )  # fmt: skip
        self._searches = any(family in places for family in SEARCHED)
        self._reach = p.reach
        self._search_room = max(p.budget, p.hub_degree)
        self._graph: LiveGraph = empty(widths)
        self._room: Room = room(self._graph.newest.shape[1], self._search_room)
        self._origin = 0
        self._newest = 0
        self.rows = self.late = self.truncated = 0
        self.truncated_rows: Mask = np.zeros(0, dtype=np.bool_)

    def feature_names_out(self) -> list[str]:
        """Return the names of the columns that `update` returns."""
        return [column.name for column in self.columns]

    @property
    def live_edges(self) -> int:
        """Number of edges held in memory."""
        return int(self._graph.counts[1] - self._graph.counts[0])

    def update(
        self, src: npt.ArrayLike, dst: npt.ArrayLike, time: npt.ArrayLike, amount: npt.ArrayLike
    ) -> Floats:
        """Add a batch to the graph and return its features.

        Parameters
        ----------
        src, dst : (n,) int64
            Debtor account and creditor account; any numbers.
        time : (n,) int64
            Unix seconds; for encoded rows, the lower end of the bucket. Rows may be in any order.
        amount : (n,) float64
            In the same unit for all rows; for encoded rows, the middle of the band. Zero or more.

        Returns
        -------
        (n, features) float64
            In the order of the rows given.

        Raises
        ------
        RowError
            When lengths differ, or an amount is negative or not a number; the error names the row.
        LateRowError
            When a row is older than the newest row of earlier batches and `late` is "error".
        """
        return self._taken_in(src, dst, time, amount, search=True)

    def warm_up(
        self, src: npt.ArrayLike, dst: npt.ArrayLike, time: npt.ArrayLike, amount: npt.ArrayLike
    ) -> None:
        """Add a batch without computing features, for a process that restarts; parameters as in `update`.

        Later batches get the same features, up to rounding, as if `update` had been called. Pass at least the
        last `parameters.reach` seconds.
        """
        self._taken_in(src, dst, time, amount, search=False)

    def _taken_in(
        self,
        src: npt.ArrayLike,
        dst: npt.ArrayLike,
        time: npt.ArrayLike,
        amount: npt.ArrayLike,
        *,
        search: bool,
    ) -> Floats:
        debtor, creditor = whole(src, "src"), whole(dst, "dst")
        when, value = whole(time, "time"), amounts(amount)
        if not len(debtor) == len(creditor) == len(when) == len(value):
            raise RowError("the columns of a batch differ in length")
        n = len(when)
        out = np.zeros((n, len(self.columns) if search else 0))
        self.truncated_rows = cut = np.zeros(n, dtype=np.bool_)
        if n == 0:
            return out
        when = self._in_time(when)
        order = None if n < 2 or bool((when[1:] >= when[:-1]).all()) else np.argsort(when, kind="stable")
        if order is not None:
            debtor, creditor, when, value = debtor[order], creditor[order], when[order], value[order]
        if self.rows == 0:
            self._origin = int(when[0])
        for begin, end in self._chunks(when):
            self._take(debtor[begin:end], creditor[begin:end], when[begin:end], value[begin:end],
                       out[begin:end], cut[begin:end], search)  # fmt: skip
        self._newest = int(when[-1])
        self.rows += n
        if order is not None:
            back = np.empty(n, dtype=np.int64)
            back[order] = np.arange(n)
            out, cut = out[back], cut[back]
        self.truncated_rows = cut
        self.truncated += int(cut.sum())
        return out

    def _in_time(self, when: Ints) -> Ints:
        if self.rows == 0:
            return when
        behind = when < self._newest
        if not behind.any():
            return when
        if self.parameters.late == "error":
            row = int(np.flatnonzero(behind)[0])
            raise LateRowError(
                f"the time of a row, {int(when[row])} s, is before the newest time seen, {self._newest} s",
                where=f"row {row} of the batch",
                next_step="Sort the rows of all batches by time, or set late='now' to use the newest time.",
            )
        self.late += int(behind.sum())
        return np.maximum(when, self._newest)

    def _chunks(self, when: Ints) -> list[tuple[int, int]]:
        """Split a long batch, but not between equal times, and not if the engine looks ahead in it."""
        n = len(when)
        if n <= _CHUNK or self.parameters.scoring == "window_close":
            return [(0, n)]
        ends: list[int] = []
        while not ends or ends[-1] < n:
            last = min((ends[-1] if ends else 0) + _CHUNK, n)
            ends.append(int(np.searchsorted(when, when[last - 1], side="right")))
        return list(zip([0, *ends[:-1]], ends, strict=True))

    def _take(
        self, src: Ints, dst: Ints, when: Ints, amount: Floats, out: Floats, cut: Mask, search: bool
    ) -> None:
        _forget(self._graph, int(when[0]) - self._reach, self._origin)
        self._graph = grown(self._graph, len(when), 2 * len(when))
        accounts = self._graph.newest.shape[1]
        if accounts > len(self._room.mark):
            self._room = room(accounts, self._search_room)
        patterns = self._patterns if search else self._nothing
        begin = insert_and_search(self._graph, patterns, self._limits, self._room,
                                   self._plan.look_ahead, src, dst, when, amount, out, cut)  # fmt: skip
        if search:
            statistics(self._graph, self._plan, begin, begin + len(when), self._origin, out)
            if self._searches:
                out[:, -1] = cut


@jit
def _forget(graph: LiveGraph, oldest: int, origin: int) -> None:
    while graph.counts[0] < graph.counts[1] and graph.time[graph.counts[0] & (len(graph.time) - 1)] < oldest:
        leave_oldest(graph, origin)
        drop(graph)


def _statistics_plan(p: EngineParameters, widths: tuple[int, ...], places: dict[str, int]) -> StatisticsPlan:
    def column(family: str) -> Ints:
        return np.array([places.get(f"{family}.{w}", -1) for w in widths], dtype=np.int64)

    bins = np.array(p.bins if p.histograms else (), dtype=np.int64)
    return StatisticsPlan(
        full=column("statistics"),
        fan=column("fan"),
        degree=column("degree"),
        bins=bins,
        bin_table=bin_table(p.bins),
        look_ahead=p.scoring == "window_close",
        ties=p.ties == "include",
    )
