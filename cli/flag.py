"""``counterfoil flag``: flags, their evidence, their decisions, their recomputation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.findings import show_trace
from cli.flag_views import moment, said, say_what_is_next, show_decisions, show_flag
from cli.output import Settings, emit, emit_each, progress, say, settings, show_entries, show_table, tell
from counterfoil import Desk, Officer
from counterfoil.types import FlagCount, FlagFilter, FlagSummary

__all__ = ["app"]

app = typer.Typer(help="Flags and findings: list, show, decide, recompute.", no_args_is_help=True)

FlagId = Annotated[str, typer.Argument(help="The flag's identifier, or its first digits.")]

#: Flags on a page.
_PAGE: Final = 50


class _Severity(StrEnum):
    high = "high"
    medium = "medium"
    low = "low"


class _Verdict(StrEnum):
    suspicious = "suspicious"
    not_suspicious = "not_suspicious"


@app.command("list")
def list_flags(
    context: typer.Context,
    prefix: Annotated[
        str | None, typer.Argument(metavar="[FLAG_ID]", help="Only flags whose identifier starts so.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Only this typology or rule.")] = None,
    severity: Annotated[_Severity | None, typer.Option(help="Only this severity.")] = None,
    undecided: Annotated[bool, typer.Option("--undecided", help="Only what no officer decided yet.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Flags to list.  [default: 50; with --json all]", show_default=False),
    ] = None,
    after: Annotated[str | None, typer.Option(help="Go on after this flag.")] = None,
) -> None:
    """List flags and findings, the gravest first; at the end, how many there are of each kind."""
    options = settings(context)
    desk = Desk(options.home)
    if prefix is not None:
        _show_page(options, desk.flags_starting(prefix, limit=limit or _PAGE), None)
        return
    wanted = FlagFilter(
        title=title, severity=None if severity is None else severity.value, undecided=undecided
    )
    if options.json and limit is None and after is None:
        emit_each(desk.each_flag(wanted, order="gravest"))
        return
    start = None if after is None else desk.flag(after).flag_id
    page = desk.flag_page(wanted, order="gravest", after=start, limit=limit or _PAGE)
    _show_page(options, page.flags, desk.flag_counts(wanted), following=page.next)
    if not page.flags and wanted == FlagFilter() and after is None:
        say(f"None was raised yet; run `{options.program} desk scan` and `{options.program} desk check`.")


def _show_page(
    options: Settings,
    flags: Sequence[FlagSummary],
    counts: Sequence[FlagCount] | None,
    *,
    following: str | None = None,
) -> None:
    """Print a page of flags, and the table of all that the list is about."""
    entries = [
        (
            (
                flag.flag_id.hex()[:12],
                flag.title,
                f"{flag.severity}, {flag.certainty}",
                moment(flag.window[0])[:10],
            ),
            "\n".join([flag.explanation, *_since(flag)]),
        )
        for flag in flags
    ]
    total = len(flags) if counts is None else sum(count.high + count.medium + count.low for count in counts)

    def render() -> None:
        show_entries(f"{total} flags" if total == len(flags) else f"{len(flags)} of {total} flags", entries)
        if counts:
            tell("")
            rows = [(c.title, c.high, c.medium, c.low, c.undecided) for c in counts]
            show_table("How many", ["flag", "high", "medium", "low", "undecided"], rows)

    value = [{**asdict(flag), "flag_id": flag.flag_id.hex()} for flag in flags]
    emit(options, value, render)
    if following is not None:
        say(f"Next page: `{options.program} flag list --after {following[:12]}`, with the same options.")


@app.command()
def show(
    context: typer.Context,
    flag_id: FlagId,
    svg: Annotated[Path | None, typer.Option(help="Draw the evidence to this file.")] = None,
    graphml: Annotated[Path | None, typer.Option(help="Export the evidence graph to this file.")] = None,
) -> None:
    """Show one flag: what, why, which payments, and which clause or parameters. Needs no chain."""
    options = settings(context)
    desk = Desk(options.home)
    file = desk.flag(flag_id)
    if svg or graphml:
        desk.draw(file.flag, svg=svg, graphml=graphml)

    def render() -> None:
        show_flag(file, desk)
        show_decisions(file.decisions)
        if not file.decisions:
            say_what_is_next(options, file)

    emit(options, file.to_json(), render)
    for path in (svg, graphml):
        if path:
            say(f"Written to {path}.")


@app.command()
def replay(context: typer.Context, flag_id: FlagId) -> None:
    """Recompute a flag from the ledger position it names; fails when it does not come out the same.

    Where the mirror has moved on since, the position is mirrored again from the chain, into a folder that is
    removed afterwards.
    """
    options = settings(context)
    with progress(options) as advance:
        file = Desk(options.home, chain=options.chain).replay(flag_id, progress=advance)
    emit(options, {"flag_id": file.flag_id, "equal": True}, lambda: None)
    say(f"Flag {file.flag_id[:12]} comes out again, equal in every field.")


@app.command()
def decide(
    context: typer.Context,
    flag_id: FlagId,
    verdict: Annotated[_Verdict, typer.Argument(help="What you find.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the decision, sealed to desk and officer.")],
    officer: Annotated[int, typer.Option(min=1, max=3, help="Which officer of this machine decides.")] = 1,
) -> None:
    """Decide on a flag. A later decision takes its place; all of them stay on the chain."""
    options = settings(context)
    acting = Officer(options.home, number=officer, chain=options.chain, note=say)
    flag, made = acting.decide(flag_id, verdict.value, reason=reason)
    value = {"flag_id": flag, "decisions": [decision.to_json() for decision in made]}
    emit(options, value, lambda: show_decisions(made))
    say(f"Flag {flag[:12]} is decided: {said(made[-1].decision.verdict)}.")


@app.command()
def trace(context: typer.Context, flag_id: FlagId) -> None:
    """Follow one finding from its rows, over the check, to the clause and who put it in force."""
    options = settings(context)
    desk = Desk(options.home, chain=options.chain)
    flag, found = desk.trace(flag_id)
    names = {member.code: member.agent for member in desk.members()}
    emit(options, found, lambda: show_trace(flag, found, names))


@app.command()
def report(
    context: typer.Context,
    flag_id: FlagId,
    out: Annotated[Path | None, typer.Option(help="Write the draft to this file.")] = None,
) -> None:
    """Draft the report a flag or finding leads to, as structured data with the clause cited."""
    options = settings(context)
    value = Desk(options.home, chain=options.chain).draft_report(flag_id)
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, "utf-8")
    say(f"A draft {value['kind'].replace('_', ' ')} is written to {out}; the bank completes it.")


def _since(flag: FlagSummary) -> Iterator[str]:
    """Say what became of a flag since it was raised."""
    if flag.verdict is not None:
        yield f"Decided: {said(flag.verdict)}."
    if flag.latest_score is not None:
        yield f"Scored {flag.latest_score:.0%} by the last scan with a champion."
