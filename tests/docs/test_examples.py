"""The examples run as scripts from another folder, say what they found, and leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

#: What each example prints, among other things.
PRINTED = {
    "data_scientist.py": [
        "20,000 payments of 4 banks, 244 of them planted",
        "Flags by typology and severity",
        "structuring_across_banks",
        "Money returned to the account it left after 6 hops",
        "What the threshold of strength changes",
    ],
    "auditor.py": [
        "The members: ALFADEFF BRAVFRPP",
        "The desk matched: 12 payments",
        "amount:         1750.00",
        "the disclosure is not signed by the bank that posted the row",
        "the inclusion path leads to another root",
        "fsck: 2 batches, 24 rows, 0 differences",
        "ALFADEFF claims 1 about BRAVFRPP",
        "The chain is stopped and the folder is removed: True",
    ],
}


def run(script: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with `folder` as its working folder and as the place for temporary files."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    return subprocess.run(
        [sys.executable, script], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def left_behind(folder: Path) -> list[str]:
    """Name the files in a folder, and the processes of chains in it."""
    command = ["ps", "-eww", "-o", "args"]
    processes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [str(path) for path in folder.iterdir()] + [line for line in processes if str(folder) in line]


def test_every_example_is_here() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted(PRINTED)


@pytest.mark.parametrize("name", sorted(PRINTED))
def test_an_example_runs_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    done = run(EXAMPLES / name, tmp_path)
    assert done.returncode == 0, done.stderr
    for text in PRINTED[name]:
        assert text in done.stdout
    assert left_behind(tmp_path) == []


def test_an_example_that_fails_stops_its_chain(tmp_path: Path) -> None:
    before, found, _ = (EXAMPLES / "auditor.py").read_text("utf-8").partition("operator.found(")
    assert found
    script, folder = tmp_path / "fails.py", tmp_path / "temporary"
    folder.mkdir()
    script.write_text(f"{before}print(operator.chain_status()['running'])\nraise SystemExit(3)\n", "utf-8")
    done = run(script, folder)
    assert (done.returncode, done.stdout) == (3, "True\n"), done.stderr
    assert left_behind(folder) == []
