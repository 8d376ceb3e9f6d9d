"""Regulation texts and rule sets: extract, compare, find and query. This module does not change the chain."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.errors import InputError

if TYPE_CHECKING:
    import networkx as nx

    from compliance.checks.boundary import Case
    from compliance.checks.definition import Check
    from compliance.diff import Change
    from compliance.model import RuleDocument
    from compliance.ruleset import RuleSet
    from ledger.gateway import Gateway, RuleSetDocument

__all__ = [
    "EditionDiff",
    "RuleView",
    "chosen",
    "diff_editions",
    "export_graph",
    "extract_rules",
    "graph_of",
    "query_graph",
    "read_texts",
    "rule_documents_json",
    "rule_view",
    "ruleset_of",
    "text_of",
    "with_active",
]


def extract_rules(text: Path | str, *, jurisdiction: str | None = None) -> RuleDocument:
    """Extract the rules of a regulation text, with the words for each field.

    Parameters
    ----------
    text : path
        UTF-8 text, HTML, XML or PDF.
    jurisdiction : str, optional
        Country (two letters); it decides the currency of a bare "$". By default it is read from the text.

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    from compliance.extract import extract_file

    return extract_file(Path(text), jurisdiction)


def rule_documents_json(documents: Sequence[RuleDocument]) -> str:
    """Return extracted documents as JSON text: an object for one document, otherwise a list."""
    from compliance.model import dumps

    return dumps(documents[0] if len(documents) == 1 else list(documents))


def text_of(text: Path) -> str:
    """Return the text of a regulation file, to which the spans of its rules refer."""
    from compliance.reading import read_file

    return read_file(text)


def read_texts(
    texts: Sequence[Path],
    jurisdiction: str | None = None,
    *,
    undecided: bool,
    note: Callable[[str], None] | None = None,
) -> RuleSet:
    """Extract the rules of texts and return them as one rule set.

    Parameters
    ----------
    texts : sequence of Path
    jurisdiction : str, optional
        As for `extract_rules`.
    undecided : bool
        Keep rules that need review.
    note : callable, optional
        Called with each remark of the extractor on a text.
    """
    from compliance.extract import extract_file
    from compliance.reading import read_file
    from compliance.ruleset import build

    pairs = [(extract_file(path, jurisdiction), read_file(path)) for path in texts]
    if note is not None:
        for path, (document, _) in zip(texts, pairs, strict=True):
            for remark in document.notes:
                note(f"{path}: {remark}.")
    return build(", ".join(path.name for path in texts), pairs, undecided=undecided)


def chosen(gateway: Gateway, target: str) -> RuleSetDocument:
    """Return the rule set with this hash, or the rule set in force.

    Parameters
    ----------
    gateway : Gateway
    target : str
        First hex digits of a rule set's hash, or "active".

    Raises
    ------
    InputError
        When no rule set or several rule sets match.
    """
    if target == "active":
        active = gateway.active_rule_set()
        if active is None:
            raise InputError(
                "no rule set is in force",
                next_step="Run `counterfoil rules history`, which lists all rule sets.",
            )
        return active
    found = [entry for entry in gateway.rule_sets() if entry.hash.hex().startswith(target.lower())]
    if len(found) != 1:
        raise InputError(
            f"{'no rule set starts' if not found else f'{len(found)} rule sets start'} with {target!r}",
            next_step="Run `counterfoil rules history` for the hashes; name a text by the path of its file.",
        )
    return found[0]


def ruleset_of(gateway: Gateway, target: str = "active") -> RuleSet:
    """Return the rules of the rule set that `chosen` returns."""
    from compliance.ruleset import RuleSet

    return RuleSet.from_bytes(chosen(gateway, target).document)


def with_active(gateway: Gateway, newer: RuleSet, *, alone: bool = False) -> tuple[RuleSet, bytes]:
    """Return a rule set with the rules in force from other texts added, and the hash of its predecessor."""
    from compliance.editing import merge
    from compliance.ruleset import RuleSet

    active = None if alone else gateway.active_rule_set()
    if active is None:
        return newer, bytes(32)
    return merge(RuleSet.from_bytes(active.document), newer), active.hash


@dataclass(frozen=True)
class RuleView:
    """One rule with its linked rules, as JSON values, with its checks and examples at the boundary."""

    value: dict[str, Any]
    checks: list[Check]
    cases: list[Case]


def rule_view(ruleset: RuleSet, rule_id: str) -> RuleView:
    """Return one rule with its clause, the words for each field, linked rules, checks and examples.

    Raises
    ------
    InputError
        When the rule set does not contain the rule.
    """
    from compliance.check import compile_ruleset
    from compliance.checks.boundary import boundaries
    from compliance.linking import joins, linked

    rule = ruleset.rule(rule_id)
    whole = linked(rule, ruleset.rules, joins(ruleset.rules, ruleset.clauses))
    checks = [check for check in compile_ruleset(ruleset) if check.rule.rule_id == rule_id]
    cases = boundaries(
        rule,
        jurisdiction=ruleset.jurisdiction(rule_id),
        linked_days=ruleset.linked_days,
        term=ruleset.term(rule_id),
    )
    value = {
        "rule": rule.model_dump(mode="json"),
        "clause": ruleset.clauses[rule_id],
        "words": dict(ruleset.words[rule_id]),
        "jurisdiction": ruleset.jurisdiction(rule_id),
        "joins": [{"what": j.what, "rule": j.supplier(rule_id), "how": j.how} for j in whole.joins],
        "deadline": whole.deadline.model_dump(mode="json") if whole.deadline else None,
        "retention": whole.retention.model_dump(mode="json") if whole.retention else None,
        "checks": [dict(check.facts()) for check in checks],
        "examples": [{"case": c.name, "trips": c.trips, "asks_bank": c.asks} for c in cases],
        "edits": [
            {"field": e.field, "before": e.before, "after": e.after, "why": e.why}
            for e in ruleset.edits
            if e.rule_id == rule_id
        ],
    }
    return RuleView(value, checks, list(cases))


@dataclass(frozen=True)
class EditionDiff:
    """The differences between two editions of a text: in rules, band edges and checks."""

    changes: list[Change]
    checks: dict[str, list[str]]

    def to_json(self) -> dict[str, Any]:
        """Return the changes as JSON values."""
        return {
            "changes": [
                {
                    "what": change.what,
                    "old": change.old.rule_id if change.old else None,
                    "new": change.new.rule_id if change.new else None,
                    "fields": {k: list(v) for k, v in change.fields.items()},
                    "bands_gone": change.cuts[0],
                    "bands_new": change.cuts[1],
                }
                for change in self.changes
            ],
            "checks": self.checks,
        }


def diff_editions(
    old: Path, new: Path, *, jurisdiction: str | None = None, note: Callable[[str], None] | None = None
) -> EditionDiff:
    """Compare the rules, checks and amount bands of two editions of a text."""
    from compliance.diff import compare_checks, diff

    changes = diff(*(extract_rules(path, jurisdiction=jurisdiction) for path in (old, new)))
    sets = [read_texts([path], jurisdiction, undecided=False, note=note) for path in (old, new)]
    return EditionDiff(changes, compare_checks(*sets))


def graph_of(ruleset: RuleSet, *, around: str | None = None, steps: int = 1) -> nx.MultiDiGraph[str]:
    """Return the graph of rules, provisions, thresholds and references, or only the part around one node."""
    from compliance import graph

    whole: nx.MultiDiGraph[str] = graph.knowledge_graph(ruleset)
    return whole if around is None else graph.around(whole, around, steps)


def query_graph(
    graph: nx.MultiDiGraph[str],
    kind: str | None = None,
    *,
    joined: str | None = None,
    fields: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the nodes with this type, these fields and an outgoing edge of this kind."""
    from compliance.graph import query

    return list(query(graph, kind, joined=joined, **(fields or {})))


def export_graph(
    graph: nx.MultiDiGraph[str], *, jsonld: Path | None = None, graphml: Path | None = None
) -> None:
    """Write a graph of rules as JSON-LD, as GraphML, or both."""
    from compliance.graph_export import to_graphml, to_jsonld

    if jsonld:
        jsonld.write_text(json.dumps(to_jsonld(graph), indent=1, ensure_ascii=False) + "\n", "utf-8")
    if graphml:
        graphml.write_bytes(to_graphml(graph))
