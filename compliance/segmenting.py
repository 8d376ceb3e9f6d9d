"""Segmenting: blocks to provisions, list items and sentences; an item knows the words above its list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from compliance.reading import Block, blocks

__all__ = ["Node", "Sentence", "provisions", "segment"]

_ROMAN = re.compile(r"^(x{0,3})(ix|iv|v?i{0,3})$")
#: One label at the start of a line: "(a)", "(1)", "12", "1.", "§ 1010.311", "Article 19", "40.—", "a)".
_LABEL = re.compile(
    r"\(([0-9]{1,3}[A-Z]{0,2}(?:\.[0-9]+)?|[A-Za-z]{1,2}(?:\.[0-9]+)?|[ivxIVX]{1,6})?\) ?"
    r"|([0-9]{1,4}[A-Z]{0,2}(?:\.[0-9]{1,3}){0,3})(?:\.?[ ]?—[ ]?|\.(?=[ ])[ ]?|\)[ ]|[ ]+(?=[A-Z(\"])|$)"
    r"|([a-z]|[ivx]{1,5})\)[ ]"
    r"|[-•*·][ ]+"
)
_DASH = re.compile(r"—[ ]?")
_SECTION = re.compile(
    r"^(?:#{1,6} )?(?:§+ ?(?P<section>[0-9][0-9A-Za-z.\-]*)"
    r"|(?P<word>Article|Section|Regulation|Rule|Art\.|Sec\.|Clause|Paragraph|Chapter|Part|Title|Schedule|Annex|Division|"
    r"ARTICLE|SECTION|RULE|CHAPTER|PART|TITLE|SCHEDULE|ANNEX) (?P<number>[0-9]+[0-9A-Za-z.\-]*|[IVXLC]+\b))"
)
_STARTS = re.compile(
    rf"(?:{_LABEL.pattern})|(?:{_SECTION.pattern.removeprefix('^')})|#|\||[A-Z][A-Z ]{{8,}}$"
)
_ABBREVIATIONS = re.compile(
    r"(?:\b(?:[A-Za-z]|No|Nos|Art|Arts|para|paras|reg|regs|sec|secs|cl|ss|pt|Rs|Inc|Ltd|Co|Corp|Dr|Mr|Mrs|Ms|v|vs|approx|"
    r"cf|etc|incl|viz|seq|Cap|Reg|Stat|U\.S|e\.g|i\.e|U\.S\.C|C\.F\.R|a\.m|p\.m)\.)$"
)
_STOP = re.compile(r"[.!?](?=[\"')\]]* +[\"'(\[]?[A-Z0-9])[\"')\]]*")
#: Bounds on what is read together, so that time grows with the text and not with its square.
_LONGEST_BLOCK = 8_000
_MOST_NODES = 2_000
_NO_PATH = ("section", "text", "bullet")
_COMMENT = re.compile(r"^# ?SOURCE\b|^<!--", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a node: `block.text[start:end]`."""

    node: Node
    start: int
    end: int

    @property
    def text(self) -> str:
        """The normalised words."""
        return self.node.block.text[self.start : self.end]

    @property
    def span(self) -> tuple[int, int]:
        """The place in the file."""
        return self.node.block.span(self.start, self.end)


@dataclass(slots=True, eq=False)
class Node:
    """A paragraph or list item of the provision tree.

    Parameters
    ----------
    block : Block
    labels : tuple of str
        Its own labels, "(a)(1)" gives two.
    body : int
        Where in `block.text` the words begin after the labels.
    parent : Node or None
        The item or paragraph that introduces it.
    heading : bool
    section : str or None
        The section or article it belongs to, as printed ("§ 1010.311", "Article 19").
    section_title : str or None
        The words of the section's heading.
    path : tuple of str
        All labels from the section down.
    """

    block: Block
    labels: tuple[str, ...]
    body: int
    parent: Node | None = None
    heading: bool = False
    section: str | None = None
    section_title: str | None = None
    children: list[Node] = field(default_factory=list)
    sentences: list[Sentence] = field(default_factory=list)
    path: tuple[str, ...] = ()

    def ancestors(self) -> Iterator[Node]:
        """Yield the parent, its parent, and so on."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def above(self) -> list[Sentence]:
        """Return the sentences that introduce this node, nearest first: the last of each ancestor."""
        return [node.sentences[-1] for node in self.ancestors() if node.sentences and not node.heading]


def segment(text: str) -> list[Node]:
    """Return the nodes of a text in order, linked into trees."""
    return [node for tree in provisions(text) for node in tree]


def provisions(text: str) -> Iterator[list[Node]]:
    """Yield, section by section, the nodes of a text: what one provision's words can refer to."""
    builder = _Builder()
    for block in blocks(text, starts_item=_STARTS):
        if _COMMENT.match(block.text):
            continue
        full = len(builder.nodes) >= _MOST_NODES and not block.indent
        if builder.nodes and (full or builder.opens_section(block)):
            yield builder.nodes
            builder.nodes = []
        for piece in _pieces(block):
            builder.add(piece)
    if builder.nodes:
        yield builder.nodes


def _pieces(block: Block) -> Iterator[Block]:
    """Cut a block that no paragraph of law is as long as, at a sentence or else at a space."""
    text, start = block.text, 0
    while len(text) - start > _LONGEST_BLOCK:
        stop = start + _LONGEST_BLOCK
        ends = (text.rfind(". ", start, stop) + 1, text.rfind(" ", start, stop), stop)
        end = next(end for end in ends if end > start)
        yield Block(text[start:end], block.offsets[start:end], block.indent, block.apart)
        start = end + 1 if text[end : end + 1] == " " else end
    if text[start:].strip():
        yield Block(text[start:], block.offsets[start:], block.indent, block.apart)


class _Builder:
    """Keeps the stack of open levels while blocks come in."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        # kind of label, label, indent, and the node whose words stand right after it
        self.stack: list[tuple[str, str, int, Node | None]] = []
        self.section: str | None = None
        self.title: str | None = None
        self.titled = False

    def opens_section(self, block: Block) -> bool:
        if _SECTION.match(block.text) and len(block.text) < 300:
            return True
        labels, _ = _labels(block.text)
        return bool(labels) and labels[0][0] == "section" and block.apart and block.indent == 0

    def add(self, block: Block) -> None:
        section = _SECTION.match(block.text)
        if section and len(block.text) < 300 and not _is_sentence(block.text[section.end() :]):
            self.stack.clear()
            number = section["section"] or section["number"]
            self.section = f"§ {number}" if section["section"] else f"{section['word']} {number}"
            self.title = block.text[section.end() :].strip() or None
            self._append(Node(block, (), section.end(), heading=True, section=self.section))
            self.titled = True
            return
        labels, body = _labels(block.text)
        if section and not labels:
            self.stack.clear()
            self.section = (
                f"§ {section['section']}" if section["section"] else f"{section['word']} {section['number']}"
            )
            body = section.end()
        if labels and labels[0][0] == "section" and block.indent == 0:
            self.stack.clear()
            self.section, self.title = labels[0][1], None
        heading = not labels and not section and self._is_heading(block)
        node = Node(block, tuple(f"({x})" if k != "bullet" else x for k, x in labels), body, heading=heading)
        node.section = self.section
        if labels and labels[0][0] == "section" and block.indent == 0:
            node.labels = node.labels[1:]
        if heading:
            if self.titled and self.title is None:
                self.title = block.text
            if block.text.startswith("#"):
                self.stack.clear()
        elif labels:
            self._place(node, labels)
        else:
            self._place_unlabelled(node)
        self._append(node)
        self.titled = False

    def _append(self, node: Node) -> None:
        node.section_title = self.title
        text = node.block.text
        node.sentences = [Sentence(node, a, b) for a, b in _split(text, node.body)]
        self.nodes.append(node)

    def _place(self, node: Node, labels: list[tuple[str, str]]) -> None:
        for place, (kind, label) in enumerate(labels):
            kind = self._kind(kind, label)
            level = next((i for i, entry in enumerate(self.stack) if entry[0] == kind), None)
            if level is not None:
                del self.stack[level:]
            if place == 0 or level is not None:
                node.parent = self._open()
            owner = node if place == len(labels) - 1 and node.body < len(node.block.text) else None
            self.stack.append((kind, label, node.block.indent, owner))
        self._attach(node)

    def _open(self) -> Node | None:
        return next((entry[3] for entry in reversed(self.stack) if entry[3] is not None), None)

    def _attach(self, node: Node) -> None:
        node.path = tuple(f"({x})" if k != "bullet" else x for k, x, _, _ in self.stack if k not in _NO_PATH)
        if node.parent is not None:
            node.parent.children.append(node)

    def _kind(self, kind: str, label: str) -> str:
        """Decide between a letter and a roman numeral by what was last counted."""
        if kind != "ambiguous":
            return kind
        upper = "A" if label.isupper() else "a"
        for entry_kind, entry_label, _, _ in reversed(self.stack):
            if entry_kind == f"roman{upper}":
                return entry_kind
            if entry_kind == f"letter{upper}":
                follows = len(entry_label) == len(label) == 1 and ord(label) == ord(entry_label) + 1
                return f"letter{upper}" if follows else f"roman{upper}"
        return f"roman{upper}" if label.lower() in ("i", "ii", "iii", "iv") else f"letter{upper}"

    def _place_unlabelled(self, node: Node) -> None:
        """Attach flush text: deeper than what is open by indent, or back at the numbered paragraph."""
        indent = node.block.indent
        if indent:
            while self.stack and self.stack[-1][2] >= indent and self.stack[-1][0] != "section":
                self.stack.pop()
            node.parent = self._open()
            self._attach(node)
            self.stack.append(("text", "", indent, node))
            return
        while self.stack and self.stack[-1][0] not in ("section", "numbered"):
            self.stack.pop()
        if node.block.text[0].islower():
            node.parent = self._open()
        self._attach(node)
        if not self.stack:
            self.stack.append(("text", "", indent, node))

    def _is_heading(self, block: Block) -> bool:
        text = block.text
        if text.startswith("#"):
            return True
        if len(text) > 200 or re.search(r"[.;:,—]$", text) or text[0].islower():
            return False
        return self.titled or (block.apart and not _is_sentence(text)) or text.isupper()


_VERB = re.compile(
    r"\b(?:shall|must|may|should|means?|is|are|was|were|has|have|includes?|refers?|does|do|need|will|applies|apply)\b"
)


def _is_sentence(text: str) -> bool:
    return bool(_VERB.search(text)) and bool(re.search(r"[.;:,—]$|\b(?:that|if|of|and|or|shall|must)$", text))


def _labels(text: str) -> tuple[list[tuple[str, str]], int]:
    """Read the labels a block begins with: (kind, label) each, and where its words start."""
    found: list[tuple[str, str]] = []
    position = 0
    while match := _LABEL.match(text, position):
        bracket, number, half = match.groups()
        if number is not None:
            if found or (len(number) == 4 and number.isdigit()):
                break
            dotted = match.group().rstrip().endswith((".", ")"))
            found.append(("numbered" if dotted and "—" not in match.group() else "section", number))
        elif bracket is None and half is None and not match.group().startswith("("):
            if found:
                break
            found.append(("bullet", match.group().strip()))
        else:
            label = bracket or half or ""
            found.append((_label_kind(label), label))
        position = match.end()
        dash = _DASH.match(text, position)
        if dash and _LABEL.match(text, dash.end()):
            position = dash.end()
    return found, position


def _label_kind(label: str) -> str:
    stem = label.split(".")[0]
    if not stem:
        return "blank"
    if stem[0].isdigit():
        return "digit"
    upper = "A" if stem.isupper() else "a"
    if _ROMAN.match(stem.lower()):
        return "ambiguous" if len(stem) == 1 or stem.lower() in ("ii", "xx", "vv") else f"roman{upper}"
    return f"letter{upper}"


def _split(text: str, start: int) -> list[tuple[int, int]]:
    """Split a block's words into sentences."""
    cuts: list[tuple[int, int]] = []
    begin = start
    for stop in _STOP.finditer(text, start):
        if _ABBREVIATIONS.search(text, begin, stop.start() + 1):
            continue
        cuts.append((begin, stop.end()))
        begin = stop.end()
        while begin < len(text) and text[begin] == " ":
            begin += 1
    if begin < len(text):
        cuts.append((begin, len(text)))
    return [(a, b) for a, b in cuts if text[a:b].strip()]
