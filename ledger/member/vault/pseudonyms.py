"""The vault's pseudonyms, with what proves them to an auditor later.

Every evaluation counts, so no pseudonym is requested twice. The table `evaluation` has the batches that the
holders proved, each with its place in a request (`ledger.member.vault.requests`); `pseudonym` has the blind
and the position of each identifier's element. Elements and proofs are stored as raw bytes: about 110 bytes
per identifier with one holder.

Two processes may ask for an identifier at the same moment. The first answer is its pseudonym; `repeated`
keeps the blind of the other element, because an auditor may draw it (`ledger.draw`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from struct import Struct
from typing import Final, NamedTuple

from ledger.encoding.evaluation import Evaluation, Share
from ledger.encoding.pseudonym import ProvenBatch

__all__ = ["PseudonymProof", "Pseudonyms", "proof", "store"]

_ELEMENT: Final = 32
_PROOF: Final = 64
#: A stored share begins with the holder's index; its elements and its proof follow.
_INDEX: Final = Struct(">H")


class PseudonymProof(NamedTuple):
    """What `ledger.encoding.evaluation.check_pseudonym` needs: evaluation, position and blind."""

    evaluation: Evaluation
    element: int
    blind: bytes


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


def store(connection: sqlite3.Connection, request: int, start: int, batches: Iterable[ProvenBatch]) -> None:
    """Store evaluations and their pseudonyms in the open transaction; a pseudonym is never replaced.

    Parameters
    ----------
    connection : sqlite3.Connection
    request, start : int
        The request on the chain, and the position of the first element in it.
    batches : iterable of ProvenBatch
        In the order of the request.
    """
    for evaluation, pseudonyms in batches:
        number = connection.execute(
            "INSERT INTO evaluation (epoch, generation, request, start, blinded, shares) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                evaluation.epoch,
                evaluation.generation,
                request,
                start,
                b"".join(evaluation.blinded),
                b"".join(map(_packed, evaluation.shares)),
            ),
        ).lastrowid
        stored = connection.executemany(
            "INSERT INTO pseudonym (epoch, identifier, value, blind, evaluation, element) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (epoch, identifier) DO NOTHING",
            (
                (evaluation.epoch, made.identifier, made.value, made.blind, number, element)
                for element, made in enumerate(pseudonyms)
            ),
        )
        if stored.rowcount != len(pseudonyms):
            connection.executemany(
                "INSERT INTO repeated (evaluation, element, identifier, blind) SELECT ?1, ?2, ?4, ?5 "
                "WHERE NOT EXISTS (SELECT 1 FROM pseudonym "
                "WHERE epoch = ?3 AND identifier = ?4 AND evaluation = ?1)",
                (
                    (number, element, evaluation.epoch, made.identifier, made.blind)
                    for element, made in enumerate(pseudonyms)
                ),
            )
        start += len(pseudonyms)


def proof(connection: sqlite3.Connection, epoch: int, identifier: str) -> PseudonymProof | None:
    """Return what proves the pseudonym of an identifier in an epoch, or None if it has none."""
    row = connection.execute(
        "SELECT e.epoch, e.generation, e.blinded, e.shares, p.element, p.blind "
        "FROM pseudonym p JOIN evaluation e ON e.id = p.evaluation "
        "WHERE p.epoch = ? AND p.identifier = ?",
        (epoch, identifier),
    ).fetchone()
    if row is None:
        return None
    number, generation, blinded, shares, element, blind = row
    size = _INDEX.size + len(blinded) + _PROOF
    made = tuple(_unpacked(shares[start : start + size]) for start in range(0, len(shares), size))
    return PseudonymProof(Evaluation(number, generation, _elements(blinded), made), element, blind)


def _packed(share: Share) -> bytes:
    return _INDEX.pack(share.index) + b"".join(share.elements) + share.proof


def _unpacked(data: bytes) -> Share:
    return Share(_INDEX.unpack_from(data)[0], _elements(data[_INDEX.size : -_PROOF]), data[-_PROOF:])


def _elements(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[start : start + _ELEMENT] for start in range(0, len(data), _ELEMENT))
