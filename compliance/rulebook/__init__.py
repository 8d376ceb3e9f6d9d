"""The model rulebook: short provisions in this project's own words, one file per jurisdiction, cited.

They are law for the demonstration only. The rules are not written here: they are extracted from the texts by
the extractor that reads any other text.
"""

from __future__ import annotations

import re
from importlib.resources import files

from compliance.extract import extract_text
from compliance.model import RuleDocument
from compliance.ruleset import RuleSet, build

__all__ = ["TEXTS", "documents", "model_ruleset", "text"]

_MODEL = re.compile(r"\(modelled on ([^\n]+)\)\n")
#: The files of the model rulebook.
TEXTS = ("ca_model.txt", "eu_model.txt", "us_model.txt")


def text(name: str) -> str:
    """Return a text of the model rulebook."""
    return (files(__name__) / name).read_bytes().decode("utf-8")


def documents() -> list[RuleDocument]:
    """Return the rules of the model rulebook, extracted anew; citations name what each is modelled on."""
    return [_cited(extract_text(text(name), document=name), text(name)) for name in TEXTS]


def _cited(document: RuleDocument, words: str) -> RuleDocument:
    models = [(m.start(), m[1]) for m in _MODEL.finditer(words)]
    rules = []
    for rule in document.rules:
        model = [cited for place, cited in models if place < rule.span[0]]
        citation = f"{rule.citation}, modelled on {model[-1]}" if model else rule.citation
        rules.append(rule.model_copy(update={"citation": citation}))
    return document.model_copy(update={"rules": tuple(rules)})


def model_ruleset(name: str = "model rulebook") -> RuleSet:
    """Return the rule set of the model rulebook."""
    return build(name, [(document, text(document.document)) for document in documents()])
