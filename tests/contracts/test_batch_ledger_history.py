"""A state machine against the ledger: whatever happens, no gap, no duplicate, and history never changes."""

from __future__ import annotations

import hashlib
import os
import struct

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

BANK = st.integers(0, 2)
EXAMPLES = int(os.environ.get("COUNTERFOIL_FUZZ_EXAMPLES", "0"))
FAULTS = ["sequence", "previous", "epoch", "policy", "rows", "payload", "stolen"]


class History(RuleBasedStateMachine):
    """A consortium of three banks, and one that only votes, beside a model of plain Python values."""

    world = None  # set by the test
    policy = b""

    def __init__(self):
        super().__init__()
        self.snapshot = self.world.snapshot()
        self.status = ["none"] * 3
        self.accounts = list(self.world.banks[:3])
        self.left = []  # accounts that were replaced, with their bank
        self.fresh = [self.world.stranger, self.world.desk, self.world.auditor]
        self.paused = False
        self.heads = [(0, bytes(32))] * 3
        self.log = []

    def teardown(self):
        self.world.revert(self.snapshot)

    @initialize()
    def start(self):
        self.admit()

    # ------------------------------------------------------------ the consortium changes

    def govern(self, call):
        active = [a for a, status in zip(self.accounts, self.status, strict=True) if status == "active"]
        self.world.govern(call, voters=[self.world.banks[6], *active])

    @precondition(lambda self: "none" in self.status)
    @rule()
    def admit(self):
        bank = self.status.index("none")
        self.govern(self.world.admission(self.accounts[bank], f"BANK{bank}"))
        self.status[bank] = "active"

    @rule(bank=BANK, change=st.sampled_from(["suspend", "reinstate", "revoke"]))
    def change_status(self, bank, change):
        before, after = {
            "suspend": ({"active"}, "suspended"),
            "reinstate": ({"suspended"}, "active"),
            "revoke": ({"active", "suspended"}, "revoked"),
        }[change]
        if self.status[bank] in before:
            self.govern(self.world.consortium.functions[f"{change}Member"](self.accounts[bank]))
            self.status[bank] = after

    @precondition(lambda self: self.fresh)
    @rule(bank=BANK)
    def replace_account(self, bank):
        if self.status[bank] not in ("active", "suspended"):
            return
        old, new = self.accounts[bank], self.fresh.pop()
        self.govern(self.world.key_change(old, new))
        self.left.append((old, bank))
        self.accounts[bank] = new

    @precondition(lambda self: self.left and not self.paused)
    @rule(data=st.data())
    def post_from_an_account_that_was_replaced(self, data):
        account, bank = data.draw(st.sampled_from(self.left))
        *stated, payload = self._next(bank).values()
        call = self.world.post(account, tuple(stated), payload)
        self.world.refuses(call, account, "ConsortiumAccountReplaced", account)

    @precondition(lambda self: "active" in self.status)
    @rule()
    def pause_or_resume(self):
        functions = self.world.consortium.functions
        self.govern(functions.unpause() if self.paused else functions.pause())
        self.paused = not self.paused

    # ------------------------------------------------------------ banks post

    @rule(bank=BANK, rows=st.integers(1, 4096), payload=st.binary(min_size=1, max_size=40))
    def post(self, bank, rows, payload):
        # Without this most posts would meet a pause or a suspension, and the chains stay short.
        if self.paused:
            self.pause_or_resume()
        if self.status[bank] == "suspended":
            self.change_status(bank, "reinstate")
        self._post(bank, self._next(bank, rows=rows, payload=payload))

    @rule(bank=BANK, fault=st.sampled_from(FAULTS), other=BANK)
    def post_faulty(self, bank, fault, other):
        sequence, head = self.heads[bank]
        changed = {
            "sequence": {"sequence": sequence + 1},
            "previous": {"previous": hashlib.sha256(head).digest()},
            "epoch": {"epoch": 2},
            "policy": {"policy": bytes(32)},
            "rows": {"rows": 4097},
            "payload": {"payload": b""},
            "stolen": {"sequence": self.heads[other][0] + 1, "previous": self.heads[other][1]},
        }[fault]
        self._post(bank, self._next(bank) | changed)

    @precondition(lambda self: self.log)
    @rule(data=st.data())
    def replay(self, data):
        member, batch = data.draw(st.sampled_from(self.log))[:2]
        self._post(member, batch)

    # ------------------------------------------------------------ what must always hold

    @invariant()
    def heads_and_size_are_the_models(self):
        functions = self.world.ledger.functions
        for account, expected in zip(self.accounts, self.heads, strict=True):
            assert tuple(functions.headOf(account).call()) == expected
        for account, bank in self.left:
            assert tuple(functions.headOf(account).call()) == self.heads[bank]
        assert functions.logSize().call() == len(self.log)

    @invariant()
    def history_is_what_was_accepted(self):
        events = self.world.events(self.world.ledger, "BatchPosted")
        assert [event["logIndex"] for event in events] == list(range(len(self.log)))
        for event, (_bank, batch, batch_hash, account) in zip(events, self.log, strict=True):
            assert event["member"] == account
            assert (event["sequence"], event["previousHash"]) == (batch["sequence"], batch["previous"])
            assert (event["batchHash"], event["payload"]) == (batch_hash, batch["payload"])

    # ------------------------------------------------------------ the model

    def _next(self, bank, rows=1, payload=b"sealed"):
        sequence, head = self.heads[bank]
        return {
            "sequence": sequence,
            "previous": head,
            "epoch": 1,
            "policy": self.policy,
            "rows": rows,
            "root": hashlib.sha256(payload).digest(),
            "payload": payload,
        }

    def _post(self, bank, batch):
        *stated, payload = batch.values()
        account = self.accounts[bank]
        call = self.world.post(account, tuple(stated), payload)
        error = self._expected_error(bank, batch)
        if error is not None:
            self.world.refuses(call, account, *error)
            return
        self.world.do(call, account)
        batch_hash = self._hash(account, batch)
        self.heads[bank] = (batch["sequence"] + 1, batch_hash)
        self.log.append((bank, batch, batch_hash, account))

    def _expected_error(self, bank, batch):
        account = self.accounts[bank]
        sequence, head = self.heads[bank]
        membership = {
            "none": "ConsortiumNotMember",
            "suspended": "ConsortiumMemberSuspended",
            "revoked": "ConsortiumMemberRevoked",
        }.get(self.status[bank])
        checks = [
            (self.paused, ("BatchLedgerPaused",)),
            (membership, (membership, account)),
            (batch["sequence"] != sequence, ("BatchLedgerUnexpectedSequence", sequence, batch["sequence"])),
            (batch["previous"] != head, ("BatchLedgerUnexpectedPreviousHash", head, batch["previous"])),
            (batch["epoch"] != 1, ("BatchLedgerUnknownEpoch", batch["epoch"])),
            (batch["policy"] != self.policy, ("BatchLedgerUnknownPolicy", batch["policy"])),
            (not 0 < batch["rows"] <= 4096, ("BatchLedgerInvalidRowCount", batch["rows"])),
            (not batch["payload"], ("BatchLedgerEmptyPayload",)),
        ]
        return next((error for failed, error in checks if failed), None)

    def _hash(self, account, batch):
        return hashlib.sha256(
            struct.pack(">BBQ", 2, 1, self.world.web3.eth.chain_id)
            + bytes.fromhex(self.world.ledger.address[2:] + account[2:])
            + struct.pack(">Q", batch["sequence"])
            + batch["previous"]
            + struct.pack(">I", batch["epoch"])
            + batch["policy"]
            + struct.pack(">I", batch["rows"])
            + batch["root"]
        ).digest()


def test_no_gap_no_duplicate_and_history_never_changes(world):
    world.admit(world.banks[6], "VOTER")
    world.open_epoch(1)
    History.policy = world.publish(b"{}")
    world.found()
    History.world = world
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=EXAMPLES or 4,
            stateful_step_count=40 if EXAMPLES else 18,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
