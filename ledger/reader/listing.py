"""Queries that list flags: the columns of a list, its filter, and its order.

A query reads an index in the list's order, so the cost of a page does not depend on the number of flags. The
query names the index and fails if it cannot use it. Both orders have an index for all flags, for the flags
of one title, and for undecided flags; the order ``gravest`` also for one severity, the order ``raised`` also
for one member. Other filters are applied to the rows that the index gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ledger.decision import Verdict
from ledger.flag import Certainty, Severity

__all__ = [
    "EVERY_FLAG",
    "SEVERITIES",
    "SUMMARY",
    "FlagCount",
    "FlagFilter",
    "FlagSummary",
    "Order",
    "counting",
    "listing",
]

#: The most severe first.
SEVERITIES: Final = ("high", "medium", "low")

#: ``raised``: in the order in which the desk raised the flags. ``gravest``: the most severe first; then by
#: latest score, the highest first; then by window, the newest first.
Order = Literal["raised", "gravest"]

#: The columns that `FlagSummary.of_row` reads.
SUMMARY: Final = (
    "flag.flag_id, kind, source, title, citation, certainty, severity, score, latest_score, verdict, "
    "window_begin, window_end, explanation, entity_count, row_count, truncated, block"
)

#: The sort key of the order ``gravest``; its last column alone is the sort key of the order ``raised``.
PLACE: Final[tuple[str, ...]] = ("severity_order", "score_order", "window_order", "flag.number")


@dataclass(frozen=True, slots=True)
class FlagSummary:
    """A flag in a list.

    Parameters
    ----------
    flag_id : bytes
    kind : {"detector", "rule"}
        A detector's flag or a rule's finding.
    source : str
        Identifier of the detector or rule.
    title : str
        The typology, or the rule's identifier.
    citation : str or None
    certainty, severity : str
    score : float or None
        A calibrated probability, if there is one.
    latest_score : float or None
        The score of the last scan with a champion model; None: no such scan found the flag.
    verdict : str or None
        The verdict in force, which is the last decision's; None: undecided.
    window : (int, int)
        Unix seconds; the upper end is excluded.
    explanation : str
    entity_count, row_count : int
    truncated : bool
        Whether a budget or a limit shortened the evidence.
    block : int or None
        The block that anchors it; None: not anchored yet.
    """

    flag_id: bytes
    kind: Literal["detector", "rule"]
    source: str
    title: str
    citation: str | None
    certainty: Certainty
    severity: Severity
    score: float | None
    latest_score: float | None
    verdict: Verdict | None
    window: tuple[int, int]
    explanation: str
    entity_count: int
    row_count: int
    truncated: bool
    block: int | None

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> FlagSummary:
        """Return the summary in a row of the columns `SUMMARY`."""
        *described, begin, end, explanation, entities, rows, truncated, block = row
        values = (*described, (begin, end), explanation, entities, rows, bool(truncated), block)
        return cls(*values)


@dataclass(frozen=True, slots=True)
class FlagFilter:
    """The filter of a list of flags; a value that is not given does not filter.

    Parameters
    ----------
    title : str, optional
        A typology or a rule's identifier.
    severity, certainty : str, optional
    kind : {"detector", "rule"}, optional
    undecided : bool
        Only flags without a decision.
    addressee : int, optional
        Only anchored flags that concern the member with this code: before a flag is anchored, nobody outside
        the desk may know its identifier.
    """

    title: str | None = None
    severity: Severity | None = None
    certainty: Certainty | None = None
    kind: Literal["detector", "rule"] | None = None
    undecided: bool = False
    addressee: int | None = None


EVERY_FLAG: Final = FlagFilter()


@dataclass(frozen=True, slots=True)
class FlagCount:
    """The number of flags of one title by severity, and the number of undecided ones."""

    title: str
    high: int
    medium: int
    low: int
    undecided: int


def listing(
    columns: str,
    wanted: FlagFilter,
    order: Order,
    *,
    after: Sequence[Any] | None = None,
    limit: int | None = None,
    join: str = "",
) -> tuple[str, list[Any]]:
    """Return the query that lists flags, and its parameters.

    Parameters
    ----------
    columns : str
        The columns to select.
    wanted : FlagFilter
    order : {"raised", "gravest"}
    after : sequence, optional
        The values of `PLACE` of the last flag on the previous page.
    limit : int, optional
        The maximum number of rows.
    join : str
        Tables to join to each flag.
    """
    conditions, parameters = _conditions(wanted)
    keys = _keys(wanted, order)
    if after is not None:
        conditions.append(f"({', '.join(keys)}) > ({', '.join('?' * len(keys))})")
        parameters += after[-len(keys) :]
    most = "" if limit is None else f"LIMIT {limit:d}"
    return (
        f"SELECT {columns} FROM {_flags(wanted, order)} {join} {_all_of(conditions)} "
        f"ORDER BY {', '.join(keys)} {most}",
        parameters,
    )


def counting(wanted: FlagFilter) -> tuple[str, list[Any]]:
    """Return the query of `FlagCount`, and its parameters."""
    conditions, parameters = _conditions(wanted)
    severities = ", ".join(f"sum(severity = '{severity}')" for severity in SEVERITIES)
    return (
        f"SELECT title, {severities}, sum(verdict IS NULL) FROM {_flags(wanted, 'raised')} "
        f"{_all_of(conditions)} GROUP BY title ORDER BY title",
        parameters,
    )


def _conditions(wanted: FlagFilter) -> tuple[list[str], list[Any]]:
    ranks = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    equal = {
        "mine.member": wanted.addressee,
        "title": wanted.title,
        "severity_order": None if wanted.severity is None else ranks.get(wanted.severity, len(ranks)),
        "certainty": wanted.certainty,
        "kind": wanted.kind,
    }
    given = {name: value for name, value in equal.items() if value is not None}
    fixed = ["verdict IS NULL"] if wanted.undecided else []
    if wanted.addressee is not None:
        fixed.append("block IS NOT NULL")
    return [*(f"{name} = ?" for name in given), *fixed], list(given.values())


def _keys(wanted: FlagFilter, order: Order) -> tuple[str, ...]:
    """Return the columns of `PLACE` by which the flags are sorted."""
    if order == "raised":
        return PLACE[-1:] if wanted.addressee is None else ("mine.number",)
    return PLACE if wanted.severity is None else PLACE[1:]


def _flags(wanted: FlagFilter, order: Order) -> str:
    """Return the FROM clause: the tables in the order of their loops, and the index to use."""
    if wanted.title is not None:
        index = f"INDEXED BY flag_title_{order}"
    elif wanted.undecided:
        index = f"INDEXED BY flag_undecided_{order}"
    else:
        index = "NOT INDEXED" if order == "raised" else "INDEXED BY flag_gravest"
    if wanted.addressee is None:
        return f"flag {index}"
    if order == "raised":
        return "flag_addressee AS mine CROSS JOIN flag ON flag.number = mine.number"
    return f"flag {index} CROSS JOIN flag_addressee AS mine ON mine.number = flag.number"


def _all_of(conditions: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""
