"""``counterfoil verify``, ``fsck`` and ``audit``: proofs checked without trusting the operator."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.consortium import connect
from cli.output import Settings, emit, progress, settings, show_facts, show_table, tell
from ledger.errors import InputError

if TYPE_CHECKING:
    from ledger.audit.trust import Trust

__all__ = ["app", "fsck_command", "verify_command"]

app = typer.Typer(help="What is proven, claimed and unknown.", no_args_is_help=True)


def verify_command(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A receipt, a disclosure or a checkpoint.")],
    trust: Annotated[
        Path | None, typer.Option(help="Trust file; default: the one in the state folder.")
    ] = None,
) -> None:
    """Verify a receipt, a disclosure or a checkpoint offline, against a trust file."""
    from ledger.audit.trust import Trust
    from ledger.audit.verify import verify
    from ledger.money import ALPHA
    from ledger.schema import Channel, Side

    options = settings(context)
    if not file.is_file():
        raise InputError("there is no such file", where=str(file))
    pinned, data = Trust.load(trust or options.home.trust), file.read_bytes()
    if not data.lstrip().startswith(b"{"):
        _verify_checkpoint(options, file, data, pinned)
        return
    proven = verify(data, pinned)
    header, checkpoint, row = proven.receipt.header, proven.checkpoint, proven.row
    value: dict[str, Any] = {
        "posted_by": proven.agent,
        "batch": header.sequence,
        "row": proven.receipt.index,
        "batch_hash": header.hash.hex(),
        "log_index": proven.receipt.log_index,
        "log_size": checkpoint.size,
        "block": checkpoint.block,
        "side": Side(int(row["side"])).name.lower(),
        "channel": Channel(int(row["channel"])).name.lower(),
        "currency": ALPHA.get(int(row["currency"])),
        "record_root": bytes(row["record_root"]).hex(),
        "purpose": proven.purpose,
        "fields": dict(proven.fields),
    }

    def render() -> None:
        show_facts("Verified", [(k, v) for k, v in value.items() if k != "fields" and v is not None])
        if proven.fields:
            tell("")
            show_facts("Exact fields, as posted then", proven.fields.items())

    emit(options, value, render)


def _verify_checkpoint(options: Settings, file: Path, data: bytes, trust: Trust) -> None:
    from ledger.log import CheckpointError, open_checkpoint

    try:
        found = open_checkpoint(data, trust.checkpoint_keys, origin=trust.deployment.origin)
    except CheckpointError as error:
        if b"\n\n" in data:
            raise
        raise InputError(
            "this is neither a receipt, a disclosure nor a checkpoint",
            where=str(file),
            next_step="Members hand out the first two; the desk publishes the last at /v1/log/checkpoint.",
        ) from error
    value = {
        "origin": found.origin,
        "log_size": found.size,
        "root": found.root.hex(),
        "block": found.block,
        "block_hash": found.block_hash.hex(),
    }
    emit(options, value, lambda: show_facts("Verified checkpoint", value.items()))


def fsck_command(context: typer.Context) -> None:
    """Re-derive everything from the chain, compare it with the mirror, and say what differs."""
    from ledger.audit.fsck import fsck
    from ledger.audit.trust import Trust
    from ledger.reader.keys import DeskKeys

    options = settings(context)
    desk = options.home.desk
    with progress(options) as advance:
        report = fsck(
            connect(options.home, options.chain),
            desk.mirror,
            DeskKeys.load(desk.keys).readers.values(),
            log=desk.log,
            checkpoint=desk.checkpoint,
            checkpoint_keys=dict(Trust.load(options.home.trust).checkpoint_keys),
            progress=advance,
        )

    def render() -> None:
        rows = [("batches", report.batches), ("rows", report.rows), ("batches kept apart", report.rejected)]
        rows += [("  for want of a key", report.without_key)] * bool(report.without_key)
        show_table(
            "Compared with the chain", ["", "count"], [*rows, ("differences", len(report.differences))]
        )
        if report.differences:
            show_table("Differences", ["where", "what"], [(d.where, d.what) for d in report.differences])

    emit(options, asdict(report), render)
    report.raise_if_different()


@app.command("completeness")
def completeness_command(context: typer.Context) -> None:
    """Say, for each member, what is proven by its counterparty, claimed alone, and missing on its side."""
    from ledger.audit.completeness import completeness
    from ledger.segment import Manifest, load

    options = settings(context)
    manifest = Manifest.read(options.home.desk.mirror)
    if manifest.transfers is None:
        raise InputError("nothing is matched yet", next_step="Run `counterfoil desk sync` first.")
    agents = {m.code: m.agent for m in connect(options.home, options.chain).members()}
    found = completeness(load(options.home.desk.mirror, manifest.transfers), agents)
    columns = ["member", "month", "rows", "proven", "conflict", "claimed", "on us", "outside", "missing"]
    rows = [
        (f.agent, f.month, f.rows, f.proven, f.conflict, f.claimed, f.on_us, f.outside, f.missing)
        for f in found
    ]

    def render() -> None:
        show_table("Completeness by member", columns, rows)
        tell(
            "Proven: both banks posted it. Claimed: only this bank did. Missing: only the other bank did. "
            "On us and outside have no second witness."
        )

    emit(options, [asdict(f) for f in found], render)
