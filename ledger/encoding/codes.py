"""Country codes: ISO 3166-1 alpha-2 to numeric."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import iso3166

__all__ = ["COUNTRY_NUMERIC"]

#: ISO 3166-1 alpha-2 to numeric code.
COUNTRY_NUMERIC: Final[Mapping[str, int]] = MappingProxyType(
    {alpha: int(country.numeric) for alpha, country in iso3166.countries_by_alpha2.items()}
)
