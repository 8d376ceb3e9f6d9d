"""``counterfoil verify``, ``fsck`` and ``audit``: check proofs without trust in the operator."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import Settings, emit, progress, settings, show_facts, show_table, tell
from counterfoil import Auditor
from ledger.money import ALPHA
from ledger.schema import Channel, Side

if TYPE_CHECKING:
    from ledger.audit.verify import Verified
    from ledger.log import Checkpoint

__all__ = ["app", "fsck_command", "verify_command"]

app = typer.Typer(help="Count which transfers are proven, claimed or missing.", no_args_is_help=True)


def verify_command(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File with a receipt, a disclosure or a checkpoint.")],
    trust: Annotated[
        Path | None, typer.Option(help="Trust file. Default: the trust file in the state folder.")
    ] = None,
) -> None:
    """Verify a receipt, a disclosure or a checkpoint offline, against a trust file."""
    from ledger.audit.verify import Verified

    options = settings(context)
    proven = Auditor(options.home, trust=trust).verify(file)
    if isinstance(proven, Verified):
        _show_proof(options, proven)
    else:
        _show_checkpoint(options, proven)


def _show_proof(options: Settings, proven: Verified) -> None:
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


def _show_checkpoint(options: Settings, found: Checkpoint) -> None:
    value = {
        "origin": found.origin,
        "log_size": found.size,
        "root": found.root.hex(),
        "block": found.block,
        "block_hash": found.block_hash.hex(),
    }
    emit(options, value, lambda: show_facts("Verified checkpoint", value.items()))


def fsck_command(context: typer.Context) -> None:
    """Read the whole chain again, compare the result with the mirror, and show the differences."""
    options = settings(context)
    with progress(options) as advance:
        report = Auditor(options.home, chain=options.chain).fsck(progress=advance)

    def render() -> None:
        rows = [("batches", report.batches), ("rows", report.rows), ("rejected batches", report.rejected)]
        rows += [("  because a key is missing", report.without_key)] * bool(report.without_key)
        show_table(
            "Compared with the chain", ["", "count"], [*rows, ("differences", len(report.differences))]
        )
        if report.differences:
            show_table(
                "Differences", ["where", "difference"], [(d.where, d.what) for d in report.differences]
            )

    emit(options, asdict(report), render)
    report.raise_if_different()


@app.command("completeness")
def completeness_command(context: typer.Context) -> None:
    """Count for each member which rows both banks posted, which only it posted, and which it did not post."""
    options = settings(context)
    found = Auditor(options.home, chain=options.chain).completeness()
    columns = ["member", "month", "rows", "proven", "conflict", "claimed", "on us", "outside", "missing"]
    rows = [
        (f.agent, f.month, f.rows, f.proven, f.conflict, f.claimed, f.on_us, f.outside, f.missing)
        for f in found
    ]

    def render() -> None:
        show_table("Completeness by member", columns, rows)
        tell(
            "Proven: both banks posted it. Claimed: only this bank did. Missing: only the other bank did. "
            "On us: both accounts are at this bank. Outside: the other bank is not a member."
        )

    emit(options, [asdict(f) for f in found], render)
