"""``counterfoil chain``: run, back up and restore the embedded chain of this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.output import emit, say, settings, show_facts
from counterfoil import Operator
from counterfoil.processes import CHAIN_ID

__all__ = ["app"]

app = typer.Typer(
    help="Run the embedded Ethereum chain of this machine; it serves JSON-RPC on loopback.",
    no_args_is_help=True,
)


@app.command()
def start(
    context: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port on loopback; 0 picks a free port. Default: 8545, or a free port if 8545 is in use.",
            show_default=False,
        ),
    ] = None,
    chain_id: Annotated[
        int, typer.Option(help="Chain identifier; every batch header contains it.")
    ] = CHAIN_ID,
    detach: Annotated[bool, typer.Option(help="Run in the background.")] = False,
) -> None:
    """Start the chain in the foreground, or in the background; it continues from its last block."""
    options = settings(context)
    operator = Operator(options.home)
    if not detach:
        operator.serve_chain(
            port=port, chain_id=chain_id, ready=lambda url: say(f"The chain answers at {url}.")
        )
        return
    url, pid = operator.start_chain(port=port, chain_id=chain_id, detached=True)
    say(f"The chain answers at {url}" + (f" (process {pid})." if pid else "; it was already running."))
    say(f"Stop it with `{options.program} chain stop`.")
    emit(options, operator.chain_status(), lambda: None)


@app.command()
def stop(context: typer.Context) -> None:
    """Stop the chain of this state folder; `chain start` continues from its last block."""
    options = settings(context)
    state = Operator(options.home).stop_chain()
    say(f"Stopped at block {state['height']}.")


@app.command()
def status(context: typer.Context) -> None:
    """Show whether the chain runs, its address and its number of blocks."""
    options = settings(context)
    state = Operator(options.home).chain_status()
    emit(options, state, lambda: show_facts("Embedded chain", state.items()))


@app.command()
def backup(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(help="Folder to create; it must not exist yet.")],
) -> None:
    """Copy the chain into a folder and verify the whole copy; the chain may run meanwhile."""
    options = settings(context)
    summary = asdict(Operator(options.home).back_up_chain(target))
    emit(options, summary, lambda: show_facts(f"Backup in {target}", summary.items()))
    say("The backup contains the faucet's private key: protect it like the chain's own folder.")


@app.command()
def restore(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="Folder that `chain backup` created.")],
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace a chain that has blocks; the old chain is moved to another folder."
        ),
    ] = False,
) -> None:
    """Replace a stopped chain by a backup; the blocks after the backup are lost for every party."""
    options = settings(context)
    summary = asdict(Operator(options.home).restore_chain(source, force=force))
    emit(options, summary, lambda: show_facts("Restored", summary.items()))
    say(
        f"Next: `{options.program} chain start`. "
        "A mirror that has read later blocks will report that these blocks are missing."
    )
