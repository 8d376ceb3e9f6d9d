"""Not one byte of a sealed batch, a segment or a manifest can be another.

Proofs that are changed, and proofs that someone makes up, are in tests/adversary.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ledger.batch_errors import BatchError
from ledger.door import Door, Known
from ledger.duplicates import KEYED
from ledger.entries import batch_entry
from ledger.errors import VerificationError
from ledger.gateway import LedgerEntry, PostedBatch
from ledger.opening import OpenedBatch
from ledger.segment import MANIFEST, Manifest, SegmentError, load
from tests.support.consortium import SmallConsortium


def flips(data: bytes, *, masks: int, sample: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield (position, data with that byte changed): each position or a seeded sample, several masks."""
    chosen = random.Random(7)
    positions = range(len(data)) if sample is None else sorted(chosen.sample(range(len(data)), sample))
    for position in positions:
        # one bit (a space for a letter's case, a digit for its neighbour), and any other value
        for mask in {1 << chosen.randrange(8), *(chosen.randrange(1, 256) for _ in range(masks - 1))}:
            changed = bytearray(data)
            changed[position] ^= mask
            yield position, bytes(changed)


def refused(check: Callable[[bytes], object], attempts: Iterator[tuple[int, bytes]]) -> int:
    """Run a check on each attempt, which must raise a VerificationError; return how many there were."""
    count = 0
    for position, changed in attempts:
        count += 1
        try:
            check(changed)
        except VerificationError:
            continue
        pytest.fail(f"a change of byte {position} went unseen")
    return count


@pytest.fixture(scope="module")
def posted(consortium: SmallConsortium) -> list[PostedBatch]:
    gateway = consortium.gateway
    return list(gateway.batches(gateway.deployment.block, gateway.height()))


@pytest.fixture(scope="module")
def open_batch(consortium: SmallConsortium) -> Callable[[PostedBatch], OpenedBatch]:
    """Return what judges a member's first batch, and raises what is wrong with it."""
    gateway = consortium.gateway
    policies, keys = gateway.policies(), list(consortium.desk_keys.readers.values())
    entries = list(gateway.ledger_entries(gateway.deployment.block, gateway.height()))
    time = gateway.block_time(gateway.height())

    def judge(batch: PostedBatch) -> OpenedBatch:
        known = Known()
        for entry in entries:
            known.add(entry)
        door = Door(gateway.deployment.genesis, policies, keys, lambda _: np.zeros(0, KEYED), known)
        entry = batch_entry(batch.header, batch.signature, batch.block, time)
        judged = door.read(LedgerEntry(entry, batch, time))
        assert judged is not None
        verdict, outcome = judged
        if isinstance(outcome, BatchError):
            assert verdict.reason is outcome.reason
            raise outcome
        assert verdict.reason is None
        return outcome

    return judge


Judge = Callable[[PostedBatch], OpenedBatch]


def test_any_byte_of_a_sealed_batch(posted: list[PostedBatch], open_batch: Judge) -> None:
    batch = posted[0]
    assert len(open_batch(batch).rows) == batch.header.row_count

    def check(changed: bytes) -> None:
        open_batch(replace(batch, payload=changed))

    assert refused(check, flips(batch.payload, masks=1, sample=500)) == 500
    head = batch.payload[:300]
    assert refused(lambda changed: check(changed + batch.payload[300:]), flips(head, masks=2)) > 400


def test_any_byte_of_an_authors_signature(posted: list[PostedBatch], open_batch: Judge) -> None:
    batch = posted[0]
    assert refused(
        lambda changed: open_batch(replace(batch, signature=changed)), flips(batch.signature, masks=4)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1}, {"contract": b"\x01" * 20}, {"sequence": 7}, {"previous_hash": b"\x01" * 32},
        {"epoch": 2}, {"policy_hash": b"\x01" * 32}, {"row_count": 39}, {"rows_root": b"\x01" * 32},
        {"member": b"\x01" * 20},
    ],
)  # fmt: skip
@pytest.mark.parametrize("hashed", [False, True])
def test_no_field_of_a_batch_header_can_be_another(
    posted: list[PostedBatch], open_batch: Judge, change: dict[str, object], hashed: bool
) -> None:
    header = replace(posted[0].header, **change)  # type: ignore[arg-type]
    lie = replace(posted[0], header=header, batch_hash=header.hash if hashed else posted[0].batch_hash)
    with pytest.raises(BatchError):
        open_batch(lie)


def test_a_batch_opens_under_no_other_members_header(posted: list[PostedBatch], open_batch: Judge) -> None:
    mine, other = posted[0], next(p for p in posted if p.header.member != posted[0].header.member)
    open_batch(other)
    with pytest.raises(BatchError):
        open_batch(replace(other, payload=mine.payload))


def test_any_byte_of_a_mirrored_segment_and_of_the_transfers(consortium: SmallConsortium) -> None:
    mirror = consortium.home.desk.mirror
    manifest = Manifest.read(mirror)
    assert manifest.transfers is not None
    for entry in (manifest.segments[0], manifest.transfers):
        data = (mirror / entry.name).read_bytes()
        changed = mirror.parent / "changed"
        changed.mkdir(exist_ok=True)

        def check(damaged: bytes, *, place: Path = changed, entry: object = entry) -> None:
            (place / entry.name).write_bytes(damaged)
            load(place, entry)

        assert load(mirror, entry).num_rows == entry.rows
        assert refused(check, flips(data, masks=1, sample=500)) == 500
        check(data)


def test_any_byte_of_the_manifest(consortium: SmallConsortium, tmp_path: Path) -> None:
    data = (consortium.home.desk.mirror / MANIFEST).read_bytes()

    def check(changed: bytes) -> None:
        (tmp_path / MANIFEST).write_bytes(changed)
        Manifest.read(tmp_path)

    check(data)
    assert refused(check, flips(data, masks=1)) == len(data)
    for cut in range(0, len(data), 7):
        with pytest.raises(SegmentError):
            check(data[:cut])
