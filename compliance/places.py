"""Places in law: a citation as instrument, section and path, and whether a reference leads to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from compliance.model import Rule

__all__ = ["Place", "place_of", "refers"]

_TAIL: Final = re.compile(r"([0-9]+(?:[.-][0-9]+)*[A-Za-z]{0,2})((?:\([0-9A-Za-z]+\))*)$")
_INSIDE: Final = re.compile(
    r"\s*(?:sub-?)?(?:paragraph|section|point|clause|regulation|article|rule)s?\b", re.I
)
_WITHIN: Final = re.compile(r"\s*(?:paragraph|subparagraph|subsection|point|clause|item|indent)s?\b", re.I)
_PARTS: Final = re.compile(r"\(([0-9A-Za-z]+)\)")
_NUMBERED: Final = re.compile(r"(?<![0-9/])([0-9]+(?:[.-][0-9]+)*[A-Za-z]?)((?:\([0-9A-Za-z]+\))*)(?![0-9/])")
_JOINED: Final = re.compile(r",?\s*(?:points?|letters?)\s*((?:\([0-9A-Za-z]+\))+)", re.I)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule stands: "31 CFR", "1010.330", ("a", "1", "i")."""

    instrument: str
    section: str
    path: tuple[str, ...]


def place_of(rule: Rule) -> Place | None:
    """Return the place of a rule; None where the text told no citation."""
    if rule.citation is None:
        return None
    cited = rule.citation.split(", modelled on")[0]
    match = _TAIL.search(cited)
    if match is None:
        return None
    return Place(cited[: match.start()].strip(), match[1], tuple(_PARTS.findall(match[2])))


def refers(reference: str, at: Place, to: Place) -> bool:
    """Say whether a reference that stands at one place leads to another of the same instrument."""
    if at.instrument != to.instrument:
        return False
    if _WITHIN.match(reference):
        if at.section != to.section:
            return False
        path = tuple(_PARTS.findall(reference)) or ()
        numbers = tuple(m[1] for m in _NUMBERED.finditer(_PARTS.sub("", reference)))
        wanted = (*numbers, *path)
        return bool(wanted) and (_along(wanted, to.path) or _along((*at.path[:1], *wanted), to.path))
    if not _INSIDE.match(reference) and "§" not in reference:
        return False
    text = _JOINED.sub(r"\1", reference)
    return any(m[1] == to.section and _along(_PARTS.findall(m[2]), to.path) for m in _NUMBERED.finditer(text))


def _along(wanted: list[str] | tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Say whether one path leads through the other: (3), and (3)(b)(i), meet a rule at (3)."""
    shorter = min(len(wanted), len(path))
    return tuple(wanted)[:shorter] == path[:shorter]
