"""Sync the desk: mirror new batches, match rows, publish the manifest and the two logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.flag import Position
from ledger.home import DeskHome
from ledger.log import Policy
from ledger.matching import match_segments, rules_at, states
from ledger.reader.keys import DeskKeys
from ledger.reader.logs import LogReport, publish
from ledger.reader.mirror import Mirror, Rejected, SyncCounts
from ledger.segment import load

if TYPE_CHECKING:
    from ledger.gateway import Gateway

__all__ = ["SyncReport", "sync"]


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The counts of one sync, the ledger position after it, and the state of the two logs.

    `restored` flags were read again from the chain; `problems` has a sentence for each flag or decision that
    could not be.
    """

    counts: SyncCounts
    position: Position
    states: dict[str, int]
    rejected: tuple[Rejected, ...]
    logs: tuple[LogReport, ...]
    restored: int = 0
    problems: tuple[str, ...] = ()


def sync(
    home: DeskHome,
    gateway: Gateway,
    keys: DeskKeys,
    *,
    policy: Policy | None = None,
    depth: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> SyncReport:
    """Bring the desk up to the newest final block.

    If the process dies, call it again: segments and cursor are consistent after every commit, and the
    manifest, the published logs and their checkpoints are computed from them again.

    Parameters
    ----------
    home : DeskHome
    gateway : Gateway
    keys : DeskKeys
    policy : Policy, optional
        The consortium's policy, with the URLs of the witnesses that cosign the checkpoints; without it the
        logs are not published, and nothing is written to the chain.
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
        mirror.publish(position, transfers)
        found = states(load(home.mirror, transfers, columns=["state"]))
        logs = () if policy is None else publish(home, gateway, keys, policy, mirror, depth=depth)
        return SyncReport(counts, position, found, tuple(mirror.rejected()), logs)
    finally:
        mirror.close()
