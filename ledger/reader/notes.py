"""The desk's notes on the case log: records of actions that concern all flags, such as training a model.

A note is public and contains no personal data: its payload is canonical JSON, its content hash the payload's
SHA-256. It is stored before it is sent, so that it is neither lost nor repeated if the process dies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from ledger import canonical
from ledger.caselog import CaseKind
from ledger.reader.book import Book
from ledger.storage import transaction

if TYPE_CHECKING:
    from ledger.gateway import Gateway

__all__ = ["KeptNote", "NoteBook"]

FORMAT: Final = "counterfoil/note/1"


@dataclass(frozen=True, slots=True)
class KeptNote:
    """A note: its case (32 bytes), its content, its hash, and the block that anchors it (None: not yet)."""

    case_id: bytes
    says: Mapping[str, Any]
    content_hash: bytes
    block: int | None


class NoteBook(Book):
    """The notes of one desk.

    Parameters
    ----------
    path : Path
        The case file of the desk.
    """

    def keep(self, case_id: bytes, topic: str, says: Mapping[str, Any]) -> None:
        """Store a note; the same note is stored only once. `anchor` writes it to the chain."""
        payload = canonical.dumps({"format": FORMAT, "topic": topic, **says})
        with transaction(self._state, self._path) as state:
            state.execute(
                "INSERT OR IGNORE INTO note (content_hash, case_id, topic, payload) VALUES (?, ?, ?, ?)",
                (sha256(payload).digest(), case_id, topic, payload),
            )

    def anchor(self, gateway: Gateway, key: bytes) -> int:
        """Write every note that is not on the case log yet; return the number of written notes."""
        waiting = self._state.execute(
            "SELECT content_hash, case_id, payload FROM note WHERE block IS NULL ORDER BY rowid"
        ).fetchall()
        if not waiting:
            return 0
        on_chain = {entry.content_hash: entry.block for entry in gateway.case_entries()}
        new = [row for row in waiting if row[0] not in on_chain]
        blocks = [(on_chain[row[0]], row[0]) for row in waiting if row[0] in on_chain]
        for content, case_id, payload in new:
            entry = (CaseKind.NOTE, case_id, content, payload)
            blocks.append((gateway.transact(key, "CaseLog", "append", [entry]), content))
        with transaction(self._state, self._path) as state:
            state.executemany("UPDATE note SET block = ? WHERE content_hash = ?", blocks)
        return len(new)

    def notes(self, topic: str, case_id: bytes | None = None) -> list[KeptNote]:
        """Return the notes of a topic, oldest first, of one case or of all cases."""
        rows = self._state.execute(
            "SELECT content_hash, case_id, payload, block FROM note WHERE topic = ? ORDER BY rowid", (topic,)
        )
        return [
            KeptNote(case, canonical.loads(payload), content, block)
            for content, case, payload, block in rows
            if case_id in (None, case)
        ]
