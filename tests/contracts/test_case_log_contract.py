"""The case log: who may append which kind, one chain over all entries, nothing twice."""

from __future__ import annotations

import hashlib
import struct

import pytest

from tests.contracts.world import LIMITS

FLAG, FINDING, DECISION, REQUEST, ANSWER, NOTE = range(1, 7)
CASE = b"c" * 32


def entry(kind, content, payload=b"sealed"):
    return (kind, CASE, hashlib.sha256(content).digest(), payload)


def chained(head, index, author, item):
    """The next head, written again from the format's description."""
    kind, case, content, payload = item
    return hashlib.sha256(
        head
        + struct.pack(">QB", index, kind)
        + case
        + content
        + bytes.fromhex(author[2:])
        + hashlib.sha256(payload).digest()
    ).digest()


def test_entries_of_all_authors_form_one_chain(staffed):
    functions = staffed.cases.functions
    steps = [
        (staffed.desk, [entry(FLAG, b"1"), entry(FINDING, b"2", b""), entry(NOTE, b"3")]),
        (staffed.officers[0], [entry(REQUEST, b"4"), entry(DECISION, b"5", b"x" * 1000)]),
        (staffed.auditor, [entry(REQUEST, b"6")]),
        (staffed.banks[0], [entry(ANSWER, b"7")]),
    ]
    expected, head = [], bytes(32)
    for author, items in steps:
        staffed.do(functions.append(items), author)
        for item in items:
            head = chained(head, len(expected), author, item)
            expected.append(
                {
                    "index": len(expected),
                    "caseId": CASE,
                    "kind": item[0],
                    "author": author,
                    "contentHash": item[2],
                    "head": head,
                    "payload": item[3],
                }
            )
    assert staffed.events(staffed.cases, "CaseEntryAppended") == expected
    assert functions.head().call() == head
    assert functions.size().call() == 7
    fourth = expected[3]
    assert functions.has(fourth["author"], REQUEST, fourth["contentHash"]).call()
    for other in (
        (staffed.desk, REQUEST, fourth["contentHash"]),
        (fourth["author"], DECISION, fourth["contentHash"]),
        (fourth["author"], REQUEST, bytes(32)),
    ):
        assert not functions.has(*other).call()


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        (FLAG, {"desk"}),
        (FINDING, {"desk"}),
        (DECISION, {"officer"}),
        (REQUEST, {"officer", "auditor"}),
        (ANSWER, {"bank"}),
        (NOTE, {"desk"}),
    ],
)
def test_each_kind_has_its_authors(staffed, kind, allowed):
    authors = {
        "desk": staffed.desk,
        "officer": staffed.officers[0],
        "auditor": staffed.auditor,
        "bank": staffed.banks[0],
        "founder": staffed.founder,
        "stranger": staffed.stranger,
    }
    for number, (name, author) in enumerate(authors.items()):
        call = staffed.cases.functions.append([entry(kind, bytes([kind, number]))])
        if name in allowed:
            staffed.do(call, author)
        elif kind == ANSWER:
            staffed.refuses(call, author, "ConsortiumNotMember", author)
        else:
            staffed.refuses(call, author, "CaseLogUnauthorized", author, kind)
    assert staffed.cases.functions.size().call() == len(allowed)


def test_a_suspended_member_cannot_answer(staffed):
    bank = staffed.banks[0]
    staffed.do(staffed.consortium.functions.suspendMember(bank), bank)
    call = staffed.cases.functions.append([entry(ANSWER, b"late")])
    staffed.refuses(call, bank, "ConsortiumMemberSuspended", bank)


def test_nobody_keeps_out_the_content_of_another_author(staffed):
    """A member that learns a flag's identifier and appends it first changes nothing for the desk."""
    functions, flag = staffed.cases.functions, entry(FLAG, b"1")
    staffed.do(functions.append([(ANSWER, *flag[1:])]), staffed.banks[0])
    staffed.do(functions.append([(ANSWER, *flag[1:])]), staffed.banks[1])
    staffed.do(functions.append([flag, (FINDING, *flag[1:])]), staffed.desk)
    assert functions.size().call() == 4
    for author, kind in ((staffed.banks[0], ANSWER), (staffed.banks[1], ANSWER), (staffed.desk, FLAG)):
        again = functions.append([(kind, *flag[1:])])
        staffed.refuses(again, author, "CaseLogDuplicate", flag[2])


def test_content_is_appended_once_and_an_array_is_all_or_nothing(staffed):
    functions, desk = staffed.cases.functions, staffed.desk
    first = entry(FLAG, b"1")
    staffed.do(functions.append([first]), desk)
    head = functions.head().call()
    again = functions.append([entry(FLAG, b"2"), (FLAG, b"d" * 32, first[2], b"other")])
    staffed.refuses(again, desk, "CaseLogDuplicate", first[2])
    twins = functions.append([entry(FLAG, b"3"), entry(FLAG, b"3")])
    staffed.refuses(twins, desk, "CaseLogDuplicate", entry(FLAG, b"3")[2])
    mixed = functions.append([entry(FLAG, b"4"), entry(DECISION, b"5")])
    staffed.refuses(mixed, desk, "CaseLogUnauthorized", desk, DECISION)
    assert (functions.head().call(), functions.size().call()) == (head, 1)


@pytest.mark.parametrize("kind", [0, 7, 255])
def test_unknown_kinds_are_refused(staffed, kind):
    call = staffed.cases.functions.append([entry(kind, b"1")])
    staffed.refuses(call, staffed.desk, "CaseLogInvalidKind", kind)


def test_nothing_is_appended_before_the_founding_in_a_pause_or_empty(world):
    functions = world.cases.functions
    world.admit_all(1)
    world.govern(
        world.granting("DESK_ROLE", world.desk), world.appointment(world.officers[0], world.banks[0])
    )
    for kind, author in ((FLAG, world.desk), (DECISION, world.officers[0]), (ANSWER, world.banks[0])):
        world.refuses(functions.append([entry(kind, b"1")]), author, "CaseLogNotFounded")
    world.found()
    world.refuses(functions.append([]), world.desk, "CaseLogEmpty")
    world.govern(world.consortium.functions.pause())
    world.refuses(functions.append([entry(FLAG, b"1")]), world.desk, "CaseLogPaused")


# so much in a day


ENTRIES, BYTES = LIMITS[1:]


def many(kind, count, payload=b"", start=0):
    return [entry(kind, b"%d" % (start + i), payload) for i in range(count)]


def test_a_member_appends_so_many_entries_in_a_day_with_its_officers(staffed):
    """The bank, and both its officers, whatever they write: the log counts them as one."""
    functions, bank = staffed.cases.functions, staffed.banks[0]
    first, _, _, colleague = staffed.officers
    staffed.next_day()
    staffed.do(functions.append(many(ANSWER, ENTRIES - 2)), bank)
    staffed.do(functions.append(many(DECISION, 1)), first)
    left = functions.append(many(REQUEST, 2))
    staffed.refuses(left, colleague, "CaseLogQuotaExceeded", 0, BYTES)
    staffed.do(functions.append(many(REQUEST, 1)), colleague)
    for author, kind in ((bank, ANSWER), (first, DECISION), (colleague, REQUEST)):
        staffed.refuses(functions.append(many(kind, 1, start=900)), author, "CaseLogQuotaExceeded", 0, BYTES)
    staffed.do(functions.append(many(ANSWER, 1)), staffed.banks[1])
    staffed.do(functions.append(many(DECISION, 1)), staffed.officers[1])
    staffed.next_day()
    staffed.do(functions.append(many(ANSWER, 1, start=900)), bank)


def test_a_member_appends_so_many_bytes_in_a_day(staffed):
    functions, bank = staffed.cases.functions, staffed.banks[0]
    staffed.next_day()
    staffed.do(functions.append(many(ANSWER, 2, b"x" * (BYTES // 2 - 1))), bank)
    over = functions.append([entry(ANSWER, b"over", b"xxx")])
    staffed.refuses(over, bank, "CaseLogQuotaExceeded", ENTRIES - 2, 2)
    staffed.do(functions.append([entry(ANSWER, b"over", b"xx")]), bank)
    staffed.do(functions.append([entry(ANSWER, b"empty", b"")]), bank)
    staffed.next_day()
    staffed.do(functions.append([entry(ANSWER, b"next", b"x" * BYTES)]), bank)


def test_an_account_that_a_member_left_behind_has_no_quota_of_its_own(staffed):
    """A bank does not get a new quota by a new account: what counts is its code."""
    functions, bank, new = staffed.cases.functions, staffed.banks[0], staffed.stranger
    number = staffed.pass_proposal([staffed.key_change(bank, new)])
    staffed.next_day()
    staffed.do(functions.append(many(ANSWER, ENTRIES)), bank)
    staffed.do(staffed.execution(number, [staffed.key_change(bank, new)]), staffed.desk)
    over = functions.append(many(ANSWER, 1))
    staffed.refuses(over, new, "CaseLogQuotaExceeded", 0, BYTES)
    staffed.refuses(over, bank, "ConsortiumAccountReplaced", bank)


def test_an_auditor_has_its_own_quota_and_the_desk_none(staffed):
    functions = staffed.cases.functions
    staffed.next_day()
    staffed.do(functions.append(many(REQUEST, ENTRIES)), staffed.auditor)
    over = functions.append(many(REQUEST, 1, start=900))
    staffed.refuses(over, staffed.auditor, "CaseLogQuotaExceeded", 0, BYTES)
    staffed.do(functions.append(many(FLAG, ENTRIES + 1)), staffed.desk)
    staffed.do(functions.append([entry(NOTE, b"long", b"x" * (BYTES + 1))]), staffed.desk)


def test_the_members_change_what_one_of_them_may_append(staffed):
    functions, bank = staffed.cases.functions, staffed.banks[0]
    staffed.govern(staffed.consortium.functions.setLimits((LIMITS[0], 1, 5)))
    staffed.next_day()
    staffed.refuses(functions.append(many(ANSWER, 1, b"123456")), bank, "CaseLogQuotaExceeded", 1, 5)
    staffed.do(functions.append(many(ANSWER, 1, b"12345")), bank)
    staffed.refuses(functions.append(many(ANSWER, 1, start=1)), bank, "CaseLogQuotaExceeded", 0, 0)
    assert staffed.events(staffed.consortium, "LimitsSet")[-1] == {
        "evaluationsPerDay": LIMITS[0],
        "caseEntriesPerDay": 1,
        "caseBytesPerDay": 5,
    }


def test_no_payload_is_longer_than_the_log_takes(staffed):
    functions = staffed.cases.functions
    longest = functions.MAX_PAYLOAD().call()
    call = functions.append([entry(FLAG, b"1", bytes(longest + 1))])
    staffed.refuses(call, staffed.desk, "CaseLogPayloadTooLong", longest + 1)
    staffed.do(functions.append([entry(FLAG, b"1", bytes(longest))]), staffed.desk)
