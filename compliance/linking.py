"""Linking: rules of different provisions joined into one duty, with the words that join them.

A threshold stands in one provision, the time limit in another, the period of keeping in a third. They are
joined by a reference ("a report required by § 1010.311") or, where the text says so in words, by a subject
they share within one instrument ("a report under these Regulations in respect of an electronic funds
transfer"). Two answers that differ join nothing: what is not told is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from compliance.model import Deadline, Retention, Rule
from compliance.places import Place, place_of, refers
from compliance.transactions import akin, type_of_words

__all__ = ["Join", "Linked", "joins", "linked", "resolve_thresholds"]

_T = TypeVar("_T", Deadline, Retention)

What = Literal["deadline", "retention", "exemption", "aggregation", "threshold"]

_DUTIES: Final = frozenset({"report", "record", "cdd", "travel_info", "limit", "prohibit", "aggregate"})
_WHOLE: Final = re.compile(
    r"\b(?:under|by|of|in|to) (?:these|this) "
    r"(?:regulations?|rules?|part|chapter|act|law|ordinance|rulebook|notice)\b"
    r"|\bthis rulebook\b",
    re.IGNORECASE,
)
_RECORDS: Final = re.compile(r"\brecords?\b|\bdocuments?\b|\binformation\b", re.IGNORECASE)
_REPORT: Final = re.compile(r"\breports?\b", re.IGNORECASE)
_THIS_SECTION: Final = re.compile(r"\bthis (?:section|article|regulation)\b", re.IGNORECASE)
_ITS_DUTIES: Final = re.compile(r"\brequirements? of this (?:section|article|regulation)\b", re.IGNORECASE)
_OTHER_THAN: Final = re.compile(r"\b(?:other than|except|excluding|that|who|which)\b")
_EXCEPT_AS: Final = re.compile(r"except (?:as|for|where)\b", re.IGNORECASE)
_JUST_BEFORE: Final = re.compile(
    r"\b(?:preceding|previous) sentence\b|\bfirst subparagraph of this paragraph\b|\bthis paragraph\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Join:
    """One rule completed by another.

    Parameters
    ----------
    rule, other : str
        Identifiers: the rule, and the one that supplies `what`.
    what : str
        `deadline`, `retention`, `exemption`, `aggregation` (the other counts several transactions as the one
        that the rule speaks of) or `threshold` (the other states the amount that the rule names).
    how : str
        The words that join them.
    """

    rule: str
    other: str
    what: What
    how: str

    def supplier(self, rule_id: str) -> str:
        """Return the provision that this join adds to a rule: to an aggregation, the report it leads to."""
        return self.rule if self.other == rule_id else self.other


@dataclass(frozen=True, slots=True)
class Linked:
    """What other provisions add to a rule."""

    deadline: Deadline | None
    retention: Retention | None
    exemptions: tuple[Rule, ...]
    duty: Rule | None
    joins: tuple[Join, ...]


def joins(rules: Sequence[Rule], clauses: Mapping[str, str] | None = None) -> list[Join]:
    """Return every join between rules, in the order of the rules.

    Parameters
    ----------
    rules : sequence of Rule
    clauses : mapping, optional
        Identifier to the words of the clause; without them only subjects and actions are read.
    """
    words = {
        r.rule_id: (clauses or {}).get(r.rule_id) or f"{r.subject or ''} {r.action or ''}" for r in rules
    }
    placed = [(rule, place_of(rule)) for rule in rules]
    found: list[Join] = []
    for rule, place in placed:
        if rule.kind not in _DUTIES or place is None:
            continue
        for other, elsewhere in placed:
            if other is rule or elsewhere is None or elsewhere.instrument != place.instrument:
                continue
            what: What | None = _SUPPLIES.get(other.kind or "")
            if what is None or (what == "aggregation" and rule.kind != "report"):
                continue
            how = _how(what, rule, place, other, elsewhere, words[other.rule_id])
            if how is not None:
                found.append(Join(rule.rule_id, other.rule_id, what, how))
    return found


_SUPPLIES: Final[Mapping[str, What]] = {
    "deadline": "deadline",
    "retain": "retention",
    "exempt": "exemption",
    "aggregate": "aggregation",
}


def _how(what: What, rule: Rule, place: Place, other: Rule, elsewhere: Place, words: str) -> str | None:
    if what == "aggregation":
        return _same_threshold(rule, other)
    if what == "deadline" and rule.kind not in ("report", "cdd", "record", "travel_info"):
        return None
    if what == "exemption":
        return _exempted(rule, place, other, elsewhere, words)
    for reference in other.references:
        if refers(reference, elsewhere, place):
            return f"it refers to “{reference}”"
    if other.references and what == "retention" and _REPORT.search(other.subject or ""):
        return None
    if not _WHOLE.search(words):
        return None
    if what == "retention":
        keeps = _RECORDS.search(words) and rule.kind in ("record", "cdd", "report", "travel_info")
        return "it speaks of all records under the same instrument" if keeps else None
    subject = other.subject or ""
    about = type_of_words(subject)
    speaks = _REPORT.search(subject) and rule.kind == "report"
    if speaks and about is not None and akin(about, rule.transaction_type):
        return f"it speaks of reports under the same instrument about {about.replace('_', ' ')}"
    return None


def _same_threshold(rule: Rule, other: Rule) -> str | None:
    """Say that an aggregation restates a report's own amount, for the same kind of transaction."""
    one, two = rule.trigger, other.trigger
    if one is None or two is None or rule.transaction_type != other.transaction_type:
        return None
    if (one.op, one.amount, one.currency) != (two.op, two.amount, two.currency):
        return None
    subject = _OTHER_THAN.split((rule.subject or "").lower())[0].split()
    excluded = " ".join(e.text.lower().split(",")[0] for e in other.exemptions)
    if subject and subject[-1].rstrip("s") in excluded:
        return None
    return f"the same {two.currency} {two.amount} of the same kind of transaction, summed"


def _exempted(rule: Rule, place: Place, other: Rule, elsewhere: Place, words: str) -> str | None:
    """Say how an exemption reaches a rule: what its subject names decides, else what its words refer to."""
    for reference in rule.references:
        spoken = any(reference in e.text and _EXCEPT_AS.match(e.text) for e in rule.exemptions)
        if spoken and refers(reference, place, elsewhere):
            return f"the rule itself refers to it: “{reference}”"
    subject = other.subject or ""
    named = [reference for reference in other.references if reference in subject]
    same = place.section == elsewhere.section
    if not named:
        said = _THIS_SECTION.match(subject) or _ITS_DUTIES.search(words)
        if said:
            return f"it speaks of “{said[0]}”" if same else None
        said = _JUST_BEFORE.search(subject)
        if said:
            before = same and place.path == elsewhere.path and rule.span[0] < other.span[0]
            return f"it speaks of “{said[0]}”" if before else None
    for reference in named or other.references:
        if refers(reference, elsewhere, place):
            return f"it refers to “{reference}”"
    return None


def linked(rule: Rule, rules: Sequence[Rule], found: Sequence[Join]) -> Linked:
    """Return what other provisions add to a rule; a rule's own words come first.

    An aggregation takes the time limit, the keeping and the exemptions of the report it leads to.
    """
    by_id = {other.rule_id: other for other in rules}
    used = [join for join in found if join.rule == rule.rule_id]
    duty = None
    if rule.kind == "aggregate":
        led = [join for join in found if join.other == rule.rule_id and join.what == "aggregation"]
        if len(led) == 1:
            duty = by_id[led[0].rule]
            used += led
            used += [join for join in found if join.rule == duty.rule_id and join.what != "aggregation"]
    limits = [by_id[j.other].deadline for j in used if j.what == "deadline"]
    if duty is not None and duty.deadline is not None:
        limits = [duty.deadline]
    periods = [by_id[j.other].retention for j in used if j.what == "retention"]
    exempt = {j.other: by_id[j.other] for j in used if j.what == "exemption"}
    return Linked(
        deadline=rule.deadline or _agreed(limits),
        retention=rule.retention or _agreed(periods),
        exemptions=tuple(exempt.values()),
        duty=duty,
        joins=tuple(dict.fromkeys(used)),
    )


def _agreed(found: Sequence[_T | None]) -> _T | None:
    told = [item for item in found if item is not None]
    if not told or any((i.value, i.unit) != (told[0].value, told[0].unit) for i in told):
        return None
    return told[0]


def resolve_thresholds(rules: Sequence[Rule]) -> tuple[list[Rule], list[Join]]:
    """Complete rules that name an amount stated elsewhere in their section ("above the limit").

    Returns
    -------
    (list of Rule, list of Join)
        All rules, completed where exactly one limit stands in the section; and the joins made.
    """
    found: list[Rule] = []
    made: list[Join] = []
    for rule in rules:
        trigger, place = rule.trigger, place_of(rule)
        if trigger is None or trigger.amount is not None or place is None:
            found.append(rule)
            continue
        limits = [
            (other, other.trigger)
            for other in rules
            if other.kind in ("limit", "parameter")
            and other.trigger is not None
            and other.trigger.amount is not None
            and (at := place_of(other)) is not None
            and (at.instrument, at.section) == (place.instrument, place.section)
        ]
        if len(limits) != 1:
            found.append(rule)
            continue
        other, stated = limits[0]
        whole = trigger.model_copy(
            update={
                "amount": stated.amount,
                "currency": stated.currency,
                "equivalent_currency": stated.equivalent_currency,
            }
        )
        found.append(
            rule.model_copy(
                update={
                    "trigger": whole,
                    "transaction_type": rule.transaction_type
                    if rule.transaction_type not in (None, "transaction")
                    else other.transaction_type,
                    "status": "executable" if len(rule.reasons) <= 1 else rule.status,
                    "reasons": rule.reasons[1:],
                }
            )
        )
        made.append(Join(rule.rule_id, other.rule_id, "threshold", "the limit that its section states"))
    return found, made
