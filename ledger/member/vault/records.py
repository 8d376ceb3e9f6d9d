"""The vault itself: its records, from the runs that read them to the batches that they are sealed in."""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from ledger.encoding.pseudonym import ProvenBatch
from ledger.member.intake import Chunk, Quarantined
from ledger.member.transaction import Transaction
from ledger.member.vault.batches import Batches
from ledger.member.vault.elements import Elements
from ledger.member.vault.pseudonyms import PseudonymProof, Pseudonyms, proof, store
from ledger.member.vault.requests import Requests
from ledger.member.vault.tables import opened
from ledger.schema import FIELDS, Side
from ledger.storage import transaction

__all__ = ["HeldRecord", "IntakeCounts", "Vault"]

#: Number of records read at a time when batches are made: 16 bytes of memory each.
WAITING_ROWS: Final = 100_000

#: Maximum number of pseudonyms in memory while rows are encoded: about 200 bytes each.
CACHED_PSEUDONYMS: Final = 200_000

_INSERT: Final = (
    f"INSERT INTO record ({', '.join(FIELDS)}, side, time_us, amount_minor, run, line) "
    f"VALUES ({', '.join('?' * (len(FIELDS) + 5))})"
)


@dataclass(slots=True)
class IntakeCounts:
    """The counts of an intake run; `read` is the sum of the others."""

    read: int = 0
    accepted: int = 0
    already_held: int = 0
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """A record of the vault: its exact fields, and its batch and row if it was posted."""

    id: int
    values: tuple[str | None, ...]
    side: int
    time_us: int
    amount_minor: int
    batch: int | None
    row_index: int | None


class Vault:
    """A member's vault.

    Parameters
    ----------
    path : Path
        The SQLite file; made if it is missing, readable by its owner only.

    Raises
    ------
    ConfigurationError
        When the file is not a vault of this version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = opened(path)
        (self._key,) = self.connection.execute("SELECT vault_key FROM secret").fetchone()

    @property
    def requests(self) -> Requests:
        """The requests for evaluations that are not finished."""
        return Requests(self.connection, self.path)

    @property
    def elements(self) -> Elements:
        """The elements of requests, and the rows that need them."""
        return Elements(self.connection)

    @property
    def batches(self) -> Batches:
        """The sealed batches."""
        return Batches(self.connection, self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run one durable transaction: it is stored completely or not at all."""
        with transaction(self.connection, self.path) as connection:
            yield connection

    # -- records ----------------------------------------------------------------------------------------

    def start_run(self, source: str) -> int:
        """Start an intake run; a row that occurs again in the same run is a duplicate."""
        with self.writing() as connection:
            cursor = connection.execute("INSERT INTO run (source) VALUES (?)", (source,))
        return int(cursor.lastrowid or 0)

    def add(self, run: int, chunk: Chunk) -> tuple[IntakeCounts, list[Quarantined]]:
        """Store a chunk's valid rows; return the counts and all quarantined rows, including duplicates."""
        counts = IntakeCounts(read=len(chunk), quarantined=len(chunk.quarantined))
        apart = list(chunk.quarantined)
        rows = [
            (*t.values, t.side, t.time_us, t.amount_minor, run, line)
            for line, t in zip(chunk.lines, chunk.transactions, strict=True)
        ]
        try:
            with self.writing() as connection:
                connection.executemany(_INSERT, rows)
            counts.accepted = len(rows)
        except sqlite3.IntegrityError:
            with self.writing() as connection:
                for row, line, transaction in zip(rows, chunk.lines, chunk.transactions, strict=True):
                    duplicate = self._find_duplicate(connection, run, line, transaction)
                    if duplicate is None:
                        connection.execute(_INSERT, row)
                        counts.accepted += 1
                    elif duplicate == "":
                        counts.already_held += 1
                    else:
                        counts.quarantined += 1
                        field, _, reason = duplicate.partition(": ")
                        apart.append(
                            Quarantined(line, field, reason, ",".join(v or "" for v in transaction.values))
                        )
        return counts, apart

    def _find_duplicate(
        self, connection: sqlite3.Connection, run: int, line: int, transaction: Transaction
    ) -> str | None:
        """Return None for a new row, "" for a row that an earlier run stored, else field and reason."""
        for field in ("transaction_id", "uetr"):
            value = transaction.values[FIELDS.index(field)]
            if value is None:
                continue
            held = connection.execute(
                f"SELECT run, line, {', '.join(FIELDS)} FROM record WHERE {field} = ?", (value,)
            ).fetchone()
            if held is None:
                continue
            if held[0] != run and tuple(held[2:]) == transaction.values:
                # Store its new line: if it occurs again in this run, it is a duplicate of that line.
                connection.execute(
                    f"UPDATE record SET run = ?, line = ? WHERE {field} = ?", (run, line, value)
                )
                return ""
            place = f"line {held[1]}" if held[0] == run else f"line {held[1]} of an earlier file"
            other = [name for name, a, b in zip(FIELDS, held[2:], transaction.values, strict=True) if a != b]
            differs = f", with another {', '.join(other)}: what is held stays" if other else ""
            return f"{field}: {value} stands already in {place}{differs}"
        return None

    def waiting(
        self, closed_before_us: int, bucket_us: int, *, limit: int = WAITING_ROWS
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return (ids, microseconds) of the earliest records without batch, in whole time buckets.

        Parameters
        ----------
        closed_before_us : int
            Only records before this moment.
        bucket_us : int
            Length of a bucket.
        limit : int
            Approximate number of records; a bucket is never split, so that all its rows can be shuffled.
        """
        query = "SELECT id, time_us FROM record WHERE batch IS NULL AND time_us < ? ORDER BY time_us LIMIT ?"
        found = self._pairs(query, (closed_before_us, limit))
        if len(found) == limit:
            end = (int(found[-1, 1]) // bucket_us + 1) * bucket_us
            query = "SELECT id, time_us FROM record WHERE batch IS NULL AND time_us < ? ORDER BY time_us"
            found = self._pairs(query, (min(end, closed_before_us),))
        return found[:, 0], found[:, 1]

    def _pairs(self, query: str, values: tuple[int, ...]) -> npt.NDArray[np.int64]:
        cursor = self.connection.execute(query, values)
        flat = (number for pair in cursor for number in pair)
        return np.fromiter(flat, np.int64).reshape(-1, 2)

    def waiting_between(self, first_us: int, last_us: int) -> bool:
        """Return whether a record without batch has a time from `first_us` on and before `last_us`."""
        query = "SELECT 1 FROM record WHERE batch IS NULL AND time_us >= ? AND time_us < ? LIMIT 1"
        return self.connection.execute(query, (first_us, last_us)).fetchone() is not None

    def identifiers_without_pseudonym(
        self, epoch: int, first_us: int = -(2**62), last_us: int = 2**62
    ) -> list[str]:
        """Return, sorted, the identifiers in waiting records of a time range without pseudonym yet."""
        union = " UNION ".join(
            f"SELECT {name} AS identifier FROM record "
            f"WHERE batch IS NULL AND time_us >= :first AND time_us < :last AND {name} IS NOT NULL"
            for name in ("debtor_account", "creditor_account", "party_id", "on_behalf_of")
        )
        cursor = self.connection.execute(
            f"SELECT identifier FROM ({union}) AS wanted WHERE NOT EXISTS "
            "(SELECT 1 FROM pseudonym p WHERE p.epoch = :epoch AND p.identifier = wanted.identifier) "
            "ORDER BY identifier",
            {"epoch": epoch, "first": first_us, "last": last_us},
        )
        return [row[0] for row in cursor]

    def store_pseudonyms(self, answers: Iterable[tuple[int, int, Iterable[ProvenBatch]]]) -> None:
        """Store pseudonyms with what proves them; an identifier that has one keeps it.

        Parameters
        ----------
        answers : iterable of (int, int, iterable of ProvenBatch)
            The request on the chain, the position of the first element in it, and the evaluations.
        """
        with self.writing() as connection:
            for request, start, batches in answers:
                store(connection, request, start, batches)

    def pseudonyms(self, epoch: int, *, cache: int = CACHED_PSEUDONYMS) -> Pseudonyms:
        """Return the epoch's pseudonyms by identifier, at most `cache` of them in memory at a time."""
        return Pseudonyms(self.connection, epoch, cache)

    def pseudonym_proof(self, epoch: int, identifier: str) -> PseudonymProof | None:
        """Return what proves the pseudonym of an identifier in an epoch, or None if it has none."""
        return proof(self.connection, epoch, identifier)

    def records(self, ids: Sequence[int]) -> list[tuple[HeldRecord, int | None]]:
        """Return records in the order of `ids`, each with its debtor account's last incoming payment.

        That is the time, in microseconds, of the newest credit to the account before the record, or None.
        """
        marks = ", ".join("?" * len(ids))
        cursor = self.connection.execute(
            f"SELECT id, {', '.join(FIELDS)}, side, time_us, amount_minor, batch, row_index, "
            "CASE WHEN side = 2 THEN NULL ELSE (SELECT max(i.time_us) FROM record i WHERE i.side IN (2, 3) "
            "AND i.creditor_account = record.debtor_account AND i.time_us < record.time_us) END "
            f"FROM record WHERE id IN ({marks})",
            list(ids),
        )
        found = {row[0]: (_held(row[:-1]), row[-1]) for row in cursor}
        return [found[int(i)] for i in ids]

    def record_at(self, batch: int, row_index: int) -> HeldRecord | None:
        """Return the record posted as this row of a batch, or None."""
        return self._one("batch = ? AND row_index = ?", (batch, row_index))

    def find(self, key: str) -> HeldRecord | None:
        """Return the record with this UETR or transaction identifier, or None."""
        return self._one("uetr = ?", (key.lower(),)) or self._one("transaction_id = ?", (key,))

    def _one(self, condition: str, values: tuple[Any, ...]) -> HeldRecord | None:
        row = self.connection.execute(
            f"SELECT id, {', '.join(FIELDS)}, side, time_us, amount_minor, batch, row_index "
            f"FROM record WHERE {condition}",
            values,
        ).fetchone()
        return None if row is None else _held(row)

    def seed(self, transaction_id: str) -> bytes:
        """Return the 32 secret bytes that salt a record's leaves."""
        return hmac.digest(self._key, b"record seed\x00" + transaction_id.encode(), "sha256")

    def count(self) -> int:
        """Return the number of records."""
        return int(self.connection.execute("SELECT count(*) FROM record").fetchone()[0])

    def count_waiting(self, closed_before_us: int = 2**62) -> int:
        """Return the number of records without batch before a given time."""
        query = "SELECT count(*) FROM record WHERE batch IS NULL AND time_us < ?"
        return int(self.connection.execute(query, (closed_before_us,)).fetchone()[0])

    def places(self) -> Iterator[tuple[str, int, int, Side]]:
        """Yield (UETR, batch, row index, side) of every record that is in a batch and has a UETR."""
        cursor = self.connection.execute(
            "SELECT uetr, batch, row_index, side FROM record WHERE batch IS NOT NULL AND uetr IS NOT NULL"
        )
        for uetr, batch, index, side in cursor:
            yield uetr, batch, index, Side(side)


def _held(row: Sequence[Any]) -> HeldRecord:
    n = len(FIELDS)
    return HeldRecord(row[0], tuple(row[1 : n + 1]), Side(row[n + 1]), *row[n + 2 : n + 6])
