"""The door of the ledger: the one place where it is decided which batches count.

Whoever has a node and a reader key reads the entries of the ledger log in their order and puts each through a
`Door`. The verdict on a batch depends on the entries before it, on its own bytes, on the policies of the
chain and on the reader's keys; so it does not matter when, or in how many steps, the log is read. A batch is
accepted or kept apart whole: a row that fails is a fault of the software that posted it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from ledger.batch import GENESIS_HASH, AuthorError
from ledger.batch_errors import BatchError
from ledger.duplicates import Duplicate, Duplicates, KeyedRows, keyed
from ledger.entries import Admission, EpochOpening, KeyChange, parse_entry
from ledger.envelope import key_id, public_key
from ledger.errors import ConfigurationError
from ledger.opening import BatchOpener, OpenedBatch
from ledger.verdicts import Reason, Verdict

if TYPE_CHECKING:
    from ledger.gateway import Gateway, LedgerEntry, PostedBatch

__all__ = ["Door", "Head", "Known"]

#: Later than any time, in Unix seconds.
_NEVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a member's chain of batches: the next sequence, and the hash of the last batch."""

    sequence: int = 0
    hash: bytes = GENESIS_HASH


@dataclass(slots=True)
class Known:
    """What the entries of the ledger log said up to a point.

    Parameters
    ----------
    size : int
        Number of entries.
    accounts : dict of address to member code
        Every account that is or was a member's.
    epochs : dict of number to start
        Epochs of the pseudonym key in the order in which they were opened; Unix seconds.
    heads : dict of member code to Head
    """

    size: int = 0
    accounts: dict[bytes, int] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)
    heads: dict[int, Head] = field(default_factory=dict)

    def add(self, entry: bytes) -> None:
        """Take note of one entry."""
        self.size += 1
        match parse_entry(entry):
            case Admission(code=code, account=account) | KeyChange(code=code, new_account=account):
                self.accounts[account] = code
            case EpochOpening(epoch=epoch, starts_at=starts_at):
                self.epochs[epoch] = min(starts_at, _NEVER)

    def epoch_bounds(self, number: int) -> tuple[int, int] | None:
        """Return the first second of an epoch and of the next one; None if the epoch is not open.

        The first epoch has no start, and the newest has no end: `ledger.encoding.epochs`.
        """
        if number not in self.epochs:
            return None
        starts = list(self.epochs.values())
        position = list(self.epochs).index(number)
        first = -_NEVER if position == 0 else starts[position]
        return first, _NEVER if position + 1 == len(starts) else starts[position + 1]


class Door:
    """Judges the batches of one consortium, in the order of the ledger log.

    Parameters
    ----------
    genesis : bytes
        Hash of the chain's first block: part of what an author signs.
    policies : mapping of policy hash to document
    private_keys : iterable of bytes
        The reader's HPKE keys; the newest first is the fastest order.
    read_again : callable
        Returns the rows of an accepted batch by its log index (`ledger.duplicates.KEYED`); called when
        a row seems to have been posted before.
    known : Known, optional
        What was read before. If there were batches, `restore` must get their accepted rows.
    """

    def __init__(
        self,
        genesis: bytes,
        policies: Mapping[bytes, bytes],
        private_keys: Iterable[bytes],
        read_again: Callable[[int], KeyedRows],
        known: Known | None = None,
    ) -> None:
        self.known = known or Known()
        self._genesis = genesis
        self._opener = BatchOpener(policies, private_keys)
        self._duplicates = Duplicates(read_again)

    @classmethod
    def at(
        cls,
        gateway: Gateway,
        private_keys: Iterable[bytes],
        read_again: Callable[[int], KeyedRows],
        known: Known | None = None,
    ) -> Self:
        """Make a door with the policies of the chain.

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
        return cls(gateway.deployment.genesis, gateway.policies(), keys, read_again, known)

    def restore(self, rows: KeyedRows) -> None:
        """Tell the door rows that it accepted before."""
        self._duplicates.add(rows)

    def read_again(self, posted: PostedBatch) -> KeyedRows:
        """Return the rows of a batch that this door accepted before, from the batch as the chain has it.

        Raises
        ------
        BatchError
            When it is not the batch that was accepted.
        """
        return keyed(self._opener.rows(posted), self._author(posted), posted.log_index)

    def read(self, entry: LedgerEntry) -> tuple[Verdict, OpenedBatch | BatchError] | None:
        """Read the next entry of the ledger log.

        Returns
        -------
        tuple of Verdict and OpenedBatch or BatchError, or None
            What is judged of a batch, and its rows or what is wrong with it; None for other entries.

        Raises
        ------
        CounterfoilError
            When a batch has to be read again and cannot; the entry was not read then.
        """
        posted = entry.batch
        if posted is None:
            self.known.add(entry.data)
            return None
        index = self.known.size
        outcome: OpenedBatch | BatchError
        try:
            outcome = self._judge(posted, entry.block_time)
            self._duplicates.add(outcome.keyed)
            verdict = Verdict(index, posted.batch_hash)
        except BatchError as problem:
            problem.where = _where(posted)
            outcome = problem
            verdict = Verdict(index, posted.batch_hash, problem.reason)
        self._advance(posted)
        self.known.add(entry.data)
        return verdict, outcome

    def _advance(self, posted: PostedBatch) -> None:
        code = self.known.accounts.get(posted.header.member)
        if code is not None:
            self.known.heads[code] = Head(posted.header.sequence + 1, posted.batch_hash)

    def _judge(self, posted: PostedBatch, block_time: int) -> OpenedBatch:
        code = self._author(posted)
        epoch = self._place(posted, self.known.heads.get(code, Head()))
        batch = self._opener.open(
            posted,
            code=code,
            codes=frozenset(self.known.accounts.values()),
            epoch=epoch,
            block_time=block_time,
        )
        found = self._duplicates.find(batch.keyed)
        if found is not None:
            raise _repeated(found, posted.log_index)
        return batch

    def _author(self, posted: PostedBatch) -> int:
        code = self.known.accounts.get(posted.header.member)
        if code is None:
            raise BatchError(Reason.AUTHOR, "the batch is posted by an account that was never a member")
        try:
            posted.header.check_author(posted.signature, self._genesis)
        except AuthorError as error:
            raise BatchError(Reason.AUTHOR, error.what) from error
        return code

    def _place(self, posted: PostedBatch, head: Head) -> tuple[int, int]:
        header = posted.header
        for what, expected, got in (
            ("batch hash", header.hash, posted.batch_hash),
            ("sequence", head.sequence, header.sequence),
            ("previous batch hash", head.hash, header.previous_hash),
        ):
            if expected != got:
                raise BatchError(Reason.PLACE, f"wrong {what}", expected=expected, got=got)
        bounds = self.known.epoch_bounds(header.epoch)
        if bounds is None:
            raise BatchError(Reason.PLACE, f"epoch {header.epoch} of the pseudonym key is not open")
        return bounds


def _repeated(found: Duplicate, log_index: int) -> BatchError:
    what = f"row {found.row} repeats the {found.column} of row {found.earlier}"
    if found.log_index != log_index:
        what += f" of the batch with log index {found.log_index}"
    return BatchError(Reason.DUPLICATE, what)


def _where(posted: PostedBatch) -> str:
    header = posted.header
    place = f"log index {posted.log_index}, block {posted.block}"
    return f"batch {header.sequence} of 0x{header.member.hex()}, {place}"
