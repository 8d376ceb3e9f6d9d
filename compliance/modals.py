"""Modals: the verb by which a main clause obliges, forbids, permits or exempts, and what it comes to."""

from __future__ import annotations

import re
from typing import Final

from compliance.atoms import Atom, Passage
from compliance.present import stated_duty

__all__ = ["MODALITY", "OWING", "main_modal", "modality_of", "stated"]

_RELATIVE: Final = frozenset(
    ["that", "which", "who", "whom", "whose", "as", "if", "when", "where", "whether", "unless"]
)
_DETERMINER: Final = frozenset(
    ["the", "a", "an", "such", "that", "this", "it", "they", "he", "she", "his", "its", "any", "each"]
)
_CONDITIONAL: Final = frozenset(["if", "where", "when", "once", "whenever"])
#: "No bank shall": forbidden to all; "No later than" and "No account is taken" forbid nobody.
_NO_ONE = re.compile(
    r"(?:[A-Z][^,]{0,80}, )?(?:No|no|Neither) (?!later|less|more|fewer|sooner|account)[a-z]+"
)
#: "for transactions under $10,000 no due diligence is required".
_NOTHING = re.compile(r"\bno (?!later|less|more|fewer|sooner)(?:[a-z-]+ ){1,4}$")
#: "Member States shall ensure that banks need not ...": what is laid down is what stands after "that".
_ENSURES = re.compile(
    r"(?:shall|must|may|should)(?: also)? (?:ensure|require|provide|stipulate|lay down|prescribe)\b"
)
MODALITY: Final = {
    "MUST": "must",
    "MUST_NOT": "must_not",
    "MAY": "may",
    "SHOULD": "should",
    "NOT_REQUIRED": "not_required",
    "DEEM": "deem",
    "OFFENCE": "must_not",
    "STATED": "must",
}
#: What is owed, or as good as owed.
OWING: Final = ("must", "must_not", "deem", "should")


def _first_word(passage: Passage, within: tuple[int, int]) -> str:
    return next(iter(passage.words[(first := passage.token(within[0])) : first + 1]), "")


def stated(passage: Passage, within: tuple[int, int]) -> Atom | None:
    """Return the verb by which a sentence without a modal states a duty of its main clause, or None."""
    verb = stated_duty(passage, within)
    if verb is None or _subordinate(passage, verb):
        return None
    opens = _first_word(passage, within)
    if opens in _CONDITIONAL and "," not in passage.text[within[0] : verb.first]:
        return None
    return verb


def main_modal(passage: Passage, within: tuple[int, int]) -> Atom | None:
    """Return the modal of the main clause in a character range, or None."""
    candidates = [
        atom
        for atom in passage.of(*MODALITY, within=within)
        if passage.depth[atom.start] == 0 and not _subordinate(passage, atom)
    ]
    if not candidates:
        return None
    if len(candidates) > 1 and _ENSURES.match(passage.text, candidates[0].first):
        told = candidates[1]
        if "that" in passage.words[candidates[0].end : told.start]:
            return told
    first_word = _first_word(passage, within)
    if first_word in _CONDITIONAL:
        comma = passage.text.find(",", within[0], within[1])
        later = [atom for atom in candidates if atom.first > comma >= 0]
        if later:
            return later[0]
        return None if comma >= 0 else candidates[-1]
    return candidates[0]


def _subordinate(passage: Passage, modal: Atom) -> bool:
    """Say whether a modal stands in a relative clause ("that is required to", "as the Secretary may")."""
    words = passage.words
    if modal.start and words[modal.start - 1] in _RELATIVE:
        return True
    for place in range(modal.start - 2, max(-1, modal.start - 7), -1):
        if words[place] in (",", ";", ".", "—"):
            return False
        if words[place] in _RELATIVE and words[place + 1] in _DETERMINER:
            opens = place == 0 or words[place - 1] in (".", "(", ")", "—")
            ensured = words[place] == "that" and words[place - 1] in (
                "ensure",
                "require",
                "requires",
                "provided",
            )
            return not (opens or ensured)
    return False


def modality_of(passage: Passage, within: tuple[int, int], modal: Atom | None) -> str | None:
    """Return what a modal comes to in the interchange format, with "no bank shall" understood."""
    if modal is None:
        return None
    found = MODALITY[modal.label]
    if modal.label == "STATED" and passage.words[modal.end - 1] in ("prohibited", "forbidden"):
        return "must_not"
    negated = any(
        atom.first < modal.first and _leads(passage, within, atom)
        for atom in passage.of("C_NO_SUBJECT", within=within)
    ) or bool(_NO_ONE.match(passage.text, within[0], modal.first))
    negated = negated or bool(_NOTHING.search(passage.text, within[0], modal.first))
    if negated:
        words = passage.text[modal.first : modal.last].lower()
        return "not_required" if "required" in words or "need" in words or "obliged" in words else "must_not"
    return found


def _leads(passage: Passage, within: tuple[int, int], atom: Atom) -> bool:
    """Say whether "no person" opens the sentence or its main clause."""
    if passage.words[atom.start] == "neither":
        return False
    before = passage.text[within[0] : atom.first].strip()
    return before == "" or before.endswith((",", ")", "—", "."))
