"""Sums over one business day and over 24 consecutive hours, against a slow oracle that tries every window."""

from __future__ import annotations

from itertools import product

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.check import run_with_summary
from compliance.extract import extract_text
from compliance.ruleset import RuleSet, build
from ledger.flag import RowRef
from ledger.schema import Flags

DAY = (
    "9 Several currency transactions shall be treated as a single transaction if the bank has knowledge that "
    "they are by or on behalf of any person and result in either cash in or cash out totaling more than $10,000 "  # noqa: E501
    "during any one business day."
)
HOURS = (
    "9 If a bank receives amounts in cash that total $10,000 or more in two or more transactions made within "
    "24 consecutive hours, those transactions are deemed to be a single transaction."
)
W = 24 * 3600
TUESDAY = 19_003
IN, OUT = int(Flags.CASH_IN), int(Flags.CASH_OUT)


def rules(text: str) -> RuleSet:
    return build("test", [(extract_text(text, document="us_t.txt"), text)])


def table(rows: list[dict]) -> pa.Table:
    full = []
    for i, row in enumerate(rows):
        row = {
            "creditor_account": "C",
            "debtor_account": None,
            "creditor_agent": 7,
            "debtor_agent": 0,
            "flags": IN,
            "currency": 840,
            "channel": 1,
            "time_low": 1_700_000_000 + i,
            "business_date": TUESDAY,
        } | row
        amount = row.pop("amount", None)
        row.setdefault("amount_low", amount)
        row.setdefault("amount_high", amount)
        row.setdefault("time_high", row["time_low"] + 1)
        full.append(row)
    kinds = {True: pa.string(), False: pa.int64()}
    schema = pa.schema([(k, kinds[k.endswith(("account", "behalf"))]) for k in full[0]])
    return pa.Table.from_pylist(full, schema=schema)


@pytest.mark.parametrize(("second", "found"), [(500_000, 0), (500_001, 1)])
def test_the_business_day_sum_at_the_cent(second, found):
    run = run_with_summary(rules(DAY), table([{"amount": 500_000}, {"amount": second}]))
    assert len(run.findings) == found
    for flag in run.findings:
        assert flag.certainty == "certain"
        assert [(e.pseudonym, e.agent) for e in flag.entities] == [("C", 7)]
        assert flag.details["needs_member"] == ["knowledge: “if the bank has knowledge”"]
        assert "add up to 10,000.01 USD" in flag.explanation


@pytest.mark.parametrize(
    "other",
    [
        {"business_date": TUESDAY + 1},
        {"creditor_account": "D"},
        {"creditor_agent": 8},
        {"flags": OUT, "debtor_account": "C", "debtor_agent": 7},
        {"flags": IN | int(Flags.EXEMPT)},
        {"currency": 124},
        {"channel": 2, "flags": 0},
    ],
    ids=[
        "next day",
        "another customer",
        "another bank",
        "cash out",
        "exempt",
        "another currency",
        "not cash",
    ],
)
def test_what_does_not_belong_to_the_sum(other):
    run = run_with_summary(rules(DAY), table([{"amount": 600_000}, {"amount": 600_000} | other]))
    assert [flag for flag in run.findings if flag.details["reach"] == "bank"] == []


def test_who_acts_on_behalf_of_another_counts_for_both():
    rows = [{"amount": 600_000, "creditor_account": a, "creditor_on_behalf": "Z"} for a in ("A", "B")]
    run = run_with_summary(rules(DAY), table(rows).to_pandas())
    assert [[e.pseudonym for e in flag.entities] for flag in run.findings] == [["Z"]]


@pytest.mark.parametrize(("gap", "found"), [(W - 1, 1), (W, 0)])
def test_the_last_second_of_24_hours(gap, found):
    start = 1_700_000_000
    rows = [{"amount": 500_000, "time_low": start}, {"amount": 500_000, "time_low": start + gap}]
    run = run_with_summary(rules(HOURS), table(rows))
    assert len(run.findings) == found


def test_a_single_transaction_is_no_sum():
    assert run_with_summary(rules(HOURS), table([{"amount": 5_000_000}])).findings == []


rows_of_one_customer = st.lists(
    st.tuples(st.integers(0, 60), st.integers(100_000, 700_000), st.integers(0, 150_000)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(rows_of_one_customer, st.sampled_from([1, 3600]))
def test_rolling_windows_agree_with_trying_every_window(rows, bucket):
    """Certain: every placement in the buckets trips. Possible: at least one does. Lows and highs alike."""
    start = 1_700_000_000 - 1_700_000_000 % 3600
    data = [
        {
            "amount_low": low,
            "amount_high": low + more,
            "time_low": start + 3600 * hour,
            "time_high": start + 3600 * hour + bucket,
        }
        for hour, low, more in rows
    ]
    found = {flag.certainty for flag in run_with_summary(rules(HOURS), table(data)).findings}

    def trips(field: str, inside) -> bool:
        starts = {d["time_low"] for d in data} | {d["time_high"] - 1 for d in data}
        for s in starts:
            members = [d for d in data if inside(d, s)]
            if len(members) > 1 and sum(d[field] for d in members) >= 1_000_000:
                return True
        return False

    surely = trips("amount_low", lambda d, s: d["time_low"] >= s and d["time_high"] <= s + W)
    maybe = trips("amount_high", lambda d, s: d["time_high"] > s and d["time_low"] < s + W)
    assert ("certain" in found) == surely
    assert bool(found) == maybe


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 900_000)), min_size=1, max_size=8)
)
def test_days_agree_with_summing_by_hand(rows):
    data = [{"creditor_account": f"C{c}", "business_date": TUESDAY + d, "amount": a} for c, d, a in rows]
    run = run_with_summary(rules(DAY), table([dict(d) for d in data]))
    expected = 0
    for customer, day in product(range(3), range(3)):
        amounts = [a for c, d, a in rows if (c, d) == (customer, day)]
        expected += len(amounts) > 1 and sum(amounts) > 1_000_000
    assert len(run.findings) == expected


def test_rows_on_the_ledger_are_named_by_their_place():
    halves = {
        "credit_member": 7,
        "credit_sequence": 3,
        "debit_member": -1,
        "debit_sequence": -1,
        "debit_index": -1,
    }
    rows = [{"amount": 700_000, "credit_index": i} | halves for i in (4, 5)]
    flag = run_with_summary(rules(DAY), table(rows)).findings[0]
    assert flag.rows == (RowRef(7, 3, 4), RowRef(7, 3, 5))
    assert flag.citation
    assert flag.clause.startswith("Several currency transactions")
    assert flag.from_json(flag.to_json()) == flag
