"""The desk's file of cases: an earlier version's is brought up to date once, and readers wait for nobody."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ledger import canonical
from ledger import storage as opening
from ledger.caselog import addressees
from ledger.decision import Decision
from ledger.errors import ConfigurationError, InputError
from ledger.reader.casefile import VERSION
from ledger.reader.cases import CaseBook, KeptFlag, _content
from ledger.reader.decisions import DecisionBook, KeptDecision
from ledger.reader.listing import FlagFilter
from ledger.reader.notes import KeptNote, NoteBook
from tests.ledger.reader.made_flags import AUTHOR, KEYS, PRIVATE, CaseChain, made, write_first_version


def _flags(count: int = 12) -> list[KeptFlag]:
    random = Random(3)
    found = []
    for number in range(count):
        flag, seed = made(random, number), random.randbytes(32)
        score = random.choice((None, 0.5, 0.75))
        found.append(KeptFlag(flag.flag_id(seed), flag, seed, random.choice((None, 7)), score))
    return found


def _decision(flag_id: bytes, verdict: str, entry: int) -> KeptDecision:
    return KeptDecision(Decision.make(flag_id, verdict, "seen", 9), AUTHOR, entry, 40 + entry)


def _note() -> KeptNote:
    says = {"format": "counterfoil/note/1", "topic": "drift", "verdict": "watch"}
    return KeptNote(b"\x05" * 32, says, sha256(canonical.dumps(says)).digest(), 3)


def _tables(path: Path) -> tuple[int, dict[str, int]]:
    """Return the version of a file and the rows of its tables."""
    state = sqlite3.connect(path)
    (version,) = state.execute("PRAGMA user_version").fetchone()
    names = [name for (name,) in state.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = {name: state.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
    state.close()
    return version, rows


def test_a_file_of_the_first_version_says_the_same_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "cases.sqlite"
    flags = _flags()
    decisions = [
        _decision(flags[1].flag_id, "suspicious", 8),
        _decision(flags[1].flag_id, "not_suspicious", 5),
        _decision(flags[4].flag_id, "suspicious", 6),
        _decision(b"\x08" * 32, "suspicious", 7),
    ]
    content = [_content(kept.flag) for kept in flags]
    write_first_version(path, flags, decisions, [_note()], content=content)
    verdicts = {flags[1].flag_id: "suspicious", flags[4].flag_id: "suspicious"}
    for _ in range(2):
        with CaseBook(path) as book, DecisionBook(path) as made_, NoteBook(path) as notes:
            kept = list(book.each())
            assert [k.verdict for k in kept] == [verdicts.get(k.flag_id) for k in flags]
            assert [(k.flag_id, k.flag, k.seed, k.block, k.latest_score) for k in kept] == [
                (k.flag_id, k.flag, k.seed, k.block, k.latest_score) for k in flags
            ]
            assert [s.explanation for s in book.summaries()] == [k.flag.explanation for k in flags]
            for member in (1, 2, 3):
                found = [s.flag_id for s in book.summaries(FlagFilter(addressee=member))]
                assert found == [k.flag_id for k in flags if member in addressees(k.flag)]
            payloads = book._state.execute("SELECT payload FROM flag_document ORDER BY number")
            assert [payload for (payload,) in payloads] == [b"payload %d" % n for n in range(len(flags))]
            assert made_.of(flags[1].flag_id) == [decisions[1], decisions[0]]
            assert made_.verdicts() == verdicts | {b"\x08" * 32: "suspicious"}
            assert notes.notes("drift") == [_note()]
    with CaseBook(path) as book:
        assert book.keep([k.flag for k in flags], KEYS) == 0
    version, rows = _tables(path)
    assert version == VERSION
    assert (rows["flag"], rows["flag_document"], rows["decision"], rows["note"]) == (12, 12, 4, 1)
    assert not rows.keys() & {"flag_before", "decision_before", "latest_score"}


@pytest.mark.parametrize("held", ["flags", "decisions", "notes", "nothing"])
def test_a_file_of_the_first_version_may_hold_one_thing_only(tmp_path: Path, held: str) -> None:
    path = tmp_path / "cases.sqlite"
    flags = _flags(2) if held == "flags" else []
    decisions = [_decision(bytes(32), "suspicious", 1)] if held == "decisions" else []
    notes = [_note()] if held == "notes" else []
    write_first_version(path, flags, decisions, notes)
    with CaseBook(path) as book, DecisionBook(path) as made_, NoteBook(path) as kept_notes:
        assert list(book.each()) == flags
        assert made_.of(bytes(32)) == decisions
        assert kept_notes.notes("drift") == notes
        assert book.keep([k.flag for k in _flags(5)], KEYS) == 5


@pytest.mark.parametrize("table", ["flag", "decision"])
def test_a_document_that_cannot_be_read_leaves_the_file_as_it_was(tmp_path: Path, table: str) -> None:
    path = tmp_path / "cases.sqlite"
    flags = _flags(3)
    write_first_version(path, flags, [_decision(flags[0].flag_id, "suspicious", 1)])
    state = sqlite3.connect(path)
    state.execute(f"UPDATE {table} SET document = x'7b' WHERE rowid = (SELECT max(rowid) FROM {table})")
    state.commit()
    state.close()
    before = _tables(path)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="cannot be read") as caught:
            CaseBook(path)
        assert "backup" in str(caught.value.next_step)
        assert caught.value.where == str(path)
    assert _tables(path) == before
    assert before[0] == 0


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "cases.sqlite"
    CaseBook(path).close()
    state = sqlite3.connect(path)
    state.execute(f"PRAGMA user_version = {VERSION + 1}")
    state.close()
    with pytest.raises(ConfigurationError, match="later version"):
        CaseBook(path)
    assert _tables(path)[0] == VERSION + 1


@pytest.mark.parametrize("first", [True, False], ids=["first version", "no file"])
def test_many_who_open_a_file_at_once_find_it_brought_up_to_date(tmp_path: Path, first: bool) -> None:
    path = tmp_path / "cases.sqlite"
    flags = _flags(30)
    if first:
        write_first_version(path, flags)

    def read(_: int) -> list[bytes]:
        with CaseBook(path) as book:
            return [summary.flag_id for summary in book.summaries()]

    with ThreadPoolExecutor(8) as threads:
        for found in threads.map(read, range(16)):
            assert found == ([kept.flag_id for kept in flags] if first else [])
    assert _tables(path)[0] == VERSION


def test_a_reader_waits_for_no_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PATIENCE_SECONDS", 0)
    path = tmp_path / "cases.sqlite"
    with CaseBook(path) as desk:
        desk.keep([made(Random(1), 1)], KEYS)
        desk._state.execute("BEGIN IMMEDIATE")
        desk._state.execute("UPDATE flag SET block = 5")
        with CaseBook(path) as reader, DecisionBook(path) as decisions:
            (summary,), _ = reader.page()
            assert summary.block is None
            assert reader.find(summary.flag_id.hex()).block is None
            assert decisions.of(summary.flag_id) == []
            desk._state.execute("COMMIT")
            assert reader.page()[0][0].block == 5


def test_who_must_write_while_another_writes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PATIENCE_SECONDS", 0)
    path = tmp_path / "cases.sqlite"
    write_first_version(path, _flags(2))
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(ConfigurationError, match="locked") as caught:
        CaseBook(path)
    assert "backup" not in str(caught.value.next_step)
    writer.close()
    CaseBook(path).close()


def test_the_verdict_in_force_is_that_of_the_last_entry(tmp_path: Path) -> None:
    path = tmp_path / "cases.sqlite"
    chain = CaseChain()

    def read() -> dict[bytes, Any]:
        with CaseBook(path) as book, DecisionBook(path) as decisions:
            decisions.sync(chain.gateway, [PRIVATE])
            found = decisions.verdicts()
            for kept, summary in zip(book.each(), book.summaries(), strict=True):
                assert kept.verdict == summary.verdict == found.get(kept.flag_id)
                made_ = decisions.of(kept.flag_id)
                assert [d.decision.verdict for d in made_][-1:] == [v for v in [kept.verdict] if v]
                assert made_ == decisions.of(kept.flag_id)
                undecided = [s.flag_id for s in book.summaries(FlagFilter(undecided=True))]
                assert (kept.flag_id in undecided) == (kept.verdict is None)
        return found

    with CaseBook(path) as book:
        book.keep([made(Random(2), number) for number in range(3)], KEYS)
        first, second, _ = (summary.flag_id for summary in book.summaries())
    assert read() == {}
    chain.decide(first, "suspicious")
    chain.decide(second, "not_suspicious")
    chain.decide(b"\x09" * 32, "suspicious")  # a flag of another desk
    assert read() == {first: "suspicious", second: "not_suspicious", b"\x09" * 32: "suspicious"}
    chain.decide(first, "not_suspicious")
    assert read()[first] == "not_suspicious"
    a, b, _, d = chain.entries
    chain.reorganise([d, b, a])
    assert read() == {first: "suspicious", second: "not_suspicious"}
    chain.reorganise([d])
    assert read() == {first: "not_suspicious"}
    chain.reorganise([])
    assert read() == {}
    with CaseBook(path) as book, pytest.raises(InputError):
        book.find(chain.decide(b"\x09" * 32, "suspicious").flag_id.hex())
