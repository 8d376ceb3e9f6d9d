"""Labels from decisions: payments of flags decided as suspicious are cases; other labelled payments are not.

A payment without a flag counts as ordinary if it is before the end of the last decided flag. This is wrong
for schemes that the detectors missed: a model learns only how officers decide on the flags they see. A
payment that a detector flagged, without a decision yet, has no label.
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
    """A flag and the decision in force on it; None: undecided."""

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
        Whether the row has a label.
    until : int
        Unix seconds; end of the last decided flag. Later rows have no label.
    judged : list of (rows, suspicious)
        Rows of each decided flag, and the decision.
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
        When no decision concerns a row of this table.
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
        # a finding of a rule means that a report is due, not that the payment is suspicious
        if judgement.suspicious is None and judgement.flag.source.kind == "detector":
            known[rows] = False
    y = np.zeros(transfers.num_rows, np.int8)
    for rows, suspicious in judged:
        known[rows] = True
        y[rows] |= suspicious
    return Labels(y, known, until, judged)
