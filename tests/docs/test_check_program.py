"""docs/check.py: it runs as the page says, on files of a real consortium, and without any code of ours."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ledger import canonical
from ledger.schema import FIELDS
from tests.support.attacks import merge
from tests.support.checker import PROGRAM
from tests.support.consortium import SmallConsortium

BANK = "ALFADEFF"
PAGE = PROGRAM.parent / "formats.md"
#: Packages of others that the page names.
OTHERS = {"cryptography", "coincurve", "Crypto", "rbcl", "iso4217", "iso3166"}


@pytest.fixture(scope="module")
def files(consortium: SmallConsortium, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("by hand")
    (folder / "disclosure.json").write_bytes(consortium.disclosure(BANK, FIELDS, 1).to_bytes())
    (folder / "receipt.json").write_bytes(consortium.receipt(BANK).to_bytes())
    (folder / "trust.json").write_bytes(consortium.home.trust.read_bytes())
    return folder


def run(folder: Path, proof: str, trust: str = "trust.json") -> subprocess.CompletedProcess[str]:
    """Run the program where nothing of this project can be imported."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-P", str(PROGRAM), proof, trust]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_it_imports_packages_of_others_only() -> None:
    imported = set()
    for node in ast.walk(ast.parse(PROGRAM.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported - set(sys.stdlib_module_names) == OTHERS


def test_the_page_says_how_to_run_it_and_what_it_needs() -> None:
    page = PAGE.read_text("utf-8")
    assert "`python check.py disclosure.json trust.json`" in page
    for package in OTHERS - {"Crypto"}:
        assert f"`{package}`" in page


def test_it_proves_a_disclosure(consortium: SmallConsortium, files: Path) -> None:
    done = run(files, "disclosure.json")
    assert done.returncode == 0, done.stderr
    assert f"agent: {BANK}" in done.stdout
    assert "recipient: The supervisor" in done.stdout
    values = dict(zip(FIELDS, consortium.record(BANK, 1).values, strict=True))
    bases = {"transaction_id": "record", "purpose": "record", "amount": "interval", "timestamp": "interval"}
    for name, value in values.items():
        assert f"{name} = {value!r}  basis: {bases.get(name, 'row')}\n" in done.stdout


def test_it_proves_a_receipt(files: Path) -> None:
    done = run(files, "receipt.json")
    assert done.returncode == 0, done.stderr
    assert f"agent: {BANK}" in done.stdout
    assert "basis" not in done.stdout


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("fields", 11, "value"), "9.99"), (("purpose",), "another"), (("recipient",), "another"),
        (("receipt", "row"), "02" * 144), (("receipt", "header", "version"), True), (("receipt", "block"), 1),
        (("evaluations",), []), (("signature",), "00" * 65), (("receipt", "ledger_proof"), "x\n\nx\n"),
    ],
)  # fmt: skip
def test_it_refuses_a_change(files: Path, path: tuple[str | int, ...], new: object) -> None:
    value = canonical.loads((files / "disclosure.json").read_bytes())
    (files / "changed.json").write_bytes(canonical.dumps(merge(value, path, new)))
    done = run(files, "changed.json")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("NOT PROVEN: ")
    assert "Traceback" not in done.stderr


def test_it_refuses_a_trust_file_that_a_bank_did_not_sign(files: Path) -> None:
    value = canonical.loads((files / "trust.json").read_bytes())
    changed = merge(value, ("members", 0, "agent"), "DELTGB2L")
    (files / "changed-trust.json").write_bytes(canonical.dumps(changed))
    done = run(files, "receipt.json", "changed-trust.json")
    assert done.returncode == 1
    assert "did not sign its own entry" in done.stderr
