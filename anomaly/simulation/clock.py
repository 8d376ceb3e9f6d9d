"""Times of payments: weekdays, opening hours, pay days, and the local time of each bank."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["DAY", "HOUR", "ZONES", "Clock"]

Ints = NDArray[np.int64]

HOUR: Final = 3_600
DAY: Final = 86_400

#: Time zone of a bank, by its country.
ZONES: Final = {
    "AE": "Asia/Dubai",
    "AT": "Europe/Vienna",
    "BE": "Europe/Brussels",
    "CH": "Europe/Zurich",
    "DE": "Europe/Berlin",
    "ES": "Europe/Madrid",
    "FR": "Europe/Paris",
    "GB": "Europe/London",
    "IE": "Europe/Dublin",
    "LT": "Europe/Vilnius",
    "LU": "Europe/Luxembourg",
    "NL": "Europe/Amsterdam",
    "SG": "Asia/Singapore",
    "US": "America/New_York",
}

# Profile: weight of Monday to Sunday, weight of the hours 0 to 23.
_PROFILES: Final[dict[str, tuple[Sequence[float], Sequence[float]]]] = {
    "shop": (
        (9, 9, 9.5, 10, 13, 15, 6),
        (0.3, 0.15, 0.1, 0.1, 0.1, 0.3, 1, 3, 5, 6, 7, 8, 9, 8, 7, 7, 8, 10, 10, 8, 5, 3, 1.5, 0.8),
    ),
    "home": (
        (11, 10, 10, 10, 11, 9, 9),
        (0.8, 0.4, 0.2, 0.2, 0.2, 0.4, 1.5, 4, 6, 7, 7, 7, 8, 7, 6, 6, 6, 7, 9, 10, 10, 8, 5, 2),
    ),
    "office": (
        (20, 21, 20, 20, 18, 1.5, 0.7),
        (0.1, 0.1, 0.1, 0.1, 0.2, 0.5, 2, 5, 10, 13, 14, 12, 8, 9, 12, 12, 9, 5, 2, 1, 0.6, 0.4, 0.3, 0.2),
    ),
    "branch": (
        (20, 18, 18, 19, 22, 6, 0),
        (0, 0, 0, 0, 0, 0, 0, 0, 2, 9, 12, 12, 8, 9, 12, 12, 9, 3, 0, 0, 0, 0, 0, 0),
    ),
}


class Clock:
    """The calendar of the simulated period.

    Parameters
    ----------
    start : date
        First day.
    days : int
        Length of the period.
    zones : sequence of str
        IANA time zone of each agent, in the order of the agents.
    """

    def __init__(self, start: date, days: int, zones: Sequence[str]) -> None:
        self.start = start
        self.days = days
        midnight = datetime(start.year, start.month, start.day, tzinfo=UTC)
        self.origin = int(midnight.timestamp())
        self.end = self.origin + days * DAY
        noon = pd.date_range(midnight, periods=days + 1, freq="D", tz="UTC") + pd.Timedelta(hours=12)
        by_zone = {
            zone: (noon.tz_convert(zone).tz_localize(None) - noon.tz_localize(None)).total_seconds()
            for zone in sorted(set(zones))
        }
        self._offset: Ints = np.array([by_zone[zone] for zone in zones]).astype(np.int64)
        self._weekday = (start.weekday() + np.arange(days)) % 7

    def draw(self, rng: np.random.Generator, count: int, profile: str, agent: Ints) -> Ints:
        """Draw times over the whole period from the distribution `profile`, in the agent's local time.

        Returns
        -------
        array of int64
            Unix seconds.
        """
        week, hours = _PROFILES[profile]
        weights = np.asarray(week, dtype=float)[self._weekday]
        weights = weights * rng.lognormal(0.0, 0.08, self.days)  # days of the same weekday differ
        day = rng.choice(self.days, count, p=weights / weights.sum())
        share = np.asarray(hours, dtype=float)
        hour = rng.choice(24, count, p=share / share.sum())
        return self.at(day, hour * HOUR + rng.integers(0, HOUR, count), agent)

    def at(self, day: Ints, second: Ints, agent: Ints) -> Ints:
        """Return Unix seconds of a local time of day; times outside the period wrap around."""
        since = day * DAY + second - self._offset[agent, day]
        return np.asarray(self.origin + since % (self.days * DAY), dtype=np.int64)

    def monthly(self, day_of_month: Ints) -> tuple[Ints, Ints]:
        """Return the payers and days of payment, for standing orders on the given days of the month.

        On a weekend, the order is executed on the Friday before; a day that a short month does not have is
        replaced by its last day.

        Returns
        -------
        (array, array)
            Index into `day_of_month`, and day of the period.
        """
        who: list[Ints] = []
        when: list[Ints] = []
        first = np.datetime64(self.start, "D")
        months = np.arange(first.astype("M8[M]"), (first + self.days).astype("M8[M]") + 1)
        for month in months:
            last = ((month + 1).astype("M8[D]") - month.astype("M8[D]")).astype(int)
            due = month.astype("M8[D]") + np.minimum(day_of_month, last) - 1
            day = (due - first).astype(np.int64)
            weekday = (self.start.weekday() + day) % 7
            day = day - np.maximum(weekday - 4, 0)
            inside = np.flatnonzero((day >= 0) & (day < self.days))
            who.append(inside)
            when.append(day[inside])
        return np.concatenate(who), np.concatenate(when)

    def wake(self, rng: np.random.Generator, time: int, agent: int) -> int:
        """Move a time at night to the next morning, in most cases; never to an earlier time."""
        day = min(max((time - self.origin) // DAY, 0), self.days)
        local = (time + int(self._offset[agent, day])) % DAY
        if 7 * HOUR <= local < 22 * HOUR or rng.random() < 0.08:
            return time
        ahead = (7 * HOUR - local) % DAY
        return time + ahead + int(rng.integers(0, 4 * HOUR))

    def opening(self, rng: np.random.Generator, day: int, agent: int) -> int:
        """Draw an opening time of a branch, on the given day or the first weekday after it."""
        while self._weekday[day % self.days] > 4 and day + 1 < self.days:
            day += 1
        second = int(rng.integers(9 * HOUR, 17 * HOUR))
        return int(self.origin + day * DAY + second - self._offset[agent, day])
