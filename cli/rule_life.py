"""``counterfoil rules``, the life of a rule set: from draft to approval, withdrawal and history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.checking import bank_homes, rate_table
from cli.consortium import Governance, activate_rules, connect, publish_policy
from cli.output import Settings, emit, say, settings, show_table
from ledger.encoding.policy import Policy
from ledger.errors import InputError

if TYPE_CHECKING:
    from compliance.backtest import Backtest
    from compliance.ruleset import RuleSet
    from ledger.gateway import Gateway, RuleSetDocument

__all__ = ["chosen", "read_texts", "register"]

Jurisdiction = Annotated[
    str | None, typer.Option(help="Two letters; tells the currency of a bare $. Default: what the text says.")
]
Officer = Annotated[int, typer.Option(min=1, max=3, help="Which officer of this machine acts.")]
Target = Annotated[str, typer.Argument(help="First digits of a rule set's hash, or `active`.")]


@dataclass(frozen=True, slots=True)
class _Desk:
    """A connection, and the key of the officer who acts."""

    options: Settings
    gateway: Gateway

    def act(self, officer: int, function: str, *args: object) -> None:
        key = Governance.load(self.options.home).officers[officer - 1]
        self.gateway.transact(key, "RuleBook", function, *args)


def _desk(context: typer.Context) -> _Desk:
    options = settings(context)
    return _Desk(options, connect(options.home, options.chain))


def chosen(gateway: Gateway, target: str) -> RuleSetDocument:
    """Return the rule set that a person names: by the first digits of its hash, or `active`.

    Raises
    ------
    InputError
        When none or several are meant.
    """
    if target == "active":
        active = gateway.active_rule_set()
        if active is None:
            raise InputError("no rule set is in force", next_step="See `counterfoil rules history`.")
        return active
    found = [entry for entry in gateway.rule_sets() if entry.hash.hex().startswith(target.lower())]
    if len(found) != 1:
        raise InputError(
            f"{'no rule set starts' if not found else f'{len(found)} rule sets start'} with {target!r}",
            next_step="See `counterfoil rules history`; a regulation text needs the path of its file.",
        )
    return found[0]


def read_texts(files: Sequence[Path], jurisdiction: str | None, *, undecided: bool) -> RuleSet:
    """Extract the rules of texts and return them as a rule set."""
    from compliance.extract import extract_file
    from compliance.reading import read_file
    from compliance.ruleset import build

    pairs = [(extract_file(path, jurisdiction), read_file(path)) for path in files]
    for path, (document, _) in zip(files, pairs, strict=True):
        for note in document.notes:
            say(f"{path}: {note}.")
    return build(", ".join(path.name for path in files), pairs, undecided=undecided)


def _with_active(gateway: Gateway, newer: RuleSet, alone: bool) -> tuple[RuleSet, bytes]:
    from compliance.editing import merge
    from compliance.ruleset import RuleSet

    active = None if alone else gateway.active_rule_set()
    if active is None:
        return newer, bytes(32)
    return merge(RuleSet.from_bytes(active.document), newer), active.hash


def draft(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Regulation texts.")],
    jurisdiction: Jurisdiction = None,
    alone: Annotated[bool, typer.Option(help="Leave out the rules in force from other texts.")] = False,
    officer: Officer = 1,
) -> None:
    """Draft a rule set: the rules of these texts beside those in force from others; questions stay open."""
    desk = _desk(context)
    ruleset, previous = _with_active(desk.gateway, read_texts(files, jurisdiction, undecided=True), alone)
    desk.act(officer, "draft", ruleset.to_bytes(), previous)
    _drafted(desk, ruleset)


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
    officer: Officer = 1,
) -> None:
    """Edit a draft, or the rule set in force, into a new draft that names what it changes and why."""
    from compliance import editing
    from compliance.ruleset import RuleSet

    desk = _desk(context)
    before = chosen(desk.gateway, target)
    ruleset = RuleSet.from_bytes(before.document)
    if rule and remove:
        ruleset = editing.remove(ruleset, rule, why=why)
    elif rule and change:
        pairs = [entry.partition("=") for entry in change]
        values = {name: editing.value_of(value) for name, _, value in pairs}
        ruleset = editing.edit(ruleset, rule, values, why=why)
    if since or until:
        days = [_day(text) for text in (since, until)]
        ruleset = editing.set_term(ruleset, rule, since=days[0], until=days[1], why=why)
    if linked_days is not None:
        ruleset = replace(ruleset, linked_days=linked_days)
    if ruleset.to_bytes() == before.document:
        raise InputError(
            "nothing changes", next_step="Give --set, --since, --until, --remove or --linked-days."
        )
    desk.act(officer, "draft", ruleset.to_bytes(), before.hash)
    _drafted(desk, ruleset)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text!r} is no day", next_step="Write it as 2026-11-30.") from error


def _drafted(desk: _Desk, ruleset: RuleSet) -> None:
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

    emit(desk.options, value, render)


def backtest(
    context: typer.Context,
    targets: Annotated[list[str], typer.Argument(help="A draft's hash, or regulation texts to try.")],
    jurisdiction: Jurisdiction = None,
    record: Annotated[bool, typer.Option(help="Record the report on the chain.")] = True,
    officer: Officer = 1,
) -> None:
    """Run a draft on the mirror: what each rule finds, and what changes against the rules in force."""
    from compliance.backtest import backtest as run
    from compliance.ruleset import RuleSet
    from ledger.transfers.mirror import load_mirror

    desk = _desk(context)
    files = [Path(target) for target in targets]
    known = None
    if all(path.is_file() for path in files):
        candidate, _ = _with_active(
            desk.gateway, read_texts(files, jurisdiction, undecided=False), alone=False
        )
    else:
        known = chosen(desk.gateway, targets[0])
        candidate = RuleSet.from_bytes(known.document)
    active = desk.gateway.active_rule_set()
    transfers, position = load_mirror(desk.options.home.desk.mirror)
    report = run(
        candidate,
        RuleSet.from_bytes(active.document) if active else None,
        transfers,
        position,
        policy_cuts=Policy.from_document(desk.gateway.active_policy()).cuts,
        homes=bank_homes(desk.gateway, desk.options.home),
        rates=rate_table(desk.options.home),
    )
    recorded = record and known is not None and known.status in ("drafted", "proposed")
    if recorded and known is not None:
        desk.act(officer, "recordBacktest", known.hash, report.to_bytes())
    emit(desk.options, report.to_json() | {"recorded": recorded}, lambda: _show(report, recorded))


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
    officer: Officer = 1,
) -> None:
    """Open a draft for approval; rules that need review must be answered or left out first."""
    from compliance.ruleset import RuleSet

    desk = _desk(context)
    entry = chosen(desk.gateway, target)
    ruleset = RuleSet.from_bytes(entry.document)
    decided = ruleset.decided()
    if decided.rules != ruleset.rules:
        if not leave_out:
            waiting = len(ruleset.rules) - len(decided.rules)
            raise InputError(
                f"{waiting} rules of the draft need review: nothing comes into force that nobody decided",
                next_step="Answer them with `counterfoil rules edit`, or submit with --leave-out.",
            )
        desk.act(officer, "draft", decided.to_bytes(), entry.hash)
    desk.act(officer, "submit", decided.hash)
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
    desk = _desk(context)
    files = [Path(target) for target in targets]
    if all(path.is_file() for path in files):
        newer = read_texts(files, jurisdiction, undecided=False)
        ruleset, _ = _with_active(desk.gateway, newer, alone=False)
        activate_rules(desk.options.home, desk.gateway, ruleset.to_bytes())
    elif len(targets) == 1:
        entry = chosen(desk.gateway, targets[0])
        desk.act(officer, "approve", entry.hash)
    else:
        missing = next(path for path in files if not path.is_file())
        raise InputError("no such file", where=str(missing))
    _in_force(desk, None if all(path.is_file() for path in files) else entry.hash)


def _in_force(desk: _Desk, wanted: bytes | None) -> None:
    from compliance.ruleset import RuleSet, cuts

    active = desk.gateway.active_rule_set()
    if active is None or (wanted is not None and active.hash != wanted):
        say("Approved by one officer; another who wrote none of it puts it in force.")
        return
    ruleset = RuleSet.from_bytes(active.document)
    policy = publish_policy(desk.options.home, desk.gateway, cuts=cuts(ruleset), rule_set=ruleset.hash)
    say(f"Rule set {ruleset.hash.hex()[:12]} is in force with {len(ruleset.rules)} rules.")
    say(f"Policy {policy.hash.hex()[:12]} cuts the bands of rows to come at their thresholds.")


def withdraw(context: typer.Context, target: Target, officer: Officer = 1) -> None:
    """Withdraw one's own draft or proposal; the rule set in force needs two officers.

    One rule of a set is taken out by `rules edit SET RULE --remove --why ...` and the approval of what comes
    of it.
    """
    desk = _desk(context)
    entry = chosen(desk.gateway, target)
    if entry.status == "active":
        desk.act(officer, "withdrawActive", entry.hash)
        now = desk.gateway.active_rule_set()
        gone = now is None or now.hash != entry.hash
        say("No rule set is in force now." if gone else "Approved by one officer; another must agree.")
        return
    desk.act(officer, "withdraw", entry.hash)
    say(f"{entry.hash.hex()[:12]} is withdrawn, for good.")


def history(
    context: typer.Context,
    target: Annotated[str | None, typer.Argument(help="One rule set; without it, all.")] = None,
) -> None:
    """Show every step in the life of the rule sets, as the chain recorded it."""
    options = settings(context)
    gateway = connect(options.home, options.chain)
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
