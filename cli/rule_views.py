"""``counterfoil rules``, commands that change nothing: list, show, diff, graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import emit, say, settings, show_entries, show_facts, show_table, tell
from counterfoil import Desk, rules
from ledger.errors import InputError

if TYPE_CHECKING:
    from compliance.ruleset import RuleSet

__all__ = ["register"]

Jurisdiction = Annotated[
    str | None,
    typer.Option(
        help="Country (two letters); it decides the currency of a bare $. Default: read it from the text."
    ),
]
InSet = Annotated[str, typer.Option("--set", help="First digits of the hash of a rule set, or `active`.")]


def list_rules(context: typer.Context, in_set: InSet = "active") -> None:
    """List the rules of a rule set. Default: the rule set in force."""
    options = settings(context)
    gateway = Desk(options.home, chain=options.chain).gateway()
    if in_set == "active" and gateway.active_rule_set() is None:
        emit(options, {"rules": []}, lambda: tell("No rule set is in force."))
        return
    ruleset = rules.ruleset_of(gateway, in_set)
    entries = [
        (
            (r.rule_id, r.kind, _threshold(r.trigger), ruleset.jurisdiction(r.rule_id), r.status),
            f"{r.citation}: {ruleset.clauses[r.rule_id]}",
        )
        for r in ruleset.rules
    ]
    value = json.loads(ruleset.to_bytes()) | {"hash": ruleset.hash.hex()}
    emit(options, value, lambda: show_entries(f"{len(entries)} rules", entries))


def _threshold(trigger: Any) -> str:
    if trigger is None or trigger.amount is None:
        return ""
    upper = f" to {trigger.amount_max}" if trigger.amount_max else ""
    return f"{trigger.op} {trigger.currency} {trigger.amount}{upper}"


def show(
    context: typer.Context,
    rule_id: Annotated[str, typer.Argument(help="Identifier of the rule.")],
    in_set: InSet = "active",
) -> None:
    """Show one rule with its clause, the words for each field, linked rules, its checks and examples."""
    options = settings(context)
    ruleset = rules.ruleset_of(Desk(options.home, chain=options.chain).gateway(), in_set)
    view = rules.rule_view(ruleset, rule_id)
    emit(options, view.value, lambda: _show(ruleset, view))


def _show(ruleset: RuleSet, view: rules.RuleView) -> None:
    value, checks, cases = view.value, view.checks, view.cases
    rule = value["rule"]
    facts = [("citation", rule["citation"]), ("clause", value["clause"]), ("kind", rule["kind"])]
    facts += [("jurisdiction", value["jurisdiction"]), ("status", rule["status"])]
    facts += [("question", reason) for reason in rule["reasons"]]
    facts += [(f"words: {name.replace('_', ' ')}", f"“{words}”") for name, words in value["words"].items()]
    for edit in value["edits"]:
        facts.append((f"edited: {edit['field']}", f"{edit['before']} to {edit['after']}: {edit['why']}"))
    show_facts(rule["rule_id"], facts)
    rows = [(j["what"], j["rule"], ruleset.clauses[j["rule"]], j["how"]) for j in value["joins"]]
    if rows:
        show_table("Linked rules", ["part", "rule", "words", "linked because"], rows)
    for number, check in enumerate(checks, 1):
        show_facts("Check" if len(checks) == 1 else f"Check {number} of {len(checks)}", check.facts())
    if not checks:
        tell("This rule has no check of its own, such as a rule about a deadline or a record.")
    answers = [(c.name, "asks the bank" if c.asks and c.trips else "yes" if c.trips else "no") for c in cases]
    if answers:
        show_table("Examples at the boundary", ["transactions", "does the rule apply?"], answers)


def diff(
    context: typer.Context,
    old: Annotated[Path, typer.Argument(help="File with the earlier edition.")],
    new: Annotated[Path, typer.Argument(help="File with the later edition.")],
    jurisdiction: Jurisdiction = None,
) -> None:
    """Compare two editions of a text: show the changed rules, checks and amount bands."""
    options = settings(context)
    found = rules.diff_editions(old, new, jurisdiction=jurisdiction, note=say)
    emit(options, found.to_json(), lambda: _show_diff(found))


def _show_diff(found: rules.EditionDiff) -> None:
    changes, checks = found.changes, found.checks
    if not changes:
        tell("No rule has changed. The texts may differ in other words.")
        return
    rows = []
    for change in changes:
        name = (change.new or change.old).rule_id  # type: ignore[union-attr]
        moved = [f"-{c} {e}" for c, e in change.cuts[0]] + [f"+{c} {e}" for c, e in change.cuts[1]]
        what = "; ".join(f"{k}: {a} to {b}" for k, (a, b) in change.fields.items())
        rows.append((change.what, name, what, ", ".join(moved)))
    show_table("Changed rules", ["change", "rule", "fields", "band edges (minor units)"], rows)
    for what, names in checks.items():
        if names:
            tell(f"Checks {what}: {', '.join(names)}")


def graph(
    context: typer.Context,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files with regulation texts. Default: the rule set in force.")
    ] = None,
    in_set: InSet = "active",
    jurisdiction: Jurisdiction = None,
    kind: Annotated[
        str | None, typer.Option("--type", help="List only nodes of this type, such as rule.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="List only nodes with field=value; * means any value.")
    ] = None,
    joined: Annotated[
        str | None, typer.Option(help="List only nodes with an outgoing edge of this kind, such as deadline.")
    ] = None,
    near: Annotated[
        str | None, typer.Option("--around", help="List only this node and its neighbours.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, max=5, help="With --around: number of edges to follow.")] = 1,
    jsonld: Annotated[Path | None, typer.Option(help="Write the graph as JSON-LD into this file.")] = None,
    graphml: Annotated[Path | None, typer.Option(help="Write the graph as GraphML into this file.")] = None,
) -> None:
    """Query or export the knowledge graph of rules, provisions, thresholds and references."""
    options = settings(context)
    if files:
        ruleset = rules.read_texts(files, jurisdiction, undecided=True, note=say)
    else:
        ruleset = rules.ruleset_of(Desk(options.home, chain=options.chain).gateway(), in_set)
    whole = rules.graph_of(ruleset, around=near, steps=steps)
    rules.export_graph(whole, jsonld=jsonld, graphml=graphml)
    for path in (jsonld, graphml):
        if path:
            say(f"Written to {path}.")
    fields = {}
    for entry in where or ():
        name, separator, wanted = entry.partition("=")
        if not separator:
            raise InputError(f"{entry!r} is not a query", next_step="Write field=value, such as kind=report.")
        fields[name] = wanted
    nodes = rules.query_graph(whole, kind, joined=joined, fields=fields)
    value = [{"node": node, **whole.nodes[node]} for node in nodes]

    def render() -> None:
        rows = []
        for node in nodes:
            data = whole.nodes[node]
            said = data.get("clause") or data.get("words") or data.get("citation") or data.get("action") or ""
            edges = sorted({edge["relation"] for *_, edge in whole.out_edges(node, data=True)})
            rows.append((node, data["type"], str(said)[:80], ", ".join(edges)))
        show_table(f"{len(nodes)} nodes", ["node", "type", "text", "edges"], rows)

    emit(options, value, render)


def register(app: typer.Typer) -> None:
    """Add these commands to ``counterfoil rules``."""
    app.command("list")(list_rules)
    for command in (show, diff, graph):
        app.command()(command)
