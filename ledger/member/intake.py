"""Reading a member's transactions: CSV, Parquet or a DataFrame, in chunks of constant memory.

A bad row goes to the quarantine with its line, field and reason; good rows go on; the counts add up.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ledger.errors import InputError
from ledger.member.transaction import FieldProblem, Transaction, TransactionReader
from ledger.schema import FIELDS

__all__ = ["CHUNK", "Chunk", "Quarantined", "Rows", "open_source", "read_chunks"]

#: Rows per chunk; the poster's memory does not depend on the size of the file.
CHUNK: Final = 10_000

#: A line longer than this is not a transaction.
MAX_LINE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row that was kept apart: its line (from 1; rows of a table count from 1 too), field and reason."""

    line: int
    field: str
    reason: str
    record: str


@dataclass(slots=True)
class Chunk:
    """Checked rows with their lines, and the rows kept apart."""

    lines: list[int] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.transactions) + len(self.quarantined)


#: Raw rows: a line number with either the cells or, for a line that is none, what is wrong with it.
Rows = Iterator[tuple[int, Sequence[str] | FieldProblem]]


@dataclass(frozen=True, slots=True)
class Source:
    """An opened source: its name, its columns and its rows."""

    name: str
    columns: tuple[str, ...]
    rows: Rows


def open_source(source: Path | pd.DataFrame) -> Source:
    """Open a CSV or Parquet file, or a DataFrame, and check its columns.

    Raises
    ------
    InputError
        When the file is missing, empty, of another kind, or lacks a required column.
    """
    if isinstance(source, pd.DataFrame):
        opened = _open_frame(source)
    elif not source.is_file():
        raise InputError(
            "there is no such file", where=str(source), next_step="Name a CSV or a Parquet file."
        )
    elif source.stat().st_size == 0:
        raise InputError(
            "the file is empty", where=str(source), next_step="Export it again; it needs a header at least."
        )
    elif source.suffix.lower() in (".parquet", ".pq"):
        opened = _open_parquet(source)
    else:
        opened = _open_csv(source)
    _check_columns(opened)
    return opened


def read_chunks(
    source: Source, agent: str, *, now: datetime | None = None, chunk_rows: int = CHUNK
) -> Iterator[Chunk]:
    """Yield checked chunks of a source.

    Parameters
    ----------
    source : Source
    agent : str
        The posting bank's agent identifier.
    now : datetime, optional
        The clock; the system's by default.
    chunk_rows : int
        Rows per chunk.
    """
    positions = {name: i for i, name in enumerate(source.columns)}
    reader = TransactionReader(agent, positions, now=now or datetime.now(UTC))
    width = len(source.columns)
    chunk = Chunk()
    for line, cells in source.rows:
        try:
            if isinstance(cells, FieldProblem):
                raise cells
            if len(cells) != width:
                raise FieldProblem("(line)", f"has {len(cells)} cells, the header has {width}")
            transaction = reader.read(list(cells))
        except FieldProblem as problem:
            record = "" if isinstance(cells, FieldProblem) else ",".join(map(str, cells))
            chunk.quarantined.append(Quarantined(line, problem.field, problem.reason, _printable(record)))
        else:
            chunk.lines.append(line)
            chunk.transactions.append(transaction)
        if len(chunk) >= chunk_rows:
            yield chunk
            chunk = Chunk()
    if len(chunk):
        yield chunk


def _printable(record: str) -> str:
    """Cut a record short and spell out what no UTF-8 file could hold."""
    return record[:500].encode("utf-8", "backslashreplace").decode()


def _check_columns(source: Source) -> None:
    columns = source.columns
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    if doubled:
        raise InputError(f"the columns {', '.join(doubled)} stand twice", where=source.name)
    missing = TransactionReader.missing({name: i for i, name in enumerate(columns)})
    if missing:
        unknown = [name for name in columns if name not in FIELDS]
        hint = f" Columns it has and we do not know: {', '.join(unknown)}." if unknown else ""
        raise InputError(
            f"the file lacks the columns {', '.join(missing)}",
            where=source.name,
            next_step=f"Rename or add them; the names are those of `counterfoil member post --help`.{hint}",
        )


# -- CSV ----------------------------------------------------------------------------------------------------


def _open_csv(path: Path) -> Source:
    with path.open("rb") as file:
        header = file.readline(MAX_LINE)
    try:
        text = header.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"the header is not UTF-8 text: {error.reason} at byte {error.start}",
            where=f"{path}:1",
            next_step="Export the file as UTF-8.",
        ) from error
    delimiter = max(",;\t|", key=text.count)
    try:
        names = next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise InputError(
            f"the header is not a line of CSV: {error}",
            where=f"{path}:1",
            next_step="Export the file as CSV in UTF-8, one transaction a line.",
        ) from error
    columns = tuple(name.strip().lower() for name in names)
    return Source(str(path), columns, _csv_rows(path, len(header), delimiter))


def _csv_rows(path: Path, start: int, delimiter: str) -> Rows:
    """Yield one record for a line: an open quote or a broken line costs that line and no other."""
    number = 1
    with path.open("rb") as file:
        file.seek(start)
        while raw := file.readline(MAX_LINE):
            number += 1
            if len(raw) == MAX_LINE and not raw.endswith(b"\n"):
                while (more := file.readline(MAX_LINE)) and not more.endswith(b"\n"):
                    pass
                yield number, FieldProblem("(line)", f"is longer than {MAX_LINE} bytes")
                continue
            try:
                text = raw.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                yield (
                    number,
                    FieldProblem("(line)", f"is not UTF-8 text: {error.reason} at byte {error.start}"),
                )
                continue
            if not text:
                continue
            if '"' not in text:
                yield number, text.split(delimiter)
                continue
            try:
                yield number, next(csv.reader([text], delimiter=delimiter, strict=True))
            except csv.Error as error:
                yield number, FieldProblem("(line)", f"is not CSV: {error}")


# -- tables -------------------------------------------------------------------------------------------------


def _open_parquet(path: Path) -> Source:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"the file is not readable Parquet: {error}",
            where=str(path),
            next_step="It may be cut short; export it again.",
        ) from error
    columns = tuple(name.lower() for name in file.schema_arrow.names)

    def rows() -> Rows:
        number = 0
        try:
            for batch in file.iter_batches(batch_size=CHUNK):
                for cells in _cells(batch):
                    number += 1
                    yield number, cells
        except (pa.ArrowInvalid, OSError) as error:
            yield number + 1, FieldProblem("(file)", f"cannot be read further: {error}")

    return Source(str(path), columns, rows())


def _open_frame(frame: pd.DataFrame) -> Source:
    columns = tuple(str(name).lower() for name in frame.columns)

    def rows() -> Rows:
        for start in range(0, len(frame), CHUNK):
            part = frame.iloc[start : start + CHUNK]
            columns = [[_as_text(v) for v in part.iloc[:, i].tolist()] for i in range(part.shape[1])]
            for offset, cells in enumerate(zip(*columns, strict=True)):
                yield start + offset + 1, cells

    return Source("DataFrame", columns, rows())


def _cells(batch: pa.RecordBatch) -> Iterator[tuple[str, ...]]:
    columns = [[_as_text(value) for value in column.to_pylist()] for column in batch.columns]
    return zip(*columns, strict=True)


def _as_text(value: Any) -> str:
    """Spell a typed cell as a CSV would: nothing for null, ISO 8601 for times, shortest for floats."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.15g}" if abs(value) < 1e15 else repr(value)
    return str(value)
