"""A consortium set up by commands alone: a bank posts and proves, the desk reads, an auditor compares."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from counterfoil.connection import connect
from counterfoil.council import decide
from ledger.home import Home
from ledger.member.keys import MemberKeys
from tests.cli.conftest import ALFA, BRAV, ROOT, Demonstration, Serving, Town, call
from tests.support.rows import row, write_csv


@pytest.fixture(scope="module")
def posted(town: Town) -> Town:
    """The town, after both banks posted and the desk read."""
    for bank, file in town.files.items():
        report = call(town.home, "--json", "member", "post", "-m", bank, file).expect().json
        assert report["intake"]["accepted"] == report["sealed_rows"] == 12
        assert report["intake"]["quarantined"] == 0
    synced = call(town.home, "--json", "desk", "sync").expect().json
    assert synced["states"]["matched"] == 12
    return town


def test_the_chain_says_where_it_answers(town: Town) -> None:
    state = call(town.home, "--json", "chain", "status").expect().json
    assert state["running"] is True
    assert state["url"] == town.url
    shown = call(town.home, "chain", "status").expect().out
    assert str(state["pid"]) in shown
    assert str(state["chain_id"]) in shown
    again = call(town.home, "chain", "start", "--detach").expect()
    assert "already running" in again.err


def test_a_consortium_is_founded_once(posted: Town) -> None:
    before = call(posted.home, "--json", "consortium", "status").expect().json
    call(posted.home, "consortium", "found", ALFA, BRAV).expect()
    after = call(posted.home, "--json", "consortium", "status").expect().json
    assert after == before
    assert [member["agent"] for member in before["members"][:2]] == [ALFA, BRAV]
    assert before["time_unit"] == "hour"
    shown = call(posted.home, "consortium", "status").expect().out
    assert max(map(len, shown.splitlines())) <= 80
    assert str(before["chain_id"]) in shown


def test_a_member_is_admitted_once_and_keeps_its_keys(posted: Town) -> None:
    first = call(posted.home, "--json", "member", "init", ALFA.lower()).expect().json
    assert call(posted.home, "--json", "member", "init", ALFA).expect().json == first


def test_posting_again_posts_nothing(posted: Town) -> None:
    report = call(posted.home, "--json", "member", "post", "-m", ALFA, posted.files[ALFA]).expect().json
    assert report["intake"]["already_held"] == 12
    assert report["sealed_rows"] == report["batches"] == 0
    assert call(posted.home, "--json", "member", "status", "-m", ALFA).expect().json == {
        "records": 12,
        "records_waiting": 0,
        "batches_sealed": 1,
        "batches_posted": 1,
    }


def test_a_record_is_proven_and_disclosed(posted: Town, tmp_path: Path) -> None:
    receipt, disclosure = tmp_path / "r.json", tmp_path / "d.json"
    key = "ALFA-000003"
    call(posted.home, "member", "receipt", "-m", ALFA, key, "-o", receipt).expect()
    assert call(posted.home, "--json", "verify", receipt).expect().json["posted_by"] == ALFA
    fields = ("-f", "amount", "-f", "purpose")
    about = ("--purpose", "request 7", "--recipient", "The supervisor")
    words = ("member", "disclose", "-m", ALFA, key, *fields, *about, "-o", disclosure)
    call(posted.home, *words).expect()
    proven = call(posted.home, "--json", "verify", disclosure).expect().json
    assert proven["fields"]["amount"] == {"value": "103.03", "basis": "row (interval)"}
    assert proven["fields"]["purpose"]["basis"] == "bank's word (record)"
    assert proven["recipient"] == "The supervisor"
    call(posted.home, "verify", disclosure, "--recipient", "The supervisor").expect()
    other = call(posted.home, "verify", disclosure, "--recipient", "Somebody else").expect(1)
    assert "another recipient" in other.err
    assert set(proven["fields"]) == {"amount", "purpose"}
    assert proven["purpose"] == "request 7"


def test_a_record_is_checked_by_hand_as_the_formats_say(posted: Town, tmp_path: Path) -> None:
    words = ("member", "disclose", "-m", ALFA, "ALFA-000004", "-f", "amount", "-f", "on_behalf_of")
    about = ("--purpose", "request 8", "--recipient", "The supervisor")
    (tmp_path / "d.json").write_text(call(posted.home, *words, *about).expect().out, "utf-8")
    given = [sys.executable, ROOT / "docs" / "check.py", tmp_path / "d.json", posted.home / "trust.json"]
    done = subprocess.run(given, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "amount = '104.04'  basis: interval" in done.stdout


def test_the_desk_scans_and_checks_and_a_member_reads_its_flags(posted: Town) -> None:
    scanned = call(posted.home, "--json", "desk", "scan").expect().json
    checked = call(posted.home, "--json", "desk", "check").expect().json
    assert scanned["new"] == scanned["anchored"]
    assert checked["rules"]
    for words in (("desk", "scan"), ("desk", "check"), ("desk", "sync")):
        shown = call(posted.home, *words).expect().out
        assert max(map(len, shown.splitlines())) <= 80
    received = call(posted.home, "--json", "member", "flags", "-m", ALFA).expect().json
    assert all(flag["problem"] is None for flag in received)


def test_a_scan_reads_the_period_it_is_asked_for(posted: Town) -> None:
    usual = call(posted.home, "--json", "desk", "scan").expect().json["period"]
    assert usual["end"] - usual["begin"] == 400 * 86_400
    assert usual["transfers"] == 12
    day = call(posted.home, "--json", "desk", "scan", "--days", 1).expect().json["period"]
    assert (day["end"], day["end"] - day["begin"]) == (usual["end"], 86_400)
    first = datetime.fromtimestamp(usual["end"], UTC).date() - timedelta(days=30)
    since = call(posted.home, "--json", "desk", "scan", "--since", first).expect().json["period"]
    assert datetime.fromtimestamp(since["begin"], UTC).isoformat() == f"{first}T00:00:00+00:00"
    assert "Give one" in call(posted.home, "desk", "scan", "--since", first, "--days", 3).expect(2).err
    assert "newest at" in call(posted.home, "desk", "scan", "--since", "2999-01-01").expect(2).err
    told = call(posted.home, "desk", "scan", "--days", 30).expect().out
    assert "12 transfers scanned, " in told


def test_the_mirror_is_compared_with_the_chain(posted: Town, tmp_path: Path) -> None:
    report = call(posted.home, "--json", "fsck").expect().json
    assert (report["batches"], report["rows"], report["differences"]) == (2, 24, [])
    months = call(posted.home, "--json", "audit", "completeness").expect().json["members"]
    assert {month["agent"] for month in months} == {ALFA, BRAV}
    assert sum(month["proven"] for month in months) == 24
    segment = next((posted.home / "desk" / "mirror").glob("rows-*.parquet"), None) or next(
        path
        for path in (posted.home / "desk" / "mirror").glob("*.parquet")
        if not path.name.startswith("transfers")
    )
    whole = segment.read_bytes()
    try:
        segment.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
        said = call(posted.home, "fsck").expect(1)
        assert said.err.startswith("does not verify")
        assert segment.name in said.err
        assert "desk sync" in said.err
        as_json = call(posted.home, "--json", "fsck").expect(1)
        assert as_json.json["differences"]
    finally:
        segment.write_bytes(whole)
    call(posted.home, "fsck").expect()


def test_the_desk_answers_over_http_to_whom_it_gave_a_token(posted: Town) -> None:
    token = call(posted.home, "desk", "token", "officer", "anna").expect().out.strip()
    with Serving(posted.home, "desk", "serve", "--port", 0) as line:
        url = re.search(r"http://\S+", line)
        assert url is not None
        with httpx.Client(base_url=url[0], timeout=120) as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/v1/flags").status_code == 401
            answer = client.get("/v1/flags", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200
            assert client.get("/", follow_redirects=True).status_code == 200


def test_a_flag_is_replayed_where_the_ledger_was_then(demonstration: Demonstration, tmp_path: Path) -> None:
    home = demonstration.copy(tmp_path / "home")
    call(home, "chain", "start", "--detach", "--port", 0).expect()
    try:
        flags = call(home, "--json", "flag", "list").expect().json
        call(home, "desk", "sync").expect()  # the mirror moves on: the flags themselves made blocks
        by_kind = {flag["source"]["kind"]: flag["flag_id"] for flag in flags}
        assert set(by_kind) == {"detector", "rule"}
        for flag_id in by_kind.values():
            assert call(home, "--json", "flag", "replay", flag_id).expect().json["equal"] is True
        addressed = call(home, "--json", "member", "flags", "-m", "ALFADE20").expect().json
        one = addressed[-1]["flag_id"]
        assert (
            call(home, "--json", "member", "flags", "-m", "ALFADE20", one[:10]).expect().json
            == addressed[-1:]
        )
        assert "starts with 'zz'" in call(home, "member", "flags", "-m", "ALFADE20", "zz").expect(2).err
        received = call(home, "member", "flags", "-m", "ALFADE20").expect().out
        assert "Own transactions:" in received
        assert max(map(len, received.splitlines())) <= 80
    finally:
        call(home, "chain", "stop").expect()


# -- what goes wrong while everything runs; last, for a member does not come back -------------------------


def test_a_bad_row_is_kept_apart_and_named(posted: Town, tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    moment = datetime.now(UTC) - timedelta(days=8)
    rows = [row(n, moment, ALFA, BRAV, bank=ALFA) for n in (50, 51, 52)]
    rows[1]["amount"] = "-5.00"
    file = write_csv(tmp_path / "more.csv", rows)
    report = call(posted.home, "--json", "member", "post", "-m", ALFA, file).expect().json
    assert (report["intake"]["accepted"], report["intake"]["quarantined"]) == (2, 1)
    kept_apart = Path(report["quarantine"]).read_text("utf-8")
    assert "amount" in kept_apart
    assert "3" in kept_apart


def _limit(town: Town, evaluations: int) -> None:
    """Let one bank propose, and the other approve, how many new accounts a member may ask for in a day."""
    known = call(town.home, "--json", "consortium", "status").expect().json["limits"]
    others = ("--case-entries", known["case_entries"], "--case-bytes", known["case_bytes"])
    words = ("consortium", "limits", "--evaluations", evaluations, *others, "--as", ALFA, "--yes")
    proposed = call(town.home, "--json", *words).expect().json
    assert (proposed["done"], proposed["needed"]) == (False, 2)
    approved = call(town.home, "--json", "consortium", "approve", proposed["proposal"], "--as", BRAV, "--yes")
    assert approved.expect().json["status"] == "executed"


def test_a_quota_that_is_used_up_says_so(posted: Town, tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    before = call(posted.home, "--json", "consortium", "status").expect().json["limits"]["evaluations"]
    moment = datetime.now(UTC) - timedelta(days=8)
    file = write_csv(
        tmp_path / "new.csv",
        [row(70, moment, BRAV, ALFA, bank=BRAV, debtor_account="acct:BRAVFRPP:77777")],
    )
    _limit(posted, 1)
    try:
        said = call(posted.home, "member", "post", "-m", BRAV, file).expect(2)
        assert "evaluations of the pseudonym key are used up" in said.err
        assert "next:" in said.err
    finally:
        _limit(posted, before)
    posting = call(posted.home, "--json", "member", "post", "-m", BRAV).expect().json  # nothing was lost
    assert posting["sealed_rows"] == 1


def _operate(town: Town, function: str, agent: str) -> None:
    home = Home(town.home)
    address = MemberKeys.load(home.member(agent).keys).address
    gateway = connect(home)
    assert decide(home, gateway, function, [gateway.call("Consortium", function, address)]).done


def test_a_suspended_member_and_a_revoked_one_are_told_apart(posted: Town, tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    call(posted.home, "member", "init", "CHARUS33").expect()
    moment = datetime.now(UTC) - timedelta(days=8)
    known = [row(n, moment, "CHARUS33", ALFA, bank="CHARUS33") for n in (0, 1)]
    post = ("member", "post", "-m", "CHARUS33")
    call(posted.home, *post, write_csv(tmp_path / "0.csv", known[:1])).expect()
    _operate(posted, "suspendMember", "CHARUS33")
    suspended = call(posted.home, *post, write_csv(tmp_path / "1.csv", known[1:])).expect(2)
    assert "suspended" in suspended.err.lower()
    assert "next:" in suspended.err
    _operate(posted, "revokeMember", "CHARUS33")
    revoked = call(posted.home, *post).expect(2)
    assert "revoked" in revoked.err.lower()
    assert "next:" in revoked.err
    status = call(posted.home, "--json", "consortium", "status").expect().json
    assert {m["agent"]: m["status"] for m in status["members"]}["CHARUS33"] == "revoked"
