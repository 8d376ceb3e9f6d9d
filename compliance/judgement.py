"""Judgement: is an amount the threshold of a rule, or why it is none."""

from __future__ import annotations

import re
from typing import Final

from compliance.atoms import Atom
from compliance.clauses import Clause
from compliance.grammar import Comparison
from compliance.kinds import is_limit

__all__ = ["reason_against", "sentence_reason"]

_CHAPEAU_IS = re.compile(
    r"\b(?:is|are|be)(?: as follows| either| any of the following| one of the following)?\s*[:—]?\s*$"
)
_DEFINED: Final = frozenset(["of", "to", "for"])
_NOT_DEFINING: Final = frozenset(
    ["by", "the", "any", "other", "such", "these", "all", "what", "alternative", "some", "payment"]
)
_CALCULATING: Final = re.compile(
    r"^(?:in|when|for the purposes? of|by way of) (?:determining|calculating|computing|ascertaining|"
    r"assessing|establishing|"
    r"deciding|the calculation of) (?:whether|if|the|that|an?)\b",
    re.IGNORECASE,
)


def sentence_reason(clause: Clause) -> str | None:
    """Return why nothing in a sentence can be a rule (a heading, an example, a definition, ...), or None."""
    node = clause.sentence.node
    if node.heading:
        return "heading"
    if node.section_title and re.search(
        r"\bpenalt(?:y|ies)\b|\boffences?\b", node.section_title, re.IGNORECASE
    ):
        return "penalty"
    for place, link in enumerate(clause.chain):
        if _example(link):
            return "example"
        if _penal(link, inherited=place > 0):
            return "penalty"
        if (place > 0 or link.modal is None) and _list_of_what_is(link, inherited=place > 0):
            return "definition"
        if any(_top(link, atom) for atom in link.of("C_SCOPE")) and not _obliges(link):
            return "scope"
    return None


def reason_against(clause: Clause, comparison: Comparison) -> str | None:
    """Return why an amount is no threshold of a rule, or None."""
    return (
        _another_amount(clause, comparison)
        or _authority(clause, comparison.first)
        or _freedom(clause, comparison)
        or _another_place(clause, comparison)
        or _nothing_to_compare(clause, comparison)
    )


def _another_amount(clause: Clause, comparison: Comparison) -> str | None:
    """Return what an amount is that is not the amount of a transaction, or None."""
    if _in_definition(clause, comparison) or _status(clause):
        return "definition"
    if _near(clause, comparison, "C_WEALTH", 14, 8):
        return "customer_wealth_condition"
    if _near(clause, comparison, "C_FEE", 8, 4):
        return "fee"
    if _near(clause, comparison, "C_APPROPRIATION", 12, 12):
        return "appropriation"
    return "calculation" if _calculating(clause, comparison) else None


def _freedom(clause: Clause, comparison: Comparison) -> str | None:
    """Return why the clause that governs an amount is no duty: it exempts or permits; or None."""
    governing = clause.governing()
    if governing is None:
        return None
    if governing.modality == "not_required":
        return "exemption_condition"
    if governing.modality == "may" and not is_limit(clause, comparison):
        return "exemption_condition" if any(governing.of("C_EXEMPTING")) else "permission"
    return None


def _another_place(clause: Clause, comparison: Comparison) -> str | None:
    """Return in which part of a sentence an amount stands that is no condition of its duty, or None."""
    if _part_of_sum(clause, comparison):
        return "part_of_sum"
    if _excepted(clause, comparison) or _exempted_after(clause, comparison):
        return "exemption_condition"
    if clause.modal is not None and comparison.first > clause.modal.last and _content(clause):
        return "content"
    return None


def _nothing_to_compare(clause: Clause, comparison: Comparison) -> str | None:
    """Return what is missing, a duty or a comparison, or None."""
    governing = clause.governing()
    if governing is not None and (comparison.op is not None or comparison.inherited):
        return None
    if any(link.of("C_THRESHOLD") for link in clause.chain) and any(clause.of("C_THRESHOLD")):
        return "parameter_definition"
    return "no_duty" if governing is None else "no_comparison"


def _in_definition(clause: Clause, comparison: Comparison) -> bool:
    """Say whether a definition begins before the amount, in the clause or in one that it continues."""
    for place, link in enumerate(clause.chain):
        limit = comparison.first if place == 0 else link.within[1]
        if any(
            _top(link, a, clause, comparison) and a.last <= limit and _defines(link, a)
            for a in link.of("C_DEFINITION")
        ):
            return True
    return False


def _status(clause: Clause) -> bool:
    """Say whether a sentence says what something is: "a person shall not be a check casher if"."""
    modal = clause.modal
    if modal is None or modal.label not in ("MUST", "MUST_NOT") or any(clause.of("A_AGGREGATE")):
        return False
    return clause.passage.words[modal.end : modal.end + 2] in (["be", "a"], ["be", "an"], ["be", "one"])


def _calculating(clause: Clause, comparison: Comparison) -> bool:
    """Say whether an amount stands in "In determining whether ...," before the main clause."""
    if any(clause.of("A_AGGREGATE")):
        return False
    comma = clause.passage.text.find(",", *clause.within)
    return bool(_CALCULATING.match(clause.text)) and (comma < 0 or comparison.first < comma)


def _example(clause: Clause) -> bool:
    head = clause.passage.text[clause.within[0] : clause.within[0] + 60].lower()
    return any(a.first < clause.within[0] + 60 for a in clause.of("C_EXAMPLE")) and not head.startswith(
        "examples include"
    )


def _penal(clause: Clause, *, inherited: bool) -> bool:
    modal = clause.modal
    cues = [
        a
        for a in clause.of("C_PENALTY")
        if _top(clause, a) and not (modal is not None and clause.offence and a.first < modal.last)
    ]
    if not cues:
        return False
    amounts = list(clause.of("MONEY", "UNITS"))
    if not amounts:
        return inherited
    last = amounts[-1].first
    before = any(a.first < last for a in cues)
    return before or clause.modality not in ("must", "must_not")


def _list_of_what_is(clause: Clause, *, inherited: bool) -> bool:
    """Say whether a sentence introduces a list of what something is ("an exempt person is:")."""
    if any(
        _top(clause, a) and _defines(clause, a) and a.first - clause.within[0] < 120
        for a in clause.of("C_DEFINITION")
    ):
        return clause.modal is None or inherited
    return inherited and clause.modal is None and bool(_CHAPEAU_IS.search(clause.text))


def _defines(clause: Clause, atom: Atom) -> bool:
    words = clause.passage.words
    if words[atom.start] not in ("means", "mean"):
        return True
    before = words[atom.start - 1] if atom.start else ""
    after = words[atom.end] if atom.end < len(words) else ""
    return before not in _NOT_DEFINING and after not in _DEFINED


def _top(
    clause: Clause, atom: Atom, other: Clause | None = None, comparison: Comparison | None = None
) -> bool:
    """Say whether a cue stands outside brackets, or in the same brackets as the amount."""
    depth = clause.passage.depth[atom.start]
    if other is clause and comparison is not None:
        return depth <= clause.passage.depth[comparison.amount.start]
    return depth == 0


def _obliges(clause: Clause) -> bool:
    return clause.modality in ("must", "must_not") and not any(clause.of("C_SCOPE"))


def _near(clause: Clause, comparison: Comparison, label: str, before: int, after: int) -> bool:
    low, high = comparison.amount.start, (comparison.upper or comparison.amount).end
    return any(
        (0 <= low - a.end <= before and not _stops(clause, a.end, low))
        or (0 <= a.start - high <= after and not _stops(clause, high, a.start))
        for a in clause.of(label)
    )


def _stops(clause: Clause, first: int, last: int) -> bool:
    return bool({";", ".", ":"} & set(clause.passage.words[first:last]))


def _authority(clause: Clause, at: int) -> str | None:
    """Say whether an authority, not an institution, is the one who may or shall."""
    if clause.empowers(at):
        return "power"
    governing = clause.governing()
    if governing is not None and governing.authority() is not None:
        return "power" if governing.modality in ("may", "not_required") else "authority_duty"
    return None


def _excepted(clause: Clause, comparison: Comparison) -> bool:
    """Say whether the amount stands inside an exception ("unless the amount is less than ...")."""
    passage = clause.passage
    for atom in clause.of("C_UNLESS"):
        if atom.last > comparison.first or passage.depth[atom.start] > passage.depth[comparison.amount.start]:
            continue
        between = (atom.last, comparison.first)
        if "," not in passage.text[slice(*between)] and not any(
            passage.of("MUST", "MUST_NOT", within=between)
        ):
            return True
    return _other_than(clause, comparison) or clause.above_excepts()


def _exempted_after(clause: Clause, comparison: Comparison) -> bool:
    """Say whether an amount is subject of a second clause: "..., and those below EUR 100 are excluded"."""
    if clause.modal is None or comparison.first < clause.modal.last:
        return False
    for atom in clause.of("NOT_REQUIRED"):
        if atom.first >= comparison.last:
            between = clause.words(comparison.last, atom.first)
            return not re.search(r"[,;:]|\b(?:which|that|who|if|where|when|and|or)\b", between)
    return False


def _part_of_sum(clause: Clause, comparison: Comparison) -> bool:
    """Say whether an amount is what each of several transactions stays below ("individually below")."""
    if comparison.op not in ("lt", "le"):
        return False
    lead = clause.words(clause.within[0], comparison.first)[-40:]
    return bool(_EACH_BELOW.search(lead))


_EACH_BELOW: Final = re.compile(r"\b(?:individually|separately|each of which|each being)(?: [a-z]+){0,3} $")


def _content(clause: Clause) -> bool:
    """Say whether a sentence says what a document holds: "the list shall include any agent whose ..."."""
    modal = clause.modal
    subject = clause.subject()
    if modal is None or subject is None or not _DOCUMENT.search(clause.words(*subject)):
        return False
    return bool(_HOLDS.match(clause.passage.text, modal.last))


_DOCUMENT: Final = re.compile(
    r"^(?:the|a|an|each|any|such|every|this)? ?(?:[a-z]+ ){0,2}(?:list|form|statement|register|programme|"
    r"program|plan|policy|policies|procedures|schedule|notice|report|return|record|records)\b",
    re.IGNORECASE,
)
_HOLDS: Final = re.compile(r" (?:also )?(?:include|contain|state|specify|set out|list|indicate)\b")


def _other_than(clause: Clause, comparison: Comparison) -> bool:
    """Say whether an amount belongs to what "other than" leaves out, and not to the subject before it."""
    words = clause.passage.words
    modal = clause.modal
    first = clause.passage.starts
    for place in range(comparison.amount.start - 1, max(0, comparison.amount.start - 16), -1):
        if words[place] in (",", ";", ":", "—") or first[place] < clause.within[0]:
            return False
        if words[place] == "than" and words[place - 1] == "other":
            return modal is None or modal.last <= first[place]
    return False
