"""The champion's scores and flags: by a rule that can be read, and recomputed from what they name."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from anomaly.learning.scoring import LEARNED, LearnedParameters, ScoreRule, learned_detector, replay, scored
from anomaly.learning.shelf import ModelError, Shelf
from anomaly.learning.training import Training
from anomaly.scan import ScanParameters, scan
from ledger.errors import VerificationError
from ledger.flag import OFF_LEDGER, Flag
from ledger.transfers.period import DAY, Period
from tests.anomaly.learning.conftest import BEGIN, Decided


@pytest.fixture(scope="module")
def shelf(training: Training, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    made = Shelf(tmp_path_factory.mktemp("models"))
    made.crown(made.put(training.model))
    return made


def _scan(
    transfers: pa.Table, shelf: Shelf, period: Period | None = None, expected: float = 0.0
) -> list[Flag]:
    champion = shelf.champion()
    assert champion is not None
    entry, model = champion
    table = transfers if period is None else period.select(transfers)
    judged = model.judge(table)
    probability = judged.probability
    own = LearnedParameters(entry.hash, 0.5, "because", 7 * DAY, model.learnt_until)
    detector = learned_detector(judged.probability, own, partial(model.reasons, judged))
    parameters = ScanParameters(("fan_in", "fan_out"), period=period)
    flags = scan(transfers, OFF_LEDGER, parameters=parameters, extra=(detector,))
    learnt = model.calibration.prior_
    return scored(flags, table, probability, ScoreRule(entry.hash, learnt, expected or learnt))


@pytest.fixture(scope="module")
def flags(decided: Decided, shelf: Shelf) -> list[Flag]:
    return _scan(decided.transfers, shelf)


def test_learned_flags_are_later_suspicious_schemes_whole(
    decided: Decided, training: Training, flags: list[Flag]
) -> None:
    learned = [flag for flag in flags if flag.source.id == LEARNED]
    suspicious = {flag.rows for flag, found in decided.flags if found}
    assert len(learned) >= 10
    for flag in learned:
        assert flag.window[0] > training.model.learnt_until  # of what it learnt it says nothing
        assert next(iter(flag.details["contributions"])).startswith("amount")
        assert ", most for: amount" in flag.explanation
        assert tuple(sorted(flag.rows)) in suspicious
        assert "because" in flag.explanation
        assert flag.details["payments"] == 6
        assert flag.certainty == "possible"


def test_every_flag_is_scored_by_its_most_probable_payment(
    decided: Decided, training: Training, flags: list[Flag]
) -> None:
    probability = training.model.judge(decided.transfers).probability
    assert {flag.source.id for flag in flags} > {LEARNED}
    for flag in flags:
        rows = [ref.index for ref in flag.rows]  # a plain file: the place is the row
        assert flag.score == pytest.approx(probability[rows].max(), abs=1e-4)


def test_a_lower_share_of_cases_lowers_scores_and_keeps_their_order(
    decided: Decided, shelf: Shelf, flags: list[Flag]
) -> None:
    rarer = _scan(decided.transfers, shelf, expected=0.01)
    before = np.array([flag.score for flag in flags], dtype=float)
    after = np.array([flag.score for flag in rarer], dtype=float)
    assert (after <= before).all()
    assert after.max() < before.max()
    order = np.argsort(before, kind="stable")
    assert (np.diff(after[order]) >= -1e-4).all()


@pytest.mark.parametrize("days", [None, 40])
def test_flags_come_out_again(decided: Decided, shelf: Shelf, days: int | None) -> None:
    begin = int(BEGIN.timestamp())
    period = None if days is None else Period(begin + 10 * DAY, begin + (10 + days) * DAY)
    flags = _scan(decided.transfers, shelf, period)
    for source in {flag.source.id: flag for flag in flags}.values():
        order = np.random.default_rng(1).permutation(decided.transfers.num_rows)
        assert replay(source, decided.transfers.take(pa.array(order)), shelf) == source


def test_a_flag_without_a_score_needs_no_model(decided: Decided, tmp_path: Path) -> None:
    (plain, *_) = scan(decided.transfers, OFF_LEDGER, parameters=ScanParameters(("fan_in",)))
    assert replay(plain, decided.transfers, Shelf(tmp_path)) == plain


def test_what_was_changed_does_not_come_out_again(
    decided: Decided, shelf: Shelf, flags: list[Flag], tmp_path: Path
) -> None:
    for flag in (flags[0], flags[-1]):
        with pytest.raises(VerificationError, match="score does not come out again"):
            replay(replace(flag, score=(flag.score or 0) / 2), decided.transfers, shelf)
        with pytest.raises(ModelError):
            replay(flag, decided.transfers, Shelf(tmp_path))
        named = {**flag.source.parameters, "score": {**flag.source.parameters["score"], "more": 1}}
        with pytest.raises(VerificationError, match=r"rule for the flag.s score is malformed"):
            replay(replace(flag, source=replace(flag.source, parameters=named)), decided.transfers, shelf)
    learned = flags[-1]
    assert learned.source.id == LEARNED
    own = {**learned.source.parameters["detector"], "model": "ab" * 32}
    other = replace(learned.source, parameters={**learned.source.parameters, "detector": own})
    with pytest.raises(VerificationError, match="two models"):
        replay(replace(learned, source=other), decided.transfers, shelf)


def test_alerts_of_one_account_far_apart_are_two_flags(decided: Decided, training: Training) -> None:
    table = decided.transfers
    flag = next(flag for flag, suspicious in decided.flags if suspicious)
    probability = np.zeros(table.num_rows)
    probability[[ref.index for ref in flag.rows]] = 0.9
    for window, groups in ((7 * DAY, 1), (1, 6)):
        own = LearnedParameters("ab" * 32, 0.5, "because", window, 0)
        detector = learned_detector(probability, own, lambda _row: {})
        found = scan(table, OFF_LEDGER, parameters=ScanParameters(()), extra=(detector,))
        assert len(found) == groups or window == 1
        assert sum(len(f.rows) for f in found) == 6
    assert len(found) > 1
