"""The null model of the typology scores: the same payments with randomly shuffled payees."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomaly.transactions import TransactionFeatures

__all__ = ["chance_features", "shuffled_payees"]

_PAYEE: Final = (
    "creditor_account",
    "creditor_agent",
    "creditor_party",
    "creditor_on_behalf",
    "creditor_party_type",
)


def shuffled_payees(transfers: pa.Table, seed: int) -> pa.Table:
    """Return the transfers with randomly shuffled payees, so that the relations between accounts are lost.

    Amounts and times stay the same; each payer sends, and each payee receives, as often as before.
    """
    order = pa.array(np.random.default_rng(seed).permutation(transfers.num_rows))
    for name in _PAYEE:
        if name in transfers.column_names:
            column = transfers.column(name).take(order)
            transfers = transfers.set_column(
                transfers.column_names.index(name), transfers.schema.field(name), column
            )
    return transfers


def chance_features(
    features: TransactionFeatures, transfers: pa.Table, seed: int, *, draws: int = 3
) -> npt.NDArray[np.float32]:
    """Return (draws * transfers, features) of the transfers with shuffled payees, shuffled again per draw.

    One draw is fast; several draws make the estimate of small probabilities more precise.
    """
    return np.vstack(
        [features.transform(shuffled_payees(transfers, seed + 1_000_003 * k)) for k in range(draws)]
    )
