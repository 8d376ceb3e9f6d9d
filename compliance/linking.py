"""Linking: rules that stand in different provisions joined through the references they make."""

from __future__ import annotations

import re
from collections.abc import Sequence

from compliance.model import Deadline, Rule

__all__ = ["deadline_for", "refers_to"]

_NUMBER = re.compile(
    r"[0-9]+(?:\.[0-9]+)*[A-Za-z]?(?:\([0-9A-Za-z]+\))*|\([0-9A-Za-z]+\)(?:\([0-9A-Za-z]+\))*"
)


def deadline_for(rule: Rule, rules: Sequence[Rule]) -> Deadline | None:
    """Return the time limit that another provision sets for what a rule asks for.

    None where no provision refers to the rule, or where two set different limits: nothing is guessed.
    """
    limits = [
        other.deadline
        for other in rules
        if other.kind == "deadline" and other.deadline is not None and refers_to(other, rule)
    ]
    if not limits or any((d.value, d.unit) != (limits[0].value, limits[0].unit) for d in limits):
        return None
    return limits[0]


def refers_to(other: Rule, rule: Rule) -> bool:
    """Say whether a rule refers to another by its section, or by its paragraph within one section."""
    if rule.citation is None or other.citation is None or rule is other or rule.kind != "report":
        return False
    cited = rule.citation.split(", modelled on")[0]
    section = cited.split("(")[0] if "CFR" in cited or "(EU)" not in cited else cited
    for reference in other.references:
        for number in _NUMBER.findall(reference):
            if reference.lower().startswith(("paragraph", "subsection", "subparagraph", "point")):
                wanted = number if number.startswith("(") else f"({number})"
                if _stem(rule) == _stem(other) and wanted in cited:
                    return True
            elif re.search(rf"(?<![0-9.]){re.escape(number)}(?![0-9.])", section):
                return True
    return False


def _stem(rule: Rule) -> str:
    return rule.rule_id.rsplit("-", 1)[0]
