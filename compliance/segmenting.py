"""Segmenting: blocks to provisions, list items and sentences; an item knows the words above its list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from compliance.labels import LINE_STARTS, SECTION, is_sentence, labels, reads_as_title
from compliance.reading import Block, blocks
from compliance.sentences import split

__all__ = ["Node", "Sentence", "provisions"]

#: Bounds on what is read together, so that time grows with the text and not with its square.
_LONGEST_BLOCK = 4_000
_MOST_NODES = 2_000
_NO_PATH = ("section", "text", "bullet")
_DUTY = re.compile(r"\b(?:shall|must|may|should|will)\b")
_OPENS_LIST = re.compile(r"(?:[:—]|[:—] ?-|\b(?:if|when|where|that|of|following|and|or))$")
_CONDITIONAL = re.compile(r"(?:If|Where|When|Whenever)\b")
_COMMENT = re.compile(r"^# ?SOURCE\b|^<!--", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a node: `block.text[start:end]`."""

    node: Node
    start: int
    end: int


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
    tail : bool
        Whether it goes on, after a list, with the sentence that the list interrupted.
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
    tail: bool = False
    sentences: list[Sentence] = field(default_factory=list)
    path: tuple[str, ...] = ()

    def ancestors(self) -> Iterator[Node]:
        """Yield the parent, its parent, and so on."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent


def provisions(text: str) -> Iterator[list[Node]]:
    """Yield, section by section, the nodes of a text: what one provision's words can refer to."""
    builder = _Builder()
    for block in blocks(text, starts_item=LINE_STARTS):
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
        self.last: Node | None = None

    def opens_section(self, block: Block) -> bool:
        if SECTION.match(block.text) and len(block.text) < 300:
            return True
        found, _ = labels(block.text)
        return bool(found) and found[0][0] == "section" and block.apart and block.indent == 0

    def add(self, block: Block) -> None:
        section = SECTION.match(block.text)
        if section and len(block.text) < 300 and not is_sentence(block.text[section.end() :]):
            self.stack.clear()
            self.section = _printed(section)
            self.title = block.text[section.end() :].strip() or None
            self._append(Node(block, (), section.end(), heading=True, section=self.section))
            self.titled = True
            return
        found, body = labels(block.text)
        if found and self._follows_section(found[0], block):
            found[0] = ("section", found[0][1])
        if section and not found:
            self.stack.clear()
            self.section = _printed(section)
            body = section.end()
        numbered = bool(found) and found[0][0] == "section" and block.indent == 0
        titled = len(found) == 1 and self._is_titled(block, found[0][0], block.text[body:])
        if numbered:
            self.stack.clear()
            self.section, self.title = found[0][1], self._heading_above()
        if titled:
            self.title = block.text[body:]
        heading = titled or (not found and not section and self._is_heading(block))
        node = Node(block, tuple(f"({x})" if k != "bullet" else x for k, x in found), body, heading=heading)
        node.section = self.section
        if numbered:
            node.labels = node.labels[1:]
        if found:
            self._place(node, found)
        elif heading:
            if self.titled and self.title is None:
                self.title = block.text
            if block.text.startswith("#"):
                self.stack.clear()
        else:
            self._place_unlabelled(node)
        self._append(node)
        self.titled = False

    def _follows_section(self, label: tuple[str, str], block: Block) -> bool:
        """Say whether "8." is the next section after "7.—(1)", and not an item of its list."""
        kind, number = label
        if kind != "numbered" or block.indent or not self.stack or self.stack[0][0] != "section":
            return False
        before, this = (re.match(r"[0-9]+", text) for text in (self.stack[0][1], number))
        if not before or not this:
            return False
        owner = self._open()
        listed = owner is not None and _opens_list(owner.block.text)
        return int(this[0]) > int(before[0]) or not listed

    def _is_titled(self, block: Block, kind: str, words: str) -> bool:
        """Say whether a numbered line is only a number and a title, and not an item of an open list."""
        if kind not in ("section", "numbered") or not block.apart or not reads_as_title(words):
            return False
        owner = self._open()
        listed = owner is not None and not owner.heading and _opens_list(owner.block.text)
        return not listed and not _DUTY.search(words)

    def _heading_above(self) -> str | None:
        """Return the heading that stands right above a number, as in "Penalties / 12.—(1) A person ..."."""
        last = self.nodes[-1] if self.nodes else self.last
        return last.block.text if last is not None and last.heading and not last.labels else None

    def _append(self, node: Node) -> None:
        node.section_title = self.title
        self.last = node
        text = node.block.text
        node.sentences = [Sentence(node, a, b) for a, b in split(text, node.body)]
        self.nodes.append(node)

    def _place(self, node: Node, found: list[tuple[str, str]]) -> None:
        for place, (kind, label) in enumerate(found):
            kind = self._kind(kind, label)
            level = next((i for i, entry in enumerate(self.stack) if entry[0] == kind), None)
            if level is not None:
                del self.stack[level:]
            if place == 0 or level is not None:
                node.parent = self._open()
            worded = node.body < len(node.block.text) and not node.heading
            owner = node if place == len(found) - 1 and worded else None
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
        if node.block.text[0].islower() and self._close_list(node):
            return
        while self.stack and self.stack[-1][0] not in ("section", "numbered"):
            self.stack.pop()
        if node.block.text[0].islower():
            node.parent = self._open()
        self._attach(node)
        if not self.stack or _opens_list(node.block.text):
            self.stack.append(("text", "", indent, node))

    def _close_list(self, node: Node) -> bool:
        """Attach words that go on after a list ("the bank must report it") to what opened the list."""
        openers = [
            (place, entry[3])
            for place, entry in enumerate(self.stack)
            if entry[3] is not None and _opens_list(entry[3].block.text)
        ]
        if not openers:
            return False
        conditional = [o for o in openers if _CONDITIONAL.match(o[1].block.text, o[1].body)]
        place, owner = (conditional or openers)[-1]
        del self.stack[place + 1 :]
        node.parent = owner
        node.tail = True
        self._attach(node)
        return True

    def _is_heading(self, block: Block) -> bool:
        text = block.text
        if text.startswith("#"):
            return True
        if len(text) > 200 or re.search(r"[.;:,—]$", text) or text[0].islower():
            return False
        return self.titled or (block.apart and not is_sentence(text)) or text.isupper()


def _printed(section: re.Match[str]) -> str:
    """Return a section as its heading prints it: "§ 1010.311", "Article 19"."""
    return f"§ {section['section']}" if section["section"] else f"{section['word']} {section['number']}"


def _opens_list(text: str) -> bool:
    return bool(_OPENS_LIST.search(text[-12:]))
