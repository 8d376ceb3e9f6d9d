"""What chance alone would draw: the same payments with payees put at random beside payers."""

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


def chance_features(
    features: TransactionFeatures, transfers: pa.Table, seed: int, *, draws: int = 3
) -> npt.NDArray[np.float32]:
    """Return (draws * transfers, features) of the transfers with payees shuffled, each draw anew.

    One draw is quick; with several a strength that chance rarely draws is less a matter of luck.
    """
    return np.vstack(
        [features.transform(shuffled_payees(transfers, seed + 1_000_003 * k)) for k in range(draws)]
    )
