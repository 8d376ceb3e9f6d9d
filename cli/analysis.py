"""``counterfoil simulate`` and ``scan``: synthetic consortia, and detectors on a plain file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import emit, progress, settings, show_entries, show_table, tell
from ledger.errors import InputError

if TYPE_CHECKING:
    from anomaly.tables import PlainFile
    from ledger.flag import Flag

__all__ = ["scan_command", "simulate_command"]


#: Accounts named with a flag; `--json` has them all.
_SHOWN = 6


def simulate_command(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="Folder to write; must be empty or missing.")],
    banks: Annotated[int, typer.Option(help="Member banks.")] = 8,
    transactions: Annotated[int, typer.Option(help="Transactions in all.")] = 100_000,
    accounts: Annotated[int, typer.Option(help="Accounts in all.")] = 6_000,
    days: Annotated[int, typer.Option(help="Length of the period.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 7,
) -> None:
    """Write a synthetic consortium with planted laundering: one CSV per bank, the truth apart."""
    from anomaly.simulation import simulate, write

    options = settings(context)
    summary = write(
        simulate(banks=banks, transactions=transactions, accounts=accounts, days=days, seed=seed), out
    )

    def render() -> None:
        members = [(m["agent_id"], m["name"], m["rows"]) for m in summary["members"]]
        show_table(f"Simulated in {out}", ["agent", "name", "rows"], members)
        planted = [(name, p["instances"], p["transactions"]) for name, p in summary["planted"].items()]
        show_table("Planted", ["typology", "instances", "transactions"], planted)

    emit(options, summary, render)


def scan_command(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV or Parquet of payments.")],
    rows: Annotated[int | None, typer.Option(help="Read only the first so many rows.")] = None,
) -> None:
    """Run the detectors on a plain file, without a ledger."""
    from anomaly.scan import scan
    from anomaly.tables import read_file
    from ledger.flag import OFF_LEDGER

    options = settings(context)
    if not file.is_file():
        raise InputError("there is no such file", where=str(file))
    plain = read_file(file, rows=rows)
    with progress(options) as advance:
        flags = scan(
            plain.transfers, OFF_LEDGER, progress=lambda _name, done, total: advance("scan", done, total)
        )

    accounts = [_accounts(flag, plain) for flag in flags]

    def render() -> None:
        entries = []
        for flag, names in zip(flags, accounts, strict=True):
            told = ", ".join(f"{name['account']} at {name['bank']}" for name in names[:_SHOWN])
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            head = (flag.title, flag.severity, f"{len(flag.rows)} payments")
            entries.append((head, f"{flag.explanation}\nAccounts: {told}{more}"))
        show_entries(f"{len(flags)} flags", entries)
        tell("")
        counts = Counter(flag.title for flag in flags)
        show_table("Flags by typology", ["typology", "flags"], sorted(counts.items()))
        cut = sum(flag.truncated for flag in flags)
        tell(f"{plain.transfers.num_rows:,} payments scanned; {cut} of {len(flags)} flags are truncated.")

    found = [flag.to_json() | {"accounts": names} for flag, names in zip(flags, accounts, strict=True)]
    emit(options, found, render)


def _accounts(flag: Flag, plain: PlainFile) -> list[dict[str, str]]:
    """Name a flag's accounts as the file does."""
    named = (plain.accounts.get(entity.pseudonym, ("", entity.pseudonym)) for entity in flag.entities)
    return [{"bank": bank, "account": account} for bank, account in named]
