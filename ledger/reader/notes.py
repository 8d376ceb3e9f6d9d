"""The desk's notes on the case log: records of actions that concern all flags, such as training a model.

A note is public and contains no personal data: its payload is canonical JSON, its content hash the payload's
SHA-256. It is stored before it is sent, so that it is neither lost nor repeated if the process dies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from ledger import canonical
from ledger.caselog import CaseKind
from ledger.delivery import NOTHING, TOPIC, Counted, open_counts, read_note, seal_counts
from ledger.errors import VerificationError
from ledger.reader.anchoring import OwnEntries, append_entries
from ledger.reader.book import Book
from ledger.reader.recipients import Recipients
from ledger.signing import AccountKey
from ledger.storage import transaction

if TYPE_CHECKING:
    from ledger.gateway import CaseEntry, Gateway

__all__ = ["KeptNote", "NoteBook"]

FORMAT: Final = "counterfoil/note/1"

#: The case of a note that concerns no single case.
_NO_CASE: Final = bytes(32)


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
        with transaction(self._state, self._path):
            self._insert(case_id, topic, says)

    def keep_deliveries(
        self,
        recipients: Recipients,
        note: Callable[[str], None] | None = None,
        *,
        anchored: bool = False,
    ) -> bool:
        """Store a note of deliveries, if the last one does not say what is anchored now.

        Call it after each round of anchoring. The note and what it tells are stored in one transaction.

        Parameters
        ----------
        recipients : Recipients
        anchored : bool
            Whether the round has anchored a flag. Then there is always a note: without one, all would know
            that the flag concerns no member.
        note : callable, optional
            Called with a sentence for each member whose key cannot be used.

        Returns
        -------
        bool
            Whether there is a new note.
        """
        with transaction(self._state, self._path) as state:
            counts = [self._counted(code) for code in sorted(recipients.members)]
            told = [Counted(*row) for row in state.execute("SELECT member, count, head FROM told ORDER BY 1")]
            if not anchored and (counts == told or not (told or any(counted.count for counted in counts))):
                return False
            says, unusable = seal_counts(counts, recipients.author, recipients.members, recipients.readers)
            self._insert(_NO_CASE, TOPIC, says)
            state.execute("DELETE FROM told")
            rows = [(counted.code, counted.count, counted.head) for counted in counts]
            state.executemany("INSERT INTO told VALUES (?, ?, ?)", rows)
        for code in unusable:
            if note is not None:
                note(
                    f"Member {code} cannot read how many flags were sent to it: its key on the chain cannot "
                    "be used. Ask the member to change its keys."
                )
        return True

    def reconcile(self, own: OwnEntries, private_keys: Iterable[bytes] = ()) -> None:
        """Compare the file with the chain: set each note's block, and copy notes that the file has lost.

        The desk recognises its notes by author, kind, content hash and payload.

        Parameters
        ----------
        own : OwnEntries
        private_keys : iterable of bytes
            The desk's HPKE keys; with them, the file takes over what the newest note tells of deliveries, so
            that no number is used twice, whatever the file has lost.
        """
        on_chain = {
            content: entry
            for (kind, content), entry in own.entries.items()
            if kind == CaseKind.NOTE and sha256(entry.payload).digest() == content
        }
        held = dict(self._state.execute("SELECT content_hash, block FROM note"))
        blocks = {content: on_chain[content].block if content in on_chain else None for content in held}
        blocks |= {content: block for content, block in held.items() if (block or 0) > own.height}
        with transaction(self._state, self._path) as state:
            state.executemany(
                "UPDATE note SET block = ? WHERE content_hash = ?",
                [(blocks[content], content) for content in held if blocks[content] != held[content]],
            )
            state.executemany(
                "INSERT INTO note VALUES (?, ?, ?, ?, ?)",
                [
                    (content, entry.case_id, _topic(entry.payload), entry.payload, entry.block)
                    for content, entry in on_chain.items()
                    if content not in held
                ],
            )
            for entry in sorted(on_chain.values(), key=lambda entry: -entry.index):
                if _topic(entry.payload) == TOPIC:
                    self._take_over(entry, private_keys)
                    break

    def anchor(
        self,
        gateway: Gateway,
        key: AccountKey,
        note: Callable[[str], None] | None = None,
        *,
        own: OwnEntries | None = None,
    ) -> int:
        """Write every note that is not on the case log yet; return the number of written notes.

        The chain is read first, unless `own` has what was read.
        """
        self.reconcile(own or OwnEntries.read(gateway, key))
        waiting = self._state.execute(
            "SELECT case_id, content_hash, payload FROM note WHERE block IS NULL ORDER BY rowid"
        ).fetchall()
        written = 0
        for block, sent in append_entries(gateway, key, [(CaseKind.NOTE, *row) for row in waiting], note):
            with transaction(self._state, self._path) as state:
                state.executemany(
                    "UPDATE note SET block = ? WHERE content_hash = ?", [(block, e[2]) for e in sent]
                )
            written += len(sent)
        return written

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

    def _take_over(self, entry: CaseEntry, private_keys: Iterable[bytes]) -> None:
        """Store what a note tells, where it is more than the file has told."""
        author = bytes.fromhex(entry.author.removeprefix("0x"))
        for private in private_keys:
            try:
                counts = open_counts(read_note(entry.payload), author, private)
            except VerificationError:
                continue
            self._state.executemany(
                "INSERT INTO told VALUES (?1, ?2, ?3) ON CONFLICT (member) DO UPDATE "
                "SET count = ?2, head = ?3 WHERE count < ?2",
                [(counted.code, counted.count, counted.head) for counted in counts],
            )
            return

    def _insert(self, case_id: bytes, topic: str, says: Mapping[str, Any]) -> None:
        payload = canonical.dumps({"format": FORMAT, "topic": topic, **says})
        self._state.execute(
            "INSERT OR IGNORE INTO note (content_hash, case_id, topic, payload) VALUES (?, ?, ?, ?)",
            (sha256(payload).digest(), case_id, topic, payload),
        )

    def _counted(self, code: int) -> Counted:
        """Return how many flags were sent to a member: up to the last one that is anchored, or was told."""
        last = self._state.execute(
            "SELECT sequence + 1 AS next, head FROM delivery JOIN flag USING (number) "
            "WHERE member = ?1 AND block IS NOT NULL "
            "UNION SELECT count, head FROM told WHERE member = ?1 ORDER BY next DESC LIMIT 1",
            (code,),
        ).fetchone()
        return Counted(code, *(last or (0, NOTHING)))


def _topic(payload: bytes) -> str:
    try:
        value: Any = canonical.loads(payload, what="note")
    except VerificationError:
        return ""
    topic = value.get("topic") if isinstance(value, dict) else None
    return topic if isinstance(topic, str) else ""
