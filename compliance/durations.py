"""Durations: a number of hours, days, months or years with their calendar ("24 consecutive hours")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from compliance.tokens import Token, parse_number

__all__ = ["MONTHS", "Duration", "find"]

#: The months by their names, January first.
MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
                 "October", "November", "December")  # fmt: skip

_UNITS: Final = {
    **dict.fromkeys(["hour", "hours", "hrs"], "hour"),
    **dict.fromkeys(["day", "days"], "day"),
    **dict.fromkeys(["week", "weeks"], "week"),
    **dict.fromkeys(["month", "months"], "month"),
    **dict.fromkeys(["year", "years"], "year"),
}
#: Whose days and hours are meant; "" where the word adds nothing.
_CALENDARS: Final = {
    **dict.fromkeys(["calendar", "civil"], "calendar"),
    **dict.fromkeys(["business", "banking", "bank", "trading"], "business"),
    **dict.fromkeys(["working", "juridical"], "working"),
    **dict.fromkeys(["consecutive", "successive", "continuous"], "consecutive"),
    "gaming": "gaming",
    **dict.fromkeys(["clear", "full", "complete", "whole", "additional", "further", "more"], ""),
}


@dataclass(frozen=True, slots=True)
class Duration:
    """Tokens `start:end`; how many; hour, day, week, month or year; and whose calendar ("" if not said)."""

    start: int
    end: int
    value: int
    unit: str
    calendar: str


def find(doc: list[Token], runs: list[tuple[int, int]]) -> Iterator[Duration]:
    """Yield the durations whose number is one of the runs of number tokens."""
    words = [token.lower_ for token in doc]
    for start, end in runs:
        value = parse_number(words[start:end])
        if value is None or value != int(value) or value > 1000:
            continue
        place = _skip_restated(words, end)
        calendar = ""
        while place < len(words) and (words[place] == "-" or words[place] in _CALENDARS):
            calendar = _CALENDARS.get(words[place], "") or calendar
            place += 1
        if place < len(words) and words[place] in _UNITS:
            yield Duration(start, place + 1, int(value), _UNITS[words[place]], calendar)


def _skip_restated(words: list[str], place: int) -> int:
    """Step over "(5)" in "five (5) years"."""
    if words[place : place + 1] == ["("] and words[place + 2 : place + 3] == [")"]:
        return place + 3
    return place
