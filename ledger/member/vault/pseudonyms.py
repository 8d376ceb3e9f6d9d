"""The vault's cache of pseudonyms: the key holder counts every evaluation, so none is requested twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping

__all__ = ["Pseudonyms"]


class Pseudonyms(Mapping[str, bytes]):
    """The pseudonyms of one epoch; each is read when it is requested."""

    def __init__(self, connection: sqlite3.Connection, epoch: int, cache: int) -> None:
        self._connection = connection
        self._epoch = epoch
        self._cache = cache
        self._known: dict[str, bytes] = {}

    def __getitem__(self, identifier: str) -> bytes:
        value = self._known.get(identifier)
        if value is None:
            row = self._connection.execute(
                "SELECT value FROM pseudonym WHERE epoch = ? AND identifier = ?", (self._epoch, identifier)
            ).fetchone()
            if row is None:
                raise KeyError(identifier)
            if len(self._known) >= self._cache:
                self._known.clear()
            value = self._known[identifier] = row[0]
        return value

    def __iter__(self) -> Iterator[str]:
        cursor = self._connection.execute("SELECT identifier FROM pseudonym WHERE epoch = ?", (self._epoch,))
        return (row[0] for row in cursor)

    def __len__(self) -> int:
        query = "SELECT count(*) FROM pseudonym WHERE epoch = ?"
        return int(self._connection.execute(query, (self._epoch,)).fetchone()[0])
