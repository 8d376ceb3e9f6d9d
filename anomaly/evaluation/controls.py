"""Input of the control "engine": the features of the engine instead of the features of payments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomaly.engine import DAY, EngineParameters, GraphFeatures
from anomaly.transactions import Scoring

__all__ = ["engine_features"]


def engine_features(transfers: pa.Table, window: int, scoring: Scoring) -> npt.NDArray[np.float32]:
    """Return the engine's features with the families of GFP, in its published settings for accuracy.

    Vertex statistics, fan, degree and temporal cycles in the window, scatter-gather in at most one day; no
    hop-constrained cycles.
    """
    families = EngineParameters.gfp(
        statistics=(window,), fan=(window,), degree=(window,), temporal_cycle=window,
        scatter_gather=min(window, DAY), hop_cycle=None, scoring=scoring, ties="include",
    )  # fmt: skip
    return np.asarray(GraphFeatures(families).fit_transform(transfers), dtype=np.float32)
