"""``counterfoil member``: a bank's data team posts transactions, hands out proofs, reads its flags."""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.consortium import admit, connect, member_keys
from cli.output import Settings, emit, progress, say, settings, show_entries, show_facts, show_table
from ledger.errors import InputError
from ledger.schema import FIELDS, OPTIONAL_FIELDS

if TYPE_CHECKING:
    from ledger.member.vault import HeldRecord, Vault
    from ledger.receipt import Receipt

__all__ = ["app"]

app = typer.Typer(help="Post transactions, hand out proofs, read flags.", no_args_is_help=True)

#: Own transactions named with a flag.
_SHOWN = 8

_AGENT = re.compile(r"[A-Z0-9_.-]{1,35}", re.ASCII)

_REQUIRED = [name for name in FIELDS if name not in OPTIONAL_FIELDS]


def _agent(text: str) -> str:
    """Read an agent identifier, which also names the member's folder."""
    agent = text.strip().upper()
    if _AGENT.fullmatch(agent) is None or set(agent) <= {"."}:
        raise typer.BadParameter(f"{text!r} is not an agent identifier, such as a BIC")
    return agent


Agent = Annotated[
    str,
    typer.Option(
        "--member", "-m", envvar="COUNTERFOIL_MEMBER", callback=_agent, help="Agent identifier (BIC)."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="File to write; default: standard output.")]


@app.command()
def init(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(callback=_agent, help="Agent identifier (BIC).")],
) -> None:
    """Make a member's keys; admit it where the operator's keys are on this machine.

    Keys that exist stay as they are: run again, it does what is missing.
    """
    from ledger.member.keys import MemberKeys

    options = settings(context)
    place = options.home.member(agent)
    gateway = connect(options.home, options.chain) if options.home.governance.exists() else None
    if not place.keys.exists():
        MemberKeys.generate(agent).save(place.keys)
    keys = member_keys(options.home, agent)
    if gateway is not None:
        admit(options.home, gateway, [keys])
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
    from cli.posting import post_source

    options = settings(context)
    with progress(options) as advance:
        report = post_source(
            options.home,
            agent,
            file,
            chain=options.chain,
            keyholder=keyholder,
            processes=processes,
            progress=advance,
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
    """Say what the vault holds and what is posted."""
    from ledger.member.vault import Vault

    options = settings(context)
    with Vault(_vault_path(options, agent)) as vault:
        batches, posted = vault.batches.count()
        value = {
            "records": vault.count(),
            "records_waiting": vault.count_waiting(),
            "batches_sealed": batches,
            "batches_posted": posted,
        }
    rows = [(name.replace("_", " "), count) for name, count in value.items()]
    emit(options, value, lambda: show_table(f"Vault of {agent}", ["", "count"], rows))


@app.command()
def receipt(
    context: typer.Context,
    agent: Agent,
    key: Annotated[str, typer.Argument(help="UETR, transaction identifier, or BATCH:INDEX.")],
    out: Out = None,
) -> None:
    """Prove that a record stands in the log, offline and to anyone."""
    from ledger.member.vault import Vault

    options = settings(context)
    with Vault(_vault_path(options, agent)) as vault:
        made = _receipt(options, vault, _find(vault, key))
    _hand_out(options, made.to_bytes(), out)


@app.command()
def disclose(
    context: typer.Context,
    agent: Agent,
    key: Annotated[str, typer.Argument(help="UETR, transaction identifier, or BATCH:INDEX.")],
    field: Annotated[list[str], typer.Option("--field", "-f", help="Field to open; repeat for more.")],
    purpose: Annotated[str, typer.Option(help="Why, and for whom; it is signed with the fields.")],
    out: Out = None,
) -> None:
    """Open chosen exact fields of a record, with proof, for a stated purpose."""
    from ledger.member.receipts import disclose as make_disclosure
    from ledger.member.vault import Vault

    options = settings(context)
    keys = member_keys(options.home, agent)
    gateway = connect(options.home, options.chain)
    with Vault(_vault_path(options, agent)) as vault:
        record = _find(vault, key)
        made = _receipt(options, vault, record)
        policy = gateway.policies()[made.header.policy_hash]
        opened = make_disclosure(vault, keys, record, made, policy=policy, names=field, purpose=purpose)
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
    from ledger.member.inbox import received_flags
    from ledger.member.vault import Vault

    options = settings(context)
    keys = member_keys(options.home, agent)
    received = [
        received
        for received in received_flags(connect(options.home, options.chain), keys)
        if received.flag_id.hex().startswith(flag_id.lower())
    ]
    if flag_id and not received:
        raise InputError(
            f"no flag addressed to {agent} starts with {flag_id!r}",
            next_step=f"See `counterfoil member flags -m {agent}`.",
        )
    value = [
        {"flag_id": r.flag_id.hex(), "block": r.block, "problem": r.problem, **(r.shown or {})}
        for r in received
    ]

    def render() -> None:
        with Vault(_vault_path(options, agent)) as vault:
            entries = [_entry(flag, vault) for flag in value]
        show_entries(f"{len(entries)} flags for {agent}", entries)

    emit(options, value, render)


def _entry(flag: dict[str, Any], vault: Vault) -> tuple[tuple[str, ...], str]:
    """Describe a received flag by the bank's own transactions, which only the bank can name."""
    head = (flag["flag_id"][:12], flag.get("title", "(does not open)"), flag.get("severity", "-"))
    if flag["problem"]:
        return head, flag["problem"]
    own = []
    for row in flag["rows"]:
        record = vault.record_at(row["sequence"], row["index"])
        name = record.values[FIELDS.index("transaction_id")] if record else "not in this vault"
        own.append(f"{name} ({row['sequence']}:{row['index']})")
    more = f" and {len(own) - _SHOWN} more" if len(own) > _SHOWN else ""
    return head, f"{flag['explanation']}\nOwn transactions: {', '.join(own[:_SHOWN]) or 'none'}{more}"


def _vault_path(options: Settings, agent: str) -> Path:
    member_keys(options.home, agent)
    return options.home.member(agent).vault


def _find(vault: Vault, key: str) -> HeldRecord:
    batch, _, index = key.partition(":")
    if index.isdigit() and batch.isdigit():
        record = vault.record_at(int(batch), int(index))
    else:
        record = vault.find(key)
    if record is None:
        raise InputError(
            f"the vault holds no record {key!r}",
            next_step="Give a UETR, a transaction identifier, or BATCH:INDEX.",
        )
    return record


def _receipt(options: Settings, vault: Vault, record: HeldRecord) -> Receipt:
    from ledger.audit.trust import Trust
    from ledger.member.receipts import make_receipt

    desk = options.home.desk
    if not desk.checkpoint.exists():
        raise InputError(
            "the desk has published no checkpoint yet",
            where=str(desk.checkpoint),
            next_step="Run `counterfoil desk sync` first.",
        )
    return make_receipt(
        vault,
        record,
        log=desk.log.read_bytes(),
        checkpoint=desk.checkpoint.read_text("utf-8"),
        checkpoint_keys=Trust.load(options.home.trust).checkpoint_keys,
    )


def _hand_out(options: Settings, data: bytes, out: Path | None) -> None:
    from ledger.storage import write_atomically

    if out is None:  # the same bytes as in a file: a line end more, and it would not verify
        sys.stdout.write(data.decode() + ("\n" if sys.stdout.isatty() else ""))
        return
    write_atomically(out, data)
    emit(options, {"written": str(out)}, lambda: None)
    say(f"Written to {out}. Check it with: {options.program} verify {out}")
