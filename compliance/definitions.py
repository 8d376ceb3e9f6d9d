"""Definitions: amounts and periods that one provision sets for another ("the prescribed amount is ...")."""

from __future__ import annotations

import re
from typing import Final

from compliance.clauses import Clause, Read
from compliance.grammar import Comparison

__all__ = ["defined_period", "defined_term", "sets_amount"]

#: Terms whose definition by an amount decides a duty elsewhere.
_DECISIVE: Final = re.compile(
    r"\b(?:transactions?|thresholds?|amounts?|limits?|operations?|payments?|transfers?|deposits?|"
    r"ceilings?|sums?|records?|"
    r"values?|currency|cash)\b",
    re.IGNORECASE,
)
#: Terms that name somebody are scope, whatever amount they are defined by.
_SOMEBODY: Final = re.compile(
    r"\b(?:dealers?|persons?|entit(?:y|ies)|banks?|institutions?|business(?:es)?|customers?|providers?|"
    r"sellers?|traders?|"
    r"accounts?|products?|instruments?|systems?|operators?|employees?|benefits?)\W*$",
    re.IGNORECASE,
)
_TERM: Final = re.compile(
    r"\s*(?:\([a-z0-9]+\) *)?(?:The (?:term|expression) |In this [a-z]+,? |A |An |"
    r'The )?(?P<term>"[^"]{2,80}"|[^":;.]{2,80}?),? '
    r"(?:(?:shall )?means?|is|are|refers to|includes|shall be|has the meaning)\b",
    re.IGNORECASE,
)
_SETS: Final = re.compile(
    r"\b(?:amounts?|thresholds?|limits?|ceilings?|values?|sums?)\b[^.;]{0,90}?"
    r"(?:\b(?:is|are|shall be|is set at|is fixed at|are set at|shall be set at|stands at|amounts to|"
    r"equals)(?: the sum of| an amount of)?"
    r"|[:—])\s*$",
    re.IGNORECASE,
)
_THE_PERIOD: Final = re.compile(
    r"\b(?:the|that) (?:retention |relevant |prescribed )?period (?:is|shall be|must be|of time is)\b",
    re.IGNORECASE,
)
_BY_REFERENCE: Final = re.compile(
    r"\bperiod (?:specified|referred to|set out|mentioned|prescribed|described|laid down|provided for) in "
    r"(?:sub)?(?:paragraph|section|subsection|regulation|article)",
    re.IGNORECASE,
)


def sets_amount(clause: Clause, comparison: Comparison) -> bool:
    """Say whether a sentence does no more than set an amount: "the prescribed amount is $10,000"."""
    return bool(_SETS.search(clause.passage.text[clause.within[0] : comparison.first]))


def defined_term(clause: Clause) -> tuple[Clause, tuple[int, int]] | None:
    """Return the term that a clause, or one above it, defines by an amount, if a duty can hang on it."""
    for link in clause.chain:
        found = _TERM.match(link.passage.text, link.within[0], link.within[1])
        if found and _DECISIVE.search(found["term"]) and not _SOMEBODY.search(found["term"]):
            return link, found.span("term")
    return None


def defined_period(clause: Clause, provision: Read) -> Clause | None:
    """Return the duty that a sentence such as "the period is five years" completes."""
    if not _THE_PERIOD.search(clause.text):
        return None
    for other in provision.clauses:
        if _BY_REFERENCE.search(other.text) and other.modality == "must" and any(other.of("A_RECORD")):
            return other
    return None
