"""HTML, and XML in which law is published: tags become blanks and line ends, their words stay in place.

No parser expands anything here: one pass finds tags by their brackets, so time and memory grow with the text,
whatever it holds. An XML text that declares entities is refused; only the predefined ones, numbers and a few
common names are read.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Final

from ledger.errors import InputError

__all__ = ["NOTHING", "untagged"]

#: Stands where a character of the file is part of no word and parts none (a private-use character).
NOTHING: Final = "\ue000"

_TAG: Final = re.compile(
    r"</?([A-Za-z][A-Za-z0-9:._-]{0,40})((?:[^<>\"']|\"[^\"<>]{0,2000}\"|'[^'<>]{0,2000}'){0,400})/?>"
)
_ENTITY: Final = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,24});")
_MARKED_UP: Final = re.compile(
    r"\s*<[?!A-Za-z]|</(?:p|div|li|td|body|html|section|article|num|content|span)>"
)
_XML: Final = re.compile(
    r"\s*(?:<\?xml\b|<(?:\w+:)?(?:akomaNtoso|uslm|lawDoc|regulation|legislation)\b)", re.IGNORECASE
)
_NAMES: Final = """
a abbr b big cite code del em font i ins mark q s small span strong sub sup tt u
address article aside blockquote body br caption center dd div dl dt fieldset figure form h1 h2 h3 h4 h5 h6 \
header hr html li main ol p pre section table tbody td tfoot th thead tr ul
ref rref mref date term def quantity inline docdate docnumber docproponent docpurpose doctitle doctype \
shorttitle num span eol person role organization location remark
script style head nav footer template noscript svg meta authorialnote noteref footnote references
"""
_SETS: Final = [frozenset(line.split()) for line in _NAMES.strip().splitlines()]
#: Known in running text, where a bracket may also be a comparison.
_INLINE: Final = _SETS[0]
_BLOCKS: Final = _SETS[1]
#: Elements of law in XML that do not begin a line of their own.
_XML_INLINE: Final = _INLINE | _SETS[2]
#: Their words are not the law's: scripts, navigation, notes, metadata.
_SILENT: Final = _SETS[3]
_RAW: Final = frozenset({"script", "style"})
_MARK: Final = re.compile(r"[\s\[(]*(?:[0-9]{1,3}|[*†‡a-z])[\s\])]*")
_LABELLED: Final = re.compile(
    r"\s*(?:<[^<>]{0,200}>\s*){0,5}(?:\(?[0-9A-Za-z]{1,5}[.)]|[-\u2022\u2013\u2014])"
)
_TYPE: Final = re.compile(r"\btype\s*=\s*[\"']?([1aAiI])")
_START: Final = re.compile(r"\bstart\s*=\s*[\"']?([0-9]{1,4})")
_HIDDEN: Final = re.compile(r"display\s*:\s*none|\bhidden\b", re.IGNORECASE)


def untagged(text: str) -> str:
    """Return the text with tags, comments and silent elements blanked and entities read.

    Raises
    ------
    InputError
        When the text declares XML entities.
    """
    if "<" not in text and "&" not in text:
        return text
    marked_up = _MARKED_UP.search(text[:100_000]) is not None
    if not marked_up and not _TAG.search(text):
        return text
    return _Scan(text, xml=_XML.match(text) is not None, marked_up=marked_up).run()


@dataclass(slots=True)
class _List:
    """An open list: how its items are marked ("ul": by no number), and how many there were."""

    kind: str
    count: int


class _Scan:
    def __init__(self, text: str, *, xml: bool, marked_up: bool) -> None:
        self.text, self.xml, self.marked_up = text, xml, marked_up
        self.pieces: list[str] = []
        self.lists: list[_List] = []
        self.after_number = False
        self.spaced = True
        self.absent: set[str] = set()

    def run(self) -> str:
        text, position = self.text, 0
        starts = re.compile("[<&]")
        while match := starts.search(text, position):
            at = match.start()
            self._words(text[position:at])
            position = self._entity(at) if text[at] == "&" else self._bracket(at)
        self._words(text[position:])
        return "".join(self.pieces)

    def _words(self, words: str) -> None:
        if not words:
            return
        self.pieces.append(
            words.replace("\n", " ").replace("\r", " ") if self.after_number or self.xml else words
        )
        if words.strip():
            self.after_number = False
        self.spaced = words[-1].isspace()

    def _blank(self, first: int, last: int, *, line: bool = False) -> int:
        """Blank a stretch; as a line end where it parts two blocks."""
        if last > first:
            parts = line and not self.after_number
            self.pieces.append(("\n" if parts else " ") + " " * (last - first - 1))
            self.spaced = True
        return last

    def _entity(self, at: int) -> int:
        match = _ENTITY.match(self.text, at)
        if match is None:
            self._words("&")
            return at + 1
        read = html.unescape(match.group())
        read = read if (len(read) == 1 and read.isprintable()) or read == "\u00a0" else " "
        self.pieces.append(read.ljust(len(match.group()), NOTHING if read.strip() else " "))
        self.spaced = False
        return match.end()

    def _bracket(self, at: int) -> int:
        text = self.text
        if text.startswith("<!--", at):
            return self._blank(at, self._behind("-->", at))
        if text.startswith("<![CDATA[", at):
            end = self._behind("]]>", at)
            self._blank(at, at + 9)
            self._words(text[at + 9 : end - 3])
            return self._blank(end - 3, end)
        if text.startswith("<?", at) and self.marked_up:
            return self._blank(at, self._behind("?>", at))
        if text.startswith(("<!DOCTYPE", "<!doctype"), at):
            end = self._behind(">", at)
            subset = text.find("[", at, end)
            if subset >= 0:
                end = self._behind("]>", at)
            if "<!ENTITY" in text[at:end]:
                raise InputError(
                    "the XML text declares entities of its own, which are not expanded here",
                    next_step="Save the text with its entities resolved, or as plain text.",
                )
            return self._blank(at, end)
        match = _TAG.match(text, at)
        if match is None:
            self._words("<")
            return at + 1
        name = match[1].rpartition(":")[2].lower()
        if not self.marked_up and name not in _INLINE and name not in _BLOCKS:
            self._words("<")
            return at + 1
        return self._tag(name, match[2], at, match.end())

    def _behind(self, closing: str, at: int) -> int:
        """Return where a bracket ends; the end of the text where it is never closed."""
        end = self.text.find(closing, at)
        return len(self.text) if end < 0 else end + len(closing)

    def _tag(self, name: str, attributes: str, at: int, end: int) -> int:
        closing = self.text.startswith("</", at)
        if not closing and (name in _SILENT or _HIDDEN.search(attributes)) and not attributes.endswith("/"):
            silent = self._closed(name, end)
            if silent is not None:
                return self._blank(at, silent, line=name not in ("authorialnote", "noteref", "footnote"))
        if name == "sup" and not closing:
            stop = self.text.find("</", end, end + 12)
            if stop >= 0 and _MARK.fullmatch(self.text, end, stop):
                return self._blank(at, stop)
        if self.xml:
            return self._xml_tag(name, closing, at, end)
        if name in ("ol", "ul"):
            self._list(name, attributes, closing)
        if name == "li" and not closing and self.lists and self.lists[-1].kind != "ul":
            return self._item(at, end)
        return self._blank(at, end, line=name in _BLOCKS)

    def _xml_tag(self, name: str, closing: bool, at: int, end: int) -> int:
        if name == "num":
            if closing:
                self._blank(at, end)
                self.after_number = True
                return end
            self.after_number = False
            return self._blank(at, end, line=True)
        if name == "heading" and not closing and self.after_number:
            number = "".join(self.pieces[-6:]).strip()
            self.after_number = not number[:1].isalpha()
        return self._blank(at, end, line=name not in _XML_INLINE)

    def _closed(self, name: str, position: int) -> int | None:
        """Return where an element ends; None where it is not closed, and then it is not silent."""
        if name in self.absent:
            return None
        lower = re.compile(rf"<(/?){re.escape(name)}\b[^<>]{{0,2000}}>", re.IGNORECASE)
        if name not in _RAW:
            lower = re.compile(rf"<(/?)(?:\w{{1,20}}:)?{re.escape(name)}\b[^<>]{{0,2000}}>", re.IGNORECASE)
        depth = 1
        for match in lower.finditer(self.text, position):
            if match.group().endswith("/>"):
                continue
            depth += -1 if match[1] else (0 if name in _RAW else 1)
            if depth == 0:
                return match.end()
        self.absent.add(name)
        return None

    def _list(self, name: str, attributes: str, closing: bool) -> None:
        if closing:
            if self.lists:
                self.lists.pop()
            return
        kind, start = _TYPE.search(attributes), _START.search(attributes)
        numbered = kind[1] if kind else "1"
        self.lists.append(_List("ul" if name == "ul" else numbered, int(start[1]) - 1 if start else 0))

    def _item(self, at: int, end: int) -> int:
        """Write the number that a browser would show, where the tag leaves room and the text has none."""
        self.lists[-1].count += 1
        label = _label(self.lists[-1].kind, self.lists[-1].count)
        room = end - at
        if _LABELLED.match(self.text, end):
            return self._blank(at, end, line=True)
        shown = f"{label} " if self.spaced and self._on_new_line() else f"\n{label} "
        if len(shown) > room:
            return self._blank(at, end, line=True)
        self.pieces.append(" " * (room - len(shown)) + shown if shown[0] != "\n" else shown.ljust(room))
        self.spaced = True
        return end

    def _on_new_line(self) -> bool:
        for piece in reversed(self.pieces[-4:]):
            bare = piece.rstrip(" \t")
            if bare:
                return bare.endswith("\n")
        return not self.pieces


def _label(kind: str, number: int) -> str:
    if kind in "aA" and number <= 26:
        return f"({chr(ord(kind) + number - 1)})"
    if kind in "iI" and number <= 20:
        tens, ones = divmod(number, 10)
        roman = "x" * tens + ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")[ones]
        return f"({roman if kind == 'i' else roman.upper()})"
    return f"{number}."
