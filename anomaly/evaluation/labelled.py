"""A labelled file: transfers as input of detectors, and separate labels that only an evaluation may read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from anomaly.evaluation.metrics import Truth
from anomaly.tables import transfers_of
from ledger.errors import InputError

__all__ = ["NO_BANK", "LabelledFile", "labelled_of", "read_labelled"]

Ints = npt.NDArray[np.int64]

#: Values of a bank column that are not banks.
NO_BANK = frozenset({"EXTERNAL_CASH", "SOURCE", "SINK", ""})


@dataclass(frozen=True, eq=False)
class LabelledFile:
    """Payments with labels; all arrays have one entry per transfer, in the order of `transfers`.

    Attributes
    ----------
    name : str
    transfers : pyarrow.Table
        `ledger.tables.TRANSFER`, exact.
    label : (n,) int8
    instance : (n,) int64
        Number of the pattern instance, or -1.
    typology : (n,) object
        Name of the pattern, or "".
    source, target : (n,) int64
        Numbers of the accounts.
    source_bank, target_bank : (n,) object
    time : (n,) int64
        Unix seconds.
    """

    name: str
    transfers: pa.Table
    label: npt.NDArray[np.int8]
    instance: Ints
    typology: npt.NDArray[np.object_]
    source: Ints
    target: Ints
    source_bank: npt.NDArray[np.object_]
    target_bank: npt.NDArray[np.object_]
    time: Ints

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: Ints) -> LabelledFile:
        """Return the given rows, in the given order."""
        return LabelledFile(
            self.name, self.transfers.take(pa.array(rows)), self.label[rows], self.instance[rows],
            self.typology[rows], self.source[rows], self.target[rows], self.source_bank[rows],
            self.target_bank[rows], self.time[rows],
        )  # fmt: skip

    @property
    def truth(self) -> Truth:
        """The labels of all rows, for the metrics."""
        return Truth(self.label, self.instance, self.typology, self.source, self.target, self.time)

    def banks(self, most: int | None = None) -> list[str]:
        """Return the banks, ordered by number of payments, largest first."""
        names, counts = np.unique(np.concatenate((self.source_bank, self.target_bank)), return_counts=True)
        known = [(-int(n), str(bank)) for bank, n in zip(names, counts, strict=True)]
        return [bank for _, bank in sorted(known) if bank.upper() not in NO_BANK][:most]

    def rows_of(self, bank: str) -> Ints:
        """Return the rows in which a bank keeps either account."""
        return np.flatnonzero((self.source_bank == bank) | (self.target_bank == bank))


def read_labelled(path: Path, *, rows: int | None = None) -> LabelledFile:
    """Read a CSV or Parquet file of payments with `is_laundering`, `pattern_type` and `pattern_id`.

    Raises
    ------
    InputError
        When the file cannot be read, lacks a column or has no labels.
    """
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, low_memory=False)
    except (OSError, UnicodeDecodeError, ValueError, pa.ArrowInvalid) as error:
        raise InputError(f"the file cannot be read: {error}", where=str(path)) from error
    return labelled_of(frame if rows is None else frame.iloc[:rows], name=path.stem, where=str(path))


def labelled_of(frame: pd.DataFrame, *, name: str = "frame", where: str = "frame") -> LabelledFile:
    """Convert a frame of labelled payments to a `LabelledFile`; see `read_labelled`."""
    if "is_laundering" not in frame.columns:
        raise InputError(
            "the file has no labels",
            where=where,
            next_step="Add the column is_laundering (0 or 1) and, if known, pattern_type and pattern_id.",
        )
    frame = frame.reset_index(drop=True)
    label = pd.to_numeric(frame["is_laundering"], errors="coerce")
    if label.isna().any() or not label.isin((0, 1)).all():
        raise InputError("the column is_laundering has values other than 0 and 1", where=where)
    banks, accounts = (
        (("src_bank", "dst_bank"), ("src", "dst"))
        if "src" in frame
        else (("debtor_agent", "creditor_agent"), ("debtor_account", "creditor_account"))
    )
    plain = transfers_of(frame, where=where)
    names = [frame[column].fillna("").astype(str).to_numpy(dtype=object) for column in (*banks, *accounts)]
    keys = pd.Series(np.concatenate((names[0] + "\x1f" + names[2], names[1] + "\x1f" + names[3])))
    ends = pd.factorize(keys)[0].astype(np.int64)
    nothing = pd.Series("", index=frame.index)
    typology = frame.get("pattern_type", nothing).fillna("").astype(str).where(label == 1, "")
    pattern = frame.get("pattern_id", nothing).fillna("").astype(str).where(label == 1, "")
    instance = pd.factorize(pattern.where(pattern != ""))[0].astype(np.int64)
    n = len(frame)
    return LabelledFile(
        name, plain.transfers, label.to_numpy(dtype=np.int8), instance, typology.to_numpy(dtype=object),
        ends[:n], ends[n:], names[0], names[1],
        np.asarray(plain.transfers.column("time_low").to_numpy(), dtype=np.int64),
    )  # fmt: skip
