"""Not one byte of a sealed batch, a segment or a manifest can be another.

Proofs that are changed, and proofs that someone makes up, are in tests/adversary.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.batch import AuthorError
from ledger.errors import VerificationError
from ledger.gateway import PostedBatch
from ledger.opening import BatchOpener
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
def opener(consortium: SmallConsortium) -> BatchOpener:
    return BatchOpener(consortium.gateway.policies(), consortium.desk_keys.readers.values())


def test_any_byte_of_a_sealed_batch(posted: list[PostedBatch], opener: BatchOpener) -> None:
    batch = posted[0]
    assert len(opener.rows(batch)) == batch.header.row_count

    def check(changed: bytes) -> None:
        opener.rows(replace(batch, payload=changed))

    assert refused(check, flips(batch.payload, masks=1, sample=1_500)) == 1_500
    head = batch.payload[:300]
    assert refused(lambda changed: check(changed + batch.payload[300:]), flips(head, masks=3)) > 600


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1}, {"contract": b"\x01" * 20}, {"sequence": 7}, {"previous_hash": b"\x01" * 32},
        {"epoch": 2}, {"policy_hash": b"\x01" * 32}, {"row_count": 39}, {"rows_root": b"\x01" * 32},
        {"member": b"\x01" * 20},
    ],
)  # fmt: skip
def test_no_field_of_a_batch_header_can_be_another(
    consortium: SmallConsortium, posted: list[PostedBatch], opener: BatchOpener, change: dict[str, object]
) -> None:
    lie = replace(posted[0], header=replace(posted[0].header, **change))
    with pytest.raises(AuthorError):
        lie.header.check_author(lie.signature, consortium.trust.deployment.genesis)
    with pytest.raises(VerificationError):
        opener.rows(lie)


def test_a_batch_opens_under_no_other_members_header(posted: list[PostedBatch], opener: BatchOpener) -> None:
    mine, other = posted[0], next(p for p in posted if p.header.member != posted[0].header.member)
    with pytest.raises(VerificationError):
        opener.rows(replace(other, payload=mine.payload))


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
