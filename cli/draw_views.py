"""How a draw, and what a member explained of it, are shown."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from cli.output import Settings, counted, emit, say, show_table, tell
from ledger.audit.draws import DrawReport, Outcome

if TYPE_CHECKING:
    from ledger.draw import Draw

__all__ = ["show_draw", "show_opened"]


def show_draw(options: Settings, draw: Draw, out: Path) -> None:
    """Show how many elements were drawn of how many, and what to do with the file."""
    value = {
        "file": str(out),
        "member": draw.member,
        "requests_until": draw.requests_until,
        "drawn_at": draw.drawn_at,
        "total": draw.total,
        "count": len(draw.places),
        "sha256": draw.digest.hex(),
    }

    def render() -> None:
        tell(
            f"{out}: {counted(len(draw.places), 'element')} of the {draw.total:,} that {draw.member} "
            f"anchored up to block {draw.requests_until}."
        )

    emit(options, value, render)
    command = (
        f"{options.program} member open-draw -m {draw.member} {out.name} --recipient NAME --out opened.json"
    )
    say(f"Send it to {draw.member}, which runs `{command}`.")


def show_opened(options: Settings, report: DrawReport) -> None:
    """Show what explains each element, the counts, and what they say about all elements of the member."""
    counts = {outcome.value: report.count(outcome) for outcome in Outcome}
    drawn, most = len(report.elements), report.most_guesses()
    value = {
        "member": report.member,
        "draw": report.draw,
        "recipient": report.recipient,
        "requests": report.requests,
        "total": report.total,
        "drawn": drawn,
        "rows": report.rows,
        **counts,
        "most_guesses": most,
        "confidence": 0.95,
        "elements": [asdict(element) for element in report.elements],
    }

    def render() -> None:
        show_table(
            "Drawn elements",
            ["request", "element", "result", "row", "field", "why"],
            [
                (
                    str(e.place.request),
                    str(e.place.position),
                    e.outcome.value,
                    None if e.batch is None else f"{e.batch}:{e.row}",
                    e.field,
                    e.why,
                )
                for e in report.elements
            ],
        )
        show_table(
            "Counts",
            ["member", "requests", "anchored", "drawn", *counts],
            [(report.member, report.requests, report.total, drawn, *counts.values())],
        )
        tell(_meaning(report, most))

    emit(options, value, render)


def _meaning(report: DrawReport, most: float) -> str:
    drawn, whole = len(report.elements), report.total
    explained = report.count(Outcome.EXPLAINED)
    if drawn == whole:
        return (
            f"All {whole:,} elements were drawn: rows that {report.member} posted before the draw explain "
            f"{explained:,} of them, and {report.open:,} may be guesses."
        )
    text = (
        f"Rows that {report.member} posted before the draw explain {explained:,} of {drawn:,} drawn "
        f"elements. So, with 95 % confidence, at most {most:.1%} of its {whole:,} elements are guesses "
        "(exact bound of Clopper and Pearson"
    )
    if report.open:
        return f"{text}; what waits or came late counts as a guess here)."
    return f"{text}; rule of three: 3 of {drawn:,})."
