"""``counterfoil desk``: the reader node mirrors, scans, checks and serves.

Detectors, rules and the API are imported by the commands that use them: the others answer at once.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.checking import check_transfers
from cli.consortium import connect
from cli.learning import AlertRule, register_train, scan_learned, tell_drift, watch
from cli.local import listen
from cli.output import emit, progress, say, settings, show_table, tell
from cli.scanning import period_to_scan, told
from ledger import canonical
from ledger.errors import ConfigurationError, VerificationError
from ledger.flag import Flag
from ledger.home import Home

if TYPE_CHECKING:
    from ledger.gateway import Gateway

__all__ = ["app", "check_transfers", "keep_and_anchor", "member_names", "note_members"]

_MEMBERS = "members.json"

app = typer.Typer(help="The reader node: mirror, detectors, checks, API.", no_args_is_help=True)


def keep_and_anchor(home: Home, gateway: Gateway, flags: list[Flag]) -> tuple[int, int]:
    """Keep flags and anchor them on the case log; return (new, anchored)."""
    from ledger.reader.cases import CaseBook
    from ledger.reader.keys import DeskKeys

    keys = DeskKeys.load(home.desk.keys)
    hpke = {member.code: member.hpke_key for member in gateway.members()}
    book = CaseBook(home.desk.cases)
    try:
        return book.keep(flags, hpke), book.anchor(gateway, keys.account)
    finally:
        book.close()


def note_members(home: Home, gateway: Gateway) -> None:
    """Keep the members' names beside the mirror, for those who read flags without a chain."""
    from ledger.storage import write_atomically

    names = {str(member.code): member.agent for member in gateway.members()}
    write_atomically(home.desk.root / _MEMBERS, canonical.dumps(names))


def member_names(home: Home) -> dict[int, str]:
    """Return agent code to agent, as of the last sync; empty where none was kept."""
    try:
        names: Any = canonical.loads((home.desk.root / _MEMBERS).read_bytes(), what="members' names")
        return {int(code): str(agent) for code, agent in names.items()}
    except (OSError, VerificationError, ValueError, AttributeError):
        return {}


@app.command()
def sync(
    context: typer.Context,
    depth: Annotated[int, typer.Option(min=0, help="Blocks on top before a block is final.")] = 0,
) -> None:
    """Mirror what is new on the chain, match it, and sign the log's checkpoint."""
    from ledger.reader import desk as rounds
    from ledger.reader.keys import DeskKeys

    options = settings(context)
    keys = DeskKeys.load(options.home.desk.keys)
    with progress(options) as advance:
        gateway = connect(options.home, options.chain)
        report = rounds.sync(options.home.desk, gateway, keys, depth=depth, progress=advance)
    note_members(options.home, gateway)

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
    from ledger.transfers.mirror import load_mirror

    options = settings(context)
    mirror = options.home.desk.mirror
    gateway = connect(options.home, options.chain)
    period = period_to_scan(gateway, mirror, days=days, since=since)
    transfers, position = load_mirror(mirror, period=period)
    rule = AlertRule(budget, missed_cost, expected)
    with progress(options) as advance:
        scanned = scan_learned(
            options.home,
            gateway,
            transfers,
            position,
            period,
            rule,
            lambda _name, done, total: advance("scan", done, total),
        )
    flags = scanned.flags
    new, anchored = keep_and_anchor(options.home, gateway, flags)
    drift = watch(options.home, gateway, scanned, position)
    counts: dict[str, int] = {}
    for flag in flags:
        counts[flag.title] = counts.get(flag.title, 0) + 1
    truncated = sum(flag.truncated for flag in flags)
    read = {"begin": period.begin, "end": period.end, "transfers": transfers.num_rows}
    value: dict[str, Any] = {
        "flags": counts,
        "truncated": truncated,
        "new": new,
        "anchored": anchored,
        "period": read,
        "champion": None if scanned.champion is None else scanned.champion[0],
        "drift": drift,
    }

    def render() -> None:
        show_table("Flags by typology", ["typology", "flags"], sorted(counts.items()))
        tell(f"{new} new, {anchored} anchored on the chain; {truncated} are marked truncated.")
        tell(f"{transfers.num_rows:,} transfers scanned, {told(period)}.")
        tell_drift(drift)

    emit(options, value, render)


@app.command()
def check(context: typer.Context) -> None:
    """Run the active rules over the mirror and anchor their findings."""
    from ledger.transfers.mirror import load_mirror

    options = settings(context)
    gateway = connect(options.home, options.chain)
    transfers, position = load_mirror(options.home.desk.mirror)
    run = check_transfers(gateway, transfers, position, home=options.home)
    new, anchored = keep_and_anchor(options.home, gateway, run.findings)
    value: dict[str, Any] = {"rules": [asdict(s) for s in run.summary], "new": new, "anchored": anchored}

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
            for s in run.summary
            if not s.not_checked
        ]
        show_table("Rules", columns, rows)
        rest = sum(s.not_checked is not None for s in run.summary)
        if rest:
            tell(f"{rest} rules say who, when or how long, and have no check of their own.")
        tell(f"{len(run.findings)} findings; {new} new, {anchored} anchored on the chain.")

    emit(options, value, render)


@app.command()
def token(
    context: typer.Context,
    role: Annotated[str, typer.Argument(help="member, officer, auditor or operator")],
    subject: Annotated[str, typer.Argument(help="A member's agent identifier, or a name.")],
) -> None:
    """Issue an access token for the API; it is shown once and kept only as a hash."""
    from api.tokens import issue

    roles: dict[str, Literal["member", "officer", "auditor", "operator"]] = {
        "member": "member",
        "officer": "officer",
        "auditor": "auditor",
        "operator": "operator",
    }
    if role not in roles:
        raise typer.BadParameter(f"{role!r} is none of {', '.join(roles)}")
    options = settings(context)
    value = {"role": role, "subject": subject, "token": issue(options.home, roles[role], subject)}
    emit(options, value, lambda: typer.echo(value["token"]))


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


register_train(app)
