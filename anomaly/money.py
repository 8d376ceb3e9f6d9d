"""ISO 4217 codes and amounts as a reader expects them: currency units, ranges where a band is all we know."""

from __future__ import annotations

import iso4217

__all__ = ["ALPHA", "EXPONENT", "NUMERIC", "amount_range", "decimals", "major_units"]

_KNOWN = [c for c in iso4217.Currency if c.number is not None and c.exponent is not None]

#: ISO 4217 alphabetic to numeric code, and back; numeric code to the number of decimals.
NUMERIC: dict[str, int] = {c.code: int(c.number or 0) for c in _KNOWN}
ALPHA: dict[int, str] = {int(c.number or 0): c.code for c in _KNOWN}
EXPONENT: dict[int, int] = {int(c.number or 0): int(c.exponent or 0) for c in _KNOWN}


def decimals(currency: int) -> int:
    """Return how many decimals a currency (numeric code) has; two where it is not known."""
    return EXPONENT.get(currency, 2)


def major_units(minor: float, currency: int) -> float:
    """Return an amount of minor units in units of its currency (numeric code)."""
    return float(minor) / float(10 ** decimals(currency))


def amount_range(low: float, high: float, currency: int) -> str:
    """Return "EUR 9,000" or "EUR 7,943 to 10,000" for an interval in minor units."""
    name = ALPHA.get(currency, "?")
    first, last = major_units(low, currency), major_units(high, currency)
    return f"{name} {first:,.0f}" if round(first) == round(last) else f"{name} {first:,.0f} to {last:,.0f}"
