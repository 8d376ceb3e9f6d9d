"""The transformer: transfers in, one row of documented features per transfer out, in the table's order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from anomaly.graph import TemporalGraph
from anomaly.transactions import passing, relation, shapes
from anomaly.transactions.activity import STATISTICS, activity
from ledger.errors import ConfigurationError
from ledger.money import decimals as decimals_of
from ledger.transfers.table import as_transfers

__all__ = ["MINUTE", "Column", "Scoring", "TransactionFeatures", "describe", "scoring_named"]

Scoring = Literal["arrival", "window_close"]
Floats32 = npt.NDArray[np.float32]

MINUTE: Final = 60
_HOUR: Final = 60  # in minutes


@dataclass(frozen=True, slots=True)
class Column:
    """One feature.

    Attributes
    ----------
    name, meaning, unit : str
    window : str
        Which payments it uses: "own row", "so far", or a number of windows back or ahead.
    graph : bool
        Whether it uses other rows than its own.
    ahead : bool
        Whether it is known only after one window has passed.
    """

    name: str
    meaning: str
    unit: str
    window: str
    graph: bool = True
    ahead: bool = False


#: Windows that look back: multiple of the window, name, description.
_SPANS: Final = ((1 / 7, "short", "a seventh of the window back"), (1, "window", "one window back"),
                 (4, "long", "four windows back"))  # fmt: skip
_ENDS: Final = ("payer", "payee")
_DIRECTIONS: Final = ("out", "in")


def scoring_named(name: str) -> Scoring:
    """Return the scoring time with this name."""
    return "arrival" if name == "arrival" else "window_close"


class TransactionFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features of every transfer of a table.

    Parameters
    ----------
    window : int
        Seconds.
    scoring : {"arrival", "window_close"}
        Whether a payment is scored when its bucket has closed, or one window after it.
    graph : bool
        Whether features may use other rows; if not, only the features of the row itself remain.

    Attributes
    ----------
    shares_ : AmountShares
        Distribution of the amounts.
    middle_ : dict
        Currency to its mean log amount.
    common_ : dict
        Currency to its share of the payments.

    Notes
    -----
    `fit` learns only price levels, from the payments it is given, and reads no label. Exact amounts and
    bands, exact times and buckets are all treated as intervals: of an amount the geometric middle is used, of
    a time the lower end. Payments of one bucket see each other; their order does not matter.
    """

    def __init__(self, window: int = 7 * 86_400, scoring: Scoring = "arrival", graph: bool = True) -> None:
        self.window = window
        self.scoring = scoring
        self.graph = graph

    def fit(self, X: pa.Table | pd.DataFrame, y: object = None) -> Self:  # noqa: N803  # scikit-learn's name
        """Learn the distribution of amounts and currencies.

        Raises
        ------
        ConfigurationError
            When a parameter has a value that is not allowed.
        """
        if self.scoring not in ("arrival", "window_close"):
            raise ConfigurationError(
                f"there is no scoring {self.scoring!r}", next_step="Use arrival or window_close."
            )
        if self.window < 7 * MINUTE:
            raise ConfigurationError(
                f"a window of {self.window} seconds is too short", next_step="Use at least 420 seconds."
            )
        graph = TemporalGraph.from_transfers(X)
        log_amount, _ = _amounts(graph)
        self.shares_ = passing.AmountShares(log_amount)
        codes, inverse, counts = np.unique(graph.currency, return_inverse=True, return_counts=True)
        total = np.bincount(inverse, weights=log_amount, minlength=len(codes))
        self.middle_ = dict(zip(codes.tolist(), (total / np.maximum(counts, 1)).tolist(), strict=True))
        self.common_ = dict(zip(codes.tolist(), (counts / max(graph.edges, 1)).tolist(), strict=True))
        self.columns_ = _columns(self.scoring, self.graph)
        self.n_features_out_ = len(self.columns_)
        return self

    def transform(self, X: pa.Table | pd.DataFrame) -> Floats32:  # noqa: N803
        """Return (transfers, features), row i for row i of the table.

        Raises
        ------
        GraphError
            When a row cannot be a payment.
        """
        check_is_fitted(self, "shares_")
        table = as_transfers(X)
        graph = TemporalGraph.from_transfers(table)
        log_amount, half_width = _amounts(graph)
        blocks = [self._own(graph, log_amount, table)]
        if self.graph and graph.edges:
            blocks += self._around(graph, log_amount, half_width)
        by_edge = np.hstack(blocks)
        result = np.empty((graph.edges, self.n_features_out_), np.float32)
        result[graph.row] = by_edge if graph.edges else result
        return result

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Return the names, in column order."""
        return np.array([column.name for column in _columns(self.scoring, self.graph)], dtype=object)

    def _own(self, graph: TemporalGraph, log_amount: npt.NDArray[np.float64], table: pa.Table) -> Floats32:
        codes = graph.currency.tolist()
        usual = float(np.mean(list(self.middle_.values()))) if self.middle_ else 0.0
        middle = np.array([self.middle_.get(code, usual) for code in codes])
        common = np.array([self.common_.get(code, 0.0) for code in codes])
        exact = graph.amount_low == graph.amount_high
        channel = table.column("channel").fill_null(0).to_numpy()[graph.row]
        return np.stack(
            [
                log_amount,
                log_amount - middle,
                exact & (graph.amount_low % 10_000 == 0),
                (graph.t_low // 3_600) % 24,
                (graph.t_low // 86_400) % 7,
                graph.agents[graph.src] != graph.agents[graph.dst],
                channel,
                graph.cash_in,
                graph.cash_out,
                common,
            ],
            axis=1,
        ).astype(np.float32)

    def _around(
        self, graph: TemporalGraph, log_amount: npt.NDArray[np.float64], half_width: npt.NDArray[np.float64]
    ) -> list[Floats32]:
        time = graph.t_low // MINUTE
        window, close = self.window // MINUTE, self.scoring == "window_close"
        first = relation.first_of_pair(graph, time)
        habits = relation.habits(graph, time, _HOUR, log_amount, first, window)
        blocks = [habits[:, [i for i, c in enumerate(relation.COLUMNS) if close or not c[3]]]]
        amount = np.exp(log_amount)
        for multiple, _, _ in _SPANS:
            span = int(window * multiple)
            blocks.append(activity(graph, time, amount, first, span, False).reshape(graph.edges, -1))
        if close:
            blocks.append(activity(graph, time, amount, first, window, True).reshape(graph.edges, -1))
        for ahead in (False, True) if close else (False,):
            blocks.append(
                passing.passing(
                    graph, time, _HOUR, log_amount, half_width, first, self.shares_, window, ahead
                )
            )
        begin = np.full(int(graph.relation.max()) + 1, np.iinfo(np.int64).max)
        np.minimum.at(begin, graph.relation, time)
        new = graph.usable & (time - begin[graph.relation] <= window)
        again = relation.next_of_pair(graph, time)
        later = window if close else 0
        blocks.append(shapes.around(graph, time, new, again, window, later))
        blocks.append(shapes.cycles(graph, time, new, again, 2 * window, later))
        return blocks


def _amounts(graph: TemporalGraph) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return log amounts in major units (middle of the interval) and half the width of each interval."""
    codes, inverse = np.unique(graph.currency, return_inverse=True)
    decimals = np.array([decimals_of(int(code)) for code in codes], dtype=np.float64)
    unit = np.log(10.0) * decimals[inverse] if len(codes) else np.zeros(0)
    low, high = np.maximum(graph.amount_low, 1), np.maximum(graph.amount_high, 1)
    return np.log(graph.amount) - unit, np.log(high / low.astype(np.float64)) / 2


def _columns(scoring: str, graph: bool) -> tuple[Column, ...]:
    own = "own row"
    columns = [
        Column("amount", "amount", "log units of money", own, False),
        Column("amount_in_currency", "amount beside the mean of its currency", "log ratio", own, False),
        Column("round", "whether the amount is known exactly and a multiple of 100", "0 or 1", own, False),
        Column("hour", "hour of the day (the bucket's first)", "UTC hours", own, False),
        Column("weekday", "day of the week", "days since Thursday", own, False),
        Column("cross_bank", "whether two banks keep the accounts", "0 or 1", own, False),
        Column("channel", "channel", "code (`ledger.schema.Channel`)", own, False),
        Column("cash_in", "whether cash was paid in", "0 or 1", own, False),
        Column("cash_out", "whether cash was paid out", "0 or 1", own, False),
        Column("currency_share", "how common the currency is", "share of payments", own, False),
    ]
    if not graph:
        return tuple(columns)
    close = scoring == "window_close"
    columns += [
        Column(name, meaning, unit, "one window ahead" if ahead else "so far", ahead=ahead)
        for name, meaning, unit, ahead in relation.COLUMNS
        if close or not ahead
    ]
    spans = [(name, words, False) for _, name, words in _SPANS]
    if close:
        spans.append(("ahead", "one window ahead", True))
    columns += [
        Column(f"{span}_{end}_{way}_{name}", f"{meaning}, {way} of the {end}", unit, words, ahead=ahead)
        for span, words, ahead in spans
        for end in _ENDS
        for way in _DIRECTIONS
        for name, meaning, unit in STATISTICS
    ]
    for ahead in (False, True) if close else (False,):
        side = "after" if ahead else "before"
        words = "one window ahead" if ahead else "one window back for each hop"
        columns += [
            Column(f"{side}_{name}", f"money {side}: {meaning}", unit, words, ahead=ahead)
            for name, meaning, unit in passing.COLUMNS
        ]
    words = "one window back and ahead" if close else "one window back"
    columns += [Column(name, meaning, unit, words, ahead=close) for name, meaning, unit in shapes.AROUND]
    words = "two windows back, closed one ahead" if close else "two windows back"
    columns += [Column(name, meaning, unit, words, ahead=close) for name, meaning, unit in shapes.CYCLES]
    return tuple(columns)


def describe(scoring: Scoring = "window_close", graph: bool = True) -> tuple[Column, ...]:
    """Return the description of every column, in order."""
    return _columns(scoring, graph)
