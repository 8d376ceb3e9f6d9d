"""Editing a draft: an officer corrects a field, sets when a rule holds, takes rules out or joins two sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final

from compliance.model import RuleFormatError, parse_rule
from compliance.ruleset import Edit, RuleSet, SourceText, Term
from ledger.errors import InputError

__all__ = ["edit", "merge", "remove", "set_term", "value_of"]

#: What identifies a rule and where it was read is not for editing.
_FIXED: Final = frozenset({"rule_id", "span", "spans", "inherits"})


def value_of(text: str) -> Any:
    """Return a value as typed on the command line: JSON where it is JSON, else the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, float | int) and not isinstance(value, bool) and "." in text else value


def edit(ruleset: RuleSet, rule_id: str, changes: Mapping[str, Any], *, why: str) -> RuleSet:
    """Return the set with fields of one rule changed; every change is listed with its reason.

    Parameters
    ----------
    ruleset : RuleSet
    rule_id : str
    changes : mapping
        Field, dotted where it lies within another ("trigger.amount"), to its new value.
    why : str
        The reason, in words: it stands in the document that others approve.

    Raises
    ------
    InputError
        Without a reason, or for a field that no rule has or nobody edits.
    RuleFormatError
        When the rule would be malformed.
    """
    if not why.strip():
        raise InputError("an edit needs its reason", next_step="Say why; the officers who approve read it.")
    value = ruleset.rule(rule_id).model_dump(mode="json")
    made = []
    for name, after in changes.items():
        *holders, last = name.split(".")
        place: Any = value
        for holder in holders:
            place = place.get(holder) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place or name.split(".")[0] in _FIXED:
            known = sorted(set(place if isinstance(place, dict) else value) - _FIXED)
            raise InputError(
                f"no field {name!r} to edit",
                where=f"rule {rule_id}",
                next_step=f"There are: {', '.join(known)}.",
            )
        if last in ("amount", "amount_max") and after is not None:
            after = str(after)
        if place[last] != after:
            made.append(Edit(rule_id, name, place[last], after, why))
            place[last] = after
    if value["status"] == "executable" and value["reasons"]:
        made.append(Edit(rule_id, "reasons", value["reasons"], [], why))
        value["reasons"] = []
    changed = parse_rule(value, document=ruleset.name)
    trigger = changed.trigger
    open_amount = trigger is not None and (trigger.amount is None or trigger.currency is None)
    if changed.status == "executable" and open_amount:
        raise RuleFormatError(
            "a rule without amount or currency cannot be executable", where=f"rule {rule_id}"
        )
    rules = tuple(changed if rule.rule_id == rule_id else rule for rule in ruleset.rules)
    return replace(ruleset, rules=rules, edits=(*ruleset.edits, *made))


def set_term(
    ruleset: RuleSet, rule_id: str | None, *, since: date | None, until: date | None, why: str
) -> RuleSet:
    """Return the set with the dates in force of one rule, or of all, set.

    Raises
    ------
    InputError
        When the end is not after the start.
    """
    if since and until and since >= until:
        raise InputError(f"a rule cannot hold from {since} until {until}")
    term = Term(since, until)
    wanted = [ruleset.rule(rule_id).rule_id] if rule_id else [rule.rule_id for rule in ruleset.rules]
    made = tuple(
        Edit(name, "in_force", ruleset.term(name).to_json(), term.to_json(), why)
        for name in wanted
        if ruleset.term(name) != term
    )
    terms = {**ruleset.terms, **dict.fromkeys(wanted, term)}
    return replace(ruleset, terms=dict(sorted(terms.items())), edits=(*ruleset.edits, *made))


def remove(ruleset: RuleSet, rule_id: str, *, why: str) -> RuleSet:
    """Return the set without one rule, and with the removal listed."""
    gone = ruleset.rule(rule_id)
    kept = ruleset.keeping(rule.rule_id for rule in ruleset.rules if rule is not gone)
    return replace(kept, edits=(*ruleset.edits, Edit(rule_id, "rule", "in the set", "taken out", why)))


def merge(active: RuleSet, newer: RuleSet) -> RuleSet:
    """Return both sets as one: the newer's rules, and the active ones of texts it does not read."""
    texts = {source.document for source in newer.sources}
    kept = active.keeping(r.rule_id for r in active.rules if active.origin[r.rule_id] not in texts)
    sources: dict[str, SourceText] = {s.document: s for s in (*active.sources, *newer.sources)}
    used = {*kept.origin.values(), *texts}
    identifiers = {rule.rule_id for rule in (*kept.rules, *newer.rules)}
    clash = {r.rule_id for r in kept.rules} & {r.rule_id for r in newer.rules}
    if clash:
        raise RuleFormatError("two texts name a rule alike", where=f"rule {min(clash)}")
    return replace(
        newer,
        name=newer.name if not kept.rules else f"{kept.name} with {newer.name}",
        rules=tuple(sorted((*kept.rules, *newer.rules), key=lambda rule: rule.rule_id)),
        clauses=dict(sorted({**kept.clauses, **newer.clauses}.items())),
        words={**kept.words, **newer.words},
        sources=tuple(sources[name] for name in sorted(used)),
        origin=dict(sorted({**kept.origin, **newer.origin}.items())),
        terms={**kept.terms, **newer.terms},
        edits=tuple(e for e in (*kept.edits, *newer.edits) if e.rule_id in identifiers),
    )
