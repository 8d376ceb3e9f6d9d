"""``counterfoil member``: a bank posts transactions, issues receipts and disclosures, and reads its flags."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.council_views import show_outcome
from cli.log_views import show_witness
from cli.output import Settings, counted, emit, progress, say, settings, show_entries, show_facts, show_table
from counterfoil import Member, MemberWitness, Operator
from counterfoil.keys import KeyFile
from counterfoil.member import MemberFlag, agent_identifier
from counterfoil.processes import listen
from ledger.errors import InputError, VerificationError
from ledger.schema import FIELDS, OPTIONAL_FIELDS
from ledger.storage import PUBLISHED, write_atomically

__all__ = ["Agent", "app", "read_agent"]

app = typer.Typer(
    help="Work as a member bank: post transactions, issue proofs, read flags.", no_args_is_help=True
)

#: Number of own transactions that are printed with a flag.
_SHOWN = 8

_REQUIRED = [name for name in FIELDS if name not in OPTIONAL_FIELDS]


def read_agent(text: str) -> str:
    """Read an agent identifier."""
    try:
        return agent_identifier(text)
    except InputError as error:
        raise typer.BadParameter(f"{error.what}, such as a BIC") from error


Agent = Annotated[
    str,
    typer.Option(
        "--member", "-m", envvar="COUNTERFOIL_MEMBER", callback=read_agent, help="Agent identifier (BIC)."
    ),
]
Key = Annotated[str, typer.Argument(help="UETR, transaction identifier, or BATCH:INDEX.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="File to write. Default: standard output.")]
DeskUrl = Annotated[
    str | None,
    typer.Option("--desk", help="URL of the desk. Default: the desk's published files in the state folder."),
]


def _member(
    options: Settings, agent: str, *, keyholders: Sequence[str] = (), desk: str | None = None
) -> Member:
    return Member(agent, options.home, chain=options.chain, keyholders=keyholders, desk=desk)


@app.command()
def init(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(callback=read_agent, help="Agent identifier (BIC).")],
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Encrypt the key file under a passphrase (docs/keys.md).")
    ] = False,
) -> None:
    """Create a member's keys, and its request for admission; on the founder's machine, admit it at once.

    Existing keys are not changed. If it was interrupted, run it again: it does only the missing steps.
    """
    options = settings(context)
    operator = Operator(options.home, chain=options.chain)
    if operator.has_keys:
        operator.gateway()  # report a chain that does not answer before keys are created
    member = Member.create(agent, options.home, chain=options.chain, encrypt=encrypt)
    keys = member.keys()
    if operator.has_keys:
        outcome = operator.admit([member])
        if outcome.done:
            say(f"{keys.agent} is admitted; its account is {keys.address}.")
            say(f"Next: `{options.program} member post -m {keys.agent} FILE`.")
        else:
            show_outcome(options, outcome)
    elif options.home.deployment.exists():
        path = member.request_admission()
        say(f"Send the file {path} to a member, which proposes the admission with `consortium admit`.")
    else:
        say(
            "Put the consortium's deployment file into the state folder; run this again to ask for admission."
        )
    value = {
        "agent": keys.agent,
        "account": keys.address,
        "x25519_key": keys.x25519_public.hex(),
        "hpke_key": keys.hpke_public.hex(),
    }
    emit(options, value, lambda: show_facts("Public keys", value.items()))


@app.command(
    epilog=f"Required columns: {', '.join(_REQUIRED)}. Optional columns: "
    f"{', '.join(sorted(OPTIONAL_FIELDS))}. For the format of each column see docs/formats.md, Transaction."
)
def post(
    context: typer.Context,
    agent: Agent,
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV or Parquet file. Without a file: post the waiting rows of the vault."),
    ] = None,
    keyholder: Annotated[
        list[str] | None,
        typer.Option(
            help="URL of a key holder; repeat it for each. Default: the key holders of this machine that run."
        ),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Number of processes that compute pseudonyms.")] = 1,
) -> None:
    """Read a file into the vault and post every row whose time bucket has closed.

    If it was interrupted, run the same command again: no row is lost or posted twice. Invalid rows are
    written to a quarantine file with line, field and reason; if all rows are invalid, the exit code is 2.
    """
    options = settings(context)
    with progress(options) as advance:
        report = _member(options, agent, keyholders=keyholder or ()).post(
            file, processes=processes, progress=advance
        )
    intake = report.intake

    def render() -> None:
        rows = [
            ("rows read", intake.read),
            ("  accepted", intake.accepted),
            ("  already held", intake.already_held),
            ("  quarantined", intake.quarantined),
            ("pseudonyms fetched", report.pseudonyms),
            ("rows sealed", report.sealed_rows),
            ("batches posted", report.batches),
        ]
        show_table(f"Posted by {report.agent}", ["", "count"], rows)
        if report.quarantine:
            _show_quarantine(Path(report.quarantine))

    emit(options, report.to_json(), render)
    if intake.read and intake.quarantined == intake.read:
        raise InputError(
            "every row of the file is invalid",
            where=report.quarantine,
            next_step="Correct the rows as the quarantine file says, and post the file again.",
        )


def _show_quarantine(path: Path) -> None:
    """Print the fields that made rows invalid, each with its first row; the file lists all rows."""
    counts: Counter[str] = Counter()
    first: dict[str, tuple[str, str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            counts[row["field"]] += 1
            first.setdefault(row["field"], (row["line"], row["reason"]))
    rows = [(field, count, *first[field]) for field, count in counts.most_common()]
    show_table("Quarantined rows", ["field", "rows", "first line", "reason in that line"], rows)
    say(f"This file lists each row with its line, field and reason: {path}")


@app.command()
def status(context: typer.Context, agent: Agent) -> None:
    """Count the records in the vault, and the batches that are posted."""
    options = settings(context)
    value = asdict(_member(options, agent).status())
    rows = [(name.replace("_", " "), count) for name, count in value.items()]
    emit(options, value, lambda: show_table(f"Vault of {agent}", ["", "count"], rows))
    if not KeyFile.of_member(options.home, agent).encrypted:
        say(
            f"WARNING: the keys of {agent} are not encrypted, which is for development. "
            f"Next: `{options.program} keys encrypt -m {agent}`.",
            style="yellow",
        )


@app.command()
def receipt(context: typer.Context, agent: Agent, key: Key, desk: DeskUrl = None, out: Out = None) -> None:
    """Issue a receipt: it proves that a record is posted and accepted, and anyone can verify it offline."""
    options = settings(context)
    _hand_out(options, _member(options, agent, desk=desk).receipt(key).to_bytes(), out)


@app.command()
def disclose(
    context: typer.Context,
    agent: Agent,
    key: Key,
    field: Annotated[
        list[str], typer.Option("--field", "-f", help="Field to disclose; repeat the option for more fields.")
    ],
    purpose: Annotated[str, typer.Option(help="Why the fields are opened; it is signed with the fields.")],
    recipient: Annotated[str, typer.Option(help="For whom they are opened; it is signed with the fields.")],
    desk: DeskUrl = None,
    out: Out = None,
) -> None:
    """Disclose the exact values of chosen fields of a record, to one recipient and for one purpose.

    Opening an account re-identifies it, for the whole epoch, to whoever holds rows.
    """
    options = settings(context)
    opened = _member(options, agent, desk=desk).disclose(key, field, purpose=purpose, recipient=recipient)
    _hand_out(options, opened.to_bytes(), out)


@app.command("open-draw")
def open_draw(
    context: typer.Context,
    agent: Agent,
    draw: Annotated[Path, typer.Argument(help="The auditor's draw.")],
    recipient: Annotated[str, typer.Option(help="For whom the elements are opened; it is signed.")],
    desk: DeskUrl = None,
    out: Out = None,
) -> None:
    """Open the elements that an auditor drew: for each the posted row that its account was needed for.

    Opening an element re-identifies its account, for the whole epoch, to whoever holds rows.
    """
    options = settings(context)
    opened = _member(options, agent, desk=desk).open_draw(draw, recipient=recipient)
    if out is None:
        _hand_out(options, opened.to_bytes(), out)
        return
    write_atomically(out, opened.to_bytes())
    value = {"written": str(out), "elements": len(opened.elements), "rows": len(opened.disclosures)} | {
        reason.value: count for reason, count in opened.unexplained().items()
    }
    emit(options, value, lambda: show_facts("Opened", value.items()))
    say(f"It names accounts: send it to {recipient} only.")


@app.command()
def flags(
    context: typer.Context,
    agent: Agent,
    flag_id: Annotated[
        str, typer.Argument(help="First digits of an identifier: list only flags that start with them.")
    ] = "",
) -> None:
    """List the flags addressed to this member, decrypted and verified, with its own accounts and rows."""
    options = settings(context)
    inbox = _member(options, agent).inbox(flag_id)
    received = inbox.flags
    if flag_id and not received:
        raise InputError(
            f"no flag addressed to {agent} starts with {flag_id!r}",
            next_step=f"Run `counterfoil member flags -m {agent}`, which lists all flags of the member.",
        )
    entries = [_entry(flag) for flag in received]
    emit(
        options,
        [flag.to_json() for flag in received],
        lambda: show_entries(f"{counted(len(entries), 'flag')} for {agent}", entries),
    )
    for problem in inbox.problems:
        say(problem)


@app.command()
def witness(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(callback=read_agent, help="Agent identifier (BIC).")],
    port: Annotated[int, typer.Option(help="Port on loopback; 0 picks a free port.")] = 0,
    depth: Annotated[
        int, typer.Option(min=0, help="Number of later blocks after which a block is final.")
    ] = 0,
    once: Annotated[
        bool,
        typer.Option("--once", help="Check the last cosigned checkpoints again, show the state, and end."),
    ] = False,
    show: Annotated[bool, typer.Option("--status", help="Show the state, and end.")] = False,
) -> None:
    """Cosign the desk's checkpoints, after checking them with the bank's own node, until you stop it.

    The state folder needs the consortium's deployment file and policy file, and the member's keys. The exit
    code of --status and --once is 1 if a log showed two histories.
    """
    options = settings(context)
    party = MemberWitness(agent, options.home, chain=options.chain, depth=depth)
    if show or once:
        _show_witness(options, party, check=once)
        return
    from api.serving import server
    from api.witness import create_app

    party.require_ready()
    made = party.witness(warn=lambda text: say(f"WARNING: {text}"))
    party.review()  # report an error of the consortium or its chain before serving
    listening = listen(port)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with party.announced(url):
        say(f"The witness of {party.agent} answers at {url} (stop with Ctrl-C).")
        say(f"Its verifier key: {made.key.text}")
        server(create_app(made)).run(sockets=[listening])


def _show_witness(options: Settings, party: MemberWitness, *, check: bool) -> None:
    problem: VerificationError | None = None
    if check:
        try:
            party.review()
        except VerificationError as error:
            problem = error
    state = party.status()
    value = asdict(state) | {"evidence": [asdict(c) | {"folder": str(c.folder)} for c in state.evidence]}
    emit(options, value, lambda: show_witness(state))
    if problem is not None:
        raise problem
    found = [case for case in state.evidence if case.kind == "contradiction"]
    if found:
        raise VerificationError(
            f"{counted(len(found), 'checkpoint')} of a log contradicts what this witness knows",
            where=str(found[-1].folder),
            next_step="Tell the other members and the auditors, and send them the folder.",
        )


def _entry(flag: MemberFlag) -> tuple[tuple[str, ...], str]:
    """Describe a received flag, with the identifiers of the bank's own transactions."""
    shown = flag.shown or {}
    head = (flag.flag_id[:12], shown.get("title", "(cannot be decrypted)"), shown.get("severity", "-"))
    if flag.problem:
        return head, flag.problem
    own = [f"{name or 'not in this vault'} ({place})" for name, place in flag.transactions]
    more = f" and {len(own) - _SHOWN} more" if len(own) > _SHOWN else ""
    return head, f"{shown['explanation']}\nOwn transactions: {', '.join(own[:_SHOWN]) or 'none'}{more}"


def _hand_out(options: Settings, data: bytes, out: Path | None) -> None:
    if out is None:  # the same bytes as in a file: with an extra line end the proof would not verify
        sys.stdout.write(data.decode() + ("\n" if sys.stdout.isatty() else ""))
        return
    write_atomically(out, data, mode=PUBLISHED)  # to be handed on: the umask may narrow it
    emit(options, {"written": str(out)}, lambda: None)
    say(f"Written to {out}. Check it with: {options.program} verify {out}")
