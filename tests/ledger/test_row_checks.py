"""Every column of every row is checked: what the encoder makes passes, and each edge of each rule holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.batch_errors import BatchError
from ledger.encoding.policy import Policy
from ledger.encoding.rows import ROW
from ledger.money import ALPHA
from ledger.row_checks import Circumstances, RowChecks
from ledger.schema import ROW_VERSION, Flags, Side, TokenKind
from ledger.verdicts import Reason

HOUR, DAY = 3_600, 86_400
BUCKET = 490_000
START = BUCKET * HOUR
FOREVER = (-(2**62), 2**62)
POLICY = Policy(cuts={"EUR": [1_000_001]})
HERE = Circumstances(1, frozenset({1, 2, 3}), POLICY, FOREVER, START + HOUR)

Rows = npt.NDArray[np.void]


def rows(count: int = 3, **columns: Any) -> Rows:
    """Make rows that pass, but for the columns that are given, in the last row."""
    made = np.zeros(count, ROW)
    made["version"], made["side"], made["token_kind"] = ROW_VERSION, Side.DEBIT, TokenKind.UETR
    made["debtor_agent"], made["creditor_agent"], made["currency"] = 1, 2, 978
    made["time_bucket"], made["business_date"] = BUCKET, BUCKET // 24
    for name in ("debtor_account", "creditor_account", "match_token", "record_root"):
        made[name] = [bytes([n + 1]) * ROW[name].itemsize for n in range(count)]
    for name, value in columns.items():
        made[name][-1] = value
    return made


def problem(made: Rows, where: Circumstances = HERE) -> BatchError:
    with pytest.raises(BatchError) as caught:
        RowChecks(made, where).run()
    return caught.value


def test_rows_that_pass_give_their_intervals() -> None:
    intervals = RowChecks(rows(amount_band=5), HERE).run()
    assert {name: values.dtype for name, values in intervals.items()} == dict.fromkeys(
        ("amount_low", "amount_high", "time_low", "time_high"), np.dtype(np.int64)
    )
    assert intervals["time_low"].tolist() == [START] * 3
    assert intervals["time_high"].tolist() == [START + HOUR] * 3
    edges = POLICY.bands("EUR").edges
    assert (intervals["amount_low"][2], intervals["amount_high"][2]) == (edges[4], edges[5] - 1)


def test_no_rows_pass() -> None:
    assert all(len(values) == 0 for values in RowChecks(rows(0), HERE).run().values())


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"version": 1}, Reason.COLUMN), ({"channel": 8}, Reason.COLUMN), ({"flags": 64}, Reason.COLUMN),
        ({"party_type": 5}, Reason.COLUMN), ({"lag_class": 6}, Reason.COLUMN),
        ({"key_generation": 1}, Reason.COLUMN), ({"creditor_agent": 4}, Reason.COLUMN),
        ({"debtor_country": 65_535}, Reason.COLUMN), ({"creditor_country": 281}, Reason.COLUMN),
        ({"reserved": b"\1\0\0\0\0"}, Reason.COLUMN), ({"reserved": b"\0\0\0\0\1"}, Reason.COLUMN),
        ({"token_kind": 0}, Reason.COLUMN), ({"token_kind": 3}, Reason.COLUMN),
        ({"token_kind": 255}, Reason.COLUMN), ({"side": 2}, Reason.SIDE), ({"side": 0}, Reason.SIDE),
        ({"debtor_agent": 3}, Reason.SIDE), ({"currency": 1}, Reason.AMOUNT),
        ({"amount_band": 65_535}, Reason.AMOUNT), ({"time_bucket": 0}, Reason.TIME),
        ({"time_bucket": 2**32 - 1}, Reason.TIME), ({"business_date": 0}, Reason.TIME),
        ({"debtor_account": bytes(16)}, Reason.IDENTIFIER), ({"record_root": bytes(32)}, Reason.IDENTIFIER),
        ({"creditor_account": bytes(16)}, Reason.IDENTIFIER), ({"match_token": bytes(16)}, Reason.IDENTIFIER),
    ],
)  # fmt: skip
@pytest.mark.parametrize("decoy", [False, True])
def test_one_wrong_value_is_named_with_its_row(columns: dict[str, Any], reason: Reason, decoy: bool) -> None:
    made = rows(**columns)
    if decoy and "flags" not in columns:
        made["flags"][-1] = Flags.DECOY
    error = problem(made)
    assert error.reason is reason
    (name,) = columns
    named = "side" if reason is Reason.SIDE else name
    assert error.what.startswith(f"row 2 has a wrong {named}: expected ")


@pytest.mark.parametrize(
    "columns",
    [
        {"channel": 7}, {"party_type": 4}, {"lag_class": 5}, {"flags": sum(Flags)}, {"creditor_agent": 3},
        {"debtor_country": 276, "creditor_country": 0}, {"currency": 392}, {"party": b"p" * 16},
        {"on_behalf_of": b"o" * 16}, {"token_kind": TokenKind.TUPLE},
        {"creditor_agent": 0, "token_kind": TokenKind.OWN},
        {"side": Side.CREDIT, "debtor_agent": 2, "creditor_agent": 1},
        {"side": Side.CREDIT, "debtor_agent": 0, "creditor_agent": 1, "token_kind": TokenKind.OWN},
        {"side": Side.ON_US, "creditor_agent": 1, "token_kind": TokenKind.OWN},
        {"record_root": bytes(31) + b"\1"}, {"debtor_account": b"\1" + bytes(15)},
    ],
)  # fmt: skip
def test_each_value_of_a_list_passes(columns: dict[str, Any]) -> None:
    RowChecks(rows(**columns), HERE).run()


EDGES: list[tuple[str, Callable[[int], tuple[Rows, Circumstances]]]] = [
    ("clock", lambda over: (rows(), replace(HERE, block_time=START + HOUR - 300 - over))),
    ("age", lambda over: (rows(), replace(HERE, block_time=START + 3_653 * DAY + over))),
    ("epoch begins", lambda over: (rows(), replace(HERE, epoch=(START + HOUR - 1 + over, 2**62)))),
    ("epoch ends", lambda over: (rows(), replace(HERE, epoch=(-(2**62), START + 1 - over)))),
]


@pytest.mark.parametrize(("name", "make"), EDGES, ids=[name for name, _ in EDGES])
def test_the_edges_of_time_hold_to_the_second(
    name: str, make: Callable[[int], tuple[Rows, Circumstances]]
) -> None:
    made, where = make(0)
    RowChecks(made, where).run()
    error = problem(*make(1))
    assert error.reason is Reason.TIME
    assert "wrong time_bucket" in error.what


@pytest.mark.parametrize("unit", ["hour", "day"])
@pytest.mark.parametrize("days", [-33, -32, -31, 0, 31, 32, 33])
def test_the_edges_of_the_business_date_hold(unit: Any, days: int) -> None:
    """At most 31 whole days lie between the day and the bucket."""
    policy = Policy(time_unit=unit)
    bucket, day = START // policy.bucket_seconds, START // DAY
    where = replace(HERE, policy=policy, block_time=START + DAY)
    made = rows(1, time_bucket=bucket, business_date=day + days)
    low, high = bucket * policy.bucket_seconds, (bucket + 1) * policy.bucket_seconds
    apart = max((day + days) * DAY - high, low - (day + days + 1) * DAY)
    if apart < 31 * DAY:
        RowChecks(made, where).run()
    else:
        assert problem(made, where).reason is Reason.TIME


def test_bands_that_cannot_be_are_the_policys_fault() -> None:
    error = problem(rows(), replace(HERE, policy=Policy(grid=(0, 10))))
    assert error.reason is Reason.POLICY
    assert "no valid bands for the currency 978" in error.what


@settings(max_examples=300)
@given(data=st.binary(min_size=ROW.itemsize, max_size=ROW.itemsize), sound=st.booleans(), draw=st.data())
def test_any_bytes_are_refused_or_can_be_read(data: bytes, sound: bool, draw: st.DataObject) -> None:
    """No row fails later than here: what passes has intervals that every reader can compute with."""
    octets = bytearray(rows(1).tobytes() if sound else data)
    for _ in range(draw.draw(st.integers(0, 3))):
        octets[draw.draw(st.integers(0, len(octets) - 1))] = draw.draw(st.integers(0, 255))
    made = np.frombuffer(bytes(octets), ROW)
    try:
        intervals = RowChecks(made, HERE).run()
    except BatchError:
        return
    assert 0 <= intervals["amount_low"][0] <= intervals["amount_high"][0]
    assert intervals["time_high"][0] <= HERE.block_time + 300
    assert int(made["currency"][0]) in ALPHA


@given(data=st.binary(min_size=16, max_size=16), name=st.sampled_from(["reserved", "match_token", "side"]))
def test_no_error_repeats_the_bytes_of_a_row(data: bytes, name: str) -> None:
    made = rows(**{name: bytes(16)} if name == "match_token" else {})
    made["debtor_account"][-1] = made["party"][-1] = data
    if name == "reserved":
        made[name][-1] = b"\1" + data[:4]
    elif name == "side":
        made[name][-1] = 7
    text = str(problem(made))
    assert data.hex() not in text
    assert repr(data) not in text
