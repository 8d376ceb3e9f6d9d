"""Flags against a truth table."""

from __future__ import annotations

import pandas as pd
import pytest

from anomaly.score import score
from ledger.errors import InputError
from ledger.flag import Flag, FlagSource, RowRef


@pytest.fixture
def table(transfers):
    return transfers(
        [
            {
                "src": f"a{i}",
                "dst": f"a{i + 1}",
                "t": i,
                "credit_member": 2,
                "credit_sequence": 1,
                "credit_index": i,
            }
            for i in range(20)
        ]
    )


def make_flag(position, title: str, rows: list[RowRef]) -> Flag:
    return Flag(
        source=FlagSource("detector", title, "1"), title=title, position=position, entities=(),
        rows=tuple(rows),
        window=(0, 9), score=None, certainty="possible", severity="low", explanation="x",
    )  # fmt: skip


TRUTH = pd.DataFrame(
    {
        "pattern_id": ["p", "p", "p", "p", "q", "q"],
        "typology": ["cycle"] * 4 + ["fan_in"] * 2,
        "debit_member": [1] * 6,
        "debit_sequence": [1] * 6,
        "debit_index": [0, 1, 2, 3, 10, 11],
    }
)


def debit(*rows: int) -> list[RowRef]:
    return [RowRef(1, 1, i) for i in rows]


def by_name(result):
    return {s.typology: s for s in result.typologies}


def test_half_the_rows_of_an_instance_in_one_flag_find_it(position, table) -> None:
    flags = [make_flag(position, "cycle", debit(0, 1)), make_flag(position, "cycle", debit(10, 17, 18, 19))]
    result = score(flags, table, TRUTH)
    assert (by_name(result)["cycle"].found, by_name(result)["cycle"].named) == (1, 1)
    assert by_name(result)["fan_in"].found == 1
    assert by_name(result)["fan_in"].named == 0
    assert (result.total.flags, result.total.right, result.total.right_named) == (2, 1, 1)


def test_two_flags_of_a_quarter_each_do_not_find_it(position, table) -> None:
    flags = [make_flag(position, "cycle", debit(0)), make_flag(position, "cycle", debit(1))]
    result = score(flags, table, TRUTH)
    assert by_name(result)["cycle"].found == 0
    assert by_name(result)["cycle"].right == 2


def test_both_halves_of_a_transfer_count_once(position, table) -> None:
    rows = [RowRef(1, 1, 0), RowRef(2, 1, 0), RowRef(1, 1, 15), RowRef(2, 1, 16), RowRef(2, 1, 15)]
    result = score([make_flag(position, "cycle", rows)], table, TRUTH)
    total = result.total
    assert (total.flagged, total.hit, total.planted, total.covered) == (3, 1, 6, 1)
    assert result.total.transfer_recall == pytest.approx(1 / 6)
    assert result.total.transfer_precision == pytest.approx(1 / 3)
    assert result.total.right == 0


def test_transfers_are_counted_by_typology_too(position, table) -> None:
    flags = [make_flag(position, "cycle", debit(0, 10, 17)), make_flag(position, "stack", debit(0))]
    figures = by_name(score(flags, table, TRUTH))
    assert (figures["cycle"].planted, figures["cycle"].covered) == (4, 1)
    assert (figures["cycle"].flagged, figures["cycle"].hit) == (3, 2)
    assert figures["fan_in"].transfer_recall == 0.5
    assert figures["fan_in"].transfer_precision is None
    assert (figures["stack"].planted, figures["stack"].flagged, figures["stack"].hit) == (0, 1, 1)


def test_truth_may_be_told_by_the_credit_half(position, table) -> None:
    credit = TRUTH.rename(columns=lambda name: name.replace("debit", "credit")).assign(credit_member=2)
    result = score([make_flag(position, "cycle", debit(0, 1, 2, 3))], table, credit)
    assert by_name(result)["cycle"].recall == 1.0
    assert result.total.precision == 1.0


def test_a_planted_row_that_is_nowhere_counts_against_recall(position, table) -> None:
    lost = TRUTH.assign(debit_index=[0, 900, 901, 902, 10, 11])
    result = score([make_flag(position, "cycle", debit(0))], table, lost)
    assert by_name(result)["cycle"].found == 0
    assert result.total.planted == 6


def test_nothing_flagged_has_no_precision(table) -> None:
    result = score([], table, TRUTH)
    assert result.total.precision is None
    assert result.total.transfer_precision is None
    assert result.total.transfer_recall == 0.0
    assert [line.typology for line in result.lines] == ["cycle", "fan_in", "all"]


def test_a_truth_table_without_places_is_refused(table) -> None:
    with pytest.raises(InputError, match="truth table lacks columns"):
        score([], table, TRUTH[["pattern_id", "typology"]])
