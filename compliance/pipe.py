"""The spaCy component `regulatory_rules`: the extractor for those who work in spaCy pipelines.

>>> import spacy
>>> import compliance.pipe
>>> nlp = spacy.blank("en")
>>> _ = nlp.add_pipe("regulatory_rules", config={"jurisdiction": "US"})
>>> doc = nlp("A bank shall report each transaction in currency of more than $10,000.")
>>> [(rule.kind, rule.trigger.amount) for rule in doc._.rules.rules]
[('report', '10000')]
>>> [span.text for span in doc.spans["thresholds"]]
['more than $10,000']
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span

from compliance.extract import extract_text

__all__ = ["RegulatoryRules"]

if not Doc.has_extension("rules"):
    Doc.set_extension("rules", default=None)


@Language.factory(
    "regulatory_rules",
    default_config={"jurisdiction": None, "document": "text"},
    assigns=["doc._.rules", "doc.spans"],
)
class RegulatoryRules:
    """Reads the rules of a document.

    Sets `doc._.rules` to a `compliance.model.RuleDocument`, `doc.spans["rules"]` to the rules' sentences
    (labelled by kind), `doc.spans["thresholds"]` to comparisons with their amounts (labelled by comparison)
    and `doc.spans["rejected"]` to what is no rule (labelled by reason).

    Parameters
    ----------
    nlp : spacy.Language
    name : str
    jurisdiction : str, optional
        As for `compliance.extract.extract_text`.
    document : str
        The name that the result carries.
    """

    def __init__(self, nlp: Any, name: str, jurisdiction: str | None, document: str) -> None:
        self.name = name
        self.jurisdiction = jurisdiction
        self.document = document

    def __call__(self, doc: Doc) -> Doc:
        """Read one document."""
        found = extract_text(doc.text, document=self.document, jurisdiction=self.jurisdiction)
        doc._.rules = found
        doc.spans["rules"] = _spans(doc, ((r.span, r.kind or "undecided") for r in found.rules))
        thresholds = [(r.trigger.span, r.trigger.op) for r in found.rules if r.trigger is not None]
        doc.spans["thresholds"] = _spans(doc, thresholds)
        doc.spans["rejected"] = _spans(doc, ((r.span, r.reason) for r in found.rejected))
        return doc


def _spans(doc: Doc, places: Iterable[tuple[tuple[int, int], str]]) -> list[Span]:
    spans = (doc.char_span(*place, label=label, alignment_mode="expand") for place, label in places)
    return [span for span in spans if span is not None]
