"""``counterfoil flag``: flags that a person can read, their evidence, their decisions, their recomputation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.findings import show_trace
from cli.flag_views import moment, said, say_what_is_next, show_decisions, show_flag
from cli.output import emit, progress, say, settings, show_entries, show_table, tell
from counterfoil import Desk, Officer

if TYPE_CHECKING:
    from ledger.reader.cases import KeptFlag

__all__ = ["app"]

app = typer.Typer(help="Flags and findings: list, show, decide, recompute.", no_args_is_help=True)

FlagId = Annotated[str, typer.Argument(help="The flag's identifier, or its first digits.")]

#: Gravest first.
_SEVERITIES: Final = ("high", "medium", "low")


class _Verdict(StrEnum):
    suspicious = "suspicious"
    not_suspicious = "not_suspicious"


@app.command("list")
def list_flags(
    context: typer.Context,
    title: Annotated[str | None, typer.Option(help="Only this typology or rule.")] = None,
    severity: Annotated[str | None, typer.Option(help="Only this severity: low, medium or high.")] = None,
    undecided: Annotated[bool, typer.Option("--undecided", help="Only what no officer decided yet.")] = False,
) -> None:
    """List flags and findings, the gravest first; at the end, how many there are of each kind."""
    options = settings(context)
    kept, decided = Desk(options.home).all_flags()
    found = [
        k
        for k in kept
        if title in (None, k.flag.title)
        and severity in (None, k.flag.severity)
        and not (undecided and k.flag_id in decided)
    ]
    found.sort(key=_urgency)
    value = [
        {
            "flag_id": k.flag_id.hex(),
            **k.flag.to_json(),
            "latest_score": k.latest_score,
            "verdict": decided.get(k.flag_id),
        }
        for k in found
    ]
    entries = [
        (
            (
                k.flag_id.hex()[:12],
                k.flag.title,
                f"{k.flag.severity}, {k.flag.certainty}",
                moment(k.flag.window[0])[:10],
            ),
            "\n".join([k.flag.explanation, *_since(k, decided.get(k.flag_id))]),
        )
        for k in found
    ]

    def render() -> None:
        show_entries(f"{len(found)} flags", entries)
        if found:
            tell("")
            show_table("How many", ["flag", *_SEVERITIES, "undecided"], _counted(found, decided))

    emit(options, value, render)
    if not kept:
        say(f"None was raised yet; run `{options.program} desk scan` and `{options.program} desk check`.")


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


def _urgency(kept: KeptFlag) -> tuple[int, float, int]:
    """Order flags as an officer works: the gravest first, of these the likeliest, of these the newest."""
    return _SEVERITIES.index(kept.flag.severity), -(kept.latest_score or 0.0), -kept.flag.window[1]


def _counted(found: Sequence[KeptFlag], decided: Mapping[bytes, str]) -> list[tuple[Any, ...]]:
    """Count flags by what they are, their severity, and whether an officer has decided."""
    kinds: dict[str, list[KeptFlag]] = {}
    for kept in found:
        kinds.setdefault(kept.flag.title, []).append(kept)
    return [
        (
            title,
            *(sum(k.flag.severity == severity for k in of_kind) for severity in _SEVERITIES),
            sum(k.flag_id not in decided for k in of_kind),
        )
        for title, of_kind in sorted(kinds.items())
    ]


def _since(kept: KeptFlag, verdict: str | None) -> Iterator[str]:
    """Say what became of a flag since it was raised."""
    if verdict is not None:
        yield f"Decided: {said(verdict)}."
    if kept.latest_score is not None:
        yield f"Scored {kept.latest_score:.0%} by the last scan with a champion."
