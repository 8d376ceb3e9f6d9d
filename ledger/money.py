"""ISO 4217 currencies, and amounts as text; the only module that reads the ISO 4217 table."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

import iso4217

__all__ = [
    "ALPHA",
    "CURRENCIES",
    "EXPONENT",
    "NUMERIC",
    "Currency",
    "amount_range",
    "decimals",
    "major_units",
    "money_text",
]


class Currency(NamedTuple):
    """An entry of ISO 4217: numeric code, decimals of the minor unit (None: no minor unit), English name."""

    numeric: int
    exponent: int | None
    name: str


#: Every entry of ISO 4217 with a numeric code, by alphabetic code, including metals and test codes.
CURRENCIES: Final[Mapping[str, Currency]] = MappingProxyType(
    {
        c.code: Currency(int(c.number), c.exponent, c.currency_name)
        for c in iso4217.Currency
        if c.number is not None
    }
)

# The currencies of amounts on the ledger: metals and test codes have no minor unit and are excluded.
_AMOUNTS = {code: c for code, c in CURRENCIES.items() if c.exponent is not None}

#: ISO 4217 alphabetic to numeric code.
NUMERIC: Final[Mapping[str, int]] = MappingProxyType({code: c.numeric for code, c in _AMOUNTS.items()})

#: ISO 4217 numeric to alphabetic code.
ALPHA: Final[Mapping[int, str]] = MappingProxyType({c.numeric: code for code, c in _AMOUNTS.items()})

#: Decimals of a currency's minor unit, by alphabetic code.
EXPONENT: Final[Mapping[str, int]] = MappingProxyType({code: c.exponent or 0 for code, c in _AMOUNTS.items()})


def decimals(currency: int) -> int:
    """Return the number of decimals of a currency (numeric code); two if the code is unknown."""
    return EXPONENT.get(ALPHA.get(currency, ""), 2)


def major_units(minor: float, currency: int) -> float:
    """Convert an amount from minor units to major units of its currency (numeric code)."""
    return float(minor) / float(10 ** decimals(currency))


def amount_range(low: float, high: float, currency: int) -> str:
    """Return an interval of amounts for reading, in whole units of its currency.

    Parameters
    ----------
    low, high : float
        Minor units.
    currency : int
        ISO 4217 numeric code.

    Examples
    --------
    >>> amount_range(794_328, 1_000_000, NUMERIC["EUR"])
    'EUR 7,943 to 10,000'
    >>> amount_range(900_000, 900_000, NUMERIC["EUR"])
    'EUR 9,000'
    >>> amount_range(900_000, 900_000, NUMERIC["JPY"])  # the yen has no minor unit
    'JPY 900,000'
    """
    name = ALPHA.get(currency, "?")
    first, last = major_units(low, currency), major_units(high, currency)
    return f"{name} {first:,.0f}" if round(first) == round(last) else f"{name} {first:,.0f} to {last:,.0f}"


def money_text(minor: int, currency: str) -> str:
    """Return an exact amount in minor units of a currency (alphabetic code) as text: "10,000.01".

    Examples
    --------
    >>> money_text(1_000_001, "EUR")
    '10,000.01'
    """
    places = CURRENCIES[currency].exponent or 0
    return f"{Decimal(minor).scaleb(-places):,.{places}f}"
