"""Markdown: emphasis, links, quotes, code and tables blanked; headings and bullets stay, law has them too."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["unmarked"]

_STRONG: Final = re.compile(r"(\*\*\*|\*\*|__)(?=\S)")
_STRONG_END: Final = re.compile(r"(?<=\S)(\*\*\*|\*\*|__)")
#: One star or underscore on each side of words of one line: emphasis; "5 * 3" and "a_b" are none.
_EMPHASIS: Final = re.compile(r"(?<![\w*])([*_])(?=[^\s*_])([^*_\n]{1,300}?)(?<=[^\s*_])\1(?![\w*])")
_LINK: Final = re.compile(r"!?\[([^\[\]\n]{0,500})\]\((?:[^()\s]{0,500})(?:\s+\"[^\"\n]{0,200}\")?\)")
_REFERENCE: Final = re.compile(r"(?<=[\w.,;)])\[\^[\w-]{1,20}\](?!:)")
_QUOTE: Final = re.compile(r"^(?: {0,3}>)+ ?", re.MULTILINE)
_CODE: Final = re.compile(r"`+")
_ESCAPE: Final = re.compile(r"\\([\\`*_{}\[\]()#+.!|<>~-])")
_RULE: Final = re.compile(r"^ {0,3}(?:[-*_] ?){3,}$|^\|?[ :|-]*-{3,}[ :|-]*$", re.MULTILINE)
_FENCE: Final = re.compile(r"^ {0,3}(?:```|~~~).*$", re.MULTILINE)
_ITEM: Final = re.compile(r"^( *)[*+](?= )", re.MULTILINE)


def unmarked(text: str) -> str:
    """Return the text with Markdown's signs blanked; "# " of headings stays."""
    if not any(sign in text for sign in "*_`[>|\\"):
        return text

    def blank(match: re.Match[str]) -> str:
        return " " * len(match.group())

    text = _FENCE.sub(blank, text)
    text = _RULE.sub(blank, text)
    text = _QUOTE.sub(blank, text)
    text = _ITEM.sub(lambda m: m[1] + "-", text)
    text = _LINK.sub(_linked, text)
    text = _REFERENCE.sub(blank, text)
    text = _STRONG.sub(blank, text)
    text = _STRONG_END.sub(blank, text)
    text = _EMPHASIS.sub(lambda m: f" {m[2]} ", text)
    text = _CODE.sub(blank, text)
    return _ESCAPE.sub(lambda m: " " + m[1], text)


def _linked(match: re.Match[str]) -> str:
    """Keep the words of a link in place: one blank for the bracket before, blanks for the address after."""
    before = match.group().index("[") + 1
    return (" " * before + match[1]).ljust(len(match.group()))
