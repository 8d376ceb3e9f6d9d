"""Duties in the present tense ("the bank reports ...", "records are kept ..."), as civil law states them."""

from __future__ import annotations

from typing import Final

from compliance.atoms import Atom, Passage
from compliance.lexicon import SETS

__all__ = ["names_actor", "stated_duty"]

#: Stems of what institutions do; "s" is added for one of them.
_DOES: Final = SETS["DOES"]
_SINGULAR: Final = frozenset(
    {word + "s" for word in _DOES} | {"identifies", "verifies", "notifies", "carries", "performs", "applies"}
) - {"identifys", "verifys", "notifys"}
_DONE: Final = SETS["DONE"]
#: Who is under such duties.
_WHO: Final = SETS["WHO"]
#: "Money changers record every exchange": a plural that opens the sentence, its verb, and an object.
_OBJECTS: Final = [[word] for word in ("every", "each", "all", "the", "a", "any", "their", "such", "to")]
#: What ends the search for the word that opens a sentence.
_BREAKS: Final = frozenset([",", ";", ":", "that", "which", "who", "if", "when", "where"])
_ADVERBS: Final = SETS["ADVERBS"]


def stated_duty(passage: Passage, within: tuple[int, int]) -> Atom | None:
    """Return the verb by which a sentence without a modal states a duty, or None."""
    words = passage.words
    for place in range(passage.token(within[0]), passage.token(within[1])):
        word = words[place]
        if passage.depth[place]:
            continue
        if word in _SINGULAR or word in _DOES:
            if _does(words, place, passage.token(within[0])):
                return _atom(passage, place, place + 1)
        elif word in ("is", "are") and place + 1 < len(words) and words[place + 1] in _DONE:
            return _atom(passage, place, place + 2)
    return None


def _does(words: list[str], place: int, begin: int) -> bool:
    before = place - 1
    while before >= 0 and words[before] in _ADVERBS:
        before -= 1
    if before < begin:
        return False
    who = words[before]
    if words[place] in _SINGULAR:
        return who in _WHO
    if who == "they" or (who.endswith("s") and names_actor(who)):
        return True
    if words[place + 1 : place + 2] not in _OBJECTS:
        return False
    if before < begin + 3 and who.endswith("s"):
        return True
    return _opened_by_actor(words[begin:place])


def _opened_by_actor(lead: list[str]) -> bool:
    """Say whether institutions open the sentence: "Institutions subject to this law retain the documents"."""
    near = len(lead) < 9 and not _BREAKS.intersection(lead)
    return near and any(word.endswith("s") and names_actor(word) for word in lead[:3])


def names_actor(word: str) -> bool:
    """Say whether a word, in lower case, names who can be under a duty, one or several."""
    return word in _WHO or word.removesuffix("s") in _WHO or _singular(word) in _WHO


def _singular(word: str) -> str:
    return word.removesuffix("ies") + "y" if word.endswith("ies") else word.removesuffix("es")


def _atom(passage: Passage, start: int, end: int) -> Atom:
    return Atom("STATED", start, end, passage.starts[start], passage.ends[end - 1])
