"""What a bank says is its own claim, and never another bank's debt."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from ledger.audit.completeness import NO_MONTH, Apart, Completeness, MemberMonth, completeness
from ledger.schema import MatchState
from ledger.tables import TRANSFER

AGENTS = {1: "ALFADEFF", 2: "BRAVFRPP", 3: "CHARUS33"}
MARCH = 1_772_442_000  # 2026-03-02


def transfer(
    state: MatchState, debtor: int, creditor: int, *, debit: bool, credit: bool, time: int = MARCH
) -> dict[str, Any]:
    """Return a transfer of which some halves were posted."""
    return {
        "state": int(state),
        "debtor_agent": debtor,
        "creditor_agent": creditor,
        "debit_member": debtor if debit else -1,
        "credit_member": creditor if credit else -1,
        "time_low": time,
    }


def counted(rows: list[dict[str, Any]], **options: Any) -> Completeness:
    empty = dict.fromkeys(TRANSFER.names)
    return completeness(pa.Table.from_pylist([empty | row for row in rows], TRANSFER), AGENTS, **options)


HONEST = [
    transfer(MatchState.MATCHED, 1, 2, debit=True, credit=True),
    transfer(MatchState.CONFLICT, 1, 2, debit=True, credit=True),
    transfer(MatchState.ON_US, 2, 2, debit=True, credit=False),
    transfer(MatchState.COUNTERPARTY_NOT_MEMBER, 2, 0, debit=True, credit=False),
    transfer(MatchState.UNMATCHED, 3, 2, debit=False, credit=True),
]


def test_each_members_line_is_the_sum_of_its_own_rows() -> None:
    found = counted(HONEST)
    assert found.members == (
        MemberMonth("ALFADEFF", "2026-03", rows=2, proven=1, conflict=1, claimed=0, on_us=0, outside=0),
        MemberMonth("BRAVFRPP", "2026-03", rows=5, proven=1, conflict=1, claimed=1, on_us=1, outside=1),
    )
    for line in found.members:
        assert line.rows == line.proven + line.conflict + line.claimed + line.on_us + line.outside
    assert [(c.claimant, c.about, c.rows) for c in found.claims] == [("BRAVFRPP", "CHARUS33", 1)]


@pytest.mark.parametrize("state", [MatchState.WAITING, MatchState.UNMATCHED])
def test_tens_of_thousands_of_invented_halves_stay_the_word_of_their_author(state: MatchState) -> None:
    """Bank 3 posts 66,620 halves that name bank 2, which posted none of them."""
    before = counted(HONEST)
    flood = [transfer(state, 3, 2, debit=True, credit=False)] * 66_620
    after = counted(HONEST + flood)
    lines = {line.agent: line for line in after.members}
    assert lines["BRAVFRPP"] == before.members[1]
    assert lines["ALFADEFF"] == before.members[0]
    assert (lines["CHARUS33"].rows, lines["CHARUS33"].claimed) == (66_620, 66_620)
    assert ("CHARUS33", "BRAVFRPP", 66_620) in [(c.claimant, c.about, c.rows) for c in after.claims]
    assert not hasattr(lines["BRAVFRPP"], "missing")


@pytest.mark.parametrize("time", [-1, -(2**62), 2**33 * 3_600, (2**32 - 1) * 86_400, 2**62, 253_402_300_800])
def test_a_time_of_no_calendar_is_counted(time: int) -> None:
    found = counted([*HONEST, transfer(MatchState.WAITING, 3, 1, debit=True, credit=False, time=time)])
    assert [(line.agent, line.month) for line in found.members][-1] == ("CHARUS33", NO_MONTH)


def test_an_unknown_code_is_named_by_its_number() -> None:
    found = counted([transfer(MatchState.UNMATCHED, 1, 900, debit=True, credit=False)])
    assert found.claims[0].about == "member 900"


def test_what_this_reader_cannot_read_is_unknown_and_not_missing() -> None:
    account, stranger = b"\x01" * 20, b"\x02" * 20
    apart = [
        Apart(account, 800, "sealed to none of these keys"),
        Apart(account, 20, "sealed to none of these keys"),
        Apart(stranger, 5, "a column has a value that is not in its list"),
    ]
    found = counted(HONEST, apart=apart, accounts={account: "ALFADEFF"})
    assert [(u.agent, u.batches, u.rows) for u in found.unknown] == [
        ("0x" + "02" * 20, 1, 5),
        ("ALFADEFF", 2, 820),
    ]
    assert found.members == counted(HONEST).members


def test_nothing_posted_is_nothing_counted() -> None:
    assert counted([]) == Completeness((), (), ())
