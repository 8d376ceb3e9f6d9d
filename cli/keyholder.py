"""``counterfoil keyholder``: serve a holder of the pseudonym key. The desk must never hold this key."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.output import say, settings
from counterfoil.keyholder import DEFAULT_QUOTA, KeyHolder
from counterfoil.processes import listen

__all__ = ["app"]

app = typer.Typer(
    help="Serve a holder of the pseudonym key; it sees only blinded points.", no_args_is_help=True
)


@app.command()
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port on loopback; 0 picks a free port.")] = 0,
    quota: Annotated[
        int, typer.Option(help="Maximum number of evaluations per member, epoch and day.")
    ] = DEFAULT_QUOTA,
) -> None:
    """Evaluate blinded points for active members until you stop it with Ctrl-C."""
    from api.keyholder import create_app
    from api.serving import server

    options = settings(context)
    keyholder = KeyHolder(options.home, chain=options.chain)
    keyholder.active_members()  # report an error of the consortium or its chain before serving
    application = create_app(keyholder.holder(quota=quota), members=keyholder.active_members)
    listening = listen(port)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with keyholder.announced(url):
        say(f"The key holder answers at {url} (stop with Ctrl-C).")
        server(application).run(sockets=[listening])
