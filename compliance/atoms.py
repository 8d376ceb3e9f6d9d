"""Atoms: the smallest pieces of meaning in a passage (money, durations, phrases), each with its tokens.

The spaCy component `regulatory_atoms` puts them on `doc.spans["atoms"]`; the label of a span is the kind of
atom. Everything after works on `Atom` objects, which also carry what was read (an amount, a period).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from spacy.language import Language
from spacy.matcher import PhraseMatcher
from spacy.tokens import Doc, Span

from compliance import durations, money, units
from compliance.lexicon import ACTIONS, COMPARATORS, CUES, MODALS, PHRASES, WINDOWS
from compliance.tokens import blank, number_runs, tokens

__all__ = ["Atom", "Passage", "passages"]

_FAMILY = {
    **dict.fromkeys(COMPARATORS, "comparator"),
    **dict.fromkeys(MODALS, "modal"),
    **dict.fromkeys(ACTIONS, "action"),
    **dict.fromkeys(WINDOWS, "window"),
    **{label: label for label in CUES},
}


@dataclass(frozen=True, slots=True)
class Atom:
    """Tokens `start:end` of a passage, characters `first:last`, and what they say."""

    label: str
    start: int
    end: int
    first: int
    last: int
    money: money.Money | None = None
    duration: durations.Duration | None = None
    number: Decimal | None = None


class Passage:
    """The tokens and atoms of a text, in order; character positions are those of the text."""

    def __init__(self, doc: Doc) -> None:
        self.text = doc.text
        self.words = [token.lower_ for token in doc]
        self.starts = [token.idx for token in doc]
        self.ends = [token.idx + len(token) for token in doc]
        self.depth = _depths(self.words)
        self.atoms = list(_atoms(doc))
        self._firsts = [atom.first for atom in self.atoms]
        self.money = {place for a in self.atoms if a.label == "MONEY" for place in range(a.start, a.end)}
        self._labelled: dict[str, tuple[list[int], list[Atom]]] = {}
        for atom in self.atoms:
            firsts, atoms = self._labelled.setdefault(atom.label, ([], []))
            firsts.append(atom.first)
            atoms.append(atom)

    def between(self, within: tuple[int, int]) -> Iterator[Atom]:
        """Yield the atoms that lie in a character range, in order."""
        for place in range(bisect_left(self._firsts, within[0]), bisect_left(self._firsts, within[1])):
            if self.atoms[place].last <= within[1]:
                yield self.atoms[place]

    def of(self, *labels: str, within: tuple[int, int] | None = None) -> Iterator[Atom]:
        """Yield the atoms with one of the labels that lie in a character range."""
        first, last = within or (0, len(self.text) + 1)
        found: list[Atom] = []
        for label in labels:
            if label in self._labelled:
                firsts, atoms = self._labelled[label]
                found += atoms[bisect_left(firsts, first) : bisect_left(firsts, last)]
        if len(labels) > 1:
            found.sort(key=_place)
        return iter([atom for atom in found if atom.last <= last])

    def token(self, character: int) -> int:
        """Return the first token that begins at a character or after it."""
        return bisect_left(self.starts, character)


def _place(atom: Atom) -> tuple[int, int, str]:
    return atom.start, atom.end, atom.label


def _depths(words: list[str]) -> list[int]:
    """Return how many round brackets are open at each token."""
    depth, depths = 0, []
    for word in words:
        if word == ")":
            depth = max(0, depth - 1)
        depths.append(depth)
        if word == "(":
            depth += 1
    return depths


def passages(texts: list[str]) -> list[Passage]:
    """Read several texts."""
    return [Passage(doc) for doc in _pipeline().pipe(texts, batch_size=256)]


@cache
def _pipeline() -> Any:
    nlp = blank()
    nlp.max_length = 30_000_000
    nlp.add_pipe("regulatory_atoms")
    return nlp


@Language.factory("regulatory_atoms")
class AtomFinder:
    """spaCy component: marks numbers and phrases on `doc.spans["atoms"]`."""

    def __init__(self, nlp: Any, name: str) -> None:
        self.name = name
        self.phrases = PhraseMatcher(nlp.vocab, attr="LOWER")
        for label, phrases in PHRASES.items():
            self.phrases.add(label, [nlp.make_doc(phrase) for phrase in phrases])

    def __call__(self, doc: Doc) -> Doc:
        """Find the atoms of one document."""
        strings = doc.vocab.strings
        best: dict[tuple[str, int], tuple[int, int, str]] = {}
        for key, start, end in self.phrases(doc):
            label = strings[key]
            if label == "AFTER_GE" and end < len(doc) and doc[end].lower_ == "than":
                continue
            place = (_FAMILY[label], start)
            if place not in best or end > best[place][1]:
                best[place] = (start, end, label)
        reach: dict[str, int] = {}
        spans = []
        for (family, start), (_, end, label) in sorted(
            best.items(), key=lambda item: (item[0][1], item[0][0])
        ):
            if start >= reach.get(family, 0):
                reach[family] = end
                spans.append(Span(doc, start, end, label=label))
        spans += [Span(doc, start, end, label="NUMBER") for start, end in number_runs(doc)]
        doc.spans["atoms"] = sorted(spans, key=lambda s: (s.start, s.end, s.label_))
        return doc


def _atoms(doc: Doc) -> Iterator[Atom]:
    spans = [(s.label_, s.start, s.end) for s in doc.spans["atoms"]]
    runs = sorted({(start, end) for label, start, end in spans if label == "NUMBER"})
    read = tokens(doc)
    amounts = list(money.find(read, runs))
    taken = {i for m in amounts for i in range(m.start, m.end)}
    counted = [u for u in units.find(read, runs) if not taken.intersection(range(u.start, u.end))]
    taken |= {i for u in counted for i in range(u.start, u.end)}
    periods = [d for d in durations.find(read, runs) if not taken.intersection(range(d.start, d.end))]
    found = [_atom(doc, label, start, end) for label, start, end in spans if label != "NUMBER"]
    found += [_atom(doc, "MONEY", m.start, m.end, money=m) for m in amounts]
    found += [_atom(doc, "UNITS", u.start, u.end) for u in counted]
    found += [_atom(doc, "DURATION", d.start, d.end, duration=d) for d in periods]
    yield from sorted(found, key=lambda a: (a.start, a.end, a.label))


def _atom(doc: Doc, label: str, start: int, end: int, **what: Any) -> Atom:
    return Atom(label, start, end, doc[start].idx, doc[end - 1].idx + len(doc[end - 1]), **what)
