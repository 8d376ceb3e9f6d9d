"""What a number would be without what it is said to come from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomaly.engine import DAY, EngineParameters, GraphFeatures
from anomaly.transactions import Scoring

__all__ = ["engine_features", "shuffled_payees"]

_PAYEE = ("creditor_account", "creditor_agent", "creditor_party", "creditor_on_behalf", "creditor_party_type")


def shuffled_payees(transfers: pa.Table, seed: int) -> pa.Table:
    """Return the transfers with payees put at random beside payers: who pays whom is lost.

    Amounts and times stay; every payer still sends, and every payee still receives, as often as before.
    """
    order = pa.array(np.random.default_rng(seed).permutation(transfers.num_rows))
    for name in _PAYEE:
        if name in transfers.column_names:
            column = transfers.column(name).take(order)
            transfers = transfers.set_column(
                transfers.column_names.index(name), transfers.schema.field(name), column
            )
    return transfers


def engine_features(transfers: pa.Table, window: int, scoring: Scoring) -> npt.NDArray[np.float32]:
    """Return the engine's features with the peer's families, as the peer was set for accuracy.

    Vertex statistics, fan, degree and temporal cycles in the window, scatter-gather in a day at most; no
    hop-constrained cycles.
    """
    families = EngineParameters.gfp(
        statistics=(window,), fan=(window,), degree=(window,), temporal_cycle=window,
        scatter_gather=min(window, DAY), hop_cycle=None, scoring=scoring, ties="include",
    )  # fmt: skip
    return np.asarray(GraphFeatures(families).fit_transform(transfers), dtype=np.float32)
