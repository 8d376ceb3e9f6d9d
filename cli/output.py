"""What a person or a program reads: tables, progress bars, JSON, and errors that name the next step."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ledger.errors import CounterfoilError, VerificationError
from ledger.home import Home

__all__ = ["Settings", "emit", "progress", "say", "settings", "show_error", "show_table"]

#: Progress and remarks go to standard error, so that standard output can be read by a program.
_remarks = Console(stderr=True, highlight=False)
_results = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Settings:
    """The options before the command."""

    home: Home
    chain: str | None
    json: bool


def settings(context: typer.Context) -> Settings:
    """Return the options given before the command."""
    found = context.find_root().obj
    return found if isinstance(found, Settings) else Settings(Home(Path(".counterfoil")), None, False)


def say(text: str) -> None:
    """Print a remark for a person."""
    _remarks.print(text)


def emit(options: Settings, value: Any, render: Callable[[], None]) -> None:
    """Print a result: as JSON for a program, or as `render` draws it for a person."""
    if options.json:
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
    else:
        render()


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; columns whose cells are numbers are set to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    originals = [value for row in cells for value in row]
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for i, name in enumerate(columns):
        numeric = bool(originals) and all(_is_number(row[i]) for row in cells)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    _results.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "", 1).lstrip("-").isdigit() or text == "-"


@contextmanager
def progress(options: Settings) -> Iterator[Callable[[str, int, int], None]]:
    """Show progress bars while a long step runs; yields a callback (stage, done, total)."""
    if options.json or not _remarks.is_terminal:
        yield lambda _stage, _done, _total: None
        return
    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_remarks, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield advance


def show_error(error: CounterfoilError) -> None:
    """Print an error: what happened, where, and what to do next."""
    kind = "does not verify" if isinstance(error, VerificationError) else "error"
    _remarks.print(f"[bold red]{kind}[/]: ", end="")
    _remarks.print(error.what, markup=False)
    if error.where:
        _remarks.print("  where: ", style="dim", end="")
        _remarks.print(error.where, markup=False)
    if error.next_step:
        _remarks.print("  next:  ", style="dim", end="")
        _remarks.print(error.next_step, markup=False)
