"""``counterfoil rules``, the life of a rule set: from draft to approval, withdrawal and history."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import Settings, emit, say, settings, show_table
from counterfoil import Desk
from counterfoil.officer import Officer
from counterfoil.rules import chosen
from ledger.errors import InputError

if TYPE_CHECKING:
    from compliance.backtest import Backtest
    from compliance.ruleset import RuleSet

__all__ = ["register"]

Jurisdiction = Annotated[
    str | None, typer.Option(help="Two letters; tells the currency of a bare $. Default: what the text says.")
]
Number = Annotated[int, typer.Option("--officer", min=1, max=3, help="Which officer of this machine acts.")]
Target = Annotated[str, typer.Argument(help="First digits of a rule set's hash, or `active`.")]


def _officer(context: typer.Context, number: int) -> tuple[Settings, Officer]:
    options = settings(context)
    return options, Officer(options.home, number=number, chain=options.chain, note=say)


def draft(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Regulation texts.")],
    jurisdiction: Jurisdiction = None,
    alone: Annotated[bool, typer.Option(help="Leave out the rules in force from other texts.")] = False,
    officer: Number = 1,
) -> None:
    """Draft a rule set: the rules of these texts beside those in force from others; questions stay open."""
    options, acting = _officer(context, officer)
    _drafted(options, acting.draft(files, jurisdiction=jurisdiction, alone=alone))


def edit(
    context: typer.Context,
    target: Target,
    rule: Annotated[
        str | None, typer.Argument(help="The rule; without it, all of them (dates only).")
    ] = None,
    change: Annotated[list[str] | None, typer.Option("--set", help="field=value; dotted within.")] = None,
    since: Annotated[str | None, typer.Option(help="In force from this day on (YYYY-MM-DD).")] = None,
    until: Annotated[str | None, typer.Option(help="No longer in force from this day on.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the rule out.")] = False,
    linked_days: Annotated[
        int | None, typer.Option(min=1, max=366, help="Days over which linked operations are looked for.")
    ] = None,
    why: Annotated[str, typer.Option(help="The reason; those who approve read it.")] = "",
    officer: Number = 1,
) -> None:
    """Edit a draft, or the rule set in force, into a new draft that names what it changes and why."""
    options, acting = _officer(context, officer)
    pairs = [entry.partition("=") for entry in change or ()]
    ruleset = acting.edit(
        target,
        rule,
        values={name: value for name, _, value in pairs},
        since=_day(since),
        until=_day(until),
        remove=remove,
        linked_days=linked_days,
        why=why,
    )
    _drafted(options, ruleset)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text!r} is no day", next_step="Write it as 2026-11-30.") from error


def _drafted(options: Settings, ruleset: RuleSet) -> None:
    waiting = [rule for rule in ruleset.rules if rule.status == "needs_review"]
    value = {
        "rule_set": ruleset.hash.hex(),
        "rules": len(ruleset.rules),
        "needs_review": {rule.rule_id: list(rule.reasons) for rule in waiting},
        "edits": [asdict(entry) for entry in ruleset.edits],
    }

    def render() -> None:
        say(f"Draft {ruleset.hash.hex()[:12]} stands on the chain with {len(ruleset.rules)} rules.")
        if ruleset.edits:
            rows = [(e.rule_id, e.field, e.before, e.after, e.why) for e in ruleset.edits]
            show_table("Changed from what the texts say", ["rule", "field", "before", "after", "why"], rows)
        if waiting:
            asked = [(rule.rule_id, " ".join(rule.reasons)) for rule in waiting]
            show_table("Questions to be answered by `rules edit`", ["rule", "question"], asked)
        short = ruleset.hash.hex()[:12]
        say(f"Next: `counterfoil rules backtest {short}`, then `counterfoil rules submit {short}`.")

    emit(options, value, render)


def backtest(
    context: typer.Context,
    targets: Annotated[list[str], typer.Argument(help="A draft's hash, or regulation texts to try.")],
    jurisdiction: Jurisdiction = None,
    record: Annotated[bool, typer.Option(help="Record the report on the chain.")] = True,
    officer: Number = 1,
) -> None:
    """Run a draft on the mirror: what each rule finds, and what changes against the rules in force."""
    options, acting = _officer(context, officer)
    report, recorded = acting.backtest(targets, jurisdiction=jurisdiction, record=record)
    emit(options, report.to_json() | {"recorded": recorded}, lambda: _show(report, recorded))


def _show(report: Backtest, recorded: bool) -> None:
    columns = ["rule", "flags", "accounts", "rows", "certain", "possible", "asks bank", "now", "new", "gone"]
    rows = [
        (
            r.rule_id,
            r.flags,
            r.accounts,
            r.rows,
            r.certain,
            r.possible,
            r.needs_member,
            r.before,
            r.new,
            r.gone,
        )
        for r in report.rules
        if r.flags or r.before or r.gone
    ]
    show_table(f"On {report.transfers:,} transfers up to block {report.position.block}", columns, rows)
    silent = sum(not (r.flags or r.before or r.gone) for r in report.rules)
    say(f"{silent} other rules find nothing, now or then.")
    total = report.to_json()["total"]
    against = f"against {report.against[:12]}" if report.against else "none is in force"
    say(f"{total['flags']} flags: {total['new']} new, {total['gone']} gone ({against}).")
    rough = [r.rule_id for r in report.rules if not r.exact]
    if rough:
        named = ", ".join(rough)
        say(f"Rows posted so far are not cut at the amounts of {named}: some hits are only `possible`.")
    if recorded:
        say("The report stands on the chain, beside the draft.")


def submit(
    context: typer.Context,
    target: Target,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave out rules whose questions are open.")
    ] = False,
    officer: Number = 1,
) -> None:
    """Open a draft for approval; rules that need review must be answered or left out first."""
    _, acting = _officer(context, officer)
    decided = acting.submit(target, leave_out=leave_out)
    say(f"{decided.hash.hex()[:12]} is open for approval by two officers who wrote none of it.")


def approve(
    context: typer.Context,
    targets: Annotated[
        list[str], typer.Argument(help="A proposed rule set's hash; or regulation texts, all steps at once.")
    ],
    jurisdiction: Jurisdiction = None,
    officer: Annotated[int, typer.Option(min=1, max=3, help="Which officer of this machine approves.")] = 2,
) -> None:
    """Approve a rule set; the second officer's approval puts it in force and cuts the bands of rows to come.

    With regulation texts instead of a hash, the officers of this machine do every step: draft, submit, and
    two approvals. Rules that need review stay out.
    """
    _, acting = _officer(context, officer)
    in_force = acting.approve(targets, jurisdiction=jurisdiction)
    if in_force is None:
        say("Approved by one officer; another who wrote none of it puts it in force.")
        return
    ruleset, policy = in_force
    say(f"Rule set {ruleset.hash.hex()[:12]} is in force with {len(ruleset.rules)} rules.")
    say(f"Policy {policy.hash.hex()[:12]} cuts the bands of rows to come at their thresholds.")


def withdraw(context: typer.Context, target: Target, officer: Number = 1) -> None:
    """Withdraw one's own draft or proposal; the rule set in force needs two officers.

    One rule of a set is taken out by `rules edit SET RULE --remove --why ...` and the approval of what comes
    of it.
    """
    _, acting = _officer(context, officer)
    digest, outcome = acting.withdraw(target)
    said = {
        "withdrawn": f"{digest[:12]} is withdrawn, for good.",
        "no longer in force": "No rule set is in force now.",
        "waiting": "Approved by one officer; another must agree.",
    }
    say(said[outcome])


def history(
    context: typer.Context,
    target: Annotated[str | None, typer.Argument(help="One rule set; without it, all.")] = None,
) -> None:
    """Show every step in the life of the rule sets, as the chain recorded it."""
    options = settings(context)
    gateway = Desk(options.home, chain=options.chain).gateway()
    entries = [chosen(gateway, target)] if target else gateway.rule_sets()
    steps = sorted(
        ((step.block, entry, step) for entry in entries for step in entry.steps), key=lambda s: s[0]
    )
    value = [
        {
            "rule_set": entry.hash.hex(),
            "status": entry.status,
            "previous": entry.previous.hex() if entry.previous else None,
            "step": step.what,
            "by": step.actor,
            "block": block,
        }
        for block, entry, step in steps
    ]
    rows = [
        (str(block), entry.hash.hex()[:12], step.what, step.actor or "-", entry.status)
        for block, entry, step in steps
    ]
    columns = ["block", "rule set", "step", "by", "stands now"]
    emit(options, value, lambda: show_table(f"{len(entries)} rule sets", columns, rows))


def register(app: typer.Typer) -> None:
    """Add these commands to ``counterfoil rules``."""
    for command in (draft, edit, backtest, submit, approve, withdraw, history):
        app.command()(command)
