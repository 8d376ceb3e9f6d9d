"""Rule sets as officers change them, findings as they follow them: edits, dates, backtests, reports."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from compliance import editing
from compliance.backtest import Backtest, backtest
from compliance.check import run_with_summary
from compliance.diff import compare_checks
from compliance.extract import extract_text
from compliance.jurisdictions import home_of
from compliance.model import RuleFormatError
from compliance.reports import draft_report
from compliance.rulebook import model_ruleset
from compliance.ruleset import RuleSet, Term, build
from compliance.trace import trace
from ledger import canonical
from ledger.errors import InputError
from ledger.flag import Position
from ledger.schema import Flags

TEXT = (
    "Act on cash\n§ 5 Reports\n"
    "(a) A bank shall report each cash transaction of more than $10,000.\n"
    "(b) A report required by paragraph (a) shall be filed within 15 days after the day of the transaction.\n"
    "§ 6 Limit\nNo person may make a payment in cash of more than $50,000.\n"
)
HERE = Position(1, "0x", 7, 3)
DAY = (date(2026, 2, 10) - date(1970, 1, 1)).days


def rules(text: str = TEXT, name: str = "us_t.txt") -> RuleSet:
    return build("t", [(extract_text(text, document=name), text)], undecided=True)


def rows(*amounts: int, day: int = DAY) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "debtor_account": f"D{i}", "creditor_account": f"C{i}",
                "debtor_agent": 1, "creditor_agent": 1,
                "amount_low": amount, "amount_high": amount, "currency": 840, "channel": 1,
                "flags": int(Flags.CASH_IN), "time_low": day * 86_400 + 40_000, "business_date": day,
                "debit_member": 1, "debit_sequence": 0, "debit_index": i,
                "credit_member": -1, "credit_sequence": -1, "credit_index": -1,
            }
            for i, amount in enumerate(amounts)
        ]
    )  # fmt: skip


def report_of(ruleset: RuleSet) -> str:
    return next(rule.rule_id for rule in ruleset.rules if rule.kind == "report")


def test_an_edit_changes_the_rule_and_says_what_and_why():
    before = rules()
    name = report_of(before)
    after = editing.edit(before, name, {"trigger.amount": "9000", "trigger.op": "ge"}, why="Annex II")
    assert (after.rule(name).trigger.op, after.rule(name).trigger.amount) == ("ge", "9000")
    assert [(e.field, e.before, e.after, e.why) for e in after.edits] == [
        ("trigger.amount", "10000", "9000", "Annex II"),
        ("trigger.op", "gt", "ge", "Annex II"),
    ]
    assert after.clauses == before.clauses, "the words of the law are not edited"
    assert RuleSet.from_bytes(after.to_bytes()) == after
    assert compare_checks(before, after) == {"gone": [], "new": [], "changed": [name]}


def test_a_misspelt_field_is_told_which_there_are():
    ruleset = rules()
    for wrong, right in (("trigger.amont", "amount"), ("triger.amount", "trigger")):
        with pytest.raises(InputError) as caught:
            editing.edit(ruleset, report_of(ruleset), {wrong: "9000"}, why="x")
        assert right in (caught.value.next_step or "").rstrip(".").partition(": ")[2].split(", ")


@pytest.mark.parametrize(
    ("changes", "why", "error"),
    [
        ({"trigger.amount": "9000"}, " ", "needs its reason"),
        ({"trigger.colour": "red"}, "x", "no field"),
        ({"rule_id": "other"}, "x", "no field"),
        ({"span": [0, 1]}, "x", "no field"),
        ({"kind": "tax"}, "x", "not a rule document"),
        ({"trigger.amount": "9,000"}, "x", "not a rule document"),
        ({"trigger.currency": None}, "x", "cannot be executable"),
    ],
)
def test_edits_that_make_no_sense_are_refused(changes, why, error):
    ruleset = rules()
    with pytest.raises((InputError, RuleFormatError), match=error):
        editing.edit(ruleset, report_of(ruleset), changes, why=why)


def test_an_answered_question_makes_a_rule_executable():
    text = "5 A bank shall report each cash transaction of more than $10,000."
    ruleset = rules(text, "t.txt")
    [rule] = ruleset.rules
    assert rule.status == "needs_review"
    assert ruleset.decided().rules == ()
    answer = {"trigger.currency": "NZD", "status": "executable"}
    answered = editing.edit(ruleset, rule.rule_id, answer, why="The notice is New Zealand's")
    assert answered.decided().rules == answered.rules
    assert answered.rules[0].reasons == ()


def test_dates_in_force_are_honoured_to_the_day():
    ruleset = rules()
    name = report_of(ruleset)
    held = editing.set_term(ruleset, name, since=date(2026, 2, 10), until=date(2026, 3, 1), why="transition")
    assert held.term(name) == Term(date(2026, 2, 10), date(2026, 3, 1))
    march = (date(2026, 3, 1) - date(1970, 1, 1)).days
    for day, found in ((DAY - 1, 0), (DAY, 1), (march - 1, 1), (march, 0)):
        run = run_with_summary(held.keeping([name]), rows(2_000_000, day=day))
        assert len(run.findings) == found
    with pytest.raises(InputError, match="cannot hold"):
        editing.set_term(ruleset, name, since=date(2026, 2, 10), until=date(2026, 2, 10), why="x")
    assert RuleSet.from_bytes(held.to_bytes()) == held


def test_sets_merge_by_text_and_rules_are_taken_out_openly():
    active = rules()
    other = rules("7 A bank shall report each wire transfer of $3,000 or more.", "us_other.txt")
    both = editing.merge(active, other)
    assert len(both.rules) == len(active.rules) + 1
    newer = rules(TEXT.replace("10,000", "20,000"))
    again = editing.merge(both, newer)
    amounts = {r.trigger.amount for r in again.rules if r.kind == "report" and r.trigger}
    assert amounts == {"20000", "3000"}, "the newer edition of a text takes its place"
    assert RuleSet.from_bytes(again.to_bytes()) == again
    name = report_of(other)
    gone = editing.remove(again, name, why="repealed")
    assert name not in {rule.rule_id for rule in gone.rules}
    assert gone.edits[-1].why == "repealed"


def test_a_damaged_rule_set_is_refused():
    value = canonical.loads(rules().to_bytes())
    for change in (
        {"linked_days": "7"},
        {"terms": {"nobody": {"since": None, "until": None}}},
        {"edits": [{"rule": 1}]},
        {"origin": {}},
        {"words": []},
        {"sources": [{"document": "x"}]},
    ):
        with pytest.raises(Exception, match=r"malformed|correspond|terms or texts|rule set"):
            RuleSet.from_bytes(canonical.dumps({**value, **change}))


def test_a_backtest_tells_what_would_change():
    active = rules()
    name = report_of(active)
    draft = editing.edit(active, name, {"trigger.amount": "5000"}, why="x")
    report = backtest(draft, active, rows(400_000, 700_000, 2_000_000), HERE, homes={1: home_of("US")})
    assert isinstance(report, Backtest)
    mine = next(rule for rule in report.rules if rule.rule_id == name)
    assert (mine.flags, mine.before, mine.new, mine.gone, mine.rows, mine.accounts) == (2, 1, 1, 0, 2, 4)
    value = canonical.loads(report.to_bytes())
    assert value["total"] == {"flags": 2, "new": 1, "gone": 0}
    assert not any(word in report.to_bytes() for word in (b"C0", b"D0")), "no account stands in the open"
    without = editing.remove(active, name, why="x")
    assert backtest(without, active, rows(2_000_000), HERE).to_json()["total"]["gone"] == 1
    assert backtest(active, None, rows(2_000_000), HERE).rules[0].before is None


def test_a_finding_is_followed_from_row_to_clause():
    ruleset = rules()
    table = rows(100, 2_000_000)
    run = run_with_summary(ruleset, table, position=HERE, homes={1: home_of("US")})
    [flag] = [f for f in run.findings if f.title == report_of(ruleset)]
    found = trace(flag, ruleset, table)
    assert [row["places"] for row in found["rows"]] == [[{"member": 1, "sequence": 0, "index": 1}]]
    assert found["rows"][0]["business_date"] == "2026-02-10"
    assert found["clause"]["fields"]["trigger"] == "more than $10,000"
    assert found["clause"]["words"] == "A bank shall report each cash transaction of more than $10,000."
    [join] = found["joined"]
    assert (join["what"], join["clause"][:28]) == ("deadline", "A report required by paragra")
    assert found["owed"]["banks"][0]["due"]["on"] == "2026-02-25"
    assert found["text"]["jurisdiction"] == "US"
    with pytest.raises(InputError, match="another rule set"):
        trace(flag, editing.remove(ruleset, report_of(ruleset), why="x"), table)


def test_what_an_aggregation_is_joined_with_is_traced_to_the_clause_that_says_it():
    ruleset = model_ruleset()
    table = rows(600_000, 600_000)
    table = table.set_column(
        table.schema.get_field_index("creditor_account"), "creditor_account", pa.array(["C0", "C0"])
    )
    run = run_with_summary(ruleset, table, position=HERE, homes={1: home_of("US")})
    [flag] = [f for f in run.findings if f.details["owed"] == "aggregate"]
    joined = {join["what"]: join["clause"] for join in trace(flag, ruleset, table)["joined"]}
    assert set(joined) == {"aggregation", "deadline", "retention"}
    assert "15 days" in joined["deadline"]
    assert "five years" in joined["retention"]
    assert joined["aggregation"].startswith("A financial institution shall file a report")


def test_reports_are_drafted_with_the_clause_and_leave_open_what_the_bank_knows():
    ruleset = rules()
    table = rows(6_000_000)
    flags = run_with_summary(ruleset, table, position=HERE, homes={1: home_of("US")}).findings
    drafts = {flag.title: draft_report(flag, table, ruleset=ruleset, banks={1: "CHARUS20"}) for flag in flags}
    kinds = {draft["kind"] for draft in drafts.values()}
    assert kinds == {"currency_transaction_report", "breach_notice"}
    draft = drafts[report_of(ruleset)]
    assert draft["legal_basis"]["citation"].endswith("5(a)")
    assert draft["legal_basis"]["words"]["trigger"] == "more than $10,000"
    assert draft["institutions"][0]["identifier"] == "CHARUS20"
    assert draft["institutions"][0]["due"]["on"] == "2026-02-25"
    assert {subject["pseudonym"] for subject in draft["subjects"]} == {"C0", "D0"}
    assert all(subject["name"] is None for subject in draft["subjects"])
    assert draft["total"] == {"transfers": 1, "low": "60000.00", "high": "60000.00", "currency": "USD"}
    assert draft["to_complete"]
    assert draft["status"] == "draft"
