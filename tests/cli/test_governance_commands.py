"""`counterfoil consortium` between parties of their own: each has a state folder with its own keys only.

The founder's machine runs the chain. Two banks and a key holder have the deployment file and the chain's URL.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3

from tests.cli.conftest import ALFA, BRAV, Outcome, Serving, call, wait_until

#: Seconds that a change waits; long enough that nobody executes it in the same command.
DELAY = 3


@dataclass(frozen=True)
class Parties:
    """State folders of the founder, of the banks by their identifiers, and of the key holder."""

    root: Path
    url: str

    def call(self, party: str, *words: object) -> Outcome:
        return call(self.root / party, "--chain", self.url, *words)

    def json(self, party: str, *words: object) -> Any:
        return self.call(party, "--json", *words).expect().json

    def join(self, party: str) -> None:
        """Give a party the deployment file, as the founder sends it."""
        (self.root / party).mkdir()
        shutil.copy(self.root / "founder" / "deployment.json", self.root / party)

    def request(self, bank: str) -> Path:
        """Let a bank make its keys; return its request for admission."""
        self.join(bank)
        said = self.call(bank, "member", "init", bank).expect()
        path = self.root / bank / "members" / bank / "admission.json"
        assert path.name in said.err
        return path


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parties]:
    """A consortium that its founder prepared with commands, and that its banks confirmed."""
    root = tmp_path_factory.mktemp("parties")
    founder = root / "founder"
    url = call(founder, "--json", "chain", "start", "--detach", "--port", 0).expect().json["url"]
    made = Parties(root, url)
    try:
        prepared = made.json("founder", "consortium", "found", "--delay", DELAY)
        assert prepared["founded"] is False
        empty = made.json("founder", "consortium", "status")
        assert (empty["founded"], empty["members"], empty["key_holders"]) == (False, [], {})
        assert empty["epoch"] is empty["policy"] is empty["time_unit"] is None
        made.json("founder", "consortium", "admit", *map(made.request, (ALFA, BRAV)), "--yes")
        made.join("holder")
        holder = made.json("holder", "keyholder", "init")
        named = f"{holder['account']}:{holder['encryption_key']}"
        made.json("founder", "consortium", "epoch", 1, "--holder", named, "--yes")
        with Serving(root / "holder", "--chain", url, "keyholder", "serve"):
            opening = ("consortium", "epoch", 1, "--starts", "2026-01-01", "--yes")
            wait_until(lambda: made.call("founder", *opening).code == 0)
            confirmed = made.json(ALFA, "consortium", "confirm", "--yes")
            assert (confirmed["founded"], confirmed["confirmed"]) == (False, [1])
            assert made.json(BRAV, "consortium", "confirm", "--yes")["founded"] is True
            yield made
    finally:
        call(founder, "chain", "stop").expect()


def _executed(parties: Parties, bank: str, number: int) -> dict[str, Any]:
    """Let a bank execute a proposal as soon as its delay is over."""
    wait_until(lambda: parties.call(bank, "consortium", "execute", number).code == 0)
    (found,) = [p for p in parties.json(bank, "consortium", "proposals", "--all") if p["number"] == number]
    assert found["status"] == "executed"
    return dict(found)


def test_the_founder_decides_nothing_any_more(parties: Parties) -> None:
    said = parties.call("founder", "consortium", "suspend", ALFA, "--yes").expect(2)
    assert "no member's keys are in this state folder" in said.err
    assert "next:" in said.err


def test_a_change_needs_the_other_bank_and_the_delay(parties: Parties) -> None:
    words = ("consortium", "limits", "--evaluations", 5, "--case-entries", 6, "--case-bytes", 700)
    rehearsed = parties.call(ALFA, *words, "--dry-run").expect()
    assert "Nothing was sent" in rehearsed.err
    assert parties.json(ALFA, "consortium", "proposals", "--all") == []
    proposed = parties.json(ALFA, *words, "--yes")
    number = proposed["proposal"]
    assert (proposed["done"], proposed["approvals"], proposed["needed"]) == (False, 1, 2)
    early = parties.call(BRAV, "consortium", "execute", number).expect(2)
    assert "next:" in early.err
    shown = parties.call(BRAV, "consortium", "proposals").expect().out
    assert "setLimits" in shown
    assert max(map(len, shown.splitlines())) <= 80
    approved = parties.json(BRAV, "consortium", "approve", number, "--yes")
    assert approved["status"] == "passed"
    _executed(parties, BRAV, number)
    limits = parties.json(ALFA, "consortium", "status")["limits"]
    assert limits == {"evaluations": 5, "case_entries": 6, "case_bytes": 700}


def test_an_approval_is_taken_back_and_a_proposal_is_cancelled_by_its_author(parties: Parties) -> None:
    number = parties.json(ALFA, "consortium", "suspend", BRAV, "--yes")["proposal"]
    back = parties.json(ALFA, "consortium", "approve", number, "--withdraw")
    assert back["approvals"] == []
    other = parties.call(BRAV, "consortium", "cancel", number).expect(2)
    assert "next:" in other.err
    assert parties.json(ALFA, "consortium", "cancel", number)["status"] == "cancelled"
    assert parties.json(ALFA, "consortium", "proposals") == []


def test_an_officer_is_appointed_on_the_machine_of_the_chain_and_can_pay_its_fees(parties: Parties) -> None:
    """A bank whose state folder has the embedded chain proposes: the account gets ether for fees."""
    account = "0x" + "ab" * 20
    call_of_role = ("consortium", "role", "officer", account, "--member", ALFA)
    assert "Nothing was sent" in parties.call(ALFA, *call_of_role, "--dry-run").expect().err
    missing = parties.call(ALFA, *call_of_role[:4], "--yes").expect(2)
    assert "--member" in missing.err
    (parties.root / ALFA / "chain").symlink_to(parties.root / "founder" / "chain")
    number = parties.json(ALFA, *call_of_role, "--yes")["proposal"]
    parties.call(BRAV, "consortium", "approve", number, "--yes").expect()
    _executed(parties, ALFA, number)
    officers = parties.json(ALFA, "consortium", "status")["officers"]
    assert [(o["account"].lower(), o["member"]) for o in officers] == [(account, ALFA)]
    web3 = Web3(Web3.HTTPProvider(parties.url))
    assert web3.eth.get_balance(Web3.to_checksum_address(account)) > 0


def test_a_bank_that_comes_later_is_admitted_by_both(parties: Parties) -> None:
    request = parties.request("CHARUS33")
    number = parties.json(BRAV, "consortium", "admit", request, "--yes")["proposal"]
    parties.call(ALFA, "consortium", "approve", number, "--yes").expect()
    _executed(parties, ALFA, number)
    members = parties.json("CHARUS33", "consortium", "status")["members"]
    assert {m["agent"]: m["status"] for m in members} == dict.fromkeys((ALFA, BRAV, "CHARUS33"), "active")


def test_a_bank_whose_key_was_stolen_suspends_itself_at_once(parties: Parties) -> None:
    told = parties.call(BRAV, "consortium", "suspend", BRAV, "--yes").expect()
    assert "is suspended" in told.err
    members = parties.json(ALFA, "consortium", "status")["members"]
    assert {m["agent"]: m["status"] for m in members}[BRAV] == "suspended"
    refused = parties.call(BRAV, "consortium", "pause", "--yes").expect(2)
    assert "suspended" in refused.err
