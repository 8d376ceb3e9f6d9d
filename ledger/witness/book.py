"""What a witness keeps: the checkpoints that it cosigned, and the evidence of two histories of one log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from ledger import documents
from ledger.commitment.merkle import EMPTY_ROOT
from ledger.documents import Count, Document
from ledger.log.checkpoint import Checkpoint, read_checkpoint
from ledger.log.notes import Note
from ledger.storage import open_database, transaction, write_atomically

__all__ = ["Case", "LogState", "WitnessBook"]

Kind = Literal["contradiction", "no-proof"]

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS cosigned (
  origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, time INTEGER NOT NULL,
  PRIMARY KEY (origin, size)
);
CREATE TABLE IF NOT EXISTS refused (
  origin TEXT PRIMARY KEY, size INTEGER NOT NULL, reason TEXT NOT NULL, time INTEGER NOT NULL,
  count INTEGER NOT NULL
);
"""
_ABOUT: Final = "about.json"
_SHOWN: Final = "shown.note"
_COSIGNED: Final = "cosigned.note"


class CaseDocument(Document, tag_field="format", tag="counterfoil/evidence/1"):
    """The facts of a piece of evidence, in JSON."""

    kind: Kind
    origin: str
    size: Count
    what: str
    time: Count


@dataclass(frozen=True, slots=True)
class Case:
    """Evidence against a log.

    Parameters
    ----------
    folder : Path
        Has `shown.note`, the checkpoint that the log signed; and `cosigned.note`, a checkpoint that it signed
        too and that this witness cosigned, if there is one of a size that can be compared.
    kind : {"contradiction", "no-proof"}
        *contradiction*: the log signed what contradicts the chain, or another checkpoint that it signed.
        *no-proof*: the proof that came with the checkpoint is wrong; this alone is not evidence of a fault of
        the log, which may still have a right one.
    origin : str
    size : int
        Size of the checkpoint that was shown.
    what : str
        What is wrong, as a sentence.
    time : int
        When it was shown first, in Unix seconds.
    """

    folder: Path
    kind: Kind
    origin: str
    size: int
    what: str
    time: int


@dataclass(frozen=True, slots=True)
class LogState:
    """The state of one log at a witness: the last cosigned checkpoint, and the last refusal."""

    origin: str
    size: int
    time: int | None
    count: int
    refused: str | None
    refused_time: int | None


class WitnessBook:
    """The state of a witness. Use it in a with statement; only the thread that opened it may use it.

    Parameters
    ----------
    folder : Path
        The witness's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.evidence = folder / "evidence"
        self._path = folder / "witness.sqlite"
        self._state = open_database(
            self._path,
            what="the state of the witness",
            remedy="Restore it from a backup. Without it the witness cannot know what it cosigned: "
            "create another key for it, and have the key changed on the chain.",
            tables=_TABLES,
        )

    def close(self) -> None:
        """Close the file."""
        self._state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- checkpoints ------------------------------------------------------------------------------------

    @contextmanager
    def deciding(self) -> Iterator[sqlite3.Connection]:
        """Run one transaction: what is read in it stays true until it ends; `remember` is part of it."""
        with transaction(self._state, self._path) as state:
            yield state

    def last(self, origin: str) -> Checkpoint:
        """Return the largest checkpoint that was cosigned; the empty log if there is none."""
        row = self._state.execute(
            "SELECT size, root FROM cosigned WHERE origin = ? ORDER BY size DESC LIMIT 1", (origin,)
        ).fetchone()
        return Checkpoint(origin, 0, EMPTY_ROOT) if row is None else Checkpoint(origin, *row)

    def note(self, origin: str, size: int | None = None) -> str | None:
        """Return the cosigned note of a size, or the largest one; None if there is none."""
        row = self._state.execute(
            "SELECT note FROM cosigned WHERE origin = ? AND size = coalesce(?, size) "
            "ORDER BY size DESC LIMIT 1",
            (origin, size),
        ).fetchone()
        return None if row is None else str(row[0])

    def remember(self, checkpoint: Checkpoint, note: str, time: int) -> None:
        """Store a checkpoint that is cosigned now; call it inside `deciding`."""
        self._state.execute(
            "INSERT INTO cosigned (origin, size, root, note, time) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (origin, size) DO UPDATE SET note = excluded.note, time = excluded.time",
            (checkpoint.origin, checkpoint.size, checkpoint.root, note, time),
        )

    def refuse(self, checkpoint: Checkpoint, reason: str, time: int) -> None:
        """Note that a checkpoint was refused."""
        with self.deciding() as state:
            state.execute(
                "INSERT INTO refused (origin, size, reason, time, count) VALUES (?, ?, ?, ?, 1) "
                "ON CONFLICT (origin) DO UPDATE SET size = excluded.size, reason = excluded.reason, "
                "time = excluded.time, count = refused.count + 1",
                (checkpoint.origin, checkpoint.size, reason, time),
            )

    def states(self) -> list[LogState]:
        """Return the state of each log that was cosigned or refused."""
        rows = self._state.execute(
            "SELECT origin, coalesce(max(c.size), 0), max(c.time), count(c.size), r.reason, r.time "
            "FROM (SELECT origin FROM cosigned UNION SELECT origin FROM refused) "
            "LEFT JOIN cosigned c USING (origin) LEFT JOIN refused r USING (origin) "
            "GROUP BY origin ORDER BY origin"
        )
        return [LogState(*row) for row in rows]

    # -- evidence ---------------------------------------------------------------------------------------

    def accuse(self, kind: Kind, note: Note, what: str, time: int) -> Case:
        """Keep a checkpoint as evidence, with the cosigned one of the same size, or else with the last one.

        The same checkpoint is kept only once.
        """
        checkpoint = read_checkpoint(note)
        folder = self.evidence / sha256(note.body.encode()).hexdigest()[:16]
        known = self._case(folder)
        if known is not None and (known.kind == "contradiction" or kind == known.kind):
            return known
        held = self.note(checkpoint.origin, checkpoint.size) or self.note(checkpoint.origin)
        write_atomically(folder / _SHOWN, note.text.encode())
        if held is not None:
            write_atomically(folder / _COSIGNED, held.encode())
        about = CaseDocument(kind=kind, origin=checkpoint.origin, size=checkpoint.size, what=what, time=time)
        write_atomically(folder / _ABOUT, documents.write(about))  # last: it makes the case complete
        return Case(folder, kind, checkpoint.origin, checkpoint.size, what, time)

    def cases(self) -> list[Case]:
        """Return all evidence, oldest first."""
        found = [self._case(path.parent) for path in self.evidence.glob(f"*/{_ABOUT}")]
        return sorted((case for case in found if case is not None), key=lambda case: (case.time, case.folder))

    def _case(self, folder: Path) -> Case | None:
        try:
            data = (folder / _ABOUT).read_bytes()
        except FileNotFoundError:
            return None
        about = documents.read(data, CaseDocument, what="evidence", where=str(folder))
        return Case(folder, about.kind, about.origin, about.size, about.what, about.time)
