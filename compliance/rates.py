"""Exchange rates: a dated table that the user supplies; no rate, no guess.

A rate holds from its date until a later one of the same pair, and at most `MAX_AGE_DAYS` (a weekend with two
holidays). Where only the opposite pair is given, its reciprocal is taken, exactly. No rate is chained over a
third currency.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Final

from compliance.calendars import day_number
from compliance.csvfile import csv_rows
from compliance.currencies import exponent, number
from ledger.errors import InputError

__all__ = ["MAX_AGE_DAYS", "Rate", "RateTable"]

MAX_AGE_DAYS: Final = 4
#: Above this, amounts in minor units times the rate would not fit 38 decimal digits.
_LIMIT: Final = 10**14


@dataclass(frozen=True, slots=True)
class Rate:
    """One unit of `source` is worth `value` units of `target` on `day`."""

    day: date
    source: str
    target: str
    value: Decimal


class RateTable:
    """Rates by pair and date.

    Parameters
    ----------
    rates : iterable of Rate

    Raises
    ------
    InputError
        For a rate that is not positive, has too many digits or names no currency; for two of a pair and day.
    """

    def __init__(self, rates: Iterable[Rate] = ()) -> None:
        self._pairs: dict[tuple[str, str], list[tuple[int, Fraction]]] = {}
        ordered = sorted(rates, key=lambda rate: (rate.day, rate.source, rate.target))
        for rate in ordered:
            number(rate.source)
            number(rate.target)
            value = Fraction(rate.value)
            if value <= 0 or max(value.numerator, value.denominator) > _LIMIT:
                raise InputError(f"{rate.value} is no usable rate", where=_said(rate))
            known = self._pairs.setdefault((rate.source, rate.target), [])
            day = day_number(rate.day)
            if known and known[-1][0] == day:
                raise InputError("two rates of one pair on one day", where=_said(rate))
            known.append((day, value))
        self._bytes = "".join(f"{_said(rate)},{rate.value}\n" for rate in ordered).encode()

    def __bool__(self) -> bool:
        return bool(self._pairs)

    @property
    def hash(self) -> str:
        """SHA-256, hex, of the table: part of what a converted finding is computed from."""
        return sha256(self._bytes).hexdigest()

    @classmethod
    def read(cls, path: Path) -> RateTable:
        """Read a CSV file with the columns date, from, to, rate.

        Raises
        ------
        InputError
            Naming the line that cannot be used.
        """
        rates = []
        for line, row in csv_rows(path, ("date", "from", "to", "rate")):
            try:
                rate = Rate(
                    date.fromisoformat(row["date"].strip()),
                    row["from"].strip().upper(),
                    row["to"].strip().upper(),
                    Decimal(row["rate"].strip()),
                )
                if not rate.value.is_finite():
                    raise InputError("the rate is no number")
                number(rate.source)
                number(rate.target)
            except (ValueError, InvalidOperation, InputError) as error:
                what = error.what if isinstance(error, InputError) else "no date or no number"
                raise InputError(what, where=f"{path}, line {line}") from error
            rates.append(rate)
        return cls(rates)

    def currencies(self, target: str) -> list[str]:
        """Return the currencies that can be converted into another, on some day."""
        pairs = self._pairs
        found = {a for a, b in pairs if b == target} | {b for a, b in pairs if a == target}
        return sorted(found - {target})

    def factor(self, source: str, target: str, day: int) -> Fraction | None:
        """Return what turns minor units of one currency into minor units of another, exactly.

        Parameters
        ----------
        source, target : str
        day : int
            Days since 1970-01-01.

        Returns
        -------
        Fraction or None
            None where the table has no rate that holds on the day.
        """
        direct = self._at((source, target), day)
        if direct is None:
            opposite = self._at((target, source), day)
            direct = None if opposite is None else 1 / opposite
        if direct is None:
            return None
        return direct * Fraction(10) ** (exponent(target) - exponent(source))

    def _at(self, pair: tuple[str, str], day: int) -> Fraction | None:
        known = self._pairs.get(pair, [])
        place = bisect_right(known, day, key=lambda entry: entry[0]) - 1
        if place < 0 or day - known[place][0] > MAX_AGE_DAYS:
            return None
        return known[place][1]


def _said(rate: Rate) -> str:
    return f"{rate.day.isoformat()},{rate.source},{rate.target}"
