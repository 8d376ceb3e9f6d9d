"""Tokens: spaCy's blank English with this project's rules for money, hyphens and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import spacy
from spacy.attrs import LIKE_NUM
from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex

__all__ = ["Token", "blank", "like_number", "number_runs", "ordinal", "parse_number", "tokens"]

_UNITS: Final[dict[str, int]] = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2
    )
}
_SCALES: Final[dict[str, int]] = {
    "hundred": 100,
    "thousand": 1_000,
    **dict.fromkeys(["lakh", "lakhs", "lac", "lacs"], 100_000),
    **dict.fromkeys(["million", "millions", "mn"], 10**6),
    **dict.fromkeys(["crore", "crores"], 10**7),
    **dict.fromkeys(["billion", "bn"], 10**9),
}
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?\Z")
_COMMAS = re.compile(r"[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}(?:\.[0-9]+)?\Z")
_POINTS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]{1,2})?\Z")
_APOSTROPHES = re.compile(r"[0-9]{1,3}(?:'[0-9]{3})+(?:\.[0-9]+)?\Z")
_DECIMAL_COMMA = re.compile(r"[0-9]+,[0-9]{1,2}\Z")
_GROUP = re.compile(r"[0-9]{3}(?:[.,][0-9]{1,2})?\Z")


class Token:
    """A token's text, apart from spaCy, whose tokens are made anew each time they are looked at."""

    __slots__ = ("lower_", "text", "whitespace_")

    def __init__(self, text: str, space: str) -> None:
        self.text = text
        self.lower_ = text.lower()
        self.whitespace_ = space

    def __len__(self) -> int:
        return len(self.text)

    @property
    def like_num(self) -> bool:
        """Whether it is a number or part of one."""
        return like_number(self.text)

    @property
    def is_alpha(self) -> bool:
        """Whether it is made of letters only."""
        return self.text.isalpha()


def tokens(doc: Any) -> list[Token]:
    """Return the tokens of a spaCy document, in order."""
    return [Token(token.text, token.whitespace_) for token in doc]


def like_number(text: str) -> bool:
    """Say whether a token is a number or part of one; this is the vocabulary's LIKE_NUM."""
    return (
        (text[:1].isdigit() and _single(text) is not None)
        or text.lower() in _UNITS
        or text.lower() in _SCALES
    )


#: No number is written in more tokens than this.
_LONGEST_NUMBER: Final = 16


def number_runs(doc: Any) -> Iterator[tuple[int, int]]:
    """Yield the runs of number tokens as (start, end): "10 000", "two hundred and fifty thousand".

    A hyphen or "and" between two number tokens belongs to the run. Time grows with the length of the text.
    """
    start, last = None, -1
    for place, token in enumerate(doc):
        if token.like_num:
            if start is not None and place - start >= _LONGEST_NUMBER:
                yield start, last + 1
                start = None
            start, last = place if start is None else start, place
        elif start is not None and not (place == last + 1 and token.lower_ in ("-", "and")):
            yield start, last + 1
            start = None
    if start is not None:
        yield start, last + 1


def _single(text: str) -> Decimal | None:
    """Read one token of digits in any common notation: 10,000 / 10.000,50 / 10'000 / 1,00,000 / 1.5."""
    if _COMMAS.match(text):
        return Decimal(text.replace(",", ""))
    if _POINTS.match(text):
        return Decimal(text.replace(".", "").replace(",", "."))
    if _APOSTROPHES.match(text):
        return Decimal(text.replace("'", ""))
    if _PLAIN.match(text):
        return Decimal(text)
    if _DECIMAL_COMMA.match(text):
        return Decimal(text.replace(",", "."))
    return None


def parse_number(words: list[str]) -> Decimal | None:
    """Read a run of tokens as one number: "10 000", "1.5 million", "two hundred and fifty thousand".

    Returns
    -------
    Decimal or None
        None where the run is not one number in any notation.
    """
    words = [w.lower() for w in words if w not in ("-", "and")]
    digits = [w for w in words if w[:1].isdigit()]
    rest = words[len(digits) :]
    if words[: len(digits)] != digits:
        return None
    if digits:
        grouped = all(_GROUP.match(d) for d in digits[1:]) and len(digits[0]) <= 3 and digits[0].isdigit()
        if len(digits) > 1 and not (grouped and all(d.isdigit() for d in digits[1:-1])):
            return None
        value = Decimal("".join(digits).replace(",", ".")) if len(digits) > 1 else _single(digits[0])
        for word in rest:
            if value is None or word not in _SCALES:
                return None
            value *= _SCALES[word]
        return value
    return _spelled(rest)


_IRREGULAR: Final = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fifth": 5,
    "eighth": 8,
    "ninth": 9,
    "twelfth": 12,
    "twentieth": 20,
    "thirtieth": 30,
}


def ordinal(word: str) -> int | None:
    """Read "15th" or "fifteenth"; None for what is no ordinal."""
    word = word.lower()
    if word[:1].isdigit():
        digits = word.rstrip("stndrh")
        return int(digits) if digits.isdigit() else None
    return _IRREGULAR.get(word) or _UNITS.get(word.removesuffix("th"))


def _spelled(words: list[str]) -> Decimal | None:
    total, current = 0, 0
    for word in words:
        if word in _UNITS:
            current += _UNITS[word]
        elif word in _SCALES:
            scale = _SCALES[word]
            current = max(current, 1) * scale
            if scale > 100:
                total, current = total + current, 0
        else:
            return None
    return Decimal(total + current) if words else None


def blank() -> Any:
    """Return a new `spacy.blank("en")` with the tokenizer rules and the LIKE_NUM of this project."""
    nlp = spacy.blank("en")
    defaults: Any = nlp.Defaults
    tokenizer: Any = nlp.tokenizer
    vocab: Any = nlp.vocab
    prefixes = [
        r"[A-Za-z.]{1,5}\$",
        r"(?:RM|[Rr]s\.?|[KTU]shs?\.?|Shs?\.?|Php|Rp\.?|kr\.?|[A-Z]{3}\.?|GH[₵¢]|Tk\.?|S?Fr\.?|BD|SR|QR|KD|TL|[RNPK])(?=[0-9])",
        r"[A-Z]{2,3}[₵¢]",
        "—",
        *defaults.prefixes,
    ]
    suffixes = [
        r"(?<=[0-9])(?:€|£|\$|%)",
        r"(?<=[0-9])(?:/[-=—]|[.,]?[-—]{1,2}|k|K|m|M|mn|bn)",
        "—",
        *defaults.suffixes,
    ]
    infixes = [
        r"(?<=[0-9])-(?=[A-Za-z$€£¥0-9])",
        r"(?<=[A-Za-z])-(?=[0-9])",
        r"—",
        r"(?<=[0-9\-/])[$€£¥](?=[0-9])",
        r"(?<=[A-Za-z$€£0-9])/(?=[A-Za-z$€£0-9])",
        r"(?<=[a-z])\((?=[A-Za-z$€£0-9])",
        *defaults.infixes,
    ]
    # "8)" closes a list label here, and is no face
    tokenizer.rules = {text: parts for text, parts in tokenizer.rules.items() if not set(text) & set("()[]")}
    tokenizer.prefix_search = compile_prefix_regex(prefixes).search
    tokenizer.suffix_search = compile_suffix_regex(suffixes).search
    tokenizer.infix_finditer = compile_infix_regex(infixes).finditer
    for short in (
        "Rs.",
        "rs.",
        "Re.",
        "Kshs.",
        "Ksh.",
        "Tk.",
        "Fr.",
        "SFr.",
        "Shs.",
        "Dh.",
        "L.E.",
        "Rp.",
        "kr.",
        "Tshs.",
        "Ushs.",
    ):
        tokenizer.add_special_case(short, [{"ORTH": short}])
    vocab.lex_attr_getters[LIKE_NUM] = like_number
    return nlp
