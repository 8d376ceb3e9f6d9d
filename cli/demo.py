"""``counterfoil demo``: a whole consortium on this machine, from bank files to verified flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import settings

__all__ = ["demo"]


def demo(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="End after the summary.")] = False,
    file: Annotated[
        Path | None, typer.Option(help="Post this labelled file of payments instead of the simulation.")
    ] = None,
    rows: Annotated[int | None, typer.Option(min=1, help="With --file: only its first so many rows.")] = None,
    members: Annotated[
        int, typer.Option(min=2, help="With --file: how many of its largest banks take part.")
    ] = 12,
    transactions: Annotated[int, typer.Option(min=1, help="Transactions to simulate.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 7,
    port: Annotated[int, typer.Option(help="Port of the desk's API.")] = 8600,
) -> None:
    """Run a consortium: chain, key holder, banks and desk; post, scan, check, disclose, verify.

    Interrupted? Run it again with the same options: what is done stays done. A folder belongs to one
    demonstration; for another, name another --home.
    """
    from cli.demonstration import Banks, run

    options = settings(context)
    run(options, Banks(file, rows, members, transactions, seed), port=None if once else port)
