"""Two epochs of the pseudonym key: a transaction belongs to the epoch of its own time, whenever posted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.audit.fsck import fsck
from ledger.encoding.epochs import epoch_range_us, epochs_of
from ledger.encoding.rows import rows_from_bytes
from ledger.errors import ConfigurationError
from ledger.gateway import Epoch
from ledger.member.outbox import Outbox
from ledger.schema import MatchState
from tests.support.consortium import ChainProcess, SmallConsortium, founded, pseudonymiser_of
from tests.support.rows import OUTSIDER, row, write_csv

ALFA, BRAV = "ALFADEFF", "BRAVFRPP"
#: The second epoch begins in the middle of an hour, so that a time bucket lies across.
LATER = datetime.now(UTC)
CHANGE = (LATER - timedelta(days=2)).replace(minute=30, second=0, microsecond=0)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@given(st.lists(st.integers(0, 100), max_size=5), st.lists(st.integers(-10, 110), min_size=1, max_size=20))
def test_each_time_lies_in_the_range_of_its_epoch(starts: list[int], times: list[int]) -> None:
    opened = [Epoch(n, start, b"") for n, start in enumerate(sorted([0, *starts]))]
    at = np.array(times, np.int64) * 1_000_000
    for time, position in zip(at.tolist(), epochs_of(opened, at).tolist(), strict=True):
        first, last = epoch_range_us(opened, position)
        assert first <= time < last
        assert all(
            not a <= time < b
            for n in range(len(opened))
            if n != position
            for a, b in [epoch_range_us(opened, n)]
        )


@pytest.fixture(scope="module")
def two_epochs(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    made = founded(chain, tmp_path_factory.mktemp("epochs"), banks=[ALFA, BRAV], starts=LONG_AGO)
    made.open_epoch(2, CHANGE)
    return made


def halves(bank: str, moments: Sequence[datetime], first: int = 0) -> list[dict[str, str]]:
    return [row(first + n, moment, ALFA, BRAV, bank=bank) for n, moment in enumerate(moments)]


def give(made: SmallConsortium, bank: str, rows: list[dict[str, str]]) -> Outbox:
    path = write_csv(made.home.root / f"{bank}-{rows[0]['transaction_id']}.csv", rows)
    assert made.take_in(bank, path, now=LATER).accepted == len(rows)
    vault = made.vault(bank)
    return Outbox(vault, made.keys[bank], made.gateway)


def post(made: SmallConsortium, outbox: Outbox) -> list[int]:
    """Post what waits as `counterfoil member post` does; returns the epochs that were asked for."""
    asked = []
    keys = next(keys for keys in made.keys.values() if keys.address == outbox.account)
    for epoch in outbox.epochs():
        if outbox.pseudonymise(pseudonymiser_of(made.home, made.gateway, keys, epoch), epoch.number):
            asked.append(epoch.number)
    outbox.seal(closed_before=LATER, rows_per_batch=5)
    outbox.post()
    return asked


def test_late_halves_meet_across_the_change_and_batches_do_not_mix_epochs(
    two_epochs: SmallConsortium,
) -> None:
    made = two_epochs
    old = [CHANGE - timedelta(minutes=5 * n + 1) for n in range(12)]
    new = [CHANGE + timedelta(minutes=5 * n) for n in range(12)]
    assert post(made, give(made, ALFA, halves(ALFA, old))) == [1]
    assert post(made, give(made, ALFA, halves(ALFA, new, first=50))) == [2]
    assert post(made, give(made, BRAV, halves(BRAV, old) + halves(BRAV, new, first=50))) == [1, 2]
    posted = list(made.gateway.batches(made.gateway.deployment.block, made.gateway.height()))
    for bank in (ALFA, BRAV):
        with made.vault(bank) as vault:
            held = vault.connection.execute(
                "SELECT b.sequence, min(r.time_us), max(r.time_us) FROM batch b "
                "JOIN record r ON r.batch = b.sequence GROUP BY b.sequence"
            ).fetchall()
        own = {
            p.header.sequence: p.header
            for p in posted
            if p.header.member.hex() == made.keys[bank].address[2:].lower()
        }
        change = int(CHANGE.timestamp()) * 1_000_000
        assert {own[sequence].epoch for sequence, _, _ in held} == {1, 2}
        for sequence, earliest, latest in held:
            assert own[sequence].epoch == (2 if earliest >= change else 1)
            assert (earliest >= change) == (latest >= change)
    report = made.sync()
    assert report.states["matched"] == 24
    assert sum(report.states.values()) == 24
    desk = made.home.desk
    keys = made.desk_keys.readers.values()
    found = fsck(made.gateway, desk.mirror, keys)
    assert found.differences == ()


def test_one_account_has_a_pseudonym_in_each_epoch(two_epochs: SmallConsortium) -> None:
    made = two_epochs
    moments = [CHANGE - timedelta(hours=3), CHANGE + timedelta(hours=3)]
    rows = [
        row(700, m, ALFA, OUTSIDER, bank=ALFA, transaction_id=f"P{n}", uetr="") for n, m in enumerate(moments)
    ]
    outbox = give(made, ALFA, rows)
    post(made, outbox)
    with made.vault(ALFA) as vault:
        places = vault.connection.execute(
            "SELECT b.rows, r.row_index FROM record r JOIN batch b ON b.sequence = r.batch "
            "WHERE transaction_id LIKE 'P_'"
        ).fetchall()
    first, second = (rows_from_bytes(packed)[index] for packed, index in places)
    for column in ("debtor_account", "creditor_account", "party", "match_token"):
        assert bytes(first[column]) != bytes(second[column])


def test_only_the_identifiers_of_an_epoch_are_asked_for_in_it(two_epochs: SmallConsortium) -> None:
    """Each evaluation costs quota."""
    made = two_epochs
    outbox = give(made, BRAV, halves(BRAV, [CHANGE + timedelta(hours=5)], first=900))
    assert [epoch.number for epoch in outbox.epochs()] == [2]
    assert outbox.without_pseudonym(1) == []
    with pytest.raises(ConfigurationError, match="epoch 3 of the pseudonym key is not open") as caught:
        outbox.without_pseudonym(3)
    assert "1, 2" in str(caught.value.next_step)


def test_halves_dated_on_two_sides_of_the_change_do_not_meet_and_blame_nobody(
    chain: ChainProcess, tmp_path: Path
) -> None:
    """The one thing an epoch change costs: neither bank can know how the other dated its half."""
    made = founded(chain, tmp_path / "home", banks=[ALFA, BRAV], starts=LONG_AGO)
    made.open_epoch(2, CHANGE)
    post(made, give(made, ALFA, halves(ALFA, [CHANGE - timedelta(seconds=1)])))
    post(made, give(made, BRAV, halves(BRAV, [CHANGE + timedelta(seconds=1)])))
    assert Counter(made.sync().states) == Counter(
        {s.name.lower(): 2 * (s is MatchState.WAITING) for s in MatchState}
    )
