"""The case log: who may append which kind, one chain over all entries, nothing twice."""

from __future__ import annotations

import hashlib
import struct

import pytest

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
        "operator": staffed.operator,
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
    staffed.do(staffed.consortium.functions.suspendMember(bank), staffed.operator)
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


def test_nothing_is_appended_while_paused_or_empty(staffed):
    functions = staffed.cases.functions
    staffed.refuses(functions.append([]), staffed.desk, "CaseLogEmpty")
    staffed.do(staffed.consortium.functions.pause(), staffed.operator)
    staffed.refuses(functions.append([entry(FLAG, b"1")]), staffed.desk, "CaseLogPaused")
