"""The amounts that trip a rule: an interval of whole minor units, for every comparison of law."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from compliance.currencies import exponent
from compliance.model import Rule, Trigger
from ledger.encoding.bands import MAX_AMOUNT
from ledger.errors import InputError

__all__ = ["Interval", "cut_points", "edges_of", "minor_interval"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Amounts `low` to `high` in minor units, both included; `high` is the largest amount when open."""

    low: int
    high: int


def minor_interval(trigger: Trigger) -> Interval:
    """Return the amounts that trip a trigger.

    Raises
    ------
    InputError
        When the trigger names no amount or no currency, or an amount that no row can carry.
    """
    if trigger.amount is None or trigger.currency is None:
        raise InputError("the trigger has no amount or no currency", next_step="Complete the rule first.")
    scale = Decimal(10) ** exponent(trigger.currency)
    value = Decimal(trigger.amount) * scale
    floor = int(value.to_integral_value(ROUND_FLOOR))
    ceiling = int(value.to_integral_value(ROUND_CEILING))
    match trigger.op:
        case "gt":
            found = Interval(floor + 1, MAX_AMOUNT)
        case "ge":
            found = Interval(ceiling, MAX_AMOUNT)
        case "lt":
            found = Interval(0, ceiling - 1)
        case "le":
            found = Interval(0, floor)
        case "eq":
            found = Interval(ceiling, floor)
        case "range_incl":
            upper = Decimal(trigger.amount_max or trigger.amount) * scale
            found = Interval(ceiling, int(upper.to_integral_value(ROUND_FLOOR)))
    if not 0 <= found.low <= MAX_AMOUNT or found.high > MAX_AMOUNT:
        raise InputError(f"no row can carry {trigger.amount} {trigger.currency}")
    return found


def cut_points(interval: Interval) -> set[int]:
    """Return the band edges that let a band decide the interval exactly as the amount does."""
    points = {interval.low, interval.high + 1}
    return {point for point in points if 1 <= point <= MAX_AMOUNT}


def edges_of(rule: Rule) -> list[tuple[str, int]]:
    """Return where a rule cuts bands, as (currency, edge in minor units); nowhere without an amount."""
    trigger = rule.trigger
    if trigger is None or trigger.amount is None or trigger.currency is None:
        return []
    return sorted((trigger.currency, edge) for edge in cut_points(minor_interval(trigger)))
