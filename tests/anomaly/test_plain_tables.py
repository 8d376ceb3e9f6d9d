"""Plain files and the mirror as transfers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from anomaly.graph import TemporalGraph
from anomaly.scan import scan
from anomaly.tables import read_file, transfers_of
from ledger.errors import InputError
from ledger.flag import OFF_LEDGER
from ledger.schema import Flags
from ledger.tables import TRANSFER

SHARED = Path(__file__).resolve().parents[2] / "../shared/data"

GOOD = pd.DataFrame(
    {
        "timestamp": ["2026-01-05T10:00:00Z", "2026-01-05 10:00:01", "2026-01-06T00:00:00+02:00"],
        "src_bank": ["n", "n", "s"],
        "src": ["1", "2", "1"],
        "dst_bank": ["s", "s", "n"],
        "dst": ["1", "1", "2"],
        "amount": ["10.25", "7", "0"],
        "currency": ["EUR", "JPY", "BHD"],
        "tx_type": ["TRANSFER", "DEPOSIT", "WITHDRAWAL"],
    }
)


def test_amounts_are_minor_units_of_their_currency_and_times_are_utc() -> None:
    table = transfers_of(GOOD).transfers
    assert table.schema == TRANSFER
    assert table.column("amount_low").to_pylist() == table.column("amount_high").to_pylist() == [1025, 7, 0]
    times = table.column("time_low").to_pylist()
    assert times == [1767607200, 1767607201, 1767650400]
    assert [high - low for low, high in zip(times, table.column("time_high").to_pylist(), strict=True)] == [
        1
    ] * 3
    assert table.column("flags").to_pylist() == [0, Flags.CASH_IN, Flags.CASH_OUT]


def test_an_account_number_means_nothing_without_its_bank() -> None:
    plain = transfers_of(GOOD)
    graph = TemporalGraph.from_transfers(plain.transfers)
    assert graph.accounts == 3
    assert sorted(plain.accounts[p.hex()] for p in graph.pseudonyms) == [("n", "1"), ("n", "2"), ("s", "1")]
    assert sorted(plain.banks.values()) == ["n", "s"]


def test_the_transaction_schema_is_read_from_csv(tmp_path) -> None:
    frame = GOOD.rename(
        columns={
            "src_bank": "debtor_agent", "src": "debtor_account", "dst_bank": "creditor_agent",
            "dst": "creditor_account",
        }
    ).drop(columns="tx_type")  # fmt: skip
    frame = frame.assign(cash_in=["", "true", ""], party_id=["p", "q", "r"], on_behalf_of=["", "z", ""])
    frame.to_csv(tmp_path / "bank.csv", index=False)
    table = read_file(tmp_path / "bank.csv").transfers
    assert table.column("flags").to_pylist() == [0, Flags.CASH_IN, 0]
    assert [p is not None for p in table.column("creditor_party").to_pylist()] == [False, True, False]
    assert [p is not None for p in table.column("creditor_on_behalf").to_pylist()] == [False, True, False]
    assert table.column("debtor_party").null_count == 3


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("amount", "ten", "no amount"),
        ("amount", "-1", "no amount"),
        ("amount", "nan", "no amount"),
        ("amount", "1e15", "no amount"),
        ("currency", "XXQ", "currency"),
        ("timestamp", "yesterday", "valid ISO 8601 timestamp"),
        ("src", None, "lacks an account"),
    ],
)
def test_a_bad_row_is_named(column, value, message) -> None:
    frame = GOOD.astype(object)
    frame.loc[1, column] = value
    with pytest.raises(InputError, match=f"{message}.*row 1"):
        transfers_of(frame)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InputError, match="lacks the columns dst_bank"):
        transfers_of(GOOD.drop(columns="dst_bank"))


def test_a_file_that_cannot_be_read_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        read_file(tmp_path / "nowhere.parquet")
    (tmp_path / "bad.csv").write_bytes(b"timestamp,src\n\xff\xfe,1\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_file(tmp_path / "bad.csv")


def test_labels_are_not_read() -> None:
    labelled = GOOD.assign(is_laundering=[1, 0, 1], pattern_type=["cycle", "", "x"])
    assert transfers_of(labelled).transfers.equals(transfers_of(GOOD).transfers)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data sets are not beside this checkout")
def test_real_files_scan_to_a_readable_number_of_flags() -> None:
    for name, rows in (("tide", 30_000), ("amlgentex_a2a", 30_000)):
        plain = read_file(SHARED / f"{name}.parquet", rows=rows)
        flags = scan(plain.transfers, OFF_LEDGER)
        assert len(flags) < 250
        assert all(ref.index < rows for flag in flags for ref in flag.rows)
