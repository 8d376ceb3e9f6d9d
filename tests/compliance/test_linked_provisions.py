"""Provisions joined by reference and by shared subject; what differs or is not said joins nothing."""

from __future__ import annotations

import pytest

from compliance.check import compile_ruleset
from compliance.extract import extract_text
from compliance.graph import around, knowledge_graph, query
from compliance.graph_export import to_graphml, to_jsonld
from compliance.linking import joins, linked
from compliance.model import Rule
from compliance.places import Place, place_of, refers
from compliance.rulebook import model_ruleset
from compliance.ruleset import RuleSet, build
from ledger.errors import InputError

LAW = """Act on reports
§ 10 Reports
(a) Each bank shall file a report of each transaction in currency of more than $10,000.
(b) A report required by paragraph (a) shall be filed within 15 days after the day of the transaction.
(c) Each bank shall report each transfer of funds of $3,000 or more.
(d) A bank is not required to report a transaction under paragraph (a) that is made by a public body.
§ 11 Records
A copy of each report filed pursuant to § 10 shall be retained by the bank for a period of five years from the date of the report.
"""  # noqa: E501


def rules(text: str = LAW) -> RuleSet:
    return build("t", [(extract_text(text, document="us_act.txt"), text)])


def joined(ruleset: RuleSet) -> dict[tuple[str, str], str]:
    by_id = {rule.rule_id: rule for rule in ruleset.rules}
    return {
        (_paragraph(by_id[j.rule]), j.what): _paragraph(by_id[j.other])
        for j in joins(ruleset.rules, ruleset.clauses)
    }


def _paragraph(rule: Rule) -> str:
    place = place_of(rule)
    assert place is not None
    return place.section + "".join(f"({part})" for part in place.path)


def test_deadline_exemption_and_keeping_reach_the_rules_they_name():
    found = joined(rules())
    assert found[("10(a)", "deadline")] == "10(b)"
    assert found[("10(a)", "exemption")] == "10(d)"
    assert found[("10(a)", "retention")] == "11"
    assert ("10(c)", "deadline") not in found
    assert ("10(c)", "exemption") not in found


def test_two_time_limits_that_differ_join_nothing():
    text = LAW.replace("(c) Each bank shall report each transfer of funds of $3,000 or more.", "").replace(
        "(d)",
        "(c) A report required by paragraph (a) shall be filed within 5 days after the transaction.\n(d)",
    )
    ruleset = rules(text)
    found = joins(ruleset.rules, ruleset.clauses)
    report = next(rule for rule in ruleset.rules if rule.kind == "report")
    assert sum(join.what == "deadline" and join.rule == report.rule_id for join in found) == 2
    assert linked(report, ruleset.rules, found).deadline is None


def test_the_joins_stand_in_the_check_and_in_its_finding():
    check = next(
        c for c in compile_ruleset(rules()) if c.rule.kind == "report" and c.interval.low == 1_000_001
    )
    assert check.linked.deadline is not None
    assert (check.linked.deadline.value, check.linked.deadline.unit) == (15, "day")
    assert check.linked.retention is not None
    assert check.linked.retention.value == 5
    assert [rule.kind for rule in check.linked.exemptions] == ["exempt"]


def test_an_aggregation_owes_the_report_it_leads_to_in_its_time():
    ruleset = model_ruleset()
    check = next(c for c in compile_ruleset(ruleset) if c.rule.kind == "aggregate" and c.currency == "USD")
    assert check.linked.duty is not None
    assert check.linked.duty.kind == "report"
    assert check.linked.deadline is not None
    assert check.linked.deadline.value == 15


@pytest.mark.parametrize(
    ("reference", "to", "leads"),
    [
        ("§ 1010.311 or § 1021.311", ("1021.311", ()), True),
        ("§§ 1010.311, 1010.313 and 1021.311", ("1010.313", ("b",)), True),
        ("§ 1010.340(b)", ("1010.340", ("a",)), False),
        ("§ 1010.3", ("1010.311", ()), False),
        ("Article 80(2), point (b)", ("80", ("2", "b")), True),
        ("Article 80(2), point (b)", ("80", ("2", "a")), False),
        ("paragraph (1)(a)", ("7", ("1", "a")), True),
        ("paragraph (1)(a)", ("8", ("1", "a")), False),
        ("paragraph 3", ("7", ("3",)), True),
        ("point (b)", ("7", ("2", "b")), True),
        ("Regulation (EU) 2023/1113", ("1113", ()), False),
        ("section 71", ("71", ()), True),
    ],
)
def test_where_references_lead(reference, to, leads):
    here = Place("Law", "7", ("2",))
    assert refers(reference, here, Place("Law", *to)) == leads
    assert not refers(reference, here, Place("Another law", *to))


def test_an_amount_that_stands_elsewhere_in_the_article_is_filled_in_and_listed():
    text = (
        "Article 80\nLimits\n1. Persons trading in goods may accept a payment in cash only up to an "
        "amount of EUR 10 000.\n"
        "2. Payments above the limit shall be reported to the FIU.\n"
    )
    document = extract_text(text, document="eu_t.txt")
    open_rule = next(rule for rule in document.rules if rule.trigger and rule.trigger.amount is None)
    assert open_rule.status == "needs_review"
    ruleset = build("t", [(document, text)])
    filled = ruleset.rule(open_rule.rule_id)
    assert (filled.trigger.amount, filled.trigger.currency, filled.status) == ("10000", "EUR", "executable")
    assert [(edit.rule_id, edit.after) for edit in ruleset.edits] == [(open_rule.rule_id, "10000")]
    two = (
        text
        + "3. Persons providing services may accept a payment in cash only up to an amount of EUR 5 000.\n"
    )
    ruleset = build("t", [(extract_text(two, document="eu_t.txt"), two)], undecided=True)
    assert ruleset.rule(open_rule.rule_id).status == "needs_review", "two limits: which one is asked"


def test_the_graph_holds_what_the_rules_hold_and_answers():
    ruleset = rules()
    graph = knowledge_graph(ruleset)
    assert set(query(graph, "rule")) == {rule.rule_id for rule in ruleset.rules}
    assert len(query(graph, "rule", currency="USD", amount="10000")) == 1
    assert query(graph, "threshold") == ["threshold:ge:3000:USD", "threshold:gt:10000:USD"]
    [report] = query(graph, "rule", joined="deadline")
    assert graph.nodes[report]["kind"] == "report"
    tree = [edge for edge in graph.edges(data="relation") if edge[2] == "contains"]
    assert any(a.endswith(" 10") and b.endswith(" 10(a)") for a, b, _ in tree)
    assert {d["type"] for _, d in around(graph, report).nodes(data=True)} >= {
        "provision",
        "threshold",
        "text",
    }
    leads = [(a, b) for a, b, r in graph.edges(data="relation") if r == "leads_to"]
    assert any(a.endswith("paragraph (a)") and b.endswith("10(a)") for a, b in leads)
    with pytest.raises(InputError, match="no node"):
        query(graph, "tax")
    with pytest.raises(InputError, match="no node"):
        around(graph, "nowhere")


def test_exports_say_the_same_in_any_order_and_are_well_formed():
    import io

    import networkx as nx

    ruleset = rules()
    graph = knowledge_graph(ruleset)
    document = to_jsonld(graph)
    assert document == to_jsonld(knowledge_graph(ruleset))
    items = {item["@id"]: item for item in document["@graph"]}
    assert len(items) == graph.number_of_nodes()
    linked_to = {
        target
        for item in items.values()
        for relation in document["@context"]
        if isinstance(item.get(relation), list)
        for target in item[relation]
    }
    assert linked_to <= items.keys(), "every edge leads to a node of the document"
    back = nx.read_graphml(io.BytesIO(to_graphml(graph)))
    assert set(back.nodes) == set(graph.nodes)
    assert back.number_of_edges() == graph.number_of_edges()
    assert back.nodes[ruleset.rules[0].rule_id]["clause"] == ruleset.clauses[ruleset.rules[0].rule_id]


def test_every_report_of_the_model_rulebook_has_its_time_limit():
    ruleset = model_ruleset()
    found = joins(ruleset.rules, ruleset.clauses)
    reports = [rule for rule in ruleset.rules if rule.kind == "report"]
    limits = {rule.rule_id: linked(rule, ruleset.rules, found).deadline for rule in reports}
    assert {name: limit and (limit.value, limit.unit) for name, limit in limits.items()} == {
        "ca-modelrulebookcaart.1-1": (15, "day"),
        "ca-modelrulebookcaart.3-1": (5, "working_day"),
        "us-modelrulebookusart.1-1": (15, "day"),
    }


def test_each_join_of_a_check_names_the_provision_that_supplies_it() -> None:
    kinds = {"deadline": {"deadline", "report"}, "retention": {"retain"}, "aggregation": {"report"}}
    ruleset = model_ruleset()
    seen = set()
    for check in compile_ruleset(ruleset):
        if check.rule.kind != "aggregate":
            continue
        for join in check.linked.joins:
            supplier = ruleset.rule(join.supplier(check.rule.rule_id))
            assert supplier.rule_id != check.rule.rule_id
            assert supplier.kind in kinds[join.what], (check.rule.rule_id, join)
            assert join.what != "deadline" or supplier.deadline is not None
            seen.add(join.what)
    assert seen == set(kinds)
