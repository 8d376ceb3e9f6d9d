"""The footer and the page headers of a Parquet file, read without decompressing any data.

pyarrow reads them too, but it trusts them, and some damaged ones crash the process. So the necessary fields
are read and checked here first, and a damaged file is never given to pyarrow.

References
----------
Apache Parquet format, parquet.thrift: FileMetaData, PageHeader. Thrift compact protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

__all__ = ["ColumnChunk", "LayoutError", "Page", "RowGroup", "pages", "row_groups"]

#: Maximum size of a footer in bytes; a footer with a thousand row groups has about three million.
_MOST_FOOTER: Final = 32 * 2**20

_PAGE_HEADER: Final = 64 * 1024
_MAGIC: Final = b"PAR1"
_DEEPEST: Final = 12
_DICTIONARY_ENCODINGS: Final = (2, 8)


class LayoutError(ValueError):
    """Raised when a file's footer or a page header is not valid Parquet."""


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """One column of one row group: the position of its pages, and their number of values."""

    path: str
    start: int
    size: int
    values: int


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One row group, as the footer describes it."""

    rows: int
    columns: tuple[ColumnChunk, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page header: decompressed and stored size; for a data page, its value count and encoding."""

    size: int
    stored: int
    values: int
    data: bool
    dictionary: bool


def row_groups(file: BinaryIO) -> list[RowGroup]:
    """Read a file's footer.

    Raises
    ------
    LayoutError
        When the file does not end with the Parquet magic bytes, or its footer is damaged.
    """
    end = file.seek(0, 2)
    if end < 12:
        raise LayoutError("it is too short")
    file.seek(end - 8)
    tail = file.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC:
        raise LayoutError("it does not end with the Parquet magic bytes")
    if length > min(end - 12, _MOST_FOOTER):
        raise LayoutError("its footer is too long")
    file.seek(end - 8 - length)
    data = file.read(length)
    try:
        fields, _ = _struct(data, 0, 0)
        groups = [_row_group(group, end) for group in fields[4]]
        if sum(group.rows for group in groups) != fields[3]:
            raise LayoutError("its row groups do not add up to its rows")
    except (LookupError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise LayoutError("its footer is damaged") from error
    return groups


def _row_group(fields: dict[int, Any], end: int) -> RowGroup:
    if fields[3] < 0:
        raise LayoutError("its footer is damaged")
    return RowGroup(fields[3], tuple(_column(column[3], end) for column in fields[1]))


def _column(fields: dict[int, Any], end: int) -> ColumnChunk:
    starts = [fields[9], fields.get(11)]  # some writers give 0 if there is no dictionary
    chunk = ColumnChunk(
        path=".".join(part.decode() for part in fields[3]),
        start=min(start for start in starts if start),
        size=fields[7],
        values=fields[5],
    )
    if not 0 < chunk.start <= chunk.start + chunk.size <= end or chunk.values < 0:
        raise LayoutError(f"the position of column {chunk.path} is outside the file")
    return chunk


def pages(file: BinaryIO, chunk: ColumnChunk) -> Iterator[Page]:
    """Read the page headers of a column chunk, one by one.

    Raises
    ------
    LayoutError
        When a page header is damaged.
    """
    at, end, values = chunk.start, chunk.start + chunk.size, 0
    while at < end and values < chunk.values:
        file.seek(at)
        page, length = _page(file.read(_PAGE_HEADER))
        yield page
        values += page.values
        at += length + page.stored


def _page(data: bytes) -> tuple[Page, int]:
    try:
        fields, length = _struct(data, 0, 0)
        kind = fields[1]
        inner = {0: fields.get(5), 3: fields.get(8)}.get(kind)  # data pages of both versions
        values, encoding = (0, 0) if kind not in (0, 3) else (inner[1], inner[2 if kind == 0 else 4])  # type: ignore[index]
        page = Page(fields[2], fields[3], values, kind in (0, 3), encoding in _DICTIONARY_ENCODINGS)
        if min(page.size, page.stored, page.values) < 0:
            raise LayoutError("a page header is damaged")
    except (LookupError, TypeError) as error:
        raise LayoutError("a page header is damaged") from error
    return page, length


# -- Thrift's compact protocol ------------------------------------------------------------------------------


def _struct(data: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    """Read a struct; return its values by field, and the position after it."""
    if depth > _DEEPEST:
        raise LayoutError("its structures are nested too deeply")
    fields: dict[int, Any] = {}
    last = 0
    while head := data[at]:
        at += 1
        kind = head & 15
        if head >> 4:
            last += head >> 4
        else:
            last, at = _zigzag(data, at)
        if kind in (1, 2):  # the type of a Boolean field is its value
            fields[last] = kind == 1
        else:
            fields[last], at = _value(data, at, kind, depth)
    return fields, at + 1


def _value(data: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (1, 2, 3):
        return data[at], at + 1
    if kind in (4, 5, 6):
        return _zigzag(data, at)
    if kind == 7:
        return None, at + 8
    if kind == 8:
        length, at = _varint(data, at)
        if length > len(data) - at:
            raise LayoutError("a string is longer than the rest of the structure")
        return data[at : at + length], at + length
    if kind in (9, 10):
        count, kind = data[at] >> 4, data[at] & 15
        at += 1
        if count == 15:
            count, at = _varint(data, at)
        if count > len(data) - at:
            raise LayoutError("a list is longer than the rest of the structure")
        items = []
        for _ in range(count):
            item, at = _value(data, at, kind, depth)
            items.append(item)
        return items, at
    if kind == 12:
        return _struct(data, at, depth + 1)
    raise LayoutError("it has a value of a type that Parquet does not use")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
    raise LayoutError("a number has too many bytes")


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at
