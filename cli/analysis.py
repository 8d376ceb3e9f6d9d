"""``counterfoil simulate`` and ``scan``: write a synthetic consortium, and run detectors on a plain file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from cli.output import counted, emit, progress, settings, show_entries, show_table, tell
from counterfoil.analysis import scan_file, simulate_consortium

__all__ = ["scan_command", "simulate_command"]

#: Number of accounts that are printed with a flag; `--json` prints all of them.
_SHOWN = 6


def simulate_command(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="Folder to write; it must be empty or not exist yet.")],
    banks: Annotated[int, typer.Option(help="Number of member banks.")] = 8,
    transactions: Annotated[int, typer.Option(help="Total number of transactions.")] = 100_000,
    accounts: Annotated[int, typer.Option(help="Total number of accounts.")] = 6_000,
    days: Annotated[int, typer.Option(help="Length of the period in days.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 7,
) -> None:
    """Write a synthetic consortium with planted laundering: one CSV file per bank, and the truth."""
    options = settings(context)
    summary = simulate_consortium(
        out, banks=banks, transactions=transactions, accounts=accounts, days=days, seed=seed
    )

    def render() -> None:
        members = [(m["agent_id"], m["name"], m["rows"]) for m in summary["members"]]
        show_table(f"Simulated in {out}", ["agent", "name", "rows"], members)
        planted = [(name, p["instances"], p["transactions"]) for name, p in summary["planted"].items()]
        show_table("Planted", ["typology", "instances", "transactions"], planted)

    emit(options, summary, render)


def scan_command(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV or Parquet file of payments.")],
    rows: Annotated[int | None, typer.Option(help="Read only this many rows from the start.")] = None,
) -> None:
    """Run the detectors on a plain file of payments, without a ledger."""
    options = settings(context)
    with progress(options) as advance:
        found = scan_file(file, rows=rows, progress=advance)
    flags = found.flags

    def render() -> None:
        entries = []
        for flag in flags:
            names = found.accounts(flag)
            told = ", ".join(f"{name['account']} at {name['bank']}" for name in names[:_SHOWN])
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            head = (flag.title, flag.severity, f"{len(flag.rows)} payments")
            entries.append((head, f"{flag.explanation}\nAccounts: {told}{more}"))
        show_entries(counted(len(flags), "flag"), entries)
        tell("")
        counts = Counter(flag.title for flag in flags)
        show_table("Flags by typology", ["typology", "flags"], sorted(counts.items()))
        cut = sum(flag.truncated for flag in flags)
        tell(f"{found.payments:,} payments scanned; {cut} of {len(flags)} flags are truncated.")

    emit(options, found.to_json(), render)
