"""Read the rows of a DataFrame as text, in the form of a CSV file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from ledger.member.parquet import as_text
from ledger.member.transaction import FieldProblem

__all__ = ["open_frame"]


def open_frame(
    frame: pd.DataFrame, chunk: int
) -> tuple[tuple[str, ...], Iterator[tuple[int, Sequence[str] | FieldProblem]]]:
    """Return the columns of a DataFrame, in lower case, and its rows with their numbers, from 1.

    Parameters
    ----------
    frame : pandas.DataFrame
    chunk : int
        Number of rows that are converted to text at a time.
    """
    columns = tuple(str(name).lower() for name in frame.columns)
    return columns, _rows(frame, columns, chunk)


def _rows(
    frame: pd.DataFrame, columns: tuple[str, ...], chunk: int
) -> Iterator[tuple[int, Sequence[str] | FieldProblem]]:
    for start in range(0, len(frame), chunk):
        part = frame.iloc[start : start + chunk]
        texts = [[_text(value, name) for value in part.iloc[:, i].tolist()] for i, name in enumerate(columns)]
        for offset, cells in enumerate(zip(*texts, strict=True)):
            problem = next((cell for cell in cells if isinstance(cell, FieldProblem)), None)
            yield start + offset + 1, problem or cells


def _text(value: Any, column: str) -> str | FieldProblem:
    try:
        return as_text(value)
    except Exception as error:  # a frame can hold any object, and its __str__ can raise anything
        return FieldProblem(column, f"cannot be read as text: {type(error).__name__}")
