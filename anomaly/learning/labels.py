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
from ledger.flag import Flag
from ledger.transfers.places import Places

__all__ = ["Judgement", "Labels", "label"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A flag and the verdict in force on it; None: undecided."""

    flag: Flag
    suspicious: bool | None


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
