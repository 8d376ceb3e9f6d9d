"""A challenger must win on later decisions; a model comes back from its file as it was, or not at all."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anomaly.learning.labels import Judgement
from anomaly.learning.shelf import ModelError, Shelf
from anomaly.learning.training import LABEL_FREE, TooFewDecisionsError, Training, TrainingPlan, train
from anomaly.learning.watch import LEAST_ROWS, drift_since
from ledger.errors import CounterfoilError, InputError
from ledger.flag import OFF_LEDGER
from tests.anomaly.learning.conftest import Decided


def test_the_first_challenger_beats_the_label_free_ranking(training: Training) -> None:
    assert training.incumbent == LABEL_FREE
    assert training.contest.replaced
    assert training.contest.challenger > 0.95 > 0.7 > training.contest.champion
    assert training.model.learnt_until < training.windows["contest"].begin - 7 * 86_400
    assert training.model.learnt_until == training.windows["calibration"].end


def test_probabilities_are_calibrated_on_decisions_that_were_not_learnt(
    decided: Decided, training: Training
) -> None:
    judged = training.model.judge(decided.transfers)
    window = training.windows["calibration"]
    inside = (judged.time >= window.begin) & (judged.time <= window.end)
    assert judged.probability[inside].mean() == pytest.approx(window.cases / window.payments, abs=0.03)


def test_one_that_learnt_from_wrong_verdicts_replaces_nobody(decided: Decided, training: Training) -> None:
    verdicts = [suspicious for _, suspicious in decided.flags]
    half = len(verdicts) * 7 // 10
    shuffled = random.Random(5).sample(verdicts[:half], half)
    judgements = [
        Judgement(flag, verdict)
        for (flag, _), verdict in zip(decided.flags, shuffled + verdicts[half:], strict=True)
    ]
    outcome = train(decided.transfers, judgements, OFF_LEDGER, champion=("ab" * 32, training.model))
    assert outcome.incumbent == "ab" * 32
    assert not outcome.contest.replaced
    assert outcome.contest.challenger < outcome.contest.champion


def test_the_same_decisions_make_the_same_model(decided: Decided, training: Training, tmp_path: Path) -> None:
    again = train(decided.transfers, decided.judgements, OFF_LEDGER)
    shelf = Shelf(tmp_path)
    assert shelf.put(again.model) == shelf.put(training.model)
    assert again.to_json() == training.to_json()


def test_too_few_decisions_name_the_window_and_the_kind(decided: Decided) -> None:
    one_kind = [Judgement(flag, True) for flag, suspicious in decided.flags if suspicious]
    with pytest.raises(TooFewDecisionsError) as caught:
        train(decided.transfers, one_kind, OFF_LEDGER)
    assert "training (2026-01-05 to" in str(caught.value.where)
    assert "needs 5 suspicious and 5 not suspicious, has " in str(caught.value.where)
    assert "contest (" in str(caught.value.where)
    with pytest.raises(InputError, match="too short a time"):
        train(decided.transfers, decided.judgements, OFF_LEDGER, plan=TrainingPlan(window=40 * 86_400))


@pytest.mark.parametrize("folds", [0, 2])
def test_a_model_comes_back_as_it_was(
    decided: Decided, training: Training, tmp_path: Path, folds: int
) -> None:
    model = training.model
    if folds:
        plan = TrainingPlan(folds=folds, scoring="window_close")
        model = train(decided.transfers, decided.judgements, OFF_LEDGER, plan=plan).model
        assert model.stages.first_ is not None
    shelf = Shelf(tmp_path)
    digest = shelf.put(model)
    again = shelf.load(digest)
    np.testing.assert_array_equal(
        again.judge(decided.transfers).probability, model.judge(decided.transfers).probability
    )
    assert again.facts == model.facts
    assert again.names == model.names


def test_the_shelf_counts_its_champions(training: Training, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    assert shelf.champion() is None
    digest = shelf.put(training.model)
    assert shelf.champion() is None
    assert shelf.crown(digest).version == 1
    other = shelf.put(replace(training.model, facts={**training.model.facts, "seed": 1}))
    shelf.crown(other)
    champion = shelf.champion()
    assert champion is not None
    assert (champion[0].version, champion[0].hash) == (2, other)
    assert shelf.load(digest).facts["seed"] == 0
    register = tmp_path / "register.json"
    register.write_bytes(register.read_bytes().replace(b'"version":2', b'"version":3'))
    with pytest.raises(ModelError, match="register of models is damaged"):
        shelf.champion()


def test_every_byte_of_a_model_counts(training: Training, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    digest = shelf.put(training.model)
    file = tmp_path / f"{digest}.npz"
    whole = file.read_bytes()
    choose = random.Random(1)
    for place in choose.sample(range(len(whole)), 20):
        file.write_bytes(
            whole[:place] + bytes([whole[place] ^ (1 << choose.randrange(8))]) + whole[place + 1 :]
        )
        with pytest.raises(ModelError, match="altered"):
            shelf.load(digest)
    file.unlink()
    with pytest.raises(ModelError, match="model's file is missing"):
        shelf.load(digest)


def test_a_file_that_hides_an_object_is_refused_and_runs_nothing(training: Training, tmp_path: Path) -> None:
    from hashlib import sha256

    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (ran.write_text, ("x",))

    file = io.BytesIO()
    np.savez(file, **{"value.json": np.array([Trap()], dtype=object)})
    data = file.getvalue()
    digest = sha256(data).hexdigest()
    (tmp_path / f"{digest}.npz").write_bytes(data)
    with pytest.raises(ModelError, match="cannot be read"):
        Shelf(tmp_path).load(digest)
    assert not ran.exists()


def test_a_model_of_other_features_is_not_used(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = training.model.names
    monkeypatch.setattr(type(training.model), "names", property(lambda _: [*names[1:], "another"]))
    shelf = Shelf(tmp_path)
    digest = shelf.put(training.model)
    monkeypatch.undo()
    with pytest.raises(CounterfoilError, match="trained on other features"):
        shelf.load(digest)


def test_drift_is_told_only_from_enough_later_payments(decided: Decided, training: Training) -> None:
    judged = training.model.judge(decided.transfers)
    later = int((judged.time > training.model.learnt_until).sum())
    assert later < LEAST_ROWS
    assert drift_since(training.model, judged) is None
    moved = replace(judged, time=judged.time + 60 * 86_400)  # all of them, as if they came after
    found = drift_since(training.model, moved)
    assert found is not None
    assert found.score < drift_since_other(training, moved)


def drift_since_other(training: Training, judged: object) -> float:
    from anomaly.learning.model import Judged

    assert isinstance(judged, Judged)
    other = drift_since(training.model, replace(judged, probability=1 - judged.probability))
    assert other is not None
    assert other.verdict == "changed"
    return other.score
