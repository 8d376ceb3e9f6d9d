"""Small codes for currencies and countries, and back: ISO 4217 and ISO 3166-1 numeric."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import iso3166
import iso4217

__all__ = ["COUNTRY_NUMERIC", "CURRENCY_ALPHA", "CURRENCY_EXPONENT", "CURRENCY_NUMERIC"]

# Metals and test codes have no minor unit and are left out.
_CURRENCIES = {
    c.code: (c.number, c.exponent)
    for c in iso4217.Currency
    if c.number is not None and c.exponent is not None
}

#: ISO 4217 alphabetic to numeric code.
CURRENCY_NUMERIC: Final[Mapping[str, int]] = MappingProxyType({c: n for c, (n, _) in _CURRENCIES.items()})

#: ISO 4217 numeric to alphabetic code.
CURRENCY_ALPHA: Final[Mapping[int, str]] = MappingProxyType({n: c for c, (n, _) in _CURRENCIES.items()})

#: Decimal places of a currency's minor unit, by alphabetic code.
CURRENCY_EXPONENT: Final[Mapping[str, int]] = MappingProxyType({c: e for c, (_, e) in _CURRENCIES.items()})

#: ISO 3166-1 alpha-2 to numeric code.
COUNTRY_NUMERIC: Final[Mapping[str, int]] = MappingProxyType(
    {alpha: int(country.numeric) for alpha, country in iso3166.countries_by_alpha2.items()}
)
