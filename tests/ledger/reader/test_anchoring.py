"""Anchoring: each flag stands on the case log once, whatever died and whatever the chain did meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.caselog import FLAG_KINDS, CaseKind, entry_head
from ledger.flag import FlagSource
from ledger.reader.anchoring import ENTRIES_PER_TRANSACTION
from ledger.reader.cases import CaseBook
from ledger.reader.recipients import Recipients
from tests.support.consortium import ChainProcess, founded
from tests.support.flags import FlagDesk, flag


@pytest.fixture(scope="module")
def desk(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> FlagDesk:
    return FlagDesk(founded(chain, tmp_path_factory.mktemp("desk") / "home"))


def test_flags_and_findings_reach_whom_they_concern_once(desk: FlagDesk) -> None:
    first = flag(agents=(1, 2))
    finding = flag(agents=(2,), source=FlagSource("rule", "us-31cfr1010.311-1", "1"), title="rule")
    many = [flag(title=f"t{i}", agents=(3,)) for i in range(ENTRIES_PER_TRANSACTION + 3)]
    done = desk.raise_flags(first, finding, first, *many)
    assert (done.new, done.anchored, done.problems) == (2 + len(many), 2 + len(many), ())
    later = replace(first, position=replace(first.position, block=50, log_size=9))
    done = desk.raise_flags(later)
    assert (done.new, done.anchored) == (0, 0), "what it says is the same; only the scan is later"
    entries = desk.entries(*FLAG_KINDS)
    assert [entry.kind for entry in entries[:2]] == [CaseKind.FLAG, CaseKind.FINDING]
    assert [kept.block for kept in desk.kept()] == [entry.block for entry in entries]
    assert [len(desk.inbox(code).flags) for code in (1, 2, 3)] == [1, 2, len(many)]
    assert len(desk.entries(CaseKind.NOTE)) == 1, "nothing new was sent in the second round"


def test_the_head_of_the_case_log_is_computed_as_the_contract_does(desk: FlagDesk) -> None:
    desk.raise_flags(flag(title="head"))
    now = bytes(32)
    for e in desk.consortium.gateway.case_entries():
        author = bytes.fromhex(e.author[2:])
        now = entry_head(now, e.index, e.kind, e.case_id, e.content_hash, author, e.payload)
        assert now == e.head
    assert desk.consortium.gateway.case_head() == (e.index + 1, now)


def test_what_a_reorganised_chain_lost_is_sent_again(desk: FlagDesk) -> None:
    desk.raise_flags(flag(title="kept"))
    with CaseBook(desk.consortium.home.desk.cases) as book:
        to = Recipients.of(desk.consortium.gateway, desk.consortium.desk_keys.account)
        book.keep([flag(title="lost")], to)
        book._state.execute("UPDATE flag SET block = 3 WHERE title = 'lost'")  # it was there
        book._state.execute("UPDATE flag SET block = 3 WHERE title = 'kept'")  # it was in another block
    assert desk.raise_flags().anchored == 1
    assert desk.fsck().differences == ()


def test_an_unsent_flag_gives_way_to_an_anchored_one_with_its_number(desk: FlagDesk, tmp_path: Path) -> None:
    consortium = desk.consortium
    to = Recipients.of(consortium.gateway, consortium.desk_keys.account)
    desk.raise_flags(flag(title="before", agents=(1,)))
    sent = desk.kept()[-1]
    desk.delete([sent.flag_id])
    with CaseBook(consortium.home.desk.cases) as book:  # the file is an old copy
        book.keep([flag(title="unsent", agents=(1,))], to)
    assert desk.sync() == 1
    assert sent.flag_id in [kept.flag_id for kept in desk.kept()]
    assert "unsent" not in [kept.flag.title for kept in desk.kept()]
    assert desk.raise_flags(flag(title="unsent", agents=(1,))).new == 1
    assert desk.inbox(1).problems == ()
    assert desk.fsck().differences == ()


def test_a_reader_key_that_cannot_be_used_is_named(desk: FlagDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = desk.consortium.gateway
    (reader,) = gateway.readers()
    broken = replace(reader, key_id=b"\x07" * 32, hpke_key=bytes(32))
    monkeypatch.setattr(type(gateway), "readers", lambda _: [broken, reader])
    done = desk.raise_flags(flag(title="reader"))
    assert done.anchored == 1
    assert "07070707" in done.problems[0]
    assert "Ask the operator" in done.problems[0]
    assert desk.fsck().differences == ()
