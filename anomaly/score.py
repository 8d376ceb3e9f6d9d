"""Flags against a truth table: which planted instances were found, and which flags were right.

Truth rows are known by their place on the ledger (either half); so are a flag's. Both are brought back to
transfers, so that a payment counts once whichever half was named. Only evaluation reads labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from ledger.errors import InputError
from ledger.flag import Flag, RowRef

__all__ = ["Score", "TypologyScore", "score"]

_DEBIT = ("debit_member", "debit_sequence", "debit_index")
_CREDIT = ("credit_member", "credit_sequence", "credit_index")


@dataclass(frozen=True, slots=True)
class TypologyScore:
    """One typology's figures.

    Attributes
    ----------
    typology : str
    instances : int
        Planted instances.
    found : int
        Of which one flag's evidence holds at least the wanted share of the rows.
    named : int
        Of which such a flag also bears the instance's typology.
    flags : int
        Flags of this title.
    right : int
        Of which at least the wanted share of evidence rows is planted, of whatever pattern.
    right_named : int
        Of which at least the wanted share is planted rows of this typology.
    """

    typology: str
    instances: int
    found: int
    named: int
    flags: int
    right: int
    right_named: int

    @property
    def recall(self) -> float | None:
        """Share of instances found; None where none was planted."""
        return self.found / self.instances if self.instances else None

    @property
    def precision(self) -> float | None:
        """Share of flags that are right; None without flags."""
        return self.right / self.flags if self.flags else None


@dataclass(frozen=True, slots=True)
class Score:
    """All figures: by typology, over all, and at the level of single transfers.

    Attributes
    ----------
    typologies : tuple of TypologyScore
    total : TypologyScore
        An instance found by several flags counts once.
    transfers, planted, flagged, hit : int
        Transfers in all; planted ones; those in some flag's evidence; those that are both.
    """

    typologies: tuple[TypologyScore, ...]
    total: TypologyScore
    transfers: int
    planted: int
    flagged: int
    hit: int

    @property
    def transfer_precision(self) -> float | None:
        """Share of flagged transfers that are planted."""
        return self.hit / self.flagged if self.flagged else None

    @property
    def transfer_recall(self) -> float | None:
        """Share of planted transfers that are flagged."""
        return self.hit / self.planted if self.planted else None

    def to_frame(self) -> pd.DataFrame:
        """Return one line per typology and a last one for all."""
        return pd.DataFrame(
            [
                {
                    "typology": s.typology,
                    "instances": s.instances,
                    "found": s.found,
                    "named": s.named,
                    "recall": s.recall,
                    "flags": s.flags,
                    "right": s.right,
                    "right_named": s.right_named,
                    "precision": s.precision,
                }
                for s in (*self.typologies, self.total)
            ]
        )


def score(flags: Sequence[Flag], transfers: pa.Table, truth: pd.DataFrame, *, share: float = 0.5) -> Score:
    """Compare flags with planted patterns.

    Parameters
    ----------
    flags : sequence of Flag
    transfers : pyarrow.Table
        What was scanned (`ledger.schema.TRANSFER`).
    truth : DataFrame
        One row per planted transfer: pattern_id, typology, and its place as debit_member, debit_sequence,
        debit_index or credit_member, credit_sequence, credit_index (a negative or missing place is unknown;
        one of the two suffices). A planted transfer that the table does not hold counts as not found.
    share : float
        Wanted share of rows, for an instance to be found and for a flag to be right.

    Raises
    ------
    InputError
        When the truth table lacks columns.
    """
    halves = [names for names in (_DEBIT, _CREDIT) if set(names) <= set(truth.columns)]
    if not halves or not {"pattern_id", "typology"} <= set(truth.columns):
        raise InputError(
            "the truth table lacks columns",
            next_step=f"It needs pattern_id, typology and {', '.join(_DEBIT)} or {', '.join(_CREDIT)}.",
        )
    row_of: dict[RowRef, int] = {}
    for names in (_DEBIT, _CREDIT):
        columns = [transfers.column(name).fill_null(-1).to_pylist() for name in names]
        row_of |= {RowRef(*place): i for i, place in enumerate(zip(*columns, strict=True)) if place[0] >= 0}
    planted_rows: dict[str, set[int]] = {}
    typology_of: dict[str, str] = {}
    placed = [truth[list(names)].fillna(-1).astype("int64").to_numpy().tolist() for names in halves]
    for i, (pattern, typology) in enumerate(zip(truth["pattern_id"], truth["typology"], strict=True)):
        rows = {row_of.get(RowRef(*half[i]), -1) for half in placed} - {-1}
        # a planted row that is nowhere in the table can be found by nobody, and still counts
        planted_rows.setdefault(pattern, set()).add(rows.pop() if rows else -2 - i)
        typology_of[pattern] = typology
    typology_of_row = {row: typology_of[p] for p, rows in planted_rows.items() for row in rows}
    evidence = [{row_of[ref] for ref in flag.rows if ref in row_of} for flag in flags]

    right = np.zeros(len(flags), np.bool_)
    right_named = np.zeros(len(flags), np.bool_)
    for f, rows in enumerate(evidence):
        kinds = [typology_of_row.get(row) for row in rows]
        right[f] = bool(rows) and sum(k is not None for k in kinds) >= share * len(rows)
        right_named[f] = bool(rows) and sum(k == flags[f].title for k in kinds) >= share * len(rows)
    holders: dict[int, list[int]] = {}
    for f, rows in enumerate(evidence):
        for row in rows:
            holders.setdefault(row, []).append(f)
    found: dict[str, bool] = {}
    named: dict[str, bool] = {}
    for pattern, rows in planted_rows.items():
        shared: dict[int, int] = {}
        for row in rows:
            for f in holders.get(row, ()):
                shared[f] = shared.get(f, 0) + 1
        enough = [f for f, count in shared.items() if count >= share * len(rows)]
        found[pattern] = bool(enough)
        named[pattern] = any(flags[f].title == typology_of[pattern] for f in enough)
    titles = [flag.title for flag in flags]

    def tally(name: str, patterns: list[str], chosen: list[int]) -> TypologyScore:
        return TypologyScore(
            name,
            len(patterns),
            sum(found[p] for p in patterns),
            sum(named[p] for p in patterns),
            len(chosen),
            int(right[chosen].sum()),
            int(right_named[chosen].sum()),
        )

    every = sorted({*typology_of.values(), *titles})
    flagged = set(holders)
    return Score(
        typologies=tuple(
            tally(
                name,
                [p for p, t in typology_of.items() if t == name],
                [f for f, title in enumerate(titles) if title == name],
            )
            for name in every
        ),
        total=tally("all", list(planted_rows), list(range(len(flags)))),
        transfers=transfers.num_rows,
        planted=len(typology_of_row),
        flagged=len(flagged),
        hit=len(flagged & set(typology_of_row)),
    )
