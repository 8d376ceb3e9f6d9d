"""Dates: business days, holidays and zones of the bank's country; what only the bank can date is open."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.calendars import add_months, calendar_of
from compliance.deadlines import due, keep_until
from compliance.jurisdictions import Establishment, home_of, homes_of, reach, read_banks
from compliance.model import Deadline, Retention
from ledger.errors import InputError

US, CA, DE, UK = (home_of(place) for place in ("US", "CA", "DE", "UK"))
NOON = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp())


def limit(value, unit, anchor=None) -> Deadline:
    return Deadline(value=value, unit=unit, anchor=anchor, span=(0, 1))


@pytest.mark.parametrize(
    ("home", "value", "unit", "event", "on"),
    [
        (US, 15, "day", date(2026, 1, 8), "2026-01-23"),
        (US, 1, "business_day", date(2026, 11, 25), "2026-11-27"),  # Thanksgiving between
        (US, 5, "business_day", date(2026, 7, 1), "2026-07-09"),  # Independence Day is kept on the Friday
        (CA, 5, "working_day", date(2026, 6, 29), "2026-07-07"),  # Canada Day
        (UK, 1, "business_day", date(2026, 4, 2), "2026-04-07"),  # Good Friday to Easter Monday
        (DE, 1, "working_day", date(2026, 10, 2), "2026-10-05"),  # German Unity Day on a Saturday
        (US, 2, "month", date(2025, 12, 31), "2026-02-28"),
        (US, 0, "day", date(2026, 1, 8), "2026-01-08"),
    ],
)
def test_last_days(home, value, unit, event, on):
    assert due(limit(value, unit, "the day of the transaction"), event, NOON, home).on == date.fromisoformat(
        on
    )


def test_hours_run_from_the_moment_in_the_zone_of_the_bank():
    found = due(limit(24, "hour", "the receipt of the amount"), date(2026, 3, 7), NOON, US)
    assert found.at == datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert found.at.utcoffset() == timedelta(hours=-5)


def test_a_last_day_that_is_closed_is_told_and_not_moved():
    found = due(limit(15, "day", "the day of the transaction"), date(2026, 11, 11), NOON, US)
    assert found.on == date(2026, 11, 26)
    assert "Thanksgiving" in found.words
    assert "the next is 2026-11-27" in found.words


@pytest.mark.parametrize(
    "anchor",
    [
        "the day on which the bank knows of the transaction",
        "the request of the authority",
        "the end of the business relationship",
        "the detection of the suspicious transaction",
        "the designation",
    ],
)
def test_what_only_the_bank_can_date_is_open(anchor):
    found = due(limit(30, "day", anchor), date(2026, 1, 8), NOON, US)
    assert found.on is None
    assert anchor in found.words
    kept = Retention(value=5, unit="year", minimum=True, anchor=anchor, span=(0, 1))
    assert keep_until(kept, date(2026, 1, 8)).on is None


def test_dates_of_the_calendar_and_dates_set_elsewhere():
    fbar = limit(None, "calendar_date", "on or before June 30 of each calendar year")
    clause = "accounts maintained during the previous calendar year"
    assert due(fbar, date(2026, 8, 1), NOON, US, clause=clause).on == date(2027, 6, 30)
    assert due(fbar, date(2026, 2, 1), NOON, US).on == date(2026, 6, 30)
    assert (
        due(limit(None, "external", "within the deadlines imposed by the FIU"), date(2026, 1, 1), 0, US).on
        is None
    )
    assert due(limit(5, "business_day", "the day of the transfer"), date(2026, 1, 1), 0, None).on is None


def test_records_are_kept_until():
    kept = Retention(value=5, unit="year", minimum=True, anchor="the date of the report", span=(0, 1))
    assert keep_until(kept, date(2024, 2, 29)).on is None, "the day of a report is not on the ledger"
    kept = Retention(value=5, unit="year", minimum=True, anchor=None, span=(0, 1))
    assert keep_until(kept, date(2024, 2, 29)).on == date(2029, 2, 28)


@given(
    st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    st.integers(0, 30),
    st.sampled_from(["US", "DE", "GB", "CA"]),
)
def test_business_days_agree_with_counting_by_hand(day, count, country):
    days = calendar_of(home_of(country))
    found = days.add_business_days(day, count)
    between = [day + timedelta(days=n) for n in range(1, (found - day).days + 1)]
    assert sum(days.closed(d) is None for d in between) == count
    assert count == 0 or days.closed(found) is None
    assert all(d.weekday() < 5 for d in between if days.closed(d) is None)


@given(st.dates(date(2000, 1, 1), date(2050, 1, 1)), st.integers(0, 200))
def test_months_never_skip_one(day, months):
    found = add_months(day, months)
    assert (found.year * 12 + found.month) - (day.year * 12 + day.month) == months
    assert found.day <= day.day


def test_where_a_bank_stands(tmp_path):
    table = tmp_path / "banks.csv"
    table.write_text("agent,country,zone\nCHARUS20,US-CA,America/Los_Angeles\nBANK-7,de,\n", "utf-8")
    known = read_banks(table)
    assert known["CHARUS20"] == Establishment("US", "CA", "America/Los_Angeles")
    homes = homes_of({1: "CHARUS20", 2: "ALFADE20XXX", 3: "BANK-7", 4: "NOBODY", 5: "ABCDZZ20"}, known)
    assert {code: home.country for code, home in homes.items()} == {1: "US", 2: "DE", 3: "DE"}
    for line, message in (("X,QQ,", "no ISO 3166"), ("X,DE,Mars/Base", "unknown time zone")):
        table.write_text(f"agent,country,zone\n{line}\n", "utf-8")
        with pytest.raises(InputError, match=message) as caught:
            read_banks(table)
        assert caught.value.where.endswith("line 2")


def test_jurisdictions_reach_countries():
    assert reach("US") == {840}
    assert reach("UK") == {826}
    assert {276, 250} < reach("EU")
    assert len(reach("EU")) == 27
    assert 826 not in reach("EU")
    assert reach(None) is None
