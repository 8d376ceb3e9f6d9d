"""Check and open one posted batch: position, hash chain, envelope, rows root, and the bank's own side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ledger.batch import GENESIS_HASH
from ledger.commitment import merkle
from ledger.encoding.policy import Policy
from ledger.encoding.rows import ROW, decode_intervals, rows_from_bytes
from ledger.envelope import NotAddresseeError, key_id, open_envelope, public_key
from ledger.errors import ConfigurationError, CounterfoilError, VerificationError
from ledger.schema import ROW_VERSION, Channel, Flags, LagClass, PartyType, Side
from ledger.tables import SEGMENT

if TYPE_CHECKING:
    from ledger.gateway import Gateway, Member, PostedBatch

__all__ = ["BatchError", "BatchOpener", "Head", "NoKeyError", "OpenedBatch", "to_table"]


_TELL: Final = "Inform the member that posted it; all other batches are read."


class BatchError(VerificationError):
    """Raised when a posted batch fails a check; it is reported and not used, and the others are read."""

    def __init__(
        self,
        what: str,
        *,
        where: str,
        expected: object | None = None,
        got: object | None = None,
        next_step: str = _TELL,
    ) -> None:
        super().__init__(what, expected=expected, got=got, where=where, next_step=next_step)


class NoKeyError(BatchError):
    """Raised when a batch is sealed to other keys than this reader's; it may otherwise be valid."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a member's chain of batches: the next sequence, and the hash of the last batch."""

    sequence: int = 0
    hash: bytes = GENESIS_HASH


@dataclass(frozen=True, slots=True)
class OpenedBatch:
    """A batch that passed all checks, with its packed rows instead of its payload."""

    posted: PostedBatch
    member: Member
    policy: Policy
    rows: npt.NDArray[np.void]


_LIMITS: Final = {
    "channel": max(Channel),
    "party_type": max(PartyType),
    "lag_class": max(LagClass),
    "flags": int(sum(Flags)),
}


class BatchOpener:
    """Opens batches for one reader.

    Parameters
    ----------
    members : iterable of Member
    policies : mapping of policy hash to document
    private_keys : iterable of bytes
        The reader's HPKE keys; the newest first is the fastest order.
    """

    def __init__(
        self, members: Iterable[Member], policies: Mapping[bytes, bytes], private_keys: Iterable[bytes]
    ) -> None:
        self._members = {bytes.fromhex(m.account[2:]): m for m in members}
        self._codes = {m.code for m in self._members.values()} | {0}
        self._documents = policies
        self._policies: dict[bytes, Policy] = {}
        self._private_keys = tuple(private_keys)

    @classmethod
    def at(cls, gateway: Gateway, private_keys: Iterable[bytes]) -> Self:
        """Make an opener with the members and policies of the chain.

        Raises
        ------
        ConfigurationError
            When none of the keys was ever registered on the chain, so that they open no batch.
        """
        keys = tuple(private_keys)
        names = {key_id(public_key(key)) for key in keys}
        if names.isdisjoint(gateway.reader_keys()):
            raise ConfigurationError(
                "none of this reader's keys was ever registered on the chain, so they open no batch",
                where=f"keys {', '.join(sorted(name.hex()[:12] for name in names)) or '(none)'}",
                next_step="Restore the key file with a registered key; nothing was read or changed.",
            )
        return cls(gateway.members(), gateway.policies(), keys)

    def check_place(self, posted: PostedBatch, head: Head) -> Member:
        """Check membership, header hash, sequence and hash chain.

        Raises
        ------
        BatchError
            With the expected value and the found value.
        """
        where = _where(posted)
        member = self._members.get(posted.header.member)
        if member is None:
            raise BatchError("the batch is posted by an account that was never a member", where=where)
        _equal("batch hash", posted.header.hash, posted.batch_hash, where)
        _equal("sequence", head.sequence, posted.header.sequence, where)
        _equal("previous batch hash", head.hash, posted.header.previous_hash, where)
        return member

    def open(self, posted: PostedBatch, member: Member) -> OpenedBatch:
        """Open the envelope and check the rows against the header and the member.

        Raises
        ------
        BatchError
            When the envelope, the rows root or a row is not valid.
        """
        where = _where(posted)
        try:
            policy = self._policy(posted.header.policy_hash, where)
            rows = rows_from_bytes(self._unseal(posted))
            _equal("row count", posted.header.row_count, len(rows), where)
            packed, size = rows.tobytes(), ROW.itemsize
            leaves = [merkle.leaf_hash(packed[i : i + size]) for i in range(0, len(packed), size)]
            _equal("rows root", posted.header.rows_root, merkle.root(leaves), where)
            self._check_rows(rows, member, where)
            decode_intervals(rows, policy)
        except BatchError:
            raise
        except CounterfoilError as error:
            raise BatchError(str(error), where=where) from error
        return OpenedBatch(replace(posted, payload=b""), member, policy, rows)

    def _policy(self, policy_hash: bytes, where: str) -> Policy:
        if policy_hash not in self._policies:
            document = self._documents.get(policy_hash)
            if document is None:
                raise BatchError(f"the policy {policy_hash.hex()} is not on the chain", where=where)
            self._policies[policy_hash] = Policy.from_document(document)
        return self._policies[policy_hash]

    def _unseal(self, posted: PostedBatch) -> bytes:
        for key in self._private_keys:
            try:
                return open_envelope(posted.payload, posted.header.pack(), key)
            except NotAddresseeError:
                continue
        raise NoKeyError(
            "the batch is sealed to none of this reader's keys",
            where=_where(posted),
            next_step="Restore the key file that holds the key, remove the mirror folder and sync again; "
            "a reader opens only what was posted after its key was registered on the chain.",
        )

    def _check_rows(self, rows: npt.NDArray[np.void], member: Member, where: str) -> None:
        own_debit, own_credit = rows["debtor_agent"] == member.code, rows["creditor_agent"] == member.code
        side = np.select(
            [own_debit & own_credit, own_debit, own_credit], [Side.ON_US, Side.DEBIT, Side.CREDIT], 0
        )
        known = np.array(sorted(self._codes), np.uint16)
        problems = {
            "version": rows["version"] != ROW_VERSION,
            "side (a bank may only speak for its own side)": (side == 0) | (rows["side"] != side),
            "agent code": ~(np.isin(rows["debtor_agent"], known) & np.isin(rows["creditor_agent"], known)),
            **{name: rows[name] > limit for name, limit in _LIMITS.items()},
        }
        for name, wrong in problems.items():
            if wrong.any():
                raise BatchError(f"row {int(np.argmax(wrong))} has a wrong {name}", where=where)


def to_table(batches: Iterable[OpenedBatch]) -> pa.Table:
    """Return the rows of opened batches as one table with the schema `SEGMENT`."""
    tables = []
    for batch in batches:
        rows, n = batch.rows, len(batch.rows)
        place: dict[str, npt.NDArray[Any]] = {
            "member": np.full(n, batch.member.code, np.uint16),
            "sequence": np.full(n, batch.posted.header.sequence, np.uint32),
            "row_index": np.arange(n, dtype=np.uint32),
            "log_index": np.full(n, batch.posted.log_index, np.uint32),
            "block": np.full(n, batch.posted.block, np.uint64),
        }
        packed = {name: rows[name] for name in ROW.names or ()}
        columns = {**place, **packed, **decode_intervals(rows, batch.policy)}
        tables.append(
            pa.Table.from_arrays([_arrow(columns[f.name], f.type) for f in SEGMENT], schema=SEGMENT)
        )
    return pa.concat_tables(tables) if tables else SEGMENT.empty_table()


def _arrow(column: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    values = np.ascontiguousarray(column)
    if pa.types.is_fixed_size_binary(kind):
        return pa.FixedSizeBinaryArray.from_buffers(kind, len(values), [None, pa.py_buffer(values.tobytes())])
    return pa.array(values, kind)


def _where(posted: PostedBatch) -> str:
    header = posted.header
    place = f"log index {posted.log_index}, block {posted.block}"
    return f"batch {header.sequence} of 0x{header.member.hex()}, {place}"


def _equal(what: str, expected: object, got: object, where: str) -> None:
    if expected != got:
        raise BatchError(f"wrong {what}", expected=expected, got=got, where=where)
