"""The one definition of what a transaction, an encoded row and a transfer look like.

A member holds *transactions* (`FIELDS`, names from ISO 20022). What it posts are *encoded rows* (`ROW`,
fixed width). The desk keeps opened rows in *segments* (`SEGMENT`). Two rows that meet on their match
token are one *transfer* (`TRANSFER`), which is what detectors and checks read.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

import numpy as np
import pyarrow as pa

__all__ = [
    "FIELDS",
    "LAG_EDGES_SECONDS",
    "NOT_A_MEMBER",
    "OPTIONAL_FIELDS",
    "PSEUDONYM_BYTES",
    "ROW",
    "ROW_VERSION",
    "SEGMENT",
    "TRANSFER",
    "Channel",
    "Conflict",
    "Flags",
    "LagClass",
    "MatchState",
    "PartyType",
    "Side",
]

#: A transaction's fields in the order in which they are committed; each is one leaf of the record root.
FIELDS: Final = (
    "uetr",
    "transaction_id",
    "timestamp",
    "business_date",
    "debtor_agent",
    "debtor_account",
    "creditor_agent",
    "creditor_account",
    "party_id",
    "party_type",
    "on_behalf_of",
    "amount",
    "currency",
    "channel",
    "debtor_country",
    "creditor_country",
    "purpose",
    "cash_in",
    "cash_out",
    "own_account",
    "occasional",
    "exempt",
)

#: Columns a file may lack; checks that need them say so.
OPTIONAL_FIELDS: Final = (
    "uetr",
    "business_date",
    "party_id",
    "party_type",
    "on_behalf_of",
    "channel",
    "debtor_country",
    "creditor_country",
    "purpose",
    "cash_in",
    "cash_out",
    "own_account",
    "occasional",
    "exempt",
)

#: Agent code of a bank outside the consortium.
NOT_A_MEMBER: Final = 0

PSEUDONYM_BYTES: Final = 16
ROW_VERSION: Final = 1


class Side(IntEnum):
    """Which half of the transfer a row is."""

    DEBIT = 1
    CREDIT = 2
    ON_US = 3


class Channel(IntEnum):
    """How the money moved."""

    UNKNOWN = 0
    CASH = 1
    WIRE = 2
    CARD = 3
    CHEQUE = 4
    INSTANT = 5
    CRYPTO = 6
    INTERNAL = 7


class PartyType(IntEnum):
    """What the posting bank's own customer is."""

    UNKNOWN = 0
    PERSON = 1
    BUSINESS = 2
    PUBLIC_BODY = 3
    FINANCIAL_INSTITUTION = 4


class Flags(IntFlag):
    """Yes-or-no facts of a transaction."""

    CASH_IN = 1
    CASH_OUT = 2
    OWN_ACCOUNT = 4
    OCCASIONAL = 8
    EXEMPT = 16


class LagClass(IntEnum):
    """Time since the last incoming payment of the debtor account, told by the bank that owns it."""

    NONE = 0
    UNDER_1H = 1
    UNDER_6H = 2
    UNDER_24H = 3
    UNDER_7D = 4
    MORE = 5


#: Upper edges, in seconds, of the lag classes `UNDER_1H` to `UNDER_7D`; `MORE` has none.
LAG_EDGES_SECONDS: Final = (3_600, 6 * 3_600, 24 * 3_600, 7 * 86_400)


class MatchState(IntEnum):
    """What the ledger knows of a transfer's two halves.

    `UNMATCHED` says that a half is past its deadline; it blames nobody.
    """

    ON_US = 1
    MATCHED = 2
    CONFLICT = 3
    WAITING = 4
    UNMATCHED = 5
    COUNTERPARTY_NOT_MEMBER = 6


class Conflict(IntFlag):
    """In which fields two halves under one match token disagree."""

    AGENTS = 1
    DEBTOR_ACCOUNT = 2
    CREDITOR_ACCOUNT = 4
    CURRENCY = 8
    AMOUNT = 16
    TIME = 32


#: The encoded row as it is sealed, hashed and posted: 136 bytes, little-endian, no padding.
ROW: Final = np.dtype(
    [
        ("version", "u1"),
        ("side", "u1"),
        ("channel", "u1"),
        ("flags", "u1"),
        ("party_type", "u1"),
        ("lag_class", "u1"),
        ("debtor_agent", "<u2"),
        ("creditor_agent", "<u2"),
        ("currency", "<u2"),
        ("debtor_country", "<u2"),
        ("creditor_country", "<u2"),
        ("amount_band", "<u2"),
        ("business_date", "<u2"),  # days since 1970-01-01, local to the booking bank
        ("time_bucket", "<u4"),  # Unix time divided by the policy's bucket length
        ("debtor_account", "V16"),
        ("creditor_account", "V16"),
        ("party", "V16"),
        ("on_behalf_of", "V16"),
        ("match_token", "V16"),
        ("record_root", "V32"),
    ]
)

_PLACE = [
    ("member", pa.uint16()),
    ("sequence", pa.uint32()),
    ("row_index", pa.uint32()),
    ("log_index", pa.uint32()),
    ("block", pa.uint64()),
]

_ARROW = {
    "u1": pa.uint8(),
    "<u2": pa.uint16(),
    "<u4": pa.uint32(),
    "V16": pa.binary(16),
    "V32": pa.binary(32),
}
_ARROW_OF_KIND = {np.dtype(kind): arrow for kind, arrow in _ARROW.items()}

_INTERVALS = [
    ("amount_low", pa.int64()),
    ("amount_high", pa.int64()),
    ("time_low", pa.int64()),
    ("time_high", pa.int64()),
]

#: A mirrored row: where it stands on the ledger, the packed row's columns, and the intervals its policy
#: decodes to (amounts in minor units, both ends included; Unix seconds, the upper end excluded).
SEGMENT: Final = pa.schema(
    _PLACE + [(name, _ARROW_OF_KIND[ROW[name]]) for name in ROW.names or ()] + _INTERVALS
)

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
