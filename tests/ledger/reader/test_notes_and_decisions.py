"""The desk's books beside its flags: a note is written once, whatever dies; decisions are the chain's."""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest

from ledger import canonical
from ledger.caselog import CaseKind
from ledger.decision import Decision, seal_decision
from ledger.errors import ConfigurationError, TransactionRejectedError
from ledger.reader.decisions import DecisionBook
from ledger.reader.notes import NoteBook
from tests.support.consortium import SmallConsortium

CASE = b"\x05" * 32


def _on_chain(consortium: SmallConsortium, kind: CaseKind) -> list[bytes]:
    return [entry.content_hash for entry in consortium.gateway.case_entries() if entry.kind == kind]


def test_a_note_is_written_once_and_says_what_was_kept(
    fresh_consortium: SmallConsortium, tmp_path: Path
) -> None:
    gateway, key = fresh_consortium.gateway, fresh_consortium.desk_keys.account
    with NoteBook(tmp_path / "book.sqlite") as book:
        for _ in range(2):
            book.keep(CASE, "drift", {"verdict": "watch"})
        book.keep(CASE, "training", {"model": "ab"})
        assert [note.block for note in book.notes("drift")] == [None]
        assert book.anchor(gateway, key) == 2
        assert book.anchor(gateway, key) == 0
        (note,) = book.notes("drift", CASE)
        assert note.says["verdict"] == "watch"
        assert note.block is not None
        assert book.notes("drift", bytes(32)) == []
    entry = next(e for e in gateway.case_entries() if e.content_hash == note.content_hash)
    assert entry.case_id == CASE
    assert sha256(entry.payload).digest() == entry.content_hash
    assert canonical.loads(entry.payload) == note.says


def test_a_desk_that_died_after_sending_finds_its_note_on_the_chain(
    fresh_consortium: SmallConsortium, tmp_path: Path
) -> None:
    gateway, key = fresh_consortium.gateway, fresh_consortium.desk_keys.account
    path = tmp_path / "book.sqlite"
    with NoteBook(path) as book:
        book.keep(CASE, "drift", {"verdict": "changed"})
        book.anchor(gateway, key)
        before = book.notes("drift")
    with sqlite3.connect(path) as state:
        state.execute("UPDATE note SET block = NULL")
    size = len(_on_chain(fresh_consortium, CaseKind.NOTE))
    with NoteBook(path) as book:
        assert book.anchor(gateway, key) == 0
        assert book.notes("drift") == before
    assert len(_on_chain(fresh_consortium, CaseKind.NOTE)) == size


def test_only_the_desk_notes(fresh_consortium: SmallConsortium, tmp_path: Path) -> None:
    officer = fresh_consortium.officers[0]
    with NoteBook(tmp_path / "book.sqlite") as book:
        book.keep(CASE, "drift", {"verdict": "stable"})
        with pytest.raises(TransactionRejectedError):
            book.anchor(fresh_consortium.gateway, officer)
        assert [note.block for note in book.notes("drift")] == [None]


def test_decisions_are_what_the_chain_holds(fresh_consortium: SmallConsortium, tmp_path: Path) -> None:
    from eth_account import Account

    gateway = fresh_consortium.gateway
    officers = fresh_consortium.officers
    readers = [reader.hpke_key for reader in gateway.readers()]
    for key, verdict in zip(officers, ("suspicious", "not_suspicious", "suspicious"), strict=True):
        author = str(Account.from_key(key).address)
        decision = Decision.make(CASE, verdict, "", 7)
        payload = seal_decision(decision, author, key, readers)
        entry = (CaseKind.DECISION, CASE, decision.content_hash(author), payload)
        gateway.transact(key, "CaseLog", "append", [entry])
    keys = list(fresh_consortium.desk_keys.readers.values())
    path = tmp_path / "book.sqlite"
    with DecisionBook(path) as book:
        assert book.sync(gateway, keys) == []
        made = book.of(CASE)
        assert [d.decision.verdict for d in made] == ["suspicious", "not_suspicious", "suspicious"]
        assert [d.author for d in made] == [Account.from_key(key).address for key in officers]
        assert book.sync(gateway, []) == []  # what was read once needs no key again
    with sqlite3.connect(path) as state:  # what a chain that was reorganised no longer holds
        state.execute("UPDATE decision SET content_hash = ? WHERE entry = ?", (bytes(32), made[0].entry))
    with DecisionBook(path) as book:
        (problem,) = book.sync(gateway, [])
        assert problem[0] == made[0].entry
        assert book.of(CASE) == made[1:]
        assert book.sync(gateway, keys) == []
        assert book.of(CASE) == made


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "book.sqlite"
    path.write_bytes(b"no database" * 200)
    with pytest.raises(ConfigurationError, match="not readable"):
        DecisionBook(path)
