"""Turns a candidate into a flag: evidence by place on the ledger, figures, and an explanation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from anomaly.detectors import Candidate, Detector
from anomaly.detectors.detector import plural
from anomaly.graph import TemporalGraph
from ledger.flag import Certainty, Entity, Flag, FlagSource, Position, Severity
from ledger.money import amount_range, major_units
from ledger.transfers.places import Places

__all__ = ["make_flag"]


def make_flag(
    graph: TemporalGraph,
    places: Places,
    detector: Detector,
    source: FlagSource,
    candidate: Candidate,
    instances: int,
    counts: Mapping[str, int],
    position: Position,
) -> Flag:
    """Return the flag of one candidate, into which `instances` instances were merged.

    Parameters
    ----------
    graph : TemporalGraph
    places : Places
        Places of the table that the graph was built from.
    detector : Detector
    source : FlagSource
    candidate : Candidate
    instances : int
    counts : mapping
        Figures of the detector's whole run, which are added to the details.
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
    who = f"{plural(len(accounts), 'account')} at {plural(len(banks), 'bank')}"
    what = f"{plural(len(edges), 'payment')} of {each} each ({together} together{more})"
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
    """Give one point each for money (50,000 currency units or more), banks (three), and strength (3)."""
    points = (total >= 50_000) + (banks >= 3) + (strength >= 3.0)
    return "high" if points >= 2 else "medium" if points == 1 else "low"


def _span(seconds: int) -> str:
    if seconds < 7_200:
        return plural(max(round(seconds / 60), 1), "minute")
    return (
        plural(round(seconds / 3_600), "hour")
        if seconds < 172_800
        else plural(round(seconds / 86_400), "day")
    )
