"""The lexicon: fixed phrases of regulatory English, by what they mean; the phrases stand in `lexicon.txt`."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

__all__ = ["ACTIONS", "COMPARATORS", "CUES", "MODALS", "PHRASES", "WINDOWS"]

Group = dict[str, list[str]]


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


_GROUPS: Final = _load()

#: Comparisons that stand before the amount, and (AFTER_) after it. ONLY_ are limits: "only up to".
COMPARATORS: Final[Group] = _GROUPS["COMPARATORS"]
MODALS: Final[Group] = _GROUPS["MODALS"]
#: What a duty is about.
ACTIONS: Final[Group] = _GROUPS["ACTIONS"]
#: What is counted together; the label's tail is a unit of the interchange format.
WINDOWS: Final[Group] = _GROUPS["WINDOWS"]
#: Words that say what an amount is, or who is speaking; judged by place.
CUES: Final[Group] = _GROUPS["CUES"]
PHRASES: Final[Group] = {**COMPARATORS, **MODALS, **ACTIONS, **WINDOWS, **CUES}
