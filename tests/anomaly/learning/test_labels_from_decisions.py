"""What officers decided becomes labels; what nobody decided becomes none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomaly.learning.labels import Judgement, label
from ledger.errors import InputError
from ledger.flag import OFF_LEDGER, FlagSource, RowRef
from ledger.transfers.places import Places
from tests.anomaly.learning.conftest import Decided


def test_a_row_is_found_by_either_half_and_once(decided: Decided) -> None:
    places = Places(decided.transfers)
    refs = [RowRef(0, 0, 7), RowRef(0, 0, 3), RowRef(0, 0, 7), RowRef(5, 1, 1)]
    assert places.rows(refs).tolist() == [3, 7]
    assert places.rows([]).tolist() == []
    assert Places(decided.transfers.slice(0, 0)).rows(refs).tolist() == []
    both = decided.transfers.slice(0, 2)
    for name, value in (
        ("credit_member", [3, 3]),
        ("credit_sequence", [2**31 - 1, 1]),
        ("credit_index", [65_535, 0]),
    ):
        column = both.column_names.index(name)
        both = both.set_column(column, both.schema.field(name), [value])
    halves = [RowRef(3, 2**31 - 1, 65_535), RowRef(0, 0, 0), RowRef(3, 1, 0)]
    assert Places(both).rows(halves).tolist() == [0, 1]


def test_suspicious_rows_are_cases_and_undecided_ones_are_neither(decided: Decided) -> None:
    flags = [flag for flag, _ in decided.flags]
    places = Places(decided.transfers)
    judged = [Judgement(flags[0], True), Judgement(flags[1], False), Judgement(flags[2], None)]
    found = label(decided.transfers, judged)
    assert np.flatnonzero(found.y).tolist() == places.rows(flags[0].rows).tolist()
    assert found.known[places.rows(flags[1].rows)].all()
    assert not found.known[places.rows(flags[2].rows)].any()
    low = decided.transfers.column("time_low").to_numpy()
    assert found.until == max(flags[0].window[1], flags[1].window[1])
    assert not found.known[low >= found.until].any()
    assert found.known.sum() > 12


def test_a_row_of_two_flags_is_a_case_when_one_is_suspicious(decided: Decided) -> None:
    flag = decided.flags[0][0]
    for order in ((True, False), (False, True)):
        found = label(decided.transfers, [Judgement(flag, verdict) for verdict in order])
        assert found.y.sum() == 6


def test_an_undecided_finding_of_a_rule_leaves_rows_as_they_are(decided: Decided) -> None:
    first, second = decided.flags[0][0], decided.flags[1][0]
    finding = replace(second, source=FlagSource("rule", "r-1", "1", {}))
    found = label(decided.transfers, [Judgement(first, True), Judgement(finding, None)])
    low = decided.transfers.column("time_low").to_numpy()
    assert (found.known == (low < found.until)).all()


def test_decisions_about_other_rows_are_none(decided: Decided) -> None:
    elsewhere = replace(decided.flags[0][0], rows=(RowRef(9, 9, 9),), position=OFF_LEDGER)
    with pytest.raises(InputError, match="no officer has decided"):
        label(decided.transfers, [Judgement(elsewhere, True)])
    with pytest.raises(InputError, match="no officer has decided"):
        label(decided.transfers, [Judgement(flag, None) for flag, _ in decided.flags])
