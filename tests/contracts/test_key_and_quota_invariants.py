"""State machines against ceremonies and evaluations: the order of the rounds, the limits of a day."""

from __future__ import annotations

import hashlib
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.contracts.test_contract_invariants import OnChain, run
from tests.contracts.world import DAY

# ---------------------------------------------------------------- ceremonies

PERSON = st.integers(0, 3)
EPOCH = st.integers(0, 1)
RUNNING, COMPLETED, FAILED, REPLACED = 1, 2, 3, 4


class Ceremonies(OnChain):
    """Four persons do any step of any ceremony; a founder starts them, for two epochs."""

    @initialize()
    def start(self):
        self.people = self.world.holders[:4]
        self.ceremonies: list[dict[str, Any]] = []
        self.in_force: dict[int, int] = {}  # epoch -> number of its ceremony, from 0
        self.running: dict[int, int] = {}
        self.generation: dict[int, int] = {}
        self.opened: list[int] = []

    def begin(self, epoch, holders, threshold, dealers):
        call = self.world.ceremony(epoch, [self.people[i] for i in holders], threshold, dealers)
        assert not self.send(call, self.people[0])
        return self.send(self.world.prepare(call), self.world.founder)

    @rule(epoch=EPOCH, holders=st.permutations(range(4)), size=st.integers(0, 3), threshold=st.integers(0, 3))
    def start_a_ceremony(self, epoch, holders, size, threshold):
        holders = holders[:size]
        before = self.in_force.get(epoch)
        # of the holders before, just enough deal: those with the highest indices
        count, needed = (0, 0) if before is None else self.size_of(before)
        dealers = list(range(count - needed + 1, count + 1))
        good = size > 0 and 0 < threshold <= size
        assert self.begin(epoch, holders, threshold, dealers) == good
        if not good:
            return
        if epoch in self.running:
            self.ceremonies[self.running[epoch]]["status"] = REPLACED
        self.running[epoch] = len(self.ceremonies)
        dealing = holders if before is None else [self.ceremonies[before]["holders"][i - 1] for i in dealers]
        self.ceremonies.append(
            {"epoch": epoch, "holders": holders, "threshold": threshold, "dealers": dealing}
            | {"status": RUNNING, "committed": set(), "dealt": set(), "confirmed": {}, "anew": before}
        )

    def size_of(self, number):
        known = self.ceremonies[number]
        return len(known["holders"]), known["threshold"]

    def some(self, data):
        return data.draw(st.sampled_from(range(len(self.ceremonies))))

    @precondition(lambda self: self.ceremonies)
    @rule(data=st.data(), person=PERSON)
    def commit(self, data, person):
        self.try_to_commit(self.some(data), person)

    def try_to_commit(self, number, person):
        known, account = self.ceremonies[number], self.people[person]
        good = known["status"] == RUNNING and person in known["dealers"] and person not in known["committed"]
        digest = hashlib.sha256(account.encode()).digest()
        call = self.world.pseudonyms.functions.commit(number + 1, digest)
        assert self.send(call, account) == good
        if good:
            known["committed"].add(person)

    @precondition(lambda self: self.ceremonies)
    @rule(data=st.data(), person=PERSON, changed=st.booleans())
    def deal(self, data, person, changed):
        self.try_to_deal(self.some(data), person, changed)

    def try_to_deal(self, number, person, changed=False):
        known, account = self.ceremonies[number], self.people[person]
        good = (
            known["status"] == RUNNING
            and person in known["dealers"]
            and known["committed"] == set(known["dealers"])
            and person not in known["dealt"]
            and not changed
        )
        call = self.world.pseudonyms.functions.deal(number + 1, account.encode() + b"!" * changed)
        assert self.send(call, account) == good
        if good:
            known["dealt"].add(person)

    @precondition(lambda self: self.ceremonies)
    @rule(data=st.data(), person=PERSON, key=st.integers(0, 2))
    def confirm(self, data, person, key):
        self.try_to_confirm(self.some(data), person, key)

    def try_to_confirm(self, number, person, key):
        known = self.ceremonies[number]
        expected = {*known["confirmed"].values()}
        if known["anew"] is not None:
            expected.add(self.ceremonies[known["anew"]]["key"])
        good = (
            self.is_dealt(known)
            and person in known["holders"]
            and person not in known["confirmed"]
            and key != 0
            and expected <= {key}
        )
        shares = [bytes([1]) * 32] * len(known["holders"])
        call = self.world.pseudonyms.functions.confirm(number + 1, bytes([key]) * 32, shares)
        assert self.send(call, self.people[person]) == good
        if not good:
            return
        known["confirmed"][person] = known["key"] = key
        if len(known["confirmed"]) == len(known["holders"]):
            known["status"] = COMPLETED
            epoch = known["epoch"]
            self.in_force[epoch] = number
            del self.running[epoch]
            self.generation[epoch] = self.generation.get(epoch, -1) + 1

    def is_dealt(self, known):
        return known["status"] == RUNNING and known["dealt"] == set(known["dealers"])

    @precondition(lambda self: self.ceremonies)
    @rule(data=st.data(), person=PERSON)
    def complain(self, data, person):
        number = self.some(data)
        known = self.ceremonies[number]
        good = self.is_dealt(known) and person in known["holders"]
        call = self.world.pseudonyms.functions.complain(number + 1, 1, b"evidence")
        assert self.send(call, self.people[person]) == good
        if good:
            known["status"] = FAILED
            del self.running[known["epoch"]]

    @precondition(lambda self: self.running)
    @rule(data=st.data(), rounds=st.integers(1, 3), key=st.integers(1, 2))
    def go_on(self, data, rounds, key):
        """Left to chance alone, few ceremonies get far: everybody does the next rounds."""
        number = data.draw(st.sampled_from(sorted(self.running.values())))
        known = self.ceremonies[number]
        if known["anew"] is not None:
            key = self.ceremonies[known["anew"]]["key"]
        for step in (self.try_to_commit, self.try_to_deal)[:rounds]:
            for person in known["dealers"]:
                step(number, person)
        for person in known["holders"] if rounds == 3 else []:
            self.try_to_confirm(number, person, key)

    @rule(epoch=EPOCH)
    def open_epoch(self, epoch):
        good = epoch in self.in_force and (not self.opened or epoch > self.opened[-1])
        call = self.world.pseudonyms.functions.openEpoch(epoch, 0)
        assert self.send(self.world.prepare(call), self.world.founder) == good
        if good:
            self.opened.append(epoch)

    @invariant()
    def the_chain_says_what_the_model_says(self):
        if not hasattr(self, "people"):
            return
        functions = self.world.pseudonyms.functions
        assert functions.ceremonyCount().call() == len(self.ceremonies)
        for number, known in enumerate(self.ceremonies):
            assert functions.ceremonyAt(number + 1).call()[3] == known["status"]
        for epoch in (0, 1):
            number = self.in_force.get(epoch)
            made = self.ceremonies[number] if number is not None else None
            key = bytes([made["key"]]) * 32 if made else bytes(32)
            ceremony = number + 1 if made else 0
            assert functions.keyOf(epoch).call() == [key, max(self.generation.get(epoch, 0), 0), ceremony]
            assert functions.isEpoch(epoch).call() == (epoch in self.opened)
            for person, account in enumerate(self.people):
                assert functions.isHolder(epoch, account).call() == bool(made and person in made["holders"])


def test_ceremony_invariants(world):
    run(Ceremonies, world, examples=4, steps=14)


# ---------------------------------------------------------------- evaluations

BANK = st.integers(0, 2)
COUNT = st.integers(0, 12)
LIMIT = 10


class Evaluations(OnChain):
    """Three banks ask for evaluations; the sum over all days is never more than the members allowed."""

    @initialize()
    def start(self):
        self.accounts = self.world.banks[:3]
        self.limit = LIMIT
        self.today = (self.world.now() + 1) // DAY
        self.used = [0, 0, 0]  # of the day
        self.granted = [7, 3, 0]  # left, see the test
        self.roots: list[set[int]] = [set(), set(), set()]
        self.requests: list[tuple[int, int, int]] = []
        # highest limit of this day, earlier days, grants
        self.allowed = [[LIMIT, 0, granted] for granted in self.granted]

    def turn_of_the_day(self):
        """Notes that the next transaction is on another day than the last."""
        today = (self.world.now() + 1) // DAY
        if today == self.today:
            return
        for allowed in self.allowed:
            allowed[1] += allowed[0] + (today - self.today - 1) * self.limit
            allowed[0] = self.limit
        self.used, self.today = [0, 0, 0], today

    @rule(asked=st.lists(st.tuples(BANK, COUNT, st.integers(0, 30)), min_size=2, max_size=6))
    def requests_of_a_while(self, asked):
        for bank, count, root in asked:
            self.request(bank, count, root)

    def request(self, bank, count, root):
        self.turn_of_the_day()
        free = max(0, self.limit - self.used[bank])
        good = (
            count > 0
            and root != 0
            and root not in self.roots[bank]
            and count <= free + self.granted[bank]
            and not self.paused
        )
        call = self.world.evaluations.functions.request(1, count, root.to_bytes(32, "big"))
        assert self.send(call, self.accounts[bank]) == good
        if good:
            self.used[bank] += min(count, free)
            self.granted[bank] -= count - min(count, free)
            self.roots[bank].add(root)
            self.requests.append((bank, count, root))

    @rule(bank=BANK, count=st.integers(0, 15))
    def grant(self, bank, count):
        self.govern(self.world.evaluations.functions.grant(bank + 1, count))
        self.granted[bank] += count
        self.allowed[bank][2] += count
        self.turn_of_the_day()

    @precondition(lambda self: any(self.granted) and not self.paused)
    @rule(data=st.data(), beyond=st.booleans())
    def use_a_grant(self, data, beyond):
        """All of the day and of the grant, or one more."""
        self.turn_of_the_day()
        bank = data.draw(st.sampled_from([b for b in range(3) if self.granted[b]]))
        count = max(0, self.limit - self.used[bank]) + self.granted[bank] + beyond
        self.request(bank, count, 100 + len(self.requests))

    @rule(limit=st.integers(0, 15))
    def change_the_limit(self, limit):
        self.govern(self.world.consortium.functions.setLimits((limit, 1, 1)))
        self.world.travel(self.world.now() + 1)
        # the days that passed in between had the limit before; the day of the change has both
        self.turn_of_the_day()
        self.limit = limit
        for allowed in self.allowed:
            allowed[0] = max(allowed[0], limit)

    @rule()
    def a_day_passes(self):
        self.world.next_day()
        self.turn_of_the_day()

    @rule()
    def pause_or_resume(self):
        self.toggle_pause()
        self.turn_of_the_day()

    @rule(bank=BANK)
    def change_account(self, bank):
        """A new account has no quota of its own."""
        new = [a for a in (*self.world.holders, *self.world.banks[3:]) if not self.code(a)]
        if bank == 0 and new:
            self.govern(self.world.key_change(self.accounts[bank], new[0]))
            self.accounts = [new[0], *self.accounts[1:]]
            self.turn_of_the_day()

    def code(self, account):
        return self.world.code(account)

    @invariant()
    def nothing_is_evaluated_that_was_not_allowed(self):
        if not hasattr(self, "accounts"):
            return
        functions = self.world.evaluations.functions
        assert functions.requestCount().call() == len(self.requests)
        for bank in range(3):
            asked = sum(count for who, count, _ in self.requests if who == bank)
            assert asked <= sum(self.allowed[bank])
            if self.world.now() // DAY == self.today:
                left = [max(0, self.limit - self.used[bank]), self.granted[bank]]
                assert functions.left(bank + 1).call() == left

    def teardown(self):
        if hasattr(self, "accounts"):
            for number, (bank, count, root) in enumerate(self.requests, 1):
                asked = self.world.evaluations.functions.requestAt(number).call()
                assert asked == (bank + 1, 1, count, False, 0, root.to_bytes(32, "big"))
        super().teardown()


def test_evaluation_invariants(staffed):
    grant = staffed.evaluations.functions.grant
    limits = staffed.consortium.functions.setLimits((LIMIT, 1, 1))
    staffed.govern(limits, grant(1, 7), grant(2, 3))
    run(Evaluations, staffed, examples=4, steps=16)
