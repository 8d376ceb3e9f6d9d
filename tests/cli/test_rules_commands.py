"""``counterfoil rules`` as officers use it: from a text to rules in force, from a finding to the clause."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Demonstration, call

NOTICE = """Notice on cash

§ 1. Large currency transactions.
(a) Each bank shall file a report of each transaction in currency of $5,000 or more.
(b) A report required by paragraph (a) shall be filed within 5 business days after the day of the transaction.
(c) Each bank shall report each wire transfer of more than the limit.
"""


@pytest.fixture(scope="module")
def living(demonstration: Demonstration, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the demonstration whose chain runs again."""
    home = demonstration.copy(tmp_path_factory.mktemp("rules") / "home")
    call(home, "chain", "start", "--detach", "--port", 0).expect()
    try:
        yield home
    finally:
        call(home, "chain", "stop").expect()


@pytest.fixture
def notice(tmp_path: Path) -> Path:
    path = tmp_path / "us_notice.txt"
    path.write_text(NOTICE, "utf-8")
    return path


def newest(home: Path) -> str:
    return call(home, "--json", "rules", "history").expect().json[-1]["rule_set"][:12]


def test_from_draft_to_force_and_out_of_it(living: Path, notice: Path) -> None:
    before = call(living, "--json", "rules", "list").expect().json["hash"]
    drafted = call(living, "--json", "rules", "draft", notice).expect().json
    assert list(drafted["needs_review"].values()) == [["Which amount is “the limit”?"]]
    [asked] = drafted["needs_review"]
    name = drafted["rule_set"][:12]
    refused = call(living, "rules", "submit", name).expect(2)
    assert "need review" in refused.err
    call(living, "rules", "edit", name, asked, "--set", "trigger.amount=10000").expect(2)  # no reason given
    answer = ("--set", "trigger.amount=10000", "--set", "trigger.currency=USD", "--set", "status=executable")
    call(living, "rules", "edit", name, asked, *answer, "--why", "Annex I says so", "--officer", 2).expect()
    name = newest(living)
    report = call(living, "--json", "rules", "backtest", name).expect().json
    assert report["recorded"] is True
    assert report["against"] == before
    mine = [rule for rule in report["rules"] if rule["rule_id"].startswith("us-notice")]
    assert sum(rule["new"] for rule in mine) > 0
    assert all(rule["before"] is None for rule in mine)
    call(living, "rules", "submit", name, "--officer", 1).expect(2)  # officer 2 wrote this edit
    call(living, "rules", "submit", name, "--officer", 2).expect()
    for writer in (1, 2):
        wrote = call(living, "rules", "approve", name, "--officer", writer).expect(2)
        assert "cannot approve" in wrote.err
    first = call(living, "rules", "approve", name, "--officer", 3).expect()
    assert "One officer has approved" in first.err
    assert call(living, "--json", "rules", "list").expect().json["hash"] == before
    again = call(living, "rules", "approve", name, "--officer", 3).expect(2)
    assert "already approved" in again.err
    steps = call(living, "--json", "rules", "history", name).expect().json
    assert [step["step"] for step in steps] == ["drafted", "backtested", "submitted", "approved"]
    call(living, "rules", "withdraw", name, "--officer", 2).expect()
    assert call(living, "--json", "rules", "history", name).expect().json[-1]["status"] == "withdrawn"


def test_texts_are_put_in_force_by_the_officers_of_one_machine(living: Path, notice: Path) -> None:
    said = call(living, "rules", "approve", notice).expect()
    assert "is in force" in said.err
    listed = call(living, "--json", "rules", "list").expect().json
    identifiers = {rule["rule_id"] for rule in listed["rules"]}
    assert any(name.startswith("us-notice") for name in identifiers)
    assert any(name.startswith("eu-model") for name in identifiers), "rules of other texts stay in force"
    statuses = {step["status"] for step in call(living, "--json", "rules", "history").expect().json}
    assert {"active", "superseded"} <= statuses
    policy = call(living, "--json", "consortium", "status").expect().json
    assert policy["rule_set"] == listed["hash"]
    one = next(
        rule for rule in listed["rules"] if rule["rule_id"].startswith("us-notice") and rule["trigger"]
    )
    shown = call(living, "--json", "rules", "show", one["rule_id"]).expect().json
    assert shown["words"]["trigger"] == "$5,000 or more"
    assert (shown["deadline"]["value"], shown["deadline"]["unit"]) == (5, "business_day")
    assert {case["case"]: case["trips"] for case in shown["examples"]} == {
        "one minor unit below 5000 USD": False,
        "exactly at 5000 USD": True,
        "one minor unit above 5000 USD": True,
        "at a bank of another country": False,
    }
    drawn = call(living, "rules", "show", one["rule_id"]).expect().out
    assert max(map(len, drawn.splitlines())) <= 80
    checked = call(living, "--json", "desk", "check").expect().json
    assert any(rule["rule_id"] == one["rule_id"] and rule["rows"] for rule in checked["rules"])


def test_a_finding_is_followed_from_row_to_clause(living: Path) -> None:
    flags = call(living, "--json", "flag", "list").expect().json
    findings = [flag for flag in flags if flag["source"]["kind"] == "rule"]
    assert findings, "the demonstration raises findings from extracted rules"
    flag = findings[0]
    found = call(living, "--json", "flag", "trace", flag["flag_id"][:12]).expect().json
    places = [(p["member"], p["sequence"], p["index"]) for row in found["rows"] for p in row["places"]]
    assert {(row["member"], row["sequence"], row["index"]) for row in flag["rows"]} <= set(places)
    assert found["clause"]["words"] == flag["clause"]
    assert found["clause"]["fields"]["trigger"] in flag["clause"]
    assert {step["step"] for step in found["approved"]} >= {"proposed", "approved"}
    assert found["owed"]["banks"]
    out = call(living, "flag", "trace", flag["flag_id"][:12]).expect().out
    for part in ("Rows on the ledger", "The check", "The clause", "Source of the rule"):
        assert part in out
    assert max(map(len, out.splitlines())) <= 80
    draft = call(living, "flag", "report", flag["flag_id"][:12]).expect().json
    assert draft["legal_basis"]["clause"] == flag["clause"]
    assert draft["status"] == "draft"
    detected = next(flag for flag in flags if flag["source"]["kind"] == "detector")
    refused = call(living, "flag", "trace", detected["flag_id"][:12]).expect(2)
    assert "it has no clause" in refused.err
    suspicion = call(living, "flag", "report", detected["flag_id"][:12]).expect().json
    assert (suspicion["kind"], suspicion["legal_basis"]) == ("suspicious_activity_report", None)


def test_two_editions_and_the_graph_need_no_consortium(tmp_path: Path, notice: Path) -> None:
    newer = tmp_path / "us_notice_2.txt"
    newer.write_text(
        NOTICE.replace("$5,000 or more", "more than $6,000").replace("within 5", "within 10"), "utf-8"
    )
    value = call(tmp_path, "--json", "rules", "diff", notice, newer).expect().json
    changed = {change["new"]: change["fields"] for change in value["changes"]}
    assert {"trigger.op": ["ge", "gt"], "trigger.amount": ["5000", "6000"]} in changed.values()
    assert {"deadline.value": [5, 10]} in changed.values()
    assert len(value["checks"]["changed"]) == 1
    assert "No rule has changed" in call(tmp_path, "rules", "diff", notice, notice).expect().out
    jsonld, graphml = tmp_path / "law.jsonld", tmp_path / "law.graphml"
    words = ("--type", "rule", "--joined", "deadline", "--jsonld", jsonld, "--graphml", graphml)
    [node] = call(tmp_path, "--json", "rules", "graph", notice, *words).expect().json
    assert node["amount"] == "5000"
    assert json.loads(jsonld.read_text("utf-8"))["@graph"]
    assert graphml.read_bytes().startswith(b"<?xml")
    call(tmp_path, "rules", "graph", notice, "--where", "nonsense").expect(2)


def test_a_regulation_in_a_web_page_is_extracted(tmp_path: Path) -> None:
    page = tmp_path / "us_page.html"
    page.write_text(
        "<html><body><h2>§ 1. Reports</h2><p>Each bank shall report each cash transaction of more than "
        "<b>$10,000</b>.</p><script>steal()</script></body></html>",
        "utf-8",
    )
    document = call(tmp_path, "rules", "extract", page, "--format", "json").expect().json
    assert [rule["trigger"]["amount"] for rule in document["rules"]] == ["10000"]
    assert "$10,000" in call(tmp_path, "rules", "extract", page).expect().out
