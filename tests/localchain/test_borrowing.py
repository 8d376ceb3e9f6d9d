"""A log's data that stands in its transaction is stored once and read back byte for byte."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from localchain.borrowing import borrow, restore
from localchain.database import Database
from localchain.index import Index, LogFilter, LogRow, TransactionRow, block_rows


def _piece(raw, found):
    return raw[found.start : found.start + found.length] if found.length else None


@given(
    head=st.binary(max_size=300),
    shared=st.one_of(st.binary(max_size=2000), st.builds(bytes, st.integers(0, 2000))),
    tail=st.binary(max_size=300),
    before=st.binary(max_size=300),
    after=st.binary(max_size=300),
)
def test_whatever_is_borrowed_comes_back(head, shared, tail, before, after):
    data, raw = head + shared + tail, before + shared + after
    found = borrow(data, raw)
    assert restore(found.kept, found.gap, _piece(raw, found)) == data
    assert len(found.kept) + found.length == len(data)


@given(head=st.binary(max_size=200), tail=st.binary(max_size=200), seed=st.integers(0, 9))
def test_a_payload_of_some_length_is_kept_once(head, tail, seed):
    payload = os.urandom(1500)
    found = borrow(head + payload + tail, b"calldata" + payload + tail[:seed] + b"signature")
    assert found.length >= len(payload)


def test_short_data_and_data_from_elsewhere_stay_whole():
    assert borrow(b"x" * 100, b"x" * 1000).length == 0
    data = os.urandom(4000)
    assert borrow(data, os.urandom(8000)).kept == data


def test_logs_of_an_earlier_version_read_as_they_were(tmp_path):
    path = tmp_path / "chain.sqlite3"
    database = Database(path)
    for column in ("gap", "borrowed_from", "borrowed"):
        database._writer.execute(f"ALTER TABLE logs DROP COLUMN {column}")
    old = os.urandom(5000)
    database._writer.execute(
        "INSERT INTO logs VALUES (?, 0, ?, ?, NULL, NULL, NULL, NULL, ?, ?)",
        (LogRow.key(1, 0), b"h" * 32, b"a" * 20, len(old), old),
    )
    database.close()

    database = Database(path)
    new = os.urandom(5000)
    raw = b"before" + new + b"after"
    row = TransactionRow(2, 0, b"i" * 32, b"s" * 20, None, 1, 0, 0, 0, len(raw), raw)
    log = LogRow(LogRow.key(2, 0), 0, b"i" * 32, b"a" * 20, size=len(new), data=new)
    database.commit(block_rows(2, b"b" * 32, [row], [log]))
    assert [log.data for log in Index(database).logs(LogFilter(0, 9), size=10**6)] == [old, new]
    database.close()
    assert path.stat().st_size < 3 * 5000 + 70_000
