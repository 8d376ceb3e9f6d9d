"""A desk makes the bundle of a flag; an auditor verifies it on another machine, with the base install."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from counterfoil import Desk, caseload, verify
from counterfoil.officer import Officer
from ledger.audit.bundle import VerifiedBundle
from ledger.errors import InputError
from ledger.flag import Entity, Flag, FlagSource, Position, RowRef
from ledger.schema import MatchState
from ledger.segment import Manifest, load
from tests.cli.conftest import Outcome, call
from tests.support.consortium import ChainProcess, SmallConsortium, founded, run_everything
from tests.support.rows import book

#: Modules that only other extras have.
_HEAVY = ("numpy", "pandas", "pyarrow", "duckdb", "web3", "fastapi", "networkx", "spacy")


def _flag(rows: list[RowRef], title: str = "structuring") -> Flag:
    return Flag(
        source=FlagSource("detector", "structuring", "1"),
        title=title,
        position=Position(1, "0x" + "0" * 40, 1, 1),
        entities=(Entity("ab" * 16, 1),),
        rows=tuple(rows),
        window=(0, 1),
        score=None,
        certainty="possible",
        severity="high",
        explanation="Two payments.",
    )


@pytest.fixture(scope="module")
def flagged(chain: ChainProcess, tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallConsortium, str]:
    """A consortium with one flag about the debit halves of two matched payments, anchored and decided."""
    made = founded(chain, tmp_path_factory.mktemp("flagged"))
    run_everything(made, book(datetime.now(UTC)))
    mirror = made.home.desk.mirror
    entry = Manifest.read(mirror).transfers
    assert entry is not None
    rows = [
        RowRef(row["debit_member"], row["debit_sequence"], row["debit_index"])
        for row in load(mirror, entry).to_pylist()
        if row["state"] == MatchState.MATCHED
    ]
    caseload.keep_and_anchor(made.home, made.gateway, [_flag(rows[:2]), _flag(rows[2:3], title="layering")])
    (flag_id,) = [
        summary.flag_id.hex()
        for summary in Desk(made.home, chain=made.url).flag_page().flags
        if summary.title == "structuring"
    ]
    Officer(made.home, chain=made.url).decide(flag_id, "suspicious", reason="It repeats.")
    Desk(made.home, chain=made.url).sync()
    return made, flag_id


@pytest.fixture(scope="module")
def written(flagged: tuple[SmallConsortium, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle and the trust file: what an auditor gets."""
    made, flag_id = flagged
    folder = tmp_path_factory.mktemp("auditor")
    (folder / "bundle.json").write_bytes(Desk(made.home, chain=made.url).bundle(flag_id).to_bytes())
    shutil.copy(made.home.trust, folder / "trust.json")
    return folder


def test_the_bundle_of_a_flag_verifies_and_has_both_halves(written: Path) -> None:
    found = verify(written / "bundle.json", written / "trust.json")
    assert isinstance(found, VerifiedBundle)
    assert [row.evidence for row in found.rows] == [True, True, False, False]
    assert all(row.proven is not None for row in found.rows)
    assert [payment.confirmed for payment in found.payments] == [True, True]
    assert [held.decision.verdict for held in found.decisions] == ["suspicious"]
    assert not [said for said in found.not_proven if "no receipt" in said]


def test_a_disclosure_of_a_bank_is_added(flagged: tuple[SmallConsortium, str], tmp_path: Path) -> None:
    made, flag_id = flagged
    desk = Desk(made.home, chain=made.url)
    ref = desk.flag(flag_id).flag.rows[0]
    bank = made.banks[ref.member - 1]
    disclosed = made.disclosure(bank, ("amount", "currency", "debtor_account"), index=ref.index)
    (tmp_path / "one.json").write_bytes(disclosed.to_bytes())
    bundle = desk.bundle(flag_id, disclosures=[tmp_path / "one.json"])
    found = verify(bundle.to_bytes(), made.trust)
    assert isinstance(found, VerifiedBundle)
    (opened,) = found.rows[0].disclosures
    bases = {field.name: field.basis.value for field in opened.fields}
    assert bases == {"amount": "interval", "currency": "row", "debtor_account": "row"}


def test_disclosures_for_two_recipients_are_refused_before_a_bundle_is_made(
    flagged: tuple[SmallConsortium, str], tmp_path: Path
) -> None:
    from dataclasses import replace

    made, flag_id = flagged
    disclosed = made.disclosure(made.banks[0])
    (tmp_path / "one.json").write_bytes(disclosed.to_bytes())
    (tmp_path / "two.json").write_bytes(replace(disclosed, recipient="somebody else").to_bytes())
    desk = Desk(made.home, chain=made.url)
    with pytest.raises(InputError, match="different recipients"):
        desk.bundle(flag_id, disclosures=[tmp_path / "one.json", tmp_path / "two.json"])
    with pytest.raises(InputError, match="no such file"):
        desk.bundle(flag_id, disclosures=[tmp_path / "three.json"])


def test_the_command_verifies_it_without_any_extra_and_writes_the_working_paper(written: Path) -> None:
    """The auditor's process has no module of another extra."""
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in _HEAVY)
    code = f"import sys\n{blocked}from cli.main import main\nmain()\n"
    for suffix in ("html", "csv"):
        words = ["--home", written / "empty", "--json", "verify", written / "bundle.json"]
        words += ["--trust", written / "trust.json", "--report", written / f"paper.{suffix}"]
        done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["rows_proven"] == found["rows"] == 4
        assert found["payments_confirmed"] == 2
    assert "suspicious: It repeats." in (written / "paper.html").read_text()
    assert "confirmed by" in (written / "paper.csv").read_text()


def test_a_forged_bundle_fails_and_its_working_paper_names_the_exception(written: Path) -> None:
    data = (written / "bundle.json").read_text()
    forged = written / "forged.json"
    forged.write_text(data.replace('"block":', '"block":1', 1))
    code = "from cli.main import main\nmain()\n"
    words = ["--home", written / "empty", "verify", forged, "--trust", written / "trust.json"]
    words += ["--report", written / "forged.html"]
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 1, done.stdout
    assert "does not verify" in done.stderr
    assert "does not verify" in (written / "forged.html").read_text()


def test_the_commands_of_desk_and_auditor(flagged: tuple[SmallConsortium, str], tmp_path: Path) -> None:
    made, flag_id = flagged

    def run(home: Path, *words: object) -> Outcome:
        return call(home, "--chain", made.url, "--json", *words)

    out = tmp_path / "bundle.json"
    assert run(made.home.root, "bundle", flag_id[:8], "-o", out).expect().json == {
        "file": str(out), "flag_id": flag_id, "receipts": 4, "disclosures": 0, "decisions": 1,
    }  # fmt: skip
    shutil.copy(made.home.trust, tmp_path / "trust.json")
    pinned = ("--trust", tmp_path / "trust.json")
    for published in ((), ("--published", made.home.desk.public)):
        checked = run(tmp_path / "empty", "fsck", "--chain-only", *pinned, *published).expect().json
        assert checked["differences"] == []
        assert (checked["ledger_size"] is None) == (not published)
    assert checked["flags"] == 2
    run(made.home.root, "fsck").expect()
    found = run(made.home.root, "audit", "completeness").json
    assert {line["agent"] for line in found["members"]} == set(made.banks)
    assert all("missing" not in line for line in found["members"])
    assert found["claims"]
    run(tmp_path / "empty", "fsck", "--chain-only", "--reader-keys", out, *pinned).expect(2)


def test_the_api_verifies_the_same_bundle(written: Path) -> None:
    from api.routes.verification import _proof
    from ledger.audit.trust import Trust

    proof = _proof((written / "bundle.json").read_bytes(), Trust.load(written / "trust.json"))
    assert proof.kind == "bundle"
    assert {check.result for check in proof.checks} == {"proven"}
    assert any("decision" in said for said in proof.not_proven)
