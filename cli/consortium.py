"""``counterfoil consortium``: found a consortium on a chain, and show its state on the chain."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from cli.output import emit, say, settings, show_facts, show_table, tell
from counterfoil import Operator
from counterfoil.member import agent_identifier

__all__ = ["app"]

app = typer.Typer(
    help="Found a consortium; show its members, policy and rules; name readers and witnesses.",
    no_args_is_help=True,
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


@app.command()
def reader(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="HPKE public key of the reader, 64 hex digits.")],
    label: Annotated[str, typer.Option(help="Who reads with it, such as the auditor's name; it is public.")],
) -> None:
    """Register a reader, such as an auditor: rows posted from now on are sealed to its key too."""
    options = settings(context)
    try:
        public = bytes.fromhex(key)
    except ValueError:
        public = b""
    if len(public) != 32:
        raise typer.BadParameter("a key has 64 hex digits; `counterfoil audit keys` prints it")
    Operator(options.home, chain=options.chain).add_reader(public, label)
    value = {"label": label, "key": public.hex()}
    emit(options, value, lambda: show_facts("Reader", value.items()))


@app.command()
def witnesses(
    context: typer.Context,
    add: Annotated[
        list[str] | None,
        typer.Option(
            "--add", help="AGENT=URL: a member, and where its witness takes checkpoints; repeat for more."
        ),
    ] = None,
    quorum: Annotated[
        int | None,
        typer.Option(min=0, help="How many witnesses must have cosigned a checkpoint. Default: as before."),
    ] = None,
) -> None:
    """Show who cosigns the checkpoints, or name more witnesses; this writes a new trust file."""
    options = settings(context)
    operator = Operator(options.home, chain=options.chain)
    if add or quorum is not None:
        policy = operator.name_witnesses(dict(map(_witness, add or [])), quorum=quorum)
        say(
            f"Send the trust file {options.home.trust} to the auditors, and the file {options.home.policy} "
            "to the desk."
        )
    else:
        policy = operator.policy()
    group = policy.groups.get(policy.quorum)
    value = {
        "quorum": policy.quorum if group is None else group.threshold,
        "witnesses": [{"agent": w.name, "key": w.key.text, "url": w.url} for w in policy.witnesses.values()],
    }

    def render() -> None:
        rows = [(w.name, w.url or "", w.key.key_id.hex()) for w in policy.witnesses.values()]
        show_table(f"Witnesses; quorum: {value['quorum']}", ["agent", "URL", "key ID"], rows)

    emit(options, value, render)


def _witness(text: str) -> tuple[str, str]:
    agent, sign, url = text.partition("=")
    if not sign or not url.startswith(("http://", "https://")) or url.split() != [url]:
        raise typer.BadParameter("give a member and its witness as AGENT=URL, with an http or https URL")
    return agent_identifier(agent), url
