"""Duties in the present tense ("the bank reports ...", "records are kept ..."), as civil law states them."""

from __future__ import annotations

from typing import Final

from compliance.atoms import Atom, Passage

__all__ = ["stated_duty"]

#: Stems of what institutions do; "s" is added for one of them.
_DOES: Final = frozenset(
    "report keep retain identify verify notify obtain record file submit declare maintain preserve ensure "
    "communicate register inform disclose furnish store document check conserve transmit".split()
)
_SINGULAR: Final = frozenset(
    {word + "s" for word in _DOES} | {"identifies", "verifies", "notifies", "carries", "performs", "applies"}
) - {"identifys", "verifys", "notifys"}
_DONE: Final = frozenset(
    "reported kept retained identified verified notified recorded filed submitted declared maintained preserved "
    "communicated registered disclosed furnished stored documented conserved transmitted prohibited "
    "forbidden".split()
)
#: Who is under such duties.
_WHO: Final = frozenset(
    "bank institution intermediary entity person dealer trader business firm casino operator provider licensee "
    "insurer broker member company agent undertaking professional lawyer notary seller buyer carrier traveller "
    "officer branch cooperative union house exchange it".split()
)
_ADVERBS: Final = frozenset("also immediately promptly then always thereupon additionally likewise".split())


def stated_duty(passage: Passage, within: tuple[int, int]) -> Atom | None:
    """Return the verb by which a sentence without a modal states a duty, or None."""
    words = passage.words
    for place, word in enumerate(words):
        if passage.starts[place] < within[0] or passage.depth[place]:
            continue
        if passage.ends[place] > within[1]:
            break
        if word in _SINGULAR or word in _DOES:
            if _does(words, place):
                return _atom(passage, place, place + 1)
        elif word in ("is", "are") and place + 1 < len(words) and words[place + 1] in _DONE:
            return _atom(passage, place, place + 2)
    return None


def _does(words: list[str], place: int) -> bool:
    before = place - 1
    while before >= 0 and words[before] in _ADVERBS:
        before -= 1
    if before < 0:
        return False
    who = words[before]
    if words[place] in _SINGULAR:
        return who in _WHO
    plural = who.removesuffix("ies") + "y" if who.endswith("ies") else who.removesuffix("s")
    return who == "they" or (who.endswith("s") and (plural in _WHO or who.removesuffix("es") in _WHO))


def _atom(passage: Passage, start: int, end: int) -> Atom:
    return Atom("STATED", start, end, passage.starts[start], passage.ends[end - 1])
