"""Decisions over HTTP: reviewers read what officers decided, members never do, and nobody decides here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from counterfoil.caseload import read_decisions
from counterfoil.officer import append_decision
from ledger.caselog import addressees
from tests.api.conftest import ServedDesk, raise_flags, served_desk
from tests.support.consortium import ChainProcess, founded, run_everything
from tests.support.rows import BANKS, book


@pytest.fixture(scope="module")
def decided(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    """A desk whose first flag an officer decided on twice."""
    from datetime import UTC, datetime

    made = founded(chain, tmp_path_factory.mktemp("decided"))
    run_everything(made, book(datetime.now(UTC)))
    raise_flags(made)
    with served_desk(made) as desk:
        first = desk.flags()[0].flag_id
        for verdict, reason in (("suspicious", "at first sight"), ("not_suspicious", "a family")):
            append_decision(made.gateway, made.officers[0], first, verdict, reason)
        read_decisions(made.home, made.gateway)
        yield desk


@pytest.mark.parametrize("role", ["officer", "auditor", "operator"])
def test_reviewers_read_every_decision_and_the_one_in_force(decided: ServedDesk, role: str) -> None:
    first, second = (kept.flag_id.hex() for kept in decided.flags()[:2])
    made = decided.get(f"/v1/flags/{first}", role)["decisions"]
    assert [(d["verdict"], d["reason"]) for d in made] == [
        ("suspicious", "at first sight"),
        ("not_suspicious", "a family"),
    ]
    assert decided.get(f"/v1/flags/{second}", role)["decisions"] == []
    verdicts = {item["flag_id"]: item["verdict"] for item in decided.get("/v1/flags", role)["items"]}
    assert verdicts[first] == "not_suspicious"
    assert verdicts[second] is None
    undecided = [item["flag_id"] for item in decided.get("/v1/flags", role, undecided=True)["items"]]
    assert first not in undecided
    assert len(undecided) == len(verdicts) - 1


def test_members_learn_nothing_of_decisions(decided: ServedDesk) -> None:
    first = decided.flags()[0]
    bank = BANKS[addressees(first.flag)[0] - 1]
    answer = decided.call(f"/v1/flags/{first.flag_id.hex()}", bank)
    assert answer.json()["decisions"] is None
    assert "family" not in answer.text
    listed = decided.get("/v1/flags", bank)["items"]
    assert {item["verdict"] for item in listed} == {None}
    assert decided.get("/v1/flags", bank, undecided=True)["items"] == listed


def test_nobody_decides_without_an_officers_key(decided: ServedDesk) -> None:
    path = f"/v1/flags/{decided.flags()[0].flag_id.hex()}"
    answer = decided.call(path, "officer", method="POST", json={"verdict": "suspicious"})
    assert answer.status_code == 405
