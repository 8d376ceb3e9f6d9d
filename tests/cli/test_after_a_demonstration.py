"""What an officer and an auditor can do with the folder of a demonstration whose processes have ended."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ledger.audit.trust import Trust
from ledger.log import VerifierKey, consortium_policy, generate_signing_key
from ledger.log.policy import Log
from tests.cli.conftest import ROOT, Demonstration, arguments, call, environment

NEEDS_CHAIN = (
    ("consortium", "status"),
    ("desk", "sync"),
    ("desk", "scan"),
    ("desk", "check"),
    ("fsck",),
    ("audit", "completeness"),
    ("member", "post", "-m", "ALFADE20"),
    ("member", "flags", "-m", "ALFADE20"),
    ("member", "disclose", "-m", "ALFADE20", "0:0", "-f", "amount", "--purpose", "7", "--recipient", "x"),
    ("member", "init", "NEWBXX22"),
    ("rules", "list"),
    ("keyholder", "serve"),
)


def _first(demonstration: Demonstration, kind: str) -> str:
    flags = call(demonstration.home, "--json", "flag", "list").expect().json
    return str(next(flag["flag_id"] for flag in flags if flag["source"]["kind"] == kind))


def test_the_summary_adds_up(demonstration: Demonstration) -> None:
    summary = demonstration.summary
    assert summary["rows_posted"] == summary["rows_read"] - summary["rows_quarantined"] > 3000
    assert summary["batches_rejected"] == 0
    assert sum(summary["states"].values()) == 3000
    assert summary["flags"] > 0
    assert summary["typologies"][-1]["recall"] > 0.5


def test_nothing_of_it_runs_any_more(demonstration: Demonstration) -> None:
    assert call(demonstration.home, "--json", "chain", "status").expect().json["running"] is False
    assert not (demonstration.home / "keyholders" / "1" / "holder" / "endpoint.json").exists()


@pytest.mark.parametrize("words", NEEDS_CHAIN, ids=" ".join)
def test_what_needs_the_chain_says_how_to_start_it(
    demonstration: Demonstration, words: tuple[str, ...]
) -> None:
    said = call(demonstration.home, *words).expect(2)
    assert said.out == ""
    assert "the embedded chain is not running" in said.err
    assert f"where: {demonstration.home / 'chain'}" in said.err
    assert f"counterfoil --home {demonstration.home} chain start" in said.err


def test_a_member_that_could_not_be_admitted_has_no_keys_in_the_way(demonstration: Demonstration) -> None:
    call(demonstration.home, "member", "init", "LATEXX22").expect(2)
    assert not (demonstration.home / "members" / "LATEXX22").exists()


def test_flags_are_listed_within_the_width(demonstration: Demonstration) -> None:
    flags = call(demonstration.home, "--json", "flag", "list").expect().json
    assert len(flags) == demonstration.summary["flags"] + demonstration.summary["findings"]
    listed = call(demonstration.home, "flag", "list", "--limit", 1000).expect().out
    assert max(map(len, listed.splitlines())) <= 80
    for flag in flags:
        assert flag["flag_id"][:12] in listed
    high = call(demonstration.home, "--json", "flag", "list", "--severity", "high").expect().json
    assert {flag["severity"] for flag in high} == {"high"}
    title = flags[0]["title"]
    same = call(demonstration.home, "--json", "flag", "list", "--title", title).expect().json
    assert {flag["title"] for flag in same} == {title}


def test_the_gravest_flags_come_first_and_the_list_ends_with_their_numbers(
    demonstration: Demonstration,
) -> None:
    flags = call(demonstration.home, "--json", "flag", "list").expect().json
    order = [("high", "medium", "low").index(flag["severity"]) for flag in flags]
    assert order == sorted(order)
    assert len(set(order)) > 1
    listed = call(demonstration.home, "flag", "list").expect().out
    title = flags[0]["title"]
    of_kind = [flag["severity"] for flag in flags if flag["title"] == title]
    counts = [str(of_kind.count(severity)) for severity in ("high", "medium", "low")]
    assert [title, *counts, str(len(of_kind))] in [line.split() for line in listed.splitlines()]


def test_a_draft_counts_payments_once_and_tells_amounts_in_their_currency(
    demonstration: Demonstration, tmp_path: Path
) -> None:
    home = demonstration.copy(tmp_path / "home")
    flags = call(home, "--json", "flag", "list").expect().json
    flag = next(
        f for f in flags if f["source"]["kind"] == "detector" and len(f["rows"]) > f["details"]["payments"]
    )
    call(home, "chain", "start", "--detach", "--port", 0).expect()
    try:
        draft = call(home, "flag", "report", flag["flag_id"]).expect().json
    finally:
        call(home, "chain", "stop").expect()
    payments, total = draft["transactions"], draft["total"]
    assert total["transfers"] == len(payments) == flag["details"]["payments"]
    in_main = [p for p in payments if p["currency"] == total["currency"]]
    assert sum(Decimal(p["amount"][0]) for p in in_main) == Decimal(total["low"])
    assert Decimal(total["low"]) * 100 == flag["details"]["sum_low"]
    assert {p["from_bank"] for p in payments} <= {i["identifier"] for i in draft["institutions"]} | {None}


@pytest.mark.parametrize("kind", ["detector", "rule"])
def test_a_flag_is_shown_with_its_payments_and_the_banks_names(
    demonstration: Demonstration, kind: str
) -> None:
    flag_id = _first(demonstration, kind)
    flag = call(demonstration.home, "--json", "flag", "show", flag_id).expect().json
    shown = call(demonstration.home, "flag", "show", flag_id[:10].upper()).expect().out
    assert flag_id in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert " ".join(flag["explanation"].split())[:40] in " ".join(shown.split())
    assert "Payments in evidence" in shown
    assert "bank 1" not in shown
    short = flag_id[:12]
    said = call(demonstration.home, "flag", "show", flag_id).expect().err
    assert f"flag decide {short} suspicious" in said
    assert (f"flag trace {short}" in said) == (kind == "rule")
    names = {path.stem for path in (demonstration.home / "banks" / "members").glob("*.csv")}
    assert any(name in shown for name in names)
    for entity in flag["entities"]:
        assert entity["pseudonym"] in shown


def test_a_flag_is_drawn_and_exported(demonstration: Demonstration, tmp_path: Path) -> None:
    flag_id = _first(demonstration, "detector")
    svg, graphml = tmp_path / "f.svg", tmp_path / "f.graphml"
    call(demonstration.home, "flag", "show", flag_id, "--svg", svg, "--graphml", graphml).expect()
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    assert ElementTree.parse(graphml).getroot().tag.endswith("graphml")


def test_a_flag_comes_out_again_and_an_altered_one_does_not(
    demonstration: Demonstration, tmp_path: Path
) -> None:
    flag_id = _first(demonstration, "detector")
    assert call(demonstration.home, "--json", "flag", "replay", flag_id).expect().json["equal"] is True
    home = demonstration.copy(tmp_path / "home")
    path = home / "desk" / "cases.sqlite"
    with sqlite3.connect(path) as cases:
        (document,) = cases.execute(
            "SELECT document FROM flag_document JOIN flag USING (number) WHERE flag_id = ?",
            (bytes.fromhex(flag_id),),
        ).fetchone()
        altered = json.loads(document)
        altered["details"]["strength"] = 99.0
        cases.execute(
            "UPDATE flag_document SET document = ? "
            "WHERE number = (SELECT number FROM flag WHERE flag_id = ?)",
            (json.dumps(altered, separators=(",", ":"), sort_keys=True).encode(), bytes.fromhex(flag_id)),
        )
    cases.close()
    said = call(home, "flag", "replay", flag_id).expect(1)
    assert said.err.startswith("does not verify")


@pytest.mark.parametrize("name", ["receipt", "disclosure"])
def test_proofs_verify_offline_and_a_changed_digit_does_not(
    demonstration: Demonstration, tmp_path: Path, name: str
) -> None:
    file = demonstration.home / "evidence" / f"{name}.json"
    proven = call(demonstration.home, "--json", "verify", file).expect().json
    assert proven["posted_by"].endswith("20")
    assert bool(proven["fields"]) == (name == "disclosure")
    shown = call(demonstration.home, "verify", file).expect().out
    assert proven["batch_hash"] in shown
    assert max(map(len, shown.splitlines())) <= 80
    paper = tmp_path / "paper.html"
    call(demonstration.home, "verify", file, "--report", paper).expect()
    assert proven["batch_hash"] in paper.read_text("utf-8")
    call(demonstration.home, "verify", file, "--report", tmp_path / "paper.doc").expect(2)
    forged = tmp_path / "forged.json"
    text = file.read_text("utf-8")
    place = text.index('"row"') + 12
    forged.write_text(text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :], "utf-8")
    said = call(demonstration.home, "verify", forged).expect(1)
    assert said.out == ""
    assert said.err.startswith("does not verify")


def test_the_signed_checkpoint_verifies_and_a_changed_one_does_not(
    demonstration: Demonstration, tmp_path: Path
) -> None:
    checkpoint = demonstration.home / "desk" / "public" / "verdicts" / "checkpoint"
    found = call(demonstration.home, "--json", "verify", checkpoint).expect().json
    assert found["log_size"] == demonstration.summary["batches"]
    assert found["origin"].endswith("/verdicts")
    forged = tmp_path / "checkpoint"
    lines = checkpoint.read_text("utf-8").split("\n")
    for place, line in ((1, str(int(lines[1]) + 1)), (0, lines[0].replace("counterfoil/", "counterfoil/1"))):
        forged.write_text("\n".join([*lines[:place], line, *lines[place + 1 :]]), "utf-8")
        said = call(demonstration.home, "verify", forged).expect(1)
        assert said.err.startswith("does not verify")
    forged.write_text("a,b\n1,2\n", "utf-8")
    said = call(demonstration.home, "verify", forged).expect(2)
    assert "neither a receipt" in said.err
    assert "next:" in said.err


def test_a_trust_file_of_another_consortium_proves_nothing(
    demonstration: Demonstration, tmp_path: Path
) -> None:
    pinned = Trust.load(demonstration.home / "trust.json")
    keys = [VerifierKey(key.name, key.type, generate_signing_key()[1]) for key in pinned.policy.log_keys]
    other = tmp_path / "trust.json"
    replace(pinned, policy=consortium_policy([Log(key) for key in keys])).save(other)
    receipt = demonstration.home / "evidence" / "receipt.json"
    said = call(demonstration.home, "verify", receipt, "--trust", other).expect(1)
    assert said.err.startswith("does not verify")
    nothing = call(demonstration.home, "verify", receipt, "--trust", tmp_path / "none.json").expect(2)
    assert "there is no trust file" in nothing.err


def test_a_damaged_mirror_is_named_not_shown(demonstration: Demonstration, tmp_path: Path) -> None:
    home = demonstration.copy(tmp_path / "home")
    transfers = next((home / "desk" / "mirror").glob("transfers-*.parquet"))
    data = bytearray(transfers.read_bytes())
    data[len(data) // 2] ^= 1
    transfers.write_bytes(data)
    said = call(home, "flag", "show", _first(demonstration, "detector")).expect(1)
    assert transfers.name in said.err


def test_vault_and_receipts_need_no_chain(demonstration: Demonstration, tmp_path: Path) -> None:
    status = call(demonstration.home, "--json", "member", "status", "-m", "alfade20").expect().json
    assert status["records"] > 0
    assert status["records_waiting"] == 0
    out = tmp_path / "r.json"
    written = call(demonstration.home, "member", "receipt", "-m", "ALFADE20", "0:3", "-o", out).expect()
    assert f"verify {out}" in written.err
    assert call(demonstration.home, "--json", "verify", out).expect().json["row"] == 3
    printed = call(demonstration.home, "member", "receipt", "-m", "ALFADE20", "0:3").expect()
    redirected = tmp_path / "redirected.json"
    redirected.write_text(printed.out, "utf-8")
    assert call(demonstration.home, "--json", "verify", redirected).expect().json["row"] == 3


def test_a_plain_file_is_scanned_without_a_ledger(demonstration: Demonstration, tmp_path: Path) -> None:
    file = next((demonstration.home / "banks" / "members").glob("*.csv"))
    flags = call(tmp_path / "nowhere", "--json", "scan", file).expect().json
    assert flags
    assert all(flag["position"]["log_size"] == 0 for flag in flags)
    assert all(len(flag["accounts"]) == len(flag["entities"]) for flag in flags)
    shown = call(tmp_path / "nowhere", "scan", file, "--rows", 300).expect().out
    assert "300 payments scanned" in shown
    everything = call(tmp_path / "nowhere", "scan", file).expect().out
    assert flags[0]["accounts"][0]["account"] in everything
    assert not (tmp_path / "nowhere").exists()


def test_a_reader_that_stops_reading_is_no_failure_of_a_check(demonstration: Demonstration) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        arguments(demonstration.home, "flag", "list"),
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=ROOT,
        timeout=240,
    )
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == ""


def test_a_folder_keeps_to_its_own_demonstration(demonstration: Demonstration) -> None:
    said = call(demonstration.home, "demo", "--once", "--transactions", 4000).expect(2)
    assert "another demonstration" in said.err
    assert "--home" in said.err


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (("flag", "list"), ("numpy", "pyarrow", "pandas", "web3", "numba", "networkx", "spacy")),
        (("flag", "show"), ("pandas", "web3", "numba", "networkx", "spacy")),
        (("verify",), ("numpy", "pyarrow", "pandas", "web3", "numba", "networkx", "spacy")),
    ],
)
def test_a_command_imports_only_what_it_runs(
    demonstration: Demonstration, words: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    files = demonstration.summary["files"]
    more = {"show": [files["flag"]], "verify": [files["receipt"]]}.get(words[-1], [])
    line = ["--home", str(demonstration.home), *words, *more]
    code = (
        "import sys\nfrom cli.main import app\n"
        f"try:\n    app({line!r})\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print('imported:', [name for name in {absent!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=240)
    assert "imported: []" in done.stdout, done.stdout + done.stderr
