"""Attacks on the governance: one member, one stolen key, one founder, one contract in the middle."""

from __future__ import annotations

import pytest

from tests.contracts import relay
from tests.contracts.world import DELAY


def bank_of_the_attacker(world):
    """The admission of an account that the attacker made, signed by itself, as it has to be."""
    return world.admission(world.banks[4], "PUPPETXX")


# ---------------------------------------------------------------- one account alone


@pytest.mark.parametrize("role", ["founder", "banks", "officers", "desk", "auditor", "holders", "stranger"])
def test_nobody_alone_admits_a_sock_puppet(staffed, role):
    """One member among three: neither by itself, nor by a proposal that only it approves."""
    who = getattr(staffed, role)
    sender = who[0] if isinstance(who, list) else who
    puppet = bank_of_the_attacker(staffed)
    staffed.refuses(puppet, sender, "GovernanceNotApproved", sender)
    if role != "banks":
        propose = staffed.consortium.functions.propose(staffed.calls(puppet), "a bank")
        staffed.refuses(propose, sender, "ConsortiumNotMember", sender)
        return
    number = staffed.propose([puppet], sender, "a bank")
    staffed.travel(staffed.now() + DELAY)
    execution = staffed.execution(number, [puppet])
    staffed.refuses(execution, sender, "GovernanceQuorumMissing", 1, 2)
    approval = staffed.approval(number, [puppet])
    staffed.refuses(approval, sender, "GovernanceAlreadyApproved", 1)
    staffed.refuses(approval, staffed.banks[4], "ConsortiumNotMember", staffed.banks[4])
    for outsider in (staffed.founder, staffed.officers[0], staffed.desk, staffed.stranger):
        staffed.refuses(approval, outsider, "ConsortiumNotMember", outsider)
    assert staffed.consortium.functions.memberCount().call() == 3


def test_a_member_approves_once_also_with_a_new_account(staffed):
    """It changes its account in between, so that the two approvals come from two addresses."""
    bank, new = staffed.banks[0], staffed.banks[5]
    puppet = bank_of_the_attacker(staffed)
    number = staffed.propose([puppet], bank)
    approval = staffed.approval(number, [puppet])
    staffed.refuses(approval, bank, "GovernanceAlreadyApproved", 1)
    staffed.govern(staffed.key_change(bank, new), voters=staffed.banks[1:3])
    staffed.refuses(approval, bank, "ConsortiumAccountReplaced", bank)
    staffed.refuses(approval, new, "GovernanceAlreadyApproved", 1)
    assert staffed.standing(number)["counting"] == 1
    # what it approved is its own, and so it can take it back with the new account
    staffed.do(staffed.consortium.functions.withdrawApproval(number), new)
    staffed.do(approval, new)
    assert staffed.standing(number)["approvals"] == [1]


def test_a_member_does_not_vote_twice_by_suspending_itself_in_between(staffed):
    bank, (second, third) = staffed.banks[0], staffed.banks[1:3]
    functions, puppet = staffed.consortium.functions, bank_of_the_attacker(staffed)
    number = staffed.propose([puppet], bank)
    staffed.do(functions.suspendMember(bank), bank)
    staffed.govern(functions.reinstateMember(bank), voters=[second, third])
    staffed.do(staffed.approval(number, [puppet]), bank)
    standing = staffed.standing(number)
    assert (standing["approvals"], standing["counting"], standing["executableAt"]) == ([1], 1, 0)


def test_one_account_of_many_members_cannot_be_made(staffed):
    """A member moves to the account of another member, or two members to one account, to speak for both."""
    first, second, fresh = staffed.banks[0], staffed.banks[1], staffed.banks[5]
    taken = staffed.key_change(first, second)
    staffed.govern_refuses(taken, "ConsortiumAccountAlreadyAdmitted", second)
    staffed.govern(staffed.key_change(first, fresh))
    staffed.govern_refuses(staffed.key_change(second, fresh), "ConsortiumAccountAlreadyAdmitted", fresh)
    staffed.govern_refuses(staffed.key_change(second, first), "ConsortiumAccountAlreadyAdmitted", first)


def test_a_stolen_key_cannot_take_the_bank_over(staffed):
    """The thief signs a change to its own account; the bank stops itself, and the others do not approve."""
    bank, others = staffed.banks[0], staffed.banks[1:3]
    thief, puppet = staffed.banks[5], staffed.consortium.functions
    theft = staffed.key_change(bank, thief)
    number = staffed.propose([theft], bank)
    staffed.refuses(theft, bank, "GovernanceNotApproved", bank)
    staffed.do(puppet.suspendMember(bank), bank)
    staffed.travel(staffed.now() + DELAY)
    staffed.refuses(staffed.execution(number, [theft]), thief, "GovernanceQuorumMissing", 0, 2)
    # the others, who asked the bank by telephone, approve the change to its new account instead
    repair = [staffed.key_change(bank, staffed.banks[6]), puppet.reinstateMember(staffed.banks[6])]
    passed = staffed.pass_proposal(repair, others)
    staffed.do(staffed.execution(passed, repair), others[0])
    staffed.refuses(staffed.execution(number, [theft]), thief, "GovernanceQuorumMissing", 0, 2)
    assert staffed.consortium.functions.memberAt(1).call() == staffed.banks[6]


# ---------------------------------------------------------------- suspending one after the other


def test_a_minority_cannot_begin_to_suspend_the_others(world):
    """Three of seven members want to throw the others out, one at a time: the first step fails already."""
    world.admit_all(7)
    world.found()
    functions, gang = world.consortium.functions, world.banks[:3]
    for victim in world.banks[3:]:
        call = functions.suspendMember(victim)
        number = world.propose([call], gang[0])
        for member in gang[1:]:
            world.do(world.approval(number, [call]), member)
        world.travel(world.now() + DELAY)
        world.refuses(world.execution(number, [call]), gang[0], "GovernanceQuorumMissing", 3, 4)
        world.refuses(call, gang[0], "ConsortiumNotForAccount", gang[0])
    assert functions.activeMembers().call() == 7


def test_a_majority_that_suspends_the_others_is_seen_each_time(world):
    """Three of five can do it; each slice is a proposal in the open, and the victims have the delay.

    Fewer approvals are needed when they are gone. That is what k of n members means.
    """
    world.admit_all(5)
    world.found()
    functions, gang = world.consortium.functions, world.banks[:3]
    for victim in world.banks[3:5]:
        assert functions.quorum().call()[0] == 3
        call = functions.suspendMember(victim)
        number = world.pass_proposal([call], gang)
        assert world.standing(number)["executableAt"] >= world.now()
        world.do(world.execution(number, [call]), world.stranger)
    assert functions.quorum().call()[0] == 2
    made = [e for e in world.events(world.consortium, "ProposalMade") if e["proposer"] == 1]
    assert len(made) == 2
    passed = world.events(world.consortium, "ProposalPassed")
    assert [e["number"] for e in passed] == [e["number"] for e in made]


def test_members_that_stop_themselves_leave_the_decision_to_the_others(world):
    """Of two members, the one that stopped itself has no say until it is back: a consortium must know it."""
    world.admit_all(2)
    world.found()
    functions, (stopped, other) = world.consortium.functions, world.banks[:2]
    world.do(functions.suspendMember(stopped), stopped)
    assert functions.quorum().call() == [1, 1]
    call = functions.revokeMember(stopped)
    number = world.propose([call], other)
    execution = world.execution(number, [call])
    world.refuses(execution, other, "GovernanceDelayNotOver", world.executable_at(number))
    world.travel(world.executable_at(number))
    world.do(execution, other)
    assert functions.memberOf(stopped).call()[1] == 3


def test_a_consortium_of_one_decides_alone_after_the_delay(world):
    world.admit_all(1)
    world.found()
    bank, functions = world.banks[0], world.consortium.functions
    puppet = world.admission(world.banks[1], "PUPPETXX")
    number = world.propose([puppet], bank)
    due = world.executable_at(number)
    assert due == world.now() + DELAY
    world.refuses(world.execution(number, [puppet]), bank, "GovernanceDelayNotOver", due)
    world.travel(due)
    world.do(world.execution(number, [puppet]), bank)
    assert functions.activeMembers().call() == 2
    world.refuses(functions.suspendMember(world.banks[1]), bank, "ConsortiumNotForAccount", bank)


def test_of_two_members_neither_decides_alone(world):
    world.admit_all(2)
    world.found()
    functions = world.consortium.functions
    for bank, other in (world.banks[:2], world.banks[1::-1]):
        call = functions.revokeMember(other)
        number = world.propose([call], bank)
        world.travel(world.now() + DELAY)
        world.refuses(world.execution(number, [call]), bank, "GovernanceQuorumMissing", 1, 2)


# ---------------------------------------------------------------- calls of a proposal


def test_a_proposal_cannot_be_executed_within_itself(staffed):
    """A contract in the middle of a proposal calls back and executes the proposal once more."""
    functions = staffed.consortium.functions
    address = relay.next_address(staffed)
    calls = [
        (staffed.consortium.address, staffed.calls(functions.publishPolicy(b"{}"))[0][1]),
        (address, b""),
    ]
    again = functions.execute(1, calls)
    assert relay.deploy(staffed, *staffed.calls(again)[0]) == address
    staffed.do(functions.propose(calls, "a policy"), staffed.banks[0])
    staffed.do(functions.approve(1, staffed.standing(1)["callsHash"]), staffed.banks[1])
    staffed.travel(staffed.executable_at(1))
    staffed.refuses(again, staffed.stranger, "GovernanceProposalClosed", 1)
    assert not staffed.standing(1)["closed"]


def test_a_proposal_may_execute_another_that_passed_and_no_other(staffed):
    """`execute` is open to anybody, also to the consortium; it goes round neither quorum nor delay."""
    functions = staffed.consortium.functions
    loot = [staffed.granting("DESK_ROLE", staffed.stranger)]
    target = staffed.propose(loot, staffed.banks[0])
    outer = [staffed.execution(target, loot)]
    staffed.govern_refuses(outer[0], "GovernanceQuorumMissing", 1, 2)
    staffed.do(staffed.approval(target, loot), staffed.banks[1])
    number = staffed.propose(outer, staffed.banks[0])
    staffed.do(staffed.approval(number, outer), staffed.banks[1])
    staffed.travel(staffed.executable_at(number))
    staffed.do(staffed.execution(number, outer), staffed.stranger)
    assert functions.hasRole(staffed.role("DESK_ROLE"), staffed.stranger).call()
    assert staffed.standing(target)["closed"]
    assert staffed.standing(number)["closed"]


def test_a_contract_that_a_proposal_calls_gets_no_right_from_it(staffed):
    """It is its own sender: neither the consortium nor the member that proposed it."""
    functions = staffed.consortium.functions
    attempts = [
        (functions.publishPolicy(b"evil"), "GovernanceNotApproved"),
        (functions.grantRole(staffed.role("DESK_ROLE"), staffed.stranger), "GovernanceNotApproved"),
        (functions.suspendMember(staffed.banks[0]), "ConsortiumNotForAccount"),
        (functions.propose([], ""), "ConsortiumNotMember"),
        (staffed.evaluations.functions.grant(1, 10), "EvaluationLogNotApproved"),
        (staffed.pseudonyms.functions.openEpoch(1, 0), "PseudonymKeysNotApproved"),
    ]
    for attempt, error in attempts:
        address = relay.deploy(staffed, *staffed.calls(attempt)[0])
        calls = [(address, b"")]
        staffed.do(functions.propose(calls, "harmless"), staffed.banks[0])
        number = functions.proposalCount().call()
        staffed.do(functions.approve(number, staffed.standing(number)["callsHash"]), staffed.banks[1])
        staffed.travel(staffed.executable_at(number))
        staffed.refuses(functions.execute(number, calls), staffed.stranger, error, address)


@pytest.mark.parametrize("name", ["DEFAULT_ADMIN_ROLE", "OFFICER_ROLE"])
def test_a_proposal_that_hides_the_grant_of_a_forbidden_role_fails_as_a_whole(staffed, name):
    grant = staffed.consortium.functions.grantRole(staffed.role(name), staffed.stranger)
    calls = [staffed.consortium.functions.publishPolicy(b"good"), grant]
    number = staffed.pass_proposal(calls)
    call = staffed.execution(number, calls)
    staffed.refuses(call, staffed.stranger, "ConsortiumRoleNotGrantable", staffed.role(name))
    assert not staffed.consortium.functions.hasRole(staffed.role(name), staffed.stranger).call()


def test_the_consortium_cannot_give_its_own_office_away(staffed):
    functions, consortium = staffed.consortium.functions, staffed.consortium.address
    for name in ("DEFAULT_ADMIN_ROLE", "OFFICER_ROLE"):
        call = functions.renounceRole(staffed.role(name), consortium)
        staffed.govern_refuses(call, "ConsortiumRoleNotGrantable", staffed.role(name))
    assert functions.hasRole(staffed.role("DEFAULT_ADMIN_ROLE"), consortium).call()


def test_what_looks_like_a_founding_step_is_refused_after_the_founding(staffed):
    """Also as a call that the consortium makes to itself."""
    functions = staffed.consortium.functions
    step = functions.prepare(staffed.calls(functions.pause()))
    staffed.govern_refuses(step, "GovernanceNotFounder", staffed.consortium.address)
    staffed.govern_refuses(functions.confirmFounding(staffed.digest()), "GovernanceAlreadyFounded")
    nested = functions.propose(staffed.calls(functions.pause()), "")
    staffed.govern_refuses(nested, "ConsortiumNotMember", staffed.consortium.address)
