"""Founding: a founder prepares, every founding member confirms all of it, and the founder is nobody then."""

from __future__ import annotations

import pytest
from eth_abi import encode
from web3 import Web3

from tests.contracts.world import GENESIS_HASH, LIMITS, RULES


def confirm(world, digest=None):
    return world.consortium.functions.confirmFounding(world.digest() if digest is None else digest)


def test_the_digest_is_a_chain_over_everything_that_the_founder_did(world):
    """Anybody can compute it from the events, and so knows that no step is hidden."""
    consortium = world.consortium
    types = ["uint256", "address", "bytes32", "(uint8,uint8,uint32,uint32)", "(uint64,uint32,uint32)"]
    start = [world.web3.eth.chain_id, consortium.address, GENESIS_HASH, RULES, LIMITS]
    digest = Web3.keccak(encode(types, start))
    assert world.digest() == digest
    policy = consortium.functions.publishPolicy(b"{}")
    admissions = [world.admission(bank, bank[-8:]) for bank in world.banks[:2]]
    for step in ([policy], admissions, [consortium.functions.setRules(RULES)]):
        world.govern(*step)
        digest = Web3.keccak(encode(["bytes32", "(address,bytes)[]"], [digest, world.calls(*step)]))
        assert world.digest() == digest
        event = world.events(consortium, "FoundingStep")[-1]
        assert event["digest"] == digest
        assert [(c["target"], c["data"]) for c in event["calls"]] == world.calls(*step)


def test_with_the_last_confirmation_the_consortium_is_founded(world):
    world.admit_all(3)
    digest = world.digest()
    for number, bank in enumerate(world.banks[:3], 1):
        assert not world.founded
        world.do(confirm(world), bank)
        assert world.events(world.consortium, "FoundingConfirmed")[-1] == {"code": number, "digest": digest}
    assert world.founded
    assert world.events(world.consortium, "ConsortiumFounded") == [{"digest": digest, "members": 3}]
    world.refuses(confirm(world), world.banks[0], "GovernanceAlreadyFounded")


def test_a_later_step_voids_the_confirmations_before_it(world):
    """The founder waits until all but one have confirmed, and then slips something in."""
    world.admit_all(3)
    seen = world.digest()
    for bank in world.banks[:2]:
        world.do(confirm(world), bank)
    world.govern(world.admission(world.banks[3], "PUPPETXX"))
    world.refuses(confirm(world, seen), world.banks[2], "GovernanceOtherDigest", world.digest(), seen)
    for bank in world.banks[2:4]:
        world.do(confirm(world), bank)
    assert not world.founded  # what the first two had confirmed was another consortium
    for bank in world.banks[:2]:
        world.refuses(confirm(world, seen), bank, "GovernanceOtherDigest", world.digest(), seen)
        world.do(confirm(world), bank)
    assert world.founded


def test_a_sock_puppet_that_the_founder_admits_is_in_what_all_members_confirm(world):
    """An account of the founder looks like a bank; it can neither hide it nor found without the others."""
    world.admit_all(2)
    honest = world.digest()
    world.govern(world.admission(world.banks[2], "PUPPETXX"))
    world.do(confirm(world), world.banks[2])
    for bank in world.banks[:2]:
        world.refuses(confirm(world, honest), bank, "GovernanceOtherDigest", world.digest(), honest)
    assert not world.founded
    steps = world.events(world.consortium, "FoundingStep")
    admitted = world.calls(world.admission(world.banks[2], "PUPPETXX"))[0][1]
    assert steps[-1]["calls"][0]["data"] == admitted
    assert [e["agent"] for e in world.events(world.consortium, "MemberAdmitted")][-1] == "PUPPETXX"
    # what the banks do not want, the founder takes back, in the open, and all confirm that
    world.govern(world.consortium.functions.revokeMember(world.banks[2]))
    world.refuses(confirm(world), world.banks[2], "ConsortiumMemberRevoked", world.banks[2])
    for bank in world.banks[:2]:
        world.do(confirm(world), bank)
    assert world.founded


def test_nobody_else_prepares_or_confirms(world):
    world.admit_all(1)
    step = world.prepare(world.consortium.functions.publishPolicy(b"{}"))
    for account in (world.banks[0], world.officers[0], world.desk, world.stranger):
        world.refuses(step, account, "GovernanceNotFounder", account)
    for account in (world.founder, world.stranger, world.desk):
        world.refuses(confirm(world), account, "ConsortiumNotMember", account)
    world.refuses(world.consortium.functions.prepare([]), world.founder, "GovernanceNothingToDo")


def test_the_founder_is_an_account_like_any_other_afterwards(staffed):
    functions, founder = staffed.consortium.functions, staffed.founder
    assert functions.founder().call() == founder
    step = staffed.prepare(functions.publishPolicy(b"{}"))
    staffed.refuses(step, founder, "GovernanceAlreadyFounded")
    calls = staffed.calls(functions.publishPolicy(b"{}"))
    staffed.refuses(functions.propose(calls, ""), founder, "ConsortiumNotMember", founder)
    for role in ("DEFAULT_ADMIN_ROLE", "OFFICER_ROLE", "DESK_ROLE", "AUDITOR_ROLE"):
        assert not functions.hasRole(staffed.role(role), founder).call()
    grant = functions.grantRole(staffed.role("DESK_ROLE"), founder)
    staffed.refuses(grant, founder, "GovernanceNotApproved", founder)


def test_the_members_decide_nothing_before_the_founding(world):
    world.admit_all(2)
    functions = world.consortium.functions
    calls = world.calls(functions.publishPolicy(b"{}"))
    for call in (
        functions.propose(calls, ""),
        functions.approve(1, bytes(32)),
        functions.withdrawApproval(1),
        functions.cancel(1),
        functions.execute(1, calls),
        functions.requireActive(world.banks[0]),
    ):
        world.refuses(call, world.banks[0], "GovernanceNotFounded")


def test_nothing_is_recorded_before_the_founding(world):
    """What stood on the chain before it, no confirmation would cover."""
    world.admit_all(2)
    bank, officer = world.banks[0], world.officers[0]
    world.govern(world.appointment(officer, bank), world.granting("DESK_ROLE", world.desk))
    world.open_epoch(1)
    policy = world.publish(b"{}")

    def entry(kind):
        return world.cases.functions.append([(kind, b"c" * 32, b"k" * 32, b"")])

    for call, sender, error in (
        (world.post(bank, (0, bytes(32), 1, policy, 1, b"r" * 32)), bank, "GovernanceNotFounded"),
        (world.evaluations.functions.request(1, 1, b"r" * 32), bank, "GovernanceNotFounded"),
        (world.rules.functions.propose(b"{}", []), officer, "RuleBookNotFounded"),
        (entry(1), world.desk, "CaseLogNotFounded"),
        (entry(3), officer, "CaseLogNotFounded"),
        (entry(5), bank, "CaseLogNotFounded"),
    ):
        world.refuses(call, sender, error)
    assert world.ledger.functions.logSize().call() == world.cases.functions.size().call() == 0


def test_a_step_that_fails_leaves_no_trace(world):
    digest = world.digest()
    good = world.consortium.functions.publishPolicy(b"{}")
    bad = world.consortium.functions.removeReader(b"k" * 32)
    world.refuses(world.prepare(good, bad), world.founder, "ConsortiumUnknownReader", b"k" * 32)
    assert world.digest() == digest
    assert world.consortium.functions.activePolicy().call() == bytes(32)


def test_a_member_that_stopped_itself_is_not_waited_for(world):
    """The others see it: a suspension is an event, and only the member could do it outside of a step."""
    world.admit_all(3)
    for bank in world.banks[:2]:
        world.do(confirm(world), bank)
    world.do(world.consortium.functions.suspendMember(world.banks[2]), world.banks[2])
    world.refuses(confirm(world), world.banks[2], "ConsortiumMemberSuspended", world.banks[2])
    assert not world.founded
    world.do(confirm(world), world.banks[0])
    assert world.founded


def test_a_member_confirms_once_also_under_a_new_account(world):
    world.admit_all(2)
    world.do(confirm(world), world.banks[0])
    world.govern(world.key_change(world.banks[0], world.banks[5]))
    world.do(confirm(world), world.banks[1])
    assert not world.founded
    world.refuses(confirm(world), world.banks[0], "ConsortiumAccountReplaced", world.banks[0])
    world.do(confirm(world), world.banks[5])
    assert world.founded


@pytest.mark.parametrize(
    "rules",
    [
        (50, 33, 0, 3_600),
        (0, 33, 0, 3_600),
        (101, 33, 0, 3_600),
        (51, 0, 0, 3_600),
        (51, 101, 0, 3_600),
        (51, 33, 0, 3_599),
        (51, 33, 1, 3_600),
        (51, 33, 86_400, 86_400),
        (51, 33, 2**32 - 1, 2**32 - 1),
        (51, 33, 0, 366 * 86_400 + 1),
    ],
    ids=str,
)
def test_rules_by_which_nothing_could_be_decided_are_refused(world, rules):
    world.govern_refuses(world.consortium.functions.setRules(rules), "GovernanceInvalidRules")


@pytest.mark.parametrize(
    "rules", [(51, 1, 0, 3_600), (100, 100, 366 * 86_400 - 3_600, 366 * 86_400)], ids=str
)
def test_the_furthest_rules_are_taken(world, rules):
    world.govern(world.consortium.functions.setRules(rules))
    assert world.consortium.functions.rules().call() == rules
    assert tuple(world.events(world.consortium, "RulesSet")[-1].values()) == rules
