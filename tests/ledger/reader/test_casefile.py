"""The desk's file of cases: another version's is refused, and readers wait for nobody."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ledger import storage as opening
from ledger.errors import ConfigurationError, InputError
from ledger.reader.casefile import VERSION
from ledger.reader.cases import CaseBook
from ledger.reader.decisions import DecisionBook
from ledger.reader.listing import FlagFilter
from tests.ledger.reader.made_flags import PRIVATE, TO, CaseChain, made


def _tables(path: Path) -> tuple[int, dict[str, int]]:
    """Return the version of a file and the rows of its tables."""
    state = sqlite3.connect(path)
    (version,) = state.execute("PRAGMA user_version").fetchone()
    names = [name for (name,) in state.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = {name: state.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
    state.close()
    return version, rows


@pytest.mark.parametrize("version", [0, 1])
def test_a_file_of_an_earlier_version_is_refused_and_left_as_it_was(tmp_path: Path, version: int) -> None:
    path = tmp_path / "cases.sqlite"
    state = sqlite3.connect(path)
    state.execute("CREATE TABLE flag (flag_id BLOB PRIMARY KEY, content BLOB NOT NULL)")
    state.execute("INSERT INTO flag VALUES (x'01', x'02')")
    state.execute(f"PRAGMA user_version = {version}")
    state.commit()
    state.close()
    before = _tables(path)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="earlier version") as caught:
            CaseBook(path)
        assert "desk sync" in str(caught.value.next_step)
        assert caught.value.where == str(path)
    assert _tables(path) == before == (version, {"flag": 1})


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "cases.sqlite"
    CaseBook(path).close()
    state = sqlite3.connect(path)
    state.execute(f"PRAGMA user_version = {VERSION + 1}")
    state.close()
    with pytest.raises(ConfigurationError, match="later version"):
        CaseBook(path)
    assert _tables(path)[0] == VERSION + 1


def test_many_who_open_a_file_at_once_find_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "cases.sqlite"

    def read(_: int) -> list[bytes]:
        with CaseBook(path) as book:
            return [summary.flag_id for summary in book.summaries()]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(read, range(16))) == [[]] * 16
    assert _tables(path)[0] == VERSION


def test_a_reader_waits_for_no_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PATIENCE_SECONDS", 0)
    path = tmp_path / "cases.sqlite"
    with CaseBook(path) as desk:
        desk.keep([made(Random(1), 1)], TO)
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
        book.keep([made(Random(2), number) for number in range(3)], TO)
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
