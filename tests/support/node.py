"""A chain in memory, with what the logs read of it and the one call that the desk makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from ledger.deployment import CONTRACTS, Deployment
from ledger.entries import CaseAnchor, EntryKind, case_entry
from ledger.errors import TransactionRejectedError
from ledger.gateway import CaseEntry
from ledger.signing import address_of

__all__ = ["MemoryNode"]

DEPLOYMENT = Deployment(20_261, "ab" * 32, 1, {name: f"0x{i:040x}" for i, name in enumerate(CONTRACTS, 1)})


@dataclass
class MemoryNode:
    """A chain whose blocks hold entries of the ledger log, and entries of the case log among them.

    Parameters
    ----------
    salt : bytes
        Two chains with different salts have different block hashes.
    """

    salt: bytes = b""
    deployment: Deployment = DEPLOYMENT
    blocks: list[list[bytes | CaseEntry]] = field(default_factory=lambda: [[]])

    def mine(self, *entries: bytes) -> None:
        """Add a block."""
        self.blocks.append(list(entries))

    def height(self) -> int:
        """Return the number of the newest block."""
        return len(self.blocks) - 1

    def block_hash(self, number: int) -> bytes:
        """Return a hash of the block and all blocks before it."""
        return sha256(self.salt + repr(self.blocks[: number + 1]).encode()).digest()

    def ledger_entries(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the entries of the ledger log."""
        for number in range(first, last + 1):
            for entry in self.blocks[number]:
                yield entry if isinstance(entry, bytes) else self._as_ledger(entry)

    def ledger_counts(self, block: int) -> dict[int, int]:
        """Return what the contracts of a true chain would count."""
        entries = (entry for found in self.blocks[: block + 1] for entry in found)
        kinds = Counter(entry[0] if isinstance(entry, bytes) else EntryKind.CASE for entry in entries)
        return {kind: kinds[kind] for kind in (EntryKind.ADMISSION, EntryKind.BATCH, EntryKind.CASE)}

    def case_entries(self, first: int | None = None, last: int | None = None) -> Iterator[CaseEntry]:
        """Yield the entries of the case log."""
        begin, end = 0 if first is None else first, self.height() if last is None else last
        for block in self.blocks[begin : end + 1]:
            yield from (entry for entry in block if isinstance(entry, CaseEntry))

    def transact(self, key: bytes, contract: str, function: str, *args: Any) -> int:
        """Append entries to the case log in a block of their own."""
        assert (contract, function) == ("CaseLog", "append")
        author, made = address_of(key), []
        before = [(e.author, e.kind, e.content_hash) for e in self.case_entries()]
        for kind, case, content, payload in args[0]:
            if (author, kind, content) in before:
                raise TransactionRejectedError("this content is on the case log already")
            index = len(before) + len(made)
            made.append(CaseEntry(index, kind, case, author, content, bytes(32), self.height() + 1, payload))
        self.blocks.append(list(made))
        return self.height()

    @staticmethod
    def _as_ledger(entry: CaseEntry) -> bytes:
        return case_entry(
            CaseAnchor(
                entry.index,
                entry.kind,
                entry.case_id,
                entry.content_hash,
                bytes.fromhex(entry.author[2:]),
                sha256(entry.payload).digest(),
                entry.head,
                entry.block,
                entry.block,
            )
        )
