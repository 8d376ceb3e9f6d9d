"""Dates that a finding owes: by when the duty is to be done, and until when its record is kept.

A date is computed only where the text says from what the time runs and the row tells when that was: the
transaction. Everything else (a request, a suspicion, the end of a relationship) only the bank knows, and the
answer says so in the words of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from compliance.calendars import Calendar, add_months, calendar_of
from compliance.durations import MONTHS
from compliance.jurisdictions import Establishment
from compliance.model import Deadline, Retention

__all__ = ["Due", "due", "keep_until"]

#: Starts of a period that are the transaction itself, in the words of laws.
_TRANSACTION: Final = re.compile(
    r"\b(?:transactions?|transfers?|transmittals?|receipts?|receiv\w*|disburse\w*|payments?|paid|deposit\w*|withdraw\w*|initiat\w*|occur\w*|remit\w*|sent|amount|currency|cash)\b",
    re.IGNORECASE,
)
#: Starts that are something else although a transaction is named beside them.
_OTHER: Final = re.compile(
    r"\b(?:know\w*|knowledge|aware\w*|suspi\w*|detect\w*|discover\w*|determin\w*|request\w*|relationship|"
    r"clos\w*|terminat\w*|notif\w*|designat\w*|ends?|ceas\w*|report|identif\w*|recei\w+ (?:of )?(?:the |a )?"
    r"(?:request|notice|order|direction))\b",
    re.IGNORECASE,
)
_MONTHS: Final = {name.lower(): number for number, name in enumerate(MONTHS, 1)}
_DATE: Final = re.compile(
    rf"\b(?:({'|'.join(_MONTHS)}) ([0-9]{{1,2}})|([0-9]{{1,2}}) ({'|'.join(_MONTHS)}))\b", re.IGNORECASE
)
_YEAR_AFTER: Final = re.compile(r"\bprevious (?:calendar )?year\b|\bpreceding (?:calendar )?year\b", re.I)


@dataclass(frozen=True, slots=True)
class Due:
    """When something is due.

    Parameters
    ----------
    on : date or None
        The last day; None where only the bank can tell, or the text leaves it to others.
    at : datetime or None
        The moment, for a time limit in hours, in the bank's time zone.
    words : str
        How it was computed, or why it was not.
    """

    on: date | None
    at: datetime | None
    words: str

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "on": self.on.isoformat() if self.on else None,
            "at": self.at.isoformat() if self.at else None,
            "words": self.words,
        }


def _open(words: str) -> Due:
    return Due(None, None, words)


def due(limit: Deadline, event: date, moment: int, home: Establishment | None, *, clause: str = "") -> Due:
    """Return when a duty is due.

    Parameters
    ----------
    limit : Deadline
    event : date
        The business date of the transaction, local to its bank; of several, the last.
    moment : int
        Its time, Unix seconds (the end of what the row leaves open).
    home : Establishment or None
        Where the bank stands; business days and hours need it.
    clause : str
        The words around the limit.
    """
    anchor = limit.anchor or ""
    if limit.unit == "external":
        return _open(f"set elsewhere: {anchor or 'the text names no time'}")
    if limit.unit == "calendar_date":
        return _on_date(anchor, event, clause)
    elsewhere = _elsewhere(anchor)
    if elsewhere is not None:
        return _open(elsewhere)
    start = " ".join(anchor.split()) or "the text names no start; the transaction is taken"
    said = f"from {event.isoformat()} ({start})"
    if limit.unit in ("before", "at_time_of"):
        return Due(event, None, f"{limit.unit.replace('_', ' ')} the transaction, {event.isoformat()}")
    if limit.value is None:
        return _open("the text names no number")
    if limit.unit == "hour":
        zone = ZoneInfo(home.zone) if home and home.zone else UTC
        at = datetime.fromtimestamp(moment, UTC) + timedelta(hours=limit.value)
        return Due(at.astimezone(zone).date(), at.astimezone(zone), f"{limit.value} hours {said}")
    if limit.unit in ("business_day", "working_day"):
        if home is None:
            return _open(f"{limit.value} business days {said}; the bank's country is not known")
        days = calendar_of(home)
        return Due(
            days.add_business_days(event, limit.value),
            None,
            f"{limit.value} business days {said}, calendar of {days.place}",
        )
    if limit.unit == "month":
        return _closed(Due(add_months(event, limit.value), None, f"{limit.value} months {said}"), home)
    return _closed(Due(event + timedelta(days=limit.value), None, f"{limit.value} days {said}"), home)


def keep_until(retention: Retention, event: date) -> Due:
    """Return until when a record of a transaction of `event` is kept."""
    anchor = retention.anchor or ""
    elsewhere = _elsewhere(anchor)
    if elsewhere is not None:
        return _open(elsewhere)
    months = {"year": 12, "month": 1}.get(retention.unit)
    on = add_months(event, months * retention.value) if months else event + timedelta(days=retention.value)
    least = "at least " if retention.minimum else ""
    plural = "s" if retention.value != 1 else ""
    return Due(on, None, f"{least}{retention.value} {retention.unit}{plural} from {event.isoformat()}")


def _elsewhere(anchor: str) -> str | None:
    """Return why a start is not the transaction; None where it is, or where the text names none."""
    if not anchor or (_TRANSACTION.search(anchor) and not _OTHER.search(anchor)):
        return None
    return f"runs from “{' '.join(anchor.split())}”, which only the bank can date"


def _on_date(anchor: str, event: date, clause: str) -> Due:
    match = _DATE.search(anchor)
    if match is None:
        return _open(f"on a date that the text sets: {' '.join(anchor.split())}")
    month = _MONTHS[(match[1] or match[4]).lower()]
    day = int(match[2] or match[3])
    year = event.year + (1 if _YEAR_AFTER.search(clause) else 0)
    try:
        on = date(year, month, day)
        if on < event:
            on = date(year + 1, month, day)
    except ValueError:
        return _open(f"“{match[0]}” is no date")
    return Due(on, None, " ".join(anchor.split()))


def _closed(found: Due, home: Establishment | None) -> Due:
    """Say that a last day is no business day: whether it then moves, general law decides, not this text."""
    if home is None or found.on is None:
        return found
    days: Calendar = calendar_of(home)
    reason = days.closed(found.on)
    if reason is None:
        return found
    following = days.business_day(found.on)
    return Due(
        found.on,
        found.at,
        f"{found.words}; that day is no business day in {days.place} ({reason}), the next is "
        f"{following.isoformat()}: whether the limit moves, the clause does not say",
    )
