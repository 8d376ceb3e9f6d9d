"""Fair order: whoever used least is next, a new name saves nothing up, and nothing is lost."""

from __future__ import annotations

import threading
import time
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from localchain.allowance import Allowances
from localchain.budget import Budget
from localchain.fairness import FairQueue, Gate

costs = st.integers(1, 50)


@given(own=st.lists(costs, min_size=1, max_size=30), other=st.lists(costs, min_size=1, max_size=30))
def test_two_owners_that_wait_are_charged_alike(own: list[int], other: list[int]) -> None:
    queue: FairQueue[int] = FairQueue()
    for cost in own:
        queue.put("own", cost)
    for cost in other:
        queue.put("other", cost)
    charged: Counter[object] = Counter()
    left = Counter(own=len(own), other=len(other))
    while left["own"] and left["other"]:
        owner, cost = queue.take()
        queue.charge(owner, cost)
        charged[owner] += cost
        left[owner] -= 1
        assert abs(charged["own"] - charged["other"]) <= max(own + other)


@given(items=st.lists(st.tuples(st.sampled_from("abc"), costs), max_size=60), seed=st.randoms())
def test_every_item_is_served_once_and_each_owners_in_order(
    items: list[tuple[str, int]], seed: object
) -> None:
    queue: FairQueue[tuple[str, int, int]] = FairQueue()
    served = []
    for number, (owner, cost) in enumerate(items):
        queue.put(owner, (owner, number, cost))
        if seed.random() < 0.4:  # type: ignore[attr-defined]
            served.append(queue.take()[1])
            queue.charge(served[-1][0], served[-1][2])
    while len(queue):
        served.append(queue.take()[1])
    for owner in "abc":
        numbers = [number for name, number, _cost in served if name == owner]
        assert numbers == [number for number, (name, _cost) in enumerate(items) if name == owner]


def test_an_owner_that_comes_late_waits_for_one_item_and_saved_nothing_up() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(100):
        queue.put("spam", number)
    for _ in range(50):
        owner, _number = queue.take()
        queue.charge(owner, 1.0)
    for number in range(10):
        queue.put("honest", number)
    order = []
    for _ in range(20):
        owner, _number = queue.take()
        queue.charge(owner, 1.0)
        order.append(owner)
    assert "honest" in order[:2]
    assert Counter(order) == {"spam": 10, "honest": 10}


def test_a_thousand_new_names_do_not_starve_an_old_one() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.put("old", "first")
    queue.charge(queue.take()[0], 5.0)
    waiting = 0
    queue.put("old", "second")
    for number in range(1000):
        queue.put(number, "spam")
        owner, item = queue.take()
        queue.charge(owner, 5.0)
        if item == "second":
            break
        waiting += 1
    assert waiting <= 2


def test_a_gate_lets_an_owner_in_before_the_queue_of_another_one() -> None:
    gate = Gate()
    order: list[str] = []
    inside, free = threading.Event(), threading.Event()

    def enter(owner: str) -> None:
        with gate.turn(owner):
            order.append(owner)

    def hold() -> None:
        with gate.turn("spam"):
            inside.set()
            free.wait()

    threads = [threading.Thread(target=hold)]
    threads[0].start()
    inside.wait()
    for count, owner in enumerate(["spam"] * 9 + ["honest"], 1):
        threads.append(threading.Thread(target=enter, args=(owner,)))
        threads[-1].start()
        while len(gate._queue) < count:
            time.sleep(0.001)
    free.set()
    for thread in threads:
        thread.join()
    assert len(order) == 10
    # one waiter had the same place in the order and was there earlier
    assert order.index("honest") <= 1


@given(spending=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 20)), max_size=40))
def test_an_account_uses_no_more_than_its_allowance(spending: list[tuple[int, int]]) -> None:
    now = 0.0
    budget = Budget(account_gas=1_000, account_gas_per_second=10, account_gas_per_day=10**9)
    allowances = Allowances(budget, lambda: now)
    used = 0
    for gas, pause in spending:
        now += pause
        wait = allowances.wait(b"a")
        assert allowances.wait(b"b") == 0
        if wait == 0:
            allowances.spend(b"a", gas)
            used += gas
        else:
            now += wait + 1e-6
            assert allowances.wait(b"a") == 0
        assert used <= 1_000 + 10 * now + 500


def test_the_allowance_of_a_day_ends_too() -> None:
    now = 0.0
    budget = Budget(account_gas=1_000, account_gas_per_second=1_000, account_gas_per_day=86_400)
    allowances = Allowances(budget, lambda: now)
    used = 0
    for _ in range(3_600):
        now += 1
        if allowances.wait(b"a") == 0:
            allowances.spend(b"a", 500)
            used += 500
    assert used <= 86_400 + 3_600 + 500
    now += 86_400
    assert allowances.wait(b"a") == 0
