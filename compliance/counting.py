"""Counting: which transactions a threshold adds up, and over how long, from the words of its sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from compliance.atoms import Atom, Passage
from compliance.lexicon import SETS

__all__ = ["TIMED", "Window", "window"]


@dataclass(frozen=True, slots=True)
class Window:
    """Which transactions are counted together: a unit of the interchange format, and where it is said."""

    unit: str
    value: int | None
    first: int
    last: int


#: Units that are a length of time; a stated time wins over "linked", and a shorter one over a longer one.
TIMED: Final = (
    "consecutive_hour",
    "gaming_day",
    "business_day",
    "calendar_day",
    "calendar_month",
    "calendar_year",
)
_ORDER: Final = {
    unit: place
    for place, unit in enumerate(
        (
            "consecutive_hour",
            "gaming_day",
            "business_day",
            "calendar_day",
            "calendar_month",
            "linked_transactions",
            "contemporaneous",
            "one_time",
            "calendar_year",
            "single_transaction",
            "request",
        )
    )
}
_DAY: Final = {"business": "business_day", "working": "business_day", "gaming": "gaming_day"}
#: "the monthly total": the period is an adjective.
_PERIODIC: Final = SETS["PERIODIC"]
_LEADS: Final = SETS["PERIOD_LEADS"]
#: What is counted, and what is done with it; a period that follows these counts transactions.
_COUNTED: Final = SETS["COUNTED"]
#: What is owed; a period that follows these is a time limit or a time of keeping.
_OWED: Final = SETS["OWED"]
_SEVERAL: Final = re.compile(
    r"\b(?:total\w*|aggregat\w+|cumulativ\w+|combined|together|series|several|multiple|more than one|"
    r"two or more|one or more|"
    r"2 or more|linked|connected|successive|sum of|split)\b",
    re.IGNORECASE,
)
_DONE_WITHIN: Final = re.compile(
    r"\b(?:made|conducted|carried out|effected|executed|performed|occur\w*|take[ns]? place|taken place|"
    r"undertaken|completed|"
    r"purchased|received|deposited|withdrawn|transferred|paid|sent)(?: by [a-z ]{1,40})? $",
    re.IGNORECASE,
)
#: "for a period of five years": records are kept that long; nothing is counted.
_LASTS: Final = re.compile(
    r"\b(?:for|until|until the end of) (?:(?:a|an|the|minimum|maximum|further|total|period|term|of|at|"
    r"least|not|no|less|more|than|up|to|"
    r"another|additional) )*$",
    re.IGNORECASE,
)
#: "within five days after the event" runs from an event: a time limit, not a window.
_RUNS_FROM: Final = re.compile(
    r" ?(?:period )?,? ?(?:after|following|from|of|since|before|prior to|beginning|starting|commencing|"
    r"counted|on being|on becoming)\b"
)


def window(passage: Passage, within: tuple[int, int]) -> Window | None:
    """Return what a sentence says about counting transactions together, or None."""
    found = list(_windows(passage, within))
    aggregated = any(passage.of("C_AGGREGATED", "A_AGGREGATE", within=within))
    ranked = [w for w in found if w.unit != "request" or aggregated]
    return min(ranked, key=lambda w: (_ORDER[w.unit], w.first), default=None)


def _windows(passage: Passage, within: tuple[int, int]) -> Iterator[Window]:
    for atom in passage.between(within):
        if atom.label.startswith("W_"):
            unit = atom.label.removeprefix("W_")
            if unit == "single_transaction" and any(passage.of("A_AGGREGATE", within=within)):
                continue
            if unit not in TIMED:
                yield Window(unit, None, atom.first, atom.last)
            elif passage.words[atom.start] in _PERIODIC or _counts(passage, atom, within):
                yield Window(unit, 1, atom.first, atom.last)
        elif atom.duration is not None and _counts(passage, atom, within):
            unit, value = _unit(atom)
            yield Window(unit, value, atom.first, atom.last)


def _unit(atom: Atom) -> tuple[str, int]:
    d = atom.duration
    if d is None:
        return "calendar_day", 1
    if d.unit == "hour":
        return "consecutive_hour", d.value
    if d.calendar == "consecutive" and d.unit == "day":
        return "consecutive_hour", 24 * d.value
    if d.unit in ("day", "week"):
        return _DAY.get(d.calendar, "calendar_day"), d.value * (7 if d.unit == "week" else 1)
    return f"calendar_{d.unit}", d.value


def _counts(passage: Passage, atom: Atom, within: tuple[int, int]) -> bool:
    """Say whether a period counts transactions ("made within 24 hours"), and is not the time for a duty."""
    if atom.duration is not None and atom.duration.calendar == "consecutive":
        return True
    words = passage.words
    lead = words[max(0, atom.start - 4) : atom.start]
    if not _LEADS & {*lead, *words[atom.start : atom.end]}:
        return False
    if atom.duration is not None and _LASTS.search(passage.text, within[0], atom.first):
        return False
    if "within" in lead and not _within_counts(passage, atom, within):
        return False
    for place in range(atom.start - 1, -1, -1):
        if passage.starts[place] < within[0]:
            break
        if words[place] in _OWED or words[place - 1 : place] == ["be"]:
            return False
        if words[place] in _COUNTED or place in passage.money:
            return True
    return False


def _within_counts(passage: Passage, atom: Atom, within: tuple[int, int]) -> bool:
    """Decide "within": transactions made within a time, or a duty to be done within it."""
    done = passage.text[within[0] : atom.first]
    done = done[: done.rfind("within")]
    if _DONE_WITHIN.search(done):
        return True
    if _RUNS_FROM.match(passage.text, atom.last, within[1]):
        return False
    if any(m.end <= atom.start and atom.start - m.end <= 5 for m in passage.of("MONEY", within=within)):
        one = atom.duration is None or atom.duration.value == 1
        return one or bool(_SEVERAL.search(done))
    return bool(_SEVERAL.search(done))
