"""Encodes exact payments as an encoding policy would: amount bands and time buckets."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ledger.encoding import band_arrays
from ledger.encoding.bands import MAX_AMOUNT, Bands, logarithmic_grid

__all__ = ["BUCKET", "Encoding", "encode", "encoding_named"]

Encoding = Literal["exact", "bands_minute", "bands_hour", "bands_day"]

#: Length of the time bucket, seconds.
BUCKET: Final[dict[Encoding, int]] = {
    "exact": 1,
    "bands_minute": 60,
    "bands_hour": 3_600,
    "bands_day": 86_400,
}


def encoding_named(name: str) -> Encoding:
    """Return the encoding with this name."""
    return next(encoding for encoding in BUCKET if encoding == name)


def encode(transfers: pa.Table, encoding: Encoding, *, per_decade: int = 10) -> pa.Table:
    """Return the transfers with amounts and times widened to the policy's intervals.

    Parameters
    ----------
    transfers : pyarrow.Table
        `ledger.tables.TRANSFER`, exact.
    encoding : str
    per_decade : int
        Bands per factor of ten; ten is the default policy's grid (without the thresholds of rules).
    """
    if encoding == "exact":
        return transfers
    bucket = BUCKET[encoding]
    bands = Bands(logarithmic_grid(per_decade))
    amount = np.clip(np.asarray(transfers.column("amount_low").to_numpy(), dtype=np.int64), 0, MAX_AMOUNT)
    low, high = band_arrays.decode(bands, band_arrays.encode(bands, amount))
    time = np.asarray(transfers.column("time_low").to_numpy(), dtype=np.int64) // bucket * bucket
    new = {"amount_low": low, "amount_high": high, "time_low": time, "time_high": time + bucket}
    return _replaced(transfers, new)


def _replaced(table: pa.Table, columns: dict[str, npt.NDArray[np.int64]]) -> pa.Table:
    for name, values in columns.items():
        field = table.schema.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, pa.array(values).cast(field.type))
    return table
