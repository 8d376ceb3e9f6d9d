"""The mirror keeps what was sealed, in log order, wherever a sync stopped and whatever a node says."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ledger.encoding.rows import ROW, rows_from_bytes
from ledger.errors import ConfigurationError, VerificationError
from ledger.gateway import Gateway, LedgerEntry
from ledger.reader import mirror
from ledger.reader.keys import DeskKeys
from ledger.reader.mirror import Mirror, ReorganisedError
from ledger.segment import MANIFEST, Manifest, SegmentError, load
from ledger.tables import SEGMENT
from ledger.verdicts import Reason
from tests.support.consortium import ChainProcess, Poster, SmallConsortium, founded

BANK = "ALFADEFF"


def rows_of(folder: Path) -> pa.Table:
    kept = Mirror(folder)
    tables = [load(folder, entry) for entry in kept.segments()]
    kept.close()
    return pa.concat_tables(tables) if tables else SEGMENT.empty_table()


def sync_into(folder: Path, consortium: SmallConsortium, *, depth: int = 0) -> mirror.SyncCounts:
    made = Mirror(folder, depth=depth)
    try:
        return made.sync(consortium.gateway, consortium.desk_keys)
    finally:
        made.close()


def test_segments_hold_exactly_what_the_banks_sealed(consortium: SmallConsortium) -> None:
    table = rows_of(consortium.home.desk.mirror)
    assert table.schema == SEGMENT
    for code, bank in enumerate(consortium.banks, 1):
        with consortium.vault(bank) as vault:
            cursor = vault.connection.execute("SELECT rows FROM batch ORDER BY sequence")
            sealed = np.concatenate([rows_from_bytes(rows) for (rows,) in cursor])
        chosen = table.filter(pa.compute.equal(table.column("member"), code))
        chosen = chosen.sort_by([("sequence", "ascending"), ("row_index", "ascending")])
        for name in ROW.names or ():
            held = chosen.column(name).to_pylist()
            assert held == (
                sealed[name].tolist() if ROW[name].kind != "V" else [bytes(v) for v in sealed[name]]
            )


def test_many_small_syncs_end_where_one_does(
    consortium: SmallConsortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "BLOCKS_PER_REQUEST", 5)
    monkeypatch.setattr(mirror, "ROWS_PER_SEGMENT", 1)
    height = consortium.gateway.height()
    last = max(b.block for b in consortium.gateway.batches(consortium.gateway.deployment.block, height))
    total = 0
    for final in (last - 1, last):
        total += sync_into(tmp_path / "m", consortium, depth=height - final).rows
    assert total == rows_of(tmp_path / "m").num_rows
    assert rows_of(tmp_path / "m").equals(rows_of(consortium.home.desk.mirror))
    assert sync_into(tmp_path / "m", consortium).rows == 0


def test_a_block_that_is_not_deep_enough_is_not_read(consortium: SmallConsortium, tmp_path: Path) -> None:
    counts = sync_into(tmp_path / "m", consortium, depth=consortium.gateway.height() + 5)
    assert (counts.blocks, counts.batches) == (0, 0)


def test_an_empty_ledger_has_an_empty_mirror(chain: ChainProcess, tmp_path: Path) -> None:
    empty = founded(chain, tmp_path / "home", banks=[BANK])
    report = empty.sync()
    assert (report.counts.rows, report.position.log_size) == (0, 0)
    assert sum(report.states.values()) == 0
    assert [(log.log, log.served) for log in report.logs][1] == ("verdicts", 0)
    manifest = Manifest.read(empty.home.desk.mirror)
    assert manifest.segments == ()


class LyingGateway(Gateway):
    """A node that hides a batch."""

    hidden = 1

    def ledger(self, first: int, last: int) -> Iterator[LedgerEntry]:
        for entry in super().ledger(first, last):
            if entry.batch is None or entry.batch.log_index != self.hidden:
                yield entry


def test_a_node_that_hides_the_newest_batch_is_caught(consortium: SmallConsortium, tmp_path: Path) -> None:
    lying = LyingGateway(consortium.url, consortium.gateway.deployment)
    lying.hidden = consortium.gateway.log_size() - 1
    made = Mirror(tmp_path)
    with pytest.raises(VerificationError, match="left out a batch of the log"):
        made.sync(lying, consortium.desk_keys)
    made.close()


def test_a_node_that_leaves_out_a_batch_is_caught_and_nothing_after_it_is_taken(
    consortium: SmallConsortium, tmp_path: Path
) -> None:
    lying = LyingGateway(consortium.url, consortium.gateway.deployment)
    made = Mirror(tmp_path)
    with pytest.raises(VerificationError, match="left out a batch of the log: expected 1, got 2"):
        made.sync(lying, consortium.desk_keys)
    assert made.segments() == ()
    assert made.sync(consortium.gateway, consortium.desk_keys).rows == rows_of(tmp_path).num_rows > 0
    made.close()


class ForgingGateway(Gateway):
    """A node that shows another header, or another hash, than the contract made."""

    change: dict[str, object]

    def ledger(self, first: int, last: int) -> Iterator[LedgerEntry]:
        for entry in super().ledger(first, last):
            posted = entry.batch
            if posted is None or posted.log_index:
                yield entry
            elif "batch_hash" in self.change:
                yield replace(entry, batch=replace(posted, batch_hash=bytes(32)))
            else:
                header = replace(posted.header, **self.change)  # type: ignore[arg-type]
                yield replace(entry, batch=replace(posted, header=header))


@pytest.mark.parametrize(
    "change", [{"batch_hash": b""}, {"row_count": 1}, {"member": b"\x01" * 20}, {"sequence": 3}, {"epoch": 9}]
)
def test_a_node_that_forges_a_header_is_caught(
    consortium: SmallConsortium, tmp_path: Path, change: dict[str, object]
) -> None:
    forging = ForgingGateway(consortium.url, consortium.gateway.deployment)
    forging.change = change
    made = Mirror(tmp_path)
    made.sync(forging, consortium.desk_keys)
    rejected = made.rejected()[0]
    assert (rejected.log_index, rejected.reason_code in (Reason.AUTHOR, Reason.PLACE)) == (0, True)
    made.close()


class OtherChain(Gateway):
    """A node that replaced a block."""

    def block_hash(self, number: int) -> bytes:
        return bytes(32) if number else super().block_hash(number)


def test_a_reorganised_chain_is_not_followed_silently(consortium: SmallConsortium, tmp_path: Path) -> None:
    sync_into(tmp_path, consortium)
    made = Mirror(tmp_path)
    with pytest.raises(ReorganisedError, match="replaced a block that was treated as final") as caught:
        made.sync(OtherChain(consortium.url, consortium.gateway.deployment), consortium.desk_keys)
    assert "--depth" in str(caught.value.next_step)
    made.close()


def test_debris_of_a_crash_is_removed_and_nothing_else(consortium: SmallConsortium, tmp_path: Path) -> None:
    copied = consortium.copy(tmp_path / "home")
    folder = copied.home.desk.mirror
    debris = [folder / "rows-000000900-000000901.parquet", folder / ".manifest.json.77.tmp"]
    for path in debris:
        path.write_bytes(b"half")
    before = {path.name for path in folder.iterdir()} - {path.name for path in debris}
    made = Mirror(folder)
    made.sync(copied.gateway, copied.desk_keys)
    made.close()
    assert {path.name for path in folder.iterdir() if path.suffix in (".parquet", ".json", ".tmp")} <= before
    assert rows_of(folder).equals(rows_of(consortium.home.desk.mirror))


def test_two_processes_do_not_sync_one_mirror(consortium: SmallConsortium, tmp_path: Path) -> None:
    first, second = Mirror(tmp_path), Mirror(tmp_path)
    first.sync(consortium.gateway, consortium.desk_keys)
    with pytest.raises(ConfigurationError, match="another process is syncing"):
        second.sync(consortium.gateway, consortium.desk_keys)
    first.close()
    second.sync(consortium.gateway, consortium.desk_keys)
    second.close()


def test_a_key_that_never_stood_on_the_chain_moves_nothing(
    consortium: SmallConsortium, tmp_path: Path
) -> None:
    """With it, each batch would be rejected, and the mirror stand behind all of them with nothing in it."""
    made = Mirror(tmp_path)
    with pytest.raises(ConfigurationError, match="none of this reader's keys was ever registered") as caught:
        made.sync(consortium.gateway, DeskKeys.generate(1))
    made.close()
    assert "Restore the key file" in str(caught.value.next_step)
    counts = sync_into(tmp_path, consortium)
    assert (counts.rejected, counts.rows) == (0, rows_of(consortium.home.desk.mirror).num_rows)


def test_a_state_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"nonsense" * 1000)
    with pytest.raises(ConfigurationError, match="not readable") as caught:
        Mirror(tmp_path)
    assert "the chain holds everything" in str(caught.value.next_step)


def test_a_state_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as old:
        old.execute("CREATE TABLE leaf (log_index INTEGER PRIMARY KEY, hash BLOB NOT NULL)")
    with pytest.raises(ConfigurationError, match="has format 1, this version reads 2") as caught:
        Mirror(tmp_path)
    assert "Remove the mirror folder and sync again" in str(caught.value.next_step)


def test_a_scan_can_finish_on_the_manifest_it_read(chain: ChainProcess, tmp_path: Path) -> None:
    """The transfers of one publication before stay; the ones before that go."""
    made = founded(chain, tmp_path / "home", banks=[BANK])
    bank = Poster(made, BANK)
    folder = made.home.desk.mirror
    seen = []
    for number in range(3):
        bank.fill(3, start=datetime.now(UTC) - timedelta(days=1), first=100 * number)
        bank.seal()
        bank.post()
        made.sync()
        transfers = Manifest.read(folder).transfers
        assert transfers is not None
        seen.append(transfers)
        assert [load(folder, entry).num_rows for entry in seen[-2:]] == [3 * number, 3 * number + 3][
            -len(seen) :
        ]
    assert {path.name for path in folder.glob("transfers-*")} == {entry.name for entry in seen[-2:]}
    with pytest.raises(SegmentError):
        load(folder, seen[0])


def test_a_mirror_removed_is_a_mirror_synced_again(consortium: SmallConsortium, tmp_path: Path) -> None:
    copied = consortium.copy(tmp_path / "home")
    (copied.home.root / "chain").symlink_to(consortium.home.chain.resolve())
    before = rows_of(copied.home.desk.mirror)
    verdicts = copied.home.desk.public / "verdicts" / "checkpoint"
    note = verdicts.read_text("utf-8")
    shutil.rmtree(copied.home.desk.mirror)
    report = copied.sync()
    assert report.counts.rows == before.num_rows
    assert rows_of(copied.home.desk.mirror).equals(before)
    assert verdicts.read_text("utf-8") == note
    assert (copied.home.desk.mirror / MANIFEST).exists()
