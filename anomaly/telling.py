"""From a candidate to a flag: its evidence by place on the ledger, its figures, and one sentence to read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomaly.detectors import Candidate, Detector
from anomaly.graph import TemporalGraph
from anomaly.money import amount_range, major_units
from ledger.flag import Certainty, Entity, Flag, Position, RowRef, Severity, Source

__all__ = ["Places", "make_flag"]


def make_flag(
    graph: TemporalGraph,
    places: Places,
    detector: Detector,
    source: Source,
    candidate: Candidate,
    instances: int,
    counts: Mapping[str, int],
    position: Position,
) -> Flag:
    """Return the flag of one candidate into which `instances` were merged.

    Parameters
    ----------
    graph : TemporalGraph
    places : Places
        Of the table that the graph was built from.
    detector : Detector
    source : Source
    candidate : Candidate
    instances : int
    counts : mapping
        Figures of the detector's whole run, for the details.
    position : Position
    """
    edges = np.sort(candidate.edges)
    vertices = np.unique(np.append(graph.src[edges], graph.dst[edges]))
    vertices = vertices[~graph.desk[vertices]]
    accounts = [Entity(graph.pseudonyms[v].hex(), int(graph.agents[v])) for v in vertices.tolist()]
    banks = sorted({entity.agent for entity in accounts})
    begin, end = int(graph.t_low[edges].min()), int(graph.t_high[edges].max())
    lows, highs = graph.amount_low[edges], graph.amount_high[edges]
    currencies = np.unique(graph.currency[edges]).tolist()
    main = max(currencies, key=lambda c: (int((graph.currency[edges] == c).sum()), -c))
    mine = graph.currency[edges] == main
    each = amount_range(int(lows[mine].min()), int(highs[mine].max()), main)
    together = amount_range(int(lows[mine].sum()), int(highs[mine].sum()), main)
    more = "" if len(currencies) == 1 else f" and {len(currencies) - 1} more currencies"
    who = f"{_count(len(accounts), 'account')} at {_count(len(banks), 'bank')}"
    what = f"{_count(len(edges), 'payment')} of {each} each ({together} together{more})"
    sentence = f"{detector.lead(graph, candidate)}: {who}, {what} within {_span(end - begin)}."
    certainty: Certainty = "certain" if candidate.certain else "possible"
    total = major_units(float(np.sqrt(float(lows[mine].sum()) * float(highs[mine].sum()))), main)
    return Flag(
        source=source,
        title=detector.typology,
        position=position,
        entities=tuple(accounts),
        rows=places.of(graph.row[edges]),
        window=(begin, end),
        score=None,
        certainty=certainty,
        severity=_severity(candidate.strength, total, len(banks)),
        explanation=sentence,
        truncated=candidate.truncated,
        details={
            **candidate.details,
            "strength": round(candidate.strength, 3),
            "instances": instances,
            "accounts": len(accounts),
            "banks": len(banks),
            "payments": len(edges),
            "currency": main,
            "sum_low": int(lows[mine].sum()),
            "sum_high": int(highs[mine].sum()),
            **counts,
        },
    ).bounded()


def _severity(strength: float, total: float, banks: int) -> Severity:
    """Points for money (from 50,000 currency units), for banks (from three) and for strength (from 3)."""
    points = (total >= 50_000) + (banks >= 3) + (strength >= 3.0)
    return "high" if points >= 2 else "medium" if points == 1 else "low"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _span(seconds: int) -> str:
    if seconds < 7_200:
        return _count(max(round(seconds / 60), 1), "minute")
    return (
        _count(round(seconds / 3_600), "hour")
        if seconds < 172_800
        else _count(round(seconds / 86_400), "day")
    )


class Places:
    """The ledger places of a table's rows: both halves where both exist."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table.select(
            [f"{side}_{name}" for side in ("debit", "credit") for name in ("member", "sequence", "index")]
        )

    def of(self, rows: npt.NDArray[np.int64]) -> tuple[RowRef, ...]:
        """Return the halves of these rows, row by row, each place once (an on-us row is one half)."""
        found = self._table.take(pa.array(rows))
        halves = zip(*(column.fill_null(-1).to_pylist() for column in found.columns), strict=True)
        places: dict[RowRef, None] = {}
        for half in halves:
            for member, sequence, index in (half[:3], half[3:]):
                if member >= 0 and sequence >= 0:
                    places[RowRef(member, sequence, index)] = None
        return tuple(places)
