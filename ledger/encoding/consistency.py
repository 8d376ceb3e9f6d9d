"""Check that exact fields agree with an encoded row.

A bank commits to its exact record and posts the encoded row; only this check detects that the two differ. It
runs whenever fields are opened. Pseudonyms, agents and the match token need proofs of their own
(`ledger.audit.fields`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from ledger.encoding.codes import COUNTRY_NUMERIC
from ledger.encoding.policy import Policy
from ledger.errors import InputError, VerificationError
from ledger.money import ALPHA, EXPONENT, NUMERIC
from ledger.schema import Channel, Flags, PartyType

__all__ = ["COMPARED", "INTERVALS", "InconsistentRecordError", "check_consistent"]

#: Fields whose value the row has exactly.
COMPARED: Final = frozenset(
    {
        "business_date",
        "party_type",
        "currency",
        "channel",
        "debtor_country",
        "creditor_country",
        "cash_in",
        "cash_out",
        "own_account",
        "occasional",
        "exempt",
    }
)
#: Fields whose value lies in an interval that the row has.
INTERVALS: Final = frozenset({"timestamp", "amount"})

#: Fields that every record has: a row is never without them.
_ALWAYS: Final = frozenset(
    {
        "timestamp",
        "amount",
        "currency",
        "debtor_agent",
        "debtor_account",
        "creditor_agent",
        "creditor_account",
    }
)
_BOOLEANS: Final = {"true": True, "false": False, None: False}
#: The codes of the values of a field; 0 is for no value.
_CODES: Final[Mapping[str, Mapping[str, int]]] = {
    "channel": {c.name.lower(): int(c) for c in Channel if c is not Channel.UNKNOWN},
    "party_type": {p.name.lower(): int(p) for p in PartyType if p is not PartyType.UNKNOWN},
    "debtor_country": COUNTRY_NUMERIC,
    "creditor_country": COUNTRY_NUMERIC,
}
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP: Final = re.compile(_DATE.pattern + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{6})?Z")
_AMOUNT: Final = re.compile(r"(0|[1-9][0-9]{0,15})([.][0-9]+)?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class InconsistentRecordError(VerificationError):
    """Raised when an opened field does not agree with the posted row."""


def check_consistent(fields: Mapping[str, str | None], row: Mapping[str, Any], policy: Policy) -> None:
    """Compare opened fields with the posted row.

    Parameters
    ----------
    fields : mapping of field name to exact value
        Any of `ledger.schema.FIELDS`; None if the record has no value.
    row : mapping of column name to value
        The posted row, as `ledger.schema.unpack_row` returns it.
    policy : Policy
        The policy that the row was encoded with.

    Raises
    ------
    InconsistentRecordError
        With the name of the field, and never with its value.
    """
    for name, column in (("party_id", "party"), ("on_behalf_of", "on_behalf_of")):
        if name in fields and (fields[name] is None) == any(bytes(row[column])):
            raise InconsistentRecordError(
                f"the field {name} has a value only in the opened record, or only in the posted row"
            )
    for name, value in fields.items():
        if value is None and name in _ALWAYS:
            raise InconsistentRecordError(f"the opened record has no {name}, but each row has one")
        try:
            expected = _encoded(name, value, row, policy)
        except (KeyError, ValueError, ArithmeticError, InputError):
            raise InconsistentRecordError(f"the field {name} has a value that cannot be encoded") from None
        if expected is None:
            continue
        column, code = expected
        posted = int(row[column]) & code[1] if isinstance(code, tuple) else int(row[column])
        wanted = code[0] if isinstance(code, tuple) else code
        if posted != wanted:
            raise InconsistentRecordError(f"the opened field {name} and the posted row disagree")


def _encoded(
    name: str, value: str | None, row: Mapping[str, Any], policy: Policy
) -> tuple[str, int | tuple[int, int]] | None:
    """Return a field's column and code, (bits, mask) for a flag; None if the field is not in the row."""
    if name.upper() in Flags.__members__:
        bit = int(Flags[name.upper()])
        return "flags", (bit if _BOOLEANS[value] else 0, bit)
    if name in _CODES:
        return name, 0 if value is None else _CODES[name][value]
    if value is None:
        return None
    if name == "currency":
        return name, NUMERIC[value]
    if name == "business_date":
        _require(_DATE, value)
        return name, date.fromisoformat(value).toordinal() - _EPOCH.toordinal()
    if name == "timestamp":
        _require(_TIMESTAMP, value)
        since = datetime.fromisoformat(value) - _EPOCH
        return "time_bucket", (since.days * 86_400 + since.seconds) // policy.bucket_seconds
    if name == "amount":
        currency = ALPHA[int(row["currency"])]
        _require(_AMOUNT, value)
        whole, _, fraction = value.partition(".")
        if len(fraction) != EXPONENT[currency]:
            raise ValueError("not an amount in the minor unit of its currency")
        return "amount_band", policy.bands(currency).band(int(whole + fraction))
    return None


def _require(form: re.Pattern[str], value: str) -> None:
    """Refuse another spelling than the one in which records are committed."""
    if not form.fullmatch(value):
        raise ValueError("not in the form in which it is committed")
