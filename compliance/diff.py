"""The difference between two editions of a text, in rules and not in lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from compliance.check import compile_ruleset
from compliance.checks.interval import edges_of
from compliance.model import Rule, RuleDocument
from compliance.ruleset import RuleSet

__all__ = ["Change", "compare_checks", "diff"]

_FIELDS: Final = ("kind", "modality", "subject", "transaction_type", "status")
_PARTS: Final = {
    "trigger": ("op", "amount", "amount_max", "currency", "equivalent_currency"),
    "aggregation": ("window_unit", "window_value", "condition"),
    "deadline": ("value", "unit", "anchor"),
    "retention": ("value", "unit", "minimum", "anchor"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One rule added, removed or changed.

    Parameters
    ----------
    what : str
        `added`, `removed` or `changed`.
    old, new : Rule or None
    fields : mapping
        For a changed rule, field to (before, after).
    cuts : (list, list)
        Band edges in minor units that go and that come, as (currency, edge).
    """

    what: Literal["added", "removed", "changed"]
    old: Rule | None
    new: Rule | None
    fields: dict[str, tuple[Any, Any]]
    cuts: tuple[list[tuple[str, int]], list[tuple[str, int]]]


def diff(old: RuleDocument, new: RuleDocument) -> list[Change]:
    """Return what changed from one edition to the next; words that only moved change nothing.

    Rules are paired within their provision, by kind and transaction type, the most alike first; what is left
    is added or removed.
    """
    changes: list[Change] = []
    left = list(new.rules)
    pairs: list[tuple[Rule, Rule | None]] = []
    for rule in old.rules:
        candidates = [other for other in left if _related(rule, other)]
        best = max(candidates, key=lambda other: _alike(rule, other), default=None)
        if best is not None:
            left.remove(best)
        pairs.append((rule, best))
    for before, after in pairs:
        if after is None:
            changes.append(Change("removed", before, None, {}, (edges_of(before), [])))
            continue
        fields = {name: (a, b) for name, a, b in _values(before, after) if a != b}
        if fields:
            gone, come = set(edges_of(before)), set(edges_of(after))
            moved = (sorted(gone - come), sorted(come - gone))
            changes.append(Change("changed", before, after, fields, moved))
    changes += [Change("added", None, rule, {}, ([], edges_of(rule))) for rule in left]
    return changes


def compare_checks(old: RuleSet, new: RuleSet) -> dict[str, list[str]]:
    """Return the rules whose checks go, come, or run with other parameters or another time limit."""
    before, after = _parameters(old), _parameters(new)
    return {
        "gone": sorted(before.keys() - after.keys()),
        "new": sorted(after.keys() - before.keys()),
        "changed": sorted(name for name in before.keys() & after.keys() if before[name] != after[name]),
    }


def _parameters(ruleset: RuleSet) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for check in compile_ruleset(ruleset):
        limit, kept = check.linked.deadline, check.linked.retention
        times = [(part.value, part.unit) if part else None for part in (limit, kept)]
        found.setdefault(check.rule.rule_id, []).append((check.parameters(), times))
    return found


def _related(old: Rule, new: Rule) -> bool:
    return old.citation == new.citation and old.kind == new.kind


def _alike(old: Rule, new: Rule) -> int:
    return sum(a == b for _, a, b in _values(old, new))


def _values(old: Rule, new: Rule) -> Iterable[tuple[str, Any, Any]]:
    for name in _FIELDS:
        yield name, _flat(getattr(old, name)), _flat(getattr(new, name))
    for part, names in _PARTS.items():
        one, two = getattr(old, part), getattr(new, part)
        for name in names:
            yield f"{part}.{name}", _flat(getattr(one, name, None)), _flat(getattr(two, name, None))
    yield "exemptions", [_flat(e.text) for e in old.exemptions], [_flat(e.text) for e in new.exemptions]


def _flat(value: Any) -> Any:
    return " ".join(value.split()) if isinstance(value, str) else value
