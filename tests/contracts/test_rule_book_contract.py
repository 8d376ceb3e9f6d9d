"""Rule sets: proposed by one officer, active only when two others of two members agree."""

from __future__ import annotations

import hashlib

import pytest

DOCUMENT = b'{"rules":[]}'
HASH = hashlib.sha256(DOCUMENT).digest()
KEYS = [b"1" * 32, b"2" * 32]
PROPOSED, ACTIVE, WITHDRAWN = 1, 2, 3


@pytest.fixture
def proposed(staffed):
    staffed.do(staffed.rules.functions.propose(DOCUMENT, KEYS), staffed.officers[0])
    return staffed


def test_the_second_approval_activates_and_versions_count(proposed):
    functions = proposed.rules.functions
    author, first, second, _colleague = proposed.officers
    assert functions.activeRuleSet().call() == [bytes(32), 0]
    proposed.do(functions.approve(HASH, KEYS), first)
    assert functions.activeRuleSet().call() == [bytes(32), 0]
    assert functions.proposalOf(HASH).call() == [PROPOSED, author, first]
    proposed.do(functions.approve(HASH, KEYS), second)
    assert functions.activeRuleSet().call() == [HASH, 1]

    proposed.do(functions.propose(b"{}", []), second)
    newer = hashlib.sha256(b"{}").digest()
    proposed.do(functions.approve(newer, []), author)
    proposed.do(functions.approve(newer, []), first)
    assert functions.activeRuleSet().call() == [newer, 2]
    assert proposed.events(proposed.rules, "RuleSetProposed")[0] == {
        "ruleSetHash": HASH,
        "author": author,
        "document": DOCUMENT,
        "ruleKeys": KEYS,
    }
    assert proposed.events(proposed.rules, "RuleSetApproved")[:2] == [
        {"ruleSetHash": HASH, "officer": first, "approvals": 1},
        {"ruleSetHash": HASH, "officer": second, "approvals": 2},
    ]
    assert proposed.events(proposed.rules, "RuleSetActivated") == [
        {"ruleSetHash": HASH, "version": 1},
        {"ruleSetHash": newer, "version": 2},
    ]


def test_nobody_approves_twice_or_their_own(proposed):
    functions = proposed.rules.functions
    author, first, _second, _colleague = proposed.officers
    proposed.refuses(functions.approve(HASH, KEYS), author, "RuleBookAuthorCannotApprove", author)
    proposed.do(functions.approve(HASH, KEYS), first)
    proposed.refuses(functions.approve(HASH, KEYS), first, "RuleBookAlreadyApproved", first)
    assert functions.activeRuleSet().call() == [bytes(32), 0]


def test_the_approval_of_a_former_officer_does_not_count(proposed):
    functions = proposed.rules.functions
    author, first, second, _colleague = proposed.officers
    proposed.do(functions.approve(HASH, KEYS), first)
    proposed.do(proposed.consortium.functions.dismissOfficer(first), proposed.banks[1])
    proposed.do(functions.approve(HASH, KEYS), second)
    assert functions.activeRuleSet().call() == [bytes(32), 0]
    assert functions.proposalOf(HASH).call() == [PROPOSED, author, second]
    proposed.govern(proposed.appointment(proposed.stranger, proposed.banks[0]))
    proposed.do(functions.approve(HASH, KEYS), proposed.stranger)
    assert functions.activeRuleSet().call() == [HASH, 1]


def test_only_officers_act(proposed):
    functions = proposed.rules.functions
    for outsider in (proposed.founder, proposed.desk, proposed.auditor, proposed.banks[0]):
        for call in (functions.propose(b"{}", []), functions.approve(HASH, KEYS), functions.withdraw(HASH)):
            proposed.refuses(call, outsider, "RuleBookNotOfficer", outsider)


def test_the_author_withdraws_before_activation_only_and_for_good(proposed):
    functions = proposed.rules.functions
    author, first, second, _colleague = proposed.officers
    proposed.refuses(functions.withdraw(HASH), first, "RuleBookNotAuthor", first)
    proposed.do(functions.approve(HASH, KEYS), first)
    proposed.do(functions.withdraw(HASH), author)
    assert functions.proposalOf(HASH).call()[0] == WITHDRAWN
    proposed.refuses(functions.approve(HASH, KEYS), second, "RuleBookNotProposed", HASH)
    proposed.refuses(functions.withdraw(HASH), author, "RuleBookNotProposed", HASH)
    proposed.refuses(functions.propose(DOCUMENT, KEYS), second, "RuleBookAlreadyProposed", HASH)
    withdrawn = [{"ruleSetHash": HASH, "author": author}]
    assert proposed.events(proposed.rules, "RuleSetWithdrawn") == withdrawn


def test_an_active_rule_set_is_closed(proposed):
    functions = proposed.rules.functions
    author, first, second, _colleague = proposed.officers
    proposed.do(functions.approve(HASH, KEYS), first)
    proposed.do(functions.approve(HASH, KEYS), second)
    assert functions.proposalOf(HASH).call()[0] == ACTIVE
    proposed.refuses(functions.approve(HASH, KEYS), first, "RuleBookNotProposed", HASH)
    proposed.refuses(functions.withdraw(HASH), author, "RuleBookNotProposed", HASH)
    proposed.refuses(functions.propose(DOCUMENT, KEYS), author, "RuleBookAlreadyProposed", HASH)


def test_what_was_never_proposed_cannot_be_approved(staffed):
    officer = staffed.officers[0]
    staffed.refuses(staffed.rules.functions.approve(HASH, KEYS), officer, "RuleBookNotProposed", HASH)
    staffed.refuses(staffed.rules.functions.propose(b"", []), officer, "RuleBookEmptyDocument")


def test_nothing_moves_while_paused(proposed):
    functions = proposed.rules.functions
    proposed.govern(proposed.consortium.functions.pause())
    for call in (functions.propose(b"{}", []), functions.approve(HASH, KEYS), functions.withdraw(HASH)):
        proposed.refuses(call, proposed.officers[1], "RuleBookPaused")
