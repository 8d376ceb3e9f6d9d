"""Periods: how long records are kept, or why a period is nothing that is owed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from compliance.atoms import Atom
from compliance.clauses import Clause
from compliance.lexicon import SETS
from compliance.modals import OWING

__all__ = ["ANCHOR_END", "StatedPeriod", "anchor", "defined", "period_reason", "retention"]

_EVENT = re.compile(
    r"\b(?:after|following|from|of|since|beginning (?:on|after|from)|starting (?:on|from)"
    r"|commencing on|to|before)\b"
)
ANCHOR_END: Final = re.compile(r"[,;.:—]|\b(?:unless|if|provided|and shall|with respect to)\b")
_KEPT: Final = SETS["KEPT"]
#: "at least once in every seven years" is how often, not how long.
_RECURS: Final = re.compile(
    r"\b(?:once|twice|times)?(?: in)? ?(?:every|each|per) (?:period of )?$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class StatedPeriod:
    """A retention or a deadline as read: value, unit, whether a minimum, its characters, and its anchor's."""

    value: int | None
    unit: str
    minimum: bool
    first: int
    last: int
    anchor: tuple[int, int] | None


def period_reason(clause: Clause, atom: Atom) -> str | None:
    """Return why a period is no rule (a power, a review, a ceiling, a condition), or None."""
    at = atom.first
    if clause.empowers(at):
        return "power"
    governing = clause.governing()
    if governing is None:
        return "no_duty"
    if governing.authority() is not None:
        return "power" if governing.modality == "may" else "authority_duty"
    if _RECURS.search(clause.words(clause.within[0], at)):
        return "review_cycle"
    if governing.modality == "not_required":
        return "retention_ceiling" if _keeps(governing) else "exemption_condition"
    if any(any(link.of("C_REVIEW")) for link in clause.chain) and not _kept_before(clause, atom):
        return "review_cycle"
    if governing.modality not in OWING:
        return "no_duty"
    if clause.above_excepts() or any(
        a.last <= at and "," not in clause.words(a.last, at) for a in clause.of("C_UNLESS")
    ):
        return "exemption_condition"
    return None


def _kept_before(clause: Clause, atom: Atom) -> bool:
    first = clause.passage.token(clause.within[0])
    return any(word in _KEPT for word in clause.passage.words[first : atom.start])


def retention(clause: Clause, atom: Atom) -> StatedPeriod | None:
    """Read a period for which records are kept, or return None."""
    d = atom.duration
    if d is None or d.unit not in ("year", "month", "day") or d.calendar not in ("", "calendar"):
        return None
    if not _kept_before(clause, atom) and not any(_keeps(link) for link in clause.above):
        return None
    lead = clause.passage.words[max(0, atom.start - 5) : atom.start]
    comparison = next((a for a in clause.of("GE", "LE", "GT", "LT") if 0 <= atom.start - a.end <= 1), None)
    if comparison is not None and comparison.label in ("LE", "LT"):
        return None
    after = clause.passage.words[atom.end : atom.end + 2]
    minimum = (
        "minimum" in lead
        or (comparison is not None and comparison.label == "GE")
        or after in (["or", "more"], ["or", "longer"], ["at", "least"])
    )
    first = comparison.first if comparison is not None else atom.first
    return StatedPeriod(d.value, d.unit, minimum, first, atom.last, anchor(clause, atom.last))


def _keeps(clause: Clause) -> bool:
    return any(word in _KEPT for word in clause.passage.words)


def defined(clause: Clause, atom: Atom, minimum: bool) -> StatedPeriod | None:
    """Read "the period is five years", which completes a duty that stands elsewhere."""
    d = atom.duration
    if d is None or d.unit not in ("year", "month", "day"):
        return None
    return StatedPeriod(d.value, d.unit, minimum, atom.first, atom.last, anchor(clause, atom.last))


def anchor(clause: Clause, last: int) -> tuple[int, int] | None:
    """Return the characters of the event that a period ending at `last` runs from."""
    event = _EVENT.search(clause.passage.text, last, min(clause.within[1], last + 40))
    if event is None:
        return None
    end = ANCHOR_END.search(clause.passage.text, event.end(), clause.within[1])
    stop = end.start() if end else clause.within[1]
    first = event.end()
    while first < stop and clause.passage.text[first] == " ":
        first += 1
    while stop > first and clause.passage.text[stop - 1] == " ":
        stop -= 1
    return (first, stop) if first < stop else None
