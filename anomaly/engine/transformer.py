"""The engine as a scikit-learn transformer: a table of transfers in, one row of features per transfer out."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from anomaly.engine.extractor import GraphFeatureEngine
from anomaly.engine.parameters import EngineParameters
from anomaly.graph import NOBODY, TemporalGraph
from ledger.errors import ConfigurationError
from ledger.money import decimals

__all__ = ["GraphFeatures"]


class GraphFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Graph features of every transfer of a table, from an engine that starts empty.

    Parameters
    ----------
    parameters : EngineParameters, optional
        By default those of the engine with `ties="include"`, because payments in one bucket have no order.
    resolution : int
        Times are rounded down to a multiple of this number of seconds. By default a minute, because seconds
        depend on how a system records times.

    Attributes
    ----------
    columns_ : list of Column
    n_features_out_ : int

    Notes
    -----
    `fit` learns nothing and only checks the parameters. Each call of `transform` builds a new graph, so pass
    a payment together with earlier payments; to continue from batch to batch, use `GraphFeatureEngine`.
    Amounts are geometric middles in units of their own currency; times are lower ends of intervals. An
    account that is not given counts as a new account in each transfer.
    """

    def __init__(self, parameters: EngineParameters | None = None, resolution: int = 60) -> None:
        self.parameters = parameters
        self.resolution = resolution

    def fit(self, X: pa.Table | pd.DataFrame, y: object = None) -> Self:  # noqa: N803  # scikit-learn's name
        """Check the parameters and name the columns.

        Raises
        ------
        ConfigurationError
            When the resolution is less than a second.
        """
        if self.resolution < 1:
            raise ConfigurationError(
                f"times cannot be rounded to {self.resolution} seconds",
                next_step="Set a resolution of at least 1 second.",
            )
        self.columns_ = self._engine().columns
        self.n_features_out_ = len(self.columns_)
        return self

    def transform(self, X: pa.Table | pd.DataFrame) -> npt.NDArray[np.float32]:  # noqa: N803
        """Return (transfers, features), row i for row i of the table.

        Raises
        ------
        GraphError
            When a row cannot be a payment.
        """
        check_is_fitted(self, "columns_")
        graph = TemporalGraph.from_transfers(X)
        source, target = graph.src.astype(np.int64), graph.dst.astype(np.int64)
        if graph.accounts and graph.pseudonyms[0] == NOBODY:
            strangers = graph.accounts + 2 * np.arange(graph.edges)
            source = np.where(source == 0, strangers, source)
            target = np.where(target == 0, strangers + 1, target)
        places = np.array([decimals(code) for code in graph.currency.tolist()], dtype=np.float64)
        time = graph.t_low // self.resolution * self.resolution
        by_edge = self._engine().update(source, target, time, graph.amount / 10.0**places)
        result = np.empty(by_edge.shape, dtype=np.float32)
        result[graph.row] = by_edge
        return result

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Return the names, in column order."""
        check_is_fitted(self, "columns_")
        return np.array([column.name for column in self.columns_], dtype=object)

    def _engine(self) -> GraphFeatureEngine:
        return GraphFeatureEngine(self.parameters or EngineParameters(ties="include"))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # a table of transfers, not numbers
        return tags
