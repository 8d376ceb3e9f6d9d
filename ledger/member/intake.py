"""Reading a member's transactions: CSV, Parquet or a DataFrame, in chunks of constant memory.

A bad row goes to the quarantine with its line, field and reason; good rows go on; the counts add up. pandas
and Arrow are imported for tables only: reading a CSV file needs neither.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError
from ledger.member.transaction import FieldProblem, Transaction, TransactionReader
from ledger.schema import FIELDS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CHUNK", "Chunk", "Quarantined", "Rows", "open_source", "read_chunks"]

#: Rows per chunk; the poster's memory does not depend on the size of the file.
CHUNK: Final = 10_000

#: A line longer than this is not a transaction.
MAX_LINE: Final = 64 * 1024

#: How files start that are neither CSV nor what their name says.
_KINDS: Final = {
    b"\x1f\x8b": "compressed (gzip)",
    b"\x28\xb5\x2f\xfd": "compressed (Zstandard)",
    b"BZh": "compressed (bzip2)",
    b"\xfd7zXZ": "compressed (xz)",
    b"PK\x03\x04": "a ZIP archive or a spreadsheet",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"SQLite format 3": "a database",
    b"PAR1": "Parquet",
}


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
class OpenedSource:
    """An opened source: its name, its columns and its rows."""

    name: str
    columns: tuple[str, ...]
    rows: Rows


def open_source(source: Path | pd.DataFrame) -> OpenedSource:
    """Open a CSV or Parquet file, or a DataFrame, and check its columns.

    Raises
    ------
    InputError
        When the file is missing, empty, of another kind, or lacks a required column.
    """
    if not isinstance(source, Path):
        opened = _open_frame(source)
    else:
        head = _head(source)
        table = source.suffix.lower() in (".parquet", ".pq")
        kind = next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), None)
        if kind is not None and not (table and kind == "Parquet"):
            raise InputError(
                f"the file is {kind}, whatever its name says",
                where=str(source),
                next_step="Name it .parquet."
                if kind == "Parquet"
                else "Unpack it, or export it, to a CSV or Parquet file; packed files are not unfolded here.",
            )
        opened = _open_parquet(source) if table else _open_csv(source)
    _check_columns(opened)
    return opened


def _head(path: Path) -> bytes:
    if not path.is_file():
        what = "this is no file" if path.exists() else "there is no such file"
        raise InputError(what, where=str(path), next_step="Name a CSV or a Parquet file.")
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise InputError(
            f"the file cannot be opened: {error.strerror}",
            where=str(path),
            next_step="See to the disk and to who may read it.",
        ) from error
    if not head:
        raise InputError(
            "the file is empty", where=str(path), next_step="Export it again; it needs a header at least."
        )
    return head


def read_chunks(
    source: OpenedSource, agent: str, *, now: datetime | None = None, chunk_rows: int = CHUNK
) -> Iterator[Chunk]:
    """Yield checked chunks of a source.

    Parameters
    ----------
    source : OpenedSource
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
            record = "" if isinstance(cells, FieldProblem) else ",".join(cell[:500] for cell in cells)
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


def _check_columns(source: OpenedSource) -> None:
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


def _open_csv(path: Path) -> OpenedSource:
    with path.open("rb") as file:
        header = file.readline(MAX_LINE)
    if len(header) == MAX_LINE and not header.endswith(b"\n"):
        raise InputError(
            f"the header is longer than {MAX_LINE} bytes",
            where=f"{path}:1",
            next_step="Export the file as CSV in UTF-8: a header, then one transaction a line.",
        )
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
    return OpenedSource(str(path), columns, _csv_rows(path, len(header), delimiter))


def _csv_rows(path: Path, start: int, delimiter: str) -> Rows:
    """Yield one record for a line: an open quote or a broken line costs that line and no other."""
    number = 1
    try:
        for number, cells in _csv_lines(path, start, delimiter):
            yield number, cells
    except OSError as error:
        yield number + 1, FieldProblem("(file)", f"cannot be read further: {error.strerror or error}")


def _csv_lines(path: Path, start: int, delimiter: str) -> Rows:
    number = 1
    with path.open("rb") as file:
        file.seek(start)
        while raw := file.readline(MAX_LINE):
            number += 1
            if len(raw) == MAX_LINE and not raw.endswith(b"\n"):
                while (more := file.readline(16 * MAX_LINE)) and not more.endswith(b"\n"):
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


def _open_parquet(path: Path) -> OpenedSource:
    from ledger.member.parquet import open_parquet

    columns, rows = open_parquet(path, CHUNK)
    _check_columns(OpenedSource(str(path), columns, rows))
    return OpenedSource(str(path), tuple(name for name in columns if name in FIELDS), rows)


def _open_frame(frame: pd.DataFrame) -> OpenedSource:
    from ledger.member.frame import open_frame

    return OpenedSource("DataFrame", *open_frame(frame, CHUNK))
