"""``counterfoil keyholder``: hold a share of the pseudonym key. The desk must never hold one."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from cli.output import emit, say, settings, show_facts
from counterfoil.keyholder import KeyHolder
from counterfoil.processes import listen, stop
from ledger.errors import ConfigurationError
from ledger.home import Home

__all__ = ["app", "serving"]

app = typer.Typer(
    help="Hold a share of the pseudonym key: make it with the other holders, and evaluate blinded points.",
    no_args_is_help=True,
)


@app.command()
def init(context: typer.Context) -> None:
    """Create the holder's keys; the members need its account and its encryption key to name it as a holder.

    Existing keys are not changed.
    """
    options = settings(context)
    identity = KeyHolder(options.home, chain=options.chain).create()
    value = {"account": identity.account, "encryption_key": identity.encryption_key.hex()}
    emit(options, value, lambda: show_facts("Key holder", value.items()))
    say("Send both to a member, which proposes a key ceremony with `counterfoil consortium epoch`.")


@app.command()
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port on loopback; 0 picks a free port.")] = 0,
) -> None:
    """Take part in key ceremonies and evaluate what members anchored, until you stop it with Ctrl-C.

    In the state folder of a consortium with several key holders on this machine, it serves each of them in a
    process of its own.
    """
    options = settings(context)
    here = options.home.keyholders()
    if here and not options.home.holder.exists():
        _serve_all(here, KeyHolder(options.home, chain=options.chain).gateway().url)
        return
    keyholder = KeyHolder(options.home, chain=options.chain)
    keyholder.gateway()  # report an error of the consortium or its chain before keys are created
    keyholder.create()
    _serve_one(keyholder, port)


@app.command("approve-link")
def approve_link(
    context: typer.Context,
    request: Annotated[int, typer.Argument(min=1, help="Number of the request on the chain.")],
) -> None:
    """Agree that a member links the accounts of one request across two epochs; the chain records it."""
    options = settings(context)
    KeyHolder(options.home, chain=options.chain).approve_link(request)
    say(f"This holder agrees to request {request}; it now evaluates it.")


def serving(home: Home, chain: str) -> list[str]:
    """Return the module and arguments that serve the key holder of a state folder."""
    return ["cli.main", "--home", str(home.root), "--chain", chain, "keyholder", "serve"]


def _serve_one(keyholder: KeyHolder, port: int) -> None:
    from api.keyholder import create_app
    from api.serving import server

    application = create_app(keyholder.holder(), ready=keyholder.check)
    listening = listen(port)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with keyholder.taking_part(say), keyholder.announced(url):
        say(f"The key holder {keyholder.identity().account} answers at {url} (stop with Ctrl-C).")
        server(application).run(sockets=[listening])


def _serve_all(homes: list[Home], chain: str) -> None:
    started: list[int] = []
    try:
        urls = []
        for home in homes:
            url, pid = KeyHolder(home, chain=chain).ensure_running(serving(home, chain))
            urls.append(url)
            if pid is not None:
                started.append(pid)
                say(f"The key holder {home.root.name} answers at {url}.")
        if not started:
            raise ConfigurationError(
                f"every key holder of this machine is already running at {', '.join(urls)}",
                where=str(homes[0].root.parent),
                next_step="Stop the running key holders first.",
            )
        say("Stop with Ctrl-C.")
        signal.pause()
    finally:
        for pid in reversed(started):
            stop(pid)
