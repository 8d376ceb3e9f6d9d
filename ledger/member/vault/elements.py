"""What was blinded for the elements of anchored requests, and which records need it.

A request that is evaluated completely leaves its elements in `evaluation`, and their blinds in `pseudonym`
and `repeated`; of any other request, `requested` has everything.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ledger.encoding.evaluation import MOST_ELEMENTS

__all__ = ["IDENTIFIERS", "Elements", "Needed", "Preimage"]

#: The fields of a record that have a pseudonym in its row.
IDENTIFIERS: Final = ("debtor_account", "creditor_account", "party_id", "on_behalf_of")

_ELEMENT: Final = 32


class Preimage(NamedTuple):
    """The identifier and the blind of an element."""

    identifier: str
    blind: bytes


class Needed(NamedTuple):
    """A record that has an identifier: its place if it is in a batch, and its identifiers by field."""

    batch: int | None
    row_index: int | None
    identifiers: dict[str, str]


class Elements:
    """The elements of the requests of one vault."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def of(self, number: int, root: bytes) -> list[bytes]:
        """Return the elements of a request in their order; too few, if this vault lost some.

        Parameters
        ----------
        number : int
            The request's number on the chain.
        root : bytes
            Its root; a request may be on the chain before the vault knows its number.
        """
        waiting = self._connection.execute(
            "SELECT d.element FROM requested d JOIN request r ON r.id = d.request "
            "WHERE r.root = ? ORDER BY d.position",
            (root,),
        ).fetchall()
        if waiting:
            return [element for (element,) in waiting]
        cursor = self._connection.execute(
            "SELECT start, blinded FROM evaluation WHERE request = ? GROUP BY start ORDER BY start", (number,)
        )
        found: list[bytes] = []
        for start, blinded in cursor:
            if start != len(found):
                break
            found += [blinded[at : at + _ELEMENT] for at in range(0, len(blinded), _ELEMENT)]
        return found

    def preimages(self, number: int, root: bytes, positions: Iterable[int]) -> dict[int, Preimage]:
        """Return what was blinded for some elements of a request, as far as it is known."""
        wanted = sorted(set(positions))
        cursor = self._connection.execute(
            "SELECT d.position, d.identifier, d.blind FROM requested d JOIN request r ON r.id = d.request "
            "WHERE r.root = ? AND d.position IN (SELECT value FROM json_each(?))",
            (root, json.dumps(wanted)),
        )
        found = {position: Preimage(identifier, blind) for position, identifier, blind in cursor}
        missing = [position for position in wanted if position not in found]
        evaluated = {place: position for position in missing for place in self._places(number, position)}
        ids = json.dumps(sorted({evaluation for evaluation, _ in evaluated}))
        for table in ("pseudonym", "repeated"):
            cursor = self._connection.execute(
                f"SELECT evaluation, element, identifier, blind FROM {table} "
                "WHERE evaluation IN (SELECT value FROM json_each(?))",
                (ids,),
            )
            for evaluation, element, identifier, blind in cursor:
                position = evaluated.get((evaluation, element))
                if position is not None:
                    found.setdefault(position, Preimage(identifier, blind))
        return found

    def _places(self, number: int, position: int) -> list[tuple[int, int]]:
        """Return the evaluations that have an element of a request, with its index in each of them."""
        cursor = self._connection.execute(
            "SELECT id, ? - start FROM evaluation WHERE request = ? AND start <= ? AND start > ?",
            (position, number, position, position - MOST_ELEMENTS),
        )
        return [(int(evaluation), int(element)) for evaluation, element in cursor]

    def records_with(self, identifiers: Iterable[str]) -> Iterator[Needed]:
        """Yield the records that have one of some identifiers; the table of records is read once."""
        given = json.dumps(sorted(set(identifiers)))
        conditions = " OR ".join(f"{name} IN (SELECT value FROM json_each(:given))" for name in IDENTIFIERS)
        cursor = self._connection.execute(
            f"SELECT batch, row_index, {', '.join(IDENTIFIERS)} FROM record WHERE {conditions}",
            {"given": given},
        )
        for batch, row_index, *values in cursor:
            held = {name: value for name, value in zip(IDENTIFIERS, values, strict=True) if value is not None}
            yield Needed(batch, row_index, held)
