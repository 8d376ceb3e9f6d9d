"""Files: the same bytes from the same seed in any process, and the labels nowhere but in the truth tables."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from anomaly.simulation import Simulation, member_rows, slips, write
from ledger.errors import InputError
from ledger.schema import FIELDS

ROOT = Path(__file__).resolve().parents[3]


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_byte_identical_whatever_the_process(tmp_path: Path) -> None:
    arguments = ["--transactions", "3000", "--banks", "3", "--accounts", "300", "--days", "21", "--seed", "9"]
    seen = []
    for name, extra in (
        ("one", {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}),
        ("two", {"PYTHONHASHSEED": "2", "TZ": "America/Lima", "LC_ALL": "C"}),
    ):
        subprocess.run(
            [sys.executable, "-m", "anomaly.simulation", str(tmp_path / name), *arguments],
            cwd=ROOT,
            env={**os.environ, **extra},
            check=True,
            capture_output=True,
        )
        seen.append(_digests(tmp_path / name))
    assert seen[0] == seen[1]
    assert len(seen[0]) == 3 + 4


def test_files_say_what_the_tables_say(one_simulation: Simulation, tmp_path: Path) -> None:
    summary = write(one_simulation, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "consortium.json").read_text()) == summary
    rows = member_rows(one_simulation)
    assert {member["agent_id"]: member["rows"] for member in summary["members"]} == {
        bic: len(part) for bic, part in rows.items()
    }
    for bic, part in rows.items():
        text = (tmp_path / "out" / "members" / f"{bic}.csv").read_bytes()
        assert b"\r" not in text
        records = list(csv.reader(text.decode().splitlines()))
        assert tuple(records[0]) == FIELDS
        assert len(records) == len(part) + 1
        assert [record[0] for record in records[1:]] == list(part["uetr"])
        assert {record[FIELDS.index("cash_in")] for record in records[1:]} <= {"true", "false"}
    for name, table in (
        ("truth", one_simulation.truth),
        ("look_alikes", one_simulation.look_alikes),
        ("matching_truth", slips(one_simulation)),
    ):
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "out" / f"{name}.parquet"), table, check_dtype=False
        )
    planted = summary["planted"]
    assert sum(entry["transactions"] for entry in planted.values()) == len(one_simulation.truth)
    assert sum(summary["matching"].values()) == summary["transactions"] == 10_000


def test_member_files_hold_no_label(one_simulation: Simulation, tmp_path: Path) -> None:
    write(one_simulation, tmp_path / "out")
    words = {*one_simulation.truth["typology"], *one_simulation.look_alikes["typology"], "planted"}
    for path in sorted((tmp_path / "out" / "members").iterdir()):
        text = path.read_text()
        assert not [word for word in sorted(words) if word in text]


def test_a_folder_in_use_is_refused(one_simulation: Simulation, tmp_path: Path) -> None:
    (tmp_path / "something").write_text("else")
    with pytest.raises(InputError, match="not empty"):
        write(one_simulation, tmp_path)


def test_command_line_names_the_next_step(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "anomaly.simulation", str(tmp_path / "out"), "--transactions", "5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Request" in done.stderr
