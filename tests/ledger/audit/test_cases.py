"""fsck of the case log: decisions, authors, and a node that leaves out or changes entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from counterfoil.officer import append_decision
from ledger.audit.cases import check_cases
from ledger.caselog import CaseKind
from ledger.gateway import CaseEntry
from ledger.reader.decisions import DecisionBook
from tests.support.consortium import ChainProcess, founded
from tests.support.flags import FlagDesk, flag


@pytest.fixture(scope="module")
def desk(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> FlagDesk:
    desk = FlagDesk(founded(chain, tmp_path_factory.mktemp("desk") / "home"))
    desk.raise_flags(flag(title="a"), flag(title="b"))
    officer = desk.consortium.officers[0]
    append_decision(desk.consortium.gateway, officer, desk.kept()[0].flag_id, "suspicious", "it fits")
    return desk


def read(desk: FlagDesk) -> None:
    keys = desk.consortium.desk_keys.readers.values()
    with DecisionBook(desk.consortium.home.desk.cases) as book:
        assert book.sync(desk.consortium.gateway, keys) == []


def test_the_decisions_in_the_file_are_those_on_the_chain(desk: FlagDesk) -> None:
    (found,) = desk.fsck().differences
    assert "does not have this decision" in found.what
    read(desk)
    assert desk.fsck().differences == ()
    assert desk.fsck().counts["decision"] == 1
    for statement, told in (
        ("UPDATE decision SET entry = entry + 1", "in this entry"),
        ("UPDATE decision SET verdict = 'not_suspicious', document = x'7b7d'", "content hash"),
    ):
        desk.execute(statement)
        assert any(told in difference.what for difference in desk.fsck().differences)
        desk.execute("DELETE FROM decision")
        read(desk)
    assert desk.fsck().differences == ()


def test_another_officer_cannot_move_a_decision(desk: FlagDesk) -> None:
    read(desk)
    flag_id = desk.kept()[1].flag_id
    first, second = desk.consortium.officers[:2]
    append_decision(desk.consortium.gateway, first, flag_id, "suspicious", "first")
    old = desk.entries(CaseKind.DECISION)[-1]
    append_decision(desk.consortium.gateway, first, flag_id, "not_suspicious", "then")
    desk.append(second, CaseKind.DECISION, old.case_id, old.content_hash, old.payload)
    keys = desk.consortium.desk_keys.readers.values()
    with DecisionBook(desk.consortium.home.desk.cases) as book:
        (problem,) = book.sync(desk.consortium.gateway, keys)
        assert book.verdicts()[flag_id] == "not_suspicious"
        book.sync(desk.consortium.gateway, keys)
        assert book.verdicts()[flag_id] == "not_suspicious"
    assert problem[0] == old.index + 2
    report = desk.fsck()
    assert (report.differences, report.counts["unreadable"]) == ((), 1)


class Lying:
    """A node that changes what it shows of the case log."""

    def __init__(self, gateway: Any, change: Any) -> None:
        self._gateway, self._change = gateway, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def case_entries(self) -> Iterator[CaseEntry]:
        return iter(self._change(list(self._gateway.case_entries())))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda e: e[:-1], "the contract has"),
        (lambda e: e[1:], "leaves out this entry"),
        (lambda e: [e[0], *e[2:]], "leaves out this entry"),
        (lambda e: [replace(e[0], payload=b"{}"), *e[1:]], "does not give the head"),
        (lambda e: [replace(e[0], author="0x" + "11" * 20), *e[1:]], "does not give the head"),
        (lambda e: [replace(e[0], kind=2), *e[1:]], "does not give the head"),
        (lambda e: [replace(e[0], kind=9), *e[1:]], "kind of the entry is unknown"),
    ],
)
def test_a_node_that_lies_is_seen_without_any_key(desk: FlagDesk, change: Any, told: str) -> None:
    report = check_cases(Lying(desk.consortium.gateway, change))  # type: ignore[arg-type]
    assert any(told in found.what for found in report.differences)
    assert check_cases(desk.consortium.gateway).differences == ()


def test_an_entry_of_the_wrong_author_is_seen(desk: FlagDesk) -> None:
    bank = desk.consortium.keys[desk.consortium.banks[0]].address

    def change(entries: list[CaseEntry]) -> list[CaseEntry]:
        return [
            replace(entries[0], author=bank),
            replace(entries[1], kind=int(CaseKind.ANSWER)),
            *entries[2:],
        ]

    report = check_cases(Lying(desk.consortium.gateway, change))  # type: ignore[arg-type]
    told = [found.what for found in report.differences]
    assert any("a member wrote a flag" in what for what in told)
    assert any("an answer is not from a member" in what for what in told)
