"""What a number would be without what it is said to come from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

__all__ = ["shuffled_payees"]

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
