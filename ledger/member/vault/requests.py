"""The vault's requests for evaluations: what was blinded, before it is anchored and until it is evaluated.

A request is stored before its root is sent to the chain. So after a crash the same elements are asked for
again, and nothing is anchored twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ledger.encoding.oprf import Blinded
from ledger.evaluation_request import request_root
from ledger.storage import transaction

__all__ = ["OpenRequest", "Requests"]


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request that is not evaluated completely; `number` is its number on the chain, or None before."""

    id: int
    epoch: int
    count: int
    root: bytes
    number: int | None


class Requests:
    """The requests of one vault."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def open(self, epoch: int) -> list[OpenRequest]:
        """Return the requests of an epoch that are not evaluated completely, oldest first."""
        rows = self._connection.execute(
            "SELECT id, epoch, count, root, number FROM request WHERE epoch = ? ORDER BY id", (epoch,)
        )
        return [OpenRequest(*row) for row in rows]

    def add(self, epoch: int, blinded: Sequence[Blinded]) -> OpenRequest:
        """Store a new request durably."""
        root = request_root([item.element for item in blinded])
        with transaction(self._connection, self._path) as connection:
            number = connection.execute(
                "INSERT INTO request (epoch, count, root) VALUES (?, ?, ?)", (epoch, len(blinded), root)
            ).lastrowid
            connection.executemany(
                "INSERT INTO requested (request, position, identifier, blind, element) "
                "VALUES (?, ?, ?, ?, ?)",
                (
                    (number, position, item.input.decode(), item.scalar, item.element)
                    for position, item in enumerate(blinded)
                ),
            )
        return OpenRequest(int(number or 0), epoch, len(blinded), root, None)

    def anchored(self, request: OpenRequest, number: int) -> OpenRequest:
        """Note the number that a request has on the chain."""
        with transaction(self._connection, self._path) as connection:
            connection.execute("UPDATE request SET number = ? WHERE id = ?", (number, request.id))
        return replace(request, number=number)

    def blinded(self, request: OpenRequest) -> list[Blinded]:
        """Return what was blinded for a request, in its order."""
        rows = self._connection.execute(
            "SELECT identifier, blind, element FROM requested WHERE request = ? ORDER BY position",
            (request.id,),
        )
        return [Blinded(identifier.encode(), blind, element) for identifier, blind, element in rows]

    def evaluated(self, request: OpenRequest) -> set[int]:
        """Return the positions at which stored evaluations of a request start."""
        rows = self._connection.execute("SELECT start FROM evaluation WHERE request = ?", (request.number,))
        return {start for (start,) in rows}

    def remove(self, request: OpenRequest) -> None:
        """Forget a request that is evaluated completely, or that was never anchored."""
        with transaction(self._connection, self._path) as connection:
            connection.execute("DELETE FROM requested WHERE request = ?", (request.id,))
            connection.execute("DELETE FROM request WHERE id = ?", (request.id,))
