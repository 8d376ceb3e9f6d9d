"""``counterfoil desk``: mirror the chain, scan, check rules, train the model, and serve the API.

Only `serve` imports the API: the other commands start faster without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli import tokens
from cli.learning import show_training, tell_drift
from cli.log_views import show_logs
from cli.output import emit, progress, say, settings, show_table, tell
from counterfoil import Desk
from counterfoil.processes import listen
from ledger.errors import ConfigurationError

if TYPE_CHECKING:
    from ledger.transfers.period import Period

__all__ = ["app"]

app = typer.Typer(
    help="Work as the reader node: mirror the chain, run detectors and rules, serve the API.",
    no_args_is_help=True,
)
app.add_typer(tokens.app, name="token")


@app.command()
def sync(
    context: typer.Context,
    depth: Annotated[
        int, typer.Option(min=0, help="Number of later blocks after which a block is final.")
    ] = 0,
) -> None:
    """Mirror new batches from the chain, match their rows, and publish the logs, cosigned by witnesses."""
    options = settings(context)
    with progress(options) as advance:
        report = Desk(options.home, chain=options.chain).sync(depth=depth, progress=advance)

    def render() -> None:
        counts = report.counts
        rows = [("blocks", counts.blocks), ("batches", counts.batches), ("rows", counts.rows)]
        show_table("New in the mirror", ["", "count"], [*rows, ("batches rejected", counts.rejected)])
        show_table("Transfers by state", ["state", "count"], report.states.items())
        if report.rejected:
            rejected = [(r.log_index, r.member, r.sequence, r.reason) for r in report.rejected]
            show_table("Rejected batches", ["log index", "member", "sequence", "reason"], rejected)
        show_logs(report.logs)

    emit(options, asdict(report), render)


@app.command()
def scan(
    context: typer.Context,
    days: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of days to scan, up to the newest payments. Default: 400.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First day to scan (UTC), instead of --days."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            help="Share of payments that the champion model may alert. Default: 0.005.", show_default=False
        ),
    ] = None,
    missed_cost: Annotated[
        float | None,
        typer.Option(help="Cost of a missed case, counted in false alerts; instead of --budget."),
    ] = None,
    expected: Annotated[
        float | None, typer.Option(help="Expected share of cases. Default: the share in the training data.")
    ] = None,
) -> None:
    """Run the detectors over the newest period of the mirror and anchor their flags on the chain.

    The memory needed depends on the period, not on the length of the ledger. Each flag names its period, so
    that it can be recomputed. With a champion model (`desk train`), the scan also scores the flags, flags
    the payments that the model finds, and measures the drift of the model.
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
        _tell_problems(report.problems)

    emit(options, report.to_json(), render)


@app.command()
def check(context: typer.Context) -> None:
    """Run the rules in force over the mirror and anchor their findings on the chain."""
    options = settings(context)
    report = Desk(options.home, chain=options.chain).check()
    value = {
        "rules": [asdict(rule) for rule in report.summary],
        "new": report.new,
        "anchored": report.anchored,
        "problems": list(report.problems),
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
            tell(f"{rest} rules have no check of their own, such as rules about deadlines or records.")
        tell(f"{len(report.findings)} findings; {report.new} new, {report.anchored} anchored on the chain.")
        _tell_problems(report.problems)

    emit(options, value, render)


@app.command()
def train(
    context: typer.Context,
    days: Annotated[
        int | None, typer.Option(min=1, help="Number of days to learn from, as for `desk scan`.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First day to learn from (UTC), instead of --days."),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Score a payment one window later: more reliable, but not immediate."),
    ] = False,
) -> None:
    """Train a model on the officers' decisions, and record the result on the chain.

    The new model (the challenger) is fitted on earlier decisions and calibrated on later ones. It is compared
    with the champion on the latest decisions, and replaces it only if its gain is statistically significant.
    """
    options = settings(context)
    report = Desk(options.home, chain=options.chain).train(days=days, since=since, wait=wait, note=say)
    emit(options, report.says, lambda: show_training(options, report))


@app.command()
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port on loopback; 0 picks a free port.")] = 8600,
) -> None:
    """Serve the desk's HTTP API until you stop it with Ctrl-C."""
    from api.desk import create_app, server

    options = settings(context)
    if not options.home.deployment.exists():
        raise ConfigurationError(
            "this state folder holds no consortium",
            where=str(options.home.deployment),
            next_step="Run `counterfoil demo`, or name an existing state folder with --home.",
        )
    listening = listen(port)
    say(f"The desk answers at http://127.0.0.1:{listening.getsockname()[1]} (stop with Ctrl-C).")
    say(f"Issue a token for the API: `{options.program} desk token officer NAME`.")
    server(create_app(options.home, chain=options.chain), port=port).run(sockets=[listening])


def _told(period: Period) -> str:
    """Return a period as text for a person."""
    begin, end = (datetime.fromtimestamp(moment, UTC) for moment in (period.begin, period.end))
    return f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def _tell_problems(problems: Sequence[str]) -> None:
    for problem in problems:
        tell(problem)
