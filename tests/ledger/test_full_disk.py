"""A full disk: the error says what to do, nothing half written is believed, the same step goes on afterwards.

SQLite files get a real quota of pages; other files a real limit on their size (RLIMIT_FSIZE).
"""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from ledger.audit.fsck import fsck
from ledger.envelope import generate_keypair
from ledger.flag import Entity, Flag, FlagSource, Position, RowRef
from ledger.member.intake import open_source
from ledger.member.quarantine import take_in
from ledger.member.vault import Vault
from ledger.reader.cases import CaseBook
from ledger.reader.recipients import Recipients
from ledger.segment import MANIFEST, Manifest, load, write_table
from ledger.storage import StorageError, storing, write_atomically
from tests.support.consortium import Poster, SmallConsortium
from tests.support.renewed import renewed
from tests.support.rows import row, write_csv

BANK, OTHER = "ALFADEFF", "BRAVFRPP"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def pages(connection: sqlite3.Connection, more: int) -> Iterator[None]:
    """Let a database grow by some pages at most."""
    (held,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={held + more}")
    try:
        yield
    finally:
        connection.execute("PRAGMA max_page_count=1000000")


def check_told(error: StorageError, path: Path) -> None:
    assert "the disk is full" in error.what
    assert error.where == str(path)
    assert "same command again" in str(error.next_step)


def csv_of(path: Path, count: int, *, bad: int = 0) -> Path:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [row(n, start + timedelta(minutes=n), BANK, OTHER, bank=BANK) for n in range(count)]
    for made in rows[:bad]:
        made["amount"] = "none"
    return write_csv(path, rows)


def test_a_vault_without_room_keeps_whole_chunks_and_goes_on(tmp_path: Path) -> None:
    path = csv_of(tmp_path / "a.csv", 900)
    with Vault(tmp_path / "vault.sqlite") as vault:
        with pages(vault.connection, 20), pytest.raises(StorageError) as caught:
            take_in(vault, open_source(path), BANK, tmp_path / "q", now=NOW)
        check_told(caught.value, vault.path)
        assert vault.count() == 0
        assert not vault.connection.in_transaction
        counts, _ = take_in(vault, open_source(path), BANK, tmp_path / "q", now=NOW)
        assert (counts.accepted, vault.count()) == (900, 900)


def test_a_quarantine_without_room_is_told_and_written_anew(tmp_path: Path) -> None:
    path = csv_of(tmp_path / "a.csv", 1_500, bad=1_500)
    place = tmp_path / "q"
    with Vault(tmp_path / "vault.sqlite") as vault:
        with largest_file(250_000), pytest.raises(StorageError) as caught:
            take_in(vault, open_source(path), BANK, place, now=NOW)
        check_told(caught.value, place / "a-1.csv")
        counts, apart = take_in(vault, open_source(path), BANK, place, now=NOW)
    assert (counts.read, counts.quarantined) == (1_500, 1_500)
    assert apart == place / "a-2.csv"
    assert len(apart.read_text("utf-8").splitlines()) == 1_501


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_file_without_room_leaves_the_old_one_and_no_debris(tmp_path: Path, old: bytes | None) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    with largest_file(1_000), pytest.raises(StorageError) as caught:
        write_atomically(path, bytes(5_000))
    check_told(caught.value, path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([] if old is None else [old])
    write_atomically(path, bytes(5_000))
    assert path.read_bytes() == bytes(5_000)


def test_a_segment_without_room_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "rows-0-1.parquet"
    table = pa.table({"x": [str(n) * 3 for n in range(50_000)]})
    with largest_file(20_000), pytest.raises(StorageError) as caught:
        write_table(path, table, log_from=0, log_to=1)
    check_told(caught.value, path)
    assert list(tmp_path.iterdir()) == []
    entry = write_table(path, table, log_from=0, log_to=1)
    assert load(tmp_path, entry).equals(table)


def test_a_manifest_without_room_leaves_the_one_before(consortium: SmallConsortium, tmp_path: Path) -> None:
    folder = consortium.copy(tmp_path / "home").home.desk.mirror
    before = Manifest.read(folder)
    moved = replace(before, position=replace(before.position, block=before.position.block + 1))
    with largest_file(100), pytest.raises(StorageError) as caught:
        moved.write(folder)
    check_told(caught.value, folder / MANIFEST)
    assert Manifest.read(folder) == before


def test_a_place_that_may_not_be_written_is_another_matter(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="the disk cannot be written") as caught:
        write_atomically(tmp_path / "file" / "inside", b"x")
    assert "write permission" in str(caught.value.next_step)
    with pytest.raises(StorageError, match="cannot be opened"):
        Vault(tmp_path)  # a folder is no vault


def test_what_is_no_matter_of_the_disk_passes_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"), storing(tmp_path):
        sqlite3.connect(":memory:").execute("SELECT * FROM absent")


# the path: bank and desk


@pytest.fixture
def bank(fresh_consortium: SmallConsortium, tmp_path: Path) -> Poster:
    """A bank with rows to post, on an empty ledger."""
    made = Poster(renewed(fresh_consortium, tmp_path / "home", "BatchLedger"), BANK)
    made.fill(400, start=datetime.now(UTC) - timedelta(days=2))
    return made


def test_an_outbox_without_room_seals_whole_batches_and_goes_on(bank: Poster) -> None:
    with bank.vault() as vault:
        from ledger.member.outbox import Outbox
        from tests.support.consortium import EPOCH

        outbox = Outbox(vault, bank.keys, bank.gateway)
        outbox.pseudonymise(bank.consortium.pseudonymiser(bank.agent), EPOCH)
        with pages(vault.connection, 15), pytest.raises(StorageError) as caught:
            outbox.seal(closed_before=datetime.now(UTC), rows_per_batch=40)
        check_told(caught.value, vault.path)
        (batches,) = vault.connection.execute("SELECT count(*) FROM batch").fetchone()
        assert vault.count() - vault.count_waiting() == 40 * batches
        assert 0 < batches < 10
    assert bank.post() == batches
    assert bank.seal().batches == 10 - batches
    assert bank.post() == 10 - batches
    assert sum(posted.header.row_count for posted in bank.on_chain()) == 400


def test_a_desk_without_room_believes_nothing_half_written_and_goes_on(bank: Poster) -> None:
    bank.seal()
    bank.post()
    made = bank.consortium
    desk = made.home.desk
    told = []
    for room in range(1_000, 10**6, 12_000):
        try:
            with largest_file(room):
                made.sync()
            break
        except StorageError as error:
            told.append(error.next_step)
        assert not (desk.mirror / MANIFEST).exists()
        assert not list(desk.mirror.glob(".*.tmp"))
    assert len(told) >= 3
    assert all(told)
    assert Manifest.read(desk.mirror).segments
    assert made.sync().counts.rows == 0
    report = fsck(made.gateway, desk.mirror, made.desk_keys.readers.values())
    assert (report.rows, report.differences) == (400, ())


def flag(number: int) -> Flag:
    return Flag(
        FlagSource("detector", "fan-in", "1", {}), "fan-in", Position(1, "0x", 2, 3), (Entity("ab" * 16, 1),),
        (RowRef(1, 0, number),), (0, 1), None, "certain", "low", "Money from many accounts.",
    )  # fmt: skip


def test_a_case_book_without_room_keeps_a_scan_whole_or_not(tmp_path: Path) -> None:
    _, public = generate_keypair()
    to = Recipients(bytes(20), {1: public}, (public,))
    book = CaseBook(tmp_path / "cases.sqlite")
    assert book.keep([flag(0)], to) == 1
    with pages(book._state, 3), pytest.raises(StorageError) as caught:
        book.keep([flag(n) for n in range(30)], to)
    check_told(caught.value, tmp_path / "cases.sqlite")
    assert len(list(book.each())) == 1
    assert book.keep([flag(n) for n in range(30)], to) == 29
    book.close()


def test_a_case_book_that_is_none_is_named(tmp_path: Path) -> None:
    from ledger.errors import ConfigurationError

    (tmp_path / "cases.sqlite").write_bytes(b"nonsense" * 1000)
    with pytest.raises(ConfigurationError, match="flags is not readable") as caught:
        CaseBook(tmp_path / "cases.sqlite")
    assert "backup" in str(caught.value.next_step)
