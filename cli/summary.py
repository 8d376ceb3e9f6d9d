"""The closing summary of a demonstration: what was posted, matched, found, verified, and how fast."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from anomaly.score import Score
from cli.output import Settings, emit, say, show_table, tell
from cli.posting import PostReport
from compliance.check import CheckRun
from ledger.flag import Flag

__all__ = ["Story", "summarise"]


@dataclass(slots=True)
class Story:
    """What a demonstration did."""

    seconds: dict[str, float] = field(default_factory=dict)
    posts: list[PostReport] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    flags: list[Flag] = field(default_factory=list)
    check: CheckRun | None = None
    score: Score | None = None
    files: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage and name it to the person who waits."""
        say(f"{name} ...", style="bold")
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


def summarise(options: Settings, story: Story) -> None:
    """Print the summary, as tables or as JSON."""
    emit(options, _value(story), lambda: _render(options, story))


def _value(story: Story) -> dict[str, Any]:
    intakes = [report.intake for report in story.posts]
    return {
        "rows_read": sum(intake.read for intake in intakes),
        "rows_already_held": sum(intake.already_held for intake in intakes),
        "rows_quarantined": sum(intake.quarantined for intake in intakes),
        "rows_posted": sum(report.sealed_rows for report in story.posts),
        "batches": sum(report.batches for report in story.posts),
        "batches_rejected": story.rejected,
        "states": story.states,
        "seconds": story.seconds,
        "posting_seconds_by_stage": _stage_sums(story.posts),
        "flags": len(story.flags),
        "truncated": sum(flag.truncated for flag in story.flags),
        "typologies": [line.to_json() for line in story.score.lines] if story.score else [],
        "findings": len(story.check.findings) if story.check else 0,
        "rules": [asdict(s) for s in story.check.summary] if story.check else [],
        "files": story.files,
    }


def _render(options: Settings, story: Story) -> None:
    value = _value(story)
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
    show_table("Transfers by state", ["state", "count"], story.states.items())
    if story.score:
        show_table(
            "Flags against the planted truth",
            ["typology", "planted", "found", "recall", "flags", "right", "precision"],
            [
                (s.typology, s.instances, s.found, s.recall, s.flags, s.right, s.precision)
                for s in story.score.lines
            ],
        )
        total = story.score.total
        tell(
            "An instance is found when one flag holds half of its rows; a flag is right when half of its "
            f"rows are planted. Of {total.planted} planted payments {total.covered} are in a flag; of "
            f"{total.flagged} payments in flags {total.hit} are planted. {value['truncated']} of "
            f"{value['flags']} flags are marked truncated.\n"
        )
    if story.check:
        checked = [s for s in story.check.summary if s.rows]
        show_table(
            "Rules in force that met transfers (extracted from the model rulebook)",
            ["rule", "transfers", "certain", "possible", "needs member"],
            [(s.citation or s.rule_id, s.rows, s.certain, s.possible, s.needs_member) for s in checked],
        )
    show_table("Time by stage", ["stage", "seconds"], list(story.seconds.items()))
    _next_steps(options, story)


def _next_steps(options: Settings, story: Story) -> None:
    program = options.program
    if "flag" in story.files:
        tell(f"One flag: {story.files['explanation']}")
        tell(f"  read it:  {program} flag show {story.files['flag'][:12]}")
        tell(f"  see it:   {story.files['drawing']}")
    if "disclosure" in story.files:
        tell("A row of its evidence was disclosed by its bank and verified offline. Verify it yourself:")
        tell(f"  {program} verify {story.files['disclosure']}")


def _stage_sums(posts: list[PostReport]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for report in posts:
        for stage, seconds in report.seconds.items():
            sums[stage] = sums.get(stage, 0.0) + seconds
    return sums
