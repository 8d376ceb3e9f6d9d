"""``counterfoil consortium``: found a consortium, decide on proposals, show its state."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli import acts
from cli.acts import As, DryRun, Yes, acts_of, decide
from cli.council_views import ask, call_row, codes, proposal_json, show_standing, time_of
from cli.output import emit, say, settings, show_facts, show_table, tell
from counterfoil import Council, Member, Operator
from counterfoil.acts import limits_of, rules_of
from counterfoil.member import agent_identifier

__all__ = ["app"]

app = typer.Typer(
    help="Found a consortium; propose changes and decide on them with the other members.",
    no_args_is_help=True,
)

Number = Annotated[int, typer.Argument(min=1, help="Number of the proposal.")]
_DAY = 86_400


# -- founding -----------------------------------------------------------------------------------------------


@app.command()
def found(
    context: typer.Context,
    agents: Annotated[
        list[str] | None,
        typer.Argument(help="Banks to found it with on this machine, for development. None: others join it."),
    ] = None,
    quorum: Annotated[
        int, typer.Option(min=51, max=100, help="Approvals that a change needs, percent.")
    ] = 67,
    pause_quorum: Annotated[int, typer.Option(min=1, max=100, help="Approvals of a pause, percent.")] = 34,
    delay: Annotated[
        int | None,
        typer.Option(min=0, help="Seconds before a change takes effect. Default: a day; 0 with AGENTS."),
    ] = None,
    evaluations: Annotated[int, typer.Option(min=1, help="New accounts of a member in a day.")] = 200_000,
    holders: Annotated[int, typer.Option(min=1, max=32, help="With AGENTS: key holders.")] = 1,
    threshold: Annotated[int, typer.Option(min=1, max=32, help="With AGENTS: holders that must answer.")] = 1,
) -> None:
    """Deploy the contracts; with AGENTS, found a whole consortium on this machine.

    Without AGENTS: send the deployment file to the banks, admit each founding member with `consortium admit`,
    name the key holders with `consortium epoch`; then each bank runs `consortium confirm`. Run it once for a
    state folder. If it was interrupted, run it again: it does only the missing steps.
    """
    options = settings(context)
    operator = Operator(options.home, chain=options.chain)
    if delay is None:
        delay = 0 if agents else _DAY
    rules, limits = rules_of(quorum, pause_quorum, delay), limits_of(evaluations)
    if agents:
        members = [Member.create(agent_identifier(a), options.home, chain=options.chain) for a in agents]
        gateway = operator.found(members, rules=rules, limits=limits, holders=holders, threshold=threshold)
    else:
        gateway = operator.prepare(rules=rules, limits=limits)
    value = {
        "chain_id": gateway.deployment.chain_id,
        "url": gateway.url,
        "contracts": dict(gateway.deployment.contracts),
        "founded": gateway.is_founded(),
        "trust": str(options.home.trust),
    }
    emit(options, value, lambda: show_facts("Consortium", value.items()))
    if gateway.is_founded():
        say(f"Send the trust file {options.home.trust} to the auditors by a separate, trusted way.")
        say(f"Next: `{options.program} keyholder serve`, and `{options.program} member post -m AGENT FILE`.")
    else:
        say(f"Send {options.home.deployment} to the banks; admit each with `consortium admit FILE`.")


@app.command()
def confirm(context: typer.Context, member: As = None, yes: Yes = False) -> None:
    """Confirm, as a founding member, everything that the founder did; read it first.

    With the last confirmation the consortium is founded, and the founder can do nothing alone any more.
    """
    options = settings(context)
    council = Council(options.home, _agent(member), chain=options.chain)
    known = council.founding()
    if not options.json:
        show_table("What the founder did", ["contract", "function", "arguments"], map(call_row, known.steps))
    say(f"Digest: {known.digest.hex()}. Compare it with the other members over another channel.")
    ask("Confirm this founding?", yes)
    after = council.confirm()
    value = {"digest": after.digest.hex(), "confirmed": list(after.confirmed), "founded": after.founded}
    emit(options, value, lambda: None)
    say("The consortium is founded." if after.founded else f"Confirmed by members {codes(after.confirmed)}.")


# -- proposals ----------------------------------------------------------------------------------------------


@app.command()
def proposals(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are closed or expired.")] = False,
) -> None:
    """List the proposals with their calls, their approvals, and when they can be executed."""
    options = settings(context)
    known = Council(options.home, chain=options.chain).proposals()
    shown = [p for p in known if everything or p.status in ("open", "passed")]
    value = [proposal_json(proposal) for proposal in shown]

    def render() -> None:
        rows = [
            (
                p.number,
                p.title,
                p.status,
                f"{len(p.approvals)}/{p.needed}",
                time_of(p.executable_at),
                time_of(p.expires_at),
            )
            for p in shown
        ]
        columns = ["number", "title", "status", "approvals", "executable from", "void from"]
        show_table("Proposals", columns, rows)
        for proposal in shown:
            show_table(
                f"Proposal {proposal.number}, by member {proposal.proposer}",
                ["contract", "function", "arguments"],
                map(call_row, proposal.calls),
            )

    emit(options, value, render)


@app.command()
def propose(
    context: typer.Context,
    contract: Annotated[str, typer.Argument(help="A contract of the consortium.")],
    function: Annotated[str, typer.Argument(help="A function of it; docs/contracts.md lists them.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Its arguments: numbers, text, 0x-hex.")
    ] = None,
    title: Annotated[str, typer.Option(help="One line for the other members.")] = "",
    member: As = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Propose any call of a contract; the other commands of this group make the usual ones."""
    made = acts_of(context, member)
    call = made.any_call(contract, function, arguments or ())
    decide(context, made, title or f"{contract}.{function}", [call], dry_run=dry_run, yes=yes)


@app.command()
def approve(
    context: typer.Context,
    number: Number,
    member: As = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the approval back.")] = False,
    yes: Yes = False,
) -> None:
    """Approve a proposal, after reading its calls; if it can be executed then, execute it."""
    options = settings(context)
    council = Council(options.home, _agent(member), chain=options.chain)
    known = council.gateway().proposal(number)
    if not options.json:
        show_table(known.title, ["contract", "function", "arguments"], map(call_row, known.calls))
    if withdraw:
        after = council.withdraw_approval(number)
        emit(options, proposal_json(after), lambda: None)
        say(f"The approval of proposal {number} is taken back.")
        return
    ask(f"Approve proposal {number}?", yes)
    after = council.approve(number)
    if after.status == "passed" and after.executable_at <= datetime.now(UTC).timestamp():
        after = council.execute(number)
    emit(options, proposal_json(after), lambda: show_standing(after))


@app.command()
def execute(context: typer.Context, number: Number, member: As = None) -> None:
    """Make the calls of a proposal that has passed, after its delay."""
    options = settings(context)
    after = Council(options.home, _agent(member), chain=options.chain).execute(number)
    emit(options, proposal_json(after), lambda: show_standing(after))


@app.command()
def cancel(context: typer.Context, number: Number, member: As = None) -> None:
    """Cancel your own proposal, for good."""
    options = settings(context)
    after = Council(options.home, _agent(member), chain=options.chain).cancel(number)
    emit(options, proposal_json(after), lambda: show_standing(after))


# -- state --------------------------------------------------------------------------------------------------


@app.command()
def status(context: typer.Context) -> None:
    """Show members, officers, readers, key holders, quorum, limits, and what is in force."""
    options = settings(context)
    value = asdict(Operator(options.home, chain=options.chain).status())

    def render() -> None:
        hidden = ("members", "officers", "warnings")
        show_facts("Consortium", [(name, fact) for name, fact in value.items() if name not in hidden])
        tell("")
        columns = ["code", "agent", "status", "account"]
        members = [(str(m["code"]), m["agent"], m["status"], m["account"]) for m in value["members"]]
        show_table("Members", columns, members)
        show_table(
            "Officers", ["account", "member"], [(o["account"], o["member"]) for o in value["officers"]]
        )

    emit(options, value, render)
    for warning in value["warnings"]:
        say(warning)


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


# -- parts --------------------------------------------------------------------------------------------------


def _agent(member: str | None) -> str | None:
    return None if member is None else agent_identifier(member)


def _witness(text: str) -> tuple[str, str]:
    agent, sign, url = text.partition("=")
    if not sign or not url.startswith(("http://", "https://")) or url.split() != [url]:
        raise typer.BadParameter("give a member and its witness as AGENT=URL, with an http or https URL")
    return agent_identifier(agent), url


app.registered_commands.extend(acts.app.registered_commands)
