"""``counterfoil chain``: the embedded chain of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.local import CHAIN_ID, ensure_chain, stop
from cli.output import emit, say, settings, show_facts
from ledger.errors import ChainUnreachableError, VerificationError
from localchain import status
from localchain.errors import DamagedChainError

if TYPE_CHECKING:
    from localchain.check import Summary

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
        url, pid = ensure_chain(options.home, port=port, chain_id=chain_id, detached=True)
        say(f"The chain answers at {url}" + (f" (process {pid})." if pid else "; it was running already."))
        say(f"Stop it with `{options.program} chain stop`.")
        emit(options, status(options.home.chain), lambda: None)
        return
    from localchain.server import serve

    serve(
        options.home.chain,
        port=port,
        chain_id=chain_id,
        ready=lambda url: say(f"The chain answers at {url}."),
    )


@app.command("stop")
def stop_command(context: typer.Context) -> None:
    """Stop the chain of this state folder; it loses nothing, and starts again where it stood."""
    options = settings(context)
    state = status(options.home.chain)
    if state["pid"] is None:
        raise ChainUnreachableError("the embedded chain is not running", where=str(options.home.chain))
    stop(int(state["pid"]))
    say(f"Stopped at block {state['height']}.")


@app.command("status")
def show(context: typer.Context) -> None:
    """Say whether the chain runs, where, and how long it is."""
    options = settings(context)
    state = status(options.home.chain)
    emit(options, state, lambda: show_facts("Embedded chain", state.items()))


@app.command()
def backup(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(help="Folder to make; it must not be there yet.")],
) -> None:
    """Copy the chain into a folder, also while it runs, and verify the copy from end to end."""
    from localchain.backup import back_up

    options = settings(context)
    with _examined():
        summary = back_up(options.home.chain, target)
    emit(options, asdict(summary), lambda: _show_summary(f"Backup in {target}", summary))
    say("It holds the faucet's private key: keep it as secret as the chain's own folder.")


@app.command()
def restore(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="Folder that `chain backup` made.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace a chain that has blocks; it is moved aside.")
    ] = False,
) -> None:
    """Put a backup in place of a chain that does not run; blocks after it are gone for everyone."""
    from localchain.backup import restore as restore_backup

    options = settings(context)
    with _examined():
        summary = restore_backup(source, options.home.chain, force=force)
    emit(options, asdict(summary), lambda: _show_summary("Restored", summary))
    say(
        f"Next: `{options.program} chain start`. "
        "A mirror that has read later blocks will say that they are gone."
    )


@contextmanager
def _examined() -> Iterator[None]:
    """Report a chain that is not whole as what does not verify, not as wrong usage."""
    try:
        yield
    except DamagedChainError as problem:
        raise VerificationError(problem.what, next_step=problem.next_step) from problem


def _show_summary(title: str, summary: Summary) -> None:
    show_facts(title, asdict(summary).items())
