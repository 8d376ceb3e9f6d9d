"""Rows and transfers as tables: the Arrow schemas of the desk.

The desk keeps opened rows in *segments* (`SEGMENT`). Two rows that meet on their match token are one
*transfer* (`TRANSFER`), which is what detectors and checks read.
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

#: A mirrored row: where it stands on the ledger, the packed row's columns, and the intervals its policy
#: decodes to (amounts in minor units, both ends included; Unix seconds, the upper end excluded).
SEGMENT: Final = pa.schema(_PLACE + _ROW + _INTERVALS)

#: One payment after matching. Pseudonyms are null where no half tells them; the place of an absent half is
#: -1. Detectors read the same columns from plain files, where pseudonyms are the file's own identifiers and
#: the intervals have no width.
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
