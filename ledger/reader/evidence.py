"""Make the receipts of any rows, and the proofs of entries of the case log, as the reader of a consortium.

The desk can open each batch with its reader key, and reads headers and signatures of authors from the chain.
So it can give a receipt of any accepted row, also for a member on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from ledger.bundle import CaseProof
from ledger.commitment import merkle
from ledger.entries import CaseAnchor, Posting, batch_entry, case_entry, parse_entry
from ledger.envelope import NotAddresseeError, open_envelope
from ledger.errors import InputError, VerificationError
from ledger.flag import RowRef
from ledger.log.proof import Proof
from ledger.log.published import PublishedLog
from ledger.receipt import Receipt
from ledger.schema import ROW_SIZE
from ledger.verdicts import accepted_entry

if TYPE_CHECKING:
    from ledger.gateway import CaseEntry, Gateway, PostedBatch

__all__ = ["EvidenceMaker"]


class _Tree:
    """A published log: the index of an entry, and proofs of inclusion."""

    def __init__(self, log: PublishedLog) -> None:
        self.log = log
        self._leaves = log.leaf_hashes()
        if merkle.root(self._leaves) != log.checkpoint.root:
            raise VerificationError(
                "a published log does not match its checkpoint",
                where=log.checkpoint.origin,
                next_step="Run `counterfoil desk sync`, then `counterfoil fsck`.",
            )
        self._index = {leaf: index for index, leaf in enumerate(self._leaves)}
        self._proofs: dict[int, str] = {}

    def find(self, entry: bytes) -> int | None:
        """Return the index of an entry; None if the checkpoint does not cover it."""
        return self._index.get(merkle.leaf_hash(entry))

    def prove(self, index: int) -> str:
        """Return the proof of an entry (C2SP tlog-proof)."""
        if index not in self._proofs:
            path = self.log.tiles.inclusion_path(index, self.log.checkpoint.size)
            self._proofs[index] = Proof(index, tuple(path), self.log.note).to_text()
        return self._proofs[index]


@dataclass
class _OpenedBatch:
    """What all receipts of one batch share."""

    posted: PostedBatch
    place: Posting
    rows: bytes
    ledger_proof: str
    verdict_proof: str

    @cached_property
    def paths(self) -> list[list[bytes]]:
        """The paths of all rows to the rows root."""
        leaves = [merkle.leaf_hash(self.rows[i : i + ROW_SIZE]) for i in range(0, len(self.rows), ROW_SIZE)]
        if merkle.root(leaves) != self.posted.header.rows_root:
            raise VerificationError("the rows of a batch do not match its header")
        return merkle.inclusion_paths(leaves, range(len(leaves)))

    def receipt(self, index: int) -> Receipt | None:
        """Return the receipt of a row; None if the batch has no such row."""
        if index >= len(self.paths):
            return None
        return Receipt(
            row=self.rows[index * ROW_SIZE : (index + 1) * ROW_SIZE],
            index=index,
            rows_path=tuple(self.paths[index]),
            header=self.posted.header,
            signature=self.posted.signature,
            block=self.place.block,
            block_time=self.place.block_time,
            ledger_proof=self.ledger_proof,
            verdict_proof=self.verdict_proof,
        )


class EvidenceMaker:
    """Makes receipts and proofs from the chain and the two published logs.

    Parameters
    ----------
    gateway : Gateway
    private_keys : sequence of bytes
        The reader's HPKE keys; the newest first is the fastest order.
    ledger, verdicts : PublishedLog

    Raises
    ------
    VerificationError
        When a published log does not match its checkpoint.
    """

    def __init__(
        self,
        gateway: Gateway,
        private_keys: Sequence[bytes],
        *,
        ledger: PublishedLog,
        verdicts: PublishedLog,
    ) -> None:
        self._gateway = gateway
        self._keys = tuple(private_keys)
        self._ledger, self._verdicts = _Tree(ledger), _Tree(verdicts)
        self._opened: dict[tuple[int, int], _OpenedBatch | None] = {}

    @cached_property
    def _places(self) -> dict[tuple[int, int], Posting]:
        """The places of all batches, by member code and sequence."""
        codes = {account.account: account.code for account in self._gateway.accounts()}
        log = self._ledger.log
        found = map(parse_entry, log.tiles.entries(0, log.checkpoint.size))
        postings = (entry for entry in found if isinstance(entry, Posting))
        return {(codes[p.header.member], p.header.sequence): p for p in postings}

    def receipts(
        self, rows: Iterable[RowRef], *, progress: Callable[[int], None] | None = None
    ) -> dict[RowRef, Receipt]:
        """Return the receipts of rows; a row whose batch is not accepted or not covered yet has none."""
        found: dict[RowRef, Receipt] = {}
        for number, ref in enumerate(rows):
            batch = self._batch(ref.member, ref.sequence)
            receipt = None if batch is None else batch.receipt(ref.index)
            if receipt is not None:
                found[ref] = receipt
            if progress:
                progress(number + 1)
        return found

    def _batch(self, member: int, sequence: int) -> _OpenedBatch | None:
        name = member, sequence
        if name not in self._opened:
            place = self._places.get(name)
            self._opened[name] = None if place is None else self._open(place)
        return self._opened[name]

    def _open(self, place: Posting) -> _OpenedBatch | None:
        for posted in self._gateway.batches(place.block, place.block):
            header = posted.header
            if header != place.header:
                continue
            entry = batch_entry(header, posted.signature, place.block, place.block_time)
            index = self._ledger.find(entry)
            verdict = None if index is None else self._verdicts.find(accepted_entry(index, header.hash))
            rows = self._unsealed(posted)
            if index is None or verdict is None or rows is None:
                return None
            return _OpenedBatch(posted, place, rows, self._ledger.prove(index), self._verdicts.prove(verdict))
        return None

    def _unsealed(self, posted: PostedBatch) -> bytes | None:
        for key in self._keys:
            try:
                return open_envelope(posted.payload, posted.header.pack(), key)
            except NotAddresseeError:
                continue
        return None

    def case_proof(self, entry: CaseEntry) -> CaseProof:
        """Return the proof of an entry of the case log.

        Raises
        ------
        InputError
            When no published checkpoint covers the entry yet.
        """
        anchor = CaseAnchor(
            index=entry.index,
            kind=entry.kind,
            case_id=entry.case_id,
            content_hash=entry.content_hash,
            author=bytes.fromhex(entry.author.removeprefix("0x")),
            payload_hash=sha256(entry.payload).digest(),
            head=entry.head,
            block=entry.block,
            block_time=self._gateway.block_time(entry.block),
        )
        index = self._ledger.find(case_entry(anchor))
        if index is None:
            raise InputError(
                "no checkpoint with enough cosignatures covers this entry of the case log yet",
                where=f"entry {entry.index}, block {entry.block}",
                next_step="Run `counterfoil desk sync`, then the same command again.",
            )
        return CaseProof(anchor, self._ledger.prove(index))
