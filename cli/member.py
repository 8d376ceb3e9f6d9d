"""``counterfoil member``: a bank's data team posts transactions, hands out proofs, reads its flags."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.output import Settings, emit, progress, say, settings, show_entries, show_facts, show_table
from counterfoil import Member, Operator
from counterfoil.member import MemberFlag, agent_identifier
from ledger.errors import InputError
from ledger.schema import FIELDS, OPTIONAL_FIELDS
from ledger.storage import PUBLISHED, write_atomically

__all__ = ["app"]

app = typer.Typer(help="Post transactions, hand out proofs, read flags.", no_args_is_help=True)

#: Own transactions named with a flag.
_SHOWN = 8

_REQUIRED = [name for name in FIELDS if name not in OPTIONAL_FIELDS]


def _agent(text: str) -> str:
    """Read an agent identifier."""
    try:
        return agent_identifier(text)
    except InputError as error:
        raise typer.BadParameter(f"{error.what}, such as a BIC") from error


Agent = Annotated[
    str,
    typer.Option(
        "--member", "-m", envvar="COUNTERFOIL_MEMBER", callback=_agent, help="Agent identifier (BIC)."
    ),
]
Key = Annotated[str, typer.Argument(help="UETR, transaction identifier, or BATCH:INDEX.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="File to write; default: standard output.")]


def _member(options: Settings, agent: str, *, keyholder: str | None = None) -> Member:
    return Member(agent, options.home, chain=options.chain, keyholder=keyholder)


@app.command()
def init(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(callback=_agent, help="Agent identifier (BIC).")],
) -> None:
    """Make a member's keys; admit it where the operator's keys are on this machine.

    Keys that exist stay as they are: run again, it does what is missing.
    """
    options = settings(context)
    operator = Operator(options.home, chain=options.chain)
    if operator.has_keys:
        operator.gateway()  # a chain that does not answer is an error before keys are made
    member = Member.create(agent, options.home, chain=options.chain)
    keys = member.keys()
    if operator.has_keys:
        operator.admit([member])
        say(f"{keys.agent} is admitted; its account is {keys.address}.")
        say(f"Next: `{options.program} member post -m {keys.agent} FILE`.")
    else:
        say("Send these public keys to the operator, who admits you:")
    value = {
        "agent": keys.agent,
        "account": keys.address,
        "x25519_key": keys.x25519_public.hex(),
        "hpke_key": keys.hpke_public.hex(),
    }
    emit(options, value, lambda: show_facts("Public keys", value.items()))


@app.command(
    epilog=f"Columns needed: {', '.join(_REQUIRED)}. May be missing: {', '.join(sorted(OPTIONAL_FIELDS))}. "
    "How each is written: docs/formats.md, Transaction."
)
def post(
    context: typer.Context,
    agent: Agent,
    file: Annotated[
        Path | None, typer.Argument(help="CSV or Parquet; none posts what waits in the vault.")
    ] = None,
    keyholder: Annotated[str | None, typer.Option(help="Key holder's URL.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Processes for pseudonyms.")] = 1,
) -> None:
    """Take a file in and post every row whose time bucket has closed.

    Interrupted? Run the same command again: nothing is lost, nothing is posted twice. Bad rows go to a
    quarantine file with their line, field and reason; where no row can be used, the exit code is 2.
    """
    options = settings(context)
    with progress(options) as advance:
        report = _member(options, agent, keyholder=keyholder).post(
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
            "no row of the file can be used",
            where=report.quarantine,
            next_step="Mend what the reasons name, and post the file again.",
        )


def _show_quarantine(path: Path) -> None:
    """Print which fields kept rows apart, each with its first row: the rest is in the file."""
    counts: Counter[str] = Counter()
    first: dict[str, tuple[str, str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            counts[row["field"]] += 1
            first.setdefault(row["field"], (row["line"], row["reason"]))
    rows = [(field, count, *first[field]) for field, count in counts.most_common()]
    show_table("Kept apart", ["field", "rows", "first in line", "reason there"], rows)
    say(f"Each row with its line, field and reason: {path}")


@app.command()
def status(context: typer.Context, agent: Agent) -> None:
    """Show what the vault holds and what is posted."""
    options = settings(context)
    value = asdict(_member(options, agent).status())
    rows = [(name.replace("_", " "), count) for name, count in value.items()]
    emit(options, value, lambda: show_table(f"Vault of {agent}", ["", "count"], rows))


@app.command()
def receipt(context: typer.Context, agent: Agent, key: Key, out: Out = None) -> None:
    """Prove that a record stands in the log, offline and to anyone."""
    options = settings(context)
    _hand_out(options, _member(options, agent).receipt(key).to_bytes(), out)


@app.command()
def disclose(
    context: typer.Context,
    agent: Agent,
    key: Key,
    field: Annotated[list[str], typer.Option("--field", "-f", help="Field to open; repeat for more.")],
    purpose: Annotated[str, typer.Option(help="Why, and for whom; it is signed with the fields.")],
    out: Out = None,
) -> None:
    """Open chosen exact fields of a record, with proof, for a stated purpose."""
    options = settings(context)
    opened = _member(options, agent).disclose(key, field, purpose=purpose)
    _hand_out(options, opened.to_bytes(), out)


@app.command()
def flags(
    context: typer.Context,
    agent: Agent,
    flag_id: Annotated[
        str, typer.Argument(help="Only the flag whose identifier starts so; default: all.")
    ] = "",
) -> None:
    """List the flags addressed to this member, opened and verified, with its own entities and rows."""
    options = settings(context)
    received = _member(options, agent).received(flag_id)
    if flag_id and not received:
        raise InputError(
            f"no flag addressed to {agent} starts with {flag_id!r}",
            next_step=f"See `counterfoil member flags -m {agent}`.",
        )
    entries = [_entry(flag) for flag in received]
    emit(
        options,
        [flag.to_json() for flag in received],
        lambda: show_entries(f"{len(entries)} flags for {agent}", entries),
    )


def _entry(flag: MemberFlag) -> tuple[tuple[str, ...], str]:
    """Describe a received flag by the bank's own transactions, which only the bank can name."""
    shown = flag.shown or {}
    head = (flag.flag_id[:12], shown.get("title", "(does not open)"), shown.get("severity", "-"))
    if flag.problem:
        return head, flag.problem
    own = [f"{name or 'not in this vault'} ({place})" for name, place in flag.transactions]
    more = f" and {len(own) - _SHOWN} more" if len(own) > _SHOWN else ""
    return head, f"{shown['explanation']}\nOwn transactions: {', '.join(own[:_SHOWN]) or 'none'}{more}"


def _hand_out(options: Settings, data: bytes, out: Path | None) -> None:
    if out is None:  # the same bytes as in a file: a line end more, and it would not verify
        sys.stdout.write(data.decode() + ("\n" if sys.stdout.isatty() else ""))
        return
    write_atomically(out, data, mode=PUBLISHED)  # to be handed on: the umask may narrow it
    emit(options, {"written": str(out)}, lambda: None)
    say(f"Written to {out}. Check it with: {options.program} verify {out}")
