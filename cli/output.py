"""Print results as tables, text or JSON; print progress bars, remarks, and errors with their next step.

Results go to standard output. Remarks and progress go to standard error, so that a program can ignore them.
"""

from __future__ import annotations

import json
import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ledger.errors import CounterfoilError, VerificationError
from ledger.home import Home

__all__ = [
    "Settings",
    "counted",
    "emit",
    "emit_each",
    "progress",
    "say",
    "settings",
    "show_entries",
    "show_error",
    "show_facts",
    "show_table",
    "tell",
]

#: Sentences are not wrapped here: a terminal folds long lines itself.
_remarks = Console(stderr=True, highlight=False, soft_wrap=True)

_COMMAND: Final = "counterfoil"


class _Results(Console):
    def on_broken_pipe(self) -> None:
        """Raise the error, so that `cli.main` handles it as for any other output."""
        raise BrokenPipeError


_results = _Results(highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Settings:
    """The options before the command, and the text that calls this command again (`program`)."""

    home: Home
    chain: str | None
    json: bool
    program: str = _COMMAND


def settings(context: typer.Context) -> Settings:
    """Return the options given before the command."""
    found = context.find_root().obj
    return found if isinstance(found, Settings) else Settings(Home(Path(".counterfoil")), None, False)


def say(text: str, *, style: str = "") -> None:
    """Print a remark for a person to standard error; it is not part of the result."""
    _remarks.print(Text(_plain(text), style))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 flag", "2,561 flags"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def tell(text: str) -> None:
    """Print a sentence that belongs to the result."""
    _results.print(Text(_plain(text)))


def emit(options: Settings, value: Any, render: Callable[[], None]) -> None:
    """Print a result: as JSON for a program, or by calling `render` for a person."""
    if options.json:
        sys.stdout.write(_json(value) + "\n")
    else:
        render()


def emit_each(values: Iterable[Any]) -> None:
    """Print a list as JSON, one value at a time: any number of values takes the same memory."""
    start = "[\n"
    for value in values:
        sys.stdout.write(start + textwrap.indent(_json(value), "  "))
        start = ",\n"
    sys.stdout.write("[]\n" if start == "[\n" else "\n]\n")


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; columns of numbers are right-aligned, with the same number of decimals in each cell."""
    given = [list(row) for row in rows]
    table = _table(title, show_header=True)
    cells = [_column([row[i] for row in given]) for i in range(len(columns))]
    for i, name in enumerate(columns):
        numeric = bool(given) and all(row[i] is None or _is_number(row[i]) for row in given)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in zip(*cells, strict=True):
        table.add_row(*(Text(cell) for cell in row))
    _print(table)


def show_facts(title: str, facts: Iterable[tuple[str, Any]]) -> None:
    """Print names and values; numbers are not formatted, because they may be identifiers, ports or codes."""
    table = _table(title, show_header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(name.replace("_", " ")), Text(_plain(_fact(value))))
    _print(table)


def show_entries(title: str, entries: Sequence[tuple[Sequence[Any], str]]) -> None:
    """Print entries: for each one a line of short cells, and its explanation indented below."""
    lines = [[_plain(_fact(cell)) for cell in cells] for cells, _ in entries]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    _results.print(Text(title, "bold"))
    for line, (_, text) in zip(lines, entries, strict=True):
        _results.print()
        head = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        _results.print(Text(head.rstrip(), "bold"))
        _results.print(Padding(Text(_plain(text)), (0, 0, 0, 2)), soft_wrap=False)


def _table(title: str, *, show_header: bool) -> Table:
    return Table(
        title=Text(_plain(title), "bold"),
        title_justify="left",
        header_style="bold",
        show_header=show_header,
        box=SIMPLE_HEAD if show_header else None,
        padding=(0, 1, 0, 0) if show_header else (0, 2, 0, 0),
        pad_edge=False,
        show_edge=False,
    )


def _print(table: Table) -> None:
    _results.print(table)
    _results.print()


def _column(values: Sequence[Any]) -> list[str]:
    """Return the cells of a column as text; if one is a fraction, every number gets two decimals."""
    fractions = any(isinstance(value, float) for value in values)
    return [_cell(value, fractions) for value in values]


def _cell(value: Any, fractions: bool) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    if _is_number(value):
        return f"{value:,.2f}" if fractions else f"{value:,}"
    return _plain(_fact(value))


def _fact(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_fact(v)}" for name, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_fact(v) for v in value) or "none"
    return str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(text: str) -> str:
    """Replace control characters in a text: they could change what the terminal shows."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON cannot hold, by null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _finite(v) for name, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list | tuple) else value


def _json(value: Any) -> str:
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False, default=_as_json)


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"no JSON form for {type(value).__name__}")


@contextmanager
def progress(options: Settings) -> Iterator[Callable[[str, int, int], None]]:
    """Show progress bars while a long step runs; yield a callback (stage, done, total)."""
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


def show_error(error: CounterfoilError, *, program: str = _COMMAND) -> None:
    """Print an error: what happened, where, and what to do next, with commands that the user can copy."""
    kind = "does not verify" if isinstance(error, VerificationError) else "error"
    _remarks.print(Text.assemble((f"{kind}: ", "bold red"), _plain(error.what)))
    if error.where:
        _remarks.print(Text.assemble(("  where: ", "dim"), _plain(error.where)))
    if error.next_step:
        step = error.next_step.replace(f"`{_COMMAND} ", f"`{program} ")
        _remarks.print(Text.assemble(("  next:  ", "dim"), _plain(step)))
