"""`counterfoil consortium witnesses` and `counterfoil member witness` as the operator and a bank run them."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from counterfoil.witness import MemberWitness
from ledger.home import Home
from ledger.log import Checkpoint, Note, Policy, sign_checkpoint
from ledger.log.submission import Submission
from ledger.reader.keys import DeskKeys
from ledger.witness import RefusedError
from tests.cli.conftest import ROOT, arguments, call, environment
from tests.support.consortium import ChainProcess, SmallConsortium, founded
from tests.support.witnesses import bank_witness


@pytest.fixture(scope="module")
def made(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> SmallConsortium:
    return founded(chain, tmp_path_factory.mktemp("witness-commands"))


@contextmanager
def running(party: MemberWitness, url: str) -> Iterator[str]:
    """Run the witness of a bank as a process, and stop it as Ctrl-C does."""
    words = ("--chain", url, "member", "witness", party.agent)
    process = subprocess.Popen(
        arguments(party.home.root, *words), env=environment(), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 120
        while (address := party.url()) is None:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert party.url() is None


def test_a_bank_serves_its_witness_and_the_desk_collects_its_cosignature(
    made: SmallConsortium, tmp_path: Path
) -> None:
    alfa = made.banks[0]
    party = bank_witness(made, alfa, tmp_path / "bank")
    chain, home = ("--chain", made.url), made.home.root
    with running(party, made.url) as address:
        again = call(party.home.root, *chain, "member", "witness", alfa).expect(2)
        assert "already running" in again.err
        named = ("consortium", "witnesses", "--add", f"{alfa}={address}", "--quorum", 1)
        value = call(home, "--json", *chain, *named).expect().json
        assert value == {
            "quorum": 1,
            "witnesses": [{"agent": alfa, "key": party.witness().key.text, "url": address}],
        }
        report = call(home, "--json", *chain, "desk", "sync").expect().json
        assert [log["cosigned_by"] for log in report["logs"]] == [[alfa], [alfa]]
        shown = call(home, *chain, "desk", "sync").expect().out
        assert shown.count("cosigned by 1 of 1") == 2
        state = call(party.home.root, "--json", "member", "witness", alfa, "--status").expect().json
        assert state["url"] == address
    trust = json.loads((home / "trust.json").read_text())
    policy = Policy.parse(trust["policy"])
    assert policy.witnesses[alfa].key.text == value["witnesses"][0]["key"]
    assert policy.witnesses[alfa].url is None, "a verifier needs no address"
    assert [log["size"] for log in state["logs"]] == [report["logs"][0]["size"], 0]
    checked = call(party.home.root, *chain, "--json", "member", "witness", alfa, "--once").expect().json
    assert checked["evidence"] == []
    assert not [path for path in party.home.root.rglob("*") if path.stat().st_mode & 0o077]
    told = call(home, *chain, "desk", "sync").expect().out
    assert "1 of 1" in told, "its cosignature of an unchanged log is kept"


def test_a_witness_that_is_down_is_named_by_the_sync(made: SmallConsortium) -> None:
    chain, home, beta = ("--chain", made.url), made.home.root, made.banks[1]
    call(
        home, *chain, "consortium", "witnesses", "--add", f"{beta}=http://127.0.0.1:9", "--quorum", 2
    ).expect()
    told = " ".join(call(home, *chain, "desk", "sync").expect().out.split())
    assert f"{beta} did not cosign the ledger log: it does not answer" in told
    assert "is not served: the checkpoint is not cosigned by the quorum" in told
    call(home, *chain, "consortium", "witnesses", "--quorum", 0).expect()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--add", "NOBODYXX=http://w.example"), "is not a member"),
        (("--add", "ALFADEFF"), "AGENT=URL"),
        (("--add", "ALFADEFF=ftp://w.example"), "AGENT=URL"),
        (("--add", "ALFADEFF=http://w.example /x"), "AGENT=URL"),
        (("--quorum", "9"), "not possible"),
    ],
)
def test_mistakes_of_the_operator(made: SmallConsortium, words: tuple[str, ...], said: str) -> None:
    before = made.home.policy.read_bytes()
    failed = call(made.home.root, "--chain", made.url, "consortium", "witnesses", *words).expect(2)
    assert said in " ".join(failed.err.replace("│", " ").split())
    assert made.home.policy.read_bytes() == before


def test_two_histories_are_shown_loudly(made: SmallConsortium, tmp_path: Path) -> None:
    """The desk signs another ledger log than the chain gives, for one bank only."""
    alfa, beta = made.banks[:2]
    parties = [bank_witness(made, bank, tmp_path / bank) for bank in (alfa, beta)]
    made.sync()
    note = (made.home.desk.public / "ledger" / "checkpoint").read_text()
    true = Note.parse(note)
    size, origin = int(true.body.split("\n")[1]), made.gateway.deployment.ledger_origin
    keys = DeskKeys.load(made.home.desk.keys)
    false = Note.parse(sign_checkpoint(Checkpoint(origin, size, b"\x13" * 32), origin, keys.ledger))
    said: list[str] = []
    parties[0].witness().add_checkpoint(Submission(0, (), true).to_bytes())
    with pytest.raises(RefusedError) as caught:
        parties[1].witness(warn=said.append).add_checkpoint(Submission(0, (), false).to_bytes())
    assert caught.value.status == 422
    assert "the chain gives another root" in said[0]
    call(parties[0].home.root, "member", "witness", alfa, "--status").expect()
    loud = call(parties[1].home.root, "member", "witness", beta, "--status").expect(1)
    assert "CONTRADICTION" in loud.out
    assert "contradicts what this witness knows" in loud.err
    state = call(parties[1].home.root, "--json", "member", "witness", beta, "--status").expect(1).json
    (case,) = state["evidence"]
    assert (Path(case["folder"]) / "shown.note").read_text() == false.text


@pytest.mark.parametrize("missing", ["deployment.json", "policy", "keys"])
def test_what_a_witness_needs_is_named(made: SmallConsortium, tmp_path: Path, missing: str) -> None:
    bank = made.banks[0]
    party = bank_witness(made, bank, tmp_path)
    place = Home(tmp_path).member(bank).keys if missing == "keys" else tmp_path / missing
    place.unlink()
    failed = call(party.home.root, "--chain", made.url, "member", "witness", bank).expect(2)
    assert place.name in failed.err.replace("\n", "")
