"""Citations: how a provision is cited, and which other provisions a sentence refers to."""

from __future__ import annotations

import re
from typing import Final

from compliance.segmenting import Node

__all__ = ["cite", "instrument", "references", "slug"]

#: Instruments as their own files name them: in a comment line, in the file's name, or in the title.
_INSTRUMENTS: Final = (
    (re.compile(r"\btitle[- ]([0-9]+)\b.*?\b(?:e?CFR|Code of Federal Regulations)", re.I | re.S), "{0} CFR"),
    (re.compile(r"\b([0-9]+) ?CFR\b"), "{0} CFR"),
    (re.compile(r"\b(SOR|SI|TR)[/-]?([0-9]{4})-([0-9]{1,4})\b"), "{0}/{1}-{2}"),
    (re.compile(r"\b(?:SI |S\.I\. |uksi/)([0-9]{4})/([0-9]+)"), "SI {0}/{1}"),
    (re.compile(r"(?:\b(Regulation|Directive) \(E[UC]\) (?:No )?([0-9]+/[0-9]+))"), "{0} (EU) {1}"),
    (re.compile(r"eli/(reg|dir)/([0-9]{4})/([0-9]+)"), "{0} (EU) {1}/{2}"),
)
#: A text without an instrument's number is cited by its title: a short first line, up to its full stop.
_TITLE = re.compile(r"(?:# )?([A-Z][A-Za-z' ,:()\-]{5,80}[a-z)])(?:\.|$)")
#: A first line that tells where a file comes from is no title.
_COMMENT: Final = re.compile(r"#? ?(?:SOURCE|Source|source)\b|<!")
_LEVEL: Final = (
    ("CFR", "{instrument} {number}"),
    ("SOR", "{instrument} s. {number}"),
    ("SI ", "{instrument} reg. {number}"),
)
_NUMBERS = r"[0-9]+[0-9A-Za-z.\-/]*(?:\([0-9A-Za-z.]{1,6}\))*"
_LIST = rf"{_NUMBERS}(?:(?:, | and | or |, and |, or | to | through )(?:§ )?{_NUMBERS})*"
_POINT = r"\([0-9A-Za-z]{1,5}\)(?:\([0-9A-Za-z]{1,5}\))*"
_WORD = (
    r"Articles?|[Ss]ections?|[Rr]egulations?|[Rr]ules?|[Ss]ubsections?|[Pp]aragraphs?|[Ss]ubparagraphs?|points?"
    r"|Schedules?|Chapters?|Annex(?:es)?"
)
_REFERENCE = re.compile(
    rf"§§? ?{_LIST}"
    rf"|\b[0-9]+ (?:CFR|C\.F\.R\.|U\.S\.C\.) (?:part )?{_NUMBERS}"
    rf"|\b(?:Regulation|Directive|Decision) \((?:EU|EC)\) (?:No )?[0-9]+/[0-9]+"
    rf"|\b(?:{_WORD}) (?:{_LIST}|{_POINT}(?:(?:, | and | or | to ){_POINT})*)(?:(?:, | )point \([a-z0-9]+\))?"
)


def instrument(head: str, document: str) -> str | None:
    """Return the instrument a file is of, from its first line or its name ("31 CFR", "SOR/2002-184")."""
    name = document.rsplit("/", 1)[-1].rsplit(".", 1)[0].replace("_", " ")
    for source in (head, name):
        for pattern, form in _INSTRUMENTS:
            found = pattern.search(source)
            if found:
                words = [w.replace("reg", "Regulation").replace("dir", "Directive") for w in found.groups()]
                return form.format(*words)
    title = None if _COMMENT.match(head) else _TITLE.match(head)
    return title[1] if title else None


def cite(node: Node, of: str | None) -> str | None:
    """Return how a node is cited ("31 CFR 1010.306(a)(1)"), or None where it has no number."""
    if node.section is None:
        path = "".join(node.path)
        return (f"{of} {path}" if of else path) or None
    number = re.sub(r"^(?:§ |[A-Za-z.]+ )", "", node.section).strip(". ")
    word = node.section[: len(node.section) - len(number)].strip() if node.section.endswith(number) else ""
    if of is not None:
        for mark, form in _LEVEL:
            if mark in of and word in ("", "§"):
                return form.format(instrument=of, number=number) + "".join(node.path)
    label = {"Article": "Art.", "": "s.", "§": "§"}.get(word, word)
    cited = f"{label} {number}" + "".join(node.path)
    return f"{of} {cited}" if of else cited


def slug(jurisdiction: str | None, citation: str | None, node: Node) -> str:
    """Return the stem of a rule's identifier: jurisdiction and section, without the paragraph."""
    base = citation or "text"
    path = "".join(node.path)
    if path and base.endswith(path):
        base = base[: -len(path)]
    stem = re.sub(r"[^a-z0-9.\-]+", "", base.lower().replace("/", "-")).strip(".-") or "text"
    return f"{jurisdiction.lower()}-{stem}" if jurisdiction else stem


def references(text: str) -> tuple[str, ...]:
    """Return the provisions a sentence refers to, as written, in order, each once."""
    return tuple(dict.fromkeys(match.group().strip() for match in _REFERENCE.finditer(text)))
