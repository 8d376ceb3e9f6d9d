"""The fields of a transaction and the layout of an encoded row; imports no third-party package.

A member holds *transactions* (`FIELDS`, names from ISO 20022). It posts *encoded rows* (`ROW_LAYOUT`, fixed
width). `unpack_row` reads one row; `ledger.encoding.rows` defines the same layout as a NumPy type, to read
many rows at once; `ledger.tables` defines the desk's tables.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from struct import Struct
from typing import Any, Final

__all__ = [
    "BUSINESS_DATE_DAYS",
    "CLOCK_TOLERANCE",
    "FIELDS",
    "LAG_EDGES_SECONDS",
    "NOT_A_MEMBER",
    "OLDEST_DAYS",
    "OPTIONAL_FIELDS",
    "PSEUDONYM_BYTES",
    "ROW_LAYOUT",
    "ROW_VERSION",
    "Channel",
    "Conflict",
    "Flags",
    "LagClass",
    "MatchState",
    "PartyType",
    "Side",
    "TokenKind",
    "unpack_row",
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

#: Optional columns of an input file; a check that needs a missing one reports it.
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
ROW_VERSION: Final = 2


class Side(IntEnum):
    """The half of a transfer that a row describes: debit, credit, or both accounts at one bank."""

    DEBIT = 1
    CREDIT = 2
    ON_US = 3


class Channel(IntEnum):
    """Payment channel."""

    UNKNOWN = 0
    CASH = 1
    WIRE = 2
    CARD = 3
    CHEQUE = 4
    INSTANT = 5
    CRYPTO = 6
    INTERNAL = 7


class PartyType(IntEnum):
    """Kind of customer that the posting bank acts for."""

    UNKNOWN = 0
    PERSON = 1
    BUSINESS = 2
    PUBLIC_BODY = 3
    FINANCIAL_INSTITUTION = 4


class Flags(IntFlag):
    """Yes-or-no facts of a transaction.

    `DECOY`: the row is padding and describes no transaction; it hides how many transactions a batch has.
    """

    CASH_IN = 1
    CASH_OUT = 2
    OWN_ACCOUNT = 4
    OCCASIONAL = 8
    EXEMPT = 16
    DECOY = 32


class LagClass(IntEnum):
    """Time since the debtor account last received a payment, as its own bank reports it."""

    NONE = 0
    UNDER_1H = 1
    UNDER_6H = 2
    UNDER_24H = 3
    UNDER_7D = 4
    MORE = 5


#: Seconds by which the end of a row's time bucket may lie after the time of its block: clocks differ.
CLOCK_TOLERANCE: Final = 300
#: Days before its block from which a row's time bucket may be at the earliest: ten years.
OLDEST_DAYS: Final = 3_653
#: Days by which a row's business date may lie before or after its time bucket: holidays, corrections.
BUSINESS_DATE_DAYS: Final = 31

#: Upper limits, in seconds, of the lag classes `UNDER_1H` to `UNDER_7D`; `MORE` has no upper limit.
LAG_EDGES_SECONDS: Final = (3_600, 6 * 3_600, 24 * 3_600, 7 * 86_400)


class TokenKind(IntEnum):
    """What a row's match token was computed of, and with whose key.

    `UETR` and `TUPLE`: with the key of two banks, of the UETR, or of accounts, currency and amount. `OWN`:
    with the bank's own key, as there is no other member; such a token never matches.
    """

    UETR = 1
    TUPLE = 2
    OWN = 3


class MatchState(IntEnum):
    """Result of matching the two halves of a transfer.

    `UNMATCHED`: the second half did not arrive by the deadline; this does not say which bank is at fault.
    """

    ON_US = 1
    MATCHED = 2
    CONFLICT = 3
    WAITING = 4
    UNMATCHED = 5
    COUNTERPARTY_NOT_MEMBER = 6


class Conflict(IntFlag):
    """The fields in which the two halves of one UETR differ."""

    DEBTOR_ACCOUNT = 2
    CREDITOR_ACCOUNT = 4
    CURRENCY = 8
    AMOUNT = 16
    TIME = 32


#: The encoded row as it is sealed, hashed and posted: little-endian, no padding. Each column has a name and a
#: size in bytes; columns of 16 bytes and more are byte strings, the others are unsigned integers.
ROW_LAYOUT: Final = (
    ("version", 1),
    ("side", 1),
    ("channel", 1),
    ("flags", 1),
    ("party_type", 1),
    ("lag_class", 1),
    ("debtor_agent", 2),
    ("creditor_agent", 2),
    ("currency", 2),
    ("debtor_country", 2),
    ("creditor_country", 2),
    ("amount_band", 2),
    ("business_date", 2),  # days since 1970-01-01, local to the booking bank
    ("time_bucket", 4),  # Unix time divided by the policy's bucket length
    ("key_generation", 2),  # 0: a pseudonym does not depend on the generation of the shares
    ("token_kind", 1),  # TokenKind
    ("reserved", 5),  # zero
    ("debtor_account", 16),
    ("creditor_account", 16),
    ("party", 16),
    ("on_behalf_of", 16),
    ("match_token", 16),
    ("record_root", 32),
)

#: Bytes of an encoded row.
ROW_SIZE: Final = sum(size for _, size in ROW_LAYOUT)

_NUMBERS: Final = {1: "B", 2: "H", 4: "I"}
_ROW: Final = Struct("<" + "".join(_NUMBERS.get(size, f"{size}s") for _, size in ROW_LAYOUT))


def unpack_row(packed: bytes) -> dict[str, Any]:
    """Return the columns of one encoded row by name: numbers as int, byte strings as bytes.

    Raises
    ------
    ValueError
        When the row does not have `ROW_SIZE` bytes.
    """
    if len(packed) != ROW_SIZE:
        raise ValueError(f"an encoded row has {ROW_SIZE} bytes, not {len(packed)}")
    return dict(zip((name for name, _ in ROW_LAYOUT), _ROW.unpack(packed), strict=True))
