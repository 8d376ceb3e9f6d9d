"""The rule set: rules as one document with one hash, as it is drafted, approved and emitted on chain.

Beside each rule stand the words of its clause, the text it comes from, and from when until when it holds;
what officers changed in it is listed with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from typing import Any

from compliance.checks.interval import edges_of
from compliance.linking import resolve_thresholds
from compliance.model import Rule, RuleDocument, RuleFormatError, parse_rule
from ledger import canonical, documents
from ledger.documents import Document
from ledger.errors import VerificationError

__all__ = ["FORMAT", "LINKED_DAYS", "Edit", "RuleSet", "SourceText", "Term", "build", "cuts", "rule_key"]

FORMAT = "counterfoil/ruleset/2"

#: Laws speak of linked operations and leave open how far apart they may lie; officers decide it in a draft.
LINKED_DAYS = 7


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text that rules were extracted from: name, SHA-256 (hex) of its UTF-8 bytes, jurisdiction."""

    document: str
    sha256: str
    jurisdiction: str | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """From when (included) until when (excluded) a rule holds; None where nothing bounds it."""

    since: date | None = None
    until: date | None = None

    def to_json(self) -> dict[str, str | None]:
        """Return JSON values."""
        return {"since": _iso(self.since), "until": _iso(self.until)}

    def holds(self, day: date) -> bool:
        """Say whether the rule is in force on a day."""
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that somebody made to what was extracted, and why."""

    rule_id: str
    field: str
    before: Any
    after: Any
    why: str


class RuleSetDocument(Document, tag_field="format", tag=FORMAT):
    """A rule set in JSON. What a rule is made of, `compliance.model.parse_rule` checks."""

    name: str
    rules: list[dict[str, Any]]
    clauses: dict[str, str]
    words: dict[str, dict[str, str]]
    sources: list[SourceText]
    origin: dict[str, str]
    terms: dict[str, Term]
    edits: list[Edit]
    linked_days: int


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules with the words of their clauses and the texts they come from.

    Parameters
    ----------
    name : str
    rules : sequence of Rule
        In the order of their identifiers.
    clauses : mapping
        Rule identifier to the words of its clause.
    sources : sequence of SourceText
    words : mapping
        Rule identifier to field to the words it was read from, as they stand in the text.
    origin : mapping
        Rule identifier to the name of its text.
    terms : mapping
        Rule identifier to its term, where one is set.
    edits : sequence of Edit
    linked_days : int
        Over how many days operations of one customer are looked at together where the law speaks of linked
        operations and names no time.
    """

    name: str
    rules: tuple[Rule, ...]
    clauses: Mapping[str, str]
    sources: tuple[SourceText, ...]
    origin: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    terms: Mapping[str, Term] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()
    linked_days: int = LINKED_DAYS

    @property
    def keys(self) -> tuple[bytes, ...]:
        """For each rule, the hash of what it decides: whoever brought it first is its author.

        The key covers jurisdiction, kind, modality, transaction type, thresholds, aggregation, deadline and
        retention; words, places in a text and names do not change it.
        """
        return tuple(rule_key(rule, self.jurisdiction(rule.rule_id)) for rule in self.rules)

    def to_bytes(self) -> bytes:
        """Return the document as canonical JSON (RFC 8785)."""
        return documents.write(
            RuleSetDocument(
                name=self.name,
                rules=[rule.model_dump(mode="json", exclude_defaults=True) for rule in self.rules],
                clauses=dict(self.clauses),
                words={rule_id: dict(found) for rule_id, found in self.words.items()},
                sources=list(self.sources),
                origin=dict(self.origin),
                terms=dict(self.terms),
                edits=list(self.edits),
                linked_days=self.linked_days,
            )
        )

    @property
    def hash(self) -> bytes:
        """SHA-256 of the document's bytes."""
        return sha256(self.to_bytes()).digest()

    def jurisdiction(self, rule_id: str) -> str | None:
        """Return the jurisdiction of a rule's text; None where the text told none."""
        name = self.origin.get(rule_id)
        return next((s.jurisdiction for s in self.sources if s.document == name), None)

    def term(self, rule_id: str) -> Term:
        """Return from when until when a rule holds."""
        return self.terms.get(rule_id, Term())

    def rule(self, rule_id: str) -> Rule:
        """Return one rule.

        Raises
        ------
        RuleFormatError
            When the set has no rule of that identifier.
        """
        for rule in self.rules:
            if rule.rule_id == rule_id:
                return rule
        raise RuleFormatError(
            f"no rule {rule_id!r} in the rule set {self.name}", next_step="See `counterfoil rules list`."
        )

    def decided(self) -> RuleSet:
        """Return the set without the rules that need review: nothing is in force that nobody could decide."""
        return self.keeping([r.rule_id for r in self.rules if r.status != "needs_review"])

    def keeping(self, identifiers: Iterable[str]) -> RuleSet:
        """Return the set with some of its rules."""
        kept = set(identifiers)
        return replace(
            self,
            rules=tuple(rule for rule in self.rules if rule.rule_id in kept),
            clauses={k: v for k, v in self.clauses.items() if k in kept},
            origin={k: v for k, v in self.origin.items() if k in kept},
            words={k: v for k, v in self.words.items() if k in kept},
            terms={k: v for k, v in self.terms.items() if k in kept},
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> RuleSet:
        """Parse a rule-set document strictly.

        Raises
        ------
        VerificationError
            When the bytes are not the canonical form of a rule set.
        RuleFormatError
            When a rule in it is malformed; names rule and field.
        """
        document = documents.read(data, RuleSetDocument, what="rule set")
        return _checked(
            cls(
                document.name,
                tuple(parse_rule(rule, document=document.name) for rule in document.rules),
                document.clauses,
                tuple(document.sources),
                document.origin,
                document.words,
                document.terms,
                tuple(document.edits),
                document.linked_days,
            )
        )


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _checked(whole: RuleSet) -> RuleSet:
    name, identifiers = whole.name, [rule.rule_id for rule in whole.rules]
    for identifier in identifiers:
        if identifiers.count(identifier) > 1:
            raise RuleFormatError(
                "two rules have one identifier", where=f"rule set {name}, rule {identifier}"
            )
    known = set(identifiers)
    for found in (set(whole.clauses), set(whole.origin), set(whole.words)):
        if known != found:
            odd = sorted(known ^ found)
            raise RuleFormatError(
                "rules and clauses do not correspond", where=f"rule set {name}, rule {odd[0]}"
            )
    stray = set(whole.terms) - known
    if stray or set(whole.origin.values()) - {s.document for s in whole.sources}:
        raise RuleFormatError("terms or texts name what is not in the set", where=f"rule set {name}")
    return replace(
        whole,
        rules=tuple(sorted(whole.rules, key=lambda rule: rule.rule_id)),
        clauses=dict(sorted(whole.clauses.items())),
        origin=dict(sorted(whole.origin.items())),
        words=dict(sorted(whole.words.items())),
    )


def build(name: str, documents: Iterable[tuple[RuleDocument, str]], *, undecided: bool = False) -> RuleSet:
    """Make a rule set of extracted documents and their texts.

    Amounts that a rule names and its section states elsewhere are filled in and listed among the edits.

    Parameters
    ----------
    name : str
    documents : iterable of (RuleDocument, str)
        A document with the text it was extracted from.
    undecided : bool
        Whether rules that need review are kept, as in a draft; otherwise they stay out: nothing is in force
        that nobody could decide.

    Raises
    ------
    VerificationError
        When a text is not the one a document was extracted from.
    RuleFormatError
        When two documents name a rule alike.
    """
    rules: list[Rule] = []
    clauses: dict[str, str] = {}
    origin: dict[str, str] = {}
    words: dict[str, dict[str, str]] = {}
    sources: list[SourceText] = []
    edits: list[Edit] = []
    for document, text in documents:
        got = sha256(text.encode("utf-8")).hexdigest()
        if got != document.sha256:
            raise VerificationError(
                f"the text of {document.document} has changed", expected=document.sha256, got=got
            )
        sources.append(SourceText(document.document, document.sha256, document.jurisdiction))
        whole, made = resolve_thresholds(document.rules)
        by_id = {rule.rule_id: rule for rule in whole}
        edits += [
            Edit(join.rule, "trigger.amount", None, _amount(by_id[join.rule]), f"{join.how}: {join.other}")
            for join in made
        ]
        rules += whole
        for rule in whole:
            clauses[rule.rule_id] = " ".join(text[slice(*rule.span)].split())
            origin[rule.rule_id] = document.document
            words[rule.rule_id] = _words(rule, text)
    found = _checked(RuleSet(name, tuple(rules), clauses, tuple(sources), origin, words, edits=tuple(edits)))
    return found if undecided else found.decided()


def _words(rule: Rule, text: str) -> dict[str, str]:
    """Return the words behind each field that has a span, with single spaces."""
    spans = dict(rule.spans)
    for name in ("trigger", "aggregation", "deadline", "retention"):
        part = getattr(rule, name)
        if part is not None:
            spans[name] = part.span
    return {name: " ".join(text[slice(*span)].split()) for name, span in sorted(spans.items())}


def _amount(rule: Rule) -> str | None:
    return rule.trigger.amount if rule.trigger else None


def cuts(ruleset: RuleSet) -> dict[str, list[int]]:
    """Return where bands must be cut, by currency, in minor units.

    An edge `e` separates the amounts below `e` from those from `e` on: "more than 10,000" in USD cuts at
    1,000,001 and "10,000 or more" at 1,000,000. Parameters and informational rules with an amount count too.
    """
    found: dict[str, set[int]] = {}
    for rule in ruleset.rules:
        for currency, edge in edges_of(rule):
            found.setdefault(currency, set()).add(edge)
    return {currency: sorted(points) for currency, points in sorted(found.items())}


def rule_key(rule: Rule, jurisdiction: str | None) -> bytes:
    """Return the SHA-256 of what a rule decides, without its words and its places in a text."""
    decides = {
        "jurisdiction": jurisdiction,
        "kind": rule.kind,
        "modality": rule.modality,
        "transaction_type": rule.transaction_type,
        **{
            name: None if part is None else part.model_dump(mode="json", exclude=_WORDS)
            for name, part in (
                ("trigger", rule.trigger),
                ("aggregation", rule.aggregation),
                ("deadline", rule.deadline),
                ("retention", rule.retention),
            )
        },
    }
    return sha256(canonical.dumps(decides)).digest()


#: Parts of a field that are words or places of the text.
_WORDS = {"span", "scope", "condition", "anchor"}
