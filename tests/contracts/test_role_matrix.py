"""Every function against every role: who may call it, and with which error everybody else is refused.

The functions come from the ABI, so a new one fails here until somebody says whom it is for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_tester.exceptions import TransactionFailed

from contracts.artifacts import CONTRACTS, load
from ledger.signing import address_of

KEY = b"k" * 32
KEY_ID = hashlib.sha256(KEY).digest()
OLD_KEY = b"o" * 32
PROPOSED, DRAFTED, ACTIVE = b"proposed", b"drafted", b"active"
ZERO = "0x" + "00" * 20
FRESH_KEY = b"\xfe" * 32
CASE = b"c" * 32

ROLES = (
    "admin",
    "operator",
    "author",
    "officer",
    "desk",
    "auditor",
    "member",
    "suspended",
    "revoked",
    "stranger",
)
EVERYBODY = set(ROLES)
OFFICERS = {"author", "officer"}

#: How each contract says that it is the caller who may not.
REFUSALS = {
    "AccessControlUnauthorizedAccount",
    "AccessControlBadConfirmation",
    "ConsortiumNotMember",
    "ConsortiumMemberSuspended",
    "ConsortiumMemberRevoked",
    "RuleBookNotOfficer",
    "RuleBookNotAuthor",
    "RuleBookAuthorCannotApprove",
    "CaseLogUnauthorized",
}


def _hash(document: bytes) -> bytes:
    return hashlib.sha256(document).digest()


def _entry(kind: int) -> Callable[[Any], tuple[Any, ...]]:
    return lambda m: ([(kind, CASE, KEY, b"sealed")],)


#: For each function that changes something, calls that would succeed but for the caller, and who may.
MATRIX: dict[str, dict[str, list[tuple[Callable[[Any], tuple[Any, ...]], set[str]]]]] = {
    "Consortium": {
        "admitMember": [(lambda m: m.admission, {"operator"})],
        "changeKeys": [(lambda m: m.key_change, EVERYBODY)],  # the bank's signatures allow it, not the sender
        "suspendMember": [(lambda m: (m.accounts["member"],), {"operator"})],
        "reinstateMember": [(lambda m: (m.accounts["suspended"],), {"operator"})],
        "revokeMember": [(lambda m: (m.accounts["member"],), {"operator"})],
        "addReader": [(lambda m: (KEY_ID, KEY, 24_000, "desk"), {"operator"})],
        "removeReader": [(lambda m: (_hash(OLD_KEY),), {"operator"})],
        "openEpoch": [(lambda m: (2, 0, KEY, []), {"operator"})],
        "publishPolicy": [(lambda m: (b"new",), {"operator"})],
        "pause": [(lambda m: (), {"operator"})],
        "unpause": [],  # while it is paused, see below
        "grantRole": [(lambda m: (m.role("OFFICER_ROLE"), m.fresh), {"admin"})],
        "revokeRole": [(lambda m: (m.role("OFFICER_ROLE"), m.accounts["officer"]), {"admin"})],
        "renounceRole": [
            (lambda m: (m.role("OFFICER_ROLE"), m.caller), EVERYBODY),
            (lambda m: (m.role("OFFICER_ROLE"), m.fresh), set()),
        ],
    },
    "BatchLedger": {
        "post": [(lambda m: m.batch(), {"member"})],
    },
    "RuleBook": {
        "propose": [(lambda m: (b"new",), OFFICERS)],
        "draft": [
            (lambda m: (b"new", bytes(32)), OFFICERS),
            (lambda m: (b"new", _hash(DRAFTED)), OFFICERS),
        ],
        "recordBacktest": [(lambda m: (_hash(PROPOSED), b"report"), OFFICERS)],
        "submit": [(lambda m: (_hash(DRAFTED),), {"author"})],
        "approve": [(lambda m: (_hash(PROPOSED),), {"officer"})],
        "withdraw": [
            (lambda m: (_hash(PROPOSED),), {"author"}),
            (lambda m: (_hash(DRAFTED),), {"author"}),
        ],
        "withdrawActive": [(lambda m: (_hash(ACTIVE),), OFFICERS)],
    },
    "CaseLog": {
        "append": [
            (_entry(1), {"desk"}),
            (_entry(2), {"desk"}),
            (_entry(3), OFFICERS),
            (_entry(4), {*OFFICERS, "auditor"}),
            (_entry(5), {"member"}),
            (_entry(6), {"desk"}),
        ],
    },
}


class Matrix:
    """A consortium in which nobody has two roles, and who calls it now."""

    def __init__(self, world: Any) -> None:
        self.world = world
        admin, (member, suspended, revoked) = world.operator, world.banks
        author, officer, operator = world.officers
        self.accounts = {
            "admin": admin,
            "operator": operator,
            "author": author,
            "officer": officer,
            "desk": world.desk,
            "auditor": world.auditor,
            "member": member,
            "suspended": suspended,
            "revoked": revoked,
            "stranger": world.stranger,
        }
        assert len(set(self.accounts.values())) == len(ROLES)
        self.fresh = address_of(FRESH_KEY)
        world.keys[self.fresh] = FRESH_KEY
        self.caller = ZERO
        world.admit(revoked, "GONEXXXX")
        consortium, rules = world.consortium.functions, world.rules.functions
        world.do(consortium.suspendMember(suspended), admin)
        world.do(consortium.revokeMember(revoked), admin)
        world.do(consortium.addReader(_hash(OLD_KEY), OLD_KEY, 24_000, "old"), admin)
        self.policy = world.publish(b"policy")
        world.do(rules.propose(ACTIVE), author)
        world.do(rules.approve(_hash(ACTIVE)), officer)
        world.do(rules.approve(_hash(ACTIVE)), operator)
        world.do(rules.propose(PROPOSED), author)
        world.do(rules.draft(DRAFTED, bytes(32)), author)
        world.do(consortium.revokeRole(self.role("OFFICER_ROLE"), operator), admin)
        world.grant("OPERATOR_ROLE", operator)
        self.admission = world.admission(self.fresh, "NEWBXXXX").args
        self.key_change = world.key_change(member, self.fresh).args
        world.do(consortium.renounceRole(self.role("OPERATOR_ROLE"), admin), admin)

    def role(self, name: str) -> bytes:
        """The identifier of a role."""
        return bytes(self.world.consortium.functions[name]().call())

    def batch(self) -> tuple[Any, ...]:
        """The arguments of a batch that the caller signed."""
        stated = (0, bytes(32), 1, self.policy, 1, KEY)
        return tuple(self.world.post(self.caller, stated).args)

    def outcome(self, contract: str, function: str, arguments: Any, role: str) -> str:
        """Try a call without sending it; returns the error's name, empty if it would succeed."""
        self.caller = self.accounts[role]
        call = self.world.contracts[contract].functions[function](*arguments(self))
        try:
            call.call({"from": self.caller})
        except TransactionFailed as refusal:
            return str(self.world._decoded(str(refusal))[0])
        return ""


@pytest.fixture(scope="module")
def arranged(deployed: Any, staff: int) -> tuple[Matrix, int]:
    """The consortium, and the snapshot in which it is one."""
    before = deployed.tester.take_snapshot()
    deployed.tester.revert_to_snapshot(staff)
    made = Matrix(deployed), deployed.tester.take_snapshot()
    deployed.tester.revert_to_snapshot(before)
    return made


@pytest.fixture
def matrix(world: Any, arranged: tuple[Matrix, int]) -> Matrix:
    made, snapshot = arranged
    world.tester.revert_to_snapshot(snapshot)
    return made


def functions(contract: str, *, changing: bool) -> set[str]:
    """The functions of a contract by their ABI."""
    found = {e["name"] for e in load(contract).abi if e["type"] == "function"}
    views = {e["name"] for e in load(contract).abi if e.get("stateMutability") in ("view", "pure")}
    return found - views if changing else found & views


def test_the_matrix_names_every_function_that_changes_anything():
    assert {name: set(MATRIX[name]) for name in CONTRACTS} == {
        name: functions(name, changing=True) for name in CONTRACTS
    }
    described = (Path(__file__).resolve().parents[2] / "docs" / "contracts.md").read_text("utf-8")
    for contract in CONTRACTS:
        assert [name for name in MATRIX[contract] if f"`{name}`" not in described] == []


def test_no_function_takes_ether_and_none_has_a_fallback():
    for name in CONTRACTS:
        assert not [e for e in load(name).abi if e.get("stateMutability") == "payable"]
        assert not [e for e in load(name).abi if e["type"] in ("fallback", "receive")]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_function_is_for_the_roles_that_the_matrix_says(matrix, contract):
    for function, rows in MATRIX[contract].items():
        for arguments, allowed in rows:
            outcomes = {role: matrix.outcome(contract, function, arguments, role) for role in ROLES}
            assert {role for role, error in outcomes.items() if not error} == allowed, (function, outcomes)
            assert {error for error in outcomes.values() if error} <= REFUSALS, (function, outcomes)


@pytest.mark.parametrize("kind", [0, 7, 255])
def test_no_role_appends_a_kind_that_is_none(matrix, kind):
    for role in ROLES:
        assert matrix.outcome("CaseLog", "append", _entry(kind), role) == "CaseLogInvalidKind"


def test_while_it_is_paused_only_the_consortium_itself_changes(matrix):
    world, operator = matrix.world, matrix.accounts["operator"]
    assert matrix.outcome("Consortium", "unpause", lambda m: (), "operator") == "ExpectedPause"
    world.do(world.consortium.functions.pause(), operator)
    for contract in CONTRACTS[1:]:
        for function, rows in MATRIX[contract].items():
            for arguments, _allowed in rows:
                outcomes = {matrix.outcome(contract, function, arguments, role) for role in ROLES}
                assert outcomes == {f"{contract}Paused"}, function
    outcomes = {role: matrix.outcome("Consortium", "unpause", lambda m: (), role) for role in ROLES}
    assert {role for role, error in outcomes.items() if not error} == {"operator"}
    assert matrix.outcome("Consortium", "pause", lambda m: (), "operator") == "EnforcedPause"
    for function, rows in MATRIX["Consortium"].items():
        for arguments, allowed in rows if function != "pause" else []:
            allowed_now = {r for r in ROLES if not matrix.outcome("Consortium", function, arguments, r)}
            assert allowed_now == allowed, function


@pytest.mark.parametrize("contract", CONTRACTS)
def test_everybody_may_look(matrix, contract):
    """What a view says depends on what is asked, never on who asks."""
    given = {
        "address": matrix.accounts["member"],
        "bytes32": KEY,
        "bytes4": b"\x01\xff\xc9\xa7",
        "string": "",
        "tuple": (0, bytes(32), 1, KEY, 1, KEY),
    }
    for name in functions(contract, changing=False):
        (entry,) = (e for e in load(contract).abi if e["type"] == "function" and e["name"] == name)
        arguments = [given.get(item["type"], 1) for item in entry["inputs"]]
        call = matrix.world.contracts[contract].functions[name](*arguments)
        answers = {repr(call.call({"from": account})) for account in matrix.accounts.values()}
        assert len(answers) == 1, name
