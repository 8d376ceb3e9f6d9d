"""fsck: silent on a sound mirror, and each kind of damage is named where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from counterfoil.founding import publish_policy
from ledger.audit.fsck import FsckError, FsckReport, fsck
from ledger.audit.reread import compare_verdicts
from ledger.envelope import generate_keypair, key_id
from ledger.errors import ConfigurationError, VerificationError
from ledger.segment import MANIFEST, Manifest, SegmentError, load, write_table
from tests.support.consortium import ChainProcess, SmallConsortium, founded, run_everything
from tests.support.rows import book


@pytest.fixture
def copied(consortium: SmallConsortium, tmp_path: Path) -> SmallConsortium:
    return consortium.copy(tmp_path / "home")


def run(made: SmallConsortium, *, keys: Iterable[bytes] | None = None) -> FsckReport:
    """Run fsck, and compare the verdicts with the published ones, as an auditor does."""
    readers = made.desk_keys.readers.values() if keys is None else keys
    report = fsck(made.gateway, made.home.desk.mirror, readers)
    more = compare_verdicts(report.verdicts, made.home.desk.public, made.trust)
    return replace(report, differences=(*report.differences, *more))


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))


def segment(made: SmallConsortium, index: int = 0) -> Path:
    mirror = made.home.desk.mirror
    return mirror / Manifest.read(mirror).segments[index].name


def rewrite(made: SmallConsortium, change: Callable[[Manifest], Manifest]) -> None:
    """Change the manifest as somebody would who knows the format: digest and all."""
    mirror = made.home.desk.mirror
    change(Manifest.read(mirror)).write(mirror)


def test_a_sound_mirror_has_no_difference(copied: SmallConsortium) -> None:
    report = run(copied)
    assert report.differences == ()
    assert report.batches == Manifest.read(copied.home.desk.mirror).position.log_size
    report.raise_if_different()


@pytest.mark.parametrize("position", [4, 200, -1])
def test_a_flipped_byte_of_a_segment_is_named(copied: SmallConsortium, position: int) -> None:
    path = segment(copied)
    flip(path, position)
    report = run(copied)
    assert [d.where for d in report.differences] == [path.name]
    assert "bytes changed" in report.differences[0].what
    with pytest.raises(FsckError, match="the mirror differs from the chain") as caught:
        report.raise_if_different()
    assert caught.value.where == path.name
    assert "desk sync" in str(caught.value.next_step)


def test_a_removed_segment_is_named(copied: SmallConsortium) -> None:
    path = segment(copied)
    path.unlink()
    (difference,) = run(copied).differences
    assert difference.where == path.name
    assert "cannot be read" in difference.what


def test_a_flipped_byte_of_the_transfers_is_named(copied: SmallConsortium) -> None:
    transfers = Manifest.read(copied.home.desk.mirror).transfers
    assert transfers is not None
    flip(copied.home.desk.mirror / transfers.name, 300)
    (difference,) = run(copied).differences
    assert difference.where == transfers.name


def test_a_segment_rewritten_with_its_hash_in_the_manifest_is_named(copied: SmallConsortium) -> None:
    """A thorough forger leaves a consistent mirror; the chain still says otherwise."""

    def forge(manifest: Manifest) -> Manifest:
        entry, *others = manifest.segments
        table = load(copied.home.desk.mirror, entry)
        column = table.column("amount_high").to_pylist()
        column[3] += 1
        at = table.schema.get_field_index("amount_high")
        changed = table.set_column(at, "amount_high", pa.array(column, pa.int64()))
        path = copied.home.desk.mirror / entry.name
        forged = write_table(path, changed, log_from=entry.log_from, log_to=entry.log_to)
        return replace(manifest, segments=(forged, *others))

    rewrite(copied, forge)
    (difference,) = run(copied).differences
    assert difference.where == segment(copied).name
    assert "differ from the rows on the chain" in difference.what


@pytest.mark.parametrize("how", ["another state", "one too few", "one too many", "another order"])
def test_transfers_rewritten_with_their_hash_in_the_manifest_are_named(
    copied: SmallConsortium, how: str
) -> None:
    """fsck matches the rows anew: a flag's evidence cannot be forged between rows and transfers."""

    def forge(manifest: Manifest) -> Manifest:
        entry = manifest.transfers
        assert entry is not None
        table = load(copied.home.desk.mirror, entry)
        rows = table.to_pylist()
        if how == "another state":
            rows[7]["state"] = 1 if rows[7]["state"] != 1 else 2
        elif how == "one too few":
            del rows[-1]
        elif how == "one too many":
            rows.append(rows[-1])
        else:
            rows[3], rows[4] = rows[4], rows[3]
        changed = pa.Table.from_pylist(rows, schema=table.schema)
        path = copied.home.desk.mirror / entry.name
        forged = write_table(path, changed, log_from=entry.log_from, log_to=entry.log_to)
        return replace(manifest, transfers=forged)

    rewrite(copied, forge)
    (difference,) = run(copied).differences
    transfers = Manifest.read(copied.home.desk.mirror).transfers
    assert transfers is not None
    assert difference.where == transfers.name
    assert "the transfers differ from the matched rows" in difference.what


def test_the_transfers_are_matched_by_the_policy_and_the_time_of_their_block(
    chain: ChainProcess, tmp_path: Path
) -> None:
    """A policy that is published after the mirror was synced changes what will be matched, not what was."""
    made = founded(chain, tmp_path / "home")
    run_everything(made, book(datetime.now(UTC), pairs=9))
    publish_policy(made.home, made.gateway, cuts={"EUR": [7]}, rule_set=None, time_unit="day")
    assert run(made).differences == ()
    made.sync()
    assert run(made).differences == ()


def test_a_segment_left_out_of_the_manifest_is_named(copied: SmallConsortium) -> None:
    rewrite(copied, lambda manifest: replace(manifest, segments=manifest.segments[1:]))
    differences = run(copied).differences
    assert differences
    assert all("the chain has a batch that the mirror does not have" in d.what for d in differences)


def test_a_segment_that_the_chain_does_not_know_is_named(copied: SmallConsortium) -> None:
    def invent(manifest: Manifest) -> Manifest:
        last = manifest.segments[-1]
        extra = replace(last, name="rows-extra.parquet", log_from=last.log_to, log_to=last.log_to + 1)
        return replace(manifest, segments=(*manifest.segments, extra))

    rewrite(copied, invent)
    (difference,) = run(copied).differences
    assert (difference.where, difference.what) == (
        "rows-extra.parquet",
        "the chain has no rows for this segment",
    )


def test_a_changed_manifest_is_named(copied: SmallConsortium) -> None:
    flip(copied.home.desk.mirror / MANIFEST, 60)
    with pytest.raises(SegmentError, match="manifest"):
        run(copied)


def test_a_manifest_that_claims_another_log_size_is_named(copied: SmallConsortium) -> None:
    rewrite(copied, lambda m: replace(m, position=replace(m.position, log_size=m.position.log_size - 1)))
    (difference,) = run(copied).differences
    assert difference.where == MANIFEST


def test_a_manifest_rolled_back_to_an_older_block_is_named(copied: SmallConsortium) -> None:
    deployed = copied.gateway.deployment.block

    def roll_back(manifest: Manifest) -> Manifest:
        old = replace(manifest.position, block=deployed, log_size=0)
        return replace(manifest, position=old, segments=(), transfers=None)

    rewrite(copied, roll_back)
    (difference,) = run(copied).differences
    assert difference.where == "published log verdicts"
    assert "0 batches" in difference.what


def test_every_difference_is_listed_and_counted(copied: SmallConsortium) -> None:
    flip(segment(copied), 100)
    transfers = Manifest.read(copied.home.desk.mirror).transfers
    assert transfers is not None
    flip(copied.home.desk.mirror / transfers.name, 300)
    report = run(copied)
    assert len(report.differences) == 2
    with pytest.raises(FsckError, match=r"\(and 1 more\)"):
        report.raise_if_different()


def test_another_consortiums_mirror_is_refused(
    copied: SmallConsortium, chain: ChainProcess, tmp_path: Path
) -> None:
    other = founded(chain, tmp_path / "other", banks=["OTHERXXX"])
    with pytest.raises(VerificationError, match="belongs to another consortium"):
        run(replace(copied, gateway=other.gateway))


def test_without_a_mirror_it_says_what_to_do(copied: SmallConsortium) -> None:
    (copied.home.desk.mirror / MANIFEST).unlink()
    with pytest.raises(ConfigurationError, match="no mirror yet") as caught:
        run(copied)
    assert "desk sync" in str(caught.value.next_step)


def test_a_reader_whose_key_never_stood_on_the_chain_is_told_so(copied: SmallConsortium) -> None:
    with pytest.raises(ConfigurationError, match="none of this reader's keys was ever registered") as caught:
        run(copied, keys=[bytes(range(32))])
    assert "Restore the key file" in str(caught.value.next_step)


def test_a_batch_whose_key_is_gone_does_not_cost_the_mirror(copied: SmallConsortium) -> None:
    """It was lost, or destroyed on purpose: what the mirror holds of the rows may be all there is."""
    later, public = generate_keypair()
    copied.operate("addReader", key_id(public), public, 1, "later")
    copied.operate("removeReader", key_id(public))
    report = run(copied, keys=[later])
    assert report.rejected == report.without_key == report.batches > 0
    with pytest.raises(FsckError) as caught:
        report.raise_if_different()
    assert "keep the mirror folder" in str(caught.value.next_step)
    assert "Remove" not in str(caught.value.next_step)
