"""Members, officers, roles, readers, policies and the pause: who may change what, and what is final."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from ledger.typed_data import ADMISSION, KEY_CHANGE, sign_typed
from tests.contracts.world import KEYS, LIMITS

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HPKE = b"h" * 32
X25519 = b"x" * 32
WITNESS = b"w" * 32
ZERO = "0x" + "00" * 20
ACTIVE, SUSPENDED, REVOKED, REPLACED = 1, 2, 3, 4


def test_admission_gives_codes_from_one_and_keeps_the_keys(world):
    assert world.admit(world.banks[0], "ALPHDEFF") == 1
    assert world.admit(world.banks[1], "BETAFRPP") == 2
    functions = world.consortium.functions
    assert functions.memberOf(world.banks[0]).call() == [1, ACTIVE, "ALPHDEFF", X25519, HPKE, WITNESS]
    assert functions.memberOf(world.stranger).call() == [0, 0, "", bytes(32), bytes(32), bytes(32)]
    assert functions.memberAt(2).call() == world.banks[1]
    assert functions.memberAt(0).call() == functions.memberAt(3).call() == ZERO
    assert functions.memberCount().call() == 2
    event = world.events(world.consortium, "MemberAdmitted")[1]
    assert event == {
        "account": world.banks[1],
        "code": 2,
        "agent": "BETAFRPP",
        "x25519Key": X25519,
        "hpkeKey": HPKE,
        "witnessKey": WITNESS,
        "signature": event["signature"],
    }


def test_admission_is_refused_where_it_would_be_ambiguous(world):
    admit = world.admission
    bank, other = world.banks[:2]
    world.admit(bank, "ALPHDEFF")
    refused = [
        (admit(bank, "OTHERXXX"), "ConsortiumAccountAlreadyAdmitted", bank),
        (admit(other, "ALPHDEFF"), "ConsortiumAgentAlreadyAdmitted", "ALPHDEFF"),
        (admit(other, ""), "ConsortiumInvalidAgent"),
        (admit(ZERO, "OTHERXXX", signer=bank), "ConsortiumInvalidAccount"),
        *((admit(other, "OTHERXXX", **{key: bytes(32)}), "ConsortiumInvalidKey") for key in KEYS),
    ]
    for call, *error in refused:
        world.govern_refuses(call, *error)
    assert world.consortium.functions.memberCount().call() == 1


def test_a_member_is_suspended_reinstated_and_revoked_for_good(world):
    functions = world.consortium.functions
    bank = world.banks[0]
    world.admit_all(3)
    world.found()

    world.govern(functions.suspendMember(bank))
    world.refuses(functions.requireActive(bank), bank, "ConsortiumMemberSuspended", bank)
    world.govern_refuses(functions.suspendMember(bank), "ConsortiumMemberSuspended", bank)
    world.govern(functions.reinstateMember(bank))
    assert functions.requireActive(bank).call() == 1
    world.govern_refuses(functions.reinstateMember(bank), "ConsortiumMemberNotSuspended", bank)

    world.govern(functions.revokeMember(bank))
    for call in (functions.suspendMember, functions.reinstateMember, functions.revokeMember):
        world.govern_refuses(call(bank), "ConsortiumMemberRevoked", bank)
    again = world.admission(bank, "AGAINXXX")
    world.govern_refuses(again, "ConsortiumAccountAlreadyAdmitted", bank)
    elsewhere = world.admission(world.banks[5], "BANK0")
    world.govern_refuses(elsewhere, "ConsortiumAgentAlreadyAdmitted", "BANK0")
    assert functions.memberOf(bank).call()[1] == REVOKED
    for name in ("MemberSuspended", "MemberReinstated", "MemberRevoked"):
        assert world.events(world.consortium, name) == [{"account": bank, "code": 1}]


def test_a_suspended_member_can_be_revoked(staffed):
    bank = staffed.banks[0]
    staffed.do(staffed.consortium.functions.suspendMember(bank), bank)
    staffed.govern(staffed.consortium.functions.revokeMember(bank))
    staffed.refuses(staffed.consortium.functions.requireActive(bank), bank, "ConsortiumMemberRevoked", bank)
    assert staffed.consortium.functions.activeMembers().call() == 2


def test_nobody_unknown_has_a_status_to_change(staffed):
    functions, stranger = staffed.consortium.functions, staffed.stranger
    for call in (functions.suspendMember, functions.reinstateMember, functions.revokeMember):
        staffed.govern_refuses(call(stranger), "ConsortiumNotMember", stranger)
    staffed.refuses(functions.requireActive(stranger), stranger, "ConsortiumNotMember", stranger)


def test_a_member_suspends_itself_at_once_and_nobody_else(staffed):
    functions, (bank, other) = staffed.consortium.functions, staffed.banks[:2]
    for sender in (other, staffed.officers[0], staffed.founder, staffed.stranger):
        call = functions.suspendMember(bank)
        staffed.refuses(call, sender, "ConsortiumNotForAccount", sender)
    staffed.do(functions.suspendMember(bank), bank)
    assert functions.activeMembers().call() == 2
    staffed.refuses(functions.suspendMember(bank), bank, "ConsortiumMemberSuspended", bank)
    staffed.refuses(functions.reinstateMember(bank), bank, "GovernanceNotApproved", bank)


def test_the_last_active_member_stays(staffed):
    """A consortium without an active member could never decide anything again."""
    functions, (first, second, last) = staffed.consortium.functions, staffed.banks[:3]
    staffed.do(functions.suspendMember(first), first)
    staffed.do(functions.suspendMember(second), second)
    staffed.refuses(functions.suspendMember(last), last, "ConsortiumLastMember", last)
    staffed.govern_refuses(functions.suspendMember(last), "ConsortiumLastMember", last)
    staffed.govern_refuses(functions.revokeMember(last), "ConsortiumLastMember", last)
    staffed.govern(functions.revokeMember(first), functions.reinstateMember(second))
    staffed.do(functions.suspendMember(last), last)
    assert functions.activeMembers().call() == 1


def test_readers_are_named_by_the_hash_of_their_key_and_do_not_come_back(world):
    functions = world.consortium.functions
    key_id = hashlib.sha256(HPKE).digest()
    wrong = functions.addReader(b"\x01" * 32, HPKE, 24_000, "desk")
    world.govern_refuses(wrong, "ConsortiumReaderKeyMismatch", key_id, b"\x01" * 32)
    empty = functions.addReader(hashlib.sha256(bytes(32)).digest(), bytes(32), 24_000, "desk")
    world.govern_refuses(empty, "ConsortiumInvalidKey")
    world.govern_refuses(functions.removeReader(key_id), "ConsortiumUnknownReader", key_id)

    world.govern(functions.addReader(key_id, HPKE, 24_000, "desk"))
    assert functions.isReader(key_id).call()
    again = functions.addReader(key_id, HPKE, 24_001, "desk")
    world.govern_refuses(again, "ConsortiumReaderAlreadyAdded", key_id)
    world.govern(functions.removeReader(key_id))
    assert not functions.isReader(key_id).call()
    world.govern_refuses(again, "ConsortiumReaderAlreadyAdded", key_id)
    world.govern_refuses(functions.removeReader(key_id), "ConsortiumUnknownReader", key_id)
    added = {"keyId": key_id, "hpkeKey": HPKE, "epoch": 24_000, "label": "desk"}
    assert world.events(world.consortium, "ReaderAdded") == [added]
    assert world.events(world.consortium, "ReaderRemoved") == [{"keyId": key_id}]


def test_policies_stand_whole_on_the_chain_and_are_published_once(world):
    functions = world.consortium.functions
    assert functions.activePolicy().call() == bytes(32)
    first, second = world.publish(b'{"time":"hour"}'), world.publish(b'{"time":"day"}')
    assert functions.activePolicy().call() == second
    assert functions.isPolicy(first).call()
    assert functions.isPolicy(second).call()
    assert not functions.isPolicy(bytes(32)).call()
    twice = functions.publishPolicy(b'{"time":"hour"}')
    world.govern_refuses(twice, "ConsortiumPolicyAlreadyPublished", first)
    world.govern_refuses(functions.publishPolicy(b""), "ConsortiumEmptyPolicy")
    assert world.events(world.consortium, "PolicyPublished") == [
        {"policyHash": first, "number": 1, "document": b'{"time":"hour"}'},
        {"policyHash": second, "number": 2, "document": b'{"time":"day"}'},
    ]


OUTSIDERS = ["founder", "banks", "officers", "desk", "auditor", "holders", "stranger"]


@pytest.mark.parametrize("role", OUTSIDERS)
def test_no_account_changes_the_consortium_by_itself(staffed, role):
    who = getattr(staffed, role)
    sender = who[0] if isinstance(who, list) else who
    functions = staffed.consortium.functions
    for call in (
        staffed.admission(staffed.banks[4], "EVILXXXX"),
        staffed.key_change(staffed.banks[0], staffed.banks[4]),
        functions.reinstateMember(staffed.banks[1]),
        functions.revokeMember(staffed.banks[1]),
        functions.appointOfficer(staffed.stranger, 1),
        functions.grantRole(functions.DESK_ROLE().call(), staffed.stranger),
        functions.revokeRole(functions.DESK_ROLE().call(), staffed.desk),
        functions.addReader(hashlib.sha256(HPKE).digest(), HPKE, 1, "evil"),
        functions.removeReader(hashlib.sha256(HPKE).digest()),
        functions.publishPolicy(b"{}"),
        functions.setLimits((1, 1, 1)),
        functions.setRules((100, 1, 0, 3600)),
        functions.pause(),
        functions.unpause(),
    ):
        staffed.refuses(call, sender, "GovernanceNotApproved", sender)


def test_pausing_cannot_be_doubled(staffed):
    functions = staffed.consortium.functions
    staffed.govern_refuses(functions.unpause(), "ExpectedPause")
    staffed.govern(functions.pause())
    assert functions.paused().call()
    staffed.govern_refuses(functions.pause(), "EnforcedPause")
    staffed.govern(functions.unpause())
    assert not functions.paused().call()


def test_the_limits_are_those_the_members_set(staffed):
    assert tuple(staffed.consortium.functions.limits().call()) == LIMITS
    staffed.govern(staffed.consortium.functions.setLimits((1, 2, 3)))
    assert staffed.consortium.functions.limits().call() == (1, 2, 3)


# officers and roles


def test_an_officer_is_one_while_its_member_is_active(staffed):
    functions, (bank, *_), officer = staffed.consortium.functions, staffed.banks, staffed.officers[0]
    role = staffed.role("OFFICER_ROLE")
    assert (functions.officerOf(officer).call(), functions.hasRole(role, officer).call()) == (1, True)
    staffed.do(functions.suspendMember(bank), bank)
    assert (functions.officerOf(officer).call(), functions.hasRole(role, officer).call()) == (0, False)
    staffed.govern(functions.reinstateMember(bank))
    assert functions.hasRole(role, officer).call()
    staffed.govern(staffed.key_change(bank, staffed.stranger))
    assert functions.officerOf(officer).call() == 1
    staffed.govern(functions.revokeMember(staffed.stranger))
    assert not functions.hasRole(role, officer).call()


def test_officers_are_appointed_once_and_for_an_active_member(staffed):
    functions, officer = staffed.consortium.functions, staffed.officers[0]
    staffed.govern_refuses(functions.appointOfficer(officer, 2), "ConsortiumOfficerAlreadyAppointed", officer)
    staffed.govern_refuses(functions.appointOfficer(ZERO, 1), "ConsortiumInvalidAccount")
    for code in (0, 4):
        call = functions.appointOfficer(staffed.stranger, code)
        staffed.govern_refuses(call, "ConsortiumNotMember", ZERO)
    bank = staffed.banks[2]
    staffed.do(functions.suspendMember(bank), bank)
    call = functions.appointOfficer(staffed.stranger, 3)
    staffed.govern_refuses(call, "ConsortiumNotMember", bank)


def test_a_member_dismisses_its_own_officer_at_once(staffed):
    functions, officer = staffed.consortium.functions, staffed.officers[0]
    call = functions.dismissOfficer(officer)
    for sender in (staffed.banks[1], officer, staffed.officers[3], staffed.founder):
        staffed.refuses(call, sender, "ConsortiumNotForAccount", sender)
    staffed.do(call, staffed.banks[0])
    assert functions.officerOf(officer).call() == 0
    staffed.refuses(call, staffed.banks[0], "ConsortiumNotOfficer", officer)
    staffed.govern(functions.dismissOfficer(staffed.officers[1]))  # and the members together, any officer
    staffed.govern(functions.appointOfficer(officer, 2))  # another member may take the person over
    assert functions.officerOf(officer).call() == 2
    assert staffed.events(staffed.consortium, "OfficerDismissed") == [
        {"officer": officer, "code": 1},
        {"officer": staffed.officers[1], "code": 2},
    ]


def test_a_suspended_member_still_dismisses_its_officer(staffed):
    """A bank whose keys were stolen stops first; it must not need the others to take an officer away."""
    bank, officer = staffed.banks[0], staffed.officers[0]
    staffed.do(staffed.consortium.functions.suspendMember(bank), bank)
    staffed.do(staffed.consortium.functions.dismissOfficer(officer), bank)
    staffed.govern(staffed.consortium.functions.reinstateMember(bank))
    assert staffed.consortium.functions.officerOf(officer).call() == 0


def test_the_roles_of_desk_and_auditor_are_granted_and_taken_in_the_open(staffed):
    functions, stranger = staffed.consortium.functions, staffed.stranger
    for name in ("DESK_ROLE", "AUDITOR_ROLE"):
        role = staffed.role(name)
        staffed.govern(functions.grantRole(role, stranger))
        granted = {"role": role, "account": stranger, "sender": staffed.consortium.address}
        assert staffed.events(staffed.consortium, "RoleGranted")[-1] == granted
        staffed.govern(functions.revokeRole(role, stranger))
        assert not functions.hasRole(role, stranger).call()
    desk = staffed.role("DESK_ROLE")
    other = functions.renounceRole(desk, staffed.desk)
    staffed.refuses(other, stranger, "AccessControlBadConfirmation")
    staffed.do(other, staffed.desk)
    assert not functions.hasRole(desk, staffed.desk).call()


@pytest.mark.parametrize("name", ["DEFAULT_ADMIN_ROLE", "OFFICER_ROLE"])
def test_not_even_the_members_grant_the_role_of_admin_or_officer(staffed, name):
    """Whoever had the admin's role could go round the governance; officers have functions of their own."""
    functions, role = staffed.consortium.functions, staffed.role(name)
    for call in (
        functions.grantRole(role, staffed.stranger),
        functions.revokeRole(role, staffed.consortium.address),
        functions.revokeRole(role, staffed.officers[0]),
        functions.renounceRole(role, staffed.consortium.address),
    ):
        staffed.govern_refuses(call, "ConsortiumRoleNotGrantable", role)
    call = functions.renounceRole(role, staffed.officers[0])
    staffed.refuses(call, staffed.officers[0], "ConsortiumRoleNotGrantable", role)
    admin = staffed.role("DEFAULT_ADMIN_ROLE")
    assert functions.hasRole(admin, staffed.consortium.address).call()
    assert not functions.hasRole(admin, staffed.founder).call()


# a bank's own signature


def test_not_even_the_consortium_admits_a_bank_that_did_not_sign(world):
    bank, other = world.banks[:2]
    for signer in (world.founder, other, world.stranger):
        call = world.admission(bank, "ALPHDEFF", signer=signer)
        world.govern_refuses(call, "ConsortiumNotSignedBy", bank)
    signed = world.admission(bank, "ALPHDEFF").args
    changes = {1: "BETAFRPP", 2: b"X" * 32, 3: b"H" * 32, 4: b"W" * 32}
    for place, value in changes.items():
        changed = [*signed[:place], value, *signed[place + 1 :]]
        world.govern_refuses(world.consortium.functions.admitMember(*changed), "ConsortiumNotSignedBy", bank)
    moved = world.consortium.functions.admitMember(other, *signed[1:])
    world.govern_refuses(moved, "ConsortiumNotSignedBy", other)


def test_a_bank_replaces_its_account_with_both_signatures(world):
    functions, (bank, other), new = world.consortium.functions, world.banks[:2], world.stranger
    world.admit(bank, "ALPHDEFF")
    world.admit(other, "BETAFRPP")
    for signers, missing in (((new, new), bank), ((world.founder, new), bank), ((bank, bank), new)):
        call = world.key_change(bank, new, signers=signers)
        world.govern_refuses(call, "ConsortiumNotSignedBy", missing)
    taken = world.key_change(bank, other)
    world.govern_refuses(taken, "ConsortiumAccountAlreadyAdmitted", other)
    unknown = world.key_change(new, world.desk)
    world.govern_refuses(unknown, "ConsortiumNotMember", new)

    world.govern(world.key_change(bank, new, x25519Key=b"X" * 32))
    assert functions.memberOf(new).call() == [1, ACTIVE, "ALPHDEFF", b"X" * 32, HPKE, WITNESS]
    assert functions.memberOf(bank).call()[:3] == [1, REPLACED, "ALPHDEFF"]
    assert functions.memberAt(1).call() == new
    assert functions.codeOf(bank).call() == functions.codeOf(new).call() == 1
    for call in (functions.suspendMember, functions.reinstateMember, functions.revokeMember):
        world.govern_refuses(call(bank), "ConsortiumAccountReplaced", bank)
    back = world.key_change(new, bank)
    world.govern_refuses(back, "ConsortiumAccountAlreadyAdmitted", bank)
    again = world.key_change(bank, world.auditor)
    world.govern_refuses(again, "ConsortiumAccountReplaced", bank)


def test_keys_change_without_the_account_and_a_suspension_stays(world):
    functions, bank = world.consortium.functions, world.banks[0]
    world.admit(bank, "ALPHDEFF")
    world.govern(functions.suspendMember(bank))
    for key in KEYS:
        call = world.key_change(bank, bank, **{key: bytes(32)})
        world.govern_refuses(call, "ConsortiumInvalidKey")
    world.govern(world.key_change(bank, bank, witnessKey=b"W" * 32))
    assert functions.memberOf(bank).call() == [1, SUSPENDED, "ALPHDEFF", X25519, HPKE, b"W" * 32]
    (event,) = world.events(world.consortium, "MemberKeysChanged")
    assert (event["account"], event["newAccount"], event["witnessKey"]) == (bank, bank, b"W" * 32)
    assert event["signature"] == event["newSignature"]


def test_a_banks_signature_has_one_form(world):
    bank = world.banks[0]
    *stated, good = world.admission(bank, "ALPHDEFF").args
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64]
    high = (SECP256K1_ORDER - s).to_bytes(32, "big")
    others = [
        r + high + bytes([55 - v]),
        good[:64] + bytes([v - 27]),
        good[:64],
        good + b"\0",
        b"",
        bytes(65),
    ]
    for signature in others:
        call = world.consortium.functions.admitMember(*stated, signature)
        world.govern_refuses(call, "ConsortiumNotSignedBy", bank)
    world.admit(bank, "ALPHDEFF")
    *stated, good, _ = world.key_change(bank, bank).args
    for signature in (good[:64] + bytes([good[64] - 27]), b""):
        call = world.consortium.functions.changeKeys(*stated, good, signature)
        world.govern_refuses(call, "ConsortiumNotSignedBy", bank)


@pytest.mark.parametrize("part", ["chain", "contract", "genesis"])
def test_a_banks_signature_for_another_consortium_or_chain_is_worth_nothing(world, part):
    bank, domain = world.banks[0], world.domain(world.consortium)
    other = {
        "chain": replace(domain, chain_id=domain.chain_id + 1),
        "contract": replace(domain, contract=bytes.fromhex(world.ledger.address[2:])),
        "genesis": replace(domain, genesis_hash=b"G" * 32),
    }[part]
    account = bytes.fromhex(bank[2:])
    admission = sign_typed(
        other, ADMISSION, {"account": account, "agent": "ALPHDEFF", **KEYS}, world.key(bank)
    )
    call = world.consortium.functions.admitMember(bank, "ALPHDEFF", *KEYS.values(), admission)
    world.govern_refuses(call, "ConsortiumNotSignedBy", bank)
    world.admit(bank, "ALPHDEFF")
    values = {"account": account, "newAccount": account, **KEYS, "nonce": 0}
    change = sign_typed(other, KEY_CHANGE, values, world.key(bank))
    call = world.consortium.functions.changeKeys(bank, bank, *KEYS.values(), change, change)
    world.govern_refuses(call, "ConsortiumNotSignedBy", bank)


def test_a_change_of_keys_cannot_be_made_again(world):
    """Keys were given up because they leaked; whoever kept the signed change cannot bring them back."""
    functions, bank = world.consortium.functions, world.banks[0]
    world.admit(bank, "ALPHDEFF")
    leaked = world.key_change(bank, bank, witnessKey=b"1" * 32)
    world.govern(leaked)
    assert functions.keyChangesOf(bank).call() == 1
    early = world.key_change(bank, bank, witnessKey=b"2" * 32, nonce=2)
    for call in (leaked, early):
        world.govern_refuses(call, "ConsortiumNotSignedBy", bank)
    world.govern(world.key_change(bank, bank, witnessKey=b"2" * 32))
    world.govern(world.key_change(bank, bank, witnessKey=b"1" * 32))  # signed anew, it may go back
    assert functions.memberOf(bank).call()[5] == b"1" * 32
    world.govern(world.key_change(bank, world.desk))
    assert functions.keyChangesOf(world.desk).call() == functions.keyChangesOf(bank).call() == 4
    assert [e["nonce"] for e in world.events(world.consortium, "MemberKeysChanged")] == [0, 1, 2, 3]
    world.govern_refuses(leaked, "ConsortiumAccountReplaced", bank)
