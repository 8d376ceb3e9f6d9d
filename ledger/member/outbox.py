"""The outbox: it seals waiting records in signed batches, which are stored before they are sent.

One transaction of the vault stores a batch and its signed transaction and marks its records; they are not
sealed again, except when the bank replaces its account before the batch is on the chain. So after a crash,
run the same command again: nothing is lost or posted twice.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from ledger.batch import GENESIS_HASH, MAX_PAYLOAD, ROWS_PER_BATCH, BatchHeader
from ledger.commitment import merkle
from ledger.encoding.epochs import epoch_range_us, epochs_of
from ledger.encoding.policy import Policy
from ledger.encoding.pseudonym import Pseudonymiser
from ledger.encoding.rows import EncodingInput, RowEncoder
from ledger.envelope import key_id, seal
from ledger.errors import ConfigurationError
from ledger.member.keys import MemberKeys
from ledger.member.requesting import Requester
from ledger.member.sending import Progress, Sender, require_active
from ledger.member.vault import SealedBatch, Vault
from ledger.schema import FIELDS, ROW_SIZE
from ledger.signing import address_of

if TYPE_CHECKING:
    from ledger.gateway import Epoch, Gateway

__all__ = ["Outbox", "Progress", "SealCounts"]


@dataclass(frozen=True, slots=True)
class SealCounts:
    """The counts of sealed rows and batches."""

    rows: int
    batches: int


class Outbox:
    """Seals and posts the waiting records of one member's vault.

    Parameters
    ----------
    vault : Vault
    keys : MemberKeys
    gateway : Gateway

    Raises
    ------
    TransactionRejectedError
        When the account is not an active member.
    ConfigurationError
        When another account posts from the vault.
    """

    def __init__(self, vault: Vault, keys: MemberKeys, gateway: Gateway) -> None:
        self._vault = vault
        self._keys = keys
        self.gateway = gateway
        self.account = address_of(keys.account)
        self.member = require_active(gateway.member(self.account))
        self._take_over()

    def _take_over(self) -> None:
        """Go on after an account that the bank replaced; refuse a vault from which another bank posts."""
        last = self._vault.batches.last_header()
        if last is None or last.member == bytes.fromhex(self.account[2:]):
            return
        accounts = {entry.account for entry in self.gateway.accounts() if entry.code == self.member.code}
        if last.member not in accounts:
            raise ConfigurationError(
                f"another account posts from this vault, not {self.account}",
                where=str(self._vault.path),
                next_step="Use the keys that it was begun with; they stand beside it.",
            )
        Sender(self._vault, self._keys, self.gateway).leave_account()

    # -- pseudonyms -------------------------------------------------------------------------------------

    def epochs(self) -> list[Epoch]:
        """Return the epochs of waiting records, by the time of the records, oldest first."""
        opened = self._opened()
        return [
            epoch
            for position, epoch in enumerate(opened)
            if self._vault.waiting_between(*epoch_range_us(opened, position))
        ]

    def _opened(self) -> list[Epoch]:
        """Return every epoch of the pseudonym key; raise ChainError if none is open yet."""
        self.gateway.epoch()
        return self.gateway.epochs()

    def without_pseudonym(self, epoch: int) -> list[str]:
        """Return the identifiers of an epoch's waiting records that have no pseudonym in it yet, sorted."""
        opened = self._opened()
        numbers = [known.number for known in opened]
        if epoch not in numbers:
            raise ConfigurationError(
                f"epoch {epoch} of the pseudonym key is not open",
                next_step=f"Epochs on the chain: {', '.join(map(str, numbers))}.",
            )
        covered = epoch_range_us(opened, numbers.index(epoch))
        return self._vault.identifiers_without_pseudonym(epoch, *covered)

    def pseudonymise(
        self,
        pseudonymiser: Pseudonymiser,
        epoch: int,
        *,
        processes: int = 1,
        progress: Progress | None = None,
    ) -> int:
        """Fetch and store the missing pseudonyms of an epoch's waiting records; return their number.

        Call it for each of `epochs`, with a pseudonymiser of that epoch.
        """
        requester = Requester(self._vault, self._keys, self.gateway, self.member)
        return requester.pseudonymise(
            pseudonymiser,
            epoch,
            lambda: self.without_pseudonym(epoch),
            processes=processes,
            progress=progress,
        )

    # -- sealing ----------------------------------------------------------------------------------------

    def seal(
        self,
        *,
        closed_before: datetime,
        rows_per_batch: int = ROWS_PER_BATCH,
        progress: Progress | None = None,
    ) -> SealCounts:
        """Seal every record whose time bucket is closed, in shuffled order within each bucket.

        Parameters
        ----------
        closed_before : datetime
            Buckets that end at or before this moment are closed.
        rows_per_batch : int
            Maximum number of rows; a batch may contain several buckets, in order of time, but only one epoch
            of the pseudonym key.
        progress : callable, optional
            Called with (stage, done, total).

        Raises
        ------
        ConfigurationError
            When no reader is registered, or a reader's key does not match its identifier.
        """
        gateway, vault = self.gateway, self._vault
        policy = Policy.from_document(gateway.active_policy())
        recipients = self._recipients()
        opened = self._opened()
        encoders: dict[int, RowEncoder] = {}
        bucket_us = policy.bucket_seconds * 1_000_000
        now_us = int(closed_before.timestamp() * 1_000_000)
        closed_us = now_us // bucket_us * bucket_us
        total = vault.count_waiting(closed_us)
        rows = batches = 0
        while rows < total:
            ids, times = vault.waiting(closed_us, bucket_us)
            if not len(ids):
                break
            positions = epochs_of(opened, times)
            for position in np.unique(positions).tolist():
                number, chosen = opened[position].number, positions == position
                if number not in encoders:
                    encoders[number] = self._encoder(policy, number)
                shuffled = _shuffled_within(ids[chosen], times[chosen] // bucket_us)
                for start in range(0, len(shuffled), rows_per_batch):
                    part = shuffled[start : start + rows_per_batch].tolist()
                    self._seal_batch(part, self._pack(encoders[number], part), number, policy, recipients)
                    rows += len(part)
                    batches += 1
                    if progress:
                        progress("seal", rows, total)
        return SealCounts(rows, batches)

    def _recipients(self) -> list[tuple[bytes, bytes]]:
        readers = self.gateway.readers()
        if not readers:
            raise ConfigurationError(
                "no reader is registered on the chain, so rows can be sealed to nobody",
                next_step="A member proposes the desk's key: `counterfoil consortium reader`.",
            )
        for reader in readers:
            if key_id(reader.hpke_key) != reader.key_id:
                raise ConfigurationError(
                    "a reader's key on the chain has another identifier than its own: nobody could open it",
                    where=f"{reader.label}, {reader.key_id.hex()[:16]}",
                    next_step="Propose `counterfoil consortium reader --remove`, then propose the key again.",
                )
        return [(reader.key_id, reader.hpke_key) for reader in readers]

    def _encoder(self, policy: Policy, epoch: int) -> RowEncoder:
        members = [m for m in self.gateway.members() if m.status != "revoked"]
        return RowEncoder(
            agent=self.member.agent,
            codes={m.agent: m.code for m in members},
            policy=policy,
            epoch=epoch,
            pseudonyms=self._vault.pseudonyms(epoch),
            x25519_private=self._keys.x25519,
            x25519_keys={m.agent: m.x25519_key for m in members},
        )

    def _pack(self, encoder: RowEncoder, ids: Sequence[int]) -> npt.NDArray[np.void]:
        return encoder.pack(
            [
                EncodingInput(
                    values=held.values,
                    side=held.side,
                    time_us=held.time_us,
                    amount_minor=held.amount_minor,
                    last_incoming_us=incoming,
                    seed=self._vault.seed(held.values[_TRANSACTION_ID] or ""),
                )
                for held, incoming in self._vault.records(ids)
            ]
        )

    def _seal_batch(
        self,
        ids: Sequence[int],
        rows: npt.NDArray[np.void],
        epoch: int,
        policy: Policy,
        recipients: Sequence[tuple[bytes, bytes]],
    ) -> None:
        packed = rows.tobytes()
        leaves = [merkle.leaf_hash(packed[i : i + ROW_SIZE]) for i in range(0, len(packed), ROW_SIZE)]
        sequence, previous, nonce = self._next_place()
        deployment = self.gateway.deployment
        header = BatchHeader(
            chain_id=deployment.chain_id,
            contract=deployment.address("BatchLedger"),
            member=bytes.fromhex(self.account[2:]),
            sequence=sequence,
            previous_hash=previous,
            epoch=epoch,
            policy_hash=policy.hash,
            row_count=len(rows),
            rows_root=merkle.root(leaves),
        )
        payload = seal(packed, header.pack(), recipients)
        if len(payload) > MAX_PAYLOAD:
            raise ConfigurationError(
                f"a batch of {len(rows)} rows takes {len(payload)} bytes, {MAX_PAYLOAD} are allowed",
                next_step="Use fewer rows per batch.",
            )
        signature = header.sign(deployment.genesis, self._keys.account)
        stated = (sequence, previous, epoch, policy.hash, len(rows), header.rows_root)
        signed = self.gateway.sign(
            self._keys.account, "BatchLedger", "post", stated, signature, payload, nonce=nonce
        )
        batch = SealedBatch(sequence, header.hash, signed.raw, signed.hash, nonce)
        self._vault.batches.add(batch, header, signature, packed, ids)

    def _next_place(self) -> tuple[int, bytes, int]:
        """Return (sequence, previous hash, nonce) of the next batch, after all sealed batches."""
        last = self._vault.batches.last()
        if last is not None and last.block is None:
            return last.sequence + 1, last.hash, last.nonce + 1
        nonce = self.gateway.next_nonce(self.account)
        return (0, GENESIS_HASH, nonce) if last is None else (last.sequence + 1, last.hash, nonce)

    def post(self, *, wait: float = 120.0, progress: Progress | None = None) -> int:
        """Send every sealed batch and wait until it is on the chain; return the number of batches.

        Raises
        ------
        TransactionRejectedError
            When the chain refuses a batch; it stays in the outbox.
        ChainError
            When a batch is not mined in time; run the same command again.
        """
        return Sender(self._vault, self._keys, self.gateway).post(wait=wait, progress=progress)


_TRANSACTION_ID: Final = FIELDS.index("transaction_id")


def _shuffled_within(ids: npt.NDArray[np.int64], buckets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Sort by bucket, and randomly within a bucket: the order reveals no time finer than the bucket."""
    keys = np.frombuffer(os.urandom(8 * len(ids)), np.uint64)
    return ids[np.lexsort((keys, buckets))]
