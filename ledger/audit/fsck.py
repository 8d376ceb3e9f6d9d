"""fsck: rebuild the mirror from the chain, compare it with the stored mirror, and report differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ledger.audit.differences import Difference, FsckError
from ledger.batch_errors import NoKeyError
from ledger.judging import judge_chain
from ledger.matching import rules_at, transfers
from ledger.opening import OpenedBatch, to_table
from ledger.segment import FileEntry, Manifest, SegmentError, load, opened
from ledger.tables import TRANSFER

if TYPE_CHECKING:
    from ledger.gateway import Gateway

__all__ = ["Difference", "FsckError", "FsckReport", "fsck"]


@dataclass(frozen=True, slots=True)
class FsckReport:
    """The counts of what was compared, and every difference.

    Among the `rejected` batches, `without_key` batches are sealed to keys that this reader does not have.
    `verdicts` are the entries of the verdict log that the chain and the reader's keys give.
    """

    batches: int
    rows: int
    rejected: int
    without_key: int
    differences: tuple[Difference, ...]
    verdicts: tuple[bytes, ...]

    def raise_if_different(self) -> None:
        """Raise an error if the mirror differs from the chain.

        Raises
        ------
        FsckError
            With the first difference and the number of the others.
        """
        if self.differences:
            first, more = self.differences[0], len(self.differences) - 1
            next_step = (
                "Remove the mirror folder and run `counterfoil desk sync`: the chain holds all its data."
            )
            if self.without_key:
                next_step = (
                    f"{self.without_key} batches are not sealed to any key in the key file: keep the "
                    "mirror folder, and run the command again with the key file that has their keys."
                )
            raise FsckError(
                f"the mirror differs from the chain: {first.what}" + (f" (and {more} more)" if more else ""),
                where=first.where,
                next_step=next_step,
            )


def fsck(
    gateway: Gateway,
    mirror: Path,
    private_keys: Iterable[bytes],
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> FsckReport:
    """Compare a mirror with the chain: the rows of its segments, its transfers and its position.

    Parameters
    ----------
    gateway : Gateway
    mirror : Path
        Folder with the manifest and the segments.
    private_keys : iterable of bytes
        The reader's HPKE keys.
    progress : callable, optional

    Returns
    -------
    FsckReport

    Raises
    ------
    FsckError
        When the mirror belongs to another consortium.
    ConfigurationError
        When there is no mirror, or none of the keys was ever registered on the chain.
    """
    manifest = Manifest.read(mirror)
    deployment = gateway.deployment
    place = (deployment.chain_id, "0x" + deployment.address("BatchLedger").hex())
    if (manifest.position.chain_id, manifest.position.contract) != place:
        raise FsckError(
            "the mirror belongs to another consortium",
            expected=place,
            got=(manifest.position.chain_id, manifest.position.contract),
            where=str(mirror),
            next_step="Check --home and --chain.",
        )
    differences: list[Difference] = []
    verdicts: list[bytes] = []
    rows = rejected = without_key = 0
    waiting: list[OpenedBatch] = []
    segments = list(manifest.segments)

    def advance(done: int, total: int) -> None:
        if progress:
            progress("fsck", done, total)

    for judged in judge_chain(gateway, private_keys, manifest.position.block, progress=advance):
        verdicts.append(judged.verdict.to_entry())
        if isinstance(judged.outcome, OpenedBatch):
            waiting.append(judged.outcome)
            rows += len(judged.outcome.real)
        else:
            rejected += 1
            without_key += isinstance(judged.outcome, NoKeyError)
        while segments and segments[0].log_to <= len(verdicts):
            waiting = _compare(mirror, segments.pop(0), waiting, differences)
    differences += [Difference(entry.name, "the chain has no rows for this segment") for entry in segments]
    differences += [
        Difference(f"log index {b.posted.log_index}", "the chain has a batch that the mirror does not have")
        for b in waiting
    ]
    if manifest.transfers is not None:
        if progress:
            progress("match", 0, 1)
        _compare_transfers(gateway, mirror, manifest, manifest.transfers, differences)
        if progress:
            progress("match", 1, 1)
    if len(verdicts) != manifest.position.log_size:
        what = f"the manifest says {manifest.position.log_size} batches, the chain has {len(verdicts)}"
        differences.append(Difference("manifest.json", what))
    return FsckReport(len(verdicts), rows, rejected, without_key, tuple(differences), tuple(verdicts))


def _load(mirror: Path, entry: FileEntry, differences: list[Difference]) -> pa.Table | None:
    try:
        return load(mirror, entry)
    except SegmentError as error:
        differences.append(Difference(entry.name, error.what))
        return None


def _compare(
    mirror: Path, entry: FileEntry, batches: list[OpenedBatch], differences: list[Difference]
) -> list[OpenedBatch]:
    covered = [batch for batch in batches if entry.log_from <= batch.posted.log_index < entry.log_to]
    held = _load(mirror, entry, differences)
    if held is not None and not to_table(covered).equals(held):
        differences.append(Difference(entry.name, "the rows differ from the rows on the chain"))
    return [batch for batch in batches if batch.posted.log_index >= entry.log_to]


def _compare_transfers(
    gateway: Gateway, mirror: Path, manifest: Manifest, entry: FileEntry, differences: list[Difference]
) -> None:
    """Match the segments again with the rules of the manifest's block; report the first row that differs."""
    try:
        with opened(mirror, entry) as held:
            if differences:
                return  # the transfers of wrong rows cannot be compared
            rules = rules_at(gateway, manifest.position.block)
            with transfers(mirror, manifest.segments, rules) as expected:
                row = _first_difference(held.iter_batches(columns=TRANSFER.names), expected)
    except SegmentError as error:
        differences.append(Difference(entry.name, error.what))
        return
    if row is not None:
        differences.append(
            Difference(entry.name, f"from row {row} on, the transfers differ from the matched rows")
        )


def _first_difference(held: Iterable[pa.RecordBatch], expected: Iterable[pa.Table]) -> int | None:
    """Compare two streams of rows in chunks of any size; return the index of the first row that differs."""
    done, rest = 0, TRANSFER.empty_table()
    stream = iter(expected)
    for batch in held:
        part = pa.Table.from_batches([batch])
        if part.schema != TRANSFER:
            return done
        while part.num_rows:
            while not rest.num_rows:
                following = next(stream, None)
                if following is None:
                    return done
                rest = following
            count = min(part.num_rows, rest.num_rows)
            if not part.slice(0, count).equals(rest.slice(0, count)):
                return done
            done, part, rest = done + count, part.slice(count), rest.slice(count)
    left_over = rest.num_rows or any(table.num_rows for table in stream)
    return done if left_over else None
