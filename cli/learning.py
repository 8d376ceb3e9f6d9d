"""How the command line shows a training and the champion's drift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cli.output import Settings, say, show_facts, show_table, tell

if TYPE_CHECKING:
    from counterfoil.learning import TrainReport

__all__ = ["show_training", "tell_drift"]


def tell_drift(drift: Mapping[str, Any] | None) -> None:
    """Print what a person has to know of the drift: nothing while all is as it was."""
    if drift is None or drift["verdict"] == "stable":
        return
    most = ", ".join(list(drift["features"])[:3])
    advice = "train again" if drift["verdict"] == "changed" else "keep an eye on it"
    tell(
        f"Payments since the champion learnt have drifted ({drift['verdict']}; stability index of the scores "
        f"{drift['score']:.2f}{f', most moved: {most}' if most else ''}): {advice}."
    )


def show_training(options: Settings, report: TrainReport) -> None:
    """Print the contest between challenger and champion, and what came of it."""
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
    show_facts("Contest", facts)
    if contest.replaced:
        tell("The challenger wins and is champion now; its hash and the contest stand on the chain.")
        say(f"From now on `{options.program} desk scan` scores flags with it and adds its own.")
    else:
        tell("The challenger does not win by more than chance: all stays as it was. The chain says so.")
