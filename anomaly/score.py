"""Comparison of flags with a truth table: which planted instances were found, and which flags are correct.

Rows of the truth table and of a flag are identified by their place on the ledger (of either half). Both are
mapped to transfers, so that a payment counts once whichever half is named. Only evaluation reads labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import pandas as pd
import pyarrow as pa

from ledger.errors import InputError
from ledger.flag import Flag, RowRef
from ledger.transfers.places import CREDIT, DEBIT

__all__ = ["Score", "TypologyScore", "score"]

Rows = set[int]


@dataclass(frozen=True, slots=True)
class TypologyScore:
    """Counts for one typology: instances, flags and single transfers.

    Attributes
    ----------
    typology : str
    instances : int
        Planted instances.
    found : int
        Instances of which a single flag's evidence contains at least the required share of rows.
    named : int
        Found instances for which the title of such a flag is the instance's typology.
    flags : int
        Flags with this title.
    right : int
        Flags of which at least the required share of evidence rows is planted, in any pattern.
    right_named : int
        Flags of which at least the required share of evidence rows is planted in this typology.
    planted : int
        Transfers planted for this typology.
    covered : int
        Planted transfers in the evidence of any flag.
    flagged : int
        Transfers in the evidence of the flags with this title.
    hit : int
        Flagged transfers that are planted, in any pattern.
    """

    typology: str
    instances: int
    found: int
    named: int
    flags: int
    right: int
    right_named: int
    planted: int
    covered: int
    flagged: int
    hit: int

    @property
    def recall(self) -> float | None:
        """Share of instances found; None where none was planted."""
        return _share(self.found, self.instances)

    @property
    def precision(self) -> float | None:
        """Share of flags that are right; None without flags."""
        return _share(self.right, self.flags)

    @property
    def transfer_recall(self) -> float | None:
        """Share of planted transfers that are flagged."""
        return _share(self.covered, self.planted)

    @property
    def transfer_precision(self) -> float | None:
        """Share of flagged transfers that are planted."""
        return _share(self.hit, self.flagged)

    def to_json(self) -> dict[str, str | int | float | None]:
        """Return counts and shares."""
        shares = ("recall", "precision", "transfer_recall", "transfer_precision")
        return asdict(self) | {name: getattr(self, name) for name in shares}


@dataclass(frozen=True, slots=True)
class Score:
    """Counts by typology, and in total (an instance or a transfer in several flags counts once)."""

    typologies: tuple[TypologyScore, ...]
    total: TypologyScore

    @property
    def lines(self) -> tuple[TypologyScore, ...]:
        """The typologies in the order of their names, then the total."""
        return (*self.typologies, self.total)


def score(flags: Sequence[Flag], transfers: pa.Table, truth: pd.DataFrame, *, share: float = 0.5) -> Score:
    """Compare flags with planted patterns.

    Parameters
    ----------
    flags : sequence of Flag
    transfers : pyarrow.Table
        The scanned transfers (`ledger.tables.TRANSFER`).
    truth : DataFrame
        One row per planted transfer: pattern_id, typology, and its place as debit_member, debit_sequence,
        debit_index or credit_member, credit_sequence, credit_index (a negative or missing place is unknown;
        one of the two is enough). A planted transfer that is not in the table counts as not found.
    share : float
        Required share of rows, for an instance to be found and for a flag to be right.

    Raises
    ------
    InputError
        When the truth table lacks columns.
    """
    row_of = _rows_by_place(transfers)
    planted, typology_of = _planted(truth, row_of)
    kind_of = {row: typology_of[pattern] for pattern, rows in planted.items() for row in rows}
    evidence = [{row_of[ref] for ref in flag.rows if ref in row_of} for flag in flags]
    holders: dict[int, list[int]] = {}
    for f, rows in enumerate(evidence):
        for row in rows:
            holders.setdefault(row, []).append(f)
    enough = {pattern: _holding(rows, holders, share) for pattern, rows in planted.items()}

    def right(f: int, typology: str | None = None) -> bool:
        kinds = [kind_of.get(row) for row in evidence[f]]
        fit = sum(k is not None if typology is None else k == typology for k in kinds)
        return bool(kinds) and fit >= share * len(kinds)

    def tally(name: str, patterns: list[str], chosen: list[int]) -> TypologyScore:
        own = set().union(*(planted[p] for p in patterns))
        told = set().union(*(evidence[f] for f in chosen))
        return TypologyScore(
            typology=name,
            instances=len(patterns),
            found=sum(bool(enough[p]) for p in patterns),
            named=sum(any(flags[f].title == typology_of[p] for f in enough[p]) for p in patterns),
            flags=len(chosen),
            right=sum(right(f) for f in chosen),
            right_named=sum(right(f, flags[f].title) for f in chosen),
            planted=len(own),
            covered=len(own & holders.keys()),
            flagged=len(told),
            hit=len(told & kind_of.keys()),
        )

    titles = [flag.title for flag in flags]
    return Score(
        typologies=tuple(
            tally(
                name,
                [p for p, typology in typology_of.items() if typology == name],
                [f for f, title in enumerate(titles) if title == name],
            )
            for name in sorted({*typology_of.values(), *titles})
        ),
        total=tally("all", list(planted), list(range(len(flags)))),
    )


def _rows_by_place(transfers: pa.Table) -> dict[RowRef, int]:
    row_of: dict[RowRef, int] = {}
    for names in (DEBIT, CREDIT):
        columns = [transfers.column(name).fill_null(-1).to_pylist() for name in names]
        row_of |= {RowRef(*place): i for i, place in enumerate(zip(*columns, strict=True)) if place[0] >= 0}
    return row_of


def _planted(truth: pd.DataFrame, row_of: Mapping[RowRef, int]) -> tuple[dict[str, Rows], dict[str, str]]:
    """Return each pattern's rows and its typology."""
    halves = [names for names in (DEBIT, CREDIT) if set(names) <= set(truth.columns)]
    if not halves or not {"pattern_id", "typology"} <= set(truth.columns):
        raise InputError(
            "the truth table lacks columns",
            next_step=f"It needs pattern_id, typology and {', '.join(DEBIT)} or {', '.join(CREDIT)}.",
        )
    rows_of: dict[str, Rows] = {}
    typology_of: dict[str, str] = {}
    placed = [truth[list(names)].fillna(-1).astype("int64").to_numpy().tolist() for names in halves]
    for i, (pattern, typology) in enumerate(zip(truth["pattern_id"], truth["typology"], strict=True)):
        rows = {row_of.get(RowRef(*half[i]), -1) for half in placed} - {-1}
        # a planted row that is not in the table cannot be found, but still counts
        rows_of.setdefault(pattern, set()).add(rows.pop() if rows else -2 - i)
        typology_of[pattern] = typology
    return rows_of, typology_of


def _holding(rows: Rows, holders: Mapping[int, list[int]], share: float) -> list[int]:
    """Return the flags whose evidence contains the required share of an instance's rows."""
    held = Counter(f for row in rows for f in holders.get(row, ()))
    return [f for f, count in held.items() if count >= share * len(rows)]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
