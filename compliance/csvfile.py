"""Tables that the consortium writes by hand: CSV with named columns, refused by line."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ledger.errors import InputError

__all__ = ["csv_rows"]


def csv_rows(path: Path, wanted: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a CSV file with their line numbers.

    Raises
    ------
    InputError
        When the file cannot be read, lacks a wanted column, or a line is too short.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            lacking = [name for name in wanted if name not in (reader.fieldnames or [])]
            if lacking:
                raise InputError(f"the table lacks the column {lacking[0]}", where=f"{path}, line 1")
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"not a UTF-8 CSV file: {error}", where=str(path)) from error
    for line, row in rows:
        if any(row.get(name) is None for name in wanted):
            raise InputError("the line has too few columns", where=f"{path}, line {line}")
    return rows
