"""Rows that were posted before are found, exactly and fast, whatever keys a hostile member chooses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import duplicates
from ledger.duplicates import KEYED, Duplicate, Duplicates, KeyedRows, keyed
from ledger.encoding.rows import ROW
from ledger.schema import Flags, Side, TokenKind


class Ledger:
    """An index with the batches it was given; each row is (root, token, side, kind)."""

    def __init__(self) -> None:
        self.batches: dict[int, KeyedRows] = {}
        self.read: list[int] = []
        self.index = Duplicates(self.read_again)

    def read_again(self, log_index: int) -> KeyedRows:
        self.read.append(log_index)
        return self.batches.get(log_index, np.zeros(0, KEYED))

    def post(self, rows: KeyedRows) -> Duplicate | None:
        found = self.index.find(rows)
        if found is None:
            self.index.add(rows)
            self.batches[int(rows["log_index"][0])] = rows
        return found


def batch(log_index: int, rows: Sequence[tuple[int, int]], **columns: Any) -> KeyedRows:
    """Make rows of (root, token); a token of 0 is a tuple's, which may repeat."""
    made = np.zeros(len(rows), KEYED)
    made["log_index"], made["row_index"] = log_index, range(len(rows))
    made["member"], made["side"] = 1, Side.DEBIT
    for row, (root, token) in zip(made, rows, strict=True):
        row["record_root"], row["match_token"] = root.to_bytes(32, "big"), token.to_bytes(16, "big")
        row["token_kind"] = TokenKind.UETR if token else TokenKind.TUPLE
    for name, value in columns.items():
        made[name] = value
    return made


def test_a_root_is_found_in_the_batch_and_before_it() -> None:
    ledger = Ledger()
    assert ledger.post(batch(0, [(1, 1), (2, 2)])) is None
    assert ledger.post(batch(1, [(3, 3), (4, 4), (3, 5)])) == Duplicate("record_root", 2, 1, 0)
    assert ledger.post(batch(2, [(3, 3), (2, 9)])) == Duplicate("record_root", 1, 0, 1)
    assert ledger.post(batch(3, [(3, 3)])) is None, "what was refused is not known"


def test_a_root_is_unique_among_all_members() -> None:
    ledger = Ledger()
    ledger.post(batch(0, [(1, 1)]))
    assert ledger.post(batch(1, [(1, 9)], member=2)) == Duplicate("record_root", 0, 0, 0)


@pytest.mark.parametrize("change", [{"member": 2}, {"side": Side.CREDIT}, {"token_kind": TokenKind.TUPLE}])
def test_a_token_is_unique_for_one_side_of_one_member(change: dict[str, int]) -> None:
    """Otherwise a member who learns a token could have the batch of its banks refused."""
    ledger = Ledger()
    ledger.post(batch(0, [(1, 7)]))
    assert ledger.post(batch(1, [(2, 7)], **change)) is None
    assert ledger.post(batch(2, [(3, 7)])) == Duplicate("match_token", 0, 0, 0)


def test_tokens_without_uetr_may_repeat() -> None:
    ledger = Ledger()
    assert ledger.post(batch(0, [(1, 0), (2, 0)])) is None
    assert ledger.post(batch(1, [(3, 0)])) is None


def test_padding_takes_no_part() -> None:
    rows = np.zeros(4, ROW)
    rows["flags"][1:3] = Flags.DECOY
    rows["token_kind"] = TokenKind.UETR
    rows["record_root"][[0, 3]] = [b"a" * 32, b"b" * 32]
    made = keyed(rows, 5, 9)
    assert made["row_index"].tolist() == [0, 3]
    assert [bytes(root) for root in made["record_root"]] == [b"a" * 32, b"b" * 32]
    assert (made["member"].tolist(), made["log_index"].tolist()) == ([5, 5], [9, 9])


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(1, 25), st.integers(0, 12)), min_size=1, max_size=5),
            st.integers(1, 2),
            st.integers(1, 2),
        ),
        max_size=12,
    )
)
def test_it_says_what_a_set_says(batches: list[tuple[list[tuple[int, int]], int, int]]) -> None:
    ledger = Ledger()
    roots: set[int] = set()
    tokens: dict[tuple[int, int], set[int]] = defaultdict(set)
    for number, (rows, member, side) in enumerate(batches):
        own = tokens[member, side]
        new = [root for root, _ in rows], [token for _, token in rows if token]
        fresh = all(len(set(keys)) == len(keys) for keys in new)
        expected = fresh and roots.isdisjoint(new[0]) and own.isdisjoint(new[1])
        found = ledger.post(batch(number, rows, member=member, side=side))
        assert (found is None) == expected
        if expected:
            roots.update(new[0])
            own.update(new[1])


def test_restored_rows_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, again = Ledger(), Ledger()
    batches = [batch(n, [(10 * n + k + 1, 10 * n + k + 1) for k in range(5)]) for n in range(40)]
    for rows in batches:
        assert ledger.post(rows) is None
    again.index.add(np.concatenate(batches))
    again.batches = ledger.batches
    for n in (0, 17, 39):
        late = batch(99, [(9_999, 10 * n + 3)])
        assert ledger.post(late) == again.post(late) == Duplicate("match_token", 0, n, 2)


def test_equal_hashes_of_different_keys_are_no_duplicate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if somebody could choose them: the rows themselves decide, and each batch is looked up once."""
    monkeypatch.setattr(
        duplicates._Index, "_hashes", lambda self, keys: np.full(len(keys), 1 << 24, np.uint64)
    )
    ledger = Ledger()
    for number in range(5):
        assert ledger.post(batch(number, [(number + 1, 0)])) is None
    assert ledger.read == [0, 0, 1, 0, 1, 2, 0, 1, 2, 3]
    assert ledger.post(batch(9, [(4, 0)])) == Duplicate("record_root", 0, 3, 0)


def test_batches_beyond_the_bits_of_a_place_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of a batch is stored modulo 2**24; all batches with that remainder are looked up."""
    far = (1 << 24) + 3
    ledger = Ledger()
    assert ledger.post(batch(3, [(1, 1)])) is None
    assert ledger.post(batch(far, [(2, 2)])) is None
    assert ledger.post(batch(far + 1, [(2, 3)])) == Duplicate("record_root", 0, far, 0)
    assert ledger.post(batch(far + 2, [(1, 3)])) == Duplicate("record_root", 0, 3, 0)


def random_rows(random: np.random.Generator, log_index: int, count: int) -> KeyedRows:
    rows = np.frombuffer(random.bytes(count * KEYED.itemsize), KEYED).copy()
    rows["log_index"], rows["row_index"], rows["token_kind"] = log_index, range(count), TokenKind.UETR
    rows["member"], rows["side"] = 1, Side.DEBIT
    return rows


def test_a_key_takes_eight_bytes_and_no_suspicion_comes_by_chance() -> None:
    random, ledger = np.random.default_rng(1), Ledger()
    for number in range(100):
        ledger.index.add(random_rows(random, number, 2_000))
    for number in range(20):
        assert ledger.index.find(random_rows(random, 100 + number, 800)) is None
    assert len(ledger.read) <= 1
    levels = [level for index in ledger.index._known.values() for level in index._levels]
    assert sum(level.nbytes for level in levels) == 2 * 8 * 200_000
    assert len(levels) <= 2 * 12


@pytest.mark.parametrize("stride", [1, 1 << 63, 1 << 127, 1 << 224])
def test_chosen_keys_neither_collide_nor_slow_it_down(stride: int) -> None:
    """A member counts upwards in whichever bytes of its record roots it likes."""
    ledger = Ledger()
    roots = [(1 + k * stride) % 2**256 for k in range(2_000)]
    roots = list(dict.fromkeys(roots))
    started = perf_counter()
    for number in range(0, len(roots), 100):
        assert ledger.post(batch(number, [(root, 0) for root in roots[number : number + 100]])) is None
    assert ledger.read == []
    assert perf_counter() - started < 10


def test_one_duplicate_costs_one_look_at_the_batch_that_has_it() -> None:
    """A batch of nothing but duplicates, of as many batches as it can name, is refused at the first."""
    random, ledger = np.random.default_rng(2), Ledger()
    batches = [random_rows(random, number, 50) for number in range(200)]
    for rows in batches:
        ledger.post(rows)
    copied = np.concatenate([rows[:1] for rows in batches])
    copied["log_index"], copied["row_index"] = 999, range(len(copied))
    assert ledger.post(copied) == Duplicate("record_root", 0, 0, 0)
    assert ledger.read == [0]
