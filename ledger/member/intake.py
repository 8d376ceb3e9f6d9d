"""Read a member's transactions from CSV, Parquet or a DataFrame, in chunks of constant memory.

An invalid row is quarantined with its line, field and reason; the other rows are accepted. pandas and Arrow
are imported only for Parquet and DataFrames; a CSV file needs neither.
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

#: Rows per chunk, so that the memory used does not depend on the size of the file.
CHUNK: Final = 10_000

#: Maximum length of a line in bytes.
MAX_LINE: Final = 64 * 1024

#: First bytes of files that are not CSV, whatever their name.
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
    """A quarantined row: its line (or its row in a table), counted from 1; the field and the reason."""

    line: int
    field: str
    reason: str
    record: str


@dataclass(slots=True)
class Chunk:
    """Valid rows with their line numbers, and the quarantined rows."""

    lines: list[int] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.transactions) + len(self.quarantined)


#: Raw rows: a line number with either the cells or, if the line cannot be read, the problem.
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
        When the file is missing, empty or of another kind, or has no column for a required field.
    """
    if not isinstance(source, Path):
        opened = _open_frame(source)
    else:
        head = _head(source)
        table = source.suffix.lower() in (".parquet", ".pq")
        kind = next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), None)
        if kind is not None and not (table and kind == "Parquet"):
            raise InputError(
                f"the content of the file is {kind}, although its name says otherwise",
                where=str(source),
                next_step="Rename it to .parquet."
                if kind == "Parquet"
                else "Decompress it or export it to a CSV or Parquet file.",
            )
        opened = _open_parquet(source) if table else _open_csv(source)
    _check_columns(opened)
    return opened


def _head(path: Path) -> bytes:
    if not path.is_file():
        what = "this is not a file" if path.exists() else "there is no such file"
        raise InputError(what, where=str(path), next_step="Give the path of a CSV or Parquet file.")
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise InputError(
            f"the file cannot be opened: {error.strerror}",
            where=str(path),
            next_step="Check the disk and the read permission of the file.",
        ) from error
    if not head:
        raise InputError(
            "the file is empty", where=str(path), next_step="Export it again, with a header line."
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
        The current time; by default that of the system clock.
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
    """Shorten a record and escape the characters that UTF-8 cannot encode."""
    return record[:500].encode("utf-8", "backslashreplace").decode()


def _check_columns(source: OpenedSource) -> None:
    columns = source.columns
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    if doubled:
        raise InputError(
            f"the file has the columns {', '.join(doubled)} twice",
            where=source.name,
            next_step="Rename or remove one of each.",
        )
    missing = TransactionReader.missing({name: i for i, name in enumerate(columns)})
    if missing:
        unknown = [name for name in columns if name not in FIELDS]
        hint = f" These columns of the file are unknown: {', '.join(unknown)}." if unknown else ""
        raise InputError(
            f"the file lacks the columns {', '.join(missing)}",
            where=source.name,
            next_step=f"Rename or add them; `counterfoil member post --help` lists the names.{hint}",
        )


# -- CSV ----------------------------------------------------------------------------------------------------


def _open_csv(path: Path) -> OpenedSource:
    with path.open("rb") as file:
        header = file.readline(MAX_LINE)
    if len(header) == MAX_LINE and not header.endswith(b"\n"):
        raise InputError(
            f"the header is longer than {MAX_LINE} bytes",
            where=f"{path}:1",
            next_step="Export the file as CSV in UTF-8: a header, then one transaction per line.",
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
            next_step="Export the file as CSV in UTF-8, one transaction per line.",
        ) from error
    columns = tuple(name.strip().lower() for name in names)
    return OpenedSource(str(path), columns, _csv_rows(path, len(header), delimiter))


def _csv_rows(path: Path, start: int, delimiter: str) -> Rows:
    """Yield one record per line; an unclosed quote or an invalid line affects only that line."""
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
