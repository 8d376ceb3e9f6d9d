"""Check that a table of transfers has exactly the columns and types of `ledger.tables.TRANSFER`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from ledger.errors import InputError
from ledger.tables import TRANSFER

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TransferTableError", "as_transfers"]


class TransferTableError(InputError):
    """Raised when a table of transfers lacks a column, or a column has another type."""


def as_transfers(transfers: pa.Table | pd.DataFrame) -> pa.Table:
    """Return a table with exactly `TRANSFER`'s columns and types.

    Raises
    ------
    TransferTableError
        When a column is missing or has values of another type.
    """
    try:
        table = (
            transfers
            if isinstance(transfers, pa.Table)
            else pa.Table.from_pandas(transfers, preserve_index=False)
        )
        missing = [name for name in TRANSFER.names if name not in table.column_names]
        if missing:
            raise TransferTableError(f"the table of transfers lacks {', '.join(missing)}")
        return table.select(TRANSFER.names).cast(TRANSFER)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise TransferTableError(f"the table of transfers has a column of the wrong type: {error}") from error
