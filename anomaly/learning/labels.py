"""Labels from decisions: payments of flags judged suspicious are cases; all else that was looked at is not.

What nobody flagged nobody judged. It counts as ordinary up to the end of the last flag that was decided,
which is wrong for what the detectors missed: a model learns what officers think of what they are shown. What
a detector flagged and no officer decided on yet is neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ledger.errors import InputError
from ledger.flag import Flag, RowRef

__all__ = ["Judgement", "Labels", "Places", "label"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A flag and the verdict in force on it; None: undecided."""

    flag: Flag
    suspicious: bool | None


class Places:
    """Rows of a table of transfers by their place on the ledger, whichever half is named."""

    def __init__(self, transfers: pa.Table) -> None:
        keys, rows = [], []
        for side in ("debit", "credit"):
            member, sequence, index = (
                transfers.column(f"{side}_{name}").fill_null(-1).to_numpy().astype(np.int64)
                for name in ("member", "sequence", "index")
            )
            there = (member >= 0) & (sequence >= 0)
            keys.append(_key(member, sequence, index)[there])
            rows.append(np.flatnonzero(there))
        key, row = np.concatenate(keys), np.concatenate(rows)
        order = np.argsort(key, kind="stable")
        self._key, self._row = key[order], row[order]

    def rows(self, refs: Sequence[RowRef]) -> Ints:
        """Return the distinct rows of these places; a place that the table does not hold has none."""
        if not refs or not len(self._key):
            return np.zeros(0, np.int64)
        named = np.array([(ref.member, ref.sequence, ref.index) for ref in refs], dtype=np.int64)
        wanted = _key(named[:, 0], named[:, 1], named[:, 2])
        place = np.minimum(np.searchsorted(self._key, wanted), len(self._key) - 1)
        return np.unique(self._row[place[self._key[place] == wanted]])


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of a table of transfers.

    Attributes
    ----------
    y : (n,) int8
        1: a case.
    known : (n,) bool
        Whether the label means anything.
    until : int
        Unix seconds, the end of the last decided flag: of later rows nothing is known.
    judged : list of (rows, suspicious)
        Each decided flag's rows.
    """

    y: npt.NDArray[np.int8]
    known: npt.NDArray[np.bool_]
    until: int
    judged: list[tuple[Ints, bool]]


def label(transfers: pa.Table, judgements: Sequence[Judgement]) -> Labels:
    """Turn decisions into labels.

    Raises
    ------
    InputError
        When nothing was decided about rows of this table.
    """
    places = Places(transfers)
    found = [(places.rows(j.flag.rows), j) for j in judgements]
    judged = [(rows, j.suspicious) for rows, j in found if len(rows) and j.suspicious is not None]
    if not judged:
        raise InputError(
            "no officer has decided on a flag about these payments yet",
            next_step="See `counterfoil flag list --undecided`, then `counterfoil flag decide`.",
        )
    until = max(int(transfers.column("time_high").to_numpy()[rows].max()) for rows, _ in judged)
    known = transfers.column("time_low").to_numpy() < until
    for rows, judgement in found:
        # a rule's finding says what must be reported, not what is suspicious
        if judgement.suspicious is None and judgement.flag.source.kind == "detector":
            known[rows] = False
    y = np.zeros(transfers.num_rows, np.int8)
    for rows, suspicious in judged:
        known[rows] = True
        y[rows] |= suspicious
    return Labels(y, known, until, judged)


def _key(member: Ints, sequence: Ints, index: Ints) -> Ints:
    """Pack a place into one number: a batch has fewer than 2^16 rows, a member fewer than 2^31 batches."""
    return (member << 47) | (sequence << 16) | index
