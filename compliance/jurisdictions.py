"""Jurisdictions: which countries a rule reaches, and under which country's law a bank stands.

A duty falls on the institution, so what decides is where the bank that keeps the account is, not where its
customer lives. That is told, in this order, by the consortium's own table of banks, by the country letters
of a BIC (ISO 9362), and, for a bank that neither tells, by the country columns of the row. What none of them
tells stays open: such a finding asks the bank.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from iso3166 import countries_by_alpha2

from compliance.csvfile import csv_rows
from ledger.errors import InputError

__all__ = ["Establishment", "country_number", "home_of", "homes_of", "reach", "read_banks"]

_BIC: Final = re.compile(r"[A-Z]{4}([A-Z]{2})[A-Z0-9]{2}(?:[A-Z0-9]{3})?")


def _read(section: str) -> dict[str, list[str]]:
    """Return a section of `jurisdictions.txt`: the first word of a line to the others."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in (files(__package__) / "jurisdictions.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif name == section and not line.startswith("#"):
            first, *rest = line.split()
            found[first] = rest
    return found


_REACH: Final = {name: frozenset(countries) for name, countries in _read("REACH").items()}
_ZONES: Final = {country: words[0] for country, words in _read("ZONES").items()}


@dataclass(frozen=True, slots=True)
class Establishment:
    """Where a bank stands: country, subdivision for its holidays (ISO 3166-2 part), time zone.

    Parameters
    ----------
    country : str
        ISO 3166 alpha-2.
    subdivision : str, optional
        As in "DE-BY": BY.
    zone : str, optional
        IANA name; None where the country has no entry and the table of banks gives none.
    """

    country: str
    subdivision: str | None = None
    zone: str | None = None

    @property
    def number(self) -> int:
        """ISO 3166 numeric code, as rows carry it."""
        return country_number(self.country)


def country_number(country: str) -> int:
    """Return the ISO 3166 numeric code of an alpha-2 code.

    Raises
    ------
    InputError
        For what is no country.
    """
    found = countries_by_alpha2.get(country)
    if found is None:
        raise InputError(f"{country!r} is no ISO 3166 country", next_step="Use two letters such as US or DE.")
    return int(found.numeric)


@cache
def reach(jurisdiction: str | None) -> frozenset[int] | None:
    """Return the countries (ISO numeric) whose banks a jurisdiction's rules bind; None: not said."""
    if jurisdiction is None:
        return None
    members = _REACH.get(jurisdiction)
    if members is None and jurisdiction not in countries_by_alpha2:
        return None
    return frozenset(country_number(country) for country in members or {jurisdiction})


def home_of(place: str, zone: str | None = None) -> Establishment:
    """Return the home written as "DE" or "DE-BY", with the zone given or its financial centre's.

    Raises
    ------
    InputError
        For an unknown country or time zone.
    """
    country, _, subdivision = place.strip().upper().partition("-")
    country = "GB" if country == "UK" else country
    country_number(country)
    if zone:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise InputError(f"unknown time zone {zone!r}", next_step="Use an IANA name.") from error
    return Establishment(country, subdivision or None, zone or _ZONES.get(country))


def homes_of(
    agents: Mapping[int, str], table: Mapping[str, Establishment] | None = None
) -> dict[int, Establishment]:
    """Return the homes of members by code: from the table of banks, else from the letters of their BIC.

    Members that neither tells are left out.
    """
    found: dict[int, Establishment] = {}
    for code, agent in agents.items():
        home = (table or {}).get(agent)
        match = _BIC.fullmatch(agent)
        if home is None and match and match[1] in countries_by_alpha2:
            home = home_of(match[1])
        if home is not None:
            found[code] = home
    return found


def read_banks(path: Path) -> dict[str, Establishment]:
    """Read a table of banks: CSV with the columns agent, country ("DE" or "DE-BY") and, optional, zone.

    Raises
    ------
    InputError
        Naming the line that cannot be used.
    """
    found: dict[str, Establishment] = {}
    for line, row in csv_rows(path, ("agent", "country")):
        try:
            found[row["agent"].strip()] = home_of(row["country"], (row.get("zone") or "").strip() or None)
        except InputError as error:
            raise InputError(error.what, where=f"{path}, line {line}", next_step=error.next_step) from error
    return found
