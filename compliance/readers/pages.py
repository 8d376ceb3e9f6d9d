"""Text taken out of a PDF: running headers, footers and page numbers blanked, sentences joined over pages.

Pages are told by form feeds, as every tool that takes text out of PDF files writes them. A line is furniture
when it stands at the edge of many pages and differs in its numbers only.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

__all__ = ["unfurnished"]

_EDGE: Final = 3
_NUMBER: Final = re.compile(
    r"\s*(?:[-\u2013\u2014] ?)?(?:page |p\. ?)?[0-9ivxlc]{1,5}(?: ?(?:of|/) ?[0-9]{1,5})?"
    r"(?: ?[-\u2013\u2014])?\s*",
    re.IGNORECASE,
)
_DIGITS: Final = re.compile(r"[0-9]+|\s+")
#: Raised figures behind a word, and notes in brackets that touch it.
_MARKS: Final = re.compile(r"(?<=[A-Za-z.,;:)\"'\u2019\u201d])(?:[¹²³⁰⁴⁵⁶⁷⁸⁹]{1,3}|\[[0-9]{1,3}\])(?![0-9])")


def unfurnished(text: str) -> str:
    """Return the text with page furniture and footnote marks blanked."""
    text = _MARKS.sub(lambda match: " " * len(match.group()), text)
    if "\f" not in text:
        return text
    pages = [page.split("\n") for page in text.split("\f")]
    edges = [_edges(page) for page in pages]
    seen = Counter(
        key for page, places in zip(pages, edges, strict=True) for key in {_key(page[i]) for i in places}
    )
    often = max(2, min(3, len(pages)), 2 * len(pages) // 5)
    cleared = []
    for page, places in zip(pages, edges, strict=True):
        gone = {i for i in places if seen[_key(page[i])] >= often or _NUMBER.fullmatch(page[i])}
        cleared.append("\n".join(" " * len(line) if i in gone else line for i, line in enumerate(page)))
    return _joined(cleared)


def _edges(page: list[str]) -> list[int]:
    """Return the places of the first and last lines of a page that are not blank."""
    told = [i for i, line in enumerate(page) if line.strip()]
    return sorted({*told[:_EDGE], *told[-_EDGE:]})


def _key(line: str) -> str:
    return _DIGITS.sub(" ", line).strip().lower()


def _joined(pages: list[str]) -> str:
    """Join pages: a sentence that runs on keeps one line end between its halves, another a blank line."""
    pieces = [pages[0]]
    for page in pages[1:]:
        before, after = pieces[-1].rstrip(), page.lstrip()
        runs_on = bool(before) and before[-1] not in ".;:" and after[:1].islower()
        gap = len(pieces[-1]) - len(before)
        lead = len(page) - len(after)
        if runs_on:
            pieces[-1] = before + " " * gap
            pieces += ["\n", " " * lead + after]
        else:
            pieces += ["\n", page]
    return "".join(pieces)
