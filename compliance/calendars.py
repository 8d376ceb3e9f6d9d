"""Calendars: business days and public holidays of a bank's country, and dates counted on them.

Holidays come from the `holidays` library (ISO 3166 countries and subdivisions). Saturdays and Sundays, or
what the country keeps as its weekend, are no business days either.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from functools import cache
from typing import Final

import holidays

from compliance.jurisdictions import Establishment
from ledger.errors import InputError

__all__ = ["Calendar", "add_months", "calendar_of", "day_number", "numbered_day"]

_EPOCH: Final = date(1970, 1, 1)

#: The part of a country whose bank holidays hold where nothing narrower is said.
_DEFAULT_PART = {"GB": "ENG"}
#: Holidays of which each is a bank holiday although the country's list keeps it apart.
_BANKS = "bank"


class Calendar:
    """Business days of one country.

    Parameters
    ----------
    home : Establishment

    Raises
    ------
    InputError
        When the library knows no holidays of the country or of its part.
    """

    def __init__(self, home: Establishment) -> None:
        part = home.subdivision or _DEFAULT_PART.get(home.country)
        self.place = f"{home.country}-{part}" if part else home.country
        try:
            known = holidays.country_holidays(home.country, subdiv=part)
            if _BANKS in known.supported_categories:
                known = holidays.country_holidays(
                    home.country, subdiv=part, categories=(known.default_category, _BANKS)
                )
        except NotImplementedError as error:
            raise InputError(
                f"no calendar of public holidays is known for {self.place}",
                next_step="Name the country, or its part, otherwise in the table of banks.",
            ) from error
        self._known = known

    def closed(self, day: date) -> str | None:
        """Return why banks are closed on a day; None on a business day."""
        if day in self._known:
            return str(self._known.get(day))
        if day.weekday() in self._known.weekend:
            return "weekend"
        return None

    def business_day(self, day: date) -> date:
        """Return the day itself, or the first business day after it."""
        while self.closed(day) is not None:
            day += timedelta(days=1)
        return day

    def add_business_days(self, day: date, count: int) -> date:
        """Return the `count`-th business day after a day; the day itself is not counted."""
        for _ in range(count):
            day = self.business_day(day + timedelta(days=1))
        return day


@cache
def calendar_of(home: Establishment) -> Calendar:
    """Return the calendar of a home; calendars are kept, for they grow year by year."""
    return Calendar(home)


def day_number(day: date) -> int:
    """Return a date as rows carry it: days since 1970-01-01."""
    return (day - _EPOCH).days


def numbered_day(number: int) -> date:
    """Return the date of a row's number of days since 1970-01-01."""
    return _EPOCH + timedelta(days=number)


def add_months(day: date, months: int) -> date:
    """Return the same day of the month `months` later, or the last one where it has none."""
    place = day.year * 12 + day.month - 1 + months
    year, month = divmod(place, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
