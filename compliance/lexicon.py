"""The lexicon: fixed phrases of regulatory English, by what they mean; the phrases stand in `lexicon.txt`.

Comparisons are made from three lists of words, since law joins them freely: "equal to or above", "at or
over", "exceeding or equal to", "not less than", "shall not be more than".
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Final

__all__ = ["ACTIONS", "COMPARATORS", "CUES", "MODALS", "PHRASES", "SETS", "WINDOWS"]

Group = dict[str, list[str]]

_NOT: Final = (
    "not",
    "no",
    "never",
    "not be",
    "is not",
    "are not",
    "does not",
    "do not",
    "did not",
    "shall not",
    "must not",
    "may not",
    "cannot",
    "shall not be",
    "must not be",
    "may not be",
    "neither",
)


def _load() -> dict[str, Group]:
    """Read the groups of `lexicon.txt`: label to phrases."""
    groups: dict[str, dict[str, str]] = {}
    joined: dict[str, str] = {}
    for line in (files(__package__) / "lexicon.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            joined = groups.setdefault(line[1 : line.index("]")], {})
        elif line.startswith("  "):
            label = next(reversed(joined))
            joined[label] += " " + line.strip()
        elif line.endswith(":"):
            joined[line[:-1]] = ""
    return {
        name: {label: [p.strip() for p in text.split("|") if p.strip()] for label, text in group.items()}
        for name, group in groups.items()
    }


def _compose(words: Group, group: Group) -> Group:
    """Add the comparisons that are made of "more", "less", "equal" and "not"."""

    def joined(kind: list[str]) -> Iterator[str]:
        for equal in words["EQUAL"]:
            for other in kind:
                yield f"{equal} or {other}"
                yield f"{other} or {equal}"
                yield f"{other} , or {equal} ,"
                yield f"{equal} and {other}"
                yield f"{equal} or is {other}"

    made = {
        "GT": [*words["MORE"]],
        "LT": [*words["LESS"]],
        "GE": [*joined(words["MORE"]), *(f"{no} {less}" for no in _NOT for less in words["LESS"])],
        "LE": [*joined(words["LESS"]), *(f"{no} {more}" for no in _NOT for more in words["MORE"])],
    }
    return {label: list(dict.fromkeys([*phrases, *made.get(label, [])])) for label, phrases in group.items()}


_GROUPS: Final = _load()

#: Comparisons that stand before the amount, and (AFTER_) after it. ONLY_ are limits: "only up to".
COMPARATORS: Final[Group] = _compose(_GROUPS["WORDS"], _GROUPS["COMPARATORS"])
MODALS: Final[Group] = _GROUPS["MODALS"]
#: What a duty is about.
ACTIONS: Final[Group] = _GROUPS["ACTIONS"]
#: What is counted together; the label's tail is a unit of the interchange format.
WINDOWS: Final[Group] = _GROUPS["WINDOWS"]
#: Words that say what an amount is, or who is speaking; judged by place.
CUES: Final[Group] = _GROUPS["CUES"]
#: Single words by the part they play.
SETS: Final[dict[str, frozenset[str]]] = {name: frozenset(words) for name, words in _GROUPS["SETS"].items()}
PHRASES: Final[Group] = {**COMPARATORS, **MODALS, **ACTIONS, **WINDOWS, **CUES}
