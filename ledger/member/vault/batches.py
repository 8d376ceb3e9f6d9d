"""The outbox table of a vault: sealed and signed batches, and their positions on the chain."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ledger.batch import BatchHeader
from ledger.errors import ConfigurationError
from ledger.storage import transaction

__all__ = ["Batches", "KeptBatch", "PostedHeader", "SealedBatch"]


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """A batch of the outbox.

    Parameters
    ----------
    sequence : int
    hash : bytes
        Of its header.
    raw : bytes
        The signed transaction that posts it.
    transaction : bytes
        The hash of that transaction.
    nonce : int
    block : int or None
        The block that holds it; None while it is not known to be on the chain.
    """

    sequence: int
    hash: bytes
    raw: bytes
    transaction: bytes
    nonce: int
    block: int | None = None


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """All of a batch that its receipts need.

    Parameters
    ----------
    header : BatchHeader
    signature : bytes
        The author's signature over the header.
    rows : bytes
        The packed rows.
    block, block_time : int or None
        The block that holds the batch, and its Unix time; None while it is not known to be on the chain.
    """

    header: BatchHeader
    signature: bytes
    rows: bytes
    block: int | None
    block_time: int | None


class PostedHeader(NamedTuple):
    """The header of a batch on the chain, its author's signature, its block, and the block's time."""

    header: BatchHeader
    signature: bytes
    block: int
    block_time: int


_COLUMNS = "sequence, hash, raw, transaction_hash, nonce, block"


class Batches:
    """The sealed batches of a vault.

    Parameters
    ----------
    connection : sqlite3.Connection
    path : Path
        The vault's file.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def add(
        self,
        batch: SealedBatch,
        header: BatchHeader,
        signature: bytes,
        rows: bytes,
        records: Sequence[int],
    ) -> None:
        """Store a batch and mark its records with their row index in it, in one transaction.

        Parameters
        ----------
        batch : SealedBatch
        header : BatchHeader
        signature : bytes
            The author's signature over the header.
        rows : bytes
            Its packed rows.
        records : sequence of int
            Identifiers of the records, in the order of the rows.

        Raises
        ------
        ConfigurationError
            When another process has sealed one of these records, or a batch of this number, meanwhile.
        """
        with transaction(self._connection, self._path) as connection:
            written = connection.execute(
                "INSERT INTO batch (sequence, header, hash, signature, rows, raw, transaction_hash, nonce) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    batch.sequence,
                    header.to_bytes().decode(),
                    batch.hash,
                    signature,
                    rows,
                    batch.raw,
                    batch.transaction,
                    batch.nonce,
                ),
            )
            marked = connection.executemany(
                "UPDATE record SET batch = ?, row_index = ? WHERE id = ? AND batch IS NULL",
                ((batch.sequence, index, record) for index, record in enumerate(records)),
            )
            if (written.rowcount, marked.rowcount) != (1, len(records)):
                raise ConfigurationError(
                    "another process seals from this vault at the same moment",
                    where=str(self._path),
                    next_step="Wait until it is done, then run the same command again.",
                )

    def last(self) -> SealedBatch | None:
        """Return the batch with the highest sequence number."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM batch ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        return None if row is None else SealedBatch(*row)

    def last_header(self) -> BatchHeader | None:
        """Return the header of the batch with the highest sequence number."""
        row = self._connection.execute("SELECT header FROM batch ORDER BY sequence DESC LIMIT 1").fetchone()
        return None if row is None else BatchHeader.from_bytes(row[0].encode())

    def posted(self, sequence: int) -> KeptBatch:
        """Return a batch."""
        header, *others = self._connection.execute(
            "SELECT header, signature, rows, block, block_time FROM batch WHERE sequence = ?", (sequence,)
        ).fetchone()
        return KeptBatch(BatchHeader.from_bytes(header.encode()), *others)

    def headers(self) -> Iterator[PostedHeader]:
        """Yield the header of every batch that is confirmed on the chain, in order."""
        cursor = self._connection.execute(
            "SELECT header, signature, block, block_time FROM batch WHERE block IS NOT NULL ORDER BY sequence"
        )
        for header, *others in cursor:
            yield PostedHeader(BatchHeader.from_bytes(header.encode()), *others)

    def count(self) -> tuple[int, int]:
        """Return the number of batches, and the number of those that are confirmed on the chain."""
        sealed, on_chain = self._connection.execute("SELECT count(*), count(block) FROM batch").fetchone()
        return int(sealed), int(on_chain)

    def unconfirmed(self, *, start: int = 0, limit: int = -1) -> list[SealedBatch]:
        """Return the batches not yet confirmed on the chain, from a sequence number on, in order."""
        cursor = self._connection.execute(
            f"SELECT {_COLUMNS} FROM batch WHERE block IS NULL AND sequence >= ? ORDER BY sequence LIMIT ?",
            (start, limit),
        )
        return [SealedBatch(*row) for row in cursor]

    def sign_again(
        self, start: int, sign: Callable[[int, SealedBatch], SealedBatch], *, limit: int = -1
    ) -> None:
        """Replace the signed transactions of unconfirmed batches, all of them or none.

        Parameters
        ----------
        start : int
            The first sequence number.
        sign : callable
            From the batch's place in the order and the batch to the batch with its new transaction.
        limit : int
            Number of batches; -1 for all.
        """
        with transaction(self._connection, self._path) as connection:
            for place, batch in enumerate(self.unconfirmed(start=start, limit=limit)):
                signed = sign(place, batch)
                connection.execute(
                    "UPDATE batch SET raw = ?, transaction_hash = ?, nonce = ? WHERE sequence = ?",
                    (signed.raw, signed.transaction, signed.nonce, batch.sequence),
                )

    def drop_unconfirmed(self) -> None:
        """Remove the batches that are not confirmed on the chain; their records wait again."""
        with transaction(self._connection, self._path) as connection:
            connection.execute(
                "UPDATE record SET batch = NULL, row_index = NULL "
                "WHERE batch IN (SELECT sequence FROM batch WHERE block IS NULL)"
            )
            connection.execute("DELETE FROM batch WHERE block IS NULL")

    def confirm(self, sequence: int, *, block: int, block_time: int) -> None:
        """Store the block of a confirmed batch, and that block's time."""
        with transaction(self._connection, self._path) as connection:
            connection.execute(
                "UPDATE batch SET block = ?, block_time = ? WHERE sequence = ?", (block, block_time, sequence)
            )
