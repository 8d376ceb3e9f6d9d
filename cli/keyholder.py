"""``counterfoil keyholder``: a holder of the pseudonym key. It is never the desk."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cli.consortium import connect
from cli.local import KEYHOLDER_FILE, listen, running_keyholder
from cli.output import Settings, say, settings
from ledger.encoding.keyholder import epochs
from ledger.errors import ChainUnreachableError, ConfigurationError

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from ledger.gateway import Gateway

__all__ = ["DEFAULT_QUOTA", "app"]

app = typer.Typer(help="A holder of the pseudonym key; it sees blinded points only.", no_args_is_help=True)

#: Evaluations per member, epoch and day: each guess at an account number counts.
DEFAULT_QUOTA = 200_000


@app.command()
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port on loopback; 0 picks a free one.")] = 0,
    quota: Annotated[int, typer.Option(help="Evaluations per member, epoch and day.")] = DEFAULT_QUOTA,
) -> None:
    """Serve evaluations to active members until stopped."""
    from api.keyholder import create_app
    from ledger.storage import write_atomically

    options = settings(context)
    folder = options.home.keyholder()
    members = _ActiveMembers(options)
    members()  # says at once what is wrong with the consortium or its chain
    if not epochs(folder):
        raise ConfigurationError(
            "the key holder has no key",
            where=str(folder),
            next_step="`counterfoil consortium init` makes it where the consortium is founded.",
        )
    serving = running_keyholder(folder)
    if serving is not None:
        raise ConfigurationError(
            f"a key holder answers at {serving} already", where=str(folder), next_step="Stop that one first."
        )
    application = create_app(folder, members=members, quota=quota)
    listening = listen(port)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    endpoint = folder / KEYHOLDER_FILE
    try:
        write_atomically(endpoint, json.dumps({"url": url, "pid": os.getpid()}).encode())
        say(f"The key holder answers at {url} (stop with Ctrl-C).")
        _server(application).run(sockets=[listening])
    finally:
        endpoint.unlink(missing_ok=True)


def _server(application: FastAPI) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        """Stops at the first signal, and tidies up undisturbed.

        A Ctrl-C reaches whoever started this process too, who then asks it to end: the second signal must not
        cut off what the first one began, as uvicorn's would by raising them again.
        """

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            for number in (signal.SIGINT, signal.SIGTERM):
                if (
                    signal.getsignal(number) is not signal.SIG_IGN
                ):  # as in what a shell puts in the background
                    signal.signal(number, self.handle_exit)
            yield

    return Server(uvicorn.Config(application, log_level="warning"))


class _ActiveMembers:
    """The active members' addresses, as of the chain's newest block."""

    def __init__(self, options: Settings) -> None:
        self._options = options
        self._gateway: Gateway | None = None
        self._height = -1
        self._known: Collection[str] = ()

    def __call__(self) -> Collection[str]:
        try:
            return self._ask()
        except ChainUnreachableError:
            self._gateway = None  # the embedded chain may have come back on another port
            return self._ask()

    def _ask(self) -> Collection[str]:
        if self._gateway is None:
            self._gateway = connect(self._options.home, self._options.chain)
        height = self._gateway.height()
        if height != self._height:
            members = self._gateway.members()
            self._known, self._height = {m.account for m in members if m.status == "active"}, height
        return self._known
