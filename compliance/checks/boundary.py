"""Boundary transactions of a rule: made from its words, with the answer that the law gives to each.

For an officer they are examples beside the text; for a test they ask whether check and law agree: one minor
unit below, at and above the amount, the last second of a window and the first after it, the closed
day and the day after it, another country's bank, the day before the rule holds. The answers are worked out
from the words (comparison and amount) and never from the compiled check.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from iso3166 import countries_by_alpha2

from compliance.calendars import calendar_of, day_number
from compliance.counting import TIMED
from compliance.currencies import exponent, number
from compliance.jurisdictions import Establishment, home_of, reach
from compliance.model import Rule, Trigger
from compliance.ruleset import Term
from ledger.encoding.bands import MAX_AMOUNT
from ledger.schema import Channel, Flags

__all__ = ["BANK", "Case", "bank_of", "boundaries"]

#: Member code of the bank of the examples.
BANK: Final = 7
#: A Tuesday without holidays in the countries of the examples, and a noon in it.
_DAY: Final = date(2026, 2, 10)
_HOUR: Final = 3600
_FOREIGN: Final = 999

_IN: Final = int(Flags.CASH_IN)
#: Columns that make a row of a transaction type.
_ROWS: Final[dict[str, dict[str, int]]] = {
    "currency_transaction": {"channel": Channel.CASH, "flags": _IN},
    "cash_receipt": {"channel": Channel.CASH, "flags": _IN},
    "cash_payment": {"channel": Channel.CASH, "flags": _IN},
    "transmittal_of_funds": {"channel": Channel.WIRE},
    "international_transfer": {"channel": Channel.WIRE, "debtor_country": _FOREIGN},
    "virtual_currency": {"channel": Channel.CRYPTO},
    "occasional_transaction": {"channel": Channel.WIRE, "flags": Flags.OCCASIONAL},
    "occasional_cash_transaction": {"channel": Channel.CASH, "flags": Flags.OCCASIONAL | _IN},
    "occasional_transfer_of_funds": {"channel": Channel.WIRE, "flags": Flags.OCCASIONAL},
    "monetary_instrument": {"channel": Channel.CHEQUE},
    "transaction": {"channel": Channel.WIRE},
}
#: Types that a row names, but not so that the bank need not be asked.
_ASKED: Final = frozenset({"monetary_instrument"})


@dataclass(frozen=True, slots=True)
class Case:
    """Transactions at a boundary.

    Parameters
    ----------
    name : str
        What is at the boundary, in words.
    rows : list of dict
        Columns of transfers; exact amounts and seconds.
    trips : bool
        The answer of the law.
    asks : bool
        Whether only the bank can say it for certain (whether operations are linked, what an instrument was).
    """

    name: str
    rows: list[dict[str, Any]]
    trips: bool
    asks: bool = False


def bank_of(jurisdiction: str | None) -> Establishment:
    """Return a bank that a jurisdiction's rules bind, for the examples."""
    return home_of({"EU": "FR", "UK": "GB"}.get(jurisdiction or "", jurisdiction or "US"))


def boundaries(
    rule: Rule, *, jurisdiction: str | None, linked_days: int, term: Term | None = None
) -> list[Case]:
    """Return the boundary cases of an executable rule.

    Empty where no column of a row decides what the rule is about: then the law's answer cannot be had from
    rows, and the check says so.
    """
    trigger = rule.trigger
    shape = _ROWS.get(rule.transaction_type or "")
    if trigger is None or trigger.amount is None or trigger.currency is None or shape is None:
        return []
    made = _Maker(rule, trigger, dict(shape), bank_of(jurisdiction))
    unit = rule.window_unit
    if unit == "consecutive_hour":
        cases = made.rolling((rule.aggregation.window_value or 1) * _HOUR if rule.aggregation else _HOUR)
    elif unit in TIMED:
        cases = made.calendar(unit)
    else:
        cases = made.single()
        if unit in ("linked_transactions", "one_time", "contemporaneous"):
            cases += made.linked(linked_days)
    cases += made.elsewhere(jurisdiction)
    if term is not None:
        cases += made.in_force(term)
    return cases


class _Maker:
    def __init__(self, rule: Rule, trigger: Trigger, shape: dict[str, int], home: Establishment) -> None:
        self.rule, self.trigger, self.shape, self.home = rule, trigger, shape, home
        self.asked = rule.transaction_type in _ASKED
        currency = trigger.currency or ""
        self.step = Decimal(1).scaleb(-exponent(currency))
        self.amount = Decimal(trigger.amount or "0")
        self.upper = Decimal(trigger.amount_max) if trigger.amount_max else None
        self.currency = number(currency)

    def law(self, amount: Decimal) -> bool:
        """Answer by the words of the comparison."""
        at = self.amount
        match self.trigger.op:
            case "gt":
                return amount > at
            case "ge":
                return amount >= at
            case "lt":
                return amount < at
            case "le":
                return amount <= at
            case "eq":
                return amount == at
            case _:
                return at <= amount <= (self.upper or at)

    def row(
        self, amount: Decimal, *, day: date = _DAY, second: int = 12 * _HOUR, **more: Any
    ) -> dict[str, Any]:
        minor = int(amount / self.step)
        since = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + second
        country = int(countries_by_alpha2[self.home.country].numeric)
        abroad = 756 if country != 756 else 40
        columns = {
            "debtor_account": "D", "creditor_account": "C", "debtor_agent": BANK, "creditor_agent": BANK,
            "currency": self.currency, "flags": 0, "amount_low": minor, "amount_high": minor,
            "time_low": since, "time_high": since + 1, "business_date": day_number(day),
            "debtor_country": country, "creditor_country": country,
        }  # fmt: skip
        columns |= {k: int(v) for k, v in self.shape.items()} | more
        if columns["debtor_country"] == _FOREIGN:
            columns |= {"debtor_country": abroad, "debtor_agent": 0}
        return columns

    def single(self) -> list[Case]:
        edges = [self.amount] if self.upper is None else [self.amount, self.upper]
        return [
            Case(f"{words} {edge} {self.trigger.currency}", [self.row(amount)], self.law(amount), self.asked)
            for edge in edges
            for words, amount in self._around(edge)
            if 0 <= int(amount / self.step) <= MAX_AMOUNT
        ]

    def _around(self, edge: Decimal) -> tuple[tuple[str, Decimal], ...]:
        return (
            ("one minor unit below", edge - self.step),
            ("exactly at", edge),
            ("one minor unit above", edge + self.step),
        )

    def _halves(self, total: Decimal) -> tuple[Decimal, Decimal]:
        first = (total / 2 // self.step) * self.step
        return first, total - first

    def _sums(self, words: str, places: list[dict[str, Any]]) -> list[Case]:
        return [
            Case(
                f"two {words}, together {name} {self.amount}",
                self._two(total, places),
                self.law(total),
                self.asked,
            )
            for name, total in self._around(self.amount)
        ]

    def _apart(self, words: str, places: list[dict[str, Any]]) -> Case:
        return Case(f"two {words}", self._two(self.amount + 2 * self.step, places), trips=False)

    def _two(self, total: Decimal, places: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [self.row(a, **place) for a, place in zip(self._halves(total), places, strict=True)]

    def rolling(self, seconds: int) -> list[Case]:
        def after(gap: int) -> list[dict[str, Any]]:
            day, second = divmod(12 * _HOUR + gap, 86_400)
            return [{}, {"day": _DAY + timedelta(days=day), "second": second}]

        hours = f"{seconds // _HOUR} hours"
        return [
            *self._sums("at the same time", [{}, {}]),
            *self._sums(f"in the first and the last minute of {hours}", after(seconds - 60)),
            *self._sums(f"in the first and the last second of {hours}", after(seconds - 1)),
            self._apart(f"{hours} apart", after(seconds)),
            self._apart(f"{hours} and a minute apart", after(seconds + 60)),
            self._apart("of two customers", [{}, {"creditor_account": "E", "debtor_account": "F"}]),
        ]

    def calendar(self, unit: str) -> list[Case]:
        found = self._sums(f"in one {unit.replace('_', ' ')}", [{"second": 0}, {"second": 86_399}])
        found.append(self._apart("of two customers", [{}, {"creditor_account": "E", "debtor_account": "F"}]))
        if unit == "business_day":
            days = calendar_of(self.home)
            # a closed day between two open ones: the first holiday of the year after a Monday
            closed = next(
                d
                for n in range(1, 366)
                if days.closed(d := date(2026, 1, 2) + timedelta(days=n)) not in (None, "weekend")
            )
            opened = days.business_day(closed)
            found += self._sums("on a holiday and the day after it", [{"day": closed}, {"day": opened}])
            found.append(
                self._apart(
                    "on the day after a holiday and the one after that",
                    [{"day": opened}, {"day": days.add_business_days(opened, 1)}],
                )
            )
        first, last, following = {
            "calendar_month": (date(2026, 2, 1), date(2026, 2, 28), date(2026, 3, 1)),
            "calendar_year": (date(2026, 1, 1), date(2026, 12, 31), date(2027, 1, 1)),
        }.get(unit, (_DAY, _DAY, _DAY + timedelta(days=1)))
        if first != last:
            found += self._sums(
                f"on the first and the last day of a {unit.split('_')[1]}", [{"day": first}, {"day": last}]
            )
        found.append(self._apart("on the last day and the day after", [{"day": last}, {"day": following}]))
        return found

    def linked(self, days: int) -> list[Case]:
        if self.trigger.op not in ("gt", "ge"):
            return []
        near = [{}, {"day": _DAY + timedelta(days=days - 1)}]
        far = [{}, {"day": _DAY + timedelta(days=days + 1)}]
        return [
            Case(case.name, case.rows, case.trips, asks=True)
            for case in self._sums(f"{days - 1} days apart, that may be linked", near)
        ] + [self._apart(f"{days + 1} days apart", far)]

    def _surely(self) -> Decimal:
        return next(a for a in (self.amount + self.step, self.amount, self.amount - self.step) if self.law(a))

    def _tripping(self, **more: Any) -> list[dict[str, Any]]:
        amount = self._surely()
        timed = self.rule.window_unit in TIMED
        return [self.row(a, **more) for a in (self._halves(amount) if timed else (amount,))]

    def elsewhere(self, jurisdiction: str | None) -> list[Case]:
        """Return the same at a bank of another country, which the rule does not bind."""
        if reach(jurisdiction) is None:
            return []
        rows = self._tripping()
        moved = [
            row | {"creditor_agent": BANK + 1, "debtor_agent": 0 if row["debtor_agent"] == 0 else BANK + 1}
            for row in rows
        ]
        return [Case("at a bank of another country", moved, trips=False)]

    def in_force(self, term: Term) -> list[Case]:
        found = []
        for day, words in ((term.since, "in force"), (term.until, "no longer in force")):
            if day is None:
                continue
            for name, when in (
                ("the day before it is", day - timedelta(days=1)),
                ("the first day it is", day),
            ):
                rows = self._tripping(day=when)
                found.append(Case(f"{name} {words}", rows, term.holds(when), self.asked))
        return found
