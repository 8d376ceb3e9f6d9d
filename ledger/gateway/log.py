"""Read the log of batches and the case log, in order and without gaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from web3 import Web3

from ledger.batch import BatchHeader
from ledger.deployment import Deployment
from ledger.gateway.connection import Connection
from ledger.gateway.records import CaseEntry, PostedBatch

__all__ = ["Log", "posted_batch"]


class Log(Connection):
    """Reads the posted batches and the entries of the case log."""

    def log_size(self, block: int | None = None) -> int:
        """Return the number of batches in the log, at a given block or at the newest one."""
        return self._count("BatchLedger", "logSize", block)

    def head_of(self, account: str) -> tuple[int, bytes]:
        """Return a member's next sequence and the hash of its last batch."""
        sequence, head = self._ask("BatchLedger", "headOf", Web3.to_checksum_address(account))
        return int(sequence), bytes(head)

    def case_size(self, block: int | None = None) -> int:
        """Return the number of entries of the case log, at a given block or at the newest one."""
        return self._count("CaseLog", "size", block)

    def _count(self, contract: str, function: str, block: int | None) -> int:
        if block is not None and not self._deployed(contract, block):
            return 0
        return int(self._ask(contract, function, block=block))

    def batches(self, first: int, last: int) -> Iterator[PostedBatch]:
        """Yield the batches posted in blocks `first` to `last`, in log order."""
        for args, entry in self._batch_events(first, last):
            yield posted_batch(self.deployment, args, entry)

    def case_head(self) -> tuple[int, bytes]:
        """Return the number of entries of the case log and the hash over all of them."""
        block = self.height()
        return self.case_size(block), bytes(self._ask("CaseLog", "head", block=block))

    def case_entries(self, first: int | None = None, last: int | None = None) -> Iterator[CaseEntry]:
        """Yield the entries of the case log in blocks `first` to `last`."""
        for args, entry in self._case_events(first, last):
            yield CaseEntry(
                index=args["index"],
                kind=args["kind"],
                case_id=bytes(args["caseId"]),
                author=args["author"],
                content_hash=bytes(args["contentHash"]),
                head=bytes(args["head"]),
                block=entry["blockNumber"],
                payload=bytes(args["payload"]),
            )

    def _batch_events(self, first: int, last: int) -> Iterator[tuple[dict[str, Any], Any]]:
        """Yield the events of batches; raise ChainError where the node leaves one out between two others."""
        expected: int | None = None
        for _, args, entry in self._events("BatchLedger", ("BatchPosted",), first, last):
            if expected is not None and args["logIndex"] != expected:
                raise self._incomplete(f"batch {expected} of the log", block=entry["blockNumber"])
            expected = args["logIndex"] + 1
            yield args, entry

    def _case_events(self, first: int | None, last: int | None) -> Iterator[tuple[dict[str, Any], Any]]:
        """Yield the events of the case log, as `_batch_events` does."""
        expected: int | None = None
        for _, args, entry in self._events("CaseLog", ("CaseEntryAppended",), first, last):
            if expected is not None and args["index"] != expected:
                raise self._incomplete(f"entry {expected} of the case log", block=entry["blockNumber"])
            expected = args["index"] + 1
            yield args, entry


def posted_batch(deployment: Deployment, args: dict[str, Any], entry: Any) -> PostedBatch:
    """Return the batch in an event `BatchPosted`."""
    header = BatchHeader(
        chain_id=deployment.chain_id,
        contract=deployment.address("BatchLedger"),
        member=bytes.fromhex(args["member"][2:]),
        sequence=args["sequence"],
        previous_hash=bytes(args["previousHash"]),
        epoch=args["epoch"],
        policy_hash=bytes(args["policyHash"]),
        row_count=args["rowCount"],
        rows_root=bytes(args["rowsRoot"]),
    )
    return PostedBatch(
        header=header,
        signature=bytes(args["signature"]),
        batch_hash=bytes(args["batchHash"]),
        log_index=args["logIndex"],
        block=entry["blockNumber"],
        block_hash=bytes(entry["blockHash"]),
        transaction=bytes(entry["transactionHash"]),
        payload=bytes(args["payload"]),
    )
