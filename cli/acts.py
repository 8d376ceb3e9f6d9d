"""``counterfoil consortium``: the usual changes, each a command that proposes it to the other members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.council_views import ask, call_row, show_outcome
from cli.output import emit, say, settings, show_table
from counterfoil import Council
from counterfoil.acts import Acts
from counterfoil.member import agent_identifier

__all__ = ["As", "DryRun", "Yes", "acts_of", "app", "decide"]

app = typer.Typer()

As = Annotated[
    str | None,
    typer.Option("--as", help="The member that acts; default: the only one with keys in the state folder."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the calls and whether they would succeed; send nothing.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for a confirmation.")]
Agent = Annotated[str, typer.Argument(help="The member's agent identifier (BIC).")]


@app.command()
def admit(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Requests for admission, from `member init`.")],
    member: As = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Propose to admit banks; before the founding, the founder admits them."""
    acts = acts_of(context, member)
    calls, agents = acts.admissions(files)
    decide(context, acts, f"Admit {', '.join(agents)}", calls, dry_run=dry_run, yes=yes)


@app.command()
def suspend(
    context: typer.Context, agent: Agent, member: As = None, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Propose to suspend a member; a member suspends itself at once."""
    acts = acts_of(context, member)
    if not dry_run and acts.is_itself(agent_identifier(agent)):
        ask(f"Suspend {agent} at once? The members must approve its return.", yes)
        acts.council.suspend_itself()
        say(f"{agent} is suspended.")
        return
    decide(
        context, acts, f"Suspend {agent}", [acts.standing("suspendMember", agent)], dry_run=dry_run, yes=yes
    )


@app.command()
def reinstate(
    context: typer.Context, agent: Agent, member: As = None, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Propose to reinstate a suspended member."""
    acts = acts_of(context, member)
    call = acts.standing("reinstateMember", agent)
    decide(context, acts, f"Reinstate {agent}", [call], dry_run=dry_run, yes=yes)


@app.command()
def revoke(
    context: typer.Context, agent: Agent, member: As = None, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Propose to end a membership, for good."""
    acts = acts_of(context, member)
    call = acts.standing("revokeMember", agent)
    decide(context, acts, f"Revoke {agent}", [call], dry_run=dry_run, yes=yes)


@app.command()
def reader(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="HPKE public key of the reader, 64 hex digits.")],
    label: Annotated[
        str, typer.Option(help="Who reads with it, such as the auditor's name; it is public.")
    ] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Take the reader off the list instead.")] = False,
    member: As = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Propose a reader, such as an auditor: rows posted afterwards are sealed to its key too."""
    public = _hex(key, 32, "`counterfoil audit keys` prints it")
    if not remove and not label:
        raise typer.BadParameter("give --label: who reads with the key")
    acts = acts_of(context, member)
    call = acts.remove_reader(public) if remove else acts.add_reader(public, label)
    title = f"Remove the reader {key[:12]}" if remove else f"Add the reader {label}"
    decide(context, acts, title, [call], dry_run=dry_run, yes=yes)


@app.command()
def role(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="officer, desk or auditor.")],
    account: Annotated[str, typer.Argument(help="Address of the account.")],
    of: Annotated[
        str | None, typer.Option("--member", help="For an officer: the member it belongs to.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the role away instead.")] = False,
    member: As = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Propose to give an account a role, or to take it away."""
    acts = acts_of(context, member)
    call = acts.role(name, account, None if of is None else agent_identifier(of), remove=remove)
    title = f"{'Take' if remove else 'Give'} the role {name} {'from' if remove else 'to'} {account}"
    decide(context, acts, title, [call], dry_run=dry_run, yes=yes)


@app.command()
def epoch(
    context: typer.Context,
    number: Annotated[int, typer.Argument(min=0, help="Number of the epoch of the pseudonym key.")],
    holder: Annotated[
        list[str] | None,
        typer.Option(
            help="ACCOUNT:ENCRYPTION_KEY of a holder, in order; repeat it. `keyholder init` prints both."
        ),
    ] = None,
    threshold: Annotated[int, typer.Option(min=1, max=32, help="How many holders must answer.")] = 1,
    dealer: Annotated[
        list[int] | None,
        typer.Option(help="A key that exists: index of a present holder that deals; repeat it."),
    ] = None,
    starts: Annotated[datetime | None, typer.Option(help="Open the epoch from this time (UTC) on.")] = None,
    member: As = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Propose a key ceremony with --holder, or with --starts to open an epoch whose key is made.

    Without a key the holders make one. With a key, present holders share it anew: the shares change, a lost
    holder is replaced, and the pseudonyms stay.
    """
    if bool(holder) == (starts is not None):
        raise typer.BadParameter("give either --holder, or --starts")
    acts = acts_of(context, member)
    if holder:
        named = [_holder(text) for text in holder]
        call = acts.ceremony(number, named, threshold=threshold, dealers=dealer or ())
        decide(context, acts, f"Key ceremony for epoch {number}", [call], dry_run=dry_run, yes=yes)
        return
    call = acts.open_epoch(number, (starts or datetime.now(UTC)).replace(tzinfo=UTC))
    decide(context, acts, f"Open epoch {number}", [call], dry_run=dry_run, yes=yes)


@app.command()
def policy(
    context: typer.Context,
    time_unit: Annotated[str, typer.Option(help="hour or day.")] = "hour",
    member: As = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Propose an encoding policy with amount bands at the thresholds of the rule set in force."""
    acts = acts_of(context, member)
    call = acts.policy(time_unit)
    decide(context, acts, "Encoding policy for the rule set in force", [call], dry_run=dry_run, yes=yes)


@app.command()
def grant(
    context: typer.Context,
    agent: Agent,
    count: Annotated[int, typer.Argument(min=1, help="New accounts beyond those of a day.")],
    member: As = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Propose to grant a member more new accounts than those of a day, to load its history."""
    acts = acts_of(context, member)
    call = acts.grant(agent, count)
    decide(context, acts, f"Grant {agent} {count:,} evaluations", [call], dry_run=dry_run, yes=yes)


@app.command()
def pause(
    context: typer.Context,
    lift: Annotated[
        bool, typer.Option("--lift", help="Lift the pause instead; this needs the full quorum.")
    ] = False,
    member: As = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Propose to stop posting for everyone; fewer members must approve, and it takes effect at once."""
    acts = acts_of(context, member)
    call = acts.pause(lift=lift)
    decide(context, acts, "Lift the pause" if lift else "Pause", [call], dry_run=dry_run, yes=yes)


@app.command()
def rules(
    context: typer.Context,
    quorum: Annotated[int, typer.Option(min=51, max=100, help="Approvals that a change needs, percent.")],
    pause_quorum: Annotated[int, typer.Option(min=1, max=100, help="Approvals of a pause, percent.")],
    delay: Annotated[int, typer.Option(min=0, help="Seconds before a change takes effect.")],
    member: As = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Propose how the members decide from then on."""
    acts = acts_of(context, member)
    call = acts.rules(quorum, pause_quorum, delay)
    decide(context, acts, "How the members decide", [call], dry_run=dry_run, yes=yes)


@app.command()
def limits(
    context: typer.Context,
    evaluations: Annotated[int, typer.Option(min=1, help="New accounts of a member in a day.")],
    case_entries: Annotated[int, typer.Option(min=1, help="Entries of the case log of a member in a day.")],
    case_bytes: Annotated[int, typer.Option(min=1, help="Bytes of these entries.")],
    member: As = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Propose what one member may do in a day."""
    acts = acts_of(context, member)
    call = acts.limits(evaluations, case_entries, case_bytes)
    decide(context, acts, "What one member may do in a day", [call], dry_run=dry_run, yes=yes)


def acts_of(context: typer.Context, member: str | None) -> Acts:
    """Return the acts of the member that the option names."""
    options = settings(context)
    return Acts(
        Council(options.home, None if member is None else agent_identifier(member), chain=options.chain)
    )


def decide(
    context: typer.Context, acts: Acts, title: str, calls: Sequence[Any], *, dry_run: bool, yes: bool
) -> None:
    """Show what is proposed, ask, and propose it; before the founding, the founder does it."""
    options = settings(context)
    if not options.json:
        show_table(title, ["contract", "function", "arguments"], map(call_row, calls))
    if dry_run:
        acts.rehearse(calls)
        say("The chain would accept it now. Nothing was sent.")
        return
    ask("Do this as the founder?" if acts.is_founding() else "Propose this to the other members?", yes)
    outcome = acts.decide(title, calls)
    value = asdict(outcome)
    emit(options, value, lambda: None)
    show_outcome(options, outcome)


def _hex(text: str, size: int, hint: str) -> bytes:
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        value = b""
    if len(value) != size:
        raise typer.BadParameter(f"a key has {2 * size} hex digits; {hint}")
    return value


def _holder(text: str) -> tuple[str, bytes]:
    account, _, key = text.partition(":")
    return account, _hex(key, 32, "`counterfoil keyholder init` prints it")
