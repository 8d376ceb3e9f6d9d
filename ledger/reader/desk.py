"""Sync the desk: mirror new batches, match rows, sign the log's checkpoint, publish the manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.commitment.merkle import root
from ledger.flag import Position
from ledger.home import DeskHome
from ledger.log import Checkpoint, sign_checkpoint
from ledger.matching import match_segments, rules_at, states
from ledger.reader.keys import CHECKPOINT_KEY_NAME, DeskKeys
from ledger.reader.mirror import Mirror, Rejected, SyncCounts
from ledger.segment import load
from ledger.storage import PUBLISHED, private_folder, write_atomically

if TYPE_CHECKING:
    from ledger.gateway import Gateway

__all__ = ["SyncReport", "sync"]


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The counts of one sync, and the ledger position after it."""

    counts: SyncCounts
    position: Position
    states: dict[str, int]
    rejected: tuple[Rejected, ...]


def sync(
    home: DeskHome,
    gateway: Gateway,
    keys: DeskKeys,
    *,
    depth: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> SyncReport:
    """Bring the desk up to the newest final block.

    If the process dies, call it again: segments and cursor are consistent after every commit, and the
    manifest, the published log and the checkpoint are computed from them again.

    Parameters
    ----------
    home : DeskHome
    gateway : Gateway
    keys : DeskKeys
    depth : int
        Number of later blocks after which a block is final.
    progress : callable, optional
        Called with (stage, done, total).
    """
    mirror = Mirror(home.mirror, depth=depth)
    try:
        counts = mirror.sync(gateway, keys, progress=progress)
        position = mirror.position(gateway)
        rules = rules_at(gateway, position.block)
        if progress:
            progress("match", 0, 1)
        transfers = match_segments(home.mirror, mirror.segments(), rules)
        if progress:
            progress("match", 1, 1)
        _publish_log(home, gateway, keys, mirror, position)
        mirror.publish(position, transfers)
        found = states(load(home.mirror, transfers, columns=["state"]))
        return SyncReport(counts, position, found, tuple(mirror.rejected()))
    finally:
        mirror.close()


def _publish_log(
    home: DeskHome, gateway: Gateway, keys: DeskKeys, mirror: Mirror, position: Position
) -> None:
    checkpoint = Checkpoint(
        origin=gateway.deployment.origin,
        size=position.log_size,
        root=root(mirror.leaves()),
        block=position.block,
        block_hash=gateway.block_hash(position.block),
    )
    signed = sign_checkpoint(checkpoint, CHECKPOINT_KEY_NAME, keys.checkpoint)
    private_folder(home.log.parent)
    write_atomically(home.log, b"".join(mirror.batch_hashes()), mode=PUBLISHED)
    write_atomically(home.checkpoint, signed.encode(), mode=PUBLISHED)
