"""Print one flag for a person: its facts, figures, payments, decisions and next steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cli.findings import figures, show_owed
from cli.output import Settings, say, show_facts, show_table
from ledger.money import ALPHA, NUMERIC, amount_range

if TYPE_CHECKING:
    from counterfoil import Desk
    from counterfoil.caseload import FlagFile
    from ledger.flag import Flag
    from ledger.reader.decisions import KeptDecision

__all__ = ["moment", "said", "say_what_is_next", "show_decisions", "show_flag"]

#: Pairs of figures in minor units that are printed as one amount.
_AMOUNTS: Final = {"sum": "together", "amount": "amount"}

#: Counts of what a search left out; a zero is not printed.
_SILENT: Final = frozenset({"not_told", "searches_cut"})


def moment(seconds: int) -> str:
    """Return a time in UTC as text, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def said(verdict: str) -> str:
    """Return a verdict as text for a person."""
    return verdict.replace("_", " ")


def show_decisions(made: Sequence[KeptDecision]) -> None:
    """Print a flag's decisions, oldest first."""
    rows = [
        (
            moment(d.decision.decided_at),
            said(d.decision.verdict),
            f"{d.author[:10]}...",
            d.block,
            d.decision.reason,
        )
        for d in made
    ]
    if rows:
        show_table(
            "Decisions (the last one is valid)", ["time (UTC)", "verdict", "by", "block", "reason"], rows
        )
    else:
        say("No officer has decided on it yet.")


def show_flag(file: FlagFile, desk: Desk) -> None:
    """Print a flag with its figures, accounts and payments."""
    kept, flag = file.kept, file.flag
    names = desk.names()
    facts = [
        ("flag", file.flag_id),
        ("title", flag.title),
        ("explanation", flag.explanation),
        ("window (UTC)", f"{moment(flag.window[0])} to {moment(flag.window[1])}"),
        ("certainty", flag.certainty),
        ("severity", flag.severity),
        ("raised by", f"{flag.source.kind} {flag.source.id}, version {flag.source.version[:12]}"),
        ("position", f"block {flag.position.block}, {flag.position.log_size} batches"),
        ("anchored", "not yet" if kept.block is None else f"block {kept.block}"),
        ("truncated", flag.truncated),
    ]
    if kept.latest_score is not None:
        facts.insert(6, ("score", f"{kept.latest_score:.0%} by the last scan with a champion"))
    if flag.citation:
        facts[2:2] = [("citation", flag.citation), ("clause", flag.clause)]
    show_facts("Flag", facts)
    if flag.details:
        show_facts("Figures", _figures(figures(flag.details)))
        if flag.source.kind == "rule":
            show_owed(flag, names)
    entities = [(e.pseudonym, names.get(e.agent, f"bank {e.agent}")) for e in flag.entities]
    show_table("Accounts and parties (pseudonyms)", ["pseudonym", "bank"], entities)
    show_table(*_evidence(flag, desk.evidence(flag), names))


def say_what_is_next(options: Settings, file: FlagFile) -> None:
    """Print the commands for a flag that no officer has decided on."""
    short, program = file.flag_id[:12], options.program
    say("Next:")
    if file.flag.source.kind == "rule":
        say(f"  trace it from row to clause:      {program} flag trace {short}")
    say(f"  show the part of one bank:        {program} member flags -m BANK {short}")
    say(f"  draft a report for the bank:      {program} flag report {short} --out draft.json")
    say(f"  decide, with a reason:            {program} flag decide {short} suspicious --reason ...")
    say(f"  or:                               {program} flag decide {short} not_suspicious --reason ...")


def _figures(details: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give a flag's figures for a person: the currency as letters, minor units as an amount."""
    currency = details.get("currency")
    code = NUMERIC.get(currency) if isinstance(currency, str) else currency
    paired = {
        f"{name}_{end}": name
        for name in _AMOUNTS
        for end in ("low", "high")
        if code is not None and f"{name}_low" in details and f"{name}_high" in details
    }
    for name, value in sorted(details.items()):
        if value == 0 and name in _SILENT:
            continue
        pair = paired.get(name)
        if pair is None:
            yield name, ALPHA.get(value, value) if name == "currency" and isinstance(value, int) else value
        elif name.endswith("_low"):
            low, high = int(details[f"{pair}_low"]), int(details[f"{pair}_high"])
            yield _AMOUNTS[pair], amount_range(low, high, int(code or 0))


def _evidence(
    flag: Flag, rows: Sequence[Mapping[str, Any]] | None, names: Mapping[int, str]
) -> tuple[str, list[str], list[tuple[Any, ...]]]:
    """Return the table of payments in evidence; without a mirror, only the places of their rows."""
    if rows is None:
        places = [(names.get(r.member, f"bank {r.member}"), f"{r.sequence}:{r.index}") for r in flag.rows]
        return (
            "Evidence (the payments are not shown: there is no mirror here)",
            ["posted by", "batch:row"],
            places,
        )

    def end(row: Mapping[str, Any], side: str) -> str:
        account, agent = row[f"{side}_account"], int(row[f"{side}_agent"] or 0)
        told = account.hex()[:8] if account is not None and any(account) else "unknown"
        return f"{told} {names.get(agent, f'bank {agent}') if agent else 'outside'}"

    payments = [
        (
            moment(row["time_low"]),
            end(row, "debtor"),
            end(row, "creditor"),
            amount_range(row["amount_low"], row["amount_high"], row["currency"]),
        )
        for row in rows
    ]
    return f"Payments in evidence: {len(payments)}", ["time (UTC)", "from", "to", "amount"], payments
