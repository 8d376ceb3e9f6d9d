"""Findings for a person: what is owed by when, the way from row to clause, and report drafts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.consortium import connect
from cli.output import Settings, emit, say, settings, show_facts, show_table, tell
from ledger.errors import InputError

if TYPE_CHECKING:
    from compliance.ruleset import RuleSet
    from ledger.flag import Flag
    from ledger.gateway import Gateway
    from ledger.reader.cases import KeptFlag

__all__ = ["figures", "register", "rules_of", "show_owed"]

FlagId = Annotated[str, typer.Argument(help="The finding's identifier, or its first digits.")]


def rules_of(gateway: Gateway, flag: Flag) -> RuleSet:
    """Return the rule set that a finding names; it may have been superseded since.

    Raises
    ------
    VerificationError
        When the chain holds no such rule set.
    """
    from compliance.ruleset import RuleSet
    from ledger.errors import VerificationError

    for entry in gateway.rule_sets():
        if entry.hash.hex() == flag.source.version:
            return RuleSet.from_bytes(entry.document)
    raise VerificationError(
        "the chain holds no rule set of that hash", expected=flag.source.version, got="none of that name"
    )


def figures(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flag's plain figures; what has parts is shown by `show_owed`."""
    return {k: v for k, v in details.items() if not isinstance(v, list | dict)}


def show_owed(flag: Flag, names: Mapping[int, str]) -> None:
    """Print what a finding owes, and which exemptions are to be considered."""
    details = flag.details
    banks = details.get("banks") or ()
    rows = [
        (
            names.get(bank["agent"], f"bank {bank['agent']}"),
            bank["country"],
            _date(bank["due"]),
            _date(bank["keep_until"]),
        )
        for bank in banks
    ]
    if rows:
        title = f"Owed: {details.get('owes')}"
        show_table(title, ["by", "country", "due", "record kept until"], rows)
        words = {bank[name]["words"] for bank in banks for name in ("due", "keep_until") if bank[name]}
        for line in sorted(words):
            tell(f"  {line}")
        tell("")
    exempt = [(e["rule"], e["clause"]) for e in details.get("exemptions_to_consider", ())]
    if exempt:
        show_table("Exemptions to consider", ["rule", "words"], exempt)


def _date(due: Mapping[str, Any] | None) -> str:
    if due is None:
        return "not said"
    return due["at"] or due["on"] or "open"


def _kept(options: Settings, flag_id: str) -> KeptFlag:
    from ledger.reader.cases import CaseBook

    book = CaseBook(options.home.desk.cases)
    try:
        return book.find(flag_id)
    finally:
        book.close()


def trace(context: typer.Context, flag_id: FlagId) -> None:
    """Follow one finding from its rows, over the check, to the clause and who put it in force."""
    from compliance.trace import trace as follow
    from ledger.transfers.mirror import load_rows

    options = settings(context)
    flag = _kept(options, flag_id).flag
    if flag.source.kind != "rule":
        raise InputError(
            "a detector raised this flag: no clause stands behind it",
            next_step=f"See `counterfoil flag show {flag_id}`.",
        )
    gateway = connect(options.home, options.chain)
    transfers = load_rows(options.home.desk.mirror, flag.rows)
    found = follow(flag, rules_of(gateway, flag), transfers)
    entry = next(e for e in gateway.rule_sets() if e.hash.hex() == flag.source.version)
    found["approved"] = [
        {"step": step.what, "by": step.actor, "block": step.block} for step in entry.steps if step.actor
    ]
    names = {member.code: member.agent for member in gateway.members()}
    emit(options, found, lambda: _show_trace(flag, found, names))


def _show_trace(flag: Flag, found: dict[str, Any], names: Mapping[int, str]) -> None:
    from compliance.checks.findings import money_text

    total = found["sum"]
    rows = [
        (
            ", ".join(
                f"{names.get(p['member'], p['member'])} batch {p['sequence']} row {p['index']}"
                for p in row["places"]
            )
            or f"row {row['row']}",
            row["business_date"],
            row["time"][0][11:16],
            row["channel"] + "".join(f", {mark.replace('_', ' ')}" for mark in row["marks"]),
            " to ".join(dict.fromkeys(money_text(int(a), total["currency"]) for a in row["amount"])),
        )
        for row in found["rows"]
    ]
    columns = ["place", "business date", "time from (UTC)", "how", "amount"]
    show_table("1  Rows on the ledger", columns, rows)
    low, high = (money_text(int(total[end]), total["currency"]) for end in ("low", "high"))
    amount = low if low == high else f"{low} to {high}"
    word = "Together" if len(rows) > 1 else "Amount"
    tell(f"2  {word} {amount} {total['currency']}: {total['certainty']} that the rule's amount is met.")
    checked = [(fact["what"], fact["words"]) for fact in found["check"]]
    show_facts("3  The check, and the columns that decide it", checked)
    clause = found["clause"]
    show_facts(
        "4  The clause",
        [("citation", clause["citation"]), ("words", clause["words"])]
        + [(name.replace("_", " "), f"“{words}”") for name, words in clause["fields"].items()],
    )
    joined = [(j["what"], j["citation"], j["clause"], j["how"]) for j in found["joined"]]
    if joined:
        columns = ["adds", "provision", "words", "joined because"]
        show_table("5  What other provisions add", columns, joined)
    show_owed(flag, names)
    text, steps = found["text"], found["approved"]
    show_facts(
        "6  Where the rule comes from",
        [("text", text["name"]), ("SHA-256", text["sha256"]), ("jurisdiction", text["jurisdiction"])]
        + [("rule set", found["rule_set"])]
        + [(step["step"], f"by {step['by']}, block {step['block']}") for step in steps]
        + [(f"edited: {e['field']}", f"{e['before']} to {e['after']}: {e['why']}") for e in found["edits"]],
    )


def report(
    context: typer.Context,
    flag_id: FlagId,
    out: Annotated[Path | None, typer.Option(help="Write the draft to this file.")] = None,
) -> None:
    """Draft the report a flag or finding leads to, as structured data with the clause cited."""
    from compliance.reports import draft_report
    from ledger.transfers.mirror import load_rows

    options = settings(context)
    flag = _kept(options, flag_id).flag
    gateway = connect(options.home, options.chain)
    transfers = load_rows(options.home.desk.mirror, flag.rows)
    ruleset = rules_of(gateway, flag) if flag.source.kind == "rule" else None
    names = {member.code: member.agent for member in gateway.members()}
    value = draft_report(flag, transfers, ruleset=ruleset, banks=names)
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, "utf-8")
    say(f"A draft {value['kind'].replace('_', ' ')} is written to {out}; the bank completes it.")


def register(app: typer.Typer) -> None:
    """Add these commands to ``counterfoil flag``."""
    for command in (trace, report):
        app.command()(command)
