"""Wording: which words of a clause say what is to be done, on which condition, and with which exceptions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from compliance.clauses import Clause

__all__ = ["action", "exemptions", "knowledge"]

_EXEMPTION: Final = re.compile(
    r"\b(?:except(?: as| for| where| when| if| in)?|other than|with the exception of|unless|excluding)\b"
    r"[^;.:]*",
    re.IGNORECASE,
)
_ACTION_END: Final = re.compile(
    r"[,;.:—(](?![0-9])"
    r"|\b(?:of each|of every|in respect of|with respect to|when|if|where|within|on or before|as required)\b"
    r"|\b(?:that|which|who|of more|of at least|exceeding|in excess)\b"
)
_CONDITION_OPENS: Final = re.compile(r"\b(?:if|where|when|provided that|and)\b|[,;]", re.IGNORECASE)


def action(clause: Clause) -> tuple[int, int] | None:
    """Return the characters of what the main clause demands, up to its object's conditions."""
    if clause.modal is None:
        return None
    first, last = clause.action_start, clause.within[1]
    text = clause.passage.text
    while first < last and text[first] in " ,":
        first += 1
    end = _ACTION_END.search(text, first + 1, last)
    stop = end.start() if end else last
    while stop > first and text[stop - 1] in " ,.;:":
        stop -= 1
    return (first, stop) if first < stop else None


def exemptions(clause: Clause) -> Iterator[tuple[int, int]]:
    """Yield the characters of each exception that stands in the clause."""
    for match in _EXEMPTION.finditer(clause.passage.text, *clause.within):
        last = match.end()
        while clause.passage.text[last - 1] in " ,":
            last -= 1
        yield match.start(), last


def knowledge(clause: Clause) -> tuple[int, int] | None:
    """Return the characters of a condition such as "if the bank has knowledge"."""
    cue = next(clause.of("C_KNOWLEDGE"), None)
    if cue is None:
        return None
    opens = list(_CONDITION_OPENS.finditer(clause.passage.text, clause.within[0], cue.first))
    first = opens[-1].start() if opens else cue.first
    while clause.passage.text[first] in " ,;":
        first += 1
    return first, cue.last
