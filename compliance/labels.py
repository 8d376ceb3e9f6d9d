"""Labels: how provisions and list items are numbered, and what their headings look like."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["LINE_STARTS", "SECTION", "is_sentence", "label_kind", "labels", "reads_as_title"]

_ROMAN = re.compile(r"^(x{0,3})(ix|iv|v?i{0,3})$")
#: One label at the start of a line: "(a)", "(1)", "12", "1.", "6.3", "§ 1010.311", "40.—", "a)", "I -".
_LABEL = re.compile(
    r"\(([0-9]{1,3}[A-Z]{0,2}(?:\.[0-9]+)?|[A-Za-z]{1,2}(?:\.[0-9]+)?|[ivxIVX]{1,6})?\) ?"
    r"|([0-9]{1,4}[A-Z]{0,2}(?:\.[0-9]{1,3}){0,3})(?:\.?[ ]?—[ ]?|\.(?=[ ])[ ]?|\)[ ]|[ ]+(?=[A-Z(\"])|$)"
    r"|([a-z]|[ivx]{1,5})(?:\)[ ]|\.[ ](?=[a-z]))"
    r"|([IVX]{1,5})(?=[ ]?[-—][ ])[ ]?[-—][ ]"
    r"|[-•*·][ ]+"
)
_DASH = re.compile(r"—[ ]?")
SECTION: Final = re.compile(
    r"^(?:#{1,6} )?(?:§+ ?(?P<section>[0-9][0-9A-Za-z.\-]*)"
    r"|(?P<word>Article|Section|Regulation|Rule|Art\.|Sec\.|Clause|Paragraph|Chapter|Part|Title|Schedule|Annex|Division|"
    r"Subdivision|Order|Circular|ARTICLE|SECTION|RULE|CHAPTER|PART|TITLE|SCHEDULE|ANNEX|DIVISION) "
    r"(?:No\.? )?\(?(?P<number>[0-9]+[0-9A-Za-z.\-]*|[IVXLC]+\b)\)?)"
)
#: What begins a new line of law and so never goes on from the line before.
LINE_STARTS: Final = re.compile(
    rf"(?:{_LABEL.pattern})|(?:{SECTION.pattern.removeprefix('^')})|#|\||[A-Z][A-Z ]{{8,}}$"
)
_VERB = re.compile(
    r"\b(?:shall|must|may|should|means?|is|are|was|were|has|have|includes?|refers?|does|do|need|will|applies|apply)\b"
)
_TITLE_END = re.compile(r"[.;:,—]$|\b(?:that|if|of|and|or|shall|must)$")


def is_sentence(text: str) -> bool:
    """Say whether a line reads as a sentence and not as a heading."""
    return bool(_VERB.search(text)) and bool(_TITLE_END.search(text))


def reads_as_title(text: str) -> bool:
    """Say whether the words behind a section's number are its title ("43 Reports of transactions")."""
    return 0 < len(text) <= 150 and not _TITLE_END.search(text) and text[0].isupper()


def labels(text: str) -> tuple[list[tuple[str, str]], int]:
    """Read the labels a block begins with: (kind, label) each, and where its words start."""
    found: list[tuple[str, str]] = []
    position = 0
    while match := _LABEL.match(text, position):
        bracket, number, half, numeral = match.groups()
        if number is not None:
            if found or (len(number) == 4 and number.isdigit()):
                break
            dotted = match.group().rstrip().endswith((".", ")"))
            found.append(("numbered" if dotted and "—" not in match.group() else "section", number))
        elif bracket is None and half is None and numeral is None and not match.group().startswith("("):
            if found:
                break
            found.append(("bullet", match.group().strip()))
        else:
            label = bracket or half or numeral or ""
            found.append((label_kind(label), label))
        position = match.end()
        dash = _DASH.match(text, position)
        if dash and _LABEL.match(text, dash.end()):
            position = dash.end()
    return found, position


def label_kind(label: str) -> str:
    """Return what a label counts with: digits, letters or roman numerals, or "ambiguous"."""
    stem = label.split(".")[0]
    if not stem:
        return "blank"
    if stem[0].isdigit():
        return "digit"
    upper = "A" if stem.isupper() else "a"
    if _ROMAN.match(stem.lower()):
        return "ambiguous" if len(stem) == 1 or stem.lower() in ("ii", "xx", "vv") else f"roman{upper}"
    return f"letter{upper}"
