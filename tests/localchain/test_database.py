"""The database under py-evm: what is committed stays, what is not never was."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from localchain.database import Database

KEYS = st.sampled_from([bytes([number]) * 4 for number in range(5)])


class Machine(RuleBasedStateMachine):
    """A database, and a dictionary that does the same."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.database = Database(self.path)
        self.durable, self.current = {}, {}

    def teardown(self):
        self.database.close()

    @rule(key=KEYS, value=st.binary(max_size=50))
    def write(self, key, value):
        self.database[key] = value
        self.current[key] = value

    @rule(key=KEYS)
    def delete(self, key):
        if key in self.current:
            del self.database[key]
            del self.current[key]
        else:
            with pytest.raises(KeyError):
                del self.database[key]

    @rule(key=KEYS, value=st.binary(max_size=50), fails=st.booleans())
    def batch(self, key, value, fails):
        try:
            with self.database.atomic_batch() as batch:
                batch[key] = value
                assert batch[key] == value
                if fails:
                    raise ValueError
        except ValueError:
            return
        self.current[key] = value

    @rule()
    def commit(self):
        self.database.commit([])
        self.durable = dict(self.current)

    @rule()
    def rollback(self):
        self.database.rollback()
        self.current = dict(self.durable)

    @rule()
    def reopen(self):
        self.database.close()
        self.database = Database(self.path)
        self.current = dict(self.durable)

    @invariant()
    def equals_the_model(self):
        for number in range(5):
            key = bytes([number]) * 4
            assert (key in self.database) == (key in self.current)
            if key in self.current:
                assert self.database[key] == self.current[key]


def test_it_behaves_like_a_dictionary_that_forgets_what_was_not_committed(tmp_path_factory):
    run_state_machine_as_test(
        lambda: Machine(tmp_path_factory.mktemp("db") / "chain.sqlite3"),
        settings=settings(max_examples=20, stateful_step_count=20, deadline=None),
    )


def test_a_commit_that_fails_leaves_nothing_behind(tmp_path):
    database = Database(tmp_path / "chain.sqlite3")
    insert = "INSERT INTO blocks VALUES (?, ?)"
    database[b"before"] = b"1"
    database.commit([(insert, [(0, b"genesis")])])
    database[b"after"] = b"2"
    with pytest.raises(sqlite3.IntegrityError):
        database.commit([(insert, [(1, b"one"), (1, b"twice")])])
    assert b"after" not in database
    assert database.query("SELECT number FROM blocks") == [(0,)]
    database[b"again"] = b"3"
    database.commit([(insert, [(1, b"one")])])
    assert (database[b"before"], database[b"again"]) == (b"1", b"3")
    database.close()
