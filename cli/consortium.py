"""``counterfoil consortium``: found a consortium, propose changes, approve and execute them, show its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import Settings, emit, say, settings, show_facts, show_table, tell
from counterfoil import Council, Member, Operator
from counterfoil.acts import Acts, limits_of, rules_of
from counterfoil.council import Outcome
from counterfoil.member import agent_identifier
from ledger.errors import InputError

__all__ = ["app", "show_outcome"]

app = typer.Typer(
    help="Found a consortium; propose changes and decide on them with the other members.",
    no_args_is_help=True,
)

As = Annotated[
    str | None,
    typer.Option("--as", help="The member that acts; default: the only one with keys in the state folder."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the calls and whether they would succeed; send nothing.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for a confirmation.")]
Agent = Annotated[str, typer.Argument(help="The member's agent identifier (BIC).")]
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
        say(
            f"Send {options.home.deployment} to the founding members; admit each with `consortium admit FILE`."
        )


@app.command()
def confirm(context: typer.Context, member: As = None, yes: Yes = False) -> None:
    """Confirm, as a founding member, everything that the founder did; read it first.

    With the last confirmation the consortium is founded, and the founder can do nothing alone any more.
    """
    options = settings(context)
    council = Council(options.home, _agent(member), chain=options.chain)
    known = council.founding()
    show_table("What the founder did", ["contract", "function", "arguments"], map(_call_row, known.steps))
    say(f"Digest: {known.digest.hex()}. Compare it with the other members over another channel.")
    _confirm("Confirm this founding?", yes)
    after = council.confirm()
    say("The consortium is founded." if after.founded else f"Confirmed by members {_codes(after.confirmed)}.")


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
    value = [_proposal_json(proposal) for proposal in shown]

    def render() -> None:
        rows = [
            (
                p.number,
                p.title,
                p.status,
                f"{len(p.approvals)}/{p.needed}",
                _time(p.executable_at),
                _time(p.expires_at),
            )
            for p in shown
        ]
        columns = ["number", "title", "status", "approvals", "executable from", "void from"]
        show_table("Proposals", columns, rows)
        for proposal in shown:
            show_table(
                f"Proposal {proposal.number}, by member {proposal.proposer}",
                ["contract", "function", "arguments"],
                map(_call_row, proposal.calls),
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
    acts = _acts(context, member)
    call = acts.any_call(contract, function, arguments or ())
    _propose(context, acts, title or f"{contract}.{function}", [call], dry_run=dry_run, yes=yes)


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
    show_table(known.title, ["contract", "function", "arguments"], map(_call_row, known.calls))
    if withdraw:
        council.withdraw_approval(number)
        say(f"The approval of proposal {number} is taken back.")
        return
    _confirm(f"Approve proposal {number}?", yes)
    after = council.approve(number)
    if after.status == "passed" and after.executable_at <= datetime.now(UTC).timestamp():
        after = council.execute(number)
    emit(options, _proposal_json(after), lambda: _show_standing(after))


@app.command()
def execute(context: typer.Context, number: Number, member: As = None) -> None:
    """Make the calls of a proposal that has passed, after its delay."""
    options = settings(context)
    after = Council(options.home, _agent(member), chain=options.chain).execute(number)
    emit(options, _proposal_json(after), lambda: _show_standing(after))


@app.command()
def cancel(context: typer.Context, number: Number, member: As = None) -> None:
    """Cancel your own proposal, for good."""
    options = settings(context)
    after = Council(options.home, _agent(member), chain=options.chain).cancel(number)
    emit(options, _proposal_json(after), lambda: _show_standing(after))


# -- acts ---------------------------------------------------------------------------------------------------


@app.command()
def admit(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Requests for admission, from `member init`.")],
    member: As = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Propose to admit banks; before the founding, the founder admits them."""
    acts = _acts(context, member)
    calls, agents = acts.admissions(files)
    _propose(context, acts, f"Admit {', '.join(agents)}", calls, dry_run=dry_run, yes=yes)


@app.command()
def suspend(
    context: typer.Context, agent: Agent, member: As = None, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Propose to suspend a member; a member suspends itself at once."""
    acts = _acts(context, member)
    if not dry_run and acts.is_itself(agent_identifier(agent)):
        _confirm(f"Suspend {agent} at once? The members must approve its return.", yes)
        acts.council.suspend_itself()
        say(f"{agent} is suspended.")
        return
    _propose(
        context, acts, f"Suspend {agent}", [acts.standing("suspendMember", agent)], dry_run=dry_run, yes=yes
    )


@app.command()
def reinstate(
    context: typer.Context, agent: Agent, member: As = None, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Propose to reinstate a suspended member."""
    acts = _acts(context, member)
    call = acts.standing("reinstateMember", agent)
    _propose(context, acts, f"Reinstate {agent}", [call], dry_run=dry_run, yes=yes)


@app.command()
def revoke(
    context: typer.Context, agent: Agent, member: As = None, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Propose to end a membership, for good."""
    acts = _acts(context, member)
    call = acts.standing("revokeMember", agent)
    _propose(context, acts, f"Revoke {agent}", [call], dry_run=dry_run, yes=yes)


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
    acts = _acts(context, member)
    call = acts.remove_reader(public) if remove else acts.add_reader(public, label)
    title = f"Remove the reader {key[:12]}" if remove else f"Add the reader {label}"
    _propose(context, acts, title, [call], dry_run=dry_run, yes=yes)


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
    acts = _acts(context, member)
    call = acts.role(name, account, None if of is None else agent_identifier(of), remove=remove)
    title = f"{'Take' if remove else 'Give'} the role {name} {'from' if remove else 'to'} {account}"
    _propose(context, acts, title, [call], dry_run=dry_run, yes=yes)


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
    acts = _acts(context, member)
    if holder:
        named = [_holder(text) for text in holder]
        call = acts.ceremony(number, named, threshold=threshold, dealers=dealer or ())
        _propose(context, acts, f"Key ceremony for epoch {number}", [call], dry_run=dry_run, yes=yes)
        return
    assert starts is not None
    call = acts.open_epoch(number, starts.replace(tzinfo=UTC))
    _propose(context, acts, f"Open epoch {number}", [call], dry_run=dry_run, yes=yes)


@app.command()
def policy(
    context: typer.Context,
    time_unit: Annotated[str, typer.Option(help="hour or day.")] = "hour",
    member: As = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Propose an encoding policy with amount bands at the thresholds of the rule set in force."""
    acts = _acts(context, member)
    call = acts.policy(time_unit)
    _propose(context, acts, "Encoding policy for the rule set in force", [call], dry_run=dry_run, yes=yes)


@app.command()
def grant(
    context: typer.Context,
    agent: Agent,
    count: Annotated[int, typer.Argument(min=1, help="New accounts beyond those of a day.")],
    member: As = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Propose to grant a member evaluations of the pseudonym key beyond those of a day, to load its history."""
    acts = _acts(context, member)
    call = acts.grant(agent, count)
    _propose(context, acts, f"Grant {agent} {count:,} evaluations", [call], dry_run=dry_run, yes=yes)


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
    acts = _acts(context, member)
    call = acts.pause(lift=lift)
    _propose(context, acts, "Lift the pause" if lift else "Pause", [call], dry_run=dry_run, yes=yes)


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
    acts = _acts(context, member)
    call = acts.rules(quorum, pause_quorum, delay)
    _propose(context, acts, "How the members decide", [call], dry_run=dry_run, yes=yes)


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
    acts = _acts(context, member)
    call = acts.limits(evaluations, case_entries, case_bytes)
    _propose(context, acts, "What one member may do in a day", [call], dry_run=dry_run, yes=yes)


# -- state --------------------------------------------------------------------------------------------------


@app.command()
def status(context: typer.Context) -> None:
    """Show members, officers, readers, key holders, quorum and limits, and the policy and rule set in force."""
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


def show_outcome(options: Settings, outcome: Outcome) -> None:
    """Say what became of a decision."""
    if outcome.proposal is None or outcome.done:
        say("Done." if outcome.proposal is None else f"Proposal {outcome.proposal} is executed.")
    elif outcome.executable_at:
        say(
            f"Proposal {outcome.proposal} has passed. After {_time(outcome.executable_at)}: "
            f"`{options.program} consortium execute {outcome.proposal}`."
        )
    else:
        say(
            f"Proposal {outcome.proposal} has {outcome.approvals} of {outcome.needed} approvals. Other members: "
            f"`counterfoil consortium approve {outcome.proposal}`."
        )


# -- parts --------------------------------------------------------------------------------------------------


def _acts(context: typer.Context, member: str | None) -> Acts:
    options = settings(context)
    return Acts(Council(options.home, _agent(member), chain=options.chain))


def _agent(member: str | None) -> str | None:
    return None if member is None else agent_identifier(member)


def _propose(
    context: typer.Context, acts: Acts, title: str, calls: Sequence[Any], *, dry_run: bool, yes: bool
) -> None:
    """Show what is proposed, ask, and propose it; before the founding, the founder does it."""
    options = settings(context)
    if not options.json:
        show_table(title, ["contract", "function", "arguments"], map(_call_row, calls))
    if dry_run:
        acts.rehearse(calls)
        say("The chain would accept it now. Nothing was sent.")
        return
    _confirm("Do this as the founder?" if acts.is_founding() else "Propose this to the other members?", yes)
    outcome = acts.decide(title, calls)
    value = asdict(outcome)
    emit(options, value, lambda: None)
    show_outcome(options, outcome)


def _confirm(question: str, yes: bool) -> None:
    if not yes and not typer.confirm(question, err=True):
        raise InputError("not confirmed; nothing was sent", next_step="Use --yes to answer the question.")


def _proposal_json(proposal: Any) -> dict[str, Any]:
    value = asdict(proposal)
    value["calls_hash"] = proposal.calls_hash.hex()
    value["calls"] = [
        {
            "contract": call.contract or call.target,
            "function": call.function,
            "arguments": {name: _plain(argument) for name, argument in call.arguments},
            "data": "0x" + call.data.hex(),
        }
        for call in proposal.calls
    ]
    return value


def _show_standing(proposal: Any) -> None:
    facts = [
        ("status", proposal.status),
        ("approvals", f"{len(proposal.approvals)} of {proposal.needed}"),
        ("executable from", _time(proposal.executable_at)),
        ("void from", _time(proposal.expires_at)),
    ]
    show_facts(f"Proposal {proposal.number}: {proposal.title}", facts)


def _call_row(call: Any) -> tuple[str, str, str]:
    arguments = ", ".join(f"{name}={_short(_plain(value))}" for name, value in call.arguments)
    unknown = f"0x{call.data.hex()}"
    return call.contract or call.target, call.function or "?", arguments if call.function else unknown


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 70 else f"{text[:66]}... ({len(text)} characters)"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else "-"


def _codes(codes: Sequence[int]) -> str:
    return ", ".join(map(str, codes)) or "none"


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


def _witness(text: str) -> tuple[str, str]:
    agent, sign, url = text.partition("=")
    if not sign or not url.startswith(("http://", "https://")) or url.split() != [url]:
        raise typer.BadParameter("give a member and its witness as AGENT=URL, with an http or https URL")
    return agent_identifier(agent), url
