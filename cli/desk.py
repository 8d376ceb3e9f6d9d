"""``counterfoil desk``: the reader mirrors, scans, checks, learns and serves.

The API is imported by the command that serves it: the others answer at once.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli import tokens
from cli.learning import show_training, tell_drift
from cli.output import emit, progress, say, settings, show_table, tell
from counterfoil import Desk
from counterfoil.processes import listen
from ledger.errors import ConfigurationError

if TYPE_CHECKING:
    from ledger.transfers.period import Period

__all__ = ["app"]

app = typer.Typer(help="The reader node: mirror, detectors, checks, API.", no_args_is_help=True)
app.add_typer(tokens.app, name="token")


@app.command()
def sync(
    context: typer.Context,
    depth: Annotated[int, typer.Option(min=0, help="Blocks on top before a block is final.")] = 0,
) -> None:
    """Mirror what is new on the chain, match it, and sign the log's checkpoint."""
    options = settings(context)
    with progress(options) as advance:
        report = Desk(options.home, chain=options.chain).sync(depth=depth, progress=advance)

    def render() -> None:
        counts = report.counts
        rows = [("blocks", counts.blocks), ("batches", counts.batches), ("rows", counts.rows)]
        show_table("New on the mirror", ["", "count"], [*rows, ("batches rejected", counts.rejected)])
        show_table("Transfers by state", ["state", "count"], report.states.items())
        if report.rejected:
            rejected = [(r.log_index, r.member, r.sequence, r.reason) for r in report.rejected]
            show_table("Batches kept apart", ["log index", "member", "sequence", "reason"], rejected)

    emit(options, asdict(report), render)


@app.command()
def scan(
    context: typer.Context,
    days: Annotated[
        int | None,
        typer.Option(
            min=1, help="Days to scan, up to the newest payments.  [default: 400]", show_default=False
        ),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first day to scan (UTC), instead.")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(help="Share of payments the champion may alert.  [default: 0.005]", show_default=False),
    ] = None,
    missed_cost: Annotated[
        float | None, typer.Option(help="What a missed case costs in needless alerts, instead of a budget.")
    ] = None,
    expected: Annotated[
        float | None, typer.Option(help="Share of cases to expect, where it is not the one learnt.")
    ] = None,
) -> None:
    """Run the detectors over the mirror's newest period and anchor their flags.

    Memory follows the period, however long the ledger is. Each flag names its period, so that it can be
    recomputed. With a champion (`desk train`) flags have scores, payments it finds are flagged too, and its
    drift is watched.
    """
    options = settings(context)
    with progress(options) as advance:
        report = Desk(options.home, chain=options.chain).scan(
            days=days,
            since=since,
            budget=budget,
            missed_cost=missed_cost,
            expected=expected,
            progress=advance,
        )

    def render() -> None:
        show_table("Flags by typology", ["typology", "flags"], sorted(report.counts.items()))
        tell(
            f"{report.new} new, {report.anchored} anchored on the chain; "
            f"{report.truncated} are marked truncated."
        )
        tell(f"{report.transfers:,} transfers scanned, {_told(report.period)}.")
        tell_drift(report.drift)

    emit(options, report.to_json(), render)


@app.command()
def check(context: typer.Context) -> None:
    """Run the active rules over the mirror and anchor their findings."""
    options = settings(context)
    report = Desk(options.home, chain=options.chain).check()
    value = {
        "rules": [asdict(rule) for rule in report.summary],
        "new": report.new,
        "anchored": report.anchored,
    }

    def render() -> None:
        columns = ["rule", "rows", "certain", "possible", "needs member", "across banks", "note"]
        rows = [
            (
                s.rule_id,
                s.rows,
                s.certain,
                s.possible,
                s.needs_member,
                s.across_banks,
                f"{s.unconverted} without a rate" if s.unconverted else "",
            )
            for s in report.summary
            if not s.not_checked
        ]
        show_table("Rules", columns, rows)
        rest = sum(s.not_checked is not None for s in report.summary)
        if rest:
            tell(f"{rest} rules say who, when or how long, and have no check of their own.")
        tell(f"{len(report.findings)} findings; {report.new} new, {report.anchored} anchored on the chain.")

    emit(options, value, render)


@app.command()
def train(
    context: typer.Context,
    days: Annotated[int | None, typer.Option(min=1, help="Days to learn from, as for a scan.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first day to learn from (UTC).")
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Judge a payment when one window has passed after it: surer, later."),
    ] = False,
) -> None:
    """Learn from the officers' decisions; the outcome is noted on the chain, whoever wins.

    A challenger is fitted on earlier decisions, calibrated on later ones, and tried on the latest against the
    champion; it becomes champion only when it wins by more than chance.
    """
    options = settings(context)
    report = Desk(options.home, chain=options.chain).train(days=days, since=since, wait=wait, note=say)
    emit(options, report.says, lambda: show_training(options, report))


@app.command()
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port on loopback; 0 picks a free one.")] = 8600,
) -> None:
    """Serve the desk's API until stopped."""
    from api.desk import create_app, server

    options = settings(context)
    if not options.home.deployment.exists():
        raise ConfigurationError(
            "no consortium is set up here",
            where=str(options.home.deployment),
            next_step="Run `counterfoil demo`, or point --home at an existing state folder.",
        )
    listening = listen(port)
    say(f"The desk answers at http://127.0.0.1:{listening.getsockname()[1]} (stop with Ctrl-C).")
    say(f"A token for it: `{options.program} desk token officer NAME`.")
    server(create_app(options.home, chain=options.chain), port=port).run(sockets=[listening])


def _told(period: Period) -> str:
    """Return a period as a person reads it."""
    begin, end = (datetime.fromtimestamp(moment, UTC) for moment in (period.begin, period.end))
    return f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
