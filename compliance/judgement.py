"""Judgement: is an amount a rule, and of which kind; or why it is none."""

from __future__ import annotations

import re
from typing import Final

from compliance.atoms import Atom
from compliance.clauses import Clause, Read
from compliance.grammar import Comparison

__all__ = ["is_limit", "kind_of", "reason_against", "sentence_reason"]

_CHAPEAU_IS = re.compile(
    r"\b(?:is|are|be)(?: as follows| either| any of the following| one of the following)?\s*[:—]?\s*$"
)
_DEFINED: Final = frozenset(["of", "to", "for"])
_NOT_DEFINING: Final = frozenset(
    ["by", "the", "any", "other", "such", "these", "all", "what", "alternative", "some", "payment"]
)
_LIMITING: Final = re.compile(
    r"(?:shall|must|may) (?:not|never) exceed|cannot exceed|limited to|up to|capped|not beyond", re.IGNORECASE
)
_CALCULATING: Final = re.compile(
    r"^(?:in|when|for the purposes? of|by way of) (?:determining|calculating|computing|ascertaining|assessing|establishing|"
    r"deciding|the calculation of) (?:whether|if|the|that|an?)\b",
    re.IGNORECASE,
)
_RELATIVE: Final = re.compile(r"\b(?:if|where|when|whose|which|that|who|unless|provided|in respect of which)\b")
_PAYING: Final = re.compile(
    r"\b(?:accept|pay|paid|receive|received|make|made|hold|held|carry|carried|take|taken|deposit|withdraw|transfer|"
    r"settle|settled|spend|load|store|send|redeem)\w*\b",
    re.IGNORECASE,
)
#: "No bank may sell ... unless it verifies": what is forbidden is to leave something undone.
_PROVISO: Final = re.compile(r"\b(?:unless|without|until|before|prior to)\b", re.IGNORECASE)


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
    at = comparison.first
    for place, link in enumerate(clause.chain):
        limit = at if place == 0 else link.within[1]
        if any(
            _top(link, a, clause, comparison) and a.last <= limit and _defines(link, a)
            for a in link.of("C_DEFINITION")
        ):
            return "definition"
    if _near(clause, comparison, "C_WEALTH", 14, 8):
        return "customer_wealth_condition"
    if _near(clause, comparison, "C_FEE", 8, 4):
        return "fee"
    if _near(clause, comparison, "C_APPROPRIATION", 12, 12):
        return "appropriation"
    if _calculating(clause, comparison):
        return "calculation"
    authority = _authority(clause, at)
    if authority is not None:
        return authority
    governing = clause.governing()
    if governing is not None and governing.modality == "not_required":
        return "exemption_condition"
    if governing is not None and governing.modality == "may" and not is_limit(clause, comparison):
        return "exemption_condition" if any(governing.of("C_EXEMPTING")) else "permission"
    if _excepted(clause, comparison):
        return "exemption_condition"
    if governing is None or (comparison.op is None and not comparison.inherited):
        if any(link.of("C_THRESHOLD") for link in clause.chain) and any(clause.of("C_THRESHOLD")):
            return "parameter_definition"
        return "no_duty" if governing is None else "no_comparison"
    return None


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
    words = clause.passage.words
    for atom in clause.of("C_AUTHORITY"):
        follows = words[atom.end : atom.end + 1]
        if atom.last <= at and follows and follows[0] in ("may", "can", "could"):
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
    if _other_than(clause, comparison):
        return True
    for link in clause.above:
        tail = link.passage.words[-3:]
        if any(word in ("unless", "except") for word in tail):
            return True
    return False


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


def kind_of(
    clause: Clause, comparison: Comparison | None, everything: Read
) -> tuple[str | None, str | None, Clause | None]:
    """Return the kind of a rule, its modality, and the clause the duty was read from.

    The kind is null where the words do not say what is to be done.
    """
    governing = clause.governing()
    if governing is None:
        return None, None, None
    modality = governing.modality
    if _ensured(governing):
        modality = "must"
    if any(not _apart(governing, a, comparison) for a in governing.of("A_AGGREGATE")):
        return "aggregate", modality, governing
    if comparison is not None and is_limit(clause, comparison):
        return "limit", "must_not", governing
    if modality == "must_not" and comparison is not None:
        proviso = _PROVISO.search(governing.passage.text, *governing.within)
        if proviso and (needed := _first_action(governing, proviso.end())) in ("cdd", "record"):
            return needed, "must", governing
        return "prohibit", modality, governing
    duty = _duty(governing)
    if duty is None:
        for below in [c for c in clause.chain if c is not governing] + list(
            everything.below(governing.sentence.node)
        ):
            duty = _first_action(
                below, below.modal.last if below.modal and below is not clause else below.within[0]
            )
            if duty:
                break
    return duty or _named_in_subject(governing), modality, governing


def _named_in_subject(clause: Clause) -> str | None:
    """Read "A report on transfers of $1,000 or more must be made": the subject says what is to be made."""
    subject = clause.subject()
    if subject is None:
        return None
    found = [
        a for a in clause.passage.of("A_REPORT", "A_RECORD", "A_CDD", within=subject) if a.first < subject[0] + 30
    ]
    return _KINDS[found[0].label] if found else None


def _apart(clause: Clause, cue: Atom, comparison: Comparison | None) -> bool:
    """Say whether a colon or semicolon parts a cue from the amount, in the clause the amount is in."""
    if comparison is None or comparison.first < clause.within[0] or comparison.last > clause.within[1]:
        return False
    first, last = sorted((cue.first, comparison.first))
    return any(mark in clause.passage.text[first:last] for mark in (": ", "; "))


def _ensured(clause: Clause) -> bool:
    return clause.modality in ("must", "should") and " ensure" in clause.text


def is_limit(clause: Clause, comparison: Comparison) -> bool:
    """Say whether a comparison bounds what may be paid ("may accept only up to", "shall not exceed")."""
    if comparison.op != "le":
        return False
    governing = clause.governing()
    if comparison.limit and governing is not None and governing.modality != "not_required":
        return True
    if governing is not clause or clause.modal is None:
        return False
    text = clause.words(comparison.first, comparison.last)
    if clause.modality == "may":
        lead = clause.words(clause.modal.last, comparison.first) if clause.modal.last < comparison.first else "if"
        return bool(_PAYING.search(lead)) and not _RELATIVE.search(lead)
    return bool(_LIMITING.search(text)) and _duty(clause) is None


def _duty(clause: Clause) -> str | None:
    return _first_action(clause, clause.modal.first if clause.modal else clause.within[0])


def _first_action(clause: Clause, after: int) -> str | None:
    """Return the kind of the first action named after a place, the more telling one where two meet."""
    actions = [a for a in clause.of("A_REPORT", "A_RECORD", "A_CDD", "A_TRAVEL") if a.first >= after]
    if not actions:
        return None
    first = min(actions, key=lambda a: (a.first, -a.last))
    travel = [a for a in actions if a.label == "A_TRAVEL"]
    verb = clause.passage.words[first.start]
    if (
        travel
        and (first.label == "A_RECORD" or travel[0].first - first.first < 60)
        and first.label != "A_REPORT"
        and not (first.label == "A_CDD" and verb.startswith(_CHECKING))
    ):
        first = travel[0]
    return _KINDS[first.label]


_KINDS: Final = {"A_REPORT": "report", "A_RECORD": "record", "A_CDD": "cdd", "A_TRAVEL": "travel_info"}
_CHECKING: Final = ("verif", "check", "confirm", "ascertain")
