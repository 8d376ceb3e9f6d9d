"""The rule set: the rules in force as one document with one hash, as it is approved and emitted on chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from compliance.checks.interval import cut_points, minor_interval
from compliance.model import Rule, RuleDocument, RuleFormatError, parse_rule
from ledger import canonical
from ledger.errors import VerificationError

__all__ = ["FORMAT", "RuleSet", "Source", "build", "cuts"]

FORMAT = "counterfoil/ruleset/1"


@dataclass(frozen=True, slots=True)
class Source:
    """A text that rules were extracted from: its name and the SHA-256 (hex) of its UTF-8 bytes."""

    document: str
    sha256: str


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
    sources : sequence of Source
    """

    name: str
    rules: tuple[Rule, ...]
    clauses: Mapping[str, str]
    sources: tuple[Source, ...]

    def to_bytes(self) -> bytes:
        """Return the document as canonical JSON (RFC 8785)."""
        return canonical.dumps(
            {
                "format": FORMAT,
                "name": self.name,
                "rules": [rule.model_dump(mode="json") for rule in self.rules],
                "clauses": dict(self.clauses),
                "sources": [{"document": s.document, "sha256": s.sha256} for s in self.sources],
            }
        )

    @property
    def hash(self) -> bytes:
        """SHA-256 of the document's bytes."""
        return sha256(self.to_bytes()).digest()

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
        value = canonical.loads(data, what="rule set")
        keys = {"format", "name", "rules", "clauses", "sources"}
        if not isinstance(value, dict) or set(value) != keys:
            got = sorted(value) if isinstance(value, dict) else type(value).__name__
            raise VerificationError("not a rule set", expected=sorted(keys), got=got)
        if value["format"] != FORMAT:
            raise VerificationError("unknown rule set format", expected=FORMAT, got=value["format"])
        name, clauses = value["name"], value["clauses"]
        if not isinstance(name, str) or not _texts(clauses) or not isinstance(value["rules"], list):
            raise VerificationError("the rule set is malformed: name, clauses and rules have other types")
        rules = [parse_rule(rule, document=name) for rule in value["rules"]]
        return _checked(name, rules, clauses, _sources(value["sources"]))


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())


def _sources(value: Any) -> list[Source]:
    if not isinstance(value, list) or not all(_texts(s) and set(s) == {"document", "sha256"} for s in value):
        raise VerificationError("the rule set is malformed: sources")
    return [Source(s["document"], s["sha256"]) for s in value]


def _checked(
    name: str, rules: Sequence[Rule], clauses: Mapping[str, str], sources: Iterable[Source]
) -> RuleSet:
    identifiers = [rule.rule_id for rule in rules]
    for identifier in identifiers:
        if identifiers.count(identifier) > 1:
            raise RuleFormatError(
                "two rules have one identifier", where=f"rule set {name}, rule {identifier}"
            )
    if set(identifiers) != set(clauses):
        odd = sorted(set(identifiers) ^ set(clauses))
        raise RuleFormatError("rules and clauses do not correspond", where=f"rule set {name}, rule {odd[0]}")
    ordered = tuple(sorted(rules, key=lambda rule: rule.rule_id))
    return RuleSet(name, ordered, dict(sorted(clauses.items())), tuple(sources))


def build(name: str, documents: Iterable[tuple[RuleDocument, str]]) -> RuleSet:
    """Make a rule set of extracted documents and their texts.

    Rules that need review stay out: nothing is in force that nobody could decide.

    Parameters
    ----------
    name : str
    documents : iterable of (RuleDocument, str)
        A document with the text it was extracted from.

    Raises
    ------
    VerificationError
        When a text is not the one a document was extracted from.
    RuleFormatError
        When two documents name a rule alike.
    """
    rules: list[Rule] = []
    clauses: dict[str, str] = {}
    sources: list[Source] = []
    for document, text in documents:
        got = sha256(text.encode("utf-8")).hexdigest()
        if got != document.sha256:
            raise VerificationError(
                f"the text of {document.document} has changed", expected=document.sha256, got=got
            )
        sources.append(Source(document.document, document.sha256))
        for rule in document.rules:
            if rule.status == "needs_review":
                continue
            rules.append(rule)
            clauses[rule.rule_id] = " ".join(text[slice(*rule.span)].split())
    return _checked(name, rules, clauses, sources)


def cuts(ruleset: RuleSet) -> dict[str, list[int]]:
    """Return where bands must be cut, by currency, in minor units.

    An edge `e` separates the amounts below `e` from those from `e` on: "more than 10,000" in USD cuts at
    1,000,001 and "10,000 or more" at 1,000,000. Parameters and informational rules with an amount count too.
    """
    found: dict[str, set[int]] = {}
    for rule in ruleset.rules:
        trigger = rule.trigger
        if trigger is not None and trigger.amount is not None and trigger.currency is not None:
            found.setdefault(trigger.currency, set()).update(cut_points(minor_interval(trigger)))
    return {currency: sorted(points) for currency, points in sorted(found.items())}
