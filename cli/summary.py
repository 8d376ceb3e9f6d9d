"""Print the summary of a demonstration: the counts of each stage, and its time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cli.log_views import cosigned
from cli.output import Settings, emit, say, show_table, tell

if TYPE_CHECKING:
    from counterfoil.demonstration import Demonstration
    from counterfoil.posting import PostReport

__all__ = ["Stages", "summarise"]


class Stages:
    """The stages of a demonstration, and the seconds that each one took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Print the name of a stage and measure its time."""
        say(f"{name} ...", style="bold")
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


def summarise(options: Settings, shown: Demonstration, seconds: Mapping[str, float]) -> None:
    """Print the summary, as tables or as JSON."""
    value = _value(shown, seconds)
    emit(options, value, lambda: _render(options, shown, value))


def _value(shown: Demonstration, seconds: Mapping[str, float]) -> dict[str, Any]:
    intakes = [report.intake for report in shown.posts]
    mirrored, scanned, checked = shown.mirrored, shown.scanned, shown.checked
    return {
        "rows_read": sum(intake.read for intake in intakes),
        "rows_already_held": sum(intake.already_held for intake in intakes),
        "rows_quarantined": sum(intake.quarantined for intake in intakes),
        "rows_posted": sum(report.sealed_rows for report in shown.posts),
        "batches": sum(report.batches for report in shown.posts),
        "batches_rejected": len(mirrored.rejected) if mirrored else 0,
        "logs": [asdict(log) for log in mirrored.logs] if mirrored else [],
        "states": mirrored.states if mirrored else {},
        "seconds": dict(seconds),
        "posting_seconds_by_stage": _stage_sums(shown.posts),
        "flags": len(scanned.flags) if scanned else 0,
        "truncated": scanned.truncated if scanned else 0,
        "typologies": [line.to_json() for line in shown.score.lines] if shown.score else [],
        "findings": len(checked.findings) if checked else 0,
        "rules": [asdict(rule) for rule in checked.summary] if checked else [],
        "files": shown.files,
    }


def _render(options: Settings, shown: Demonstration, value: Mapping[str, Any]) -> None:
    counts = (
        "rows_read",
        "rows_already_held",
        "rows_quarantined",
        "rows_posted",
        "batches",
        "batches_rejected",
    )
    show_table(
        "Posted by the banks", ["", "count"], [(name.replace("_", " "), value[name]) for name in counts]
    )
    show_table("Transfers by state", ["state", "count"], value["states"].items())
    if shown.mirrored:
        rows = [(log.log, log.size, f"checkpoint {cosigned(log)}") for log in shown.mirrored.logs]
        show_table("Logs", ["log", "entries", ""], rows)
    if shown.score:
        show_table(
            "Flags against the planted truth",
            ["typology", "planted", "found", "recall", "flags", "right", "precision"],
            [
                (s.typology, s.instances, s.found, s.recall, s.flags, s.right, s.precision)
                for s in shown.score.lines
            ],
        )
        total = shown.score.total
        tell(
            "An instance is found when one flag holds half of its rows; a flag is right when half of its "
            f"rows are planted. Of {total.planted} planted payments {total.covered} are in a flag; of "
            f"{total.flagged} payments in flags {total.hit} are planted. {value['truncated']} of "
            f"{value['flags']} flags are marked truncated.\n"
        )
    if shown.checked:
        checked = [s for s in shown.checked.summary if s.rows]
        show_table(
            "Rules in force with findings (extracted from the model rulebook)",
            ["rule", "transfers", "certain", "possible", "needs member"],
            [(s.citation or s.rule_id, s.rows, s.certain, s.possible, s.needs_member) for s in checked],
        )
    show_table("Time by stage", ["stage", "seconds"], list(value["seconds"].items()))
    _next_steps(options, shown.files)


def _next_steps(options: Settings, files: Mapping[str, str]) -> None:
    program = options.program
    if "flag" in files:
        tell(f"Example of a flag: {files['explanation']}")
        tell(f"  show it:     {program} flag show {files['flag'][:12]}")
        tell(f"  its drawing: {files['drawing']}")
    if "disclosure" in files:
        tell("A bank disclosed a row of the evidence, and it was verified offline. Verify it yourself:")
        tell(f"  {program} verify {files['disclosure']}")
    if "bundle" in files:
        tell(
            "The desk bundled the flag with all that proves it. The base install verifies it and writes a paper:"
        )
        tell(f"  {program} verify {files['bundle']} --report paper.html")


def _stage_sums(posts: Sequence[PostReport]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for report in posts:
        for stage, seconds in report.seconds.items():
            sums[stage] = sums.get(stage, 0.0) + seconds
    return sums
