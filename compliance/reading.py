"""Reading: bytes to text, text to blocks, and for every character of a block its place in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compliance.readers import NOTHING, plain
from compliance.readers.pdf import pdf_text
from ledger.errors import InputError

__all__ = ["MAX_BYTES", "MAX_CHARACTERS", "Block", "blocks", "decode", "read_file"]

#: Longer texts are refused: a whole title of law is a fifth of this, and memory stays bounded.
MAX_CHARACTERS = 10_000_000
#: Refused before they are read: no text within the bound above is larger in UTF-8.
MAX_BYTES = 4 * MAX_CHARACTERS
_HEAD = 4_000
_MARKS = (
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"PK\x03\x04", "a packed file (DOCX, ODT or ZIP)"),
)

#: One character for one character, so that offsets stand: spaces, quotes and hyphens of every kind.
_SAME_LENGTH = str.maketrans(
    {
        **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a", " "),
        **dict.fromkeys("\u202f\u205f\u3000\t\r\f\v", " "),
        **dict.fromkeys("\u200b\u2060\ufeff\u00ad", NOTHING),
        **dict.fromkeys("\u2018\u2019\u201b\u02bc\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2212", "-"),
        "\u2013": "\u2014",
        "\uff04": "$",
        "\u2028": "\n",
        "\u2029": "\n",
        "\u0085": "\n",
    }
)
#: A text with a longer line keeps one paragraph per line; only others are hard-wrapped.
_WRAP_AT = 200
_SPACES = re.compile(rf"[ \n{NOTHING}]+")
_BROKEN = re.compile(r"([A-Za-z]{2,})-$")
_WORD = re.compile(r"[A-Za-z]{2,}")
_ENDED = re.compile(r"[.;:,!?—\"')\]]$")


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph or list item: its text with single spaces, and each character's offset in the file.

    Parameters
    ----------
    text : str
        Normalised text; never empty.
    offsets : tuple of int
        `offsets[i]` is the place of `text[i]` in the decoded file.
    indent : int
        Spaces before the first character of its first line.
    apart : bool
        Whether a blank line stands before it.
    """

    text: str
    offsets: tuple[int, ...]
    indent: int
    apart: bool

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the file's span of `text[start:end]` (not empty)."""
        return self.offsets[start], self.offsets[end - 1] + 1


def decode(data: bytes, *, document: str) -> str:
    """Decode UTF-8 strictly.

    Raises
    ------
    InputError
        Naming the byte at which the file stops being UTF-8, or that it is too long.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            raise InputError(f"{name}, not UTF-8 text", where=document, next_step="Save the file as UTF-8.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 text: byte 0x{data[error.start]:02x} at offset {error.start}",
            where=document,
            next_step="Save the file as UTF-8 text; a scan needs its text recognised first.",
        ) from error
    if "\0" in text[:_HEAD]:
        raise InputError("a binary file, not a text", where=document, next_step="Give the text itself.")
    return check_length(text, document=document)


def check_length(text: str, *, document: str) -> str:
    """Return the text, or refuse one that is too long.

    Raises
    ------
    InputError
        When the text has more than `MAX_CHARACTERS` characters.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"{len(text):,} characters, more than {MAX_CHARACTERS:,}",
            where=document,
            next_step="Split the text by title or part.",
        )
    return text


def read_file(path: Path) -> str:
    """Read a text file strictly; of a PDF file, its text.

    Raises
    ------
    InputError
        When the file cannot be read, is not UTF-8, is a scan, or is too long.
    ConfigurationError
        For a PDF file without the extra that reads them.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(
                f"{path.stat().st_size:,} bytes, more than {MAX_BYTES:,}",
                where=path.name,
                next_step="Split the text by title or part.",
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}",
            where=str(path),
            next_step="Name the file of a regulation text.",
        ) from error
    if data.startswith(b"%PDF-"):
        return check_length(pdf_text(data, document=path.name), document=path.name)
    return decode(data, document=path.name)


def blocks(text: str, *, starts_item: re.Pattern[str]) -> Iterator[Block]:
    """Yield the blocks of a text in order: lines, with hard-wrapped ones joined.

    Parameters
    ----------
    text : str
        The decoded file.
    starts_item : pattern
        Matches a (normalised) line that begins a list item or heading and so is never a continuation.
    """
    flat = plain(text).translate(_SAME_LENGTH)
    lines = flat.split("\n")
    known = Words(flat)
    wrapped = max((len(line) for line in lines if not line.startswith("#")), default=0) <= _WRAP_AT
    pending: list[tuple[int, int]] = []
    indent, apart, blank = 0, True, True
    position = 0
    for raw in lines:
        start, end = position, position + len(raw)
        position = end + 1
        line = raw.strip(" ")
        if not line:
            blank = True
            continue
        first = start + len(raw) - len(raw.lstrip(" "))
        last = start + len(raw.rstrip(" "))
        goes_on = wrapped and pending and not blank and not starts_item.match(line)
        if goes_on and _wraps(flat, pending[-1], line):
            pending.append((first, last))
            continue
        if pending:
            yield _block(flat, pending, indent, apart, known)
        pending, indent, apart, blank = [(first, last)], first - start, blank, False
    if pending:
        yield _block(flat, pending, indent, apart, known)


def _wraps(flat: str, previous: tuple[int, int], line: str) -> bool:
    """Say whether a line goes on from the previous one: a long unfinished line, or a lower-case start."""
    before = flat[previous[0] : previous[1]]
    if before.startswith("#"):
        return False
    if _ENDED.search(before) and before[-1] not in ",)\"'":
        return before[-1] in ".,)\"'" and len(before) > 60 and line[0].islower()
    return line[0].islower() or len(before) >= 60


def _block(flat: str, lines: list[tuple[int, int]], indent: int, apart: bool, known: Words) -> Block:
    characters: list[str] = []
    offsets: list[int] = []
    for first, last in lines:
        if characters:
            broken = _BROKEN.search("".join(characters[-40:])) if characters[-1] == "-" else None
            rest = _WORD.match(flat, first, last) if broken else None
            if broken is not None and rest is not None:
                if known(broken[1] + rest.group()):
                    characters.pop()
                    offsets.pop()
            else:
                characters.append(" ")
                offsets.append(first - 1)
        position = first
        for gap in _SPACES.finditer(flat, first, last):
            characters.extend(flat[position : gap.start()])
            offsets.extend(range(position, gap.start()))
            if gap.group().strip(NOTHING):
                characters.append(" ")
                offsets.append(gap.start())
            position = gap.end()
        characters.extend(flat[position:last])
        offsets.extend(range(position, last))
    return Block("".join(characters), tuple(offsets), indent, apart)


class Words:
    """Which words a text writes whole somewhere: a hyphen at a line's end then only breaks the line."""

    def __init__(self, flat: str) -> None:
        self._flat = flat
        self._words: frozenset[str] | None = None

    def __call__(self, word: str) -> bool:
        """Say whether the text has the word somewhere."""
        if self._words is None:
            self._words = frozenset(match.group().lower() for match in _WORD.finditer(self._flat))
        return word.lower() in self._words
