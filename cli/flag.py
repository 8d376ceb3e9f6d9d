"""``counterfoil flag``: list and show flags, decide on them, and recompute them."""

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
from cli.output import (
    Settings,
    counted,
    emit,
    emit_each,
    progress,
    say,
    settings,
    show_entries,
    show_table,
    tell,
)
from counterfoil import Desk, Officer
from counterfoil.types import FlagCount, FlagFilter, FlagSummary

__all__ = ["app"]

app = typer.Typer(
    help="List and show flags and findings; decide on them; recompute them.", no_args_is_help=True
)

FlagId = Annotated[str, typer.Argument(help="Identifier of the flag, or its first digits.")]

#: Number of flags on a page.
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
        str | None,
        typer.Argument(
            metavar="FLAG_ID", help="First digits of an identifier: list only flags that start with them."
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="List only flags of this typology or rule.")] = None,
    severity: Annotated[_Severity | None, typer.Option(help="List only flags of this severity.")] = None,
    undecided: Annotated[
        bool, typer.Option("--undecided", help="List only flags that no officer has decided on.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of flags on a page. Default: 50; with --json all flags.", show_default=False
        ),
    ] = None,
    after: Annotated[str | None, typer.Option(help="List the flags after this one: the next page.")] = None,
) -> None:
    """List flags and findings, the most severe first, and count them by typology or rule."""
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
        say(f"There are no flags yet. Run `{options.program} desk scan` and `{options.program} desk check`.")


def _show_page(
    options: Settings,
    flags: Sequence[FlagSummary],
    counts: Sequence[FlagCount] | None,
    *,
    following: str | None = None,
) -> None:
    """Print one page of flags, and the counts of all flags that match."""
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
        show_entries(
            counted(total, "flag") if total == len(flags) else f"{len(flags)} of {counted(total, 'flag')}",
            entries,
        )
        if counts:
            tell("")
            rows = [(c.title, c.high, c.medium, c.low, c.undecided) for c in counts]
            show_table("Number of flags", ["flag", "high", "medium", "low", "undecided"], rows)

    value = [{**asdict(flag), "flag_id": flag.flag_id.hex()} for flag in flags]
    emit(options, value, render)
    if following is not None:
        say(f"Next page: `{options.program} flag list --after {following[:12]}`, with the same options.")


@app.command()
def show(
    context: typer.Context,
    flag_id: FlagId,
    svg: Annotated[Path | None, typer.Option(help="Draw the evidence as SVG into this file.")] = None,
    graphml: Annotated[
        Path | None, typer.Option(help="Write the evidence graph as GraphML into this file.")
    ] = None,
) -> None:
    """Show one flag with its explanation, payments, and clause or parameters; this needs no chain."""
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
    """Recompute a flag at its own ledger position; the command fails if the result is different.

    If the mirror has read later batches, the command mirrors the position from the chain again, into a
    temporary folder.
    """
    options = settings(context)
    with progress(options) as advance:
        file = Desk(options.home, chain=options.chain).replay(flag_id, progress=advance)
    emit(options, {"flag_id": file.flag_id, "equal": True}, lambda: None)
    say(f"Flag {file.flag_id[:12]} was recomputed; every field is equal.")


@app.command()
def decide(
    context: typer.Context,
    flag_id: FlagId,
    verdict: Annotated[_Verdict, typer.Argument(help="Your verdict.")],
    reason: Annotated[
        str, typer.Option(help="Reason; it is encrypted with the decision for the desk and the officer.")
    ],
    officer: Annotated[
        int,
        typer.Option(min=1, max=3, help="Number of the officer who decides (the keys are on this machine)."),
    ] = 1,
) -> None:
    """Decide on a flag. A later decision replaces an earlier one; all decisions stay on the chain."""
    options = settings(context)
    acting = Officer(options.home, number=officer, chain=options.chain, note=say)
    flag, made = acting.decide(flag_id, verdict.value, reason=reason)
    value = {"flag_id": flag, "decisions": [decision.to_json() for decision in made]}
    emit(options, value, lambda: show_decisions(made))
    say(f"Flag {flag[:12]} is decided: {said(made[-1].decision.verdict)}.")


@app.command()
def trace(context: typer.Context, flag_id: FlagId) -> None:
    """Show how a finding follows from its rows, its check and its clause, and who approved the rule."""
    options = settings(context)
    desk = Desk(options.home, chain=options.chain)
    flag, found = desk.trace(flag_id)
    names = {member.code: member.agent for member in desk.members()}
    emit(options, found, lambda: show_trace(flag, found, names))


@app.command()
def report(
    context: typer.Context,
    flag_id: FlagId,
    out: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
) -> None:
    """Draft a report from a flag or finding, as JSON with the clause cited."""
    options = settings(context)
    value = Desk(options.home, chain=options.chain).draft_report(flag_id)
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, "utf-8")
    say(f"A draft {value['kind'].replace('_', ' ')} is written to {out}; the bank completes it.")


def _since(flag: FlagSummary) -> Iterator[str]:
    """Return the latest decision and the latest score of a flag as sentences."""
    if flag.verdict is not None:
        yield f"Decided: {said(flag.verdict)}."
    if flag.latest_score is not None:
        yield f"Scored {flag.latest_score:.0%} by the last scan with a champion."
