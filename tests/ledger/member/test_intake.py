"""Intake: each kind of bad input is named with its line and field, good rows go on, the counts add up."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import InputError
from ledger.member.intake import MAX_LINE, Chunk, open_source, read_chunks
from ledger.member.quarantine import take_in
from ledger.member.vault import Vault
from ledger.schema import FIELDS
from tests.support.rows import row, write_csv

BANK, OTHER = "ALFADEFF", "BRAVFRPP"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def made(count: int, first: int = 0) -> list[dict[str, str]]:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    return [row(n, start + timedelta(minutes=n), BANK, OTHER, bank=BANK) for n in range(first, first + count)]


def read(source: Path | pd.DataFrame, **options: int) -> Chunk:
    """Read a whole source into one chunk."""
    together = Chunk()
    for chunk in read_chunks(open_source(source), BANK, now=NOW, **options):
        together.lines += chunk.lines
        together.transactions += chunk.transactions
        together.quarantined += chunk.quarantined
    return together


def places(chunk: Chunk) -> list[tuple[int, str]]:
    return [(item.line, item.field) for item in chunk.quarantined]


# one bad row among good ones

BAD = [
    ("amount", "-5.00", "is negative"),
    ("amount", "abc", "not a decimal number"),
    ("amount", "1,000.00", "not a decimal number"),
    ("amount", "1e3", "not a decimal number"),
    ("amount", "+5.00", "not a decimal number"),
    ("amount", "٣.٠٠", "not a decimal number"),
    ("amount", "NaN", "not a decimal number"),
    ("amount", "inf", "not a decimal number"),
    ("amount", "", "is empty"),
    ("amount", "0", "out of range"),
    ("amount", "0.00", "out of range"),
    ("amount", "10000000000000.00", "out of range"),
    ("amount", "9" * 120, "out of range"),
    ("amount", "1.001", "more decimals than EUR allows (2)"),
    ("amount", "1." + "0" * 40 + "1", "more decimals than EUR allows (2)"),
    ("currency", "ZZZ", "not an ISO 4217 code"),
    ("currency", "XAU", "not an ISO 4217 code"),
    ("currency", "", "is empty"),
    ("timestamp", "2026-03-01T10:00:00", "has no zone"),
    ("timestamp", "2026-03-01", "has no zone"),
    ("timestamp", "yesterday", "not an ISO 8601"),
    ("timestamp", "2026-13-01T10:00:00Z", "not an ISO 8601"),
    ("timestamp", "2026-02-29T10:00:00Z", "not an ISO 8601"),
    ("timestamp", "1772359200", "not an ISO 8601"),
    ("timestamp", "2026-03-02T12:05:01Z", "is in the future"),
    ("timestamp", "2999-01-01T00:00:00Z", "is in the future"),
    ("timestamp", "1969-12-31T23:59:59Z", "is too old"),
    ("timestamp", "2016-03-30T12:00:00Z", "is too old"),
    ("timestamp", "0001-01-01T00:00:00+05:00", "out of range"),
    ("timestamp", "", "is empty"),
    ("business_date", "01.03.2026", "not a date"),
    ("business_date", "1969-12-31", "out of range"),
    ("business_date", "1970-01-01", "more than 31 days before or after the timestamp"),
    ("business_date", "2026-04-02", "more than 31 days before or after the timestamp"),
    ("business_date", "2026-01-28", "more than 31 days before or after the timestamp"),
    ("uetr", "not-a-uuid", "not a UUID"),
    ("transaction_id", "", "is empty"),
    ("transaction_id", "x" * 141, "141 characters long"),
    ("transaction_id", "a\x07b", "control characters"),
    ("debtor_agent", "", "is empty"),
    ("debtor_agent", "GAMMA BANK", "not an agent identifier"),
    ("debtor_agent", "GAMMGB22", "neither agent is this bank"),
    ("debtor_account", "", "is empty"),
    ("debtor_account", "iban:DE89370400440532013001", "IBAN"),
    ("debtor_account", "acct::5", "acct"),
    ("party_id", "Joe Public", "neither a valid LEI nor person"),
    ("party_id", "person:de-tin:", "neither a valid LEI nor person"),
    ("party_id", "lei:529900T8BM49AURSDO56", "neither a valid LEI nor person"),
    ("party_id", "person:de-tin:a\x00b", "control characters"),
    ("on_behalf_of", "iban:DE89370400440532013000", "neither a valid LEI nor person"),
    ("party_type", "robot", "is none of"),
    ("channel", "pigeon", "is none of"),
    ("debtor_country", "XX", "not an ISO 3166"),
    ("creditor_country", "DEU", "not an ISO 3166"),
    ("cash_in", "maybe", "neither true nor false"),
    ("exempt", "2", "neither true nor false"),
]


@pytest.mark.parametrize(("field", "value", "reason"), BAD)
def test_a_bad_field_is_named_with_its_line_and_the_others_go_on(
    tmp_path: Path, field: str, value: str, reason: str
) -> None:
    rows = made(5)
    rows[2][field] = value
    chunk = read(write_csv(tmp_path / "a.csv", rows))
    assert places(chunk) == [(4, field)]
    assert reason in chunk.quarantined[0].reason
    assert chunk.lines == [2, 3, 5, 6]


def test_what_every_reader_would_refuse_is_refused_here(tmp_path: Path) -> None:
    """A row that readers find too old costs its whole batch; an accepted one may still wait thirty days."""
    rows = made(2)
    for row, day in zip(rows, ("2016-03-30", "2016-04-02"), strict=True):
        row |= {"timestamp": f"{day}T12:00:00Z", "business_date": day}
    chunk = read(write_csv(tmp_path / "a.csv", rows))
    assert places(chunk) == [(2, "timestamp")]
    assert chunk.lines == [3]


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("amount", "1234.5", "1234.50"),
        ("amount", "007.00", "7.00"),
        ("amount", "5", "5.00"),
        ("amount", "1.5000", "1.50"),
        ("amount", "9999999999999.99", "9999999999999.99"),
        ("amount", "0.01", "0.01"),
        ("currency", "usd", "USD"),
        ("timestamp", "2026-03-01T11:30:00+01:00", "2026-03-01T10:30:00Z"),
        ("timestamp", "2026-03-01 10:30:00.250Z", "2026-03-01T10:30:00.250000Z"),
        ("timestamp", "2026-03-02T12:04:59Z", "2026-03-02T12:04:59Z"),
        ("business_date", "20260301", "2026-03-01"),
        ("business_date", "2026-04-01", "2026-04-01"),
        ("business_date", "2026-01-29", "2026-01-29"),
        ("business_date", "2026-03-01T00:00:00", "2026-03-01"),
        ("business_date", "", None),
        ("uetr", "{8A562C67-CA16-48BA-B074-65581BE6F001}", "8a562c67-ca16-48ba-b074-65581be6f001"),
        ("debtor_account", "de89 3704 0044 0532 0130 00", "iban:DE89370400440532013000"),
        ("debtor_account", "DE89370400440532013001", "acct:ALFADEFF:DE89370400440532013001"),
        ("debtor_account", "12345", "acct:ALFADEFF:12345"),
        ("debtor_account", "ACCT:alfadeff:12345", "acct:ALFADEFF:12345"),
        ("creditor_account", "12345", "acct:BRAVFRPP:12345"),
        ("party_id", "529900t8bm49aursdo55", "lei:529900T8BM49AURSDO55"),
        ("party_id", "Person:DE-TIN:42", "person:de-tin:42"),
        ("party_id", "person:xx:e\u0301", "person:xx:\u00e9"),
        ("purpose", "cafe\u0301", "caf\u00e9"),
        ("channel", "Cash", "cash"),
        ("party_type", "public body", "public_body"),
        ("cash_in", "YES", "true"),
        ("exempt", "", None),
        ("debtor_country", "de", "DE"),
    ],
)
def test_each_field_has_one_spelling(tmp_path: Path, field: str, value: str, kept: str | None) -> None:
    rows = made(1)
    rows[0][field] = value
    chunk = read(write_csv(tmp_path / "a.csv", rows))
    assert chunk.quarantined == []
    assert chunk.transactions[0].values[FIELDS.index(field)] == kept


@pytest.mark.parametrize(
    ("currency", "text", "minor", "kept"),
    [
        ("JPY", "500", 500, "500"),
        ("JPY", "500.00", 500, "500"),
        ("KWD", "1.234", 1234, "1.234"),
        ("KWD", "0.001", 1, "0.001"),
        ("EUR", "10000.01", 1_000_001, "10000.01"),
    ],
)
def test_amounts_are_exact_in_the_minor_unit_of_their_currency(
    tmp_path: Path, currency: str, text: str, minor: int, kept: str
) -> None:
    (transaction,) = read(
        write_csv(tmp_path / "a.csv", [made(1)[0] | {"currency": currency, "amount": text}])
    ).transactions
    assert transaction.amount_minor == minor
    assert transaction.values[FIELDS.index("amount")] == kept


@given(minor=st.integers(1, 10**15 - 1), zeros=st.integers(0, 5))
def test_every_amount_is_read_exactly(minor: int, zeros: int) -> None:
    text = str(Decimal(minor).scaleb(-2)) + "0" * zeros if minor % 100 else str(minor // 100)
    (transaction,) = read(pd.DataFrame([made(1)[0] | {"amount": text}])).transactions
    assert transaction.amount_minor == minor


# a file that cannot be used


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_source(tmp_path / "none.csv")


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    with pytest.raises(InputError, match="is empty") as caught:
        open_source(tmp_path / "a.csv")
    assert caught.value.where == str(tmp_path / "a.csv")


def test_a_header_alone_holds_no_rows(tmp_path: Path) -> None:
    assert len(read(write_csv(tmp_path / "a.csv", []))) == 0


def test_missing_columns_are_all_named_and_unknown_ones_beside_them(tmp_path: Path) -> None:
    text = write_csv(tmp_path / "a.csv", made(2)).read_text()
    (tmp_path / "a.csv").write_text(text.replace("amount", "betrag", 1).replace("timestamp", "when", 1))
    with pytest.raises(InputError, match="lacks the columns timestamp, amount") as caught:
        open_source(tmp_path / "a.csv")
    assert "when, betrag" in str(caught.value.next_step)


def test_a_column_twice_is_named(tmp_path: Path) -> None:
    text = write_csv(tmp_path / "a.csv", made(2)).read_text()
    (tmp_path / "a.csv").write_text(text.replace("purpose", "Amount", 1))
    with pytest.raises(InputError, match="the columns amount twice"):
        open_source(tmp_path / "a.csv")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_header_that_is_not_utf8_is_named_with_its_byte(tmp_path: Path, encoding: str) -> None:
    text = write_csv(tmp_path / "a.csv", made(2)).read_text()
    (tmp_path / "a.csv").write_bytes(("é," + text).encode(encoding))
    with pytest.raises(InputError, match=r"header is not UTF-8 text: .* at byte 0") as caught:
        open_source(tmp_path / "a.csv")
    assert caught.value.where == f"{tmp_path / 'a.csv'}:1"


@pytest.mark.parametrize("breakage", ["\r", '"'])
def test_a_header_that_is_no_line_of_csv_is_named(tmp_path: Path, breakage: str) -> None:
    text = write_csv(tmp_path / "a.csv", made(2)).read_text()
    broken = text.replace("\n", "\r") if breakage == "\r" else '"' + text
    (tmp_path / "a.csv").write_bytes(broken.encode())
    with pytest.raises(InputError, match="header is not a line of CSV"):
        open_source(tmp_path / "a.csv")


def test_optional_columns_may_be_missing(tmp_path: Path) -> None:
    needed = [
        "transaction_id", "timestamp", "debtor_agent", "debtor_account", "creditor_agent",
        "creditor_account", "amount", "currency",
    ]  # fmt: skip
    frame = pd.DataFrame(made(3))[needed]
    chunk = read(frame)
    assert (len(chunk.transactions), chunk.quarantined) == (3, [])
    assert chunk.transactions[0].values[FIELDS.index("uetr")] is None


# lines that are none


def with_lines(path: Path, replaced: dict[int, bytes], *, count: int = 6) -> Path:
    """Write `count` rows and put other bytes in place of some lines (numbered from 1, the header's)."""
    lines = write_csv(path, made(count)).read_bytes().splitlines(keepends=True)
    for number, line in replaced.items():
        lines[number - 1] = line
    path.write_bytes(b"".join(lines))
    return path


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        (b"\xff\xfe\xfa,x\n", "(line)", "not UTF-8 text: invalid start byte at byte 0"),
        (b"abc,\xc3(\n", "(line)", "at byte 4"),
        (b"a,b,c\n", "(line)", "has 3 cells, the header has 22"),
        (b"," * 30 + b"\n", "(line)", "has 31 cells"),
        (b'"open,' + b"," * 21 + b"\n", "(line)", "not CSV"),
        (b'"a"b' + b"," * 21 + b"\n", "(line)", "not CSV"),
        (b"x" * (MAX_LINE + 5) + b"\n", "(line)", f"longer than {MAX_LINE} bytes"),
        (b"x" * (3 * MAX_LINE) + b"\n", "(line)", f"longer than {MAX_LINE} bytes"),
        (b" \n", "(line)", "has 1 cells"),
        (b"\x00" * 50 + b"\n", "(line)", "has 1 cells"),
    ],
)
def test_a_line_that_is_none_costs_that_line_only(
    tmp_path: Path, line: bytes, field: str, reason: str
) -> None:
    chunk = read(with_lines(tmp_path / "a.csv", {4: line}))
    assert places(chunk) == [(4, field)]
    assert reason in chunk.quarantined[0].reason
    assert chunk.lines == [2, 3, 5, 6, 7]


def test_an_overlong_last_line_without_its_end_is_still_one_line(tmp_path: Path) -> None:
    chunk = read(with_lines(tmp_path / "a.csv", {7: b"x" * (2 * MAX_LINE)}))
    assert places(chunk) == [(7, "(line)")]
    assert len(chunk.transactions) == 5


def test_quoted_cells_keep_their_commas_and_quotes(tmp_path: Path) -> None:
    rows = made(2)
    rows[1]["purpose"] = 'rent, "March"'
    chunk = read(write_csv(tmp_path / "a.csv", rows))
    assert chunk.quarantined == []
    assert chunk.transactions[1].values[FIELDS.index("purpose")] == 'rent, "March"'


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_delimiters_line_ends_and_a_byte_order_mark(
    tmp_path: Path, ending: bytes, delimiter: str, bom: bytes
) -> None:
    text = write_csv(tmp_path / "a.csv", made(4)).read_text().replace(",", delimiter)
    (tmp_path / "a.csv").write_bytes(bom + text.encode().replace(b"\n", ending))
    chunk = read(tmp_path / "a.csv")
    assert (len(chunk.transactions), chunk.quarantined) == (4, [])
    assert chunk.transactions == read(write_csv(tmp_path / "b.csv", made(4))).transactions


def test_a_last_line_without_its_end_counts(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", made(3))
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert len(read(path).transactions) == 3


# tables


def typed(count: int) -> pa.Table:
    """Give rows real types, as an export from a database does."""
    rows = made(count)
    return pa.table(
        {
            "uetr": [r["uetr"] for r in rows],
            "transaction_id": [r["transaction_id"] for r in rows],
            "timestamp": pa.array(
                [datetime.fromisoformat(r["timestamp"]) for r in rows], pa.timestamp("us", "UTC")
            ),
            "business_date": pa.array([date.fromisoformat(r["business_date"]) for r in rows], pa.date32()),
            "debtor_agent": pa.array([r["debtor_agent"] for r in rows]).dictionary_encode(),
            "debtor_account": [r["debtor_account"] for r in rows],
            "creditor_agent": [r["creditor_agent"] for r in rows],
            "creditor_account": pa.array(range(5000, 5000 + count), pa.int64()),
            "amount": pa.array([Decimal(r["amount"]) for r in rows], pa.decimal128(18, 4)),
            "currency": [r["currency"] for r in rows],
            "cash_in": pa.array([i % 2 == 0 for i in range(count)]),
            "exempt": pa.nulls(count, pa.bool_()),
        }
    )  # fmt: skip


def test_typed_parquet_reads_as_the_same_rows(tmp_path: Path) -> None:
    pq.write_table(typed(7), tmp_path / "a.parquet")
    chunk = read(tmp_path / "a.parquet")
    assert (len(chunk.transactions), chunk.quarantined) == (7, [])
    at = {name: FIELDS.index(name) for name in FIELDS}
    for i, (transaction, expected) in enumerate(zip(chunk.transactions, made(7), strict=True)):
        for name in ("uetr", "transaction_id", "timestamp", "business_date", "debtor_agent", "amount"):
            assert transaction.values[at[name]] == expected[name], name
        assert transaction.values[at["creditor_account"]] == f"acct:{OTHER}:{5000 + i}"
        assert transaction.values[at["cash_in"]] == ("true" if i % 2 == 0 else "false")
        assert transaction.values[at["exempt"]] is None


def test_parquet_without_a_zone_is_quarantined_row_by_row(tmp_path: Path) -> None:
    table = typed(3)
    naive = table.column("timestamp").cast(pa.timestamp("us"))
    pq.write_table(table.set_column(2, "timestamp", naive), tmp_path / "a.parquet")
    chunk = read(tmp_path / "a.parquet")
    assert places(chunk) == [(1, "timestamp"), (2, "timestamp"), (3, "timestamp")]


@pytest.mark.parametrize("keep", [0.0001, 0.3, 0.9, 0.999])
def test_truncated_parquet_is_named(tmp_path: Path, keep: float) -> None:
    sink = io.BytesIO()
    pq.write_table(typed(500), sink)
    data = sink.getvalue()
    (tmp_path / "a.parquet").write_bytes(data[: max(1, int(len(data) * keep))])
    with pytest.raises(InputError, match="not readable Parquet"):
        open_source(tmp_path / "a.parquet")


def test_parquet_damaged_in_the_middle_costs_its_row_group_and_no_other(tmp_path: Path) -> None:
    sink = io.BytesIO()
    pq.write_table(typed(500), sink, row_group_size=100, compression="snappy")
    start = pq.ParquetFile(sink).metadata.row_group(2).column(0).dictionary_page_offset
    data = bytearray(sink.getvalue())
    data[start : start + 400] = b"\xff" * 400
    (tmp_path / "a.parquet").write_bytes(bytes(data))
    chunk = read(tmp_path / "a.parquet")
    (problem,) = chunk.quarantined
    assert (problem.line, problem.field) == (201, "(file)")
    assert "rows 201 to 300 (row group 3) cannot be read" in problem.reason
    assert chunk.lines == [*range(1, 201), *range(301, 501)]


def test_a_data_frame_with_its_types_and_gaps() -> None:
    rows = made(4)
    frame = pd.DataFrame(rows)
    frame["timestamp"] = pd.to_datetime(frame["timestamp"])
    frame["business_date"] = pd.to_datetime(frame["business_date"])
    frame["amount"] = [float(r["amount"]) for r in rows]
    frame["purpose"] = [None, np.nan, pd.NA, "RENT"]
    frame["uetr"] = [None, *frame["uetr"][1:]]
    chunk = read(frame)
    assert chunk.quarantined == []
    amounts = [t.values[FIELDS.index("amount")] for t in chunk.transactions]
    assert amounts == [r["amount"] for r in rows]
    assert [t.values[FIELDS.index("purpose")] for t in chunk.transactions] == [None, None, None, "RENT"]
    assert chunk.transactions[1].values[FIELDS.index("business_date")] == rows[1]["business_date"]
    assert chunk.lines == [1, 2, 3, 4]


def test_a_data_frame_with_nonsense_in_it() -> None:
    frame = pd.DataFrame(made(6)).astype(object)
    frame.loc[0, "amount"] = float("inf")
    frame.loc[1, "amount"] = -3.5
    frame.loc[2, "timestamp"] = datetime(2026, 3, 1)  # noqa: DTZ001 - it lacks a zone on purpose
    frame.loc[3, "party_id"] = "person:x:\ud800"
    frame.loc[4, "purpose"] = [1, 2]
    chunk = read(frame)
    assert places(chunk) == [(1, "amount"), (2, "amount"), (3, "timestamp"), (4, "party_id")]
    assert len(chunk.transactions) == 2


def test_times_of_another_zone_are_told_in_utc() -> None:
    frame = pd.DataFrame(made(1))
    frame["timestamp"] = [datetime(2026, 3, 1, 8, tzinfo=timezone(timedelta(hours=5, minutes=30)))]
    (transaction,) = read(frame).transactions
    assert transaction.values[FIELDS.index("timestamp")] == "2026-03-01T02:30:00Z"
    assert transaction.time_us == int(datetime(2026, 3, 1, 2, 30, tzinfo=UTC).timestamp()) * 1_000_000


# chunks, counts, quarantine


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_chunks_hold_what_one_reading_holds(tmp_path: Path, size: int) -> None:
    rows = made(7)
    rows[3]["amount"] = "x"
    path = write_csv(tmp_path / "a.csv", rows)
    assert read(path, chunk_rows=size) == read(path)


def corrupt_cell(text: str) -> Callable[[list[bytes], int], None]:
    def apply(lines: list[bytes], at: int) -> None:
        cells = lines[at].split(b",")
        cells[11] = text.encode()
        lines[at] = b",".join(cells)

    return apply


def corrupt_bytes(lines: list[bytes], at: int) -> None:
    lines[at] = b"\xff" + lines[at]


def corrupt_count(lines: list[bytes], at: int) -> None:
    lines[at] = b"," + lines[at]


def corrupt_quote(lines: list[bytes], at: int) -> None:
    lines[at] = b'"' + lines[at]


def repeat(lines: list[bytes], at: int) -> None:
    lines[at] = lines[1 if at != 1 else 2]


CORRUPTIONS = [corrupt_cell("-1"), corrupt_cell("x"), corrupt_bytes, corrupt_count, corrupt_quote, repeat]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(3, 30),
    wounds=st.lists(st.tuples(st.integers(0, 29), st.sampled_from(range(len(CORRUPTIONS)))), max_size=8),
    size=st.integers(1, 12),
)
def test_whatever_is_corrupted_the_counts_add_up_and_the_quarantine_names_the_lines(
    tmp_path_factory: pytest.TempPathFactory, count: int, wounds: list[tuple[int, int]], size: int
) -> None:
    folder = tmp_path_factory.mktemp("q")
    lines = write_csv(folder / "a.csv", made(count)).read_bytes().splitlines()
    struck = {}
    for at, kind in wounds:
        line = 1 + at % count
        if line in struck or (CORRUPTIONS[kind] is repeat and line <= 2):
            continue
        CORRUPTIONS[kind](lines, line)
        struck[line] = kind
    (folder / "a.csv").write_bytes(b"\n".join(lines) + b"\n")
    with Vault(folder / "vault.sqlite") as vault:
        source = open_source(folder / "a.csv")
        run = vault.start_run("a")
        total = Counter[str]()
        apart = []
        for chunk in read_chunks(source, BANK, now=NOW, chunk_rows=size):
            counts, kept = vault.add(run, chunk)
            total.update(
                read=counts.read,
                accepted=counts.accepted,
                already_held=counts.already_held,
                quarantined=counts.quarantined,
            )
            apart += kept
        assert total["read"] == count
        assert total["read"] == total["accepted"] + total["already_held"] + total["quarantined"]
        assert total["accepted"] == vault.count()
        assert total["quarantined"] == len(apart) == len({item.line for item in apart})
        touched = {line + 1 for line in struck}
        assert {item.line for item in apart} <= touched
        if 1 not in struck and 2 not in struck:
            assert {item.line for item in apart} == touched
        again = Counter[str]()
        run = vault.start_run("again")
        for chunk in read_chunks(open_source(folder / "a.csv"), BANK, now=NOW, chunk_rows=size):
            counts, _ = vault.add(run, chunk)
            again.update(accepted=counts.accepted, read=counts.read)
        assert (again["accepted"], again["read"]) == (0, count)


def test_the_quarantine_file_tells_line_field_reason_and_record(tmp_path: Path) -> None:
    rows = made(6)
    rows[1]["amount"] = "-1"
    rows[4] = rows[0]
    path = write_csv(tmp_path / "rows.csv", rows)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = b"\xff" + lines[3]
    path.write_bytes(b"".join(lines))
    with Vault(tmp_path / "vault.sqlite") as vault:
        counts, file = take_in(vault, open_source(path), BANK, tmp_path / "quarantine", now=NOW)
    assert (counts.read, counts.accepted, counts.quarantined) == (6, 3, 3)
    assert file is not None
    assert file.stat().st_mode & 0o777 == 0o600
    with file.open(encoding="utf-8", newline="") as opened:
        kept = list(csv.DictReader(opened))
    assert [(k["line"], k["field"]) for k in kept] == [
        ("3", "amount"),
        ("4", "(line)"),
        ("6", "transaction_id"),
    ]
    assert rows[1]["transaction_id"] in kept[0]["record"]


def test_a_quarantine_can_hold_text_that_utf8_cannot(tmp_path: Path) -> None:
    frame = pd.DataFrame(made(1)).astype(object)
    frame.loc[0, "purpose"] = "\ud800"
    with Vault(tmp_path / "vault.sqlite") as vault:
        counts, file = take_in(vault, open_source(frame), BANK, tmp_path / "quarantine", now=NOW)
    assert counts.quarantined == 1
    assert file is not None
    assert "\\ud800" in file.read_text("utf-8")


def test_good_files_leave_no_quarantine(tmp_path: Path) -> None:
    with Vault(tmp_path / "vault.sqlite") as vault:
        source = open_source(write_csv(tmp_path / "a.csv", made(2)))
        _, file = take_in(vault, source, BANK, tmp_path / "quarantine", now=NOW)
    assert file is None
    assert not (tmp_path / "quarantine").exists()
