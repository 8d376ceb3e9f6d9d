"""``counterfoil consortium``: found a consortium on a chain, and show its state on the chain."""

from __future__ import annotations

from dataclasses import asdict

import typer

from cli.output import emit, say, settings, show_facts, show_table, tell
from counterfoil import Operator

__all__ = ["app"]

app = typer.Typer(
    help="Found a consortium; show its members, readers, policy and rules.", no_args_is_help=True
)


@app.command()
def init(context: typer.Context) -> None:
    """Deploy the contracts, create the keys of desk and officers, and put the model rulebook in force.

    Run it once for a state folder. If it was interrupted, run it again: it does only the missing steps.
    """
    options = settings(context)
    gateway = Operator(options.home, chain=options.chain).found()
    value = {
        "chain_id": gateway.deployment.chain_id,
        "url": gateway.url,
        "contracts": dict(gateway.deployment.contracts),
        "trust": str(options.home.trust),
    }
    emit(options, value, lambda: show_facts("Consortium", value.items()))
    say(f"Send the trust file {options.home.trust} to the auditors by a separate, trusted way.")
    say(
        f"Next: `{options.program} keyholder serve`, and `{options.program} member init AGENT` for each bank."
    )


@app.command()
def status(context: typer.Context) -> None:
    """Show the members and readers of the consortium, and the policy and rule set in force."""
    options = settings(context)
    value = asdict(Operator(options.home, chain=options.chain).status())

    def render() -> None:
        show_facts("Consortium", [(name, fact) for name, fact in value.items() if name != "members"])
        tell("")
        columns = ["code", "agent", "status", "account"]
        members = [(str(m["code"]), m["agent"], m["status"], m["account"]) for m in value["members"]]
        show_table("Members", columns, members)

    emit(options, value, render)
