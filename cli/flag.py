"""``counterfoil flag``: flags a person can read, their evidence, and their recomputation."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.checking import check_transfers
from cli.consortium import connect
from cli.output import Settings, emit, say, settings, show_table
from ledger.errors import VerificationError
from ledger.flag import Flag
from ledger.reader.cases import CaseBook, KeptFlag

__all__ = ["app"]

app = typer.Typer(help="Flags and findings: list, show, recompute.", no_args_is_help=True)

FlagId = Annotated[str, typer.Argument(help="The flag's identifier, or its first digits.")]


@app.command("list")
def list_flags(
    context: typer.Context,
    title: Annotated[str | None, typer.Option(help="Only this typology or rule.")] = None,
) -> None:
    """List flags and findings, newest last."""
    options = settings(context)
    found = [kept for kept in _book(options).flags() if title in (None, kept.flag.title)]
    value = [{"flag_id": kept.flag_id.hex(), **kept.flag.to_json()} for kept in found]
    rows = [
        (
            k.flag_id.hex()[:12],
            k.flag.title,
            k.flag.severity,
            k.flag.certainty,
            len(k.flag.rows),
            k.flag.explanation,
        )
        for k in found
    ]
    columns = ["flag", "what", "severity", "certainty", "rows", "explanation"]
    emit(options, value, lambda: show_table(f"{len(found)} flags", columns, rows))


@app.command()
def show(
    context: typer.Context,
    flag_id: FlagId,
    svg: Annotated[Path | None, typer.Option(help="Draw the evidence to this file.")] = None,
    graphml: Annotated[Path | None, typer.Option(help="Export the evidence graph to this file.")] = None,
) -> None:
    """Show one flag: what, why, which rows, and which clause or parameters."""
    options = settings(context)
    kept = _book(options).find(flag_id)
    if svg or graphml:
        from anomaly.evidence import evidence_graph, to_graphml, to_svg
        from anomaly.tables import load_mirror

        transfers, _ = load_mirror(options.home.desk.mirror)
        graph = evidence_graph(kept.flag, transfers)
        if svg:
            svg.write_text(to_svg(graph), "utf-8")
        if graphml:
            graphml.write_bytes(to_graphml(graph))
    emit(options, {"flag_id": kept.flag_id.hex(), **kept.flag.to_json()}, lambda: _render(kept))
    for path in (svg, graphml):
        if path:
            say(f"Written to {path}.")


@app.command()
def replay(context: typer.Context, flag_id: FlagId) -> None:
    """Recompute a flag from the ledger position it names; fails when it does not come out the same."""
    from anomaly.scan import replay as replay_detector
    from anomaly.tables import load_mirror

    options = settings(context)
    kept = _book(options).find(flag_id)
    transfers, position = load_mirror(options.home.desk.mirror)
    if position != kept.flag.position:
        raise VerificationError(
            "the mirror stands at another position than the flag names",
            expected=f"block {kept.flag.position.block}, {kept.flag.position.log_size} batches",
            got=f"block {position.block}, {position.log_size} batches",
            next_step="Mirror the chain up to that block in a folder of its own and replay there.",
        )
    if kept.flag.source.kind == "detector":
        replay_detector(kept.flag, transfers)
    else:
        gateway = connect(options.home, options.chain)
        findings = check_transfers(gateway, transfers, position, home=options.home).findings
        if kept.flag.to_json() not in [finding.bounded().to_json() for finding in findings]:
            raise VerificationError("the finding does not come out again", where=kept.flag_id.hex())
    say(f"Flag {kept.flag_id.hex()[:12]} comes out again, equal in every field.")


def _book(options: Settings) -> CaseBook:
    return CaseBook(options.home.desk.cases)


def _render(kept: KeptFlag) -> None:
    flag: Flag = kept.flag
    since, until = (datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M") for t in flag.window)
    rows = [
        ("flag", kept.flag_id.hex()),
        ("what", flag.title),
        ("explanation", flag.explanation),
        ("window (UTC)", f"{since} to {until}"),
        ("certainty", flag.certainty),
        ("severity", flag.severity),
        ("score", flag.score),
        ("raised by", f"{flag.source.kind} {flag.source.id} {flag.source.version[:12]}"),
        ("position", f"block {flag.position.block}, {flag.position.log_size} batches"),
        ("anchored in block", kept.block),
        ("truncated", "yes" if flag.truncated else "no"),
    ]
    if flag.citation:
        rows[2:2] = [("citation", flag.citation), ("clause", flag.clause)]
    show_table("Flag", ["", "value"], rows)
    if flag.details:
        show_table("Figures", ["", "value"], sorted(flag.details.items()))
    show_table("Entities", ["pseudonym", "agent"], [(e.pseudonym, str(e.agent)) for e in flag.entities])
    show_table(
        "Evidence rows",
        ["member", "batch", "row"],
        [(str(r.member), str(r.sequence), str(r.index)) for r in flag.rows],
    )
