"""Judge every batch of a chain from its beginning: what fsck and an auditor do, who believe no mirror."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ledger.batch_errors import BatchError
from ledger.door import Door
from ledger.duplicates import KEYED, KeyedRows
from ledger.errors import VerificationError
from ledger.opening import OpenedBatch

if TYPE_CHECKING:
    from ledger.gateway import Gateway, PostedBatch
    from ledger.verdicts import Verdict

__all__ = ["BLOCKS_PER_REQUEST", "Judged", "judge_chain"]

#: Blocks fetched in one request; a full block carries a few batches of at most 120 KiB.
BLOCKS_PER_REQUEST: Final = 16


@dataclass(frozen=True, slots=True)
class Judged:
    """A batch of the chain, the verdict on it, and its rows or what is wrong with it."""

    posted: PostedBatch
    verdict: Verdict
    outcome: OpenedBatch | BatchError


def judge_chain(
    gateway: Gateway,
    private_keys: Iterable[bytes],
    last: int,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Judged]:
    """Judge the batches up to block `last`, in log order.

    Parameters
    ----------
    gateway : Gateway
    private_keys : iterable of bytes
        The reader's HPKE keys.
    last : int
    progress : callable, optional
        Called with the number of blocks that are done, and of all blocks.

    Raises
    ------
    ConfigurationError
        When none of the keys was ever registered on the chain.
    VerificationError
        When the node shows another batch than before.
    ChainError
        When the node fails.
    """
    accepted = array("Q")  # the block of each batch; 0 for those that are kept apart

    def read_again(log_index: int) -> KeyedRows:
        block = accepted[log_index]
        if block == 0:
            return np.zeros(0, KEYED)
        try:
            for posted in gateway.batches(block, block):
                if posted.log_index == log_index:
                    return door.read_again(posted)
        except BatchError as error:
            raise _other_batch(log_index, block) from error
        raise _other_batch(log_index, block)

    door = Door.at(gateway, private_keys, read_again)
    start = gateway.deployment.block
    for first in range(start, last + 1, BLOCKS_PER_REQUEST):
        until = min(first + BLOCKS_PER_REQUEST - 1, last)
        for entry in gateway.ledger(first, until):
            if entry.batch is not None and entry.batch.log_index != len(accepted):
                raise _left_out(len(accepted), entry.batch)
            judged = door.read(entry)
            if entry.batch is not None and judged is not None:
                verdict, outcome = judged
                accepted.append(entry.batch.block if verdict.reason is None else 0)
                yield Judged(entry.batch, verdict, outcome)
        if progress:
            progress(until - start + 1, last - start + 1)


def _left_out(expected: int, posted: PostedBatch) -> VerificationError:
    return VerificationError(
        "the node left out a batch of the log",
        expected=expected,
        got=posted.log_index,
        where=f"block {posted.block}",
        next_step="Try another endpoint with --chain.",
    )


def _other_batch(log_index: int, block: int) -> VerificationError:
    return VerificationError(
        "the node shows another batch than it did before",
        where=f"log index {log_index}, block {block}",
        next_step="Try another endpoint with --chain.",
    )
