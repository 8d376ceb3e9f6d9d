"""Boundaries: "more than 10,000" is not tripped by 10,000.00, "10,000 or more" is; on bands as on amounts."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.check import run_with_summary
from compliance.checks.interval import cut_points, minor_interval
from compliance.extract import extract_text
from compliance.model import Trigger
from compliance.ruleset import RuleSet, build, cuts
from ledger.encoding import band_arrays
from ledger.encoding.bands import MAX_AMOUNT, Bands, logarithmic_grid
from ledger.schema import Channel, Flags

OPS = {
    "gt": lambda a, t: a > t,
    "ge": lambda a, t: a >= t,
    "lt": lambda a, t: a < t,
    "le": lambda a, t: a <= t,
    "eq": lambda a, t: a == t,
}


def ruleset(words: str, jurisdiction: str = "US") -> RuleSet:
    text = f"12 {words}"
    return build("test", [(extract_text(text, document="t.txt", jurisdiction=jurisdiction), text)])


def transfers(rows: list[dict]) -> pa.Table:
    base = {
        "debtor_account": "D",
        "creditor_account": "C",
        "channel": int(Channel.CASH),
        "currency": 840,
        "flags": 0,
        "time_low": 1_700_000_000,
        "business_date": 19_000,
    }
    full = [base | row for row in rows]
    for row in full:
        row.setdefault("amount_low", row.get("amount"))
        row.setdefault("amount_high", row.get("amount"))
        row.pop("amount", None)
        row.setdefault("time_high", row["time_low"] + 1)
    return pa.Table.from_pylist(full)


@given(
    st.sampled_from(sorted(OPS)),
    st.decimals(min_value=1, max_value=10_000_000, places=2),
    st.integers(-200, 200),
    st.sampled_from(["USD", "JPY", "KWD"]),
)
def test_a_band_cut_at_the_threshold_decides_exactly_as_the_amount_does(op, threshold, offset, currency):
    text = f"{threshold:f}"
    text = text.rstrip("0").rstrip(".")
    trigger = Trigger(op=op, amount=text, currency=currency, span=(0, 1))
    interval = minor_interval(trigger)
    places = {"USD": 2, "JPY": 0, "KWD": 3}[currency]
    exact = threshold.scaleb(places)
    amount = max(0, int(exact) + offset)
    bands = Bands([*logarithmic_grid(), *cut_points(interval)])
    low, high = band_arrays.decode(bands, [bands.band(amount)])
    surely = interval.low <= low[0] and high[0] <= interval.high
    perhaps = interval.low <= high[0] and low[0] <= interval.high
    assert surely == perhaps == OPS[op](amount, exact)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(990_000, 1_010_000), st.integers(0, 20_000)), min_size=1, max_size=20))
def test_an_uncut_band_never_claims_more_than_it_knows(bands):
    rules = ruleset("A bank shall report each transaction in currency of more than $10,000.")
    table = transfers([{"amount_low": low, "amount_high": low + width} for low, width in bands])
    decided = dict.fromkeys(range(len(bands)), "none")
    for flag in run_with_summary(rules, table).findings:
        (row,) = flag.details["table_rows"]
        decided[row] = flag.certainty
    for row, (low, width) in enumerate(bands):
        trips = [amount > 1_000_000 for amount in (low, low + width)]
        assert decided[row] == ("certain" if all(trips) else "possible" if any(trips) else "none")


@pytest.mark.parametrize(
    ("words", "edge"),
    [
        ("more than $10,000", 1_000_001),
        ("$10,000 or more", 1_000_000),
        ("at least $10,000", 1_000_000),
        ("in excess of $10,000", 1_000_001),
        ("not less than $9,999.99", 999_999),
    ],
)
def test_text_to_finding_at_the_cent(words, edge):
    rules = ruleset(f"A bank shall file a report of each transaction in currency of {words}.")
    assert cuts(rules) == {"USD": [edge]}
    found = run_with_summary(rules, transfers([{"amount": edge - 1}, {"amount": edge}, {"amount": edge + 1}]))
    assert [flag.details["table_rows"] for flag in found.findings] == [[1], [2]]
    assert all(flag.certainty == "certain" for flag in found.findings)


def test_a_range_has_both_its_ends():
    rules = ruleset("A bank shall report each cash transaction of $3,000-$10,000, inclusive.")
    trigger = rules.rules[0].trigger
    assert (trigger.op, trigger.amount, trigger.amount_max) == ("range_incl", "3000", "10000")
    assert cuts(rules) == {"USD": [300_000, 1_000_001]}
    amounts = [299_999, 300_000, 1_000_000, 1_000_001]
    found = run_with_summary(rules, transfers([{"amount": a} for a in amounts]))
    assert [flag.details["table_rows"] for flag in found.findings] == [[1], [2]]


def test_a_band_that_straddles_the_threshold_is_possible_and_said_so():
    rules = ruleset("A bank shall file a report of each transaction in currency of more than $10,000.")
    table = transfers([{"amount_low": 794_329, "amount_high": 1_258_925}])
    found = run_with_summary(rules, table, policy_cuts={"USD": [794_329, 1_258_926]})
    assert [flag.certainty for flag in found.findings] == ["possible"]
    assert "between 7,943.29 and 12,589.25 USD" in found.findings[0].explanation
    assert found.summary[0].exact is False
    assert run_with_summary(rules, table, policy_cuts={"USD": [1_000_001]}).summary[0].exact is True


def test_the_top_band_is_certain():
    rules = ruleset("A bank shall file a report of each transaction in currency of more than $10,000.")
    found = run_with_summary(rules, transfers([{"amount_low": 10**14, "amount_high": MAX_AMOUNT}]))
    assert [flag.certainty for flag in found.findings] == ["certain"]


def test_exempt_transfers_trip_nothing_and_are_counted():
    rules = ruleset("A bank shall file a report of each transaction in currency of more than $10,000.")
    found = run_with_summary(rules, transfers([{"amount": 2_000_000, "flags": int(Flags.EXEMPT)}]))
    assert found.findings == []
    assert found.summary[0].exempted == 1


def test_other_currencies_are_not_converted_without_a_rate():
    rules = ruleset(
        "Banks shall report a cash transaction of EUR 10 000 or more, or the equivalent in national currency.",  # noqa: E501
        "EU",
    )
    found = run_with_summary(rules, transfers([{"amount": 9_000_000, "currency": 756}]))
    assert found.findings == []
    assert found.summary[0].unconverted == 1
