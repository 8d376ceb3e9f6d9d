"""A clock that jumps: what it says is named, rows wait or go on, nothing is lost, doubled or had for free."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.consortium import Poster, SmallConsortium
from tests.support.renewed import renewed
from tests.support.rows import OUTSIDER, row, write_csv

BANK = "ALFADEFF"
HOUR = timedelta(hours=1)


@pytest.fixture
def bank(fresh_consortium: SmallConsortium, tmp_path: Path) -> Poster:
    """A bank on an empty ledger."""
    return Poster(renewed(fresh_consortium, tmp_path / "home", "BatchLedger"), BANK)


def rows(bank: Poster, moments: list[datetime], first: int = 0) -> Path:
    made = [row(first + n, moment, BANK, OUTSIDER, bank=BANK) for n, moment in enumerate(moments)]
    return write_csv(bank.consortium.home.root / f"rows-{first}.csv", made)


@pytest.mark.parametrize("behind", [timedelta(minutes=6), timedelta(days=3), timedelta(days=20_000)])
def test_a_clock_that_went_back_is_named_and_the_rows_go_on_when_it_is_set(
    bank: Poster, behind: timedelta
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    path = rows(bank, [now - timedelta(seconds=n) for n in range(5)])
    wrong = now - behind
    counts = bank.consortium.take_in(BANK, path, now=wrong)
    assert (counts.accepted, counts.quarantined) == (0, 5)
    (apart,) = bank.consortium.home.member(BANK).quarantine.iterdir()
    assert f"the clock here says {wrong:%Y-%m-%dT%H:%M:%SZ}" in apart.read_text("utf-8")
    assert bank.consortium.take_in(BANK, path, now=now).accepted == 5


def test_five_minutes_are_within_what_clocks_differ(bank: Poster) -> None:
    now = datetime.now(UTC)
    path = rows(bank, [now + timedelta(seconds=290)])
    assert bank.consortium.take_in(BANK, path, now=now).accepted == 1


def test_while_the_clock_is_behind_rows_wait_and_then_they_go_on(bank: Poster) -> None:
    now = datetime.now(UTC)
    bank.consortium.take_in(BANK, rows(bank, [now - 3 * HOUR, now - 2 * HOUR]))
    assert bank.seal(now=now - timedelta(days=400)).rows == 0
    assert bank.seal(now=now).rows == 2
    assert bank.post() == 1


def test_a_clock_that_went_forward_and_back_posts_every_row_once(bank: Poster) -> None:
    """A bucket that was sealed too early is told in two batches: that costs order, not rows."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 3 * HOUR
    first = [start + timedelta(minutes=n) for n in range(10)]
    bank.consortium.take_in(BANK, rows(bank, first))
    assert bank.seal(now=start + timedelta(minutes=10)).rows == 0
    assert bank.seal(now=start + timedelta(days=1)).rows == 10
    assert bank.post() == 1
    rest = [start + timedelta(minutes=n) for n in range(30, 40)]
    bank.consortium.take_in(BANK, rows(bank, rest, first=100))
    assert bank.seal(now=start + timedelta(minutes=40)).rows == 0
    assert bank.seal(now=start + HOUR).rows == 10
    assert bank.post() == 1
    assert bank.consortium.sync().counts.rows == 20
