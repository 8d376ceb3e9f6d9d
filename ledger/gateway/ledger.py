"""Derive the entries of the ledger log from the chain's events, in chain order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from ledger.entries import (
    CaseAnchor,
    EntryKind,
    Standing,
    admission_entry,
    batch_entry,
    case_entry,
    epoch_entry,
    key_change_entry,
    shares_entry,
    standing_entry,
)
from ledger.gateway.log import Log, posted_batch
from ledger.gateway.records import PostedBatch
from ledger.gateway.registry import address_bytes, member_keys

__all__ = ["Ledger", "LedgerEntry"]

_STANDING: Final = {
    "MemberSuspended": Standing.SUSPENDED,
    "MemberReinstated": Standing.ACTIVE,
    "MemberRevoked": Standing.REVOKED,
}
_CONSORTIUM: Final = ("MemberAdmitted", "MemberKeysChanged", *_STANDING)
_KEYS: Final = ("EpochOpened", "CeremonyCompleted")


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """An entry of the ledger log; if it is a batch, also the batch with its payload, and its block's time."""

    data: bytes
    batch: PostedBatch | None = None
    block_time: int = 0


class Ledger(Log):
    """Derives the ledger log (`ledger.entries`)."""

    def ledger_entries(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the entries of blocks `first` to `last` as bytes; see `ledger`."""
        return (entry.data for entry in self.ledger(first, last))

    def ledger_counts(self, block: int) -> dict[int, int]:
        """Return how many entries of the kinds that the contracts count there are, up to a block."""
        return {
            EntryKind.ADMISSION: int(self._ask("Consortium", "memberCount", block=block)),
            EntryKind.BATCH: self.log_size(block),
            EntryKind.CASE: self.case_size(block),
        }

    def ledger(self, first: int, last: int) -> Iterator[LedgerEntry]:
        """Yield the entries of blocks `first` to `last`, in chain order.

        Whoever derives the log from its beginning, in any ranges, gets the same entries.

        Raises
        ------
        ChainError
            When the node leaves out a batch or a case entry between two others, or does not answer. What it
            leaves out at the end of the range shows in `ledger_counts`.
        """
        with self._speaking():
            found = self._found(first, last)
        for _, entry in sorted(found, key=lambda pair: pair[0]):
            yield entry

    def _found(self, first: int, last: int) -> list[tuple[tuple[int, int], LedgerEntry]]:
        """Return the entries with their place on the chain, contract by contract."""
        times: dict[int, int] = {}

        def time_of(block: int) -> int:
            if block not in times:
                times[block] = self.block_time(block)
            return times[block]

        found: list[tuple[tuple[int, int], LedgerEntry]] = []
        for name, args, entry in self._events("Consortium", _CONSORTIUM, first, last):
            found.append((_place(entry), LedgerEntry(_consortium_entry(name, args))))
        for name, args, entry in self._events("PseudonymKeys", _KEYS, first, last):
            found.append((_place(entry), LedgerEntry(_key_entry(name, args))))
        for args, entry in self._batch_events(first, last):
            batch = posted_batch(self.deployment, args, entry)
            time = time_of(batch.block)
            made = batch_entry(batch.header, batch.signature, batch.block, time)
            found.append((_place(entry), LedgerEntry(made, batch, time)))
        for args, entry in self._case_events(first, last):
            found.append((_place(entry), LedgerEntry(case_entry(_anchor(args, entry, time_of)))))
        return found


def _place(entry: Any) -> tuple[int, int]:
    return int(entry["blockNumber"]), int(entry["logIndex"])


def _key_entry(name: str, args: dict[str, Any]) -> bytes:
    public_key = bytes(args["publicKey"])
    if name == "EpochOpened":
        return epoch_entry(args["epoch"], args["startsAt"], args["ceremony"], public_key)
    shares = [bytes(share) for share in args["shareCommitments"]]
    return shares_entry(args["number"], args["epoch"], args["generation"], public_key, shares)


def _consortium_entry(name: str, args: dict[str, Any]) -> bytes:
    if name in _STANDING:
        return standing_entry(args["code"], _STANDING[name])
    x25519, hpke, witness = member_keys(args)
    keys = {"x25519_key": x25519, "hpke_key": hpke, "witness_key": witness}
    account, signature = address_bytes(args["account"]), bytes(args["signature"])
    if name == "MemberAdmitted":
        return admission_entry(args["code"], account, args["agent"], **keys, signature=signature)
    return key_change_entry(
        args["code"],
        account,
        address_bytes(args["newAccount"]),
        **keys,
        nonce=args["nonce"],
        signature=signature,
        new_signature=bytes(args["newSignature"]),
    )


def _anchor(args: dict[str, Any], entry: Any, time_of: Callable[[int], int]) -> CaseAnchor:
    block = int(entry["blockNumber"])
    return CaseAnchor(
        index=args["index"],
        kind=args["kind"],
        case_id=bytes(args["caseId"]),
        content_hash=bytes(args["contentHash"]),
        author=address_bytes(args["author"]),
        payload_hash=sha256(bytes(args["payload"])).digest(),
        head=bytes(args["head"]),
        block=block,
        block_time=time_of(block),
    )
