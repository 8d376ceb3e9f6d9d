"""Proposals: how many members must approve, how long the others have to see it, what a proposal can do."""

from __future__ import annotations

import hashlib

import pytest

from tests.contracts.world import DAY, DELAY, LIFETIME, RULES

KEY = b"h" * 32
KEY_ID = hashlib.sha256(KEY).digest()


@pytest.fixture
def three(staffed):
    return staffed


def policy(world, document=b"new"):
    return world.consortium.functions.publishPolicy(document)


def consortium_of(world, members, **rules):
    """Found a consortium of so many members."""
    world.admit_all(members)
    if rules:
        world.govern(world.consortium.functions.setRules(tuple(rules.values())))
    world.found()
    return world.banks[:members]


# ---------------------------------------------------------------- how many


@pytest.mark.parametrize(
    ("percent", "needed"),
    [
        (51, [1, 2, 2, 3, 3, 4, 4]),
        (60, [1, 2, 2, 3, 3, 4, 5]),
        (67, [1, 2, 3, 3, 4, 5, 5]),
        (75, [1, 2, 3, 3, 4, 5, 6]),
        (100, [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_the_quorum_is_rounded_up_and_never_half(world, percent, needed):
    functions = world.consortium.functions
    world.govern(functions.setRules((percent, 100 - percent + 1, 0, DAY)))
    assert functions.quorum().call() == [1, 1]  # also of nobody: a consortium without members decides nothing
    for count, bank in enumerate(world.banks, 1):
        world.admit(bank, bank[-8:])
        pauses = -(-count * (101 - percent) // 100)
        assert functions.quorum().call() == [needed[count - 1], pauses]
        assert 2 * needed[count - 1] > count


@pytest.mark.parametrize(("members", "needed"), [(1, 1), (2, 2), (4, 3), (7, 4)])
def test_so_many_members_and_no_fewer_decide(world, members, needed):
    banks = consortium_of(world, members)
    calls = [policy(world)]
    number = world.propose(calls, banks[0])
    for count, bank in enumerate(banks[1:], 2):
        if count > needed:
            break
        error = ("GovernanceQuorumMissing", count - 1, needed)
        world.refuses(world.execution(number, calls), world.stranger, *error)
        assert world.executable_at(number) == 0
        world.do(world.approval(number, calls), bank)
    assert world.standing(number)["counting"] == needed
    assert world.executable_at(number) == world.now() + DELAY
    world.travel(world.executable_at(number))
    world.do(world.execution(number, calls), world.stranger)
    assert world.consortium.functions.activePolicy().call() != bytes(32)


def test_what_stands_in_the_events_of_a_proposal(three):
    (first, second, _), calls = three.banks[:3], [policy(three)]
    number = three.propose(calls, first, "A new policy")
    made = three.now()
    three.do(three.approval(number, calls), second)
    passed = three.now()
    three.travel(passed + DELAY)
    three.do(three.execution(number, calls), three.stranger)
    events = {
        name: three.events(three.consortium, name)
        for name in ("ProposalMade", "ProposalApproved", "ProposalPassed", "ProposalExecuted")
    }
    (proposal,) = events["ProposalMade"]
    assert proposal["title"] == "A new policy"
    assert (proposal["number"], proposal["proposer"], proposal["expiresAt"]) == (1, 1, made + LIFETIME)
    assert [(c["target"], c["data"]) for c in proposal["calls"]] == three.calls(*calls)
    assert [e["code"] for e in events["ProposalApproved"]] == [1, 2]
    assert events["ProposalPassed"] == [{"number": 1, "executableAt": passed + DELAY}]
    assert events["ProposalExecuted"] == [{"number": 1}]
    standing = three.standing(number)
    assert (standing["callsHash"], standing["approvals"]) == (proposal["callsHash"], [1, 2])
    assert (standing["closed"], standing["urgent"], standing["counting"]) == (True, False, 2)


# ---------------------------------------------------------------- how long


def test_nothing_happens_before_the_delay_is_over(three):
    calls = [policy(three)]
    number = three.pass_proposal(calls)
    assert three.executable_at(number) <= three.now()
    other = three.propose([policy(three, b"b")], three.banks[0])
    three.do(three.approval(other, [policy(three, b"b")]), three.banks[1])
    due = three.executable_at(other)
    three.do(three.execution(number, calls), three.stranger)
    three.travel(due - 2)
    execution = three.execution(other, [policy(three, b"b")])
    three.refuses(execution, three.stranger, "GovernanceDelayNotOver", due)
    assert three.now() == due - 1  # one second too early
    three.do(execution, three.stranger)
    assert three.now() == due


def test_a_proposal_is_void_when_it_is_old(three):
    calls = [policy(three)]
    number = three.pass_proposal(calls)
    expires = three.standing(number)["expiresAt"]
    three.travel(expires)
    late = ("GovernanceProposalExpired", number, expires)
    three.refuses(three.execution(number, calls), three.stranger, *late)
    three.refuses(three.approval(number, calls), three.banks[2], *late)
    three.refuses(three.consortium.functions.withdrawApproval(number), three.banks[0], *late)
    three.refuses(three.consortium.functions.cancel(number), three.banks[0], *late)


def test_a_quorum_that_comes_too_late_for_the_delay_decides_nothing(three):
    calls = [policy(three)]
    number = three.propose(calls, three.banks[0])
    expires = three.standing(number)["expiresAt"]
    three.travel(expires - DELAY)
    three.do(three.approval(number, calls), three.banks[1])
    assert three.executable_at(number) > expires
    three.travel(expires)
    call = three.execution(number, calls)
    three.refuses(call, three.stranger, "GovernanceProposalExpired", number, expires)


def test_the_delay_begins_again_when_the_quorum_was_lost(three):
    """Approvals are taken back and given again at the last moment: the others still have the delay."""
    first, second, third = three.banks[:3]
    calls, functions = [policy(three)], three.consortium.functions
    number = three.pass_proposal(calls)
    three.do(functions.withdrawApproval(number), second)
    assert three.events(three.consortium, "ApprovalWithdrawn") == [{"number": number, "code": 2}]
    assert three.standing(number)["approvals"] == [1]
    three.refuses(three.execution(number, calls), first, "GovernanceQuorumMissing", 1, 2)
    three.do(three.approval(number, calls), third)
    due = three.now() + DELAY
    assert three.executable_at(number) == due
    three.refuses(three.execution(number, calls), first, "GovernanceDelayNotOver", due)
    three.do(three.approval(number, calls), second)  # one approval more than needed changes nothing
    assert three.executable_at(number) == due
    three.do(functions.withdrawApproval(number), first)
    assert three.executable_at(number) == due
    three.refuses(functions.withdrawApproval(number), first, "GovernanceNotApprovedBy", 1)
    three.travel(due)
    three.do(three.execution(number, calls), first)


def test_the_delay_begins_when_a_member_that_left_was_the_missing_approval(world):
    """Of four members three must approve; of three, two. Nobody approved in between."""
    banks = consortium_of(world, 4)
    calls = [policy(world)]
    number = world.propose(calls, banks[0])
    world.do(world.approval(number, calls), banks[1])
    assert world.executable_at(number) == 0
    world.do(world.consortium.functions.suspendMember(banks[3]), banks[3])
    world.do(world.execution(number, calls), world.stranger)
    assert world.consortium.functions.activePolicy().call() == bytes(32)  # it did not act: the delay began
    due = world.now() + DELAY
    assert world.events(world.consortium, "ProposalPassed") == [{"number": number, "executableAt": due}]
    world.refuses(world.execution(number, calls), world.stranger, "GovernanceDelayNotOver", due)
    world.travel(due)
    world.do(world.execution(number, calls), world.stranger)
    assert world.consortium.functions.activePolicy().call() != bytes(32)


# ---------------------------------------------------------------- whose approvals count


def test_a_suspended_member_neither_votes_nor_counts(three):
    first, second, third = three.banks[:3]
    functions, calls = three.consortium.functions, [policy(three)]
    number = three.pass_proposal(calls, [first, second])
    three.do(functions.suspendMember(second), second)
    three.refuses(three.execution(number, calls), first, "GovernanceQuorumMissing", 1, 2)
    for call in (
        functions.propose(three.calls(*calls), ""),
        three.approval(number, calls),
        functions.withdrawApproval(number),
        functions.cancel(number),
    ):
        three.refuses(call, second, "ConsortiumMemberSuspended", second)
    three.do(three.approval(number, calls), third)
    due = three.now() + DELAY
    three.refuses(three.execution(number, calls), first, "GovernanceDelayNotOver", due)
    three.travel(due)
    three.do(three.execution(number, calls), first)


def test_what_a_thief_approved_does_not_come_back_with_the_member(three):
    """A bank's key is stolen; the thief and a member that is in league with it pass a proposal.

    The bank stops itself, gets new keys, and is reinstated. The thief's approval must not count from then on.
    """
    victim, accomplice, third = three.banks[:3]
    functions, loot = three.consortium.functions, [three.granting("DESK_ROLE", three.stranger)]
    number = three.propose(loot, victim)  # the thief, with the victim's key
    three.do(three.approval(number, loot), accomplice)
    three.do(functions.suspendMember(victim), victim)
    repair = [three.key_change(victim, three.banks[4]), functions.reinstateMember(three.banks[4])]
    three.do(three.execution(three.pass_proposal(repair), repair), third)
    three.travel(three.executable_at(number))
    three.refuses(three.execution(number, loot), accomplice, "GovernanceQuorumMissing", 1, 2)
    assert three.standing(number)["approvals"] == [1, 2]
    # the bank itself may approve it, with its new account; then the delay begins
    three.do(three.approval(number, loot), three.banks[4])
    assert three.standing(number)["approvals"] == [1, 2]
    three.refuses(three.execution(number, loot), third, "GovernanceDelayNotOver", three.now() + DELAY)


def test_a_reinstated_member_votes_again(three):
    bank, other = three.banks[:2]
    functions = three.consortium.functions
    three.do(functions.suspendMember(bank), bank)
    three.govern(functions.reinstateMember(bank))
    calls = [policy(three)]
    number = three.pass_proposal(calls, [bank, other])
    assert three.standing(number)["counting"] == 2
    three.do(three.execution(number, calls), three.stranger)


def test_the_quorum_is_that_of_the_members_at_the_execution(three):
    """Two of three passed it; since then the consortium has grown to five, of whom three must approve."""
    calls = [policy(three)]
    number = three.pass_proposal(calls)
    for bank in three.banks[3:5]:
        three.admit(bank, bank[-8:])
    three.refuses(three.execution(number, calls), three.stranger, "GovernanceQuorumMissing", 2, 3)
    three.do(three.approval(number, calls), three.banks[4])
    due = three.now() + DELAY
    three.refuses(three.execution(number, calls), three.stranger, "GovernanceDelayNotOver", due)
    three.travel(due)
    three.do(three.execution(number, calls), three.stranger)


# ---------------------------------------------------------------- what is approved


def test_only_the_calls_that_were_read_are_approved_and_made(three):
    shown, other = [policy(three, b"shown")], [policy(three, b"other")]
    number = three.propose(shown, three.banks[0])
    hashes = (three.approval(number, shown).args[1], three.approval(number, other).args[1])
    wrong = ("GovernanceOtherCalls", *hashes)
    three.refuses(three.approval(number, other), three.banks[1], *wrong)
    three.do(three.approval(number, shown), three.banks[1])
    three.travel(three.executable_at(number))
    three.refuses(three.execution(number, other), three.stranger, *wrong)
    three.do(three.execution(number, shown), three.stranger)


def test_a_proposal_is_executed_once(three):
    calls = [three.consortium.functions.setLimits((1, 1, 1))]
    number = three.pass_proposal(calls)
    three.do(three.execution(number, calls), three.stranger)
    closed = ("GovernanceProposalClosed", number)
    three.refuses(three.execution(number, calls), three.banks[0], *closed)
    three.refuses(three.approval(number, calls), three.banks[2], *closed)
    three.refuses(three.consortium.functions.withdrawApproval(number), three.banks[0], *closed)
    three.refuses(three.consortium.functions.cancel(number), three.banks[0], *closed)


def test_its_proposer_cancels_it_for_good(three):
    calls, functions = [policy(three)], three.consortium.functions
    number = three.pass_proposal(calls)
    three.refuses(functions.cancel(number), three.banks[1], "GovernanceNotProposer", 2)
    three.do(functions.cancel(number), three.banks[0])
    assert three.events(three.consortium, "ProposalCancelled") == [{"number": number}]
    three.refuses(three.execution(number, calls), three.stranger, "GovernanceProposalClosed", number)
    again = three.pass_proposal(calls)
    three.do(three.execution(again, calls), three.stranger)


def test_all_calls_are_made_or_none(three):
    before = three.consortium.functions.activePolicy().call()
    calls = [policy(three), three.consortium.functions.removeReader(KEY_ID)]
    number = three.pass_proposal(calls)
    call = three.execution(number, calls)
    three.refuses(call, three.stranger, "ConsortiumUnknownReader", KEY_ID)
    assert three.consortium.functions.activePolicy().call() == before
    three.govern(three.consortium.functions.addReader(KEY_ID, KEY, 24_000, "desk"))
    three.do(call, three.stranger)  # what failed can be tried again, until it is too old
    assert three.consortium.functions.activePolicy().call() != before


def test_a_proposal_acts_on_every_contract_of_the_consortium(three):
    calls = [
        three.ceremony(7, three.holders[:2]),
        three.evaluations.functions.grant(1, 5),
        three.consortium.functions.publishPolicy(b"new"),
    ]
    three.govern(*calls)
    assert three.pseudonyms.functions.ceremonyCount().call() == 2
    assert three.evaluations.functions.left(1).call()[1] == 5


def test_what_is_not_there_is_refused(three):
    functions, bank = three.consortium.functions, three.banks[0]
    three.refuses(functions.propose([], "nothing"), bank, "GovernanceNothingToDo")
    for number in (0, 1, 2**32 - 1):
        unknown = ("GovernanceUnknownProposal", number)
        three.refuses(functions.proposalAt(number), bank, *unknown)
        three.refuses(functions.approve(number, bytes(32)), bank, *unknown)
        three.refuses(functions.execute(number, three.calls(policy(three))), bank, *unknown)
        three.refuses(functions.cancel(number), bank, *unknown)
        three.refuses(functions.withdrawApproval(number), bank, *unknown)
    assert functions.proposalCount().call() == 0


def test_a_call_to_an_account_without_code_is_refused(three):
    """A typing error in an address must not look like a decision that took effect."""
    functions, calls = three.consortium.functions, [(three.stranger, b"1234")]
    three.do(functions.propose(calls, ""), three.banks[0])
    calls_hash = three.standing(1)["callsHash"]
    three.do(functions.approve(1, calls_hash), three.banks[1])
    three.travel(three.executable_at(1))
    three.refuses(functions.execute(1, calls), three.banks[0], "AddressEmptyCode", three.stranger)


def test_the_members_change_how_they_decide(three):
    functions = three.consortium.functions
    rules = (100, 100, DAY, 5 * DAY)
    three.govern(functions.setRules(rules))
    assert functions.rules().call() == rules
    assert functions.quorum().call() == [3, 3]
    number = three.pass_proposal([functions.setRules(RULES)])
    assert three.standing(number)["counting"] == 3
    three.do(three.execution(number, [functions.setRules(RULES)]), three.stranger)
    assert functions.quorum().call() == [2, 1]


def test_a_lower_quorum_does_not_take_the_delay_away(three):
    """Two members lower the quorum to pass what waits: it waits for the delay all the same."""
    functions, calls = three.consortium.functions, [policy(three)]
    three.govern(functions.setRules((100, 100, DELAY, LIFETIME)))
    number = three.propose(calls, three.banks[0])
    three.do(three.approval(number, calls), three.banks[1])
    three.govern(functions.setRules(RULES))
    three.do(three.execution(number, calls), three.stranger)
    due = three.now() + DELAY
    three.refuses(three.execution(number, calls), three.stranger, "GovernanceDelayNotOver", due)


# ---------------------------------------------------------------- the urgent pause


def test_fewer_members_pause_at_once_and_not_resume(three):
    functions, bank = three.consortium.functions, three.banks[2]
    assert functions.quorum().call() == [2, 1]
    calls = [functions.pause()]
    number = three.propose(calls, bank)
    assert three.standing(number)["urgent"]
    three.do(three.execution(number, calls), three.stranger)
    assert functions.paused().call()
    resume = three.propose([functions.unpause()], bank)
    assert not three.standing(resume)["urgent"]
    execution = three.execution(resume, [functions.unpause()])
    three.refuses(execution, bank, "GovernanceQuorumMissing", 1, 2)
    three.do(three.approval(resume, [functions.unpause()]), three.banks[0])
    three.refuses(execution, bank, "GovernanceDelayNotOver", three.now() + DELAY)
    three.travel(three.executable_at(resume))
    three.do(execution, bank)
    assert not functions.paused().call()


def test_nothing_but_a_pause_of_this_contract_alone_is_urgent(three):
    functions, bank = three.consortium.functions, three.banks[0]
    consortium, pause = three.calls(functions.pause())[0]
    others = [
        [(consortium, pause), (consortium, pause)],
        three.calls(functions.pause(), policy(three)),
        three.calls(policy(three), functions.pause()),
        [(consortium, pause + b"\0")],
        [(consortium, pause[:3])],
        [(consortium, b"")],
        three.calls(functions.unpause()),
        [(three.ledger.address, pause)],
        [(three.stranger, pause)],
    ]
    for calls in others:
        three.do(functions.propose(calls, "pause()"), bank)
        number = functions.proposalCount().call()
        assert not three.standing(number)["urgent"], calls
        assert three.executable_at(number) == 0
        missing = ("GovernanceQuorumMissing", 1, 2)
        three.refuses(functions.execute(number, calls), bank, *missing)
    assert not functions.paused().call()


def test_the_members_decide_while_it_is_paused(three):
    """Else the pause of one member could never be lifted against it."""
    functions = three.consortium.functions
    three.govern(functions.pause())
    three.govern(functions.revokeMember(three.banks[2]), functions.unpause())
    assert not functions.paused().call()


def test_a_pause_of_many_members_needs_its_share_of_them(world):
    banks = consortium_of(world, 7)
    functions, calls = world.consortium.functions, [world.consortium.functions.pause()]
    assert functions.quorum().call() == [4, 3]
    number = world.propose(calls, banks[0])
    world.refuses(world.execution(number, calls), banks[0], "GovernanceQuorumMissing", 1, 3)
    world.do(world.approval(number, calls), banks[1])
    world.refuses(world.execution(number, calls), banks[0], "GovernanceQuorumMissing", 2, 3)
    world.do(world.approval(number, calls), banks[2])
    world.do(world.execution(number, calls), banks[0])
    assert functions.paused().call()


def test_a_member_that_was_revoked_does_not_pause_again(three):
    """It proposed pauses in advance, to stop the consortium whenever it likes."""
    functions, bank = three.consortium.functions, three.banks[2]
    calls = [functions.pause()]
    stored = [three.propose(calls, bank) for _ in range(2)]
    three.do(three.execution(stored[0], calls), bank)
    three.refuses(three.execution(stored[1], calls), bank, "EnforcedPause")
    three.govern(functions.revokeMember(bank), functions.unpause(), voters=three.banks[:2])
    three.refuses(three.execution(stored[1], calls), bank, "GovernanceQuorumMissing", 0, 1)
