"""The desk's case file: one SQLite file with flags, officers' decisions and the desk's notes."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from ledger.delivery import Delivery
from ledger.reader.casefile import REMEDY, prepare
from ledger.storage import open_database
from ledger.stored_cases import StoredCases, StoredDecision, StoredFlag, StoredNote

__all__ = ["Book"]


class Book:
    """An open case file of the desk; use it in a with statement, or close it.

    One writing process and any number of reading processes may have the file open at the same time: a reader
    sees what was committed before its query began, and does not wait. Only the thread that opened a book may
    use it. Opening one takes well under a millisecond, so a server opens one for each request.

    Parameters
    ----------
    path : Path
        The SQLite file; it is created if it is missing.

    Raises
    ------
    ConfigurationError
        When the file is damaged or stays locked, or when another version of the program wrote it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = open_database(path, what="the desk's file of flags", remedy=REMEDY, upgrade=prepare)

    def stored(self) -> StoredCases:
        """Return what the file holds, for a comparison with the chain."""
        flags = self._state.execute(
            "SELECT flag_id, kind, block, document, seed, payload FROM flag JOIN flag_document USING (number)"
        )
        decisions = self._state.execute(
            "SELECT content_hash, author, flag_id, entry, block, document FROM decision"
        )
        notes = self._state.execute("SELECT content_hash, case_id, block, payload FROM note")
        deliveries = self._state.execute(
            "SELECT member, sequence, previous, flag_id FROM delivery JOIN flag USING (number)"
        )
        return StoredCases(
            tuple(
                StoredFlag(flag_id, kind, block, document, seed, sha256(payload).digest())
                for flag_id, kind, block, document, seed, payload in flags
            ),
            tuple(StoredDecision(*row) for row in decisions),
            tuple(
                StoredNote(content, case, block, sha256(payload).digest())
                for content, case, block, payload in notes
            ),
            frozenset(Delivery(*row) for row in deliveries),
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
