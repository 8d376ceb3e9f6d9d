"""``counterfoil demo``: run a whole consortium on this machine, from bank files to verified flags."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from socket import socket
from typing import Annotated, Final

import typer

from cli.output import Settings, progress, say, settings
from cli.summary import Stages, summarise
from counterfoil import KeyHolder, Operator
from counterfoil.processes import listen, stop
from ledger.home import Home

__all__ = ["demo"]

_QUOTA: Final = 1_000_000


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
    """Run a consortium: chain, key holder, banks, witnesses, desk; post, scan, check, disclose, verify.

    If it was interrupted, run it again with the same options: it repeats no finished step. A state folder
    holds one demonstration; for a second one, give another folder with --home.
    """
    from counterfoil.demonstration import Banks, Demonstration

    options = settings(context)
    shown = Demonstration(options.home, Banks(file, rows, members, transactions, seed), options.chain)
    listening = None if once else listen(port)  # a port in use is reported before the work starts
    stages = Stages()
    started: list[int] = []
    try:
        with stages.stage("bank files"):
            shown.make_files(say)
        with stages.stage("chain and consortium"):
            if options.chain is None:
                started += _process(Operator(options.home).start_chain())
            shown.found()
            started += _process(KeyHolder(options.home, chain=options.chain).ensure_running(_serve(options)))
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


def _serve(options: Settings) -> list[str]:
    """Return the module and arguments that serve the key holder of this state folder."""
    chain = [] if options.chain is None else ["--chain", options.chain]
    home = ["--home", str(options.home.root)]
    return ["cli.main", *home, *chain, "keyholder", "serve", "--quota", str(_QUOTA)]


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
