"""``counterfoil rules``, commands that change a rule set: from draft to approval and withdrawal."""

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
    str | None,
    typer.Option(
        help="Country (two letters); it decides the currency of a bare $. Default: read it from the text."
    ),
]
Number = Annotated[
    int,
    typer.Option(
        "--officer", min=1, max=3, help="Number of the officer who acts (the keys are on this machine)."
    ),
]
Target = Annotated[str, typer.Argument(help="First digits of the hash of a rule set, or `active`.")]


def _officer(context: typer.Context, number: int) -> tuple[Settings, Officer]:
    options = settings(context)
    return options, Officer(options.home, number=number, chain=options.chain, note=say)


def draft(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Files with regulation texts.")],
    jurisdiction: Jurisdiction = None,
    alone: Annotated[
        bool, typer.Option(help="Leave out the rules in force that come from other texts.")
    ] = False,
    officer: Number = 1,
) -> None:
    """Draft a rule set from these texts and the rules in force from other texts; questions stay open."""
    options, acting = _officer(context, officer)
    _drafted(options, acting.draft(files, jurisdiction=jurisdiction, alone=alone))


def edit(
    context: typer.Context,
    target: Target,
    rule: Annotated[
        str | None, typer.Argument(help="Identifier of the rule. Without it: all rules (only their dates).")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="New value, as field=value; write a nested field with dots."),
    ] = None,
    since: Annotated[str | None, typer.Option(help="First day in force (YYYY-MM-DD).")] = None,
    until: Annotated[str | None, typer.Option(help="First day no longer in force (YYYY-MM-DD).")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the rule from the rule set.")] = False,
    linked_days: Annotated[
        int | None,
        typer.Option(min=1, max=366, help="Number of days within which operations count as linked."),
    ] = None,
    why: Annotated[str, typer.Option(help="Reason for the change; the officers who approve read it.")] = "",
    officer: Number = 1,
) -> None:
    """Edit a draft or the rule set in force; the result is a new draft, which records changes and reasons."""
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
        raise InputError(f"{text!r} is not a date", next_step="Write the date as 2026-11-30.") from error


def _drafted(options: Settings, ruleset: RuleSet) -> None:
    waiting = [rule for rule in ruleset.rules if rule.status == "needs_review"]
    value = {
        "rule_set": ruleset.hash.hex(),
        "rules": len(ruleset.rules),
        "needs_review": {rule.rule_id: list(rule.reasons) for rule in waiting},
        "edits": [asdict(entry) for entry in ruleset.edits],
    }

    def render() -> None:
        say(f"Draft {ruleset.hash.hex()[:12]} is on the chain; it has {len(ruleset.rules)} rules.")
        if ruleset.edits:
            rows = [(e.rule_id, e.field, e.before, e.after, e.why) for e in ruleset.edits]
            show_table("Changes from the texts", ["rule", "field", "before", "after", "why"], rows)
        if waiting:
            asked = [(rule.rule_id, " ".join(rule.reasons)) for rule in waiting]
            show_table("Open questions (answer them with `rules edit`)", ["rule", "question"], asked)
        short = ruleset.hash.hex()[:12]
        say(f"Next: `counterfoil rules backtest {short}`, then `counterfoil rules submit {short}`.")

    emit(options, value, render)


def backtest(
    context: typer.Context,
    targets: Annotated[
        list[str], typer.Argument(help="Hash of a draft (first digits), or files with regulation texts.")
    ],
    jurisdiction: Jurisdiction = None,
    record: Annotated[bool, typer.Option(help="Record the report on the chain.")] = True,
    officer: Number = 1,
) -> None:
    """Run a draft on the mirror: show the findings of each rule, and the difference to the rules in force."""
    options, acting = _officer(context, officer)
    report, recorded = acting.backtest(targets, jurisdiction=jurisdiction, record=record)
    emit(options, report.to_json() | {"recorded": recorded}, lambda: _show(report, recorded))


def _show(report: Backtest, recorded: bool) -> None:
    columns = [
        "rule",
        "flags",
        "accounts",
        "rows",
        "certain",
        "possible",
        "asks bank",
        "in force",
        "new",
        "gone",
    ]
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
    say(f"{silent} other rules find nothing, in the draft and in the rules in force.")
    total = report.to_json()["total"]
    against = f"compared with {report.against[:12]}" if report.against else "no rule set is in force"
    say(f"{total['flags']} flags: {total['new']} new, {total['gone']} gone ({against}).")
    rough = [r.rule_id for r in report.rules if not r.exact]
    if rough:
        named = ", ".join(rough)
        say(f"The bands of posted rows do not end at the amounts of {named}: some hits are only `possible`.")
    if recorded:
        say("The report is recorded on the chain.")


def submit(
    context: typer.Context,
    target: Target,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave out the rules with open questions.")
    ] = False,
    officer: Number = 1,
) -> None:
    """Open a draft for approval; first answer or leave out the rules that need review."""
    _, acting = _officer(context, officer)
    decided = acting.submit(target, leave_out=leave_out)
    say(f"Rule set {decided.hash.hex()[:12]} is open for approval by two officers who are not its authors.")


def approve(
    context: typer.Context,
    targets: Annotated[
        list[str],
        typer.Argument(
            help="Hash of a proposed rule set (first digits); or regulation texts, for all steps."
        ),
    ],
    jurisdiction: Jurisdiction = None,
    officer: Annotated[
        int,
        typer.Option(min=1, max=3, help="Number of the officer who approves (the keys are on this machine)."),
    ] = 2,
) -> None:
    """Approve a rule set; the second approval puts it in force and sets the amount bands of later rows.

    With regulation texts instead of a hash, the officers of this machine do every step: draft, submit, and
    two approvals. Rules that need review are left out.
    """
    _, acting = _officer(context, officer)
    in_force = acting.approve(targets, jurisdiction=jurisdiction)
    if in_force is None:
        say("One officer has approved. A second officer who is not an author must approve too.")
        return
    ruleset, policy = in_force
    say(f"Rule set {ruleset.hash.hex()[:12]} is in force with {len(ruleset.rules)} rules.")
    say(f"Policy {policy.hash.hex()[:12]} sets the amount bands of later rows at their thresholds.")


def withdraw(context: typer.Context, target: Target, officer: Number = 1) -> None:
    """Withdraw your own draft or proposal; to withdraw the rule set in force, two officers must agree.

    To remove one rule of a set, run `rules edit SET RULE --remove --why ...` and approve the new draft.
    """
    _, acting = _officer(context, officer)
    digest, outcome = acting.withdraw(target)
    said = {
        "withdrawn": f"Rule set {digest[:12]} is withdrawn permanently.",
        "no longer in force": "The rule set is withdrawn; no rule set is in force now.",
        "waiting": "One officer has agreed. A second officer must agree to withdraw it.",
    }
    say(said[outcome])


def history(
    context: typer.Context,
    target: Annotated[
        str | None, typer.Argument(help="First digits of the hash of a rule set, or `active`. Default: all.")
    ] = None,
) -> None:
    """Show every step of the rule sets, as the chain recorded it."""
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
    columns = ["block", "rule set", "step", "by", "status now"]
    emit(options, value, lambda: show_table(f"{len(entries)} rule sets", columns, rows))


def register(app: typer.Typer) -> None:
    """Add these commands to ``counterfoil rules``."""
    for command in (draft, edit, backtest, submit, approve, withdraw, history):
        app.command()(command)
