"""``counterfoil chain``: the embedded chain of this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.output import emit, say, settings, show_facts
from counterfoil import Operator
from counterfoil.processes import CHAIN_ID

__all__ = ["app"]

app = typer.Typer(help="The embedded Ethereum chain, served as JSON-RPC on loopback.", no_args_is_help=True)


@app.command()
def start(
    context: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port on loopback; 0 picks a free one.  [default: 8545, or a free one where it is taken]",
            show_default=False,
        ),
    ] = None,
    chain_id: Annotated[int, typer.Option(help="Chain id; it stands in every batch header.")] = CHAIN_ID,
    detach: Annotated[bool, typer.Option(help="Run in the background.")] = False,
) -> None:
    """Start the chain, in the foreground unless --detach; it resumes where it stood, also after a kill -9."""
    options = settings(context)
    operator = Operator(options.home)
    if not detach:
        operator.serve_chain(
            port=port, chain_id=chain_id, ready=lambda url: say(f"The chain answers at {url}.")
        )
        return
    url, pid = operator.start_chain(port=port, chain_id=chain_id, detached=True)
    say(f"The chain answers at {url}" + (f" (process {pid})." if pid else "; it was running already."))
    say(f"Stop it with `{options.program} chain stop`.")
    emit(options, operator.chain_status(), lambda: None)


@app.command()
def stop(context: typer.Context) -> None:
    """Stop the chain of this state folder; it loses nothing, and starts again where it stood."""
    options = settings(context)
    state = Operator(options.home).stop_chain()
    say(f"Stopped at block {state['height']}.")


@app.command()
def status(context: typer.Context) -> None:
    """Show whether the chain runs, where, and how long it is."""
    options = settings(context)
    state = Operator(options.home).chain_status()
    emit(options, state, lambda: show_facts("Embedded chain", state.items()))


@app.command()
def backup(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(help="Folder to make; it must not be there yet.")],
) -> None:
    """Copy the chain into a folder, also while it runs, and verify the copy from end to end."""
    options = settings(context)
    summary = asdict(Operator(options.home).back_up_chain(target))
    emit(options, summary, lambda: show_facts(f"Backup in {target}", summary.items()))
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
    options = settings(context)
    summary = asdict(Operator(options.home).restore_chain(source, force=force))
    emit(options, summary, lambda: show_facts("Restored", summary.items()))
    say(
        f"Next: `{options.program} chain start`. "
        "A mirror that has read later blocks will say that they are gone."
    )
