"""Attacks on the rule that nobody approves what they wrote, and that two members must agree."""

from __future__ import annotations

import hashlib

import pytest

NOTHING = bytes(32)
PROPOSED, ACTIVE = 1, 2
DOCUMENT, COPY = b'{"a":1}', b'{"a":1} '
KEYS = [b"1" * 32, b"2" * 32]


def hashed(document: bytes) -> bytes:
    return hashlib.sha256(document).digest()


@pytest.fixture
def proposed(staffed):
    """A rule set that the officer of the first bank wrote, up for approval."""
    staffed.do(staffed.rules.functions.propose(DOCUMENT, KEYS), staffed.officers[0])
    return staffed


def active(world):
    return world.rules.functions.activeRuleSet().call()[0]


def test_a_copy_with_one_more_byte_does_not_make_another_the_author(proposed):
    """The author lets another officer propose a copy, and approves it as if it were not theirs."""
    functions = proposed.rules.functions
    author, accomplice, other, _ = proposed.officers
    proposed.do(functions.propose(COPY, KEYS), accomplice)
    for writer in (author, accomplice):
        call = functions.approve(hashed(COPY), KEYS)
        proposed.refuses(call, writer, "RuleBookAuthorCannotApprove", writer)
    proposed.do(functions.approve(hashed(COPY), KEYS), other)
    assert active(proposed) == NOTHING


def test_one_rule_of_many_is_enough_to_be_an_author(proposed):
    functions = proposed.rules.functions
    author, accomplice, *_ = proposed.officers
    keys = [b"8" * 32, KEYS[1], b"9" * 32]
    proposed.do(functions.propose(COPY, keys), accomplice)
    call = functions.approve(hashed(COPY), keys)
    proposed.refuses(call, author, "RuleBookAuthorCannotApprove", author)
    assert functions.authorOf(KEYS[1]).call() == author
    assert functions.authorOf(keys[0]).call() == accomplice


def test_who_approves_names_the_keys_that_were_given(proposed):
    """With other keys the author would pass for a stranger to the rules."""
    functions = proposed.rules.functions
    author, first, *_ = proposed.officers
    given = proposed.web3.keccak(hexstr=proposed.web3.codec.encode(["bytes32[]"], [KEYS]).hex())
    for keys in ([], KEYS[:1], KEYS[::-1], [*KEYS, b"3" * 32]):
        other = proposed.web3.keccak(hexstr=proposed.web3.codec.encode(["bytes32[]"], [keys]).hex())
        for officer in (author, first):
            call = functions.approve(hashed(DOCUMENT), keys)
            proposed.refuses(call, officer, "RuleBookOtherRules", bytes(given), bytes(other))
    proposed.do(functions.approve(hashed(DOCUMENT), KEYS), first)


def test_who_wrote_any_part_of_a_chain_of_edits_approves_none_of_it(staffed):
    """Each rule has another key in each edit, so only the chain tells who wrote what it came from."""
    functions = staffed.rules.functions
    author, editor, other, colleague = staffed.officers
    staffed.do(functions.draft(DOCUMENT, NOTHING, [b"1" * 32]), author)
    staffed.do(functions.draft(COPY, hashed(DOCUMENT), [b"2" * 32]), editor)
    last = b"last"
    staffed.do(functions.draft(last, hashed(COPY), [b"3" * 32]), other)
    staffed.do(functions.submit(hashed(last)), other)
    approval = functions.approve(hashed(last), [b"3" * 32])
    for writer in (author, editor, other):
        staffed.refuses(approval, writer, "RuleBookAuthorCannotApprove", writer)
    staffed.do(approval, colleague)
    assert active(staffed) == NOTHING


def test_a_withdrawn_draft_still_has_its_author(staffed):
    functions = staffed.rules.functions
    author, accomplice, *_ = staffed.officers
    staffed.do(functions.draft(DOCUMENT, NOTHING, KEYS), author)
    staffed.do(functions.withdraw(hashed(DOCUMENT)), author)
    staffed.do(functions.propose(COPY, KEYS), accomplice)
    call = functions.approve(hashed(COPY), KEYS)
    staffed.refuses(call, author, "RuleBookAuthorCannotApprove", author)


def test_rules_that_were_in_force_belong_to_nobody(proposed):
    """Else, after a while, no officer would be left who may approve the rule set of all."""
    functions = proposed.rules.functions
    author, first, second, _ = proposed.officers
    for officer in (first, second):
        proposed.do(functions.approve(hashed(DOCUMENT), KEYS), officer)
    assert active(proposed) == hashed(DOCUMENT)
    assert functions.authorOf(KEYS[0]).call() == "0x" + "00" * 20
    grown = [*KEYS, b"3" * 32]
    proposed.do(functions.propose(COPY, grown), first)
    assert functions.authorOf(grown[2]).call() == first
    for officer in (author, second):
        proposed.do(functions.approve(hashed(COPY), grown), officer)
    assert active(proposed) == hashed(COPY)


# two members


def test_two_officers_of_one_member_are_one_member(staffed):
    functions = staffed.rules.functions
    first, author, other, colleague = staffed.officers
    staffed.do(functions.propose(DOCUMENT, KEYS), author)
    approval = functions.approve(hashed(DOCUMENT), KEYS)
    staffed.do(approval, first)
    staffed.refuses(approval, colleague, "RuleBookSameMember", 1)
    staffed.refuses(approval, first, "RuleBookAlreadyApproved", first)
    assert active(staffed) == NOTHING
    staffed.do(approval, other)
    assert active(staffed) == hashed(DOCUMENT)


def test_an_authors_colleague_counts_but_another_member_must_agree(proposed):
    functions = proposed.rules.functions
    author, other, _, colleague = proposed.officers
    approval = functions.approve(hashed(DOCUMENT), KEYS)
    proposed.do(approval, colleague)
    proposed.govern(proposed.appointment(proposed.stranger, proposed.banks[0]))
    proposed.refuses(approval, proposed.stranger, "RuleBookSameMember", 1)
    proposed.refuses(approval, author, "RuleBookAuthorCannotApprove", author)
    assert active(proposed) == NOTHING
    proposed.do(approval, other)
    assert active(proposed) == hashed(DOCUMENT)


def test_one_member_does_not_take_a_rule_set_out_of_force(proposed):
    functions = proposed.rules.functions
    author, first, second, colleague = proposed.officers
    for officer in (first, second):
        proposed.do(functions.approve(hashed(DOCUMENT), KEYS), officer)
    proposed.do(functions.withdrawActive(hashed(DOCUMENT)), author)
    proposed.refuses(functions.withdrawActive(hashed(DOCUMENT)), colleague, "RuleBookSameMember", 1)
    assert active(proposed) == hashed(DOCUMENT)
    proposed.do(functions.withdrawActive(hashed(DOCUMENT)), second)
    assert active(proposed) == NOTHING


def test_officers_of_a_suspended_member_do_not_act_and_their_approval_waits(proposed):
    """An approval counts while its officer is one; afterwards the next approval takes its place."""
    functions, bank = proposed.rules.functions, proposed.banks[1]
    _, first, second, colleague = proposed.officers
    approval = functions.approve(hashed(DOCUMENT), KEYS)
    proposed.do(approval, first)
    proposed.do(proposed.consortium.functions.suspendMember(bank), bank)
    proposed.refuses(approval, first, "RuleBookNotOfficer", first)
    proposed.do(approval, second)
    assert active(proposed) == NOTHING
    proposed.do(approval, colleague)
    assert active(proposed) == hashed(DOCUMENT)


def test_in_a_consortium_of_one_two_officers_of_the_one_agree(world):
    functions = world.rules.functions
    world.admit_all(1)
    world.govern(*(world.appointment(officer, world.banks[0]) for officer in world.officers[:3]))
    world.found()
    author, first, second = world.officers[:3]
    world.do(functions.propose(DOCUMENT, KEYS), author)
    approval = functions.approve(hashed(DOCUMENT), KEYS)
    world.refuses(approval, author, "RuleBookAuthorCannotApprove", author)
    world.do(approval, first)
    world.refuses(approval, first, "RuleBookAlreadyApproved", first)
    assert active(world) == NOTHING
    world.do(approval, second)
    assert active(world) == hashed(DOCUMENT)


def test_in_a_consortium_of_two_both_members_agree(world):
    functions = world.rules.functions
    world.admit_all(2)
    staff = zip(world.officers, (0, 0, 0, 1), strict=True)
    world.govern(*(world.appointment(officer, world.banks[bank]) for officer, bank in staff))
    world.found()
    author, first, second, other = world.officers
    world.do(functions.propose(DOCUMENT, KEYS), author)
    approval = functions.approve(hashed(DOCUMENT), KEYS)
    world.do(approval, first)
    world.refuses(approval, second, "RuleBookSameMember", 1)
    world.do(approval, other)
    assert active(world) == hashed(DOCUMENT)


def test_nobody_writes_rules_before_the_founding(world):
    """A founder could otherwise put a rule set in force that no confirmation covers."""
    functions = world.rules.functions
    world.admit_all(2)
    world.govern(*(world.appointment(world.officers[i], world.banks[i]) for i in range(2)))
    for call in (functions.propose(DOCUMENT, KEYS), functions.draft(DOCUMENT, NOTHING, KEYS)):
        world.refuses(call, world.officers[0], "RuleBookNotFounded")
    world.found()
    world.do(functions.propose(DOCUMENT, KEYS), world.officers[0])


def test_the_longest_document_can_be_approved(staffed, monkeypatch):
    """Neither proposal nor approval of the most rules costs more gas than a network allows (2**24)."""
    monkeypatch.setattr(staffed, "gas", 2**24)
    functions = staffed.rules.functions
    author, first, second, _ = staffed.officers
    keys = [b"%032d" % i for i in range(functions.MAX_RULES().call())]
    one_more = functions.propose(COPY, [*keys, b"x" * 32])
    staffed.refuses(one_more, author, "RuleBookTooManyRules", len(keys) + 1)
    used = []
    for call, officer in (
        (functions.propose(DOCUMENT, keys), author),
        (functions.approve(hashed(DOCUMENT), keys), first),
        (functions.approve(hashed(DOCUMENT), keys), second),
    ):
        used.append(staffed.do(call, officer).gas_used)
    assert max(used) < staffed.gas
    assert active(staffed) == hashed(DOCUMENT)
