"""Windows: which transactions are counted together, and over how long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from compliance.atoms import Atom, Passage

__all__ = ["Window", "window"]


@dataclass(frozen=True, slots=True)
class Window:
    """Which transactions are counted together: a unit of the interchange format, and where it is said."""

    unit: str
    value: int | None
    first: int
    last: int


_DAY: Final = {
    "": "calendar_day",
    "calendar": "calendar_day",
    "business": "business_day",
    "working": "business_day",
    "gaming": "gaming_day",
}


_NARROWEST_FIRST: Final = (
    "consecutive_hour",
    "gaming_day",
    "business_day",
    "linked_transactions",
    "contemporaneous",
    "one_time",
    "calendar_day",
    "calendar_month",
    "calendar_year",
    "single_transaction",
)


def window(passage: Passage, within: tuple[int, int]) -> Window | None:
    """Return the window of a threshold: what its own sentence says about counting together."""
    found = list(_windows(passage, within))
    if not found:
        return None
    aggregated = any(passage.of("C_AGGREGATED", "A_AGGREGATE", within=within))
    ranked = [w for w in found if w.unit != "request"] or (found if aggregated else [])
    order = {unit: place for place, unit in enumerate(_NARROWEST_FIRST)}
    return min(ranked, key=lambda w: (order.get(w.unit, 10), w.first), default=None)


def _windows(passage: Passage, within: tuple[int, int]) -> Iterator[Window]:
    first, last = within
    for atom in passage.atoms:
        if atom.first < first or atom.last > last:
            continue
        if atom.label.startswith("W_"):
            unit = atom.label.removeprefix("W_")
            timed = unit.endswith(("_day", "_month", "_year"))
            if timed and not _counts(passage, atom, within):
                continue
            yield Window(unit, 1 if timed else None, atom.first, atom.last)
        elif atom.duration is not None and _counts(passage, atom, within):
            d = atom.duration
            if d.unit == "hour":
                yield Window("consecutive_hour", d.value, atom.first, atom.last)
            elif d.unit == "day" and d.calendar == "consecutive":
                yield Window("consecutive_hour", 24 * d.value, atom.first, atom.last)
            elif d.unit in ("day", "week"):
                yield Window(
                    _DAY.get(d.calendar, "calendar_day"),
                    d.value * (7 if d.unit == "week" else 1),
                    atom.first,
                    atom.last,
                )
            elif d.unit in ("month", "year"):
                yield Window(f"calendar_{d.unit}", d.value, atom.first, atom.last)


_COUNTING: Final = frozenset(
    [
        "transactions",
        "transaction",
        "series",
        "totaling",
        "totalling",
        "total",
        "totals",
        "aggregate",
        "aggregating",
        "aggregates",
        "conducted",
        "carried",
        "purchased",
        "received",
        "deposited",
        "deposits",
        "withdrawals",
        "payments",
        "purchases",
        "maintained",
        "effected",
        "undertaken",
        "executed",
        "occur",
        "occurring",
        "accounts",
        "cash",
        "currency",
        "operations",
        "aggregated",
        "combined",
        "amounts",
        "amount",
        "received",
        "sent",
        "paid",
        "wagered",
        "exchanged",
    ]
)
_DUTY: Final = frozenset(
    [
        "report",
        "reported",
        "file",
        "filed",
        "filing",
        "submit",
        "submitted",
        "notify",
        "notified",
        "send",
        "sent",
        "furnish",
        "furnished",
        "lodge",
        "lodged",
        "inform",
        "retain",
        "retained",
        "keep",
        "kept",
        "maintain",
        "preserve",
        "preserved",
        "give",
        "declared",
        "retention",
        "designation",
        "transmit",
    ]
)


_LEADS: Final = frozenset(
    ["during", "within", "in", "over", "on", "per", "any", "each", "same", "a", "every", "throughout"]
)
_PLURAL: Final = frozenset(
    [
        "transactions",
        "payments",
        "deposits",
        "withdrawals",
        "purchases",
        "operations",
        "transfers",
        "disbursements",
        "cheques",
    ]
)


def _several(passage: Passage, atom: Atom, within: tuple[int, int]) -> bool:
    """Say whether a sentence adds up several transactions, so that "within" can be about them."""
    if atom.duration is not None and atom.duration.value == 1 and atom.duration.unit == "day":
        return True
    if any(cue.first < atom.first for cue in passage.of("C_AGGREGATED", within=within)):
        return True
    near = passage.words[max(0, atom.start - 8) : atom.start]
    return bool(_PLURAL & set(near))


def _counts(passage: Passage, atom: Atom, within: tuple[int, int]) -> bool:
    """Say whether a period counts transactions ("made within 24 hours"), not the time for a duty."""
    if atom.duration is not None and atom.duration.calendar == "consecutive":
        return True
    words = passage.words
    lead = words[max(0, atom.start - 4) : atom.start]
    if not _LEADS & (set(lead) | set(words[atom.start : atom.end])):
        return False
    if "within" in lead and atom.duration is not None and not _several(passage, atom, within):
        return False
    for place in range(atom.start - 1, -1, -1):
        if passage.starts[place] < within[0]:
            break
        if words[place] in _DUTY:
            return False
        if words[place] in _COUNTING or any(m.start <= place < m.end for m in passage.of("MONEY")):
            return True
    return False
