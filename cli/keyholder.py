"""``counterfoil keyholder``: a holder of the pseudonym key. It is never the desk."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.output import say, settings
from counterfoil.keyholder import DEFAULT_QUOTA, KeyHolder
from counterfoil.processes import listen

__all__ = ["app"]

app = typer.Typer(help="A holder of the pseudonym key; it sees blinded points only.", no_args_is_help=True)


@app.command()
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port on loopback; 0 picks a free one.")] = 0,
    quota: Annotated[int, typer.Option(help="Evaluations per member, epoch and day.")] = DEFAULT_QUOTA,
) -> None:
    """Serve evaluations to active members until stopped."""
    from api.keyholder import create_app, server

    options = settings(context)
    keyholder = KeyHolder(options.home, chain=options.chain)
    keyholder.active_members()  # an error of the consortium or its chain comes at once
    application = create_app(keyholder.holder(quota=quota), members=keyholder.active_members)
    listening = listen(port)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with keyholder.announced(url):
        say(f"The key holder answers at {url} (stop with Ctrl-C).")
        server(application).run(sockets=[listening])
