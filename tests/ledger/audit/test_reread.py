"""The auditor's own verdicts against those that the desk publishes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ledger.audit.reread import compare_verdicts
from ledger.errors import ConfigurationError
from ledger.log.tiles import append
from ledger.verdicts import Reason, accepted_entry, rejected_entry
from tests.support.evidence import Consortium

HASHES = [bytes([n]) * 32 for n in range(4)]


@pytest.fixture(scope="module")
def made() -> Consortium:
    return Consortium()


def publish(made: Consortium, folder: Path, entries: Sequence[bytes]) -> Path:
    append(folder / "verdicts", 0, entries)
    (folder / "verdicts" / "checkpoint").write_text(made.note("verdicts", entries=entries))
    return folder


def entry(number: int, reason: Reason | None = None) -> bytes:
    if reason is None:
        return accepted_entry(number, HASHES[number])
    return rejected_entry(number, HASHES[number], reason)


def test_the_same_verdicts_are_no_difference(made: Consortium, tmp_path: Path) -> None:
    entries = [entry(0), entry(1, Reason.SIDE), entry(2)]
    assert compare_verdicts(entries, publish(made, tmp_path, entries), made.trust) == ()
    assert compare_verdicts([*entries, entry(3)], tmp_path, made.trust) == ()


def test_a_batch_that_the_desk_accepts_against_its_rows_is_named(made: Consortium, tmp_path: Path) -> None:
    public = publish(made, tmp_path, [entry(0), entry(1)])
    (found,) = compare_verdicts([entry(0), entry(1, Reason.SIDE)], public, made.trust)
    assert found.where == "verdict 1"
    assert found.what.startswith("the desk says accepted; the rows say kept apart")


def test_what_an_auditor_cannot_open_it_does_not_judge(made: Consortium, tmp_path: Path) -> None:
    public = publish(made, tmp_path, [entry(0), entry(1, Reason.DUPLICATE), entry(2)])
    blind = [entry(0, Reason.SEAL), entry(1), entry(2)]
    assert compare_verdicts(blind, public, made.trust) == ()
    seeing = [entry(0), entry(1), entry(2)]
    assert [found.where for found in compare_verdicts(seeing, public, made.trust)] == ["verdict 1"]


def test_a_verdict_without_a_batch_is_named(made: Consortium, tmp_path: Path) -> None:
    public = publish(made, tmp_path, [entry(0), entry(1)])
    (found,) = compare_verdicts([entry(0)], public, made.trust)
    assert "2 verdicts, the chain has 1" in found.what


def test_a_log_that_does_not_verify_is_a_difference_and_a_missing_one_an_error(
    made: Consortium, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError):
        compare_verdicts([], tmp_path, made.trust)
    public = publish(made, tmp_path, [entry(0), entry(1)])
    note = public / "verdicts" / "checkpoint"
    note.write_text(note.read_text().replace("\n2\n", "\n1\n"))
    (found,) = compare_verdicts([entry(0), entry(1)], public, made.trust)
    assert "does not verify" in found.what
