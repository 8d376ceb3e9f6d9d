"""Print the result of a training, and the drift of the champion model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cli.output import Settings, say, show_facts, show_table, tell

if TYPE_CHECKING:
    from counterfoil.learning import TrainReport

__all__ = ["show_training", "tell_drift"]


def tell_drift(drift: Mapping[str, Any] | None) -> None:
    """Print the drift of the champion model; print nothing if it is stable."""
    if drift is None or drift["verdict"] == "stable":
        return
    most = ", ".join(list(drift["features"])[:3])
    advice = (
        "train the model again" if drift["verdict"] == "changed" else "check it again after the next scan"
    )
    tell(
        f"Payments have drifted since the last training ({drift['verdict']}; stability index of the scores "
        f"{drift['score']:.2f}{f', most changed features: {most}' if most else ''}): {advice}."
    )


def show_training(options: Settings, report: TrainReport) -> None:
    """Print the comparison of challenger and champion, and its result."""
    outcome, contest = report.outcome, report.outcome.contest
    columns = ["window", "days (UTC)", "payments", "cases", "suspicious", "not suspicious"]
    rows = [
        (name, w.dates(), w.payments, w.cases, w.suspicious, w.not_suspicious)
        for name, w in outcome.windows.items()
    ]
    show_table("Decided flags by window", columns, rows)
    against = "typology scores" if len(outcome.incumbent) != 64 else f"champion {outcome.incumbent[:12]}"
    facts = [
        ("challenger", report.model),
        ("PR-AUC of the challenger", f"{contest.challenger:.3f}"),
        (f"PR-AUC of the {against}", f"{contest.champion:.3f}"),
        ("gain, 95 % interval", f"{contest.gain:+.3f} ({contest.low:+.3f} to {contest.high:+.3f})"),
    ]
    show_facts("Comparison", facts)
    if contest.replaced:
        tell("The challenger is the new champion. The chain records it.")
        say(f"From now on, `{options.program} desk scan` uses it to score flags and to raise its own.")
    else:
        tell("The challenger is not significantly better, so nothing changes. The chain records this.")
