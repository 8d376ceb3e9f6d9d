"""The shared fixture itself: every row posted, every state as it was made, and the whole of it checks."""

from __future__ import annotations

from collections import Counter

import pytest

from ledger.audit.fsck import fsck
from ledger.audit.verify import verify
from ledger.schema import MatchState
from ledger.segment import Manifest, load
from tests.support.consortium import SmallConsortium


def test_every_transfer_gets_the_state_it_was_made_for(consortium: SmallConsortium) -> None:
    manifest = Manifest.read(consortium.home.desk.mirror)
    assert manifest.transfers is not None
    found = Counter(load(consortium.home.desk.mirror, manifest.transfers).column("state").to_pylist())
    assert found == Counter(int(state) for state in consortium.book.truth.values())
    assert set(found) == {int(state) for state in MatchState}


def test_fsck_finds_no_difference(consortium: SmallConsortium) -> None:
    desk = consortium.home.desk
    report = fsck(
        consortium.gateway,
        desk.mirror,
        consortium.desk_keys.readers.values(),
    )
    assert report.differences == ()
    assert report.rows == sum(len(rows) for rows in consortium.book.rows.values())
    assert report.rejected == 0
    report.raise_if_different()


@pytest.mark.parametrize("bank", ["ALFADEFF", "BRAVFRPP", "CHARUS33"])
def test_a_receipt_and_a_disclosure_verify(consortium: SmallConsortium, bank: str) -> None:
    assert verify(consortium.receipt(bank).to_bytes(), consortium.trust).agent == bank
    proven = verify(consortium.disclosure(bank).to_bytes(), consortium.trust)
    record = consortium.record(bank)
    assert proven.agent == bank
    assert {field.name for field in proven.fields} == {"amount", "currency"}
    assert {field.value for field in proven.fields} < set(record.values)
