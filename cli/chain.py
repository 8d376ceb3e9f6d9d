"""``counterfoil chain``: the embedded chain of this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.local import CHAIN_ID, ensure_chain
from cli.output import emit, say, settings, show_table
from localchain import status
from localchain.server import serve

__all__ = ["app"]

app = typer.Typer(help="The embedded Ethereum chain, served as JSON-RPC on loopback.", no_args_is_help=True)


@app.command()
def start(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port on loopback; 0 picks a free one.")] = 8545,
    chain_id: Annotated[int, typer.Option(help="Chain id; it stands in every batch header.")] = CHAIN_ID,
    detach: Annotated[bool, typer.Option(help="Run in the background.")] = False,
) -> None:
    """Start the chain, in the foreground unless --detach; it resumes where it stood, also after a kill -9."""
    options = settings(context)
    if detach:
        url, pid = ensure_chain(options.home, port=port, chain_id=chain_id)
        say(f"The chain answers at {url}" + (f" (process {pid})." if pid else "; it was running already."))
        return
    serve(
        options.home.chain,
        port=port,
        chain_id=chain_id,
        ready=lambda url: say(f"The chain answers at {url}."),
    )


@app.command("status")
def show(context: typer.Context) -> None:
    """Say whether the chain runs, where, and how long it is."""
    options = settings(context)
    state = status(options.home.chain)
    emit(options, state, lambda: show_table("Embedded chain", ["", "value"], state.items()))
