"""The desk's flags: what makes one the same as one it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.flag import Entity, Flag, FlagSource, Position, RowRef
from ledger.reader.cases import CaseBook
from ledger.reader.recipients import Recipients

PUBLIC = b"\x09" + bytes(31)
TO = Recipients(bytes(20), {1: PUBLIC}, (PUBLIC,))

FINDING = Flag(
    source=FlagSource("rule", "rule-1", "aa" * 32, {"amount": "10000"}),
    title="rule-1",
    position=Position(1, "0x" + "11" * 20, 7, 3),
    entities=(Entity("ab" * 16, 0),),
    rows=(RowRef(1, 0, 0),),
    window=(0, 3600),
    score=None,
    certainty="certain",
    severity="high",
    explanation="A transfer amounts to 12,000 EUR.",
    citation="Article 1",
    clause="more than EUR 10,000",
    details={"transfers": 1},
)


@pytest.mark.parametrize(
    ("changed", "new"),
    [
        (replace(FINDING, source=replace(FINDING.source, version="bb" * 32)), 0),
        (replace(FINDING, position=replace(FINDING.position, block=9)), 0),
        (replace(FINDING, clause="EUR 10,000 or more"), 1),
        (replace(FINDING, source=replace(FINDING.source, parameters={"amount": "9000"})), 1),
        (replace(FINDING, rows=(RowRef(1, 0, 1),)), 1),
    ],
    ids=["another rule set", "a later block", "another clause", "another amount", "another row"],
)
def test_a_finding_is_the_same_while_its_rule_and_rows_are(tmp_path: Path, changed: Flag, new: int) -> None:
    with CaseBook(tmp_path / "cases.sqlite") as book:
        assert book.keep([FINDING], TO) == 1
        assert book.keep([changed], TO) == new
        assert next(iter(book.each())).flag == FINDING.bounded()


def test_a_detector_of_another_version_raises_its_own_flag(tmp_path: Path) -> None:
    flag = replace(FINDING, source=FlagSource("detector", "fan_in", "1"), citation=None, clause=None)
    with CaseBook(tmp_path / "cases.sqlite") as book:
        assert book.keep([flag, replace(flag, source=FlagSource("detector", "fan_in", "2"))], TO) == 2
