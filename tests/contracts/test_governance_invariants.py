"""A state machine against the governance: no change without k active approvals and the delay.

Members do anything in any order, to proposals of any kind, at any time; beside it a model in plain
Python that knows the outcome of every call.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.contracts.test_contract_invariants import OnChain, run

ACTIVE, SUSPENDED, REVOKED = 1, 2, 3
#: Quorum, quorum of a pause, delay, lifetime; short, so that proposals get old within an example.
RULES = ((51, 33, 100, 4_000), (100, 100, 50, 3_650), (67, 1, 0, 3_600))
BANK = st.integers(0, 4)
KIND = st.sampled_from(
    ["policy", "suspend", "reinstate", "revoke", "admit", "rules", "pause", "unpause", "bad"]
)
WAIT = st.sampled_from([1, 49, 98, 100, 1_000, 3_500])


@dataclass
class Proposal:
    """What the model knows of a proposal."""

    kind: str
    subject: int
    proposer: int
    expires: int
    urgent: bool
    approvals: dict[int, int] = field(default_factory=dict)  # bank -> its term when it approved
    due: int = 0
    closed: bool = False


class Decisions(OnChain):
    """Five banks, four of them members at first."""

    @initialize()
    def start(self):
        self.banks = self.world.banks[:5]
        self.codes = {bank: bank + 1 for bank in range(4)}
        self.status = [ACTIVE] * 4 + [0]
        self.terms = [0] * 5
        self.proposals: list[Proposal] = []
        self.rules = RULES[0]
        self.policies: list[int] = []

    # ------------------------------------------------------------ the model

    def active(self):
        return self.status.count(ACTIVE)

    def needed(self, urgent):
        return max(1, -(-self.active() * self.rules[1 if urgent else 0] // 100))

    def counting(self, proposal):
        return sum(
            self.status[bank] == ACTIVE and self.terms[bank] == term
            for bank, term in proposal.approvals.items()
        )

    def passes(self, proposal):
        return self.counting(proposal) >= self.needed(proposal.urgent)

    def open(self, proposal, now):
        return not proposal.closed and now < proposal.expires

    def wait_of(self, proposal):
        return 0 if proposal.urgent else self.rules[2]

    def note_approval(self, proposal, bank, now):
        passed = proposal.due != 0 and self.passes(proposal)
        proposal.approvals[bank] = self.terms[bank]
        if not passed and self.passes(proposal):
            proposal.due = now + self.wait_of(proposal)

    def possible(self, kind, subject):
        """Whether the consortium could make the call of a proposal now."""
        stays = self.active() > 1
        return {
            "policy": subject not in self.policies,
            "suspend": self.status[subject] == ACTIVE and stays,
            "reinstate": self.status[subject] == SUSPENDED,
            "revoke": self.status[subject] == SUSPENDED or (self.status[subject] == ACTIVE and stays),
            "admit": self.status[subject] == 0,
            "rules": True,
            "pause": not self.paused,
            "unpause": self.paused,
            "bad": False,
        }[kind]

    def take_effect(self, kind, subject):
        if kind == "policy":
            self.policies.append(subject)
        elif kind == "suspend":
            self.suspended(subject)
        elif kind in ("reinstate", "admit"):
            self.status[subject] = ACTIVE
            self.codes.setdefault(subject, len(self.codes) + 1)
        elif kind == "revoke":
            self.status[subject] = REVOKED
        elif kind == "rules":
            self.rules = RULES[subject % len(RULES)]
        else:
            self.paused = kind == "pause"

    def suspended(self, bank):
        self.status[bank] = SUSPENDED
        self.terms[bank] += 1

    # ------------------------------------------------------------ what banks do

    def call(self, kind, subject):
        functions, account = self.world.consortium.functions, self.banks[subject]
        if kind == "policy":
            return functions.publishPolicy(b"policy %d" % subject)
        if kind == "admit":
            return self.world.admission(account, f"BANK{subject}")
        if kind == "rules":
            return functions.setRules(RULES[subject % len(RULES)])
        if kind in ("pause", "unpause"):
            return functions[kind]()
        if kind == "bad":
            return functions.removeReader(b"k" * 32)
        return functions[f"{kind}Member"](account)

    @rule(bank=BANK, kind=KIND, subject=BANK)
    def propose(self, bank, kind, subject):
        calls = self.world.calls(self.call(kind, subject))
        good = self.status[bank] == ACTIVE
        assert self.send(self.world.consortium.functions.propose(calls, kind), self.banks[bank]) == good
        if good:
            now = self.world.now()
            urgent = kind == "pause"
            self.proposals.append(Proposal(kind, subject, bank, now + self.rules[3], urgent))
            self.note_approval(self.proposals[-1], bank, now)

    def drawn(self, data, only_open=False):
        among = [
            number
            for number, proposal in enumerate(self.proposals)
            if not only_open or self.open(proposal, self.world.now())
        ]
        return data.draw(st.sampled_from(among or range(len(self.proposals))))

    @precondition(lambda self: self.proposals)
    @rule(data=st.data(), bank=BANK)
    def approve(self, data, bank):
        self.try_to_approve(self.drawn(data, only_open=True), bank)

    def try_to_approve(self, number, bank):
        proposal, now = self.proposals[number], self.world.now() + 1
        good = (
            self.status[bank] == ACTIVE
            and self.open(proposal, now)
            and proposal.approvals.get(bank) != self.terms[bank]
        )
        call = self.world.approval(number + 1, [self.call(proposal.kind, proposal.subject)])
        assert self.send(call, self.banks[bank]) == good
        if good:
            self.note_approval(proposal, bank, now)

    @precondition(lambda self: self.proposals)
    @rule(data=st.data(), bank=BANK, change=st.sampled_from(["withdrawApproval", "cancel"]))
    def take_back(self, data, bank, change):
        number = self.drawn(data)
        proposal, now = self.proposals[number], self.world.now() + 1
        own = proposal.proposer == bank if change == "cancel" else bank in proposal.approvals
        good = self.status[bank] == ACTIVE and self.open(proposal, now) and own
        call = self.world.consortium.functions[change](number + 1)
        assert self.send(call, self.banks[bank]) == good
        if good and change == "cancel":
            proposal.closed = True
        elif good:
            del proposal.approvals[bank]
            if not self.passes(proposal):
                proposal.due = 0

    @precondition(lambda self: self.proposals)
    @rule(data=st.data(), other_calls=st.booleans())
    def execute(self, data, other_calls):
        self.try_to_execute(self.drawn(data), other_calls)

    def try_to_execute(self, number, other_calls=False):
        proposal, now = self.proposals[number], self.world.now() + 1
        calls = [self.call(proposal.kind, proposal.subject)]
        ready = self.open(proposal, now) and self.passes(proposal) and not other_calls
        begins = ready and not proposal.due and self.wait_of(proposal) > 0
        acts = ready and (now >= proposal.due if proposal.due else not begins)
        acts = acts and self.possible(proposal.kind, proposal.subject)
        given = [*calls, *calls] if other_calls else calls
        assert self.send(self.world.execution(number + 1, given), self.world.stranger) == (begins or acts)
        if begins:
            proposal.due = now + self.wait_of(proposal)
        if acts:
            # said once more, without the bookkeeping above: enough active members, and the delay
            agreed = [b for b, term in proposal.approvals.items() if self.status[b] == ACTIVE]
            assert len(agreed) >= self.needed(proposal.urgent)
            assert 100 * len(agreed) >= self.rules[1 if proposal.urgent else 0] * self.active()
            proposal.closed = True
            self.take_effect(proposal.kind, proposal.subject)

    @precondition(lambda self: self.active() > 1)
    @rule(bank=BANK)
    def stop_oneself(self, bank):
        good = self.status[bank] == ACTIVE
        call = self.world.consortium.functions.suspendMember(self.banks[bank])
        assert self.send(call, self.banks[bank]) == good
        if good:
            self.suspended(bank)

    @rule(seconds=WAIT)
    def wait(self, seconds):
        self.world.travel(self.world.now() + seconds)

    @precondition(lambda self: self.proposals)
    @rule(data=st.data())
    def decide(self, data):
        """Left to chance alone, few proposals are executed: all members approve one, and wait."""
        number = self.drawn(data, only_open=True)
        proposal = self.proposals[number]
        for bank in range(5):
            self.try_to_approve(number, bank)
        self.wait(max(0, proposal.due - self.world.now()))
        self.try_to_execute(number)

    @precondition(lambda self: self.active() > 2 and any(p.approvals for p in self.proposals))
    @rule(data=st.data())
    def stop_and_return(self, data):
        """Who approved something stops itself, and the others let it back."""
        banks = {bank for proposal in self.proposals for bank in proposal.approvals}
        banks = sorted(bank for bank in banks if self.status[bank] == ACTIVE)
        if banks:
            bank = data.draw(st.sampled_from(banks))
            self.stop_oneself(bank)
            other = self.status.index(ACTIVE)
            self.propose(other, "reinstate", bank)
            for voter in range(5):
                self.try_to_approve(len(self.proposals) - 1, voter)
            self.wait(max(0, self.proposals[-1].due - self.world.now()))
            self.try_to_execute(len(self.proposals) - 1)

    # ------------------------------------------------------------ what must always hold

    @invariant()
    def the_chain_says_what_the_model_says(self):
        if not hasattr(self, "banks"):
            return
        functions = self.world.consortium.functions
        assert functions.activeMembers().call() == self.active()
        assert functions.quorum().call() == [self.needed(urgent=False), self.needed(urgent=True)]
        assert functions.paused().call() == self.paused
        last = hashlib.sha256(b"policy %d" % self.policies[-1]).digest() if self.policies else bytes(32)
        assert functions.activePolicy().call() == last
        assert functions.rules().call() == self.rules
        for bank, status in enumerate(self.status):
            assert functions.memberOf(self.banks[bank]).call()[:2] == [self.codes.get(bank, 0), status]

    def teardown(self):
        if hasattr(self, "banks"):
            for number, proposal in enumerate(self.proposals, 1):
                standing = self.world.standing(number)
                assert (standing["closed"], standing["executableAt"]) == (proposal.closed, proposal.due)
                assert standing["counting"] == self.counting(proposal)
                assert set(standing["approvals"]) == {self.codes[bank] for bank in proposal.approvals}
                assert len(standing["approvals"]) == len(proposal.approvals)
            executed = [e["number"] for e in self.world.events(self.world.consortium, "ProposalExecuted")]
            cancelled = [e["number"] for e in self.world.events(self.world.consortium, "ProposalCancelled")]
            assert len(executed + cancelled) == len({*executed, *cancelled})  # closed once, and for good
            closed = {number for number, proposal in enumerate(self.proposals, 1) if proposal.closed}
            assert {*executed, *cancelled} == closed
        super().teardown()


def test_governance_invariants(world: Any):
    world.admit_all(4)
    world.govern(world.consortium.functions.setRules(RULES[0]))
    world.found()
    run(Decisions, world, examples=6, steps=16)
