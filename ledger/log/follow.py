"""Both logs as one party derives them from its own node: nobody else is asked.

The entries of the ledger log are a function of the chain's final blocks, so each party computes the same
tree. The chain also records the heads of the verdict log (`ledger.log.anchors`). The desk publishes what it
derives; a witness compares with what it derives before it cosigns.

The tree is stored as tiles, the rest in one SQLite file. The tiles are written first; a block counts only
when the file says so. So a crash leaves nothing that has to be repaired.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ledger.errors import ChainError, VerificationError
from ledger.log.anchors import FIRST, Anchor, AnchorError, next_anchor
from ledger.log.tiles import Tiles, append
from ledger.storage import open_database, transaction

if TYPE_CHECKING:
    from ledger.gateway import CaseEntry, Gateway

__all__ = ["ChainLogs", "ReplacedBlockError"]

#: Blocks read in one request; the gateway divides it when the answer is too large.
_BLOCKS: Final = 64
#: Entries collected before tiles are written.
_ENTRIES: Final = 4096

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS cursor (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  block INTEGER NOT NULL, block_hash BLOB NOT NULL, size INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS counted (kind INTEGER PRIMARY KEY, entries INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS anchor (size INTEGER PRIMARY KEY, root BLOB NOT NULL, block INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS contradiction (id INTEGER PRIMARY KEY CHECK (id = 1), what TEXT NOT NULL);
"""


class ReplacedBlockError(VerificationError):
    """Raised when the chain replaced a block that was treated as final."""


class ChainLogs:
    """The ledger log, and the recorded heads of the verdict log, up to one block. Use it in a with statement.

    Parameters
    ----------
    state : Path
        The SQLite file; it is created if it is missing.
    tiles : Path
        The folder of the ledger log's tiles. Only one process may follow the chain into it at a time.
    mode : int
        Who may read the tiles; only their owner by default.

    Raises
    ------
    ConfigurationError
        When the file is damaged or stays locked.
    """

    def __init__(self, state: Path, tiles: Path, *, mode: int = 0o600) -> None:
        self._path = state
        self._folder = tiles
        self._mode = mode
        self._state = open_database(
            state,
            what="the state of the logs",
            remedy=f"Remove {state} and the folder {tiles}, and run the same command again; "
            "the chain holds everything.",
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

    @property
    def size(self) -> int:
        """Number of entries of the ledger log."""
        row = self._state.execute("SELECT size FROM cursor").fetchone()
        return 0 if row is None else int(row[0])

    def tiles(self) -> Tiles:
        """Return the ledger log."""
        return Tiles.in_folder(self._folder, self.size)

    @property
    def last_anchor(self) -> Anchor:
        """The head of the verdict log that the chain records last."""
        row = self._state.execute(
            "SELECT size, root, block FROM anchor ORDER BY size DESC LIMIT 1"
        ).fetchone()
        return FIRST if row is None else Anchor(*row)

    def anchor_at(self, size: int) -> Anchor | None:
        """Return the recorded head of the verdict log of a size; None if there is none."""
        if size == FIRST.size:
            return FIRST
        row = self._state.execute("SELECT size, root, block FROM anchor WHERE size = ?", (size,)).fetchone()
        return None if row is None else Anchor(*row)

    @property
    def contradiction(self) -> str | None:
        """What is wrong with the recorded heads of the verdict log; None if each follows from the last."""
        row = self._state.execute("SELECT what FROM contradiction").fetchone()
        return None if row is None else str(row[0])

    def next_block(self, node: Gateway) -> int:
        """Return the first block that was not read yet."""
        row = self._state.execute("SELECT block FROM cursor").fetchone()
        return node.deployment.block if row is None else int(row[0]) + 1

    def follow(self, node: Gateway, last: int) -> None:
        """Read every block up to `last` that was not read yet. What was read is kept if the node fails.

        Raises
        ------
        ReplacedBlockError
            When the chain replaced a block that was read before.
        ChainError
            When the node fails, or leaves out an entry that the contracts count.
        """
        self._check_same_chain(node)
        first = self.next_block(node)
        entries: list[bytes] = []
        notes: list[CaseEntry] = []
        for begin in range(first, last + 1, _BLOCKS):
            end = min(begin + _BLOCKS - 1, last)
            entries += node.ledger_entries(begin, end)
            notes += node.case_entries(begin, end)
            if len(entries) >= _ENTRIES or end == last:
                self._commit(node, end, entries, notes)
                entries, notes = [], []

    def _commit(self, node: Gateway, block: int, entries: list[bytes], notes: list[CaseEntry]) -> None:
        block_hash = node.block_hash(block)
        counted = self._counted(node, block, entries)
        size = append(self._folder, self.size, entries, mode=self._mode)
        anchors, contradiction = self._anchors(notes)
        with transaction(self._state, self._path) as state:
            state.executemany(
                "INSERT INTO anchor (size, root, block) VALUES (?, ?, ?)",
                ((anchor.size, anchor.root, anchor.block) for anchor in anchors),
            )
            state.executemany(
                "INSERT INTO counted (kind, entries) VALUES (?, ?) "
                "ON CONFLICT (kind) DO UPDATE SET entries = excluded.entries",
                counted.items(),
            )
            if contradiction is not None:
                state.execute("INSERT INTO contradiction (id, what) VALUES (1, ?)", (contradiction,))
            state.execute(
                "INSERT INTO cursor (id, block, block_hash, size) VALUES (1, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET block = excluded.block, block_hash = excluded.block_hash, "
                "size = excluded.size",
                (block, block_hash, size),
            )

    def _counted(self, node: Gateway, block: int, entries: list[bytes]) -> Counter[int]:
        """Return how many entries there are of each kind, after a check with the contracts' own counts.

        A node that leaves out an entry must not make a log look false.
        """
        counted = Counter(dict(self._state.execute("SELECT kind, entries FROM counted")))
        counted.update(entry[0] for entry in entries)
        for kind, expected in node.ledger_counts(block).items():
            if counted[kind] != expected:
                raise ChainError(
                    f"the node left out entries of the ledger log: {counted[kind]} of {expected} "
                    f"of the kind {kind}",
                    where=f"block {block}",
                    next_step="The node may be faulty or not in sync; try again, or use another endpoint.",
                )
        return counted

    def _anchors(self, notes: list[CaseEntry]) -> tuple[list[Anchor], str | None]:
        """Return the new heads of the verdict log, and what is wrong with the first that does not follow."""
        found: list[Anchor] = []
        if self.contradiction is not None:
            return found, None
        last = self.last_anchor
        for note in notes:
            try:
                after = next_anchor(last, note)
            except AnchorError as error:
                return found, str(error)
            if after != last:
                found.append(after)
                last = after
        return found, None

    def _check_same_chain(self, node: Gateway) -> None:
        row = self._state.execute("SELECT block, block_hash FROM cursor").fetchone()
        if row is not None and node.block_hash(row[0]) != row[1]:
            raise ReplacedBlockError(
                "the chain replaced a block that was treated as final",
                where=f"block {row[0]}",
                next_step=f"If the chain was restored from a backup, remove {self._path} and the folder "
                f"{self._folder}. Otherwise use a greater --depth, and tell the other members.",
            )
