"""Sentences: where one ends and the next begins, in the punctuation of law."""

from __future__ import annotations

import re

__all__ = ["split"]

_ABBREVIATIONS = re.compile(
    r"(?:\b(?:[A-Za-z]|No|Nos|Art|Arts|para|paras|reg|regs|sec|secs|cl|ss|pt|Rs|Inc|Ltd|Co|Corp|Dr|Mr|Mrs|Ms|v|vs|approx|"
    r"cf|etc|incl|viz|seq|Cap|Reg|Stat|U\.S|e\.g|i\.e|U\.S\.C|C\.F\.R|a\.m|p\.m|Pty|Bhd|Sdn|Gov|arts?|vol)\.)$"
)
#: Short forms of currencies and the like, which end no sentence where figures follow.
_BEFORE_FIGURES = re.compile(r"\b(?:[A-Z]{3}|[KTU]?[Ss]hs?|[KTU]sh|S?Fr|Tk|Dhs?|Re|no|nos|pp?|Gs|Nu|Bs)\.$")
_STOP = re.compile(r"[.!?](?=[\"')\]]* +[\"'(\[]?[A-Z0-9])[\"')\]]*")


def split(text: str, start: int) -> list[tuple[int, int]]:
    """Return the sentences of a block's words as pairs of characters, from `start` on."""
    cuts: list[tuple[int, int]] = []
    begin = start
    for stop in _STOP.finditer(text, start):
        mark = stop.start() + 1
        if _ABBREVIATIONS.search(text, begin, mark):
            continue
        if text[stop.end() :].lstrip(" ")[:1].isdigit() and _BEFORE_FIGURES.search(text, begin, mark):
            continue
        cuts.append((begin, stop.end()))
        begin = stop.end()
        while begin < len(text) and text[begin] == " ":
            begin += 1
    if begin < len(text):
        cuts.append((begin, len(text)))
    return [(a, b) for a, b in cuts if text[a:b].strip()]
