"""State machines against registry, rule book and case log: what must hold whatever anybody does.

Short in the suite; `COUNTERFOIL_FUZZ_EXAMPLES=100 pytest tests/contracts -k "invariants or history"` is long.
"""

from __future__ import annotations

import hashlib
import os
import struct
from typing import Any

from eth_abi import encode
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from web3 import Web3

from tests.contracts.world import DAY

ZERO = bytes(32)
EXAMPLES = int(os.environ.get("COUNTERFOIL_FUZZ_EXAMPLES", "0"))


def run(machine: type[RuleBasedStateMachine], world: Any, *, examples: int, steps: int) -> None:
    machine.world = world
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES or examples,
            stateful_step_count=steps if not EXAMPLES else 2 * steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class OnChain(RuleBasedStateMachine):
    """Starts every example from the same snapshot, and sends what may fail."""

    world: Any = None

    def __init__(self):
        super().__init__()
        self.snapshot = self.world.snapshot()
        self.paused = False

    def teardown(self):
        self.world.revert(self.snapshot)

    def send(self, call, sender):
        """Send a call; returns whether it succeeded."""
        return self.world.send(call, sender).error is None

    def govern(self, call):
        """Let the first two banks decide; they are active in these machines, and enough of three."""
        self.world.govern(call, voters=self.world.banks[1:3])

    def toggle_pause(self):
        functions = self.world.consortium.functions
        self.govern(functions.unpause() if self.paused else functions.pause())
        self.paused = not self.paused


# ---------------------------------------------------------------- the consortium

ACCOUNT = st.integers(0, 4)
SMALL = st.integers(0, 4)


class Registry(OnChain):
    """Members, officers, readers and policies beside a model that knows the answer to every call.

    A founder prepares here without end: what a step of the founding may do, a proposal may do later.
    """

    @initialize()
    def start(self):
        self.people = self.world.banks[:5]
        self.members: dict[int, list[Any]] = {}  # account -> [code, status, agent, X25519 key]
        self.nonces: dict[int, int] = {}  # code -> changes of keys
        self.signed: list[tuple[int, int, int, int]] = []
        self.officers: dict[int, int] = {}  # officer -> code
        self.readers: dict[int, str] = {}
        self.policies: list[bytes] = []
        self.digest = self.world.digest()

    def check(self, call, expected):
        # Nobody may do it alone, whatever the state is.
        assert not self.send(call, self.world.stranger)
        assert self.send(self.world.prepare(call), self.world.founder) == expected
        if expected:
            calls = self.world.calls(call)
            self.digest = Web3.keccak(encode(["bytes32", "(address,bytes)[]"], [self.digest, calls]))

    @rule(account=ACCOUNT, agent=SMALL, keyless=st.booleans())
    def admit(self, account, agent, keyless):
        name = "" if agent == 4 else f"BANK{agent}"
        taken = {agent for _code, _status, agent, _key in self.members.values()}
        good = account not in self.members and name and name not in taken and not keyless
        key = ZERO if keyless else b"k" * 32
        call = self.world.admission(self.people[account], name, x25519Key=key)
        self.check(call, bool(good))
        if good:
            self.members[account] = [self.codes() + 1, 1, name, key]

    def codes(self):
        """How many banks were ever admitted: a bank keeps its code when its account changes."""
        return len({code for code, *_ in self.members.values()})

    @rule(account=ACCOUNT, change=st.sampled_from(["suspend", "reinstate", "revoke"]))
    def change(self, account, change):
        before, after = {"suspend": ({1}, 2), "reinstate": ({2}, 1), "revoke": ({1, 2}, 3)}[change]
        good = account in self.members and self.members[account][1] in before
        self.check(self.world.consortium.functions[f"{change}Member"](self.people[account]), good)
        if good:
            self.members[account][1] = after

    @rule(account=ACCOUNT, new=ACCOUNT, key=st.integers(0, 2), forged=st.sampled_from([None, 0, 1]))
    def change_keys(self, account, new, key, forged):
        self.try_to_change_keys(account, new, key, forged)

    @precondition(lambda self: any(status in (1, 2) for _, status, *_ in self.members.values()))
    @rule(data=st.data(), new=ACCOUNT, key=st.integers(1, 2))
    def change_keys_of_a_member(self, data, new, key):
        members = [account for account, known in self.members.items() if known[1] in (1, 2)]
        self.try_to_change_keys(data.draw(st.sampled_from(members)), new, key, None)

    @precondition(lambda self: self.signed)
    @rule(data=st.data())
    def make_a_change_again(self, data):
        """What was signed for an earlier change is worth nothing."""
        account, new, key, nonce = data.draw(st.sampled_from(self.signed))
        self.try_to_change_keys(account, new, key, None, nonce)

    def try_to_change_keys(self, account, new, key, forged, nonce=None):
        """Let the consortium make a change; `forged` is the signature that another account made."""
        old, (code, status) = self.people[account], self.members.get(account, [0, 0])[:2]
        signers = [old, self.people[new]]
        if forged is not None:
            signers[forged] = self.world.founder
        due = self.nonces.get(code, 0)
        nonce = due if nonce is None else nonce
        good = (
            status in (1, 2)
            and (new == account or new not in self.members)
            and key != 0
            and forged is None
            and nonce == due
        )
        call = self.world.key_change(
            old, self.people[new], signers=tuple(signers), nonce=nonce, x25519Key=bytes([key]) * 32
        )
        self.check(call, good)
        if good:
            _, _, agent, _ = self.members[account]
            self.members[account][1] = 4
            self.members[new] = [code, status, agent, bytes([key]) * 32]
            self.nonces[code] = due + 1
            self.signed.append((account, new, key, due))

    @rule(officer=SMALL, code=SMALL)
    def appoint(self, officer, code):
        good = officer not in self.officers and code in self.active()
        call = self.world.consortium.functions.appointOfficer(self.world.holders[officer], code)
        self.check(call, good)
        if good:
            self.officers[officer] = code

    @rule(officer=SMALL)
    def dismiss(self, officer):
        good = officer in self.officers
        self.check(self.world.consortium.functions.dismissOfficer(self.world.holders[officer]), good)
        self.officers.pop(officer, None)

    def active(self):
        return {code for code, status, *_ in self.members.values() if status == 1}

    @rule(reader=SMALL, wrong=st.booleans())
    def add_reader(self, reader, wrong):
        key = bytes([reader]) * 32  # 0 is no key
        key_id = hashlib.sha256(key + b"!" * wrong).digest()
        good = reader != 0 and not wrong and reader not in self.readers
        self.check(self.world.consortium.functions.addReader(key_id, key, 24_000, "r"), good)
        if good:
            self.readers[reader] = "active"

    @rule(reader=SMALL)
    def remove_reader(self, reader):
        good = self.readers.get(reader) == "active"
        key_id = hashlib.sha256(bytes([reader]) * 32).digest()
        self.check(self.world.consortium.functions.removeReader(key_id), good)
        if good:
            self.readers[reader] = "removed"

    @precondition(lambda self: "removed" in self.readers.values())
    @rule(data=st.data())
    def add_a_removed_reader(self, data):
        gone = [reader for reader, status in self.readers.items() if status == "removed"]
        self.add_reader(data.draw(st.sampled_from(gone)), wrong=False)

    @rule(document=st.binary(max_size=2))
    def publish(self, document):
        good = bool(document) and document not in self.policies
        self.check(self.world.consortium.functions.publishPolicy(document), good)
        if good:
            self.policies.append(document)

    @invariant()
    def the_chain_says_what_the_model_says(self):
        if not hasattr(self, "people"):
            return
        functions = self.world.consortium.functions
        assert functions.memberCount().call() == self.codes()
        for account, person in enumerate(self.people):
            code, status, agent, key = self.members.get(account, [0, 0, "", ZERO])
            held = functions.memberOf(person).call()
            assert held[:3] == [code, status, agent]
            assert functions.codeOf(person).call() == code
            if status != 4:  # of an account that was replaced, the keys say nothing
                assert held[3] == key
                assert not code or functions.memberAt(code).call() == person
        for reader in range(1, 5):
            key_id = hashlib.sha256(bytes([reader]) * 32).digest()
            assert functions.isReader(key_id).call() == (self.readers.get(reader) == "active")
        assert functions.activeMembers().call() == len(self.active())
        for officer in range(5):
            code = self.officers.get(officer, 0)
            held = functions.officerOf(self.world.holders[officer]).call()
            assert held == (code if code in self.active() else 0)
        assert self.world.digest() == self.digest
        active = hashlib.sha256(self.policies[-1]).digest() if self.policies else ZERO
        assert functions.activePolicy().call() == active


def test_registry_invariants(world):
    run(Registry, world, examples=3, steps=15)


# ---------------------------------------------------------------- the rule book

NONE, PROPOSED, ACTIVE, WITHDRAWN, DRAFTED, SUPERSEDED = range(6)
STEPS = {
    NONE: {DRAFTED, PROPOSED},
    DRAFTED: {PROPOSED, WITHDRAWN},
    PROPOSED: {ACTIVE, WITHDRAWN},
    ACTIVE: {SUPERSEDED, WITHDRAWN},
    SUPERSEDED: set(),
    WITHDRAWN: set(),
}
PERSON = st.integers(0, 4)
#: The member whose officer a person is, and the keys of the rules in a document: some stand in two documents.
MEMBER = (1, 2, 3, 1, 2)
RULE_KEYS = ([b"a" * 32], [b"a" * 32, b"b" * 32], [b"b" * 32], [b"c" * 32], [], [b"d" * 32])
DOCUMENT = st.integers(0, 5)


class RuleLife(OnChain):
    """Five persons, of whom some are officers at times, do anything to six documents.

    Nothing here repeats the contract's conditions: it keeps what succeeded, and asks whether that was right.
    """

    @initialize()
    def start(self):
        self.people = [*self.world.officers, self.world.desk]
        self.officers = set(range(5))  # of the members 1, 2, 3, 1 and 2, see the test
        self.status = [NONE] * 6
        self.writers: list[set[int]] = [set() for _ in range(6)]
        self.approvals: list[set[int]] = [set() for _ in range(6)]
        self.withdrawals: list[set[int]] = [set() for _ in range(6)]
        self.activated: list[int] = []
        self.brought: dict[bytes, int | None] = {}  # rule key -> who brought it first; none once in force

    def document(self, number):
        return b"rules %d" % number

    def name(self, number):
        return hashlib.sha256(self.document(number)).digest()

    def act(self, person, function, *arguments):
        """Send a call to the rule book; whoever is no officer, and anybody in a pause, must fail."""
        done = self.send(self.world.rules.functions[function](*arguments), self.people[person])
        if done:
            assert person in self.officers
            assert not self.paused
        return done

    @rule(person=PERSON, appoint=st.booleans())
    def change_officer(self, person, appoint):
        functions, account = self.world.consortium.functions, self.people[person]
        if appoint and person not in self.officers:
            self.govern(functions.appointOfficer(account, MEMBER[person]))
            self.officers.add(person)
        elif not appoint and person in self.officers:
            self.world.do(functions.dismissOfficer(account), self.world.banks[MEMBER[person] - 1])
            self.officers.remove(person)

    @rule()
    def pause_or_resume(self):
        self.toggle_pause()

    @rule(person=PERSON, number=DOCUMENT)
    def propose(self, person, number):
        if self.act(person, "propose", self.document(number), RULE_KEYS[number]):
            self.written(number, {person}, person)

    @rule(person=PERSON, number=DOCUMENT, previous=st.none() | DOCUMENT)
    def draft(self, person, number, previous):
        named = ZERO if previous is None else self.name(previous)
        settled = previous is None or self.status[previous] in (ACTIVE, SUPERSEDED)
        known = previous is None or self.status[previous] != NONE
        if self.act(person, "draft", self.document(number), named, RULE_KEYS[number]):
            assert known
            self.written(number, {person} | (set() if settled else self.writers[previous]), person)

    def written(self, number, writers, person):
        assert self.status[number] == NONE  # a document is used once
        self.writers[number] = writers
        for key in RULE_KEYS[number]:
            self.brought.setdefault(key, person)

    @rule(person=PERSON, number=DOCUMENT)
    def submit(self, person, number):
        if self.act(person, "submit", self.name(number)):
            assert person in self.writers[number]

    @rule(person=PERSON, number=DOCUMENT, report=st.binary(max_size=1))
    def backtest(self, person, number, report):
        if self.act(person, "recordBacktest", self.name(number), report):
            assert report
            assert self.status[number] in (DRAFTED, PROPOSED)

    @rule(person=PERSON, number=DOCUMENT)
    def approve(self, person, number):
        if self.act(person, "approve", self.name(number), RULE_KEYS[number]):
            assert person not in self.writers[number]
            assert person not in {self.brought[key] for key in RULE_KEYS[number]}
            self.approvals[number].add(person)

    @rule(person=PERSON, number=DOCUMENT)
    def withdraw(self, person, number):
        if self.act(person, "withdraw", self.name(number)):
            assert person in self.writers[number]

    @rule(person=PERSON, number=DOCUMENT)
    def withdraw_active(self, person, number):
        if self.act(person, "withdrawActive", self.name(number)):
            assert self.status[number] == ACTIVE
            self.withdrawals[number].add(person)

    # Left to chance alone, few examples get further than a proposal; these aim at what is there.

    @precondition(lambda self: NONE in self.status)
    @rule(person=PERSON)
    def propose_something_new(self, person):
        self.resume()
        self.propose(person, self.status.index(NONE))

    @precondition(lambda self: NONE in self.status and self.numbers(DRAFTED, PROPOSED))
    @rule(person=PERSON, data=st.data())
    def edit_what_is_there(self, person, data):
        self.resume()
        previous = data.draw(st.sampled_from(self.numbers(DRAFTED, PROPOSED)))
        self.draft(person, self.status.index(NONE), previous)

    @precondition(lambda self: self.numbers(DRAFTED))
    @rule(data=st.data())
    def submit_a_draft(self, data):
        self.resume()
        number = data.draw(st.sampled_from(self.numbers(DRAFTED)))
        for person in sorted(self.writers[number]):
            self.submit(person, number)

    @precondition(lambda self: self.numbers(PROPOSED))
    @rule(person=PERSON, data=st.data())
    def approve_a_proposal(self, person, data):
        self.resume()
        self.approve(person, data.draw(st.sampled_from(self.numbers(PROPOSED))))

    @precondition(lambda self: self.pending())
    @rule(data=st.data())
    def approve_again(self, data):
        self.resume()
        self.approve(*data.draw(st.sampled_from(self.pending())))

    @precondition(lambda self: self.pending())
    @rule(data=st.data())
    def let_a_colleague_approve(self, data):
        self.resume()
        person, number = data.draw(st.sampled_from(self.pending()))
        for colleague in range(5):
            if MEMBER[colleague] == MEMBER[person]:
                self.approve(colleague, number)

    @precondition(lambda self: self.pending())
    @rule(data=st.data())
    def dismiss_who_approved(self, data):
        person, _number = data.draw(st.sampled_from(self.pending()))
        self.change_officer(person, appoint=False)

    def pending(self):
        """Who approved a proposal and is an officer."""
        return [(p, n) for n in self.numbers(PROPOSED) for p in sorted(self.approvals[n] & self.officers)]

    @precondition(lambda self: self.numbers(ACTIVE))
    @rule(person=PERSON)
    def withdraw_what_is_in_force(self, person):
        self.resume()
        self.withdraw_active(person, self.numbers(ACTIVE)[0])

    def numbers(self, *statuses):
        return [number for number, status in enumerate(self.status) if status in statuses]

    def resume(self):
        if self.paused:
            self.toggle_pause()

    @precondition(lambda self: NONE in self.status)
    @rule()
    def officers_agree(self):
        """The way that must be open: one writes, and of all others enough approve."""
        self.resume()
        for person in range(5):
            self.change_officer(person, appoint=True)
        number = self.status.index(NONE)
        self.propose(0, number)
        self.transitions()
        brought = {self.brought[key] for key in RULE_KEYS[number]}
        free = [person for person in range(1, 5) if person not in brought]
        for person in free:
            if self.status[number] == PROPOSED:
                self.approve(person, number)
                self.transitions()
        assert (self.status[number] == ACTIVE) == (len({MEMBER[person] for person in free}) >= 2)

    @invariant()
    def transitions(self):
        if not hasattr(self, "people"):
            return
        functions = self.world.rules.functions
        before, self.status = (
            self.status,
            [functions.proposalOf(self.name(number)).call()[0] for number in range(6)],
        )
        for number, (old, new) in enumerate(zip(before, self.status, strict=True)):
            if old == new:
                continue
            assert new in STEPS[old], (old, new)
            if new == ACTIVE:
                self.activated.append(number)
                counting = (self.approvals[number] & self.officers) - self.writers[number]
                assert len({MEMBER[person] for person in counting}) >= 2
                self.brought |= dict.fromkeys(RULE_KEYS[number])
            if (old, new) == (ACTIVE, WITHDRAWN):
                agreed = self.withdrawals[number] & self.officers
                assert len({MEMBER[person] for person in agreed}) >= 2
        active = [number for number, status in enumerate(self.status) if status == ACTIVE]
        assert len(active) <= 1
        expected = [self.name(active[0]) if active else ZERO, len(self.activated)]
        assert functions.activeRuleSet().call() == expected

    def teardown(self):
        if hasattr(self, "people"):
            events = self.world.events(self.world.rules, "RuleSetActivated")
            assert [e["ruleSetHash"] for e in events] == [self.name(n) for n in self.activated]
            assert [e["version"] for e in events] == list(range(1, len(events) + 1))
            for name in ("RuleSetProposed", "RuleSetDrafted"):
                for event in self.world.events(self.world.rules, name):
                    assert hashlib.sha256(event["document"]).digest() == event["ruleSetHash"]
        super().teardown()


def test_rule_book_invariants(staffed):
    staffed.govern(staffed.appointment(staffed.desk, staffed.banks[1]))
    run(RuleLife, staffed, examples=4, steps=18)


# ---------------------------------------------------------------- the case log

MAY = {1: {"desk"}, 2: {"desk"}, 3: {"officer"}, 4: {"officer", "auditor"}, 6: {"desk"}}
MAY[5] = {"bank", "other bank"}
#: Few, so that the machine reaches them.
PER_DAY = (4, 8)
ENTRY = st.tuples(st.integers(0, 7), st.integers(0, 9), st.binary(max_size=3))


class Cases(OnChain):
    """Anybody appends anything; beside it a chain of hashes in plain Python."""

    @initialize()
    def start(self):
        world = self.world
        self.people = {
            "desk": world.desk,
            "officer": world.officers[1],
            "auditor": world.auditor,
            "bank": world.banks[0],
            "other bank": world.banks[1],
            "stranger": world.stranger,
        }
        self.head, self.log = ZERO, []
        self.suspended = False
        self.used: dict[tuple[str, int], list[int]] = {}  # whose quota, day -> entries, bytes

    @rule(
        who=st.sampled_from(["desk", "officer", "auditor", "bank", "other bank", "stranger"]),
        entries=st.lists(ENTRY, max_size=4),
    )
    def append(self, who, entries):
        self.try_to_append(who, entries)

    @rule(
        kinds=st.lists(st.sampled_from(sorted(MAY)), min_size=1, max_size=3),
        contents=st.lists(st.integers(0, 9), min_size=3, max_size=3),
        data=st.data(),
    )
    def append_by_who_may(self, kinds, contents, data):
        """Mostly the caller is the right one, so that the log grows and contents meet again."""
        who = data.draw(st.sampled_from(sorted(MAY[kinds[0]])))
        entries = [(k, c, b"") for k, c in zip(kinds, contents, strict=False) if who in MAY[k]]
        if self.paused:
            self.toggle_pause()
        self.try_to_append(who, entries)

    def try_to_append(self, who, entries):
        given = [
            (kind, b"c" * 32, hashlib.sha256(bytes([content])).digest(), payload)
            for kind, content, payload in entries
        ]
        contents = [(entry[0], entry[2]) for entry in given]
        own = {
            (entry["kind"], entry["contentHash"]) for entry in self.log if entry["author"] == self.people[who]
        }
        good = (
            bool(given)
            and not self.paused
            and all(who in MAY.get(entry[0], set()) for entry in given)
            and not (self.suspended and who == "bank")
            and len(set(contents)) == len(contents)
            and not set(contents) & own
        )
        counted = [len(payload) for kind, _, _, payload in given if kind in (3, 4, 5)]
        owner = "other bank" if who == "officer" else who
        before = self.used.get((owner, (self.world.now() + 1) // DAY), [0, 0])
        after = [before[0] + len(counted), before[1] + sum(counted)]
        good = good and (not counted or (after[0] <= PER_DAY[0] and after[1] <= PER_DAY[1]))
        assert self.send(self.world.cases.functions.append(given), self.people[who]) == good
        if good:
            self.used[owner, self.world.now() // DAY] = after
            self.note(who, given)

    def note(self, who, given):
        for kind, case, content, payload in given:
            self.head = hashlib.sha256(
                self.head
                + struct.pack(">QB", len(self.log), kind)
                + case
                + content
                + bytes.fromhex(self.people[who][2:])
                + hashlib.sha256(payload).digest()
            ).digest()
            self.log.append(
                {
                    "index": len(self.log),
                    "caseId": case,
                    "kind": kind,
                    "author": self.people[who],
                    "contentHash": content,
                    "head": self.head,
                    "payload": payload,
                }
            )

    @rule()
    def pause_or_resume(self):
        self.toggle_pause()

    @rule()
    def suspend_or_reinstate(self):
        functions, bank = self.world.consortium.functions, self.people["bank"]
        if self.suspended:
            self.govern(functions.reinstateMember(bank))
        else:
            self.world.do(functions.suspendMember(bank), bank)
        self.suspended = not self.suspended

    @rule()
    def a_day_passes(self):
        self.world.next_day()

    @invariant()
    def the_log_is_what_was_appended(self):
        if not hasattr(self, "people"):
            return
        functions = self.world.cases.functions
        assert functions.head().call() == self.head
        assert functions.size().call() == len(self.log)
        assert self.world.events(self.world.cases, "CaseEntryAppended") == self.log


def test_case_log_invariants(staffed):
    staffed.govern(staffed.consortium.functions.setLimits((1, *PER_DAY)))
    run(Cases, staffed, examples=4, steps=15)
