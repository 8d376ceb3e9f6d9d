"""``counterfoil demo``: run a whole consortium on this machine, from bank files to verified flags."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from socket import socket
from typing import Annotated

import typer

from cli.keyholder import serving
from cli.output import Settings, progress, say, settings
from cli.summary import Stages, summarise
from counterfoil import Operator
from counterfoil.processes import listen, stop
from ledger.home import Home

__all__ = ["demo"]


def demo(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="End after the summary; do not serve the desk's API.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option(help="Post this labelled file of payments instead of simulated payments.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(min=1, help="With --file: read only this many rows from the start.")
    ] = None,
    members: Annotated[
        int, typer.Option(min=2, help="With --file: number of the largest banks that take part.")
    ] = 12,
    transactions: Annotated[int, typer.Option(min=1, help="Number of transactions to simulate.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 7,
    port: Annotated[int, typer.Option(help="Port of the desk's API.")] = 8600,
) -> None:
    """Run a consortium: chain, five key holders, banks, witnesses, desk; post, scan, check, disclose, verify.

    If it was interrupted, run it again with the same options: it repeats no finished step. A state folder
    holds one demonstration; for a second one, give another folder with --home.
    """
    from counterfoil.demonstration import HOLDERS, Banks, Demonstration

    options = settings(context)
    shown = Demonstration(options.home, Banks(file, rows, members, transactions, seed), options.chain)
    listening = None if once else listen(port)  # a port in use is reported before the work starts
    stages = Stages()
    started: list[int] = []
    try:
        with stages.stage("bank files"):
            shown.make_files(say)
        with stages.stage("chain and contracts"):
            if options.chain is None:
                started += _process(Operator(options.home).start_chain())
            shown.prepare()
        with stages.stage("key ceremony"):
            for number in range(1, HOLDERS + 1):
                pid = shown.start_holder(number, serving)
                started += [] if pid is None else [pid]
            shown.make_key()
        with stages.stage("founding"):
            shown.found()
        with stages.stage("witnesses"):
            for agent in shown.witnessing:
                pid = shown.start_witness(agent, partial(_witness, agent))
                started += [] if pid is None else [pid]
            shown.name_witnesses()
        with stages.stage("post"), progress(options) as advance:
            shown.post(say, advance)
        with stages.stage("mirror and match"), progress(options) as advance:
            shown.sync(advance)
        with stages.stage("scan"), progress(options) as advance:
            shown.scan(advance)
        with stages.stage("check"):
            shown.check()
        if shown.has_truth:
            with stages.stage("score"):
                shown.compare()
        with stages.stage("disclose and verify"):
            shown.prove()
        summarise(options, shown, stages.seconds)
        if listening is not None:
            _serve_desk(options, listening)
    finally:
        for pid in reversed(started):
            stop(pid)


def _witness(agent: str, home: Home, chain: str) -> list[str]:
    """Return the module and arguments that serve the witness of a bank."""
    return ["cli.main", "--home", str(home.root), "--chain", chain, "member", "witness", agent]


def _process(started: tuple[str, int | None]) -> list[int]:
    _, pid = started
    return [] if pid is None else [pid]


def _serve_desk(options: Settings, listening: socket) -> None:
    from api.desk import create_app, server
    from counterfoil.tokens import issue

    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    token = issue(options.home, "officer", "demo-officer")
    say(f"The desk answers at {url} (stop with Ctrl-C).")
    say(f"  curl -H 'Authorization: Bearer {token}' {url}/v1/flags")
    server(create_app(options.home, chain=options.chain)).run(sockets=[listening])
