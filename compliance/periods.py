"""Periods: how long records are kept, by when a duty is done, or why a period is neither."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from compliance.atoms import Atom
from compliance.clauses import Clause

__all__ = ["Period", "anchor", "deadline", "period_reason", "retention"]

_MONTHS: Final = "January|February|March|April|May|June|July|August|September|October|November|December"
_BY: Final = r"(?:on or before|no later than|not later than|by|before|until)"
_DAY: Final = rf"(?:(?:{_MONTHS}) [0-9]{{1,2}}|[0-9]{{1,2}}(?:st|nd|rd|th)? (?:of )?(?:{_MONTHS}))"
_NTH: Final = (
    r"(?:[0-9]{1,2}(?:st|nd|rd|th)|[a-z]+(?:th|st|nd|rd)) (?:working |business |calendar )?day of "
    r"(?:the |each |every )?[a-z ]{4,40}"
)
_END: Final = r"the end of (?:the|each|every) [a-z]+ [a-z]+"
_DATE = re.compile(
    rf"\b{_BY} (?:the )?(?:{_DAY}|{_NTH}|{_END})"
    r"(?: (?:of|in) (?:each|every|the)(?: [a-z]+){1,2})?(?!,? [0-9]{4})"
)
_EVENT = re.compile(
    r"\b(?:after|following|from|of|since|beginning (?:on|after|from)|starting (?:on|from)"
    r"|commencing on|to|before)\b"
)
_ANCHOR_END = re.compile(r"[,;.:—]|\b(?:unless|if|provided|and shall|with respect to)\b")
_KEPT: Final = frozenset(
    [
        "keep",
        "kept",
        "keeps",
        "keeping",
        "retain",
        "retained",
        "retains",
        "retention",
        "retaining",
        "maintain",
        "maintained",
        "maintains",
        "preserve",
        "preserved",
        "store",
        "stored",
        "storage",
        "held",
        "hold",
        "available",
    ]
)


@dataclass(frozen=True, slots=True)
class Period:
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
    for other in clause.of("C_AUTHORITY"):
        follows = clause.passage.words[other.end : other.end + 1]
        if other.last <= at and follows and follows[0] in ("may", "can", "could"):
            return "power"
    governing = clause.governing()
    if governing is None:
        return "no_duty"
    if governing.authority() is not None:
        return "power" if governing.modality == "may" else "authority_duty"
    if governing.modality == "not_required":
        kept = any(word in _KEPT for word in governing.passage.words)
        return "retention_ceiling" if kept else "exemption_condition"
    if any(any(link.of("C_REVIEW")) for link in clause.chain) and not _kept_before(clause, atom):
        return "review_cycle"
    if governing.modality not in ("must", "must_not", "deem"):
        return "no_duty"
    tails = [link.passage.words[-3:] for link in clause.above]
    if any("unless" in tail or "except" in tail for tail in tails) or any(
        a.last <= at and "," not in clause.words(a.last, at) for a in clause.of("C_UNLESS")
    ):
        return "exemption_condition"
    return None


def _kept_before(clause: Clause, atom: Atom) -> bool:
    words = clause.passage.words
    first = next(i for i, s in enumerate(clause.passage.starts) if s >= clause.within[0])
    return any(word in _KEPT for word in words[first : atom.start])


def retention(clause: Clause, atom: Atom) -> Period | None:
    """Read a period for which records are kept, or return None."""
    d = atom.duration
    if d is None or d.unit not in ("year", "month", "day") or d.calendar not in ("", "calendar"):
        return None
    kept = _kept_before(clause, atom) or any(_keeps(link) for link in clause.above)
    if not kept or _leads_deadline(clause, atom):
        return None
    lead = clause.passage.words[max(0, atom.start - 5) : atom.start]
    comparison = next((a for a in clause.of("GE", "LE", "GT", "LT") if 0 <= atom.start - a.end <= 1), None)
    if comparison is not None and comparison.label in ("LE", "LT"):
        return None
    minimum = "minimum" in lead or (comparison is not None and comparison.label == "GE")
    first = comparison.first if comparison is not None else atom.first
    return Period(d.value, d.unit, minimum, first, atom.last, anchor(clause, atom.last))


def _keeps(clause: Clause) -> bool:
    return any(word in _KEPT for word in clause.passage.words)


def _leads_deadline(clause: Clause, atom: Atom) -> Atom | None:
    """Return the words ("within", "no later than") that make a period a time limit."""
    for cue in reversed([a for a in clause.of("C_BEFORE_IT") if a.end <= atom.start]):
        between = clause.passage.words[cue.end : atom.start]
        if len(between) <= 4 and all(
            w
            in {"a", "the", "an", "period", "of", "next", "first", "any", "than", "maximum", "(", "following"}
            for w in between
        ):
            words = clause.words(cue.first, cue.last).lower()
            return (
                None
                if words in ("not exceeding", "not more than", "no more than") and "period" not in between
                else cue
            )
    return None


def deadline(clause: Clause) -> Period | None:
    """Read the time limit of a sentence's duty, or return None."""
    hard = _hard_limit(clause)
    if hard is not None:
        return hard
    governing = clause.governing()
    if governing is None or governing.modality not in ("must", "must_not", "deem"):
        return None
    if governing.authority() is not None:
        return None
    for atom in clause.of("DURATION"):
        cue = _leads_deadline(clause, atom)
        d = atom.duration
        if cue is None or d is None or not _of_duty(clause, cue) or d.calendar == "consecutive":
            continue
        return _limit(clause, cue, atom)
    reporting = any(governing.of("A_REPORT"))
    after = clause.modal.last if clause.modal else clause.within[0]
    date = _DATE.search(clause.passage.text, after, clause.within[1])
    if date and reporting:
        return Period(None, "calendar_date", False, *date.span(), date.span())
    for label, unit in (("C_EXTERNAL", "external"), ("C_AT_TIME", "at_time_of")):
        for cue in clause.of(label):
            if reporting and cue.first >= after and clause.modal is not None:
                end = _ANCHOR_END.search(clause.passage.text, cue.last, clause.within[1])
                last = end.start() if end else clause.within[1]
                return Period(None, unit, False, cue.first, last, (cue.first, last))
    return None


def _hard_limit(clause: Clause) -> Period | None:
    """Read "in no case shall reporting be delayed more than 60 calendar days", whatever else is permitted."""
    for cue in clause.of("C_HARD_LIMIT"):
        for atom in clause.of("DURATION"):
            if 0 <= atom.start - cue.end <= 2:
                return _limit(clause, cue, atom)
    return None


_CALENDAR_UNIT: Final = {"calendar": "calendar_day", "business": "business_day", "working": "working_day"}


def _limit(clause: Clause, cue: Atom, atom: Atom) -> Period | None:
    """Return the time limit of a duration and the words that make it one."""
    d = atom.duration
    if d is None:
        return None
    last, value, unit = atom.last, d.value, d.unit
    if clause.passage.words[atom.end : atom.end + 1] == ["period"]:
        last = clause.passage.ends[atom.end]
    if unit == "day":
        unit = _CALENDAR_UNIT.get(d.calendar, "day")
    elif unit == "week":
        value, unit = 7 * value, "day"
    elif unit == "year":
        value, unit = 12 * value, "month"
    return Period(value, unit, False, cue.first, last, anchor(clause, last))


def _of_duty(clause: Clause, cue: Atom) -> bool:
    """Say whether a time limit belongs to the main duty and not to the condition before it."""
    modal = clause.modal
    if modal is None or modal.first < cue.first:
        return True
    comma = clause.passage.text.find(",", cue.last, modal.first)
    return comma < 0


def anchor(clause: Clause, last: int) -> tuple[int, int] | None:
    """Return the characters of the event that a period ending at `last` runs from."""
    event = _EVENT.search(clause.passage.text, last, min(clause.within[1], last + 40))
    if event is None:
        return None
    end = _ANCHOR_END.search(clause.passage.text, event.end(), clause.within[1])
    stop = end.start() if end else clause.within[1]
    first = event.end()
    while first < stop and clause.passage.text[first] == " ":
        first += 1
    while stop > first and clause.passage.text[stop - 1] == " ":
        stop -= 1
    return (first, stop) if first < stop else None
