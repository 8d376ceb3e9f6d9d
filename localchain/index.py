"""The index of mined transactions and logs: written with their block, read by lookups and `eth_getLogs`.

py-evm searches all blocks for a transaction and reads logs from receipt tries. Here each is one indexed row,
so a lookup takes the same time after a restart and after a million blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from localchain.borrowing import borrow, restore
from localchain.database import Database, Rows
from localchain.errors import TooMuchDataError

__all__ = ["Index", "LogFilter", "LogRow", "TransactionRow", "block_rows"]

_TRANSACTION = (
    "t.block, t.position, t.hash, t.sender, t.contract, t.status, t.gas_used, t.cumulative_gas, t.gas_price, "
    "t.size, t.raw"
)
_LOG = (
    "l.place, l.position, l.hash, l.address, l.topic0, l.topic1, l.topic2, l.topic3, l.size, l.data, l.gap, "
    "CASE WHEN l.borrowed THEN "
    "(SELECT substr(t.raw, l.borrowed_from + 1, l.borrowed) FROM transactions t WHERE t.hash = l.hash) END"
)

#: A log's key is its block number, shifted, plus its index in the block: SQLite keeps an index in key order,
#: so a block range of one contract's events is read in chain order without a sort.
_SHIFT = 24


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A mined transaction and its result.

    Attributes
    ----------
    block, position : int
        Block number, and index in the block.
    hash, sender : bytes
        Transaction hash (32 bytes) and sender (20 bytes).
    contract : bytes or None
        Address of the contract that it created, if any.
    status : int
        1 succeeded, 0 reverted.
    gas_used, cumulative_gas : int
        Gas of this transaction, and of the block up to and including it.
    gas_price : int
        Effective gas price in wei.
    size : int
        Length of the transaction inside its block's encoding, in bytes.
    raw : bytes
        The signed transaction.
    """

    block: int
    position: int
    hash: bytes
    sender: bytes
    contract: bytes | None
    status: int
    gas_used: int
    cumulative_gas: int
    gas_price: int
    size: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class LogRow:
    """An event of a mined transaction.

    Attributes
    ----------
    place : int
        Block number and index of the log in the block, in one integer that sorts in chain order.
    position : int
        Index of the transaction in the block.
    hash, address : bytes
        Transaction hash, and the contract that emitted it.
    topic0, topic1, topic2, topic3 : bytes or None
        Topics, 32 bytes each.
    size : int
        Length of `data` in bytes.
    data : bytes
        ABI-encoded data.
    """

    place: int
    position: int
    hash: bytes
    address: bytes
    topic0: bytes | None = None
    topic1: bytes | None = None
    topic2: bytes | None = None
    topic3: bytes | None = None
    size: int = 0
    data: bytes = b""

    @staticmethod
    def key(block: int, log_index: int) -> int:
        """Return the `place` of a log."""
        return block << _SHIFT | log_index

    @property
    def block(self) -> int:
        """Block number."""
        return self.place >> _SHIFT

    @property
    def log_index(self) -> int:
        """Index of the log in the block."""
        return self.place & ((1 << _SHIFT) - 1)

    @property
    def topics(self) -> list[bytes]:
        """The topics without the missing ones."""
        given = (self.topic0, self.topic1, self.topic2, self.topic3)
        return [topic for topic in given if topic is not None]


@dataclass(frozen=True, slots=True)
class LogFilter:
    """A filter of logs.

    Attributes
    ----------
    first, last : int
        Block range, both ends included.
    addresses : tuple of bytes
        Any of these contracts; empty for all.
    topics : tuple of tuple of bytes
        By position, any of these topics; empty for all.
    """

    first: int
    last: int
    addresses: tuple[bytes, ...] = ()
    topics: tuple[tuple[bytes, ...], ...] = ()


def block_rows(
    number: int,
    block_hash: bytes,
    transactions: Sequence[TransactionRow],
    logs: Sequence[LogRow],
    deployers: Sequence[bytes] = (),
) -> Rows:
    """Return the rows that a block adds to the index.

    Parameters
    ----------
    number : int
        Block number.
    block_hash : bytes
        Block hash.
    transactions, logs : sequence
        The block's transactions and logs.
    deployers : sequence of bytes
        Accounts that may create contracts from this block on.

    Returns
    -------
    Rows
        For `Database.commit`.
    """
    raws = {row.position: row.raw for row in transactions}
    return [
        ("INSERT INTO blocks VALUES (?, ?)", [(number, block_hash)]),
        ("INSERT OR IGNORE INTO deployers VALUES (?, ?)", [(account, number) for account in deployers]),
        (f"INSERT INTO transactions VALUES ({_marks(11)})", [astuple(row) for row in transactions]),
        (
            f"INSERT INTO logs VALUES ({_marks(13)})",
            [(*astuple(log)[:-1], *astuple(borrow(log.data, raws.get(log.position, b"")))) for log in logs],
        ),
    ]


def _log(row: tuple[Any, ...]) -> LogRow:
    return LogRow(*(*row[:-3], restore(*row[-3:])))


class Index:
    """Reads the index; sees committed blocks only.

    Parameters
    ----------
    database : Database
        The chain's database.
    in_turn : bool
        For the thread that may write to the database. Any thread may use an index without this.
    """

    def __init__(self, database: Database, *, in_turn: bool = False) -> None:
        self._query = database.query_in_turn if in_turn else database.query

    def height(self) -> int:
        """Return the number of the last block."""
        return int(self._query("SELECT max(number) FROM blocks")[0][0])

    def block_hash(self, number: int) -> bytes | None:
        """Return the hash of a block, or None if there is no block with this number."""
        rows = self._query("SELECT hash FROM blocks WHERE number = ?", (number,))
        return rows[0][0] if rows else None

    def block_number(self, block_hash: bytes) -> int | None:
        """Return the number of a block, or None if there is none with this hash."""
        rows = self._query("SELECT number FROM blocks WHERE hash = ?", (block_hash,))
        return rows[0][0] if rows else None

    def header(self, block_hash: bytes) -> bytes:
        """Return the RLP of a block's header."""
        rows = self._query("SELECT value FROM state WHERE key = ?", (block_hash,))
        return bytes(rows[0][0])

    def contains(self, transaction_hash: bytes) -> bool:
        """Return whether the transaction is mined."""
        return bool(self._query("SELECT 1 FROM transactions WHERE hash = ?", (transaction_hash,)))

    def is_deployer(self, account: bytes) -> bool:
        """Return whether an account may create contracts."""
        return bool(self._query("SELECT 1 FROM deployers WHERE account = ?", (account,)))

    def transaction(self, transaction_hash: bytes) -> TransactionRow | None:
        """Return a mined transaction, or None."""
        rows = self._query(f"SELECT {_TRANSACTION} FROM transactions t WHERE t.hash = ?", (transaction_hash,))
        return TransactionRow(*rows[0]) if rows else None

    def transactions(self, block: int) -> list[TransactionRow]:
        """Return a block's transactions in their order."""
        rows = self._query(
            f"SELECT {_TRANSACTION} FROM transactions t WHERE t.block = ? ORDER BY t.position", (block,)
        )
        return [TransactionRow(*row) for row in rows]

    def transaction_sizes(self, block: int) -> list[tuple[bytes, int]]:
        """Return hash and encoded length of a block's transactions, without reading their content."""
        return [
            (bytes(row[0]), int(row[1]))
            for row in self._query(
                "SELECT hash, size FROM transactions WHERE block = ? ORDER BY position", (block,)
            )
        ]

    def logs_of(self, block: int, position: int | None = None) -> list[LogRow]:
        """Return the logs of a block, or of one of its transactions."""
        condition, values = _condition(LogFilter(block, block))
        if position is not None:
            condition, values = f"{condition} AND l.position = ?", [*values, position]
        rows = self._query(f"SELECT {_LOG} FROM logs l WHERE {condition} ORDER BY l.place", values)
        return [_log(row) for row in rows]

    def logs(self, wanted: LogFilter, *, size: int | None = None, count: int | None = None) -> list[LogRow]:
        """Find logs.

        Parameters
        ----------
        wanted : LogFilter
            The filter.
        size : int, optional
            Maximum bytes of log data to return.
        count : int, optional
            Maximum number of logs to return.

        Returns
        -------
        list of LogRow
            In chain order.

        Raises
        ------
        TooMuchDataError
            If there are more logs or more data than that; a partial result is never returned.
        """
        condition, values = _condition(wanted)
        # The sizes are asked for first: SQLite finds them without reading a byte of the data.
        found, length = self._query(
            f"SELECT count(*), coalesce(sum(l.size), 0) FROM logs l WHERE {condition}", values
        )[0]
        if (size is not None and length > size) or (count is not None and found > count):
            raise TooMuchDataError(
                f"the query returns {found} logs with {length} bytes of data, more than {count} or {size}",
                next_step="Ask for fewer blocks at a time.",
            )
        rows = self._query(f"SELECT {_LOG} FROM logs l WHERE {condition} ORDER BY l.place", values)
        return [_log(row) for row in rows]


def _condition(wanted: LogFilter) -> tuple[str, list[bytes | int]]:
    parts = ["l.place >= ? AND l.place < ?"]
    values: list[bytes | int] = [LogRow.key(wanted.first, 0), LogRow.key(wanted.last + 1, 0)]
    columns = [("l.address", wanted.addresses)]
    columns += [(f"l.topic{place}", choices) for place, choices in enumerate(wanted.topics)]
    for column, choices in columns:
        if choices:
            parts.append(f"{column} IN ({_marks(len(choices))})")
            values += choices
    return " AND ".join(parts), values


def _marks(count: int) -> str:
    return ", ".join("?" * count)
