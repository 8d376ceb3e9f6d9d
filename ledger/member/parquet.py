"""Read a member's Parquet file in parts of bounded memory, also when the file is hostile.

A few hundred bytes of Parquet can decompress to gigabytes: a page that claims two gigabytes, one long value
that a dictionary repeats, or a row group with billions of nulls. So the page headers of a row group are
checked before it is read (`ledger.member.layout`): the size of a page is limited, the number of values must
match, and both determine how many rows are read at a time. After an unreadable row group the next is read.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ledger.errors import InputError
from ledger.member.layout import RowGroup, pages, row_groups
from ledger.member.transaction import FieldProblem
from ledger.schema import FIELDS

__all__ = ["MOST_NAMED", "MOST_PAGE", "as_text", "open_parquet"]

#: Maximum size of a decompressed page in bytes; writers make pages of about one MiB.
MOST_PAGE: Final = 64 * 2**20

#: Maximum size in bytes of a column's values in a row group, if a dictionary is used.
MOST_NAMED: Final = 256 * 2**20

#: Number of bytes of one column that are decoded at a time.
_BATCH_BYTES: Final = 8 * 2**20

#: Errors that pyarrow raises for invalid bytes.
_UNREADABLE: Final = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    MemoryError,
)

_EXPORT: Final = "The file may be incomplete or damaged; export it again."

Cells = tuple[str, ...]


def open_parquet(
    path: Path, chunk: int
) -> tuple[tuple[str, ...], Iterator[tuple[int, Cells | FieldProblem]]]:
    """Return a file's column names, and its rows with only the columns of a transaction.

    Parameters
    ----------
    path : Path
    chunk : int
        Maximum number of rows read at a time.

    Raises
    ------
    InputError
        When the file is not Parquet, claims more rows than its size can hold, or has a field of nested type.
    """
    try:
        with path.open("rb") as file:
            groups = row_groups(file)
        schema = pq.read_schema(path)
        names = list(schema.names)
    except _UNREADABLE as error:
        raise InputError(
            f"the file is not readable Parquet: {_first_line(error)}", where=str(path), next_step=_EXPORT
        ) from error
    size, rows = path.stat().st_size, sum(group.rows for group in groups)
    if rows > 8 * size:
        raise InputError(
            f"the file claims {rows:,} rows in {size:,} bytes: less than one bit per transaction",
            where=str(path),
            next_step="This is not an export of transactions; check where the file comes from.",
        )
    lower = tuple(name.lower() for name in names)
    fields = {i: name for i, name in enumerate(lower) if name in FIELDS}
    for position in fields:
        if pa.types.is_nested(schema.types[position]):
            raise InputError(
                f"the column {names[position]} is nested ({str(schema.types[position])[:80]})",
                where=str(path),
                next_step="Export it as a plain column: a field of a transaction is a single value.",
            )
    columns = {names[i]: name for i, name in fields.items()}
    text = {names[i] for i in fields if _is_text(schema.types[i])}
    return lower, _rows(path, groups, columns, text, chunk)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _rows(
    path: Path, groups: list[RowGroup], columns: dict[str, str], text: set[str], chunk: int
) -> Iterator[tuple[int, Cells | FieldProblem]]:
    """Yield the rows of the given columns (name in the file: name of the field), row group by row group."""
    start = 0
    for number, group in enumerate(groups):
        line = start
        try:
            rows, named = _measure(path, group, columns)
            file = pq.ParquetFile(
                path,
                read_dictionary=sorted(named & text),
                pre_buffer=False,
                buffer_size=2**20,
                page_checksum_verification=True,
            )
            with file:
                batches = file.iter_batches(min(rows, chunk), row_groups=[number], columns=list(columns))
                for batch in batches:
                    texts = [_texts(batch.column(theirs), ours) for theirs, ours in columns.items()]
                    for cells in zip(*texts, strict=True):
                        line += 1
                        problem = next((cell for cell in cells if isinstance(cell, FieldProblem)), None)
                        yield line, problem or cells
            if line != start + group.rows:
                raise ValueError(f"it has {line - start} rows and claims {group.rows}")
        except _UNREADABLE as error:
            lost = f"rows {line + 1:,} to {start + group.rows:,} (row group {number + 1})"
            yield line + 1, FieldProblem("(file)", f"{lost} cannot be read: {_first_line(error)}")
        start += group.rows


def _measure(path: Path, group: RowGroup, columns: Container[str]) -> tuple[int, set[str]]:
    """Return how many rows may be read at a time, and the columns to read as dictionaries.

    A column with a dictionary is kept in dictionary form while it is read: expanded, it could take any
    amount of memory. Pages without a dictionary add their values to it, so the limit covers both together.
    """
    rows, named = group.rows or 1, set()
    with path.open("rb") as file:
        for chunk in group.columns:
            if chunk.path not in columns:
                continue
            held = size = 0
            for page in pages(file, chunk):
                if page.size > MOST_PAGE:
                    raise ValueError(
                        f"a page of {chunk.path} claims {page.size:,} bytes, {MOST_PAGE:,} are allowed"
                    )
                size += page.size
                if page.data:
                    held += page.values
                    rows = min(rows, max(1, _BATCH_BYTES * page.values // max(page.size, 1)))
                if not page.data or page.dictionary:
                    named.add(chunk.path)
            if held != group.rows:
                raise ValueError(f"{chunk.path} has {held:,} values where {group.rows:,} rows are claimed")
            if chunk.path in named and size > MOST_NAMED:
                raise ValueError(
                    f"the values of {chunk.path} take {size:,} bytes, {MOST_NAMED:,} are allowed"
                )
    return rows, named


def _texts(column: pa.Array, name: str) -> list[str | FieldProblem]:
    """Convert a column's cells to text; a value that cannot be converted affects only its own row."""
    if isinstance(column, pa.DictionaryArray):
        values = _texts(column.dictionary, name)
        named = pc.min_max(column.indices).as_py()
        if named["min"] is not None and not 0 <= named["min"] <= named["max"] < len(values):
            raise ValueError(f"a value of {name} refers to a missing entry of its dictionary")
        return ["" if index is None else values[index] for index in column.indices.to_pylist()]
    try:
        return [as_text(value) for value in column.to_pylist()]
    except _UNREADABLE:
        return [_text(cell, name) for cell in column]


def _text(cell: Any, name: str) -> str | FieldProblem:
    try:
        return as_text(cell.as_py())
    except _UNREADABLE as error:
        return FieldProblem(name, f"cannot be read: {_first_line(error)}")


def as_text(value: Any) -> str:
    """Convert a cell to text as in a CSV file: empty for null, ISO 8601 for times, shortest for floats.

    Raises
    ------
    ValueError
        When bytes are not UTF-8 text.
    """
    if value is None or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        if value != value:
            return ""
        return f"{value:.15g}" if abs(value) < 1e15 else repr(value)
    return str(value)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
