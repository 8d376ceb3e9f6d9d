"""The door on a real chain: padding, late rows, epochs, members and accounts as they were at each batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from eth_account import Account

from counterfoil.founding import admit
from counterfoil.mirrored import list_batches
from ledger.batch_errors import BatchError
from ledger.door import Door, Known
from ledger.duplicates import KEYED
from ledger.entries import batch_entry, epoch_entry
from ledger.errors import VerificationError
from ledger.gateway import Gateway, LedgerEntry, PostedBatch
from ledger.judging import Judged, judge_chain
from ledger.member.keys import MemberKeys
from ledger.reader.mirror import Mirror, SyncCounts
from ledger.schema import Flags
from ledger.segment import load
from ledger.verdicts import Reason
from localchain.faucet import fund
from tests.support.batches import ALFA, BRAV, CHAR, HOUR, NOW, MadeBatch, rows
from tests.support.consortium import ChainProcess, SmallConsortium, founded


@dataclass
class Kept:
    """A consortium with a mirror of its own, and the counts of the mirror's last sync."""

    consortium: SmallConsortium
    folder: Path
    counts: SyncCounts

    def reasons(self, *indices: int) -> list[Reason | None]:
        """Sync, and return the reasons of these batches as the mirror has them; fsck must say the same."""
        mirror = Mirror(self.folder)
        try:
            self.counts = mirror.sync(self.consortium.gateway, self.consortium.desk_keys)
            found = {batch.log_index: batch.verdict.reason for batch in mirror.batches()}
            entries = mirror.verdict_entries()
        finally:
            mirror.close()
        assert [judged.verdict.to_entry() for judged in judged_again(self.consortium)] == entries
        return [found[index] for index in indices]

    def rows(self, *indices: int) -> list[tuple[int, int, bool]]:
        """Return (log index, row index, late) of each mirrored row of these batches."""
        mirror = Mirror(self.folder)
        tables = [load(self.folder, entry) for entry in mirror.segments()]
        mirror.close()
        found = [row for table in tables for row in table.to_pylist() if row["log_index"] in indices]
        return [(row["log_index"], row["row_index"], row["late"]) for row in found]


def judged_again(consortium: SmallConsortium) -> list[Judged]:
    gateway = consortium.gateway
    return list(judge_chain(gateway, consortium.desk_keys.readers.values(), gateway.height()))


@pytest.fixture(scope="module")
def founded_long_ago(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    """Return a consortium whose first epoch began years ago, so that a test can open one in the past."""
    return founded(chain, tmp_path_factory.mktemp("consortium"), starts=datetime(2020, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def kept(founded_long_ago: SmallConsortium, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(founded_long_ago, tmp_path_factory.mktemp("mirror"), SyncCounts())


@pytest.fixture(autouse=True)
def synced(kept: Kept) -> None:
    """Read what other tests posted, so that each test counts its own batches."""
    kept.reasons()


def test_padding_is_checked_and_counted_and_not_mirrored(kept: Kept) -> None:
    padded = rows(6)
    padded["flags"][[0, 2, 5]] = Flags.DECOY
    padded["record_root"][[0, 2]] = padded["record_root"][1]  # it may say anything that a row may say
    first = MadeBatch(kept.consortium, content=padded).post()
    only = rows(2)
    only["flags"] = Flags.DECOY
    second = MadeBatch(kept.consortium, content=only).post()
    assert kept.reasons(first, second) == [None, None]
    assert (kept.counts.rows, kept.counts.decoys, kept.counts.batches) == (3, 5, 2)
    assert kept.rows(first, second) == [(first, 1, False), (first, 3, False), (first, 4, False)]


def test_nobody_learns_from_the_list_of_batches_how_many_rows_are_padding(kept: Kept) -> None:
    content = rows(5)
    content["flags"][1:] = Flags.DECOY
    index = MadeBatch(kept.consortium, content=content).post()
    kept.reasons()
    mirror = Mirror(kept.folder)
    (batch,), following = list_batches(mirror, after=index - 1, limit=10)
    mirror.close()
    assert (batch.rows, batch.member, batch.state, following) == (5, 1, "mirrored", None)


def test_a_row_after_the_deadline_is_accepted_and_marked_late(kept: Kept) -> None:
    hours = kept.consortium.policy.deadline // HOUR
    content = rows(3)
    content["time_bucket"][1] -= hours + 2
    content["time_bucket"][2] -= hours - 2
    content["flags"][0] = Flags.DECOY
    index = MadeBatch(kept.consortium, content=content).post()
    assert kept.reasons(index) == [None]
    assert (kept.counts.rows, kept.counts.late, kept.counts.decoys) == (2, 1, 1)
    assert kept.rows(index) == [(index, 1, True), (index, 2, False)]


def test_a_member_is_known_from_its_admission_on(kept: Kept) -> None:
    """A batch that named a code before it was given stays kept apart."""
    consortium = kept.consortium
    early = MadeBatch(consortium, content=rows(1, creditor=4)).post()
    admit(consortium.home, consortium.gateway, [MemberKeys.generate("DELTGB2L")])
    later = MadeBatch(consortium, content=rows(1, creditor=4)).post()
    assert kept.reasons(early, later) == [Reason.COLUMN, None]


def test_a_member_that_changes_its_account_goes_on_where_it_was(kept: Kept) -> None:
    consortium = kept.consortium
    old, content = consortium.keys[ALFA], rows(2)
    one = MadeBatch(consortium, content=content).post()
    new = replace(old, account=bytes(Account.create().key))
    fund(consortium.url, consortium.home.chain, [new.address], 10)
    consortium.change_keys(ALFA, new)
    two = MadeBatch(consortium).post()
    repeated = rows(2)
    repeated["match_token"][1] = content["match_token"][0]
    three = MadeBatch(consortium, content=repeated).post()
    assert kept.reasons(one, two, three) == [None, None, Reason.DUPLICATE]
    mirror = Mirror(kept.folder)
    found = mirror.batches(first=one, limit=3)
    mirror.close()
    assert [(batch.code, batch.sequence - found[0].sequence) for batch in found] == [(1, 0), (1, 1), (1, 2)]
    assert [batch.member.lower() for batch in found] == [a.lower() for a in (old.address, *[new.address] * 2)]


def test_what_one_member_posts_never_has_another_members_batch_refused(kept: Kept) -> None:
    """The second bank copies the first bank's tokens, on its own sides, before the first bank posts them."""
    content = rows(4)
    copied = rows(8, debtor=2, creditor=1)
    copied["match_token"][:4] = content["match_token"]
    copied["match_token"][4:] = content["match_token"]
    copied["side"][4:], copied["debtor_agent"][4:], copied["creditor_agent"][4:] = 2, 3, 2
    thief = MadeBatch(kept.consortium, BRAV, content=copied).post()
    owner = MadeBatch(kept.consortium, content=content).post()
    other = MadeBatch(kept.consortium, CHAR, content=rows(1, debtor=3, creditor=1)).post()
    assert kept.reasons(thief, owner, other) == [None, None, None]


class OtherAuthor(Gateway):
    """A node that shows another bank's signature of a batch."""

    def ledger(self, first: int, last: int) -> Iterator[LedgerEntry]:
        for entry in super().ledger(first, last):
            posted = entry.batch
            yield (
                entry
                if posted is None
                else replace(entry, batch=replace(posted, signature=self.made(posted)))
            )

    def made(self, posted: PostedBatch) -> bytes:
        return posted.header.sign(self.deployment.genesis, bytes(Account.create().key))


def test_a_batch_that_its_member_did_not_sign_is_kept_apart(kept: Kept, tmp_path: Path) -> None:
    index = MadeBatch(kept.consortium).post()
    mirror = Mirror(tmp_path)
    other = OtherAuthor(kept.consortium.url, kept.consortium.gateway.deployment)
    mirror.sync(other, kept.consortium.desk_keys)
    rejected = mirror.rejected()[index]
    mirror.close()
    assert (rejected.log_index, rejected.reason_code) == (index, Reason.AUTHOR)
    assert "not signed by the account that posted it" in rejected.reason


class Swapping(Gateway):
    """A node that shows another batch when it is asked a second time."""

    def batches(self, first: int, last: int) -> Iterator[PostedBatch]:
        for posted in super().batches(first, last):
            yield replace(posted, payload=posted.payload[:-1] + bytes([posted.payload[-1] ^ 1]))


def test_a_node_that_shows_another_batch_than_before_is_caught(kept: Kept) -> None:
    """It is read again because a later batch repeats a root of it; no member is blamed for the node's lie."""
    consortium, content = kept.consortium, rows(2)
    one = MadeBatch(consortium, content=content).post()
    again = rows(2)
    again["record_root"][0] = content["record_root"][1]
    two = MadeBatch(consortium, content=again).post()
    lying = Swapping(consortium.url, consortium.gateway.deployment)
    with pytest.raises(VerificationError, match="the node shows another batch than it did before"):
        list(judge_chain(lying, consortium.desk_keys.readers.values(), consortium.gateway.height()))
    assert kept.reasons(one, two) == [None, Reason.DUPLICATE]


def test_a_member_whose_batch_is_kept_apart_goes_on_behind_it(kept: Kept) -> None:
    bad = rows(2)
    bad["channel"] = 99
    contents = rows(2), bad, rows(2), bad, rows(2)
    indices = [MadeBatch(kept.consortium, content=content).post() for content in contents]
    assert kept.reasons(*indices) == [None, Reason.COLUMN, None, Reason.COLUMN, None]


def test_a_batch_of_a_stranger_moves_no_head(kept: Kept) -> None:
    index = MadeBatch(kept.consortium).post()
    gateway = kept.consortium.gateway
    *_, posted = gateway.batches(gateway.deployment.block, gateway.height())
    door = Door.at(gateway, kept.consortium.desk_keys.readers.values(), lambda _: np.zeros(0, KEYED))
    data = batch_entry(posted.header, posted.signature, posted.block, 0)
    judged = door.read(LedgerEntry(data, posted, gateway.block_time(posted.block)))
    assert judged is not None
    verdict, outcome = judged
    assert isinstance(outcome, BatchError)
    assert (verdict.reason, verdict.index, door.known.heads) == (Reason.AUTHOR, 0, {})
    assert f"log index {index}" in str(outcome.where)


def test_a_row_belongs_to_the_epoch_of_its_batch_as_it_was_then(kept: Kept) -> None:
    """An epoch that opens later, with a start in the past, changes no verdict on what was posted before.

    This is the last test on the chain: the others post in the first epoch.
    """
    consortium = kept.consortium

    def post(bucket: int, epoch: int) -> int:
        content = rows(2)
        content["time_bucket"] = bucket
        return MadeBatch(consortium, content=content, header=lambda h: replace(h, epoch=epoch)).post()

    before = post(NOW, 1)
    first = kept.reasons(before)
    consortium.open_epoch(2, datetime.fromtimestamp(NOW * HOUR, UTC))
    later = [post(NOW, 1), post(NOW - 1, 1), post(NOW - 1, 2), post(NOW, 2)]
    assert kept.reasons(before, *later) == [None, Reason.TIME, None, Reason.TIME, None]
    assert first == [None]


# without a chain


def test_epochs_are_bounded_by_those_that_are_open() -> None:
    known = Known()
    assert known.epoch_bounds(5) is None
    for number, start in ((5, 1_000), (9, 2_000), (10, 2**64 - 1)):
        known.add(epoch_entry(number, start, 1, bytes(32)))
    assert known.size == 3
    assert known.epoch_bounds(5) == (-(2**62), 2_000)
    assert known.epoch_bounds(9) == (2_000, 2**62)
    assert known.epoch_bounds(10) == (2**62, 2**62)
    assert known.epoch_bounds(6) is None
