"""Files that are broken or built to break: each has its own message, costs little, the good rows go on."""

from __future__ import annotations

import gzip
import io
import random
import subprocess
import sys
import textwrap
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ledger.errors import InputError
from ledger.member import layout
from ledger.member.intake import MAX_LINE, Chunk, open_source, read_chunks
from ledger.member.quarantine import take_in
from ledger.member.vault import Vault
from tests.support.rows import row, write_csv

BANK, OTHER = "ALFADEFF", "BRAVFRPP"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)

Rows = list[dict[str, str]]


def made(count: int) -> Rows:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    return [row(n, start + timedelta(minutes=n), BANK, OTHER, bank=BANK) for n in range(count)]


def read(source: Path | pd.DataFrame) -> Chunk:
    together = Chunk()
    for chunk in read_chunks(open_source(source), BANK, now=NOW):
        together.lines += chunk.lines
        together.transactions += chunk.transactions
        together.quarantined += chunk.quarantined
    return together


def table(rows: Rows, **columns: Any) -> pa.Table:
    columns = {name: [r[name] for r in rows] for name in rows[0]} | columns
    return pa.table(columns)


def written(path: Path, content: pa.Table, **options: Any) -> bytes:
    pq.write_table(content, path, **options)
    return path.read_bytes()


# what is not what its name says


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv.gz", gzip.compress(b"transaction_id\n", mtime=0), r"compressed \(gzip\)"),
        ("a.csv", gzip.compress(bytes(10**6), mtime=0), r"compressed \(gzip\)"),
        ("a.parquet", gzip.compress(bytes(10**6), mtime=0), r"compressed \(gzip\)"),
        ("a.csv", b"PK\x03\x04....", "ZIP archive or a spreadsheet"),
        ("a.csv", b"PAR1....PAR1", "content of the file is Parquet"),
        ("a.csv", "transaction_id\n".encode("utf-16"), "not UTF-8"),
        ("a.parquet", b"transaction_id,amount\n", "not readable Parquet"),
        ("a.parquet", b"PAR1", "not readable Parquet"),
        ("a.parquet", b"PAR1\xff\xff\xff\x7fPAR1", "not readable Parquet"),
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"\x00" * 100, "lacks the columns"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        open_source(tmp_path / name)
    assert caught.value.next_step
    assert str(tmp_path / name) in str(caught.value.where)


def test_a_folder_is_no_file_and_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this is not a file"):
        open_source(tmp_path)
    with pytest.raises(InputError, match="there is no such file"):
        open_source(tmp_path / "none.csv")


# one line of a gigabyte


def sparse(path: Path, head: bytes, tail: bytes, size: int) -> Path:
    """Make a file that says `size` zero bytes between two texts, and takes no room."""
    with path.open("wb") as file:
        file.write(head)
        file.seek(size, io.SEEK_CUR)
        file.write(tail)
    return path


def test_a_line_of_a_gigabyte_costs_one_row_and_no_memory(tmp_path: Path) -> None:
    lines = write_csv(tmp_path / "rows.csv", made(4)).read_bytes().splitlines(keepends=True)
    path = sparse(tmp_path / "long.csv", b"".join(lines[:3]), b"\n" + b"".join(lines[3:]), 2**30)
    tracemalloc.start()
    chunk = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    (problem,) = chunk.quarantined
    assert (problem.line, problem.field, problem.reason) == (4, "(line)", f"is longer than {MAX_LINE} bytes")
    assert chunk.lines == [2, 3, 5, 6]
    assert peak < 8 * 2**20


def test_a_header_of_a_gigabyte_is_refused_at_once(tmp_path: Path) -> None:
    path = sparse(tmp_path / "long.csv", b"transaction_id", b"\n", 2**30)
    with pytest.raises(InputError, match="the header is longer than 65536 bytes"):
        open_source(path)


# Parquet cut short, flipped, unfolding


def test_parquet_cut_anywhere_is_refused(tmp_path: Path) -> None:
    data = written(tmp_path / "whole.parquet", table(made(60)), row_group_size=20)
    path = tmp_path / "cut.parquet"
    step = max(1, len(data) // 250)
    for end in [*range(1, len(data), step), *range(len(data) - 12, len(data))]:
        path.write_bytes(data[:end])
        with pytest.raises(InputError, match=r"not readable Parquet") as caught:
            open_source(path)
        assert caught.value.next_step


FLIPS = textwrap.dedent(
    """
    import random, sys
    from collections import Counter
    from pathlib import Path
    sys.path.insert(0, sys.argv[4])
    from ledger.errors import InputError
    from tests.ledger.member.test_hostile_files import read
    chance, source = random.Random(int(sys.argv[3])), Path(sys.argv[1]).read_bytes()
    target = Path(sys.argv[2])
    seen = Counter()
    for _ in range(400):
        data = bytearray(source)
        for _ in range(chance.choice((1, 1, 2, 8))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        target.write_bytes(data)
        try:
            chunk = read(target)
        except InputError as error:
            assert error.next_step, error
            seen["refused"] += 1
        else:
            assert len(chunk.transactions) <= 60
            seen["told" if chunk.quarantined else "unseen"] += 1
    print(seen["refused"], seen["told"], seen["unseen"])
    """
)


@pytest.mark.parametrize("options", [{}, {"write_page_checksum": True}, {"data_page_version": "2.0"}])
def test_parquet_with_flipped_bits_is_refused_or_told_and_never_ends_the_process(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """In a process of its own: a fault in a parser written in C would end it."""
    written(tmp_path / "whole.parquet", table(made(60)), row_group_size=20, **options)
    root = str(Path(__file__).resolve().parents[3])
    line = [sys.executable, "-c", FLIPS, tmp_path / "whole.parquet", tmp_path / "bad.parquet", "7", root]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    refused, told, unseen = map(int, done.stdout.split())
    assert refused + told + unseen == 400
    assert refused > 10
    assert told > 10


def test_a_bit_flipped_in_a_checksummed_page_is_always_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    data = written(path, table(made(60)), row_group_size=20, write_page_checksum=True, use_dictionary=False)
    metadata = pq.ParquetFile(path).metadata
    chance = random.Random(5)
    for _ in range(40):
        group = chance.randrange(3)
        chunk = metadata.row_group(group).column(0)
        with path.open("rb") as file:
            file.seek(chunk.data_page_offset)
            _, header = layout._page(file.read(1000))
        place = chunk.data_page_offset + header + chance.randrange(chunk.total_compressed_size - header)
        bad = bytearray(data)
        bad[place] ^= 1 << chance.randrange(8)
        (tmp_path / "bad.parquet").write_bytes(bytes(bad))
        found = read(tmp_path / "bad.parquet")
        assert [(q.line, q.field) for q in found.quarantined] == [(20 * group + 1, "(file)")]
        assert len(found.transactions) == 40


def bomb(path: Path, content: pa.Table, **options: Any) -> Path:
    pq.write_table(content, path, compression="zstd", **options)
    return path


def limited(path: Path, megabytes: int) -> tuple[int, int, str]:
    """Read a file in a process that may have so much memory; returns rows, problems and the first reason."""
    work = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[3])
        from tests.ledger.member.test_hostile_files import read
        base = int(next(l for l in open("/proc/self/status") if l.startswith("VmSize")).split()[1]) * 1024
        most = base + int(sys.argv[2]) * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        from ledger.errors import InputError
        try:
            chunk = read(Path(sys.argv[1]))
            print(len(chunk.transactions), len(chunk.quarantined), (chunk.quarantined or [None])[0], sep="|")
        except InputError as error:
            print(0, 0, error, sep="|")
        """
    )
    root = str(Path(__file__).resolve().parents[3])
    line = [sys.executable, "-c", work, str(path), str(megabytes), root]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    rows, problems, reason = done.stdout.strip().split("|", 2)
    return int(rows), int(problems), reason


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")


@needs_linux
def test_one_long_value_repeated_is_held_once(tmp_path: Path) -> None:
    """40 kB that would be 4 GB: a dictionary of one value of a megabyte, named by 4,000 rows."""
    rows = made(4000)
    purpose = pa.DictionaryArray.from_arrays(pa.array([0] * 4000, pa.int32()), ["x" * 10**6])
    path = bomb(tmp_path / "a.parquet", table(rows, purpose=purpose))
    assert path.stat().st_size < 400_000
    good, problems, reason = limited(path, 700)
    assert (good, problems) == (0, 4000)
    assert "1000000 characters long" in reason


@needs_linux
def test_many_long_values_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    """A file of less than a megabyte that unfolds to 400 MB of distinct values, where 200 MB are."""
    rows = made(400)
    long = pa.array([f"{i}" + "x" * 10**6 for i in range(400)])
    path = bomb(
        tmp_path / "a.parquet",
        table(rows, purpose=long),
        use_dictionary=False,
        data_page_size=2**20,
        write_batch_size=4,
    )
    assert path.stat().st_size < 1_000_000
    good, problems, reason = limited(path, 200)
    assert (good, problems) == (0, 400), reason
    assert "1000001 characters long" in reason


def test_a_page_that_takes_more_than_a_page_may_is_told_before_it_is_unfolded(tmp_path: Path) -> None:
    rows = made(200)
    content = table(rows, purpose=[f"{i}" + "x" * 500_000 for i in range(200)])
    path = bomb(
        tmp_path / "a.parquet",
        content,
        use_dictionary=False,
        data_page_size=2**30,
        write_batch_size=200,
        row_group_size=150,
    )
    chunk = read(path)
    assert chunk.quarantined[0].reason.startswith(
        "rows 1 to 150 (row group 1) cannot be read: a page of purpose claims 75,"
    )
    assert "67,108,864 are allowed" in chunk.quarantined[0].reason
    assert {item.line for item in chunk.quarantined[1:]} == set(range(151, 201))


def test_rows_that_cost_no_bytes_are_refused(tmp_path: Path) -> None:
    """Ten million nulls in every column take a few kilobytes; a billion would take little more."""
    names = list(made(1)[0])
    nulls = pa.nulls(2_000_000, pa.string())
    path = bomb(tmp_path / "a.parquet", pa.table(dict.fromkeys(names, nulls)))
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match=r"claims 2,000,000 rows in [0-9,]+ bytes: less than one bit"):
        open_source(path)


def test_a_row_group_that_claims_other_rows_than_its_pages_hold_is_told(tmp_path: Path) -> None:
    """The footer of one file, over the pages of another."""
    few = written(tmp_path / "few.parquet", table(made(40)), use_dictionary=False, compression="none")
    path = tmp_path / "a.parquet"
    metadata = pq.ParquetFile(tmp_path / "few.parquet").metadata
    header = metadata.row_group(0).column(0).data_page_offset
    data = bytearray(few)
    at = data.index(b"\x15\x50", header, header + 40)  # forty values, as a zigzag varint
    data[at + 1] = 0x4E
    path.write_bytes(bytes(data))
    chunk = read(path)
    assert (chunk.transactions, len(chunk.quarantined)) == ([], 1)
    assert "rows 1 to 40 (row group 1) cannot be read" in chunk.quarantined[0].reason
    assert "39 values where 40 rows are claimed" in chunk.quarantined[0].reason


# types


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.string()), pa.struct([("value", pa.string())]), pa.map_(pa.string(), pa.string())],
    ids=["list", "struct", "map"],
)
def test_a_nested_field_is_named(tmp_path: Path, kind: pa.DataType) -> None:
    rows = made(3)
    path = tmp_path / "a.parquet"
    pq.write_table(table(rows, purpose=pa.nulls(3, kind)), path)
    with pytest.raises(InputError, match="the column purpose is nested") as caught:
        open_source(path)
    assert "plain column" in str(caught.value.next_step)


def test_a_nested_column_that_is_no_field_does_not_matter(tmp_path: Path) -> None:
    pq.write_table(table(made(3), extra=pa.array([[["a"]]] * 3)), tmp_path / "a.parquet")
    assert len(read(tmp_path / "a.parquet").transactions) == 3


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.large_string(), pa.string_view(), pa.binary_view()], ids=str
)
def test_text_of_any_type_reads_as_text(tmp_path: Path, kind: pa.DataType) -> None:
    rows = made(5)
    purpose = pa.array([r["purpose"].encode() for r in rows], pa.binary()).cast(kind)
    pq.write_table(table(rows, purpose=purpose), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").transactions == read(write_csv(tmp_path / "a.csv", rows)).transactions


def test_bytes_that_are_no_text_cost_their_row(tmp_path: Path) -> None:
    rows = made(4)
    purpose = pa.array([b"RENT", b"\xff\xfe", None, b"RENT"], pa.binary())
    pq.write_table(table(rows, purpose=purpose), tmp_path / "a.parquet")
    chunk = read(tmp_path / "a.parquet")
    assert [(q.line, q.field) for q in chunk.quarantined] == [(2, "purpose")]
    assert "cannot be read" in chunk.quarantined[0].reason
    assert chunk.lines == [1, 3, 4]


def test_a_time_that_no_calendar_has_costs_its_row(tmp_path: Path) -> None:
    rows = made(4)
    moments = [int(datetime.fromisoformat(r["timestamp"]).timestamp()) * 1_000 for r in rows]
    moments[2] = 2**62
    pq.write_table(
        table(rows, timestamp=pa.array(moments, pa.timestamp("ms", "UTC"))), tmp_path / "a.parquet"
    )
    chunk = read(tmp_path / "a.parquet")
    assert [(q.line, q.field) for q in chunk.quarantined] == [(3, "timestamp")]
    assert chunk.lines == [1, 2, 4]


def test_an_object_that_has_no_text_costs_its_row() -> None:
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError

    frame = pd.DataFrame(made(3)).astype(object)
    frame.at[1, "purpose"] = Mute()
    frame.at[2, "transaction_id"] = uuid4()
    chunk = read(frame)
    assert [(q.line, q.field) for q in chunk.quarantined] == [(2, "purpose")]
    assert chunk.lines == [1, 3]


# counts


def test_a_damaged_file_is_taken_in_and_taken_in_again_when_it_is_whole(tmp_path: Path) -> None:
    data = written(tmp_path / "a.parquet", table(made(60)), row_group_size=20)
    start = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(1).column(0).dictionary_page_offset
    bad = bytearray(data)
    bad[start : start + 60] = bytes(60)
    (tmp_path / "a.parquet").write_bytes(bytes(bad))
    with Vault(tmp_path / "vault.sqlite") as vault:
        counts, apart = take_in(vault, open_source(tmp_path / "a.parquet"), BANK, tmp_path / "q", now=NOW)
        assert (counts.read, counts.accepted, counts.quarantined) == (41, 40, 1)
        assert apart is not None
        assert "rows 21 to 40" in apart.read_text("utf-8")
        (tmp_path / "a.parquet").write_bytes(data)
        counts, _ = take_in(vault, open_source(tmp_path / "a.parquet"), BANK, tmp_path / "q", now=NOW)
    assert (counts.read, counts.accepted, counts.already_held, counts.quarantined) == (60, 20, 40, 0)


def test_a_duplicate_is_told_each_time_its_file_is_read(tmp_path: Path) -> None:
    rows = made(6)
    rows[4] = rows[1]
    path = write_csv(tmp_path / "a.csv", rows)
    with Vault(tmp_path / "vault.sqlite") as vault:
        seen = []
        for _ in range(3):
            counts, apart = take_in(vault, open_source(path), BANK, tmp_path / "q", now=NOW)
            assert apart is not None
            seen.append((counts.read, counts.accepted + counts.already_held, counts.quarantined))
            assert "stands already in line 3" in apart.read_text("utf-8")
    assert seen == [(6, 5, 1)] * 3


def test_a_held_transaction_that_comes_with_other_values_is_told_which(tmp_path: Path) -> None:
    rows = made(3)
    path = write_csv(tmp_path / "a.csv", rows)
    with Vault(tmp_path / "vault.sqlite") as vault:
        take_in(vault, open_source(path), BANK, tmp_path / "q", now=NOW)
        rows[1]["amount"] = "77.00"
        counts, apart = take_in(vault, open_source(write_csv(path, rows)), BANK, tmp_path / "q", now=NOW)
    assert (counts.already_held, counts.quarantined) == (2, 1)
    assert apart is not None
    assert "line 3 of an earlier file, with another amount" in apart.read_text("utf-8")


def test_reading_hostile_lines_takes_time_in_proportion_to_their_bytes(tmp_path: Path) -> None:
    """Quotes, delimiters and escapes that make some parsers quadratic: 4 MB of each are read in a moment."""
    header = write_csv(tmp_path / "rows.csv", []).read_bytes()
    for filler in (b'"', b",", b'""",', b"\\", b"\x00", b"\xf0\x9f"):
        line = (filler * (MAX_LINE // len(filler)))[: MAX_LINE - 2] + b"\n"
        (tmp_path / "a.csv").write_bytes(header + line * 64)
        start = time.process_time()
        assert len(read(tmp_path / "a.csv").quarantined) == 64
        assert time.process_time() - start < 60
