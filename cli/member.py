"""``counterfoil member``: a bank's data team posts transactions, hands out proofs, reads its flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.consortium import admit, connect
from cli.output import Settings, emit, progress, say, settings, show_table
from cli.posting import post_source
from ledger.audit.trust import Trust
from ledger.errors import InputError
from ledger.gateway import Gateway
from ledger.member.inbox import received_flags
from ledger.member.keys import MemberKeys
from ledger.member.receipts import disclose as make_disclosure
from ledger.member.receipts import make_receipt
from ledger.member.vault import HeldRecord, Vault
from ledger.receipt import Receipt
from ledger.schema import FIELDS, OPTIONAL_FIELDS
from ledger.segment import write_atomically

__all__ = ["app"]

app = typer.Typer(help="Post transactions, hand out proofs, read flags.", no_args_is_help=True)

_REQUIRED = [name for name in FIELDS if name not in OPTIONAL_FIELDS]

Agent = Annotated[
    str, typer.Option("--member", "-m", envvar="COUNTERFOIL_MEMBER", help="Agent identifier (BIC).")
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="File to write; default: standard output.")]


@app.command()
def init(
    context: typer.Context, agent: Annotated[str, typer.Argument(help="Agent identifier (BIC).")]
) -> None:
    """Make a member's keys; admit it where the operator's keys are on this machine."""
    options = settings(context)
    place = options.home.member(agent.upper())
    keys = MemberKeys.generate(agent.upper())
    keys.save(place.keys)
    if options.home.governance.exists():
        admit(options.home, connect(options.home, options.chain), [keys])
        say(f"{keys.agent} is admitted; its account is {keys.address}.")
    else:
        say("Send this to the operator, who admits you:")
    value = {
        "agent": keys.agent,
        "account": keys.address,
        "x25519_key": keys.x25519_public.hex(),
        "hpke_key": keys.hpke_public.hex(),
    }
    emit(options, value, lambda: show_table("Public keys", ["", "value"], value.items()))


@app.command(epilog=f"Columns: {', '.join(FIELDS)}. All but {', '.join(_REQUIRED)} may be missing.")
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
    quarantine file with their line, field and reason.
    """
    options = settings(context)
    with progress(options) as advance:
        report = post_source(
            options.home,
            agent.upper(),
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
            say(f"Rows kept apart, with reasons: {report.quarantine}")

    emit(options, report.to_json(), render)


@app.command()
def status(context: typer.Context, agent: Agent) -> None:
    """Say what the vault holds and what is posted."""
    options = settings(context)
    with Vault(_vault_path(options, agent)) as vault:
        batches, posted = vault.connection.execute("SELECT count(*), count(block) FROM batch").fetchone()
        value = {
            "records": vault.count(),
            "records_waiting": vault.count("batch IS NULL"),
            "batches_sealed": batches,
            "batches_posted": posted,
        }
    emit(options, value, lambda: show_table(f"Vault of {agent.upper()}", ["", "count"], value.items()))


@app.command()
def receipt(
    context: typer.Context,
    agent: Agent,
    key: Annotated[str, typer.Argument(help="UETR, transaction identifier, or BATCH:INDEX.")],
    out: Out = None,
) -> None:
    """Prove that a record stands in the log, offline and to anyone."""
    options = settings(context)
    with Vault(_vault_path(options, agent)) as vault:
        made = _receipt(options, vault, _find(vault, key))
    _hand_out(made.to_bytes(), out)


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
    options = settings(context)
    keys = MemberKeys.load(options.home.member(agent.upper()).keys)
    gateway = connect(options.home, options.chain)
    with Vault(_vault_path(options, agent)) as vault:
        record = _find(vault, key)
        made = _receipt(options, vault, record)
        opened = make_disclosure(
            vault, keys, record, made, policy=_policy(gateway, made), names=field, purpose=purpose
        )
    _hand_out(opened.to_bytes(), out)


@app.command()
def flags(context: typer.Context, agent: Agent) -> None:
    """List the flags addressed to this member, opened and verified, with its own entities and rows."""
    options = settings(context)
    keys = MemberKeys.load(options.home.member(agent.upper()).keys)
    received = list(received_flags(connect(options.home, options.chain), keys))
    value = [
        {"flag_id": r.flag_id.hex(), "block": r.block, "problem": r.problem, **(r.shown or {})}
        for r in received
    ]

    def render() -> None:
        rows: list[tuple[Any, ...]] = []
        for r in received:
            shown = r.shown or {}
            rows.append(
                (
                    r.flag_id.hex()[:12],
                    shown.get("title", "(does not open)"),
                    shown.get("severity"),
                    len(shown.get("rows", [])),
                    shown.get("explanation", r.problem),
                )
            )
        show_table(
            f"Flags for {agent.upper()}", ["flag", "what", "severity", "own rows", "explanation"], rows
        )

    emit(options, value, render)


def _vault_path(options: Settings, agent: str) -> Path:
    place = options.home.member(agent.upper())
    MemberKeys.load(place.keys)
    return place.vault


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


def _policy(gateway: Gateway, made: Receipt) -> bytes:
    return gateway.policies()[made.header.policy_hash]


def _hand_out(data: bytes, out: Path | None) -> None:
    if out is None:
        typer.echo(data.decode())
        return
    write_atomically(out, data)
    say(f"Written to {out}. Check it with: counterfoil verify {out}")
