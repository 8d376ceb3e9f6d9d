"""Grammar: which comparison governs which amount, and what an amount extends to."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from compliance.atoms import Atom, Passage
from compliance.lexicon import SETS

__all__ = ["Comparison", "comparisons", "equivalent", "inherited"]

_BEFORE: Final = ("GT", "GE", "LT", "LE", "ONLY_LE")
_AFTER: Final = ("AFTER_GE", "AFTER_LE", "AFTER_GT")
#: Words that may stand between a comparison and its amount: "only up to an amount of".
_FILLER: Final = SETS["FILLER"]
#: Words that may stand between an amount and a comparison after it: "or its equivalent, or more".
_FILLER_AFTER: Final = SETS["FILLER_AFTER"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison with its amounts; `first:last` are the characters of both.

    `op` is None where the amount stands without a comparison. `limit` marks "only up to".
    `partners` are amounts in other currencies that the same comparison governs.
    """

    op: str | None
    amount: Atom
    upper: Atom | None
    first: int
    last: int
    limit: bool = False
    open_question: str | None = None
    inherited: bool = False


def comparisons(passage: Passage, within: tuple[int, int]) -> list[Comparison]:
    """Return every amount in a character range with the comparison that governs it."""
    amounts = list(passage.of("MONEY", "UNITS", within=within))
    found: list[Comparison] = []
    skip = False
    for place, amount in enumerate(amounts):
        if skip:
            skip = False
            continue
        following = amounts[place + 1] if place + 1 < len(amounts) else None
        spread = _range(passage, amount, following)
        if spread is not None:
            found.append(spread)
            skip = True
            continue
        found.append(_single(passage, amount, within))
    return _share(passage, found)


def _single(passage: Passage, amount: Atom, within: tuple[int, int]) -> Comparison:
    before = _governing(passage, amount, within)
    after = _trailing(passage, amount, within) or _at_least_after(passage, amount, within)
    if before is not None and after is not None and after.label in ("GE", "LE"):
        after = None
    if after is not None:
        op = after.label.removeprefix("AFTER_").lower()
        first = before.first if before is not None and before.label == after.label[6:] else amount.first
        return Comparison(op, amount, None, first, after.last)
    if before is not None:
        first = _past_copula(passage, before)
        op = {"GT": "gt", "GE": "ge", "LT": "lt", "LE": "le", "ONLY_LE": "le"}[before.label]
        return Comparison(op, amount, None, first, amount.last, limit=before.label == "ONLY_LE")
    return Comparison(None, amount, None, amount.first, amount.last)


def _past_copula(passage: Passage, atom: Atom) -> int:
    """Return where a comparison begins without "is", "which" or the like before it."""
    place = atom.start
    while place < atom.end - 1 and passage.words[place] in ("is", "are", "which", "that", "and"):
        place += 1
    return passage.starts[place]


def _governing(passage: Passage, amount: Atom, within: tuple[int, int]) -> Atom | None:
    """Return the nearest comparison before an amount with nothing but filler between."""
    candidates = [a for a in passage.of(*_BEFORE, within=within) if a.end <= amount.start]
    for atom in reversed(candidates):
        between = passage.words[atom.end : amount.start]
        if len(between) > 9:
            return None
        if all(word in _FILLER for word in between):
            return atom
    return None


def _trailing(passage: Passage, amount: Atom, within: tuple[int, int]) -> Atom | None:
    for atom in passage.of(*_AFTER, within=within):
        if atom.start < amount.end:
            continue
        between = passage.words[amount.end : atom.start]
        if len(between) > 14:
            return None
        if any(amount.end <= m.start < atom.start for m in passage.of("MONEY")) and "(" not in between:
            return None
        inner = [
            w for i, w in enumerate(between, amount.end) if passage.depth[i] <= passage.depth[amount.end - 1]
        ]
        return atom if all(word in _FILLER_AFTER for word in inner) else None
    return None


def _at_least_after(passage: Passage, amount: Atom, within: tuple[int, int]) -> Atom | None:
    """Return the comparison of "NIS 50,000 at least", which elsewhere stands before its amount."""
    for atom in passage.of("GE", "LE", within=within):
        if atom.start == amount.end and passage.words[atom.start] in ("at", "minimum", "maximum"):
            after = passage.words[atom.end : atom.end + 1]
            return (
                atom
                if not after or after[0] in (".", ",", ";", ")", "and", "or", "in", "shall", "must")
                else None
            )
    return None


def inherited(
    comparison: Comparison,
    passage: Passage,
    within: tuple[int, int],
    above: Passage,
    above_within: tuple[int, int],
) -> Comparison:
    """Let an amount that opens a list item take the comparison at which the words above it break off.

    "... a sum exceeding: (a) N5,000,000, in the case of an individual".
    """
    lead = passage.words[passage.token(within[0]) : comparison.amount.start]
    if comparison.op is not None or len(lead) > 4 or not all(w in _FILLER or w in _LABELLING for w in lead):
        return comparison
    last = next(reversed(list(above.of(*_BEFORE, within=above_within))), None)
    if last is None:
        return comparison
    rest = above.text[last.last : above_within[1]].lower()
    if not all(w in _FILLER or w in _LABELLING for w in re.findall(r"[a-z-]{2,}|[^\sa-z-]", rest)):
        return comparison
    op = "le" if last.label == "ONLY_LE" else last.label.lower()
    return replace(comparison, op=op, limit=last.label == "ONLY_LE", inherited=True)


_LABELLING: Final = frozenset(["(", ")", ":", "—", "-", ".", "the", "following", "amounts"])


def _range(passage: Passage, low: Atom, high: Atom | None) -> Comparison | None:
    """Read "$3,000-$10,000, inclusive", "between X and Y", "at least X but not more than Y"."""
    if high is None or low.money is None or high.money is None or low.money.amount == high.money.amount:
        return None
    if low.money.amount > high.money.amount:
        return _downward(passage, low, high)
    between = passage.words[low.end : high.start]
    before = passage.words[low.start - 1] if low.start else ""
    ends = [a for a in passage.of("INCLUSIVE") if 0 <= a.start - high.end <= 2]
    dash = between in (["-"], ["—"], ["to"])
    opened = (before == "between" and between == ["and"]) or (before in ("from", "of") and between == ["to"])
    if dash or opened or (before == "from" and between in (["up", "to"], ["through"])):
        question = None
        if before == "between" and not ends:
            question = "Does “between” include its two ends?"
        first = passage.starts[low.start - 1] if before in ("between", "from") else low.first
        return Comparison(
            "range_incl", low, high, first, ends[0].last if ends else high.last, open_question=question
        )
    if 2 <= len(between) <= 8 and not set(between) & {".", ";"}:
        one = _single(passage, low, (0, high.first))
        two = _single(passage, high, (low.last, len(passage.text)))
        if one.op == "ge" and two.op == "le":
            return Comparison("range_incl", low, high, one.first, two.last)
        if one.op in ("gt", "ge") and two.op in ("lt", "le"):
            return Comparison("range_incl", low, high, one.first, two.last, open_question=_OPEN_END)
    return None


def _downward(passage: Passage, high: Atom, low: Atom) -> Comparison | None:
    """Read "less than $3,000 but more than $1,000"."""
    between = passage.words[high.end : low.start]
    if not 2 <= len(between) <= 8 or not {"but", "and"} & set(between):
        return None
    one, two = _single(passage, high, (0, low.first)), _single(passage, low, (high.last, len(passage.text)))
    if one.op not in ("lt", "le") or two.op not in ("gt", "ge"):
        return None
    both = one.op == "le" and two.op == "ge"
    question = None if both else _OPEN_END
    return Comparison("range_incl", low, high, one.first, two.last, open_question=question)


def _share(passage: Passage, found: list[Comparison]) -> list[Comparison]:
    """Let "more than $10,000 or €9,000" and "$10,000 (US$7,500) or more" share one comparison."""
    shared = list(found)
    for i, one in enumerate(shared[:-1]):
        two = shared[i + 1]
        if (one.op is None) == (two.op is None) or "range_incl" in (one.op, two.op):
            continue
        between = passage.words[one.amount.end : two.amount.start]
        if between and set(between) <= {
            "or",
            "/",
            "(",
            ",",
            "and",
            "equivalent",
            "its",
            "the",
            "of",
            "to",
            "approximately",
        }:
            known = one if one.op is not None else two
            for at, this in ((i, one), (i + 1, two)):
                if this.op is None:
                    shared[at] = Comparison(
                        known.op, this.amount, None, this.first, this.last, limit=known.limit
                    )
    return shared


_OPEN_END: Final = "The range leaves out one of its ends; which amounts does it cover?"
_ROUND: Final = 16
#: "an amount equivalent to", and not "a rent that is equivalent to", which is a comparison.
_VALUED: Final = frozenset(["amount", "amounts", "value", "sum", "the", "an", "currency", "its"])
#: "a monthly equivalent" is about time, not about currency.
_PERIODIC: Final = frozenset(["monthly", "annual", "yearly", "daily", "weekly"])


def equivalent(passage: Passage, comparison: Comparison, within: tuple[int, int]) -> bool:
    """Say whether the text extends an amount to its equivalent in another currency."""
    amount = comparison.upper or comparison.amount
    limit = next(
        (m.start for m in passage.of("MONEY", within=within) if m.start >= amount.end), amount.end + _ROUND
    )
    for atom in passage.of("C_EQUIVALENT", within=within):
        before = passage.words[atom.start - 1] if atom.start and atom.end - atom.start == 1 else "the"
        if before in _PERIODIC:
            continue
        if amount.end <= atom.start < min(amount.end + _ROUND, limit):
            if passage.words[atom.end : atom.end + 1] == ["to"] and atom.end + 1 == limit:
                continue
            words = passage.words[amount.end : atom.start]
            return not {".", ";"} & set(words) and bool({"or", "(", "its", "an", "the"} & set(words))
        lead = passage.words[atom.end : comparison.amount.start]
        if (
            before in _VALUED
            and atom.end <= comparison.amount.start
            and lead
            in (
                ["of"],
                ["to"],
                ["in", "value", "to"],
                ["value", "of"],
            )
        ):
            return True
    return False
