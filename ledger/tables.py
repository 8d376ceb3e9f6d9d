"""Arrow schemas of the desk's tables of rows and transfers.

The desk stores opened rows in *segments* (`SEGMENT`). Two rows with the same match token become one
*transfer* (`TRANSFER`); detectors and checks read transfers.
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from ledger.schema import ROW_LAYOUT

__all__ = ["SEGMENT", "TRANSFER"]

_PLACE = [
    ("member", pa.uint16()),
    ("sequence", pa.uint32()),
    ("row_index", pa.uint32()),
    ("log_index", pa.uint32()),
    ("block", pa.uint64()),
    ("late", pa.bool_()),
]

_NUMBERS: Final = {1: pa.uint8(), 2: pa.uint16(), 4: pa.uint32()}

#: The columns of the encoded row.
_ROW: Final[list[Any]] = [(name, _NUMBERS.get(size, pa.binary(size))) for name, size in ROW_LAYOUT]

_INTERVALS = [
    ("amount_low", pa.int64()),
    ("amount_high", pa.int64()),
    ("time_low", pa.int64()),
    ("time_high", pa.int64()),
]

#: A mirrored row: its position on the ledger, whether it was posted after the policy's deadline, the columns
#: of the encoded row, and the intervals that its policy gives (amounts in minor units, both ends included;
#: Unix seconds, the upper end excluded). Rows that are padding are not mirrored.
SEGMENT: Final = pa.schema(_PLACE + _ROW + _INTERVALS)

#: One payment after matching. A pseudonym is null if no half contains it; the position of a missing half is
#: -1. Detectors read the same columns from plain files; there, pseudonyms are the file's own identifiers, and
#: the two ends of an interval are equal.
TRANSFER: Final = pa.schema(
    [
        ("state", pa.uint8()),
        ("conflict", pa.uint8()),
        ("debtor_account", pa.binary(16)),
        ("creditor_account", pa.binary(16)),
        ("debtor_party", pa.binary(16)),
        ("creditor_party", pa.binary(16)),
        ("debtor_on_behalf", pa.binary(16)),
        ("creditor_on_behalf", pa.binary(16)),
        ("debtor_agent", pa.uint16()),
        ("creditor_agent", pa.uint16()),
        ("channel", pa.uint8()),
        ("currency", pa.uint16()),
        *_INTERVALS,
        ("business_date", pa.int32()),
        ("debtor_country", pa.uint16()),
        ("creditor_country", pa.uint16()),
        ("debtor_party_type", pa.uint8()),
        ("creditor_party_type", pa.uint8()),
        ("flags", pa.uint8()),
        ("lag_class", pa.uint8()),
        ("debit_member", pa.int64()),
        ("debit_sequence", pa.int64()),
        ("debit_index", pa.int64()),
        ("credit_member", pa.int64()),
        ("credit_sequence", pa.int64()),
        ("credit_index", pa.int64()),
    ]
)
