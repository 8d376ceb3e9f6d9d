"""Open one posted batch: its envelope, its rows root, its policy, and every column of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ledger.batch_errors import TELL_OPERATOR, BatchError, NoKeyError
from ledger.commitment import merkle
from ledger.duplicates import KeyedRows, keyed
from ledger.encoding.policy import Policy
from ledger.encoding.rows import ROW, rows_from_bytes
from ledger.envelope import NotAddresseeError, open_envelope
from ledger.errors import CounterfoilError
from ledger.row_checks import Circumstances, Intervals, RowChecks
from ledger.schema import Flags
from ledger.tables import SEGMENT
from ledger.verdicts import Reason

if TYPE_CHECKING:
    from ledger.gateway import PostedBatch

__all__ = ["BatchOpener", "OpenedBatch", "to_table"]


@dataclass(frozen=True, slots=True)
class OpenedBatch:
    """A batch whose rows passed all checks.

    Parameters
    ----------
    posted : PostedBatch
        Without its payload.
    code : int
        Code of the member that posted it.
    policy : Policy
    rows : ndarray of dtype `ledger.encoding.rows.ROW`, shape (n,)
        All rows, also those that are padding.
    intervals : dict of ndarray
        Amounts and times of the rows.
    block_time : int
        Time of the batch's block, Unix seconds.
    """

    posted: PostedBatch
    code: int
    policy: Policy
    rows: npt.NDArray[np.void]
    intervals: Intervals
    block_time: int

    @property
    def real(self) -> npt.NDArray[np.intp]:
        """The indices of the rows that are not padding."""
        return np.flatnonzero((self.rows["flags"] & Flags.DECOY) == 0)

    @property
    def keyed(self) -> KeyedRows:
        """What is compared of the rows to find those that were posted before."""
        return keyed(self.rows, self.code, self.posted.log_index)

    @property
    def late(self) -> npt.NDArray[np.bool_]:
        """Which rows were posted after the policy's deadline for their second half."""
        return np.asarray(self.block_time - self.intervals["time_high"] > self.policy.deadline)


class BatchOpener:
    """Opens batches for one reader.

    Parameters
    ----------
    policies : mapping of policy hash to document
    private_keys : iterable of bytes
        The reader's HPKE keys; the newest first is the fastest order.
    """

    def __init__(self, policies: Mapping[bytes, bytes], private_keys: Iterable[bytes]) -> None:
        self._documents = policies
        self._policies: dict[bytes, Policy] = {}
        self._private_keys = tuple(private_keys)

    def open(
        self,
        posted: PostedBatch,
        *,
        code: int,
        codes: frozenset[int],
        epoch: tuple[int, int],
        block_time: int,
    ) -> OpenedBatch:
        """Open the envelope and check the rows; see `Circumstances` for what they are checked against.

        Raises
        ------
        BatchError
            When the policy, the envelope, the rows root or a row is not valid.
        """
        policy = self._policy(posted.header.policy_hash)
        rows = self.rows(posted)
        intervals = RowChecks(rows, Circumstances(code, codes, policy, epoch, block_time)).run()
        return OpenedBatch(replace(posted, payload=b""), code, policy, rows, intervals, block_time)

    def rows(self, posted: PostedBatch) -> npt.NDArray[np.void]:
        """Open the envelope and return the rows, which are those of the header; the columns are not checked.

        Raises
        ------
        BatchError
            When the envelope or the rows root is not valid.
        """
        packed = self._unseal(posted)
        try:
            rows = rows_from_bytes(packed)
        except CounterfoilError as error:
            raise BatchError(Reason.ROOT, error.what) from error
        _equal("row count", posted.header.row_count, len(rows))
        size = ROW.itemsize
        leaves = [merkle.leaf_hash(packed[i : i + size]) for i in range(0, len(packed), size)]
        _equal("rows root", posted.header.rows_root, merkle.root(leaves))
        return rows

    def _policy(self, policy_hash: bytes) -> Policy:
        if policy_hash not in self._policies:
            document = self._documents.get(policy_hash)
            if document is None:
                raise BatchError(Reason.POLICY, f"the policy {policy_hash.hex()} is not on the chain")
            try:
                self._policies[policy_hash] = Policy.from_document(document)
            except CounterfoilError as error:
                raise BatchError(Reason.POLICY, error.what, next_step=TELL_OPERATOR) from error
        return self._policies[policy_hash]

    def _unseal(self, posted: PostedBatch) -> bytes:
        for key in self._private_keys:
            try:
                return open_envelope(posted.payload, posted.header.pack(), key)
            except NotAddresseeError:
                continue
            except CounterfoilError as error:
                raise BatchError(Reason.SEAL, error.what) from error
        raise NoKeyError(
            Reason.SEAL,
            "the batch is sealed to none of this reader's keys",
            next_step="Restore the key file that holds the key, remove the mirror folder and sync again; "
            "a reader opens only what was posted after its key was registered on the chain.",
        )


def to_table(batches: Iterable[OpenedBatch]) -> pa.Table:
    """Return the rows of opened batches, without padding, as one table with the schema `SEGMENT`."""
    tables = []
    for batch in batches:
        real, posted = batch.real, batch.posted
        n = len(real)
        place: dict[str, npt.NDArray[Any]] = {
            "member": np.full(n, batch.code, np.uint16),
            "sequence": np.full(n, posted.header.sequence, np.uint32),
            "row_index": real.astype(np.uint32),
            "log_index": np.full(n, posted.log_index, np.uint32),
            "block": np.full(n, posted.block, np.uint64),
            "late": batch.late[real],
        }
        packed = {name: batch.rows[name][real] for name in ROW.names or ()}
        intervals = {name: values[real] for name, values in batch.intervals.items()}
        columns = {**place, **packed, **intervals}
        tables.append(
            pa.Table.from_arrays([_arrow(columns[f.name], f.type) for f in SEGMENT], schema=SEGMENT)
        )
    return pa.concat_tables(tables) if tables else SEGMENT.empty_table()


def _arrow(column: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    values = np.ascontiguousarray(column)
    if pa.types.is_fixed_size_binary(kind):
        return pa.FixedSizeBinaryArray.from_buffers(kind, len(values), [None, pa.py_buffer(values.tobytes())])
    return pa.array(values, kind)


def _equal(what: str, expected: object, got: object) -> None:
    if expected != got:
        raise BatchError(Reason.ROOT, f"wrong {what}", expected=expected, got=got)
