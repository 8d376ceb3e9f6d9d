"""The heads of the verdict log that the chain records, so that everyone sees the same ones.

Before the desk publishes a new size of the verdict log, it writes a note to the case log: the size and the
root, and the proof that the log only grew since the head before. So each head on the chain follows from the
one before, and whoever has a node can check it. The desk cannot show two histories: of two heads that
contradict each other at most one is on the chain, in a place where all see it.

A note of this topic that does not follow from the head before is a contradiction. No head after it counts,
because nobody can tell which history it would belong to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal

from ledger import canonical, documents
from ledger.caselog import CaseKind
from ledger.commitment.merkle import EMPTY_ROOT, verify_consistency
from ledger.documents import Count, Document, Hash
from ledger.errors import VerificationError

if TYPE_CHECKING:
    from ledger.gateway import CaseEntry

__all__ = ["CASE", "FIRST", "TOPIC", "Anchor", "AnchorError", "anchor_content", "next_anchor"]

TOPIC: Final = "verdicts"
#: The case of these notes on the case log.
CASE: Final = sha256(b"counterfoil/verdicts").digest()

_FORMAT: Final = "counterfoil/note/1"


class AnchorDocument(Document, tag_field="format", tag=_FORMAT):
    """A note with a head of the verdict log, in JSON."""

    topic: Literal["verdicts"]
    size: Count
    root: Hash
    before: Count
    proof: list[Hash]


class AnchorError(VerificationError):
    """Raised when a head of the verdict log on the chain does not follow from the head before."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head of the verdict log on the chain: size, root, and the block that records it."""

    size: int
    root: bytes
    block: int


#: The head before the first note: the empty log.
FIRST: Final = Anchor(0, EMPTY_ROOT, 0)


def anchor_content(size: int, root: bytes, before: int, proof: Sequence[bytes]) -> Mapping[str, Any]:
    """Return the content of a note with a head of the verdict log, without format and topic.

    Parameters
    ----------
    size, root : int, bytes
        The head.
    before : int
        Size of the head that the chain records last; 0 if there is none.
    proof : sequence of bytes
        Proof that the log only grew since then (RFC 6962, 2.1.2).
    """
    return {"size": size, "root": root.hex(), "before": before, "proof": [value.hex() for value in proof]}


def next_anchor(last: Anchor, entry: CaseEntry) -> Anchor:
    """Return the head that the chain records last, after one more entry of the case log.

    Parameters
    ----------
    last : Anchor
        The head before; `FIRST` before the first entry.
    entry : CaseEntry
        Any entry of the case log; only notes of the topic count. Only the desk can write notes.

    Raises
    ------
    AnchorError
        When the entry is a head that does not follow from `last`.
    """
    if entry.kind != CaseKind.NOTE or not _is_anchor(entry.payload):
        return last
    where = f"block {entry.block}"
    note = documents.read(
        entry.payload,
        AnchorDocument,
        what="note with a head of the verdict log",
        error=AnchorError,
        where=where,
    )
    root = bytes.fromhex(note.root)
    if sha256(entry.payload).digest() != entry.content_hash:
        raise AnchorError("the content hash of a head of the verdict log is not its own", where=where)
    if note.before != last.size or note.size <= last.size:
        raise AnchorError(
            "a head of the verdict log on the chain does not follow from the head before",
            expected=f"more than {last.size} entries, grown from {last.size}",
            got=f"{note.size}, grown from {note.before}",
            where=where,
        )
    try:
        verify_consistency(last.size, note.size, last.root, root, [bytes.fromhex(v) for v in note.proof])
    except VerificationError as error:
        raise AnchorError(
            f"a head of the verdict log on the chain contradicts the head before: {error.what}", where=where
        ) from error
    return Anchor(note.size, root, entry.block)


def _is_anchor(payload: bytes) -> bool:
    try:
        value = canonical.loads(payload)
    except VerificationError:
        return False
    return isinstance(value, dict) and value.get("format") == _FORMAT and value.get("topic") == TOPIC
