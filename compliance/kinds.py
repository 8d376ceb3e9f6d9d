"""Kinds: what a sentence demands: a report, a record, due diligence, information sent along, a limit."""

from __future__ import annotations

import re
from typing import Final

from compliance.atoms import Atom
from compliance.clauses import Clause, Read
from compliance.grammar import Comparison
from compliance.lexicon import SETS
from compliance.present import names_actor

__all__ = ["is_limit", "kind_of", "plainly_demands"]

_LIMITING: Final = re.compile(
    r"(?:shall|must|may) (?:not|never) exceed|cannot exceed|limited to|up to|capped|not beyond", re.IGNORECASE
)
_RELATIVE: Final = re.compile(
    r"\b(?:if|where|when|whose|which|that|who|unless|provided|in respect of which)\b"
)
_PAYING: Final = re.compile(
    r"\b(?:accept|pay|paid|receive|received|make|made|hold|held|carry|carried|take|taken|deposit|"
    r"withdraw|transfer|"
    r"settle|settled|spend|load|store|send|redeem)\w*\b",
    re.IGNORECASE,
)
#: "No bank may sell ... unless it verifies": what is forbidden is to leave something undone.
_PROVISO: Final = re.compile(r"\b(?:unless|without|until|before|prior to)\b", re.IGNORECASE)


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
            return needed, "should" if _advises(governing) else "must", governing
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


def _advises(clause: Clause) -> bool:
    modal = clause.modal
    return modal is not None and clause.words(modal.first, modal.last).lower().startswith(("should", "ought"))


def _named_in_subject(clause: Clause) -> str | None:
    """Read "A report on transfers of $1,000 or more must be made": the subject says what is to be made."""
    subject = clause.subject()
    if subject is None:
        return None
    found = [
        a
        for a in clause.passage.of("A_REPORT", "A_RECORD", "A_CDD", within=subject)
        if a.first < subject[0] + 30
    ]
    return _KINDS[found[0].label] if found else None


def plainly_demands(clause: Clause) -> bool:
    """Say whether an institution or a person is told to do, or not to do, something itself.

    "A bank shall report any suspicious transaction", and not "the programme must contain procedures for ...".
    """
    subject = clause.subject()
    if clause.modal is None:
        return False
    if subject is None:
        impersonal = clause.words(clause.modal.first, clause.modal.last).lower().startswith("it ")
        return impersonal and clause.modality == "must_not"
    words = clause.passage.words
    first, last = (clause.passage.token(at) for at in subject)
    if not any(names_actor(word) for word in words[first:last]):
        return False
    verb = next((w for w in words[clause.modal.end : clause.modal.end + 3] if w not in _ADVERBS), "")
    if clause.modality == "must_not":
        return verb not in _INERT
    return any(
        0 <= a.start - clause.modal.end <= 2 or a.start == clause.modal.start
        for a in clause.of("A_REPORT", "A_RECORD", "A_CDD", "A_TRAVEL")
    )


_ADVERBS: Final = SETS["ADVERBS"]
_INERT: Final = SETS["INERT"]


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
        lead = (
            clause.words(clause.modal.last, comparison.first)
            if clause.modal.last < comparison.first
            else "if"
        )
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
    if first.label == "A_RECORD" and not _SENT_ALONG.search(clause.text):
        travel = []
    if (
        travel
        and (first.label == "A_RECORD" or travel[0].first - first.first < 60)
        and first.label != "A_REPORT"
        and not (first.label == "A_CDD" and verb.startswith(_CHECKING))
    ):
        first = travel[0]
    return _KINDS[first.label]


_KINDS: Final = {"A_REPORT": "report", "A_RECORD": "record", "A_CDD": "cdd", "A_TRAVEL": "travel_info"}
#: Information is only kept where nothing says that it goes with the payment.
_SENT_ALONG: Final = re.compile(
    r"\b(?:includ|accompan|contain|transmit|pass|attach|forward|send|sent|together with)\w*"
)
_CHECKING: Final = ("verif", "check", "confirm", "ascertain")
