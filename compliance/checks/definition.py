"""The checks of a rule: one definition, printed for the officer, one SQL for every kind of row and engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from compliance.calendars import day_number
from compliance.checks.interval import Interval, minor_interval
from compliance.currencies import number
from compliance.jurisdictions import reach
from compliance.linking import Linked
from compliance.model import Rule
from compliance.ruleset import Term
from compliance.transactions import describe
from ledger.encoding.bands import MAX_AMOUNT
from ledger.errors import InputError

__all__ = ["Check", "NotCheckableError", "compile_rules"]

Shape = Literal["single", "calendar", "rolling"]
#: Whose transactions are added up: one bank's, or those of all banks for one party.
Reach = Literal["bank", "consortium"]

#: Column of the table of days by which a calendar window groups.
_BUCKETS: Final = {
    "business_day": "business",
    "calendar_day": "day",
    "gaming_day": "day",
    "calendar_month": "month",
    "calendar_year": "year",
}
_LINKED: Final = frozenset({"linked_transactions", "one_time", "contemporaneous"})
_SEVERITY: Final = {
    "prohibit": "high",
    "limit": "high",
    "report": "medium",
    "aggregate": "medium",
    "cdd": "medium",
}
_NOTHING: Final = Linked(None, None, (), None, ())
_ALWAYS: Final = Term()


class NotCheckableError(InputError):
    """Raised when a rule has no check: it says when or how long, or rows cannot decide it."""


@dataclass(frozen=True, slots=True)
class Check:
    """What runs on the transfers for one rule.

    Parameters
    ----------
    rule : Rule
    clause : str
        The words of the rule.
    shape : str
        `single`: each transfer by itself; `calendar`: sums per customer and date bucket; `rolling`: sums per
        customer in any window of `seconds`.
    interval : Interval
        The tripping amounts in minor units of `currency`.
    where : str
        SQL condition for the transaction type; "FALSE" where no column decides it.
    missing : tuple of str
        What the rows do not carry; only the owning bank can say it.
    linked : Linked
        Time limit, keeping and exemptions, from the rule itself or from provisions joined to it.
    reach : str
        `bank`: sums within one bank; `consortium`: of one party over several.
    operations : bool
        Whether the sum is over operations that may be linked: whether they are, the bank must say.
    jurisdiction : str or None
    term : Term
    """

    rule: Rule
    clause: str
    shape: Shape
    interval: Interval
    currency: str
    currency_number: int
    where: str
    bucket: str
    seconds: int
    severity: str
    missing: tuple[str, ...]
    linked: Linked = _NOTHING
    reach: Reach = "bank"
    operations: bool = False
    jurisdiction: str | None = None
    term: Term = _ALWAYS

    @property
    def countries(self) -> frozenset[int] | None:
        """Countries (ISO numeric) whose banks the rule binds; None where its text does not say."""
        return reach(self.jurisdiction)

    @property
    def equivalent(self) -> bool:
        """Whether the rule extends to the equivalent in other currencies."""
        return self.rule.trigger is not None and self.rule.trigger.equivalent_currency

    @property
    def days(self) -> tuple[int | None, int | None]:
        """First day in force and first day no more, as days since 1970-01-01."""
        since, until = self.term.since, self.term.until
        return day_number(since) if since else None, day_number(until) if until else None

    def parameters(self) -> dict[str, Any]:
        """Return what decides the check, as JSON values: part of every finding's source."""
        return {
            "shape": self.shape,
            "reach": self.reach,
            "currency": self.currency,
            "low": self.interval.low,
            "high": self.interval.high,
            "transaction_type": self.rule.transaction_type,
            "where": self.where,
            "seconds": self.seconds,
            "bucket": self.bucket,
            "jurisdiction": self.jurisdiction,
            "in_force": list(self.term.to_json().values()),
        }

    def facts(self) -> list[tuple[str, str]]:
        """Return the check in words, with the mapping from the law's words to columns."""
        rows = describe(self.rule.transaction_type)
        unit = self.rule.window_unit
        whose = "customer and bank" if self.reach == "bank" else "party over all banks"
        window = {
            "single": "each transfer by itself",
            "calendar": f"sum per {whose} and {(unit or 'day').replace('_', ' ')}",
            "rolling": f"sum per {whose} in any {self.seconds // 3600} consecutive hours"
            + (" of operations that may be linked" if self.operations else ""),
        }[self.shape]
        banks = f"banks of {self.jurisdiction}" if self.jurisdiction else "all banks: the text names no law"
        extended = ", or the equivalent at a supplied rate" if self.equivalent else ""
        found = [
            ("banks", banks),
            ("rows", f"{rows.words}: {rows.where.replace('$', '') or 'no column decides it'}"),
            ("amount", f"{self._amounts()} minor units of {self.currency}{extended}"),
            ("window", window),
        ]
        since, until = self.term.since, self.term.until
        if since or until:
            said = [f"from {since}"] if since else []
            said += [f"until {until}"] if until else []
            found.append(("in force", " ".join(said)))
        return found + [("the bank must say", words) for words in self.missing]

    def _amounts(self) -> str:
        low, high = self.interval.low, self.interval.high
        return f"{low:,} or more" if high == MAX_AMOUNT else f"{low:,} to {high:,}"


def _own(
    rule: Rule, clause: str, linked: Linked | None, jurisdiction: str | None, term: Term | None
) -> Check:
    """Return the check of a rule's own window within one bank."""
    trigger = rule.trigger
    if rule.status != "executable" or trigger is None or trigger.amount is None or trigger.currency is None:
        raise NotCheckableError("the rule has no amount to check rows against", where=f"rule {rule.rule_id}")
    shape, bucket, seconds = _window(rule)
    mapped = describe(rule.transaction_type)
    missing = [mapped.missing] if mapped.missing else []
    if rule.aggregation is not None and rule.aggregation.condition:
        missing.append(f"knowledge: “{' '.join(rule.aggregation.condition.split())}”")
    return Check(
        rule=rule,
        clause=clause,
        shape=shape,
        interval=minor_interval(trigger),
        currency=trigger.currency,
        currency_number=number(trigger.currency),
        where=mapped.where or "FALSE",
        bucket=bucket,
        seconds=seconds,
        severity=_SEVERITY.get(rule.kind or "", "low"),
        missing=tuple(missing),
        linked=linked or _NOTHING,
        jurisdiction=jurisdiction,
        term=term or _ALWAYS,
    )


def compile_rules(
    rule: Rule,
    clause: str,
    *,
    linked: Linked | None = None,
    jurisdiction: str | None = None,
    term: Term | None = None,
    linked_days: int,
) -> tuple[Check, ...]:
    """Compile a rule to all its checks.

    The first is the rule's own. Where the text counts linked operations, another adds up those of one
    customer within `linked_days`; and every sum within a bank is also taken for one party over all banks.

    Raises
    ------
    NotCheckableError
        When the rule is not executable or speaks of no amount.
    """
    own = _own(rule, clause, linked, jurisdiction, term)
    checks = [own]
    unit = rule.window_unit
    if unit in _LINKED and rule.trigger is not None and rule.trigger.op in ("gt", "ge"):
        asked = f"which operations belong together ({unit.replace('_', ' ')})"
        checks.append(
            replace(
                own,
                shape="rolling",
                seconds=86_400 * linked_days,
                operations=True,
                missing=(*own.missing, asked),
            )
        )
    checks += [replace(check, reach="consortium") for check in checks if check.shape != "single"]
    return tuple(checks)


def _window(rule: Rule) -> tuple[Shape, str, int]:
    aggregation = rule.aggregation
    if aggregation is None or aggregation.window_unit is None:
        return "single", "", 0
    unit, value = aggregation.window_unit, aggregation.window_value or 1
    if unit == "consecutive_hour":
        return "rolling", "", 3600 * value
    if unit in _BUCKETS:
        if value == 1:
            return "calendar", _BUCKETS[unit], 0
        if unit == "calendar_day":
            return "rolling", "", 86_400 * value
        raise NotCheckableError(
            f"a window of {value} {unit.replace('_', ' ')}s has no check", where=f"rule {rule.rule_id}"
        )
    return "single", "", 0
