"""Attacks on the delivery of flags: by a member, by the desk, and by whoever copies what is public."""

from __future__ import annotations

import os
from dataclasses import replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from counterfoil.caseload import flag_page, flag_view
from counterfoil.founding import admit
from ledger.caselog import FLAG_KINDS, CaseKind
from ledger.envelope import generate_keypair, key_id
from ledger.errors import TransactionRejectedError
from ledger.flag import Flag
from ledger.gateway import Gateway
from ledger.member.inbox import read_inbox
from ledger.member.keys import MemberKeys
from ledger.reader.cases import CaseBook
from ledger.reader.listing import FlagFilter
from ledger.reader.notes import NoteBook
from ledger.reader.recipients import Recipients
from ledger.signing import address_of
from tests.support.consortium import ChainProcess, SmallConsortium, founded
from tests.support.flags import FlagDesk, flag
from tests.support.renewed import renewed

_NUMBERS: Final = count()


def some(number: int, *agents: int) -> list[Flag]:
    """Make flags that are all different."""
    return [flag(title=f"title-{next(_NUMBERS)}", agents=agents or (1, 2)) for _ in range(number)]


@pytest.fixture
def desk(fresh_consortium: SmallConsortium, tmp_path: Path) -> FlagDesk:
    """A desk with an empty case log; its members and roles are shared, so a test does not change them."""
    return FlagDesk(renewed(fresh_consortium, tmp_path / "home", "CaseLog"))


@pytest.fixture
def own_desk(chain: ChainProcess, tmp_path: Path) -> FlagDesk:
    """A desk of a consortium that belongs to the test."""
    return FlagDesk(founded(chain, tmp_path / "own"))


def other_desk(desk: FlagDesk) -> bytes:
    """Give the desk's role to another account, and return its key."""
    gateway, key = desk.consortium.gateway, desk.consortium.officers[0]
    desk.consortium.operate("grantRole", gateway.role("DESK_ROLE"), address_of(key))
    return key


def test_a_member_that_anchors_the_identifiers_first_keeps_no_flag_out(desk: FlagDesk) -> None:
    gateway, keys = desk.consortium.gateway, desk.consortium.desk_keys
    with CaseBook(desk.consortium.home.desk.cases) as book:
        book.keep(some(5), Recipients.of(gateway, keys.account))
    thief = desk.consortium.keys[desk.consortium.banks[2]].account
    for kept in desk.kept():
        desk.append(thief, CaseKind.ANSWER, kept.flag_id, kept.flag_id, b"mine")
    done = desk.raise_flags()
    assert (done.anchored, done.problems) == (5, ())
    assert all(kept.block is not None for kept in desk.kept())
    for code in (1, 2):
        inbox = desk.inbox(code)
        assert (len(inbox.flags), inbox.sent, inbox.arrived, inbox.problems) == (5, 5, 5, ())
    assert desk.fsck().differences == ()


def test_no_member_sees_a_flag_before_it_is_anchored(desk: FlagDesk) -> None:
    home, gateway = desk.consortium.home, desk.consortium.gateway
    with CaseBook(home.desk.cases) as book:
        book.keep(some(2), Recipients.of(gateway, desk.consortium.desk_keys.account))
    (first, second) = desk.kept()

    def seen(addressee: int | None) -> list[bytes]:
        wanted = FlagFilter(addressee=addressee)
        page = flag_page(home, wanted, order="raised", after=None, limit=9)
        return [summary.flag_id for summary in page.flags]

    assert seen(1) == []
    assert seen(None) == [first.flag_id, second.flag_id]
    assert flag_view(home, first.flag_id.hex(), 1) is None
    assert flag_view(home, first.flag_id.hex(), None) is not None
    desk.raise_flags()
    assert seen(1) == [first.flag_id, second.flag_id]
    assert flag_view(home, first.flag_id.hex(), 1) is not None


def test_five_flags_deleted_from_the_desks_file_are_five_differences_and_come_back(desk: FlagDesk) -> None:
    desk.raise_flags(*some(12), flag(title="rule-1", agents=(3,)))
    before = desk.kept()
    lost = [kept.flag_id for kept in before[2:7]]
    desk.delete(lost)
    differences = desk.fsck().differences
    assert len(differences) == 5
    assert [any(flag_id.hex() in found.what for found in differences) for flag_id in lost] == [True] * 5
    assert desk.sync() == 5
    assert desk.fsck().differences == ()
    assert {(k.flag_id, k.seed, k.block) for k in desk.kept()} == {
        (k.flag_id, k.seed, k.block) for k in before
    }
    assert desk.raise_flags(before[3].flag).new == 0, "it is known again"
    desk.raise_flags(*some(2))
    assert desk.inbox(1).problems == ()
    assert desk.inbox(1).arrived == 14


def test_a_desk_that_lost_its_whole_file_reads_it_again_and_goes_on_counting(desk: FlagDesk) -> None:
    desk.raise_flags(*some(4), *some(2, 3))
    before = [(k.flag_id, k.flag, k.seed, k.block) for k in desk.kept()]
    for path in desk.consortium.home.desk.cases.parent.glob("cases.sqlite*"):
        path.unlink()
    assert desk.sync() == 6
    assert [(k.flag_id, k.flag, k.seed, k.block) for k in desk.kept()] == before
    assert desk.fsck().differences == ()
    desk.raise_flags(*some(1))
    assert desk.inbox(1).arrived == desk.inbox(1).sent == 5
    assert desk.inbox(1).problems == ()


def withhold(desk: FlagDesk, flag_id: bytes) -> None:
    """Let the desk believe that a flag is anchored which it never sends."""
    desk.execute("UPDATE flag SET block = 1 WHERE flag_id = ?", (flag_id,))


def test_a_member_sees_which_flag_the_desk_withholds(desk: FlagDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Gateway.transact

    def dropping(self: Gateway, key: bytes, contract: str, function: str, *args: Any, **more: Any) -> int:
        if contract == "CaseLog":
            args = ([entry for entry in args[0] if entry[1] != held_back],)
        return original(self, key, contract, function, *args, **more)

    gateway, keys = desk.consortium.gateway, desk.consortium.desk_keys
    with CaseBook(desk.consortium.home.desk.cases) as book:
        book.keep(some(4), Recipients.of(gateway, keys.account))
    held_back = desk.kept()[2].flag_id
    monkeypatch.setattr(Gateway, "transact", dropping)
    with CaseBook(desk.consortium.home.desk.cases) as book:
        book.anchor(gateway, keys.account)  # marks all four, sends three
    with NoteBook(desk.consortium.home.desk.cases) as notes:
        notes.keep_deliveries(Recipients.of(gateway, keys.account))
        notes.anchor(gateway, keys.account)
    for code in (1, 2):
        inbox = desk.inbox(code)
        assert (inbox.sent, inbox.arrived) == (4, 3)
        (problem,) = inbox.problems
        assert "has sent 4 flags to you, 3 arrived: missing is number 3." in problem
        assert "Ask the desk" in problem
    assert desk.inbox(3).problems == ()
    assert any(held_back.hex() in found.where for found in desk.fsck().differences)
    auditor = desk.fsck(book=False).differences
    assert {found.what for found in auditor} == {"number 3 is missing"}


def test_the_last_flag_that_is_withheld_is_seen_too(desk: FlagDesk) -> None:
    gateway, keys = desk.consortium.gateway, desk.consortium.desk_keys
    desk.raise_flags(*some(2))
    with CaseBook(desk.consortium.home.desk.cases) as book:
        book.keep(some(1), Recipients.of(gateway, keys.account))
    withhold(desk, desk.kept()[-1].flag_id)
    with NoteBook(desk.consortium.home.desk.cases) as notes:
        notes.keep_deliveries(Recipients.of(gateway, keys.account))
        notes.anchor(gateway, keys.account)
    (problem,) = desk.inbox(1).problems
    assert "has sent 3 flags to you, 2 arrived: missing is number 3." in problem


def test_a_note_that_says_less_than_arrived_is_seen(desk: FlagDesk) -> None:
    gateway, keys = desk.consortium.gateway, desk.consortium.desk_keys
    desk.raise_flags(*some(3))
    desk.execute("UPDATE flag SET block = NULL WHERE number = 3")
    desk.execute("DELETE FROM told")
    with NoteBook(desk.consortium.home.desk.cases) as notes:
        assert notes.keep_deliveries(Recipients.of(gateway, keys.account))
        notes.anchor(gateway, keys.account)
    (problem,) = desk.inbox(1).problems
    assert "has sent 2 flags to you, but 3 arrived" in problem
    assert {found.what for found in desk.fsck(book=False).differences} == {
        f"the note leaves out deliveries to member {code}" for code in (1, 2)
    }


def test_a_poisoned_key_of_one_member_holds_back_no_flag(
    desk: FlagDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Recipients.of

    def poisoned(*args: Any, **more: Any) -> Recipients:
        made = honest(*args, **more)
        return Recipients(made.author, {**made.members, 2: bytes(32)}, made.readers)

    monkeypatch.setattr(Recipients, "of", poisoned)
    done = desk.raise_flags(*some(3), *some(1, 3))
    assert (done.new, done.anchored) == (4, 4)
    assert len([p for p in done.problems if "member 2 is left out" in p]) == 3
    assert any("Ask the member to change its keys" in problem for problem in done.problems)
    assert (desk.inbox(1).arrived, desk.inbox(3).arrived) == (3, 1)
    assert desk.inbox(1).problems == desk.inbox(3).problems == ()
    monkeypatch.undo()
    desk.raise_flags(*some(1))
    inbox = desk.inbox(2)
    assert (inbox.sent, inbox.arrived) == (4, 1)
    (problem,) = inbox.problems
    assert "missing is number 1, 2, 3. Ask the desk" in problem
    assert desk.fsck().differences == ()


def test_a_flag_that_is_too_large_is_named_and_its_neighbours_are_sent(desk: FlagDesk) -> None:
    huge = flag(title="huge", details={"note": "x" * 130_000})
    one, other = some(2)
    done = desk.raise_flags(one, huge, other)
    assert (done.new, done.anchored) == (2, 2)
    (problem,) = done.problems
    assert "huge" in problem
    assert "too large" in problem
    assert "xxx" not in problem
    assert desk.inbox(1).problems == ()


def test_an_entry_that_the_contract_refuses_holds_back_no_other(
    desk: FlagDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Gateway.transact

    def refusing(self: Gateway, key: bytes, contract: str, function: str, *args: Any, **more: Any) -> int:
        if contract == "CaseLog" and any(entry[1] == bad for entry in args[0]):
            raise TransactionRejectedError("the contract refuses this entry")
        return original(self, key, contract, function, *args, **more)

    with CaseBook(desk.consortium.home.desk.cases) as book:
        book.keep(some(5), Recipients.of(desk.consortium.gateway, desk.consortium.desk_keys.account))
    bad = desk.kept()[1].flag_id
    monkeypatch.setattr(Gateway, "transact", refusing)
    done = desk.raise_flags()
    assert done.anchored == 4
    (problem,) = done.problems
    assert bad.hex()[:12] in problem
    assert "missing is number 2" in desk.inbox(1).problems[0]
    alone = desk.raise_flags()
    assert (alone.anchored, alone.problems) == (0, (problem,)), "alone, it does not stop the desk either"
    monkeypatch.undo()
    assert desk.raise_flags().anchored == 1
    assert desk.inbox(1).problems == ()
    assert desk.inbox(1).arrived == 5


def test_a_payload_copied_under_another_author_reaches_nobody(own_desk: FlagDesk) -> None:
    desk = own_desk
    desk.raise_flags(*some(3))
    (first, *_) = desk.entries(*FLAG_KINDS)
    key = other_desk(desk)
    desk.append(key, CaseKind.FLAG, first.case_id, first.content_hash, first.payload)
    for code in (1, 2):
        inbox = desk.inbox(code)
        assert (len(inbox.flags), inbox.problems) == (3, ())
    assert desk.sync() == 0
    done = desk.raise_flags(*some(1))
    assert (done.anchored, done.problems) == (1, ())
    (found,) = desk.fsck().differences
    assert "does not unwrap" in found.what


def test_the_desk_that_sends_a_flag_twice_is_seen(desk: FlagDesk) -> None:
    desk.raise_flags(*some(2))
    (first, *_) = desk.entries(*FLAG_KINDS)
    key = desk.consortium.desk_keys.account
    desk.append(key, CaseKind.FINDING, first.case_id, first.content_hash, first.payload)
    for code in (1, 2):
        (problem,) = desk.inbox(code).problems
        assert "more than once as number 1." in problem
    assert any("repeated" in found.what for found in desk.fsck(book=False).differences)


def test_an_old_note_cannot_be_told_again(own_desk: FlagDesk) -> None:
    desk = own_desk
    desk.raise_flags(*some(1))
    (old,) = desk.entries(CaseKind.NOTE)
    desk.raise_flags(*some(1))
    key = desk.consortium.desk_keys.account
    with pytest.raises(TransactionRejectedError):
        desk.append(key, CaseKind.NOTE, old.case_id, old.content_hash, old.payload)
    desk.append(key, CaseKind.NOTE, old.case_id, os.urandom(32), old.payload)
    assert len(desk.inbox(1).problems) == 1
    assert any("content hash of the note" in found.what for found in desk.fsck().differences)
    copied = other_desk(desk)
    desk.append(copied, CaseKind.NOTE, old.case_id, old.content_hash, old.payload)
    assert any("no part for this member" in problem for problem in desk.inbox(1).problems)


def test_a_hostile_entry_is_named_and_does_not_hold_up_the_others(desk: FlagDesk) -> None:
    key = desk.consortium.desk_keys.account
    desk.append(key, CaseKind.FLAG, os.urandom(32), os.urandom(32), os.urandom(60))
    desk.raise_flags(*some(1))
    broken, last = desk.inbox(1).flags
    assert (broken.shown, last.problem) == (None, None)
    assert "case payload" in (broken.problem or "")
    assert last.shown is not None
    assert len(desk.fsck(book=False).differences) == 2


def test_two_histories_of_one_desk_are_seen(desk: FlagDesk) -> None:
    consortium = desk.consortium
    desk.raise_flags(*some(2))
    backup = {p: p.read_bytes() for p in consortium.home.desk.cases.parent.glob("cases.sqlite*")}
    gateway, keys = consortium.gateway, consortium.desk_keys
    to = Recipients.of(gateway, keys.account)
    desk.raise_flags(*some(1))
    for path in consortium.home.desk.cases.parent.glob("cases.sqlite*"):
        path.unlink()
    for path, data in backup.items():
        path.write_bytes(data)
    with CaseBook(consortium.home.desk.cases) as book:  # an old copy, used without reading the chain
        book.keep(some(1), to)
        book.anchor(gateway, keys.account)
    assert any("two histories" in problem and "number 3" in problem for problem in desk.inbox(1).problems)
    assert any("contradicted" in found.what for found in desk.fsck(book=False).differences)


def test_a_flag_whose_payload_on_the_chain_differs_is_reported_and_not_believed(desk: FlagDesk) -> None:
    with CaseBook(desk.consortium.home.desk.cases) as book:
        book.keep(some(2), Recipients.of(desk.consortium.gateway, desk.consortium.desk_keys.account))
    (first, _) = desk.kept()
    key = desk.consortium.desk_keys.account
    desk.append(key, CaseKind.FLAG, first.flag_id, first.flag_id, b"another payload")
    done = desk.raise_flags()
    assert done.anchored == 1
    (problem,) = done.problems
    assert first.flag_id.hex()[:12] in problem
    assert "differs" in problem
    assert desk.kept()[0].block is None
    assert any(first.flag_id.hex() in found.where for found in desk.fsck().differences)


def test_members_learn_nothing_of_others_from_what_they_can_open(desk: FlagDesk) -> None:
    desk.raise_flags(*some(3, 1), *some(3, 1, 2))
    assert desk.inbox(3).flags == ()
    assert (desk.inbox(3).sent, desk.inbox(3).arrived) == (0, 0)
    inbox = desk.inbox(1)
    assert len(inbox.flags) == 6
    for received in inbox.flags:
        assert received.shown is not None
        assert {entity["agent"] for entity in received.shown["entities"]} == {1}
    sizes = {len(entry.payload) for entry in desk.entries(*FLAG_KINDS)}
    assert len(sizes) == 1, "to one member or to two: the same"


def test_a_killed_desk_neither_skips_nor_doubles_a_number(desk: FlagDesk) -> None:
    gateway, keys = desk.consortium.gateway, desk.consortium.desk_keys
    for death in ("after keep", "after anchor", "after note"):
        with CaseBook(desk.consortium.home.desk.cases) as book:
            book.keep(some(2), Recipients.of(gateway, keys.account))
            if death != "after keep":
                book.anchor(gateway, keys.account)
        if death == "after anchor":  # before it marked what it sent
            desk.execute("UPDATE flag SET block = NULL")
        if death == "after note":
            with NoteBook(desk.consortium.home.desk.cases) as notes:
                notes.keep_deliveries(Recipients.of(gateway, keys.account))
        desk.raise_flags(*some(1))
    inbox = desk.inbox(1)
    assert [received.sequence for received in inbox.flags] == [*range(9)]
    assert (inbox.sent, inbox.problems) == (9, ())
    assert desk.fsck().differences == ()
    assert desk.fsck(book=False).differences == ()


def test_an_auditor_with_and_without_a_key_checks_every_flag(desk: FlagDesk) -> None:
    desk.raise_flags(*some(3), flag(title="rule", source=flag().source))
    full = desk.fsck(book=False)
    assert full.differences == ()
    assert (full.counts["flag"], full.counts["opened"]) == (4, 5)
    public = desk.fsck(keys=False, book=False)
    assert public.differences == ()
    assert (public.counts["entries"], public.counts["without_key"]) == (5, 5)
    key = desk.consortium.desk_keys.account
    junk = os.urandom(32)
    desk.append(key, CaseKind.FLAG, junk, junk, b"{}")
    (found,) = desk.fsck(keys=False, book=False).differences
    assert "case payload" in found.what


@pytest.fixture(scope="module")
def raised(fresh_consortium: SmallConsortium, tmp_path_factory: pytest.TempPathFactory) -> FlagDesk:
    """A desk that has raised two flags; take a copy of its file."""
    made = FlagDesk(renewed(fresh_consortium, tmp_path_factory.mktemp("raised") / "home", "CaseLog"))
    made.raise_flags(*some(2))
    return made


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE flag SET block = block + 1 WHERE number = 1", "the file says block"),
        ("UPDATE flag SET kind = 'rule' WHERE number = 1", "does not have"),
        ("UPDATE flag_document SET payload = x'00' WHERE number = 1", "its payload differs"),
        ("UPDATE flag_document SET seed = zeroblob(32) WHERE number = 1", "do not give its identifier"),
        ("UPDATE flag_document SET document = x'7b7d' WHERE number = 1", "not a flag"),
        ("DELETE FROM delivery WHERE number = 1 AND member = 2", "does not have number 1"),
        ("UPDATE delivery SET previous = zeroblob(32) WHERE number = 2 AND member = 1", "number 2"),
        ("DELETE FROM note", "does not have the note"),
        ("UPDATE note SET payload = x'7b7d'", "content hash"),
        ("UPDATE note SET block = 1", "in this block"),
    ],
)
def test_every_change_to_the_desks_file_is_a_difference(
    raised: FlagDesk, tmp_path: Path, statement: str, told: str
) -> None:
    desk = FlagDesk(raised.consortium.copy(tmp_path / "copy"))
    assert desk.fsck().differences == ()
    desk.execute(statement)
    assert any(told in found.what for found in desk.fsck().differences)


def test_the_content_hash_of_a_note_is_that_of_its_payload(raised: FlagDesk) -> None:
    for entry in raised.entries(CaseKind.NOTE):
        assert sha256(entry.payload).digest() == entry.content_hash


def leaving_out(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the desk act as if a member did not exist."""
    honest = Recipients.of

    def dishonest(*args: Any, **more: Any) -> Recipients:
        made = honest(*args, **more)
        members = {known: key for known, key in made.members.items() if known != code}
        return Recipients(made.author, members, made.readers)

    monkeypatch.setattr(Recipients, "of", dishonest)


def test_a_desk_that_never_counts_a_flag_for_a_member_is_seen_by_an_auditor(
    desk: FlagDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving_out(2, monkeypatch)
    desk.raise_flags(*some(1))
    monkeypatch.undo()
    desk.raise_flags(*some(1))
    assert desk.inbox(2).problems == (), "to the member, nothing is missing"
    (found,) = desk.fsck(book=False).differences
    assert found.where == "entry 0 of the case log"
    assert "concerns member 2, and the desk has not sent it" in found.what


def test_a_member_that_the_note_leaves_out_sees_it_and_a_new_one_does_not_mind(
    own_desk: FlagDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = own_desk
    leaving_out(2, monkeypatch)
    desk.raise_flags(*some(1))
    (problem,) = desk.inbox(2).problems
    assert "no part for this member" in problem
    monkeypatch.undo()
    keys = MemberKeys.generate("NEWBDEFF")
    admit(desk.consortium.home, desk.consortium.gateway, [keys])
    inbox = read_inbox(desk.consortium.gateway, keys)
    assert (inbox.sent, inbox.arrived, inbox.problems) == (None, 0, ())
    desk.raise_flags(*some(1))
    inbox = read_inbox(desk.consortium.gateway, keys)
    assert (inbox.sent, inbox.problems) == (0, ())


def test_a_flag_that_concerns_no_member_looks_like_any_other(desk: FlagDesk) -> None:
    desk.raise_flags(*some(1))
    (concerned, told) = desk.entries(*FLAG_KINDS, CaseKind.NOTE)
    desk.raise_flags(*some(1, 0))
    nobody, told_again = desk.entries(*FLAG_KINDS, CaseKind.NOTE)[2:]
    assert (nobody.kind, told_again.kind) == (concerned.kind, told.kind)
    assert (len(nobody.payload), len(told_again.payload)) == (len(concerned.payload), len(told.payload))


def test_the_numbers_go_on_when_the_file_and_the_key_of_old_flags_are_lost(own_desk: FlagDesk) -> None:
    desk = own_desk
    home, gateway = desk.consortium.home, desk.consortium.gateway
    keys = desk.consortium.desk_keys
    desk.raise_flags(*some(3))
    (old,) = gateway.readers()
    private, public = generate_keypair()
    add = (key_id(public), public, old.epoch + 1, "desk")
    desk.consortium.operate("addReader", *add)
    desk.consortium.operate("removeReader", old.key_id)
    replace(keys, readers={**keys.readers, old.epoch + 1: private}).save(home.desk.keys)
    desk.raise_flags(flag(title="of nobody", agents=(3,)))
    replace(keys, readers={old.epoch + 1: private}).save(home.desk.keys)
    for path in home.desk.cases.parent.glob("cases.sqlite*"):
        path.unlink()
    done = desk.raise_flags(*some(1))
    assert (done.restored, done.anchored) == (1, 1)
    assert len([problem for problem in done.problems if "cannot be restored" in problem]) == 3
    inbox = desk.inbox(1)
    assert [received.sequence for received in inbox.flags] == [0, 1, 2, 3]
    assert (inbox.sent, inbox.problems) == (4, ())


def test_a_node_that_is_behind_takes_no_flag_off_the_chain(
    desk: FlagDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.raise_flags(*some(1))
    (kept,) = desk.kept()
    assert kept.block is not None
    behind = kept.block - 1
    monkeypatch.setattr(Gateway, "height", lambda _: behind)
    assert desk.raise_flags().anchored == 0
    assert [k.block for k in desk.kept()] == [kept.block]
    monkeypatch.undo()
    assert desk.fsck().differences == ()
    assert desk.inbox(1).problems == ()
