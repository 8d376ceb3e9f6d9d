"""Every function against every role, before the founding, after it, and in a pause.

The functions come from the ABI, so a new one fails here until somebody says whom it is for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
    "consortium",  # the contract itself: a step of the founding, or a proposal that passed
    "founder",
    "member",
    "other",
    "suspended",
    "revoked",
    "replaced",
    "author",
    "officer",
    "idle",  # an officer of the suspended member
    "desk",
    "auditor",
    "holder",
    "stranger",
)
EVERYBODY = set(ROLES)
CONSORTIUM = {"consortium"}
MEMBERS = {"member", "other"}
OFFICERS = {"author", "officer"}

#: How each contract says that it is the caller who may not.
REFUSALS = {
    "AccessControlBadConfirmation",
    "ConsortiumAccountReplaced",
    "ConsortiumMemberRevoked",
    "ConsortiumMemberSuspended",
    "ConsortiumNotForAccount",
    "ConsortiumNotMember",
    "GovernanceAlreadyApproved",
    "GovernanceAlreadyFounded",
    "GovernanceNotApproved",
    "GovernanceNotApprovedBy",
    "GovernanceNotFounder",
    "GovernanceNotProposer",
    "PseudonymKeysNoPart",
    "PseudonymKeysNotApproved",
    "EvaluationLogNotApproved",
    "EvaluationLogNotHolder",
    "RuleBookNotOfficer",
    "RuleBookNotAuthor",
    "RuleBookAuthorCannotApprove",
    "CaseLogUnauthorized",
}


def _hash(document: bytes) -> bytes:
    return hashlib.sha256(document).digest()


def _entry(kind: int) -> Callable[[Any], tuple[Any, ...]]:
    return lambda m: ([(kind, CASE, KEY, b"sealed")],)


Rows = list[tuple[Callable[[Any], tuple[Any, ...]], set[str]]]

#: For each function that changes something, calls that would succeed but for the caller, and who may.
MATRIX: dict[str, dict[str, Rows]] = {
    "Consortium": {
        "prepare": [(lambda m: (m.some_calls,), set())],
        "confirmFounding": [(lambda m: (m.digest,), set())],
        "propose": [(lambda m: (m.some_calls, "title"), MEMBERS)],
        "approve": [(lambda m: m.approval, {"other"})],
        "withdrawApproval": [(lambda m: (m.pending,), {"member"})],
        "cancel": [(lambda m: (m.pending,), {"member"})],
        "execute": [(lambda m: (m.passed, m.some_calls), EVERYBODY)],
        "setRules": [(lambda m: ((60, 40, 0, 86_400),), CONSORTIUM)],
        "setLimits": [(lambda m: ((1, 1, 1),), CONSORTIUM)],
        "admitMember": [(lambda m: m.admission, CONSORTIUM)],
        "changeKeys": [(lambda m: m.key_change, CONSORTIUM)],  # the bank's signatures alone are not enough
        "suspendMember": [(lambda m: (m.accounts["member"],), {"consortium", "member"})],
        "reinstateMember": [(lambda m: (m.accounts["suspended"],), CONSORTIUM)],
        "revokeMember": [(lambda m: (m.accounts["member"],), CONSORTIUM)],
        "appointOfficer": [(lambda m: (m.fresh, 1), CONSORTIUM)],
        "dismissOfficer": [(lambda m: (m.accounts["author"],), {"consortium", "member"})],
        "addReader": [(lambda m: (KEY_ID, KEY, 24_000, "desk"), CONSORTIUM)],
        "removeReader": [(lambda m: (_hash(OLD_KEY),), CONSORTIUM)],
        "publishPolicy": [(lambda m: (b"new",), CONSORTIUM)],
        "pause": [(lambda m: (), CONSORTIUM)],
        "unpause": [],  # while it is paused, see below
        "grantRole": [(lambda m: (m.role("DESK_ROLE"), m.fresh), CONSORTIUM)],
        "revokeRole": [(lambda m: (m.role("DESK_ROLE"), m.accounts["desk"]), CONSORTIUM)],
        "renounceRole": [
            (lambda m: (m.role("DESK_ROLE"), m.caller), EVERYBODY),
            (lambda m: (m.role("DESK_ROLE"), m.fresh), set()),
        ],
    },
    "PseudonymKeys": {
        "startCeremony": [(lambda m: (20, 1, [(m.fresh, KEY)], []), CONSORTIUM)],
        "commit": [(lambda m: (m.ceremonies[0], KEY), {"holder"})],
        "deal": [(lambda m: (m.ceremonies[1], b"dealt"), {"holder"})],
        "confirm": [(lambda m: (m.ceremonies[2], KEY, [KEY]), {"holder"})],
        "complain": [(lambda m: (m.ceremonies[2], 1, b"evidence"), {"holder"})],
        "openEpoch": [(lambda m: (4, 0), CONSORTIUM)],
    },
    "EvaluationLog": {
        "request": [(lambda m: (1, 1, CASE), MEMBERS)],
        "requestLink": [(lambda m: (2, 1, 1, CASE, "why"), MEMBERS)],
        "approveLink": [(lambda m: (1,), {"holder"})],
        "grant": [(lambda m: (1, 1), CONSORTIUM)],
    },
    "BatchLedger": {
        "post": [(lambda m: m.batch(), MEMBERS)],
    },
    "RuleBook": {
        "propose": [(lambda m: (b"new", []), OFFICERS)],
        "draft": [
            (lambda m: (b"new", bytes(32), []), OFFICERS),
            (lambda m: (b"new", _hash(DRAFTED), []), OFFICERS),
        ],
        "recordBacktest": [(lambda m: (_hash(PROPOSED), b"report"), OFFICERS)],
        "submit": [(lambda m: (_hash(DRAFTED),), {"author"})],
        "approve": [(lambda m: (_hash(PROPOSED), []), {"officer"})],
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
            (_entry(5), MEMBERS),
            (_entry(6), {"desk"}),
        ],
    },
}

#: Before the founding: who may call these; of the others, all that is not governed is refused to everybody.
BEFORE: dict[str, set[str]] = {
    "prepare": {"founder"},
    "confirmFounding": MEMBERS,
    "propose": set(),
    "approve": set(),
    "withdrawApproval": set(),
    "cancel": set(),
    "execute": set(),
    "request": set(),
    "requestLink": set(),
    "approveLink": set(),
}
CLOSED = {
    "Consortium": "GovernanceNotFounded",
    "BatchLedger": "GovernanceNotFounded",
    "EvaluationLog": "GovernanceNotFounded",
    "RuleBook": "RuleBookNotFounded",
    "CaseLog": "CaseLogNotFounded",
}

#: What a pause stops, and the error.
PAUSED = {
    "BatchLedger": ("BatchLedgerPaused", {"post"}),
    "EvaluationLog": ("EvaluationLogPaused", {"request", "requestLink"}),
    "RuleBook": ("RuleBookPaused", set(MATRIX["RuleBook"])),
    "CaseLog": ("CaseLogPaused", {"append"}),
}


class Matrix:
    """A consortium in which nobody has two roles, before its founding or after, and who calls it now."""

    pending = passed = 0
    approval: tuple[Any, ...] = (1, bytes(32))

    def __init__(self, world: Any) -> None:
        self.world = world
        consortium = world.consortium.functions
        member, other, suspended, revoked, replaced = world.banks[:5]
        author, officer, idle, third = world.officers
        self.holder = world.holders[0]
        names = (world.consortium.address, world.founder, member, other, suspended, revoked, replaced)
        names += (author, officer, idle, world.desk, world.auditor, self.holder, world.stranger)
        self.accounts = dict(zip(ROLES, names, strict=True))
        assert len(set(self.accounts.values())) == len(ROLES)
        self.fresh = address_of(FRESH_KEY)
        world.keys[self.fresh] = FRESH_KEY
        self.caller = ZERO
        world.admit_all(5)
        world.govern(
            world.appointment(author, member),
            world.appointment(officer, other),
            world.appointment(idle, suspended),
            world.appointment(third, member),
            world.granting("DESK_ROLE", world.desk),
            world.granting("AUDITOR_ROLE", world.auditor),
            consortium.addReader(_hash(OLD_KEY), OLD_KEY, 24_000, "old"),
            consortium.suspendMember(suspended),
            consortium.revokeMember(revoked),
            world.key_change(replaced, world.banks[5]),
            consortium.revokeMember(world.banks[5]),
        )
        self.policy = world.publish(b"policy")
        for epoch in (1, 2):
            world.open_epoch(epoch)
        world.make_key(4, [self.holder])
        self.ceremonies = self._ceremonies_in_each_round()
        self.some_calls = world.calls(consortium.publishPolicy(b"decided"))
        self.digest = world.digest()
        self.admission = world.admission(self.fresh, "NEWBXXXX").args
        self.key_change = world.key_change(member, self.fresh).args

    def _ceremonies_in_each_round(self) -> list[int]:
        functions, numbers = self.world.pseudonyms.functions, []
        for epoch, rounds in ((11, 0), (12, 1), (13, 2)):
            self.world.govern(self.world.ceremony(epoch, [self.holder]))
            numbers.append(functions.ceremonyCount().call())
            steps = (functions.commit(numbers[-1], _hash(b"dealt")), functions.deal(numbers[-1], b"dealt"))
            for step in steps[:rounds]:
                self.world.do(step, self.holder)
        return numbers

    def found(self) -> None:
        """Found the consortium, and bring everything about that the calls of the matrix ask for."""
        world, rules = self.world, self.world.rules.functions
        member = self.accounts["member"]
        world.found()
        author, officer, _, third = world.officers
        world.do(rules.propose(ACTIVE, []), author)
        for account in (third, officer):
            world.do(rules.approve(_hash(ACTIVE), []), account)
        world.do(rules.propose(PROPOSED, []), author)
        world.do(rules.draft(DRAFTED, bytes(32), []), author)
        world.do(world.consortium.functions.dismissOfficer(third), member)
        link = world.evaluations.functions.requestLink(2, 1, 1, KEY, "why")
        world.do(link, member)
        decided = [world.consortium.functions.publishPolicy(b"decided")]
        self.pending = world.propose(decided, member)
        self.approval = tuple(world.approval(self.pending, decided).args)
        self.passed = world.pass_proposal(decided, [member, self.accounts["other"]])

    def role(self, name: str) -> bytes:
        return bytes(self.world.consortium.functions[name]().call())

    def batch(self) -> tuple[Any, ...]:
        """The arguments of a batch that the caller signed; the consortium cannot sign."""
        stated = (0, bytes(32), 1, self.policy, 1, KEY)
        signer = self.caller if self.caller != self.accounts["consortium"] else self.accounts["founder"]
        return tuple(self.world.post(self.caller, stated, signer=signer).args)

    def outcomes(self, contract: str, function: str, arguments: Any) -> dict[str, str]:
        """Try a call as each role; returns the errors' names, empty where it would succeed."""
        found = {}
        for role, account in self.accounts.items():
            self.caller = account
            call = self.world.contracts[contract].functions[function](*arguments(self))
            error = self.world.error(call, account)
            found[role] = error[0] if error else ""
        return found


def allowed(outcomes: dict[str, str]) -> set[str]:
    return {role for role, error in outcomes.items() if not error}


@pytest.fixture(scope="module")
def arranged(deployed: Any) -> tuple[Matrix, int, int]:
    """The consortium, and the snapshots in which it is one: before the founding, and after it."""
    before = deployed.snapshot()
    made = Matrix(deployed)
    prepared = deployed.snapshot()
    made.found()
    founded = deployed.snapshot()
    deployed.revert(before)
    return made, prepared, founded


@pytest.fixture
def matrix(world: Any, arranged: tuple[Matrix, int, int]) -> Matrix:
    made, _prepared, founded = arranged
    world.revert(founded)
    return made


@pytest.fixture
def prepared(world: Any, arranged: tuple[Matrix, int, int]) -> Matrix:
    made, snapshot, _founded = arranged
    world.revert(snapshot)
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
        for arguments, roles in rows:
            outcomes = matrix.outcomes(contract, function, arguments)
            assert allowed(outcomes) == roles, (function, outcomes)
            assert {error for error in outcomes.values() if error} <= REFUSALS, (function, outcomes)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_before_the_founding_there_is_only_what_the_founder_prepares(prepared, contract):
    """And what a member, a holder or the bearer of a role may do with what is its own."""
    for function, rows in MATRIX[contract].items():
        for arguments, roles in rows:
            outcomes = prepared.outcomes(contract, function, arguments)
            nothing = contract in ("BatchLedger", "RuleBook", "CaseLog")
            expected = set() if nothing else BEFORE.get(function, roles)
            assert allowed(outcomes) == expected, (function, outcomes)
            if not expected and roles and function != "approveLink":
                assert set(outcomes.values()) == {CLOSED[contract]}, (function, outcomes)


@pytest.mark.parametrize("kind", [0, 7, 255])
def test_no_role_appends_a_kind_that_is_none(matrix, kind):
    assert set(matrix.outcomes("CaseLog", "append", _entry(kind)).values()) == {"CaseLogInvalidKind"}


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_pause_stops_what_is_recorded_and_not_what_the_members_decide(matrix, contract):
    world = matrix.world
    assert allowed(matrix.outcomes("Consortium", "unpause", lambda m: ())) == set()
    error, stopped = PAUSED.get(contract, ("EnforcedPause", {"pause"}))
    world.govern(world.consortium.functions.pause(), voters=[matrix.accounts["member"]])
    for function, rows in MATRIX[contract].items():
        for arguments, roles in rows:
            outcomes = matrix.outcomes(contract, function, arguments)
            if function in stopped and contract != "Consortium":
                assert set(outcomes.values()) == {error}, function
            elif function in stopped:
                assert outcomes["consortium"] == error
            else:
                assert allowed(outcomes) == roles, (function, outcomes)
    outcomes = matrix.outcomes("Consortium", "unpause", lambda m: ())
    assert allowed(outcomes) == CONSORTIUM


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
        asking = ("consortium", "founder", "member", "suspended", "stranger")
        answers = {repr(call.call(matrix.accounts[role])) for role in asking}
        assert len(answers) == 1, name
