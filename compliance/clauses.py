"""Clauses: a sentence with its main modal, its subject, and the sentences above it that it inherits from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from compliance.atoms import Atom, Passage
from compliance.modals import MODALITY, main_modal, modality_of, stated
from compliance.segmenting import Node, Sentence

__all__ = ["Clause", "Read", "read"]

_ENSURE = re.compile(
    r"\b(?:ensure|require|requires|provide|stipulate|prescribe)s? that\b"
    r"|\brequires? (?:the )?(?:obliged|reporting|financial|credit)\b"
)
#: Where one sentence may hold two main clauses; a proviso belongs to the clause before it.
_JOINT = re.compile(
    r",? and (?=(?:shall|must|may|should|need not|(?:is|are)(?: not)? required)\b)"
    r"|; (?!(?:or|and|provided|unless|except|if|which|whether|save|including|as|nor)\b)(?=[a-zA-Z(])"
)
_ENSURE_THAT = re.compile(r"\b(?:ensure|require|provide|stipulate|lay down|prescribe) that ")
#: A sentence that opens with "Those limits" or "They" speaks of what the sentence before spoke of.
_ANAPHOR = re.compile(r"(?:those|these|such|they|it|its|their)\b", re.IGNORECASE)

#: The label of a modal that is itself the verb of what is to be done.
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

    def above_excepts(self) -> bool:
        """Say whether the words above break off at an exception ("unless:", "except where:")."""
        return any({"unless", "except"}.intersection(link.passage.words[-3:]) for link in self.above)

    def empowers(self, before: int) -> bool:
        """Say whether an authority that may do something stands before a character of the block."""
        for atom in self.of("C_AUTHORITY"):
            follows = self.passage.words[atom.end : atom.end + 1]
            if atom.last <= before and follows and follows[0] in ("may", "can", "could"):
                return True
        return False

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
            modal = main_modal(passage, within)
            if modal is None and not node.heading and all(link.modal is None for link in above):
                modal = stated(passage, within)
            modality = modality_of(passage, within, modal)
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
            before = main_modal(passage, (start, mark.start() + 1))
            if before is None or not _opens_clause(passage, rest):
                continue
            if (
                mark[0] == "; "
                or modality_of(passage, rest, main_modal(passage, rest)) != MODALITY[before.label]
            ):
                yield Sentence(node, start, mark.start() + 1)
                start = mark.end()
        yield Sentence(node, start, sentence.end)


def _opens_clause(passage: Passage, within: tuple[int, int]) -> bool:
    end = passage.text.find("; ", *within)
    within = (within[0], within[1] if end < 0 else end + 1)
    return main_modal(passage, within) is not None or stated(passage, within) is not None


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
