"""Reading the mirror: by period, by row, at its position; a period that no clock and no bank can move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import ConfigurationError, InputError
from ledger.flag import RowRef
from ledger.segment import Manifest, SegmentError, write_batches, write_table
from ledger.tables import TRANSFER
from ledger.transfers.mirror import load_mirror, load_rows, usual_period
from ledger.transfers.period import DAY, DEFAULT_DAYS, Period

HOUR = 3_600


@pytest.fixture
def mirror(tmp_path: Path, transfers, position) -> Path:
    """A mirror of 60 hourly transfers, ten to a row group."""
    return written(tmp_path, transfers, position, [hour * HOUR for hour in range(60)])


def written(folder: Path, transfers, position, times: list[int]) -> Path:
    payments = [{"src": "a", "dst": "b", "t_low": t, "t_high": t + HOUR} for t in times]
    table = transfers(payments)
    parts = (table.slice(start, 10) for start in range(0, len(times), 10))
    entry = write_batches(folder / "transfers.parquet", parts, TRANSFER, log_from=0, log_to=3)
    Manifest(position, (), entry).write(folder)
    return folder


def test_the_mirror_is_read_at_its_position_and_checked(tmp_path, transfers, position) -> None:
    with pytest.raises(ConfigurationError, match="no mirror yet"):
        load_mirror(tmp_path)
    Manifest(position, (), None).write(tmp_path)
    with pytest.raises(ConfigurationError, match="no matched transfers"):
        load_mirror(tmp_path)
    table = transfers([{"src": "a", "dst": "b"}])
    entry = write_table(tmp_path / "transfers.parquet", table, log_from=0, log_to=3)
    Manifest(position, (), entry).write(tmp_path)
    got, at = load_mirror(tmp_path)
    assert at == position
    assert got.equals(table)
    data = bytearray((tmp_path / "transfers.parquet").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "transfers.parquet").write_bytes(data)
    with pytest.raises(SegmentError, match="bytes changed"):
        load_mirror(tmp_path)


@given(begin=st.integers(-5, 62), length=st.integers(1, 70))
@settings(max_examples=40, deadline=None)
def test_a_period_holds_exactly_the_buckets_that_begin_in_it(
    tmp_path_factory, transfers, position, begin: int, length: int
) -> None:
    folder = written(
        tmp_path_factory.mktemp("mirror"), transfers, position, [hour * HOUR for hour in range(60)]
    )
    period = Period(begin * HOUR, (begin + length) * HOUR)
    whole, _ = load_mirror(folder)
    part, at = load_mirror(folder, period=period)
    hours = [hour for hour in range(60) if begin <= hour < begin + length]
    assert part.column("debit_index").to_pylist() == hours
    assert part.equals(whole.take(pa.array(hours, pa.int64())))
    assert part.equals(period.select(whole))
    assert at == position


def test_row_groups_outside_the_period_are_not_read(mirror, monkeypatch) -> None:
    read: list[int] = []
    group = pa.parquet.ParquetFile.read_row_group
    monkeypatch.setattr(
        pa.parquet.ParquetFile, "read_row_group", lambda f, i, **k: read.append(i) or group(f, i, **k)
    )
    assert load_mirror(mirror, period=Period(25 * HOUR, 35 * HOUR))[0].num_rows == 10
    assert read == [2, 3]


def test_named_rows_are_found_wherever_they_stand(mirror) -> None:
    rows = load_rows(mirror, [RowRef(1, 1, 3), RowRef(1, 1, 58), RowRef(1, 2, 4), RowRef(9, 9, 9)])
    assert rows.column("debit_index").to_pylist() == [3, 58]
    assert load_rows(mirror, []).num_rows == 0


def test_the_usual_period_ends_with_the_newest_payments_and_not_with_the_clock(mirror) -> None:
    end = 60 * HOUR
    assert usual_period(mirror, as_of=10**10) == Period(end - DEFAULT_DAYS * DAY, end)
    assert usual_period(mirror, as_of=10**10, days=1) == Period(end - DAY, end)
    assert usual_period(mirror, as_of=10**10, since=HOUR) == Period(HOUR, end)
    with pytest.raises(InputError, match="nothing to scan"):
        usual_period(mirror, as_of=10**10, since=end)


@pytest.mark.parametrize("count", [1, 25])
def test_payments_of_a_time_to_come_move_nobodys_period(tmp_path, transfers, position, count) -> None:
    times = [hour * HOUR for hour in range(60)] + [10**9 + i for i in range(count)]
    folder = written(tmp_path, transfers, position, times)
    assert usual_period(folder, as_of=60 * HOUR).end == 60 * HOUR
    assert load_mirror(folder, period=usual_period(folder, as_of=60 * HOUR))[0].num_rows == 60


def test_an_empty_table_has_a_period_too(tmp_path, transfers, position) -> None:
    entry = write_table(tmp_path / "transfers.parquet", transfers([]), log_from=0, log_to=0)
    Manifest(position, (), entry).write(tmp_path)
    assert usual_period(tmp_path, as_of=50).end == 50
    assert load_mirror(tmp_path, period=Period(0, 1))[0].num_rows == 0


def test_a_period_has_two_whole_ends_in_order() -> None:
    for begin, end in ((1, 1), (2, 1), (0.5, 2), (True, 2), ("a", "b"), (np.int64(1), 2)):
        with pytest.raises(ValueError, match="is not a period"):
            Period(begin, end)  # type: ignore[arg-type]
