"""Clauses: a sentence with its main modal, its subject, and the sentences above it that it inherits from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from compliance.atoms import Atom, Passage
from compliance.present import stated_duty
from compliance.segmenting import Node, Sentence

__all__ = ["Clause", "Read", "read"]

_RELATIVE: Final = frozenset(
    ["that", "which", "who", "whom", "whose", "as", "if", "when", "where", "whether", "unless"]
)
_DETERMINER: Final = frozenset(
    ["the", "a", "an", "such", "that", "this", "it", "they", "he", "she", "his", "its", "any", "each"]
)
_CONDITIONAL: Final = frozenset(["if", "where", "when", "once", "whenever"])
_ENSURE = re.compile(
    r"\b(?:ensure|require|requires|provide|stipulate|prescribe)s? that\b"
    r"|\brequires? (?:the )?(?:obliged|reporting|financial|credit)\b"
)
#: "No bank shall": forbidden to all; "No later than" and "No account is taken" forbid nobody.
_NO_ONE = re.compile(
    r"(?:[A-Z][^,]{0,80}, )?(?:No|no|Neither) (?!later|less|more|fewer|sooner|account)[a-z]+"
)
#: "for transactions under $10,000 no due diligence is required".
_NOTHING = re.compile(r"\bno (?!later|less|more|fewer|sooner)(?:[a-z-]+ ){1,4}$")
#: A sentence that opens with "Those limits" or "They" speaks of what the sentence before spoke of.
#: Where one sentence may hold two main clauses; a proviso belongs to the clause before it.
_JOINT = re.compile(
    r",? and (?=(?:shall|must|may|should|need not|(?:is|are)(?: not)? required)\b)"
    r"|; (?!(?:or|and|provided|unless|except|if|which|whether|save|including|as|nor)\b)(?=[a-zA-Z(])"
)
_ENSURE_THAT = re.compile(r"\b(?:ensure|require|provide|stipulate|lay down|prescribe) that ")
_ANAPHOR = re.compile(r"(?:those|these|such|they|it|its|their)\b", re.IGNORECASE)

#: "Member States shall ensure that banks need not ...": what is laid down is what stands after "that".
_ENSURES = re.compile(
    r"(?:shall|must|may|should)(?: also)? (?:ensure|require|provide|stipulate|lay down|prescribe)\b"
)
_MODALITY: Final = {
    "MUST": "must",
    "MUST_NOT": "must_not",
    "MAY": "may",
    "SHOULD": "should",
    "NOT_REQUIRED": "not_required",
    "DEEM": "deem",
    "OFFENCE": "must_not",
    "STATED": "must",
}
#: Where the sentence goes on after the modal; a verb that states a duty is itself what is to be done.
_VERB_IS_MODAL: Final = "STATED"


@dataclass(frozen=True, slots=True, eq=False)
class Clause:
    """One sentence, read.

    Parameters
    ----------
    sentence : Sentence
    passage : Passage
        Of the sentence's whole block; character positions are the block's.
    within : (int, int)
        The sentence's characters in the block.
    modal : Atom or None
        The modal of the main clause.
    modality : str or None
    above : list of Clause
        The sentences that introduce it, nearest first.
    """

    sentence: Sentence
    passage: Passage
    within: tuple[int, int]
    modal: Atom | None
    modality: str | None
    above: list[Clause] = field(default_factory=list)
    previous: Clause | None = None

    def of(self, *labels: str) -> Iterator[Atom]:
        """Yield the atoms of this sentence with one of the labels."""
        return self.passage.of(*labels, within=self.within)

    def words(self, first: int, last: int) -> str:
        """Return normalised words between two characters of the block."""
        return self.passage.text[first:last]

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return the file's span of characters of the block."""
        return self.sentence.node.block.span(first, last)

    @property
    def text(self) -> str:
        """The sentence, normalised."""
        return self.passage.text[slice(*self.within)]

    @property
    def offence(self) -> bool:
        """Whether the sentence makes what it describes an offence."""
        return self.modal is not None and self.modal.label == "OFFENCE"

    @property
    def action_start(self) -> int:
        """The character at which the words of what is to be done begin."""
        if self.modal is None:
            return self.within[0]
        return self.modal.first if self.modal.label == _VERB_IS_MODAL else self.modal.last

    @property
    def chain(self) -> list[Clause]:
        """The clause itself and those above it, nearest first."""
        return [self, *self.above]

    def governing(self) -> Clause | None:
        """Return the nearest clause with a main modal: where subject and modality come from."""
        return next((clause for clause in self.chain if clause.modal is not None), None)

    def subject(self) -> tuple[int, int] | None:
        """Return the characters of the main clause's subject, without the clauses that lead to it."""
        if self.modal is None:
            return None
        first, last = self.within[0], self.modal.first
        told = _ENSURE_THAT.search(self.passage.text, first, last)
        if told:
            first = told.end()
        lead = _LEAD.match(self.passage.text, first, last)
        if lead:
            comma = _comma_before_subject(self.passage, lead.end(), last)
            if comma is not None:
                first = comma
        text = self.passage.text
        if not text[first:last].strip(" ,") and self.previous is not None:
            return self.previous.subject() if self.within[0] - self.previous.within[1] < 8 else None
        while first < last and text[first] in " ,(":
            first += 1
        while last > first and text[last - 1] in " ,":
            last -= 1
        return (first, last) if first < last else None

    def authority(self) -> Atom | None:
        """Return the authority that is the subject of the main clause, if one is."""
        subject = self.subject()
        if subject is None:
            return None
        head = subject[0] + 40
        for atom in self.passage.of("C_AUTHORITY", within=subject):
            leads = _BEFORE_AUTHORITY.fullmatch(self.passage.text, subject[0], atom.first)
            if atom.first <= head and leads and not _names_other(self.passage, atom):
                if _ENSURE.search(self.passage.text, self.modal.first if self.modal else 0, self.within[1]):
                    return None
                return atom
        if self.previous is not None and _ANAPHOR.match(self.passage.text, subject[0]):
            return self.previous.authority()
        return None


#: What may stand before an authority that is itself the subject: "Each", "FinCEN and", "The Minister or".
_BEFORE_AUTHORITY = re.compile(
    r"(?:(?:the|each|any|every|a|an|all|those|its|their|competent|relevant|national|where [a-z ]{1,20},) |"
    r"[^,;]{2,40} (?:and|or) )*",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"(?:If|Where|When|Once|In addition|By way|Subject to|Except|For|Unless|Notwithstanding|In the case"
    r"|In respect|With respect|Without prejudice|In relation|Before|After|Upon|On|In|As|Other|Consistent"
    r"|Pursuant|Under|At|By|During|To the extent)\b"
)


def _comma_before_subject(passage: Passage, first: int, last: int) -> int | None:
    """Return where the last comma-separated piece before a modal begins (outside brackets)."""
    found: int | None = None
    for place in range(passage.token(first), passage.token(last)):
        if passage.words[place] == "," and passage.depth[place] == 0:
            rest = passage.text[passage.ends[place] : last].strip(" ,")
            if len(rest) > 3 and not rest.startswith(
                ("and ", "or ", "with ", "other than ", "including ", "except ")
            ):
                found = passage.ends[place]
    return found


def _names_other(passage: Passage, atom: Atom) -> bool:
    """Say whether an authority is only named after another noun ("reports to the Minister shall")."""
    before = passage.words[max(0, atom.start - 1) : atom.start]
    return bool(before) and before[0] in ("to", "by", "of", "with", "from", "under", "for")


@dataclass(slots=True)
class Read:
    """All clauses of a provision in order, and those of each node."""

    clauses: list[Clause]
    of_node: dict[int, list[Clause]]

    def below(self, node: Node) -> Iterator[Clause]:
        """Yield the clauses of a node's descendants, in order."""
        for child in node.children:
            yield from self.of_node.get(id(child), [])
            yield from self.below(child)


def read(nodes: list[Node], passages: list[Passage]) -> Read:
    """Read the sentences of a provision's nodes (a passage for each node)."""
    of_node: dict[int, list[Clause]] = {}
    ordered: list[Clause] = []
    for node, passage in zip(nodes, passages, strict=True):
        above: list[Clause] = []
        for ancestor in node.ancestors():
            clauses = of_node.get(id(ancestor))
            if clauses and not ancestor.heading:
                above.append(clauses[-1])
        mine: list[Clause] = []
        for sentence in _coordinated(node, passage):
            within = (sentence.start, sentence.end)
            modal = _main_modal(passage, within)
            if modal is None and not node.heading and all(link.modal is None for link in above):
                modal = _stated(passage, within)
            modality = _modality(passage, within, modal)
            previous = mine[-1] if mine else None
            mine.append(Clause(sentence, passage, within, modal, modality, above, previous))
        of_node[id(node)] = mine
        ordered += mine
    for node in nodes:
        _go_on(node, of_node)
    return Read(ordered, of_node)


def _coordinated(node: Node, passage: Passage) -> Iterator[Sentence]:
    """Yield a node's sentences, cut at a semicolon where both sides have a main clause of their own."""
    for sentence in node.sentences:
        start = sentence.start
        for mark in _JOINT.finditer(passage.text, sentence.start, sentence.end):
            rest = (mark.end(), sentence.end)
            before = _main_modal(passage, (start, mark.start() + 1))
            if before is None or not _opens_clause(passage, rest):
                continue
            if (
                mark[0] == "; "
                or _modality(passage, rest, _main_modal(passage, rest)) != _MODALITY[before.label]
            ):
                yield Sentence(node, start, mark.start() + 1)
                start = mark.end()
        yield Sentence(node, start, sentence.end)


def _opens_clause(passage: Passage, within: tuple[int, int]) -> bool:
    end = passage.text.find("; ", *within)
    within = (within[0], within[1] if end < 0 else end + 1)
    return _main_modal(passage, within) is not None or _stated(passage, within) is not None


def _go_on(node: Node, of_node: dict[int, list[Clause]]) -> None:
    """Let the items of a list know the words after it: "If (a) ... and (b) ..., the bank must report"."""
    if node.tail or node.heading:
        return
    inherited = next(iter(of_node[id(node)]), None)
    if inherited is None or any(link.modal is not None for link in inherited.above):
        return
    for ancestor in node.ancestors():
        tails = (clause for child in ancestor.children if child.tail for clause in of_node[id(child)])
        duty = next((clause for clause in tails if clause.modal is not None), None)
        if duty is not None:
            inherited.above.append(duty)
            return


def _first_word(passage: Passage, within: tuple[int, int]) -> str:
    return next(iter(passage.words[(first := passage.token(within[0])) : first + 1]), "")


def _stated(passage: Passage, within: tuple[int, int]) -> Atom | None:
    verb = stated_duty(passage, within)
    if verb is None or _subordinate(passage, verb):
        return None
    opens = _first_word(passage, within)
    if opens in _CONDITIONAL and "," not in passage.text[within[0] : verb.first]:
        return None
    return verb


def _main_modal(passage: Passage, within: tuple[int, int]) -> Atom | None:
    candidates = [
        atom
        for atom in passage.of(*_MODALITY, within=within)
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


def _modality(passage: Passage, within: tuple[int, int], modal: Atom | None) -> str | None:
    if modal is None:
        return None
    found = _MODALITY[modal.label]
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
