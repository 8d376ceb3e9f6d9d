"""The check of a rule: one definition, printed for the officer, one SQL for every kind of row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from compliance.checks.interval import Interval, minor_interval
from compliance.currencies import number
from compliance.model import Deadline, Rule
from compliance.transactions import describe
from ledger.errors import InputError

__all__ = ["Check", "NotCheckableError", "compile_rule"]

Shape = Literal["single", "calendar", "rolling"]

#: Date buckets of a calendar window, as SQL over `business_date` (days since 1970-01-01).
_BUCKETS: Final = {
    "business_day": "business_date",
    "calendar_day": "business_date",
    "gaming_day": "business_date",
    "calendar_month": "date_trunc('month', DATE '1970-01-01' + business_date)",
    "calendar_year": "date_trunc('year', DATE '1970-01-01' + business_date)",
}
_SEVERITY: Final = {
    "prohibit": "high",
    "limit": "high",
    "report": "medium",
    "aggregate": "medium",
    "cdd": "medium",
}


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
    deadline : Deadline or None
        By when what is owed is to be done, from the rule itself or from a rule that refers to it.
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
    deadline: Deadline | None = None

    def parameters(self) -> dict[str, Any]:
        """Return what decides the check, as JSON values: part of every finding's source."""
        return {
            "shape": self.shape,
            "currency": self.currency,
            "low": self.interval.low,
            "high": self.interval.high,
            "transaction_type": self.rule.transaction_type,
            "where": self.where,
            "seconds": self.seconds,
            "bucket": self.bucket,
        }

    def describe(self) -> str:
        """Return the check in words, with the mapping from the law's words to columns."""
        rows = describe(self.rule.transaction_type)
        unit = self.rule.aggregation.window_unit if self.rule.aggregation else None
        window = {
            "single": "each transfer by itself",
            "calendar": f"sum per customer, bank and {(unit or 'day').replace('_', ' ')}",
            "rolling": f"sum per customer and bank in any {self.seconds // 3600} consecutive hours",
        }[self.shape]
        lines = [
            f"{self.rule.rule_id} ({self.rule.citation})",
            f"  rows     {rows.words}: {rows.where or 'no column decides it'}",
            f"  amount   {self.interval.low} to {self.interval.high} minor units of {self.currency}",
            f"  window   {window}",
        ]
        lines += [f"  missing  {words}" for words in self.missing]
        return "\n".join(lines)


def compile_rule(rule: Rule, clause: str, *, deadline: Deadline | None = None) -> Check:
    """Compile a rule to its check.

    Raises
    ------
    NotCheckableError
        When the rule is not executable or speaks of no amount.
    """
    trigger = rule.trigger
    if rule.status != "executable" or trigger is None or trigger.amount is None or trigger.currency is None:
        raise NotCheckableError("the rule has no amount to check rows against", where=f"rule {rule.rule_id}")
    shape, bucket, seconds = _window(rule)
    mapped = describe(rule.transaction_type)
    missing = [mapped.missing] if mapped.missing else []
    if rule.aggregation is not None:
        if rule.aggregation.condition:
            missing.append(f"knowledge: “{' '.join(rule.aggregation.condition.split())}”")
        if rule.aggregation.window_unit in ("linked_transactions", "one_time", "contemporaneous", "request"):
            missing.append(
                f"which operations belong together ({rule.aggregation.window_unit.replace('_', ' ')})"
            )
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
        deadline=rule.deadline or deadline,
    )


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
