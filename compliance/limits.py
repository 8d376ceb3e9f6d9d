"""Limits: by when a duty is to be done, in days, by a date, before or at the time of an event."""

from __future__ import annotations

import re
from typing import Final

from compliance.atoms import Atom
from compliance.clauses import Clause
from compliance.counting import Window
from compliance.durations import MONTHS
from compliance.lexicon import SETS
from compliance.modals import OWING
from compliance.periods import ANCHOR_END, StatedPeriod, anchor
from compliance.tokens import ordinal

__all__ = ["deadline", "limiting"]

_MONTHS: Final = "|".join(MONTHS)
_BY: Final = r"(?:on or before|no later than|not later than|at the latest by|by|before|until|prior to)"
_DAY: Final = rf"(?:(?:{_MONTHS}) [0-9]{{1,2}}|[0-9]{{1,2}}(?:st|nd|rd|th)? (?:day )?(?:of )?(?:{_MONTHS}))"
_PERIOD: Final = (
    r"(?:(?:the|each|every|that) )?(?:(?:next|following|succeeding|subsequent|same|preceding|calendar|"
    r"first|last|immediately|"
    r"relevant|reporting) )*(?:month|week|quarter|year|half-year)\w*(?: (?:following|after|in which|"
    r"to which|of) [a-z ]{3,60})?"
)
_NTH: Final = (
    r"(?:the )?(?:[0-9]{1,2}(?:st|nd|rd|th)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|"
    r"[a-z]+teenth|twentieth|twenty-[a-z]+|thirtieth|last)"
    rf"(?: (?:working |business |calendar |banking )?day)? (?:of|in) {_PERIOD}"
)
_END: Final = rf"the (?:end|close|last day) of (?:the (?:first|second|third|fourth) )?{_PERIOD}"
_WEEKDAY: Final = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day(?: (?:of|in) [a-z ]{4,60})?"
_DATE: Final = re.compile(
    rf"\b{_BY} (?:the )?(?:{_DAY}|{_NTH}|{_END}|{_WEEKDAY})"
    r"(?: (?:of|in) (?:each|every|the|any)(?: [a-z]+){1,3})?(?: (?:each|every) year)?(?!,? [0-9]{4})",
    re.IGNORECASE,
)
#: "by the next business day": one day of that calendar.
_NEXT_DAY: Final = re.compile(
    rf"\b(?:{_BY}|on|within|during|not later than|no later than) (?:the )?(?:(?:end|close) of (?:the )?)?"
    r"(?:(?P<before>next|following|first|immediately following|succeeding) (?P<calendar>business|"
    r"working|banking|calendar)? ?day"
    r"|(?P<calendar2>business|working|banking|calendar)? ?day (?:immediately )?(?:following|after|"
    r"next after))\b",
    re.IGNORECASE,
)
#: "by the 15th day after": fifteen days.
_NTH_AFTER: Final = re.compile(
    rf"\b{_BY} (?:the )?(?P<nth>[0-9]{{1,3}}(?:st|nd|rd|th)|[a-z]+(?:st|nd|rd|th)) "
    r"(?P<calendar>business |working |banking |calendar )?day (?:after|following|from)\b",
    re.IGNORECASE,
)
_BEFORE_IT: Final = re.compile(
    r"\b(?:before|prior to|in advance of|ahead of) (?=(?:the |any |each |such |an? )?(?:[a-z-]+ing|"
    r"establishment|opening|execution|"
    r"completion|carrying|transfer|transaction|payment|purchase|sale|disbursement|issuance|issue|provision|processing|arrival|"
    r"crediting|leaving|departure|entry|conclusion|commencement|release|"
    r"account)\b)"
    r"|\bin advance\b|\bbeforehand\b",
    re.IGNORECASE,
)
_FILLER: Final = SETS["LIMIT_FILLER"]
_CALENDAR_UNIT: Final = {"calendar": "calendar_day", "business": "business_day", "working": "working_day"}


def deadline(clause: Clause, window: Window | None = None) -> StatedPeriod | None:
    """Read the time limit of a sentence's duty, or None; `window` is a time that counts transactions."""
    hard = _hard_limit(clause)
    if hard is not None:
        return hard
    governing = clause.governing()
    if governing is None or governing.modality not in OWING or governing.authority() is not None:
        return None
    for atom in clause.of("DURATION"):
        cue = limiting(clause, atom)
        d = atom.duration
        if cue is None or d is None or not _of_duty(clause, cue) or d.calendar == "consecutive":
            continue
        if window is None or atom.last <= window.first or window.last <= atom.first:
            return _limit(clause, cue, atom)
    reporting = any(governing.of("A_REPORT"))
    after = clause.modal.last if clause.modal else clause.within[0]
    if reporting and (dated := _dated(clause, after)):
        return dated
    for label, unit in (("C_EXTERNAL", "external"), ("C_AT_TIME", "at_time_of")):
        for cue in clause.of(label):
            if reporting and cue.first >= after and clause.modal is not None:
                return _event(clause, unit, cue.first, cue.last)
    before = _BEFORE_IT.search(clause.passage.text, after, clause.within[1])
    if before and clause.modal is not None and "," not in clause.words(after, before.start()).lstrip(", "):
        return _event(clause, "before", *before.span())
    return None


def _dated(clause: Clause, after: int) -> StatedPeriod | None:
    """Read a date, or the next business day; a date may open the sentence."""
    text = clause.passage.text
    date = _DATE.search(text, after, clause.within[1]) or _DATE.match(text, *clause.within)
    if date:
        return StatedPeriod(None, "calendar_date", False, *date.span(), date.span())
    nth = _NTH_AFTER.search(text, after, clause.within[1])
    if nth and (value := ordinal(nth["nth"])):
        unit = _CALENDAR_UNIT.get(
            (nth["calendar"] or "").strip().lower().replace("banking", "business"), "day"
        )
        return StatedPeriod(value, unit, False, *nth.span(), anchor(clause, nth.end() - 6))
    following = _NEXT_DAY.search(text, after, clause.within[1])
    if following is None:
        return None
    calendar = (following["calendar"] or following["calendar2"] or "").lower().replace("banking", "business")
    return StatedPeriod(
        1, _CALENDAR_UNIT.get(calendar, "day"), False, *following.span(), anchor(clause, following.end())
    )


def _event(clause: Clause, unit: str, first: int, last: int) -> StatedPeriod:
    end = ANCHOR_END.search(clause.passage.text, last, clause.within[1])
    stop = end.start() if end else clause.within[1]
    return StatedPeriod(None, unit, False, first, stop, (first, stop))


def limiting(clause: Clause, atom: Atom) -> Atom | None:
    """Return the words ("within", "no later than") that make a period a time limit."""
    for cue in reversed([a for a in clause.of("C_BEFORE_IT") if a.end <= atom.start]):
        between = clause.passage.words[cue.end : atom.start]
        if len(between) <= 6 and all(w in _FILLER for w in between):
            words = clause.words(cue.first, cue.last).lower()
            loose = words in ("not exceeding", "not more than", "no more than") and "period" not in between
            return None if loose else cue
    return None


def _hard_limit(clause: Clause) -> StatedPeriod | None:
    """Read "in no case shall reporting be delayed more than 60 calendar days", whatever else is permitted."""
    for cue in clause.of("C_HARD_LIMIT"):
        for atom in clause.of("DURATION"):
            if 0 <= atom.start - cue.end <= 2:
                return _limit(clause, cue, atom)
    return None


def _limit(clause: Clause, cue: Atom, atom: Atom) -> StatedPeriod | None:
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
    return StatedPeriod(value, unit, False, cue.first, last, anchor(clause, last))


def _of_duty(clause: Clause, cue: Atom) -> bool:
    """Say whether a time limit belongs to the main duty and not to the condition before it."""
    modal = clause.modal
    if modal is None or modal.first < cue.first:
        return True
    comma = clause.passage.text.find(",", cue.last, modal.first)
    opens = clause.words(clause.within[0], cue.first).strip() == ""
    return comma < 0 or opens
