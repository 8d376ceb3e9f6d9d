"""Members, readers, epochs, policies and the pause: who may change what, and what can never be undone."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from ledger.typed_data import ADMISSION, KEY_CHANGE, sign_typed
from tests.contracts.conftest import KEYS

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
        world.refuses(call, world.operator, *error)
    assert world.consortium.functions.memberCount().call() == 1


def test_a_member_is_suspended_reinstated_and_revoked_for_good(world):
    functions = world.consortium.functions
    bank = world.banks[0]
    world.admit(bank, "ALPHDEFF")

    world.do(functions.suspendMember(bank), world.operator)
    world.refuses(functions.requireActive(bank), bank, "ConsortiumMemberSuspended", bank)
    world.refuses(functions.suspendMember(bank), world.operator, "ConsortiumMemberSuspended", bank)
    world.do(functions.reinstateMember(bank), world.operator)
    assert functions.requireActive(bank).call() == 1
    world.refuses(functions.reinstateMember(bank), world.operator, "ConsortiumMemberNotSuspended", bank)

    world.do(functions.revokeMember(bank), world.operator)
    for call in (functions.suspendMember, functions.reinstateMember, functions.revokeMember):
        world.refuses(call(bank), world.operator, "ConsortiumMemberRevoked", bank)
    again = world.admission(bank, "AGAINXXX")
    world.refuses(again, world.operator, "ConsortiumAccountAlreadyAdmitted", bank)
    elsewhere = world.admission(world.banks[1], "ALPHDEFF")
    world.refuses(elsewhere, world.operator, "ConsortiumAgentAlreadyAdmitted", "ALPHDEFF")
    assert functions.memberOf(bank).call()[1] == REVOKED
    for name in ("MemberSuspended", "MemberReinstated", "MemberRevoked"):
        assert world.events(world.consortium, name) == [{"account": bank, "code": 1}]


def test_a_suspended_member_can_be_revoked(world):
    bank = world.banks[0]
    world.admit(bank, "ALPHDEFF")
    world.do(world.consortium.functions.suspendMember(bank), world.operator)
    world.do(world.consortium.functions.revokeMember(bank), world.operator)
    world.refuses(world.consortium.functions.requireActive(bank), bank, "ConsortiumMemberRevoked", bank)


def test_nobody_unknown_has_a_status_to_change(world):
    functions, stranger = world.consortium.functions, world.stranger
    for call in (functions.suspendMember, functions.reinstateMember, functions.revokeMember):
        world.refuses(call(stranger), world.operator, "ConsortiumNotMember", stranger)
    world.refuses(functions.requireActive(stranger), stranger, "ConsortiumNotMember", stranger)


def test_readers_are_named_by_the_hash_of_their_key_and_do_not_come_back(world):
    functions = world.consortium.functions
    key_id = hashlib.sha256(HPKE).digest()
    wrong = functions.addReader(b"\x01" * 32, HPKE, 24_000, "desk")
    world.refuses(wrong, world.operator, "ConsortiumReaderKeyMismatch", key_id, b"\x01" * 32)
    empty = functions.addReader(hashlib.sha256(bytes(32)).digest(), bytes(32), 24_000, "desk")
    world.refuses(empty, world.operator, "ConsortiumInvalidKey")
    world.refuses(functions.removeReader(key_id), world.operator, "ConsortiumUnknownReader", key_id)

    world.do(functions.addReader(key_id, HPKE, 24_000, "desk"), world.operator)
    assert functions.isReader(key_id).call()
    again = functions.addReader(key_id, HPKE, 24_001, "desk")
    world.refuses(again, world.operator, "ConsortiumReaderAlreadyAdded", key_id)
    world.do(functions.removeReader(key_id), world.operator)
    assert not functions.isReader(key_id).call()
    world.refuses(again, world.operator, "ConsortiumReaderAlreadyAdded", key_id)
    world.refuses(functions.removeReader(key_id), world.operator, "ConsortiumUnknownReader", key_id)
    added = {"keyId": key_id, "hpkeKey": HPKE, "epoch": 24_000, "label": "desk"}
    assert world.events(world.consortium, "ReaderAdded") == [added]
    assert world.events(world.consortium, "ReaderRemoved") == [{"keyId": key_id}]


def test_epochs_only_move_forward(world):
    functions = world.consortium.functions
    commitments = [b"a" * 32, b"b" * 32]
    assert functions.currentEpoch().call() == 0
    assert not functions.isEpoch(0).call()
    world.do(functions.openEpoch(2, 1_700_000_000, b"p" * 32, commitments), world.operator)
    same = functions.openEpoch(2, 1_800_000_000, b"q" * 32, [])
    world.refuses(same, world.operator, "ConsortiumEpochNotLater", 2, 2)
    earlier = functions.openEpoch(3, 1_699_999_999, b"q" * 32, [])
    world.refuses(earlier, world.operator, "ConsortiumEpochStartNotLater", 1_700_000_000, 1_699_999_999)
    keyless = functions.openEpoch(3, 1_800_000_000, bytes(32), [])
    world.refuses(keyless, world.operator, "ConsortiumInvalidKey")
    world.do(functions.openEpoch(5, 1_800_000_000, b"q" * 32, []), world.operator)
    assert functions.currentEpoch().call() == 5
    assert [epoch for epoch in range(7) if functions.isEpoch(epoch).call()] == [2, 5]
    assert world.events(world.consortium, "EpochOpened")[0] == {
        "epoch": 2,
        "startsAt": 1_700_000_000,
        "publicKey": b"p" * 32,
        "shareCommitments": commitments,
    }


def test_epoch_zero_may_be_the_first(world):
    world.open_epoch(0)
    assert world.consortium.functions.isEpoch(0).call()
    again = world.consortium.functions.openEpoch(0, 0, b"p" * 32, [])
    world.refuses(again, world.operator, "ConsortiumEpochNotLater", 0, 0)


def test_policies_stand_whole_on_the_chain_and_are_published_once(world):
    functions = world.consortium.functions
    assert functions.activePolicy().call() == bytes(32)
    first, second = world.publish(b'{"time":"hour"}'), world.publish(b'{"time":"day"}')
    assert functions.activePolicy().call() == second
    assert functions.isPolicy(first).call()
    assert functions.isPolicy(second).call()
    assert not functions.isPolicy(bytes(32)).call()
    twice = functions.publishPolicy(b'{"time":"hour"}')
    world.refuses(twice, world.operator, "ConsortiumPolicyAlreadyPublished", first)
    world.refuses(functions.publishPolicy(b""), world.operator, "ConsortiumEmptyPolicy")
    assert world.events(world.consortium, "PolicyPublished") == [
        {"policyHash": first, "number": 1, "document": b'{"time":"hour"}'},
        {"policyHash": second, "number": 2, "document": b'{"time":"day"}'},
    ]


@pytest.mark.parametrize("role", ["banks", "officers", "desk", "auditor", "stranger"])
def test_only_the_operator_changes_the_consortium(staffed, role):
    who = getattr(staffed, role)
    sender = who[0] if isinstance(who, list) else who
    functions = staffed.consortium.functions
    operator_role = functions.OPERATOR_ROLE().call()
    for call in (
        staffed.admission(staffed.stranger, "EVILXXXX"),
        functions.suspendMember(staffed.banks[1]),
        functions.reinstateMember(staffed.banks[1]),
        functions.revokeMember(staffed.banks[1]),
        functions.addReader(hashlib.sha256(HPKE).digest(), HPKE, 1, "evil"),
        functions.removeReader(hashlib.sha256(HPKE).digest()),
        functions.openEpoch(9, 0, b"p" * 32, []),
        functions.publishPolicy(b"{}"),
        functions.pause(),
        functions.unpause(),
    ):
        staffed.refuses(call, sender, "AccessControlUnauthorizedAccount", sender, operator_role)


def test_roles_are_granted_in_the_open_by_the_admin_alone(world):
    functions = world.consortium.functions
    officer_role = functions.OFFICER_ROLE().call()
    call = functions.grantRole(officer_role, world.stranger)
    world.refuses(call, world.stranger, "AccessControlUnauthorizedAccount", world.stranger, bytes(32))
    world.grant("OFFICER_ROLE", world.officers[0])
    granted = {"role": officer_role, "account": world.officers[0], "sender": world.operator}
    assert world.events(world.consortium, "RoleGranted")[-1] == granted


def test_pausing_is_the_operators_and_cannot_be_doubled(world):
    functions = world.consortium.functions
    world.refuses(functions.unpause(), world.operator, "ExpectedPause")
    world.do(functions.pause(), world.operator)
    assert functions.paused().call()
    world.refuses(functions.pause(), world.operator, "EnforcedPause")
    world.do(functions.unpause(), world.operator)
    assert not functions.paused().call()


# a bank's own signature


def test_the_operator_cannot_admit_a_bank_that_did_not_sign(world):
    bank, other = world.banks[:2]
    for signer in (world.operator, other, world.stranger):
        call = world.admission(bank, "ALPHDEFF", signer=signer)
        world.refuses(call, world.operator, "ConsortiumNotSignedBy", bank)
    signed = world.admission(bank, "ALPHDEFF").args
    changes = {1: "BETAFRPP", 2: b"X" * 32, 3: b"H" * 32, 4: b"W" * 32}
    for place, value in changes.items():
        changed = [*signed[:place], value, *signed[place + 1 :]]
        world.refuses(
            world.consortium.functions.admitMember(*changed), world.operator, "ConsortiumNotSignedBy", bank
        )
    moved = world.consortium.functions.admitMember(other, *signed[1:])
    world.refuses(moved, world.operator, "ConsortiumNotSignedBy", other)


def test_a_bank_replaces_its_account_with_both_signatures(world):
    functions, (bank, other), new = world.consortium.functions, world.banks[:2], world.stranger
    world.admit(bank, "ALPHDEFF")
    world.admit(other, "BETAFRPP")
    for signers, missing in (((new, new), bank), ((world.operator, new), bank), ((bank, bank), new)):
        call = world.key_change(bank, new, signers=signers)
        world.refuses(call, world.operator, "ConsortiumNotSignedBy", missing)
    taken = world.key_change(bank, other)
    world.refuses(taken, world.operator, "ConsortiumAccountAlreadyAdmitted", other)
    unknown = world.key_change(new, world.desk)
    world.refuses(unknown, world.operator, "ConsortiumNotMember", new)

    world.do(world.key_change(bank, new, x25519Key=b"X" * 32), world.desk)  # anybody may send it
    assert functions.memberOf(new).call() == [1, ACTIVE, "ALPHDEFF", b"X" * 32, HPKE, WITNESS]
    assert functions.memberOf(bank).call()[:3] == [1, REPLACED, "ALPHDEFF"]
    assert functions.memberAt(1).call() == new
    assert functions.codeOf(bank).call() == functions.codeOf(new).call() == 1
    for call in (functions.requireActive, functions.suspendMember, functions.revokeMember):
        world.refuses(call(bank), world.operator, "ConsortiumAccountReplaced", bank)
    back = world.key_change(new, bank)
    world.refuses(back, world.operator, "ConsortiumAccountAlreadyAdmitted", bank)
    again = world.key_change(bank, world.auditor)
    world.refuses(again, world.operator, "ConsortiumAccountReplaced", bank)


def test_keys_change_without_the_account_and_a_suspension_stays(world):
    functions, bank = world.consortium.functions, world.banks[0]
    world.admit(bank, "ALPHDEFF")
    world.do(functions.suspendMember(bank), world.operator)
    for key in KEYS:
        call = world.key_change(bank, bank, **{key: bytes(32)})
        world.refuses(call, bank, "ConsortiumInvalidKey")
    world.do(world.key_change(bank, bank, witnessKey=b"W" * 32), bank)
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
        world.refuses(call, world.operator, "ConsortiumNotSignedBy", bank)
    world.admit(bank, "ALPHDEFF")
    *stated, good, _ = world.key_change(bank, bank).args
    for signature in (good[:64] + bytes([good[64] - 27]), b""):
        call = world.consortium.functions.changeKeys(*stated, good, signature)
        world.refuses(call, world.operator, "ConsortiumNotSignedBy", bank)


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
    world.refuses(call, world.operator, "ConsortiumNotSignedBy", bank)
    world.admit(bank, "ALPHDEFF")
    values = {"account": account, "newAccount": account, **KEYS}
    change = sign_typed(other, KEY_CHANGE, values, world.key(bank))
    call = world.consortium.functions.changeKeys(bank, bank, *KEYS.values(), change, change)
    world.refuses(call, world.operator, "ConsortiumNotSignedBy", bank)


def test_a_change_of_keys_cannot_be_sent_again(world):
    """Keys were given up because they leaked; whoever kept the signed change cannot bring them back."""
    bank = world.banks[0]
    world.admit(bank, "ALPHDEFF")
    leaked, later = (world.key_change(bank, bank, witnessKey=key * 32) for key in (b"1", b"2"))
    world.do(leaked, bank)
    world.do(later, bank)
    for call in (leaked, later):
        world.refuses(call, world.stranger, "ConsortiumKeyChangeRepeated", bank)
    assert world.consortium.functions.memberOf(bank).call()[5] == b"2" * 32
    world.do(world.key_change(bank, world.desk, witnessKey=b"1" * 32), world.stranger)
    world.refuses(leaked, world.stranger, "ConsortiumAccountReplaced", bank)
