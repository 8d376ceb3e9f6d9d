"""The loop on a real chain: officers decide, the desk learns, scans with what it learnt, watches drift."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from anomaly.learning.shelf import Shelf
from counterfoil.officer import append_decision
from ledger import canonical
from ledger.caselog import CaseKind
from ledger.errors import TransactionRejectedError
from ledger.reader.cases import CaseBook
from ledger.reader.decisions import DecisionBook
from ledger.reader.recipients import Recipients
from ledger.transfers.mirror import load_mirror
from tests.cli.conftest import Outcome, call
from tests.support.consortium import ChainProcess, SmallConsortium, founded, run_everything
from tests.support.rows import BANKS
from tests.support.schemes import DAYS, as_book, payments, scheme_flags


@dataclass
class Desk:
    """A consortium whose desk raised a flag for each scheme, and what an officer will find of each."""

    consortium: SmallConsortium
    truth: dict[str, bool]
    begin: datetime

    @property
    def home(self) -> Path:
        return self.consortium.home.root

    def call(self, *words: object) -> Outcome:
        return call(self.home, "--chain", self.consortium.url, *words)

    def json(self, *words: object) -> Any:
        return self.call("--json", *words).expect().json

    def entries(self, kind: CaseKind) -> list[Any]:
        return [entry for entry in self.consortium.gateway.case_entries() if entry.kind == kind]

    def notes(self, topic: str) -> list[Any]:
        said = [json.loads(entry.payload) for entry in self.entries(CaseKind.NOTE)]
        return [note for note in said if note["topic"] == topic]


@pytest.fixture(scope="module")
def desk(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = founded(chain, tmp_path_factory.mktemp("learning"), banks=BANKS[:2])
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=DAYS + 30)
    run_everything(made, as_book(payments(begin)))
    transfers, position = load_mirror(made.home.desk.mirror)
    flags = scheme_flags(transfers, position)
    with CaseBook(made.home.desk.cases) as book:
        book.keep([flag for flag, _ in flags], Recipients.of(made.gateway, made.desk_keys.account))
        book.anchor(made.gateway, made.desk_keys.account)
        kept = {k.flag.rows: k.flag_id.hex() for k in book.each()}
    return Desk(made, {kept[flag.rows]: suspicious for flag, suspicious in flags}, begin)


def _decide(desk: Desk, flag_id: str, suspicious: bool, officer: int = 1) -> None:
    """Decide as the command does, without reading the case log each time."""
    verdict = "suspicious" if suspicious else "not_suspicious"
    key = desk.consortium.officers[officer - 1]
    append_decision(desk.consortium.gateway, key, bytes.fromhex(flag_id), verdict, "")


# -- the tests of this module tell one story, in this order ------------------------------------------------


def test_without_decisions_nothing_is_learnt(desk: Desk) -> None:
    said = desk.call("desk", "train").expect(2)
    assert "no officer has decided" in said.err
    assert "flag list --undecided" in said.err
    assert not desk.notes("training")


def test_a_decision_stands_on_the_chain_and_a_later_one_counts(desk: Desk) -> None:
    flag_id = next(iter(desk.truth))
    wrong = "not_suspicious" if desk.truth[flag_id] else "suspicious"
    right = "suspicious" if desk.truth[flag_id] else "not_suspicious"
    desk.call("flag", "decide", flag_id[:12], wrong, "--reason", "first look").expect()
    assert {f["verdict"] for f in desk.json("flag", "list")} == {None, wrong}
    shown = (
        desk.call("flag", "decide", flag_id, right, "--reason", "asked the bank", "--officer", 2).expect().out
    )
    assert "asked the bank" in shown
    made = desk.json("flag", "show", flag_id)["decisions"]
    assert [(d["verdict"], d["reason"]) for d in made] == [(wrong, "first look"), (right, "asked the bank")]
    officers = [Account.from_key(key).address for key in desk.consortium.officers]
    assert [d["author"] for d in made] == officers[:2]
    assert "first look" in desk.call("flag", "show", flag_id).expect().out
    undecided = [f["flag_id"] for f in desk.json("flag", "list", "--undecided")]
    assert flag_id not in undecided
    assert len(undecided) == len(desk.truth) - 1


def test_the_chain_does_not_tell_what_was_decided(desk: Desk) -> None:
    entries = desk.entries(CaseKind.DECISION)
    assert len(entries) == 2
    assert len({len(entry.payload) for entry in entries}) == 1
    for entry in entries:
        assert entry.case_id.hex() in desk.truth
        assert b"suspicious" not in entry.payload


def test_the_desk_cannot_decide_and_nobody_decides_on_what_is_not_there(desk: Desk) -> None:
    entry = (CaseKind.DECISION, bytes(32), bytes(31) + b"\x01", b"")
    with pytest.raises(TransactionRejectedError):
        desk.consortium.gateway.transact(desk.consortium.desk_keys.account, "CaseLog", "append", [entry])
    flag_id, why = next(iter(desk.truth)), ("--reason", "seen")
    assert "no flag starts" in desk.call("flag", "decide", "00" * 32, "suspicious", *why).expect(2).err
    assert "Invalid value" in desk.call("flag", "decide", flag_id, "guilty", *why).expect(2).err
    for silent in ((), ("--reason", " ")):
        assert "reason" in desk.call("flag", "decide", flag_id, "suspicious", *silent).expect(2).err


def test_a_decision_that_cannot_be_read_holds_up_no_other(desk: Desk) -> None:
    officer = desk.consortium.officers[2]
    flag_id = next(iter(desk.truth))
    copied = desk.entries(CaseKind.DECISION)[0].payload  # another officer's words under an own name
    entry = (CaseKind.DECISION, bytes.fromhex(flag_id), bytes(31) + b"\x02", copied)
    desk.consortium.gateway.transact(officer, "CaseLog", "append", [entry])
    second = list(desk.truth)[1]
    verdict = "suspicious" if desk.truth[second] else "not_suspicious"
    said = desk.call("flag", "decide", second, verdict, "--reason", "seen")
    assert "is not a readable decision" in said.expect().err
    assert len(desk.json("flag", "show", flag_id)["decisions"]) == 2
    assert len(desk.json("flag", "show", second)["decisions"]) == 1


def test_too_few_decisions_say_how_many_are_missing_and_in_which_window(desk: Desk) -> None:
    for flag_id in list(desk.truth)[2:24]:
        _decide(desk, flag_id, desk.truth[flag_id])
    before = desk.json("desk", "scan")
    assert before["champion"] is None
    assert before["drift"] is None
    said = desk.call("desk", "train").expect(2)
    assert "too few" in said.err or "too short a time" in said.err
    assert "next:" in said.err
    for flag_id in list(desk.truth)[-9:]:
        _decide(desk, flag_id, desk.truth[flag_id])
    said = desk.call("desk", "train").expect(2)
    assert "calibration (" in said.err
    assert "needs 2 suspicious and 2 not suspicious, has 0 and 0" in said.err
    assert not desk.notes("training")


def test_a_challenger_that_wins_becomes_champion_and_the_chain_says_so(desk: Desk) -> None:
    for i, flag_id in enumerate(list(desk.truth)[24:-9]):
        _decide(desk, flag_id, desk.truth[flag_id], 1 + i % 3)
    outcome = desk.json("desk", "train")
    contest = outcome["contest"]
    assert contest["replaced"] is True
    assert contest["low"] > 0
    assert contest["challenger"] > 0.9 > contest["champion"]
    assert outcome["incumbent"] == "typology_scores"
    assert (desk.home / "desk" / "models" / f"{outcome['model']}.npz").is_file()
    (note,) = desk.notes("training")
    assert {name: value for name, value in note.items() if name not in ("format", "topic")} == outcome
    training = [e for e in desk.entries(CaseKind.NOTE) if json.loads(e.payload)["topic"] == "training"]
    assert [entry.case_id.hex() for entry in training] == [outcome["model"]]
    windows = outcome["windows"]
    week = 7 * 86_400
    assert windows["calibration"]["begin"] - windows["training"]["end"] > week
    assert windows["contest"]["begin"] - windows["calibration"]["end"] > week


def test_the_same_decisions_give_no_better_challenger(desk: Desk) -> None:
    champion = Shelf(desk.consortium.home.desk.models).entries()
    shown = desk.call("desk", "train").expect().out
    assert "is not significantly better" in shown
    assert Shelf(desk.consortium.home.desk.models).entries() == champion
    assert [note["contest"]["replaced"] for note in desk.notes("training")] == [True, False]


def test_a_scan_with_a_champion_scores_every_flag_and_adds_its_own(desk: Desk) -> None:
    scanned = desk.json("desk", "scan")
    (champion,) = Shelf(desk.consortium.home.desk.models).entries()
    assert scanned["champion"] == champion.hash
    assert scanned["flags"]["learned"] > 5
    flags = desk.json("flag", "list")
    learned = [flag for flag in flags if flag["source"]["id"] == "learned"]
    assert len(learned) == scanned["flags"]["learned"]
    found = {(row["member"], row["sequence"], row["index"]) for flag in learned for row in flag["rows"]}
    truth = {flag["flag_id"]: flag for flag in flags if flag["flag_id"] in desk.truth}
    for flag_id, suspicious in desk.truth.items():
        rows = {(r["member"], r["sequence"], r["index"]) for r in truth[flag_id]["rows"]}
        if not suspicious:
            assert not rows & found
    for flag in learned:
        assert flag["score"] >= flag["source"]["parameters"]["detector"]["threshold"] - 1e-4
        assert "among the highest 0.50%" in flag["explanation"]
        assert "most for: amount" in flag["explanation"]
        assert flag["details"]["contributions"]
        assert flag["source"]["parameters"]["score"]["model"] == champion.hash
    again = [
        flag for flag in flags if flag["flag_id"] not in desk.truth and flag["source"]["id"] != "learned"
    ]
    assert again
    for flag in again:  # raised before there was a champion: what stands on the chain does not change
        assert flag["score"] is None
        assert 0 <= flag["latest_score"] <= 1
    assert desk.json("desk", "scan")["new"] == 0
    assert len(desk.json("flag", "list")) == len(flags)


def test_costs_and_rarity_are_asked_for_and_the_same_payments_are_the_same_flag(desk: Desk) -> None:
    said = desk.call("desk", "scan", "--budget", 0.1, "--missed-cost", 9).expect(2)
    assert "cannot be given together" in said.err
    assert "must be a share" in desk.call("desk", "scan", "--budget", 3).expect(2).err
    before = {flag["flag_id"]: flag["latest_score"] for flag in desk.json("flag", "list")}
    scanned = desk.json("desk", "scan", "--missed-cost", 1, "--expected", 0.01)
    assert scanned["new"] == 0  # another threshold, the same payments
    assert scanned["flags"]["learned"] > 5
    after = {flag["flag_id"]: flag["latest_score"] for flag in desk.json("flag", "list")}
    told = [flag_id for flag_id, score in before.items() if score is not None]
    assert all(after[flag_id] <= before[flag_id] for flag_id in told)
    assert any(after[flag_id] < before[flag_id] for flag_id in told)
    desk.json("desk", "scan")
    assert {flag["flag_id"]: flag["latest_score"] for flag in desk.json("flag", "list")} == before


def test_a_learned_flag_is_recomputed_from_the_file_it_names(desk: Desk) -> None:
    flags = desk.json("flag", "list")
    by_source = {flag["source"]["id"]: flag for flag in flags if flag["flag_id"] not in desk.truth}
    assert "learned" in by_source
    assert len(by_source) > 1
    desk.call("desk", "sync").expect()  # decisions and flags made blocks: the position is mirrored again
    for flag in by_source.values():
        assert desk.json("flag", "replay", flag["flag_id"])["equal"] is True
    (champion,) = Shelf(desk.consortium.home.desk.models).entries()
    file = desk.home / "desk" / "models" / f"{champion.hash}.npz"
    whole = file.read_bytes()
    words = ("flag", "replay", by_source["learned"]["flag_id"])
    try:
        file.write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
        said = desk.call(*words).expect(1)
        assert "was altered and is not used" in said.err
        assert "was altered and is not used" in desk.call("desk", "scan").expect(1).err
        file.unlink()
        assert "model's file is missing" in desk.call(*words).expect(1).err
        # flags without a score need no model
        plain = [flag for flag in flags if flag["score"] is None and flag["flag_id"] not in desk.truth]
        for flag in plain[:1]:
            assert desk.json("flag", "replay", flag["flag_id"])["equal"] is True
    finally:
        file.write_bytes(whole)


def test_a_champion_that_was_never_announced_is_not_used(desk: Desk) -> None:
    shelf = Shelf(desk.consortium.home.desk.models)
    register = desk.home / "desk" / "models" / "register.json"
    before = register.read_bytes()
    loser = next(note["model"] for note in desk.notes("training") if not note["contest"]["replaced"])
    honest = shelf.load(loser)
    changed = type(honest)(
        honest.features, honest.stages, honest.calibration, honest.reference, {**honest.facts, "seed": 99}
    )
    try:
        shelf.crown(shelf.put(changed))
        assert "does not record that this model became champion" in desk.call("desk", "scan").expect(1).err
    finally:
        register.write_bytes(before)


def test_drift_is_noted_once_for_each_change_of_verdict(desk: Desk) -> None:
    champion = Shelf(desk.consortium.home.desk.models).entries()[-1].hash
    noted = len(desk.notes("drift"))
    later = desk.begin + timedelta(days=DAYS + 1)
    strange = [
        type(p)(p.moment, p.debtor, p.creditor, p.amount * 40)
        for p in payments(later, days=10, ordinary=600, seed=3)
    ]
    run_everything(desk.consortium, as_book(strange, first=50_000))
    scanned = desk.json("desk", "scan")
    assert scanned["drift"]["verdict"] == "changed"
    assert scanned["drift"]["noted"] is True
    shown = desk.call("desk", "scan").expect().out
    assert "since the last training (changed" in shown
    notes = desk.notes("drift")
    assert len(notes) == noted + 1
    assert notes[-1]["model"] == champion
    assert notes[-1]["drift"]["verdict"] == "changed"


def test_the_mirror_still_agrees_with_the_chain_and_decisions_are_read_again_from_it(desk: Desk) -> None:
    assert desk.json("fsck")["differences"] == []
    home = desk.consortium.home.desk
    fresh = desk.home / "fresh.sqlite"
    with DecisionBook(home.cases) as known, DecisionBook(fresh) as again:
        problems = again.sync(desk.consortium.gateway, desk.consortium.desk_keys.readers.values())
        assert len(problems) == 1  # the copied one
        assert again.verdicts() == known.verdicts()
        assert all(again.of(flag_id) == known.of(flag_id) for flag_id in known.verdicts())
    for entry in desk.entries(CaseKind.NOTE):
        assert canonical.loads(entry.payload)["format"] == "counterfoil/note/1"
