"""The life of a rule set on the chain: drafts, edits, backtests, supersession, withdrawal from force."""

from __future__ import annotations

import hashlib

import pytest

PROPOSED, ACTIVE, WITHDRAWN, DRAFTED, SUPERSEDED = 1, 2, 3, 4, 5
NOTHING = bytes(32)


def hashed(document: bytes) -> bytes:
    return hashlib.sha256(document).digest()


FIRST, EDITED, OTHER = b'{"a":1}', b'{"a":2}', b'{"b":1}'


@pytest.fixture
def drafted(staffed):
    staffed.do(staffed.rules.functions.draft(FIRST, NOTHING, []), staffed.officers[0])
    return staffed


def activate(world, document, author, approvers):
    functions = world.rules.functions
    world.do(functions.propose(document, []), author)
    for officer in approvers:
        world.do(functions.approve(hashed(document), []), officer)


def test_a_draft_is_edited_backtested_submitted_and_approved(drafted):
    functions = drafted.rules.functions
    author, editor, third, colleague = drafted.officers
    drafted.refuses(functions.approve(hashed(FIRST), []), editor, "RuleBookNotProposed", hashed(FIRST))
    drafted.do(functions.draft(EDITED, hashed(FIRST), []), editor)
    report = b'{"rows":3}'
    drafted.do(functions.recordBacktest(hashed(EDITED), report), author)
    drafted.refuses(functions.submit(hashed(EDITED)), author, "RuleBookNotAuthor", author)
    drafted.do(functions.submit(hashed(EDITED)), editor)
    drafted.refuses(functions.submit(hashed(EDITED)), editor, "RuleBookNotProposed", hashed(EDITED))
    for writer in (author, editor):
        call = functions.approve(hashed(EDITED), [])
        drafted.refuses(call, writer, "RuleBookAuthorCannotApprove", writer)
    drafted.do(functions.approve(hashed(EDITED), []), third)
    drafted.do(functions.approve(hashed(EDITED), []), colleague)
    assert functions.activeRuleSet().call() == [hashed(EDITED), 1]
    assert drafted.events(drafted.rules, "RuleSetDrafted")[1] == {
        "ruleSetHash": hashed(EDITED),
        "author": editor,
        "previous": hashed(FIRST),
        "document": EDITED,
        "ruleKeys": [],
    }
    tested = drafted.events(drafted.rules, "RuleSetBacktested")[0]
    assert (tested["reportHash"], tested["report"]) == (hashed(report), report)


def test_an_edit_of_what_was_in_force_starts_anew(staffed):
    author, first, second, _colleague = staffed.officers
    activate(staffed, FIRST, author, (first, second))
    functions = staffed.rules.functions
    staffed.do(functions.draft(EDITED, hashed(FIRST), []), first)
    staffed.do(functions.submit(hashed(EDITED)), first)
    staffed.do(functions.approve(hashed(EDITED), []), author)
    staffed.do(functions.approve(hashed(EDITED), []), second)
    assert functions.activeRuleSet().call() == [hashed(EDITED), 2]
    assert functions.proposalOf(hashed(FIRST)).call()[0] == SUPERSEDED
    superseded = {"ruleSetHash": hashed(FIRST), "successor": hashed(EDITED)}
    assert staffed.events(staffed.rules, "RuleSetSuperseded") == [superseded]


def test_a_draft_names_a_known_one_and_is_new(drafted):
    functions = drafted.rules.functions
    author = drafted.officers[0]
    drafted.refuses(functions.draft(EDITED, b"\1" * 32, []), author, "RuleBookUnknownPrevious", b"\1" * 32)
    drafted.refuses(functions.draft(FIRST, NOTHING, []), author, "RuleBookAlreadyProposed", hashed(FIRST))
    drafted.refuses(functions.propose(FIRST, []), author, "RuleBookAlreadyProposed", hashed(FIRST))
    drafted.refuses(functions.draft(b"", NOTHING, []), author, "RuleBookEmptyDocument")
    call = functions.recordBacktest(hashed(OTHER), b"{}")
    drafted.refuses(call, author, "RuleBookNotProposed", hashed(OTHER))
    drafted.refuses(functions.recordBacktest(hashed(FIRST), b""), author, "RuleBookEmptyDocument")


def test_its_author_withdraws_a_draft(drafted):
    functions = drafted.rules.functions
    author, other, *_ = drafted.officers
    drafted.refuses(functions.withdraw(hashed(FIRST)), other, "RuleBookNotAuthor", other)
    drafted.do(functions.withdraw(hashed(FIRST)), author)
    assert functions.proposalOf(hashed(FIRST)).call()[0] == WITHDRAWN
    drafted.refuses(functions.submit(hashed(FIRST)), author, "RuleBookNotProposed", hashed(FIRST))


def test_two_officers_take_the_active_set_out_of_force(staffed):
    author, first, second, _colleague = staffed.officers
    functions = staffed.rules.functions
    staffed.refuses(functions.withdrawActive(hashed(FIRST)), first, "RuleBookNotActive", hashed(FIRST))
    activate(staffed, FIRST, author, (first, second))
    staffed.do(functions.withdrawActive(hashed(FIRST)), second)
    staffed.refuses(functions.withdrawActive(hashed(FIRST)), second, "RuleBookAlreadyApproved", second)
    assert functions.activeRuleSet().call() == [hashed(FIRST), 1]
    staffed.do(functions.withdrawActive(hashed(FIRST)), author)
    assert functions.activeRuleSet().call() == [NOTHING, 1]
    assert functions.proposalOf(hashed(FIRST)).call()[0] == WITHDRAWN
    activate(staffed, OTHER, author, (first, second))
    assert functions.activeRuleSet().call() == [hashed(OTHER), 2]
    assert staffed.events(staffed.rules, "RuleSetSuperseded") == []


def test_only_officers_act_and_nothing_moves_while_paused(drafted):
    functions = drafted.rules.functions
    calls = [
        functions.draft(OTHER, NOTHING, []),
        functions.submit(hashed(FIRST)),
        functions.recordBacktest(hashed(FIRST), b"{}"),
        functions.withdrawActive(hashed(FIRST)),
    ]
    for call in calls:
        drafted.refuses(call, drafted.stranger, "RuleBookNotOfficer", drafted.stranger)
    drafted.govern(drafted.consortium.functions.pause())
    for call in calls:
        drafted.refuses(call, drafted.officers[0], "RuleBookPaused")


def test_a_chain_of_edits_is_bounded(drafted):
    functions = drafted.rules.functions
    author = drafted.officers[0]
    before = hashed(FIRST)
    for i in range(functions.MAX_EDITS().call()):
        drafted.do(functions.draft(b"%d" % i, before, []), author)
        before = hashed(b"%d" % i)
    drafted.refuses(functions.draft(OTHER, before, []), author, "RuleBookTooManyEdits", before)
    drafted.do(functions.submit(before), author)
    receipt = drafted.do(functions.approve(before, []), drafted.officers[1])
    assert receipt.gas_used < 600_000
