"""A member's transaction: each field is checked and stored in one canonical form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from ledger.encoding.bands import MAX_AMOUNT
from ledger.encoding.codes import COUNTRY_NUMERIC
from ledger.encoding.identifiers import account_identifier, party_identifier
from ledger.errors import InputError
from ledger.money import EXPONENT
from ledger.schema import (
    BUSINESS_DATE_DAYS,
    CLOCK_TOLERANCE,
    FIELDS,
    OLDEST_DAYS,
    OPTIONAL_FIELDS,
    Channel,
    PartyType,
    Side,
)

__all__ = ["FieldProblem", "Transaction", "TransactionReader"]

_MAX_TEXT: Final = 140
#: Days for which an accepted row may wait before it is posted.
_WAITING_DAYS: Final = 30
_DAY_US: Final = 86_400 * 1_000_000
_CACHED: Final = 100_000
_AGENT: Final = re.compile(r"[A-Z0-9_.-]{1,35}")
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_CHANNELS: Final = {c.name.lower() for c in Channel if c is not Channel.UNKNOWN}
_PARTY_TYPES: Final = {p.name.lower() for p in PartyType if p is not PartyType.UNKNOWN}
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "1", "yes", "y", "t"), "true"),
    **dict.fromkeys(("false", "0", "no", "n", "f"), "false"),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class FieldProblem(Exception):  # noqa: N818 - it is a finding about one row, collected and not shown as an error
    """Raised when a field of one row is not valid; names the field and the reason."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Transaction(NamedTuple):
    """A checked transaction.

    Parameters
    ----------
    values : tuple of str or None
        The exact fields in the order of `ledger.schema.FIELDS`, each in its canonical form.
    side : int
        `ledger.schema.Side` of the posting bank.
    time_us : int
        The timestamp in microseconds since 1970-01-01T00:00:00Z.
    amount_minor : int
        The amount in minor units of its currency.
    """

    values: tuple[str | None, ...]
    side: int
    time_us: int
    amount_minor: int


class TransactionReader:
    """Converts rows of text to transactions of one bank.

    Parameters
    ----------
    agent : str
        The posting bank's own agent identifier.
    columns : mapping of field name to position
        The position of each field in a row; `TransactionReader.missing` lists missing required fields.
    now : datetime
        The current time; a later timestamp is refused.
    """

    def __init__(self, agent: str, columns: Mapping[str, int], *, now: datetime) -> None:
        self._agent = agent
        self._positions = tuple(columns.get(name) for name in FIELDS)
        self._latest = now.timestamp() + CLOCK_TOLERANCE
        self._earliest = (now - timedelta(days=OLDEST_DAYS - _WAITING_DAYS)).timestamp()
        self._now = f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        self._parsers: tuple[Callable[[str], str], ...] = tuple(_PARSERS[name] for name in FIELDS)
        self._cache: dict[tuple[int, str], str] = {}

    @staticmethod
    def missing(columns: Mapping[str, int]) -> list[str]:
        """Return the required fields that a file lacks."""
        return [name for name in FIELDS if name not in columns and name not in OPTIONAL_FIELDS]

    def read(self, row: list[str] | tuple[str, ...]) -> Transaction:
        """Check one row.

        Raises
        ------
        FieldProblem
            At the first field that is not valid.
        """
        values: list[str | None] = []
        cache = self._cache
        for slot, position in enumerate(self._positions):
            text = "" if position is None else row[position].strip()
            if not text:
                if FIELDS[slot] not in OPTIONAL_FIELDS:
                    raise FieldProblem(FIELDS[slot], "is empty")
                values.append(None)
                continue
            if not text.isascii():
                text = unicodedata.normalize("NFC", text)
            if len(text) > _MAX_TEXT:
                raise FieldProblem(FIELDS[slot], f"is {len(text)} characters long, {_MAX_TEXT} are allowed")
            if slot in _REPEATING:
                known = cache.get((slot, text))
                if known is None:
                    if len(cache) >= _CACHED:
                        cache.clear()
                    known = cache[slot, text] = self._parsers[slot](text)
                values.append(known)
            else:
                values.append(self._parsers[slot](text))
        return self._complete(values)

    def _complete(self, values: list[str | None]) -> Transaction:
        debtor_agent, creditor_agent = values[_AT["debtor_agent"]], values[_AT["creditor_agent"]]
        own_debit, own_credit = debtor_agent == self._agent, creditor_agent == self._agent
        if own_debit and own_credit:
            side = Side.ON_US
        elif own_debit:
            side = Side.DEBIT
        elif own_credit:
            side = Side.CREDIT
        else:
            raise FieldProblem("debtor_agent", f"neither agent is this bank ({self._agent})")
        for name, agent in (("debtor_account", debtor_agent), ("creditor_account", creditor_agent)):
            values[_AT[name]] = _account(name, values[_AT[name]] or "", agent or "")
        time_us = _microseconds(values[_AT["timestamp"]] or "")
        if time_us < self._earliest * 1_000_000:
            raise FieldProblem(
                "timestamp", "is too old: every reader refuses rows of more than ten years ago"
            )
        if time_us > self._latest * 1_000_000:
            raise FieldProblem(
                "timestamp", f"{values[_AT['timestamp']]} is in the future: the clock here says {self._now}"
            )
        booked = values[_AT["business_date"]]
        if booked is not None and abs(_days(booked) - time_us // _DAY_US) > BUSINESS_DATE_DAYS:
            raise FieldProblem(
                "business_date", f"is more than {BUSINESS_DATE_DAYS} days before or after the timestamp"
            )
        currency = values[_AT["currency"]] or ""
        minor = _minor_units(values[_AT["amount"]] or "", currency)
        values[_AT["amount"]] = _decimal(minor, EXPONENT[currency])
        return Transaction(tuple(values), side, time_us, minor)


_AT: Final = {name: slot for slot, name in enumerate(FIELDS)}
#: Fields with few distinct values: each distinct text is checked once.
_REPEATING: Final = frozenset(
    _AT[name]
    for name in FIELDS
    if name
    not in ("uetr", "transaction_id", "timestamp", "amount", "debtor_account", "creditor_account", "purpose")
)


def _uetr(text: str) -> str:
    try:
        parsed = UUID(text)
    except ValueError:
        raise FieldProblem("uetr", f"{text!r} is not a UUID") from None
    return str(parsed)


def _text(name: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not text.isprintable():
            raise FieldProblem(name, "holds control characters")
        return text

    return parse


def _timestamp(text: str) -> str:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise FieldProblem("timestamp", f"{text!r} is not an ISO 8601 date and time") from None
    if parsed.tzinfo is None:
        raise FieldProblem("timestamp", f"{text!r} has no zone; write UTC as Z")
    try:
        utc = parsed.astimezone(UTC)
    except OverflowError:
        raise FieldProblem("timestamp", f"{text!r} is out of range") from None
    return utc.isoformat().replace("+00:00", "Z")


def _microseconds(timestamp: str) -> int:
    delta = datetime.fromisoformat(timestamp) - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _business_date(text: str) -> str:
    try:
        parsed = date.fromisoformat(text.removesuffix("T00:00:00"))  # a table gives a date with this time
    except ValueError:
        raise FieldProblem("business_date", f"{text!r} is not a date (YYYY-MM-DD)") from None
    if not 1970 <= parsed.year <= 2148:
        raise FieldProblem("business_date", f"{text!r} is out of range (1970 to 2148)")
    return parsed.isoformat()


def _days(day: str) -> int:
    """Return the days since 1970-01-01."""
    return date.fromisoformat(day).toordinal() - _EPOCH.toordinal()


def _agent(name: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        upper = text.upper()
        if not _AGENT.fullmatch(upper):
            raise FieldProblem(name, f"{text!r} is not an agent identifier (such as a BIC)")
        return upper

    return parse


def _account(name: str, text: str, agent: str) -> str:
    try:
        return account_identifier(text, agent)
    except InputError as error:
        raise FieldProblem(name, f"{text!r}: {error.what}") from None


def _party(name: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not text.isprintable():
            raise FieldProblem(name, "holds control characters")
        try:
            return party_identifier(text)
        except InputError:
            raise FieldProblem(name, f"{text!r} is neither a valid LEI nor person:<scheme>:<id>") from None

    return parse


def _amount(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        reason = "is negative" if text.startswith("-") else "is not a decimal number like 1234.56"
        raise FieldProblem("amount", f"{text!r} {reason}")
    return text


def _minor_units(text: str, currency: str) -> int:
    places = EXPONENT[currency]
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > places:
        raise FieldProblem("amount", f"{text!r} has more decimals than {currency} allows ({places})")
    minor = int(whole + fraction.ljust(places, "0"))
    if not 0 < minor <= MAX_AMOUNT:
        raise FieldProblem("amount", f"{text!r} is out of range (above 0, at most {MAX_AMOUNT} minor units)")
    return minor


def _decimal(minor: int, places: int) -> str:
    if places == 0:
        return str(minor)
    digits = str(minor).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}"


def _currency(text: str) -> str:
    if text.upper() not in EXPONENT:
        raise FieldProblem("currency", f"{text!r} is not an ISO 4217 code")
    return text.upper()


def _country(name: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.upper() not in COUNTRY_NUMERIC:
            raise FieldProblem(name, f"{text!r} is not an ISO 3166 country code (two letters)")
        return text.upper()

    return parse


def _one_of(name: str, allowed: set[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        lower = text.lower().replace(" ", "_")
        if lower not in allowed:
            raise FieldProblem(name, f"{text!r} is none of {', '.join(sorted(allowed))}")
        return lower

    return parse


def _boolean(name: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        value = _BOOLEANS.get(text.lower())
        if value is None:
            raise FieldProblem(name, f"{text!r} is neither true nor false")
        return value

    return parse


_PARSERS: Final[Mapping[str, Callable[[str], str]]] = {
    "uetr": _uetr,
    "transaction_id": _text("transaction_id"),
    "timestamp": _timestamp,
    "business_date": _business_date,
    "debtor_agent": _agent("debtor_agent"),
    "debtor_account": _text("debtor_account"),
    "creditor_agent": _agent("creditor_agent"),
    "creditor_account": _text("creditor_account"),
    "party_id": _party("party_id"),
    "party_type": _one_of("party_type", _PARTY_TYPES),
    "on_behalf_of": _party("on_behalf_of"),
    "amount": _amount,
    "currency": _currency,
    "channel": _one_of("channel", _CHANNELS),
    "debtor_country": _country("debtor_country"),
    "creditor_country": _country("creditor_country"),
    "purpose": _text("purpose"),
    "cash_in": _boolean("cash_in"),
    "cash_out": _boolean("cash_out"),
    "own_account": _boolean("own_account"),
    "occasional": _boolean("occasional"),
    "exempt": _boolean("exempt"),
}
