"""Analysis without a ledger: scan a plain file, simulate a consortium, evaluate on a labelled file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from anomaly.evaluation import Figure, Plan
    from anomaly.tables import PlainFile
    from counterfoil.progress import Progress
    from ledger.flag import Flag

__all__ = ["FileScan", "evaluate_file", "evaluation_plan", "scan_file", "simulate_consortium"]


@dataclass(frozen=True)
class FileScan:
    """Flags on a plain file, with the names that the file uses for the accounts.

    Parameters
    ----------
    flags : list of Flag
    plain : PlainFile
    """

    flags: list[Flag]
    plain: PlainFile

    @property
    def payments(self) -> int:
        """Number of payments in the file."""
        return int(self.plain.transfers.num_rows)

    def accounts(self, flag: Flag) -> list[dict[str, str]]:
        """Return the accounts of a flag, each with bank and account as in the file."""
        named = (
            self.plain.accounts.get(entity.pseudonym, ("", entity.pseudonym)) for entity in flag.entities
        )
        return [{"bank": bank, "account": account} for bank, account in named]

    def to_json(self) -> list[dict[str, Any]]:
        """Return the flags as JSON values, each with its accounts."""
        return [flag.to_json() | {"accounts": self.accounts(flag)} for flag in self.flags]

    def frame(self) -> pd.DataFrame:
        """Return the flags as a DataFrame, one row each, with a list of accounts as BANK:ACCOUNT."""
        from counterfoil.frames import flags_frame

        table = flags_frame(self.flags)
        table["accounts"] = [
            [f"{name['bank']}:{name['account']}" for name in self.accounts(flag)] for flag in self.flags
        ]
        return table


def scan_file(
    source: pd.DataFrame | Path | str, *, rows: int | None = None, progress: Progress | None = None
) -> FileScan:
    """Run the detectors on a plain file of payments.

    Parameters
    ----------
    source : DataFrame or path
        A CSV or Parquet file; the columns are those of `anomaly.tables.read_file`.
    rows : int, optional
        Read only this many rows from the start.
    progress : callable, optional

    Raises
    ------
    InputError
        When the file cannot be read or lacks a column, or a row lacks a time, an amount or a known currency.
    """
    from anomaly.scan import scan
    from anomaly.tables import read_file, transfers_of
    from ledger.flag import OFF_LEDGER

    if isinstance(source, Path | str):
        plain = read_file(_existing(source), rows=rows)
    else:
        plain = transfers_of(source if rows is None else source.iloc[:rows])

    def advance(_detector: str, done: int, total: int) -> None:
        if progress is not None:
            progress("scan", done, total)

    return FileScan(scan(plain.transfers, OFF_LEDGER, progress=advance), plain)


def simulate_consortium(
    out: Path,
    *,
    banks: int = 8,
    transactions: int = 100_000,
    accounts: int = 6_000,
    days: int = 60,
    seed: int = 7,
) -> dict[str, Any]:
    """Write a synthetic consortium with planted laundering: one CSV file per bank, and the truth.

    Parameters
    ----------
    out : Path
        Folder to write; it must be empty or not exist yet.
    banks, transactions, accounts, days : int
        Size of the consortium.
    seed : int
        The same seed gives the same files.

    Returns
    -------
    dict
        The members with their numbers of rows, and the planted typologies.
    """
    from anomaly.simulation import simulate, write

    made = simulate(banks=banks, transactions=transactions, accounts=accounts, days=days, seed=seed)
    return dict(write(made, out))


def evaluation_plan(window_days: float, **options: Any) -> Plan:
    """Return a plan of evaluation with a window of `window_days` days; `options` are those of `Plan`.

    Raises
    ------
    InputError
        When the window is shorter than seven minutes, or the value of an option does not exist.
    """
    from anomaly.evaluation import Plan

    if window_days * 86_400 < 420:
        raise InputError(
            f"a window of {window_days} days is too short",
            next_step="Give a window of at least seven minutes.",
        )
    window = int(window_days * 86_400)
    return Plan(window=window, free_window=2 * window, **options).checked()


def evaluate_file(
    file: Path, plan: Plan, step: Callable[[str, int, int], None], *, rows: int | None = None
) -> Iterator[Figure]:
    """Measure detection on a labelled file; yield each figure as it is measured.

    Parameters
    ----------
    file : Path
        CSV or Parquet file of payments with a column `is_laundering`, or with labels of accounts.
    plan : Plan
    step : callable
        Called with the name of a step, the number of steps done and the total number.
    rows : int, optional
        Read only this many rows from the start.

    Raises
    ------
    InputError
        When the file does not exist, or it has no labels.
    """
    from anomaly.evaluation import evaluate, read_labelled
    from anomaly.evaluation.accounts import evaluate_accounts, has_account_labels

    _existing(file)
    if has_account_labels(file):
        yield from evaluate_accounts(file, plan, step)
    else:
        yield from evaluate(read_labelled(file, rows=rows), plan, step)


def _existing(source: Path | str) -> Path:
    path = Path(source)
    if not path.is_file():
        raise InputError("there is no such file", where=str(path))
    return path
