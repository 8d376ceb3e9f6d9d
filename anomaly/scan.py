"""Scan: run all registered detectors over a table of transfers, merge and rank their flags; replay a flag.

The same rows give the same flags in the same order, whatever the order of the table. Detectors are
independent: the flags of one do not depend on the others, so a flag can be recomputed from its own source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from anomaly.detectors import REGISTRY, Candidate, Context, Detector
from anomaly.graph import TemporalGraph
from anomaly.isolation import ISOLATION
from anomaly.telling import make_flag
from ledger import documents
from ledger.errors import ConfigurationError, VerificationError
from ledger.flag import Flag, FlagSource, Position
from ledger.transfers.period import Period
from ledger.transfers.places import Places
from ledger.transfers.table import as_transfers

__all__ = ["DETECTORS", "Budget", "ScanParameters", "period_of", "replay", "scan"]

#: Every detector by its `source.id`.
DETECTORS: dict[str, Detector] = {**REGISTRY, ISOLATION.id: ISOLATION}

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits on the number of flags of one detector, because an officer reviews each flag.

    Attributes
    ----------
    per_100k : int
        Maximum number of flags per 100,000 transfers, strongest first; but `least` are always allowed.
    least : int
    min_strength : float
        Weaker candidates are not reported (powers of ten; see `anomaly.detectors.surprise`).
    overlap : float
        Two candidates are one flag if they share at least this part of the smaller one's payments.
    """

    per_100k: int = 50
    least: int = 20
    min_strength: float = 0.0
    overlap: float = 0.5


@dataclass(frozen=True)
class ScanParameters:
    """Parameters of a scan.

    Attributes
    ----------
    detectors : tuple of str
        Names in `DETECTORS`.
    overrides : mapping
        Name to the parameters that replace a detector's defaults.
    budget : Budget
        Limits for each detector.
    period : Period, optional
        Only the transfers in the period are scanned, and every flag names it.
    """

    detectors: tuple[str, ...] = tuple(DETECTORS)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    period: Period | None = None


def scan(
    transfers: pa.Table | pd.DataFrame,
    position: Position,
    *,
    parameters: ScanParameters | None = None,
    extra: Sequence[Detector] = (),
    progress: Progress | None = None,
) -> list[Flag]:
    """Run the detectors and return their flags, strongest first within each detector.

    Parameters
    ----------
    transfers : pyarrow.Table or DataFrame
        Columns of `ledger.tables.TRANSFER`.
    position : Position
        Ledger position of the transfers.
    parameters : ScanParameters, optional
    extra : sequence of Detector
        Unregistered detectors, which run after those that the parameters name.
    progress : callable, optional
        Called with (detector, done, total) before each detector and once at the end.

    Raises
    ------
    GraphError
        When a row cannot be a payment.
    ConfigurationError
        When there is no detector with a given name.
    """
    chosen = parameters or ScanParameters()
    unknown = [name for name in chosen.detectors if name not in DETECTORS]
    if unknown:
        raise ConfigurationError(
            f"there is no detector {', '.join(unknown)}", next_step=f"Known: {', '.join(DETECTORS)}."
        )
    table = as_transfers(transfers)
    if chosen.period is not None:
        table = chosen.period.select(table)
    context = Context(TemporalGraph.from_transfers(table))
    places = Places(table)
    flags: list[Flag] = []
    running = [*(DETECTORS[name] for name in chosen.detectors), *extra]
    for done, detector in enumerate(running):
        if progress is not None:
            progress(detector.id, done, len(running))
        own = chosen.overrides.get(detector.id, detector.parameters)
        flags += _flags(context, places, detector, own, chosen, position)
    if progress is not None:
        progress("done", len(running), len(running))
    return flags


def replay(
    flag: Flag, transfers_at_position: pa.Table | pd.DataFrame, *, extra: Detector | None = None
) -> Flag:
    """Recompute a detector's flag from the transfers at the position, and of the period, that it names.

    Parameters
    ----------
    flag : Flag
    transfers_at_position : pyarrow.Table or DataFrame
    extra : Detector, optional
        An unregistered detector, if the flag names it.

    Returns
    -------
    Flag
        The recomputed flag, which equals the given one.

    Raises
    ------
    VerificationError
        When this version has no such detector, or none of the recomputed flags equals the given one.
    """
    own_kind = extra is not None and extra.id == flag.source.id
    detector = extra if own_kind else DETECTORS.get(flag.source.id)
    if flag.source.kind != "detector" or detector is None:
        raise VerificationError(
            "the flag names a detector that this installation does not have",
            got=flag.source.id,
            next_step=f"Known: {', '.join(DETECTORS)}.",
        )
    if detector.version != flag.source.version:
        raise VerificationError(
            f"this installation has another version of the detector {detector.id}",
            expected=flag.source.version,
            got=detector.version,
            next_step="Replay the flag with the release that has the expected version.",
        )
    named = flag.source.parameters
    own = documents.convert(named.get("detector"), type(detector.parameters), what="detector's parameters")
    budget = documents.convert(named.get("budget"), Budget, what="budget of the flag's parameters")
    period = period_of(flag)
    registered, unregistered = ((), (detector,)) if own_kind else ((detector.id,), ())
    chosen = ScanParameters(registered, {detector.id: own}, budget, period)
    flags = scan(transfers_at_position, flag.position, parameters=chosen, extra=unregistered)
    content = flag.to_json()
    for candidate in flags:
        if candidate.to_json() == content:
            return candidate
    nearest = max(flags, key=lambda f: len(set(f.rows) & set(flag.rows)), default=None)
    shared = 0 if nearest is None else len(set(nearest.rows) & set(flag.rows))
    raise VerificationError(
        "the flag cannot be recomputed from these transfers",
        expected=f"{flag.title} over {len(flag.rows)} rows",
        got=f"{len(flags)} flags, the nearest of which shares {shared} of them",
        next_step="Sync the mirror to the position that the flag names, and replay it there.",
    )


def period_of(flag: Flag) -> Period | None:
    """Return the period of the transfers that a flag was computed from; None means the whole ledger.

    Raises
    ------
    VerificationError
        When the period that the flag names is not valid.
    """
    named = flag.source.parameters.get("period")
    try:
        return None if named is None else Period(*named)
    except (TypeError, ValueError) as error:
        raise VerificationError(f"the flag names an invalid period: {error}", got=str(named)) from error


def _flags(
    context: Context,
    places: Places,
    detector: Detector,
    own: Any,
    chosen: ScanParameters,
    position: Position,
) -> list[Flag]:
    budget = chosen.budget
    found = detector.find(context, own)
    strong = [c for c in found.candidates if c.strength > budget.min_strength and len(c.edges)]
    strong.sort(key=lambda c: (-round(c.strength, 9), len(c.edges), c.edges.tolist()))
    merged = _merge(strong, budget.overlap)
    most = max(budget.least, budget.per_100k * context.graph.edges // 100_000)
    parameters = {"detector": documents.plain(own), "budget": documents.plain(budget)}
    if chosen.period is not None:
        parameters["period"] = [chosen.period.begin, chosen.period.end]
    source = FlagSource("detector", detector.id, detector.version, parameters)
    counts = {"searches_cut": found.cut, "not_told": max(len(merged) - most, 0)}
    return [
        make_flag(context.graph, places, detector, source, c, n, counts, position) for c, n in merged[:most]
    ]


def _merge(candidates: list[Candidate], overlap: float) -> list[tuple[Candidate, int]]:
    """Merge each candidate, strongest first, into the first kept one that it overlaps; count instances."""
    kept: list[tuple[Candidate, int]] = []
    held: list[set[int]] = []
    where: dict[int, list[int]] = {}
    for candidate in candidates:
        edges = set(candidate.edges.tolist())
        shared: dict[int, int] = {}
        for edge in edges:
            for i in where.get(edge, ()):
                shared[i] = shared.get(i, 0) + 1
        into = [i for i, count in shared.items() if count >= overlap * min(len(edges), len(held[i]))]
        if into:
            i = min(into)
            new = edges - held[i]
            head, number = kept[i]
            joined = np.array(sorted(held[i] | edges), dtype=np.int32) if new else head.edges
            truncated = head.truncated or candidate.truncated
            kept[i] = (replace(head, edges=joined, truncated=truncated), number + 1)
            held[i] |= edges
        else:
            i, new = len(kept), edges
            kept.append((candidate, 1))
            held.append(edges)
        for edge in new:
            where.setdefault(edge, []).append(i)
    return kept
