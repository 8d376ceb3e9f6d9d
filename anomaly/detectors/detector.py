"""The definition of a detector: a name, a version, parameters, and a function from context to candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly.detectors.surprise import handover_weight
from anomaly.graph import TemporalGraph
from anomaly.kernels.handover import Handover, HandoverParameters, handovers

__all__ = ["Candidate", "Context", "Detector", "Found", "plural"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One instance of a typology, before merging.

    Attributes
    ----------
    edges : int32
        Evidence, without duplicates.
    strength : float
        See `anomaly.detectors.surprise`.
    certain : bool
        Whether the typology's definition holds for every time and amount that the intervals allow.
    truncated : bool
        Whether a budget stopped the search that found it.
    anchor : int
        The central account, or -1.
    party : int
        The party that the candidate is about, if it is not about an account, or -1.
    details : mapping
        Figures for the flag, JSON values.
    """

    edges: npt.NDArray[np.int32]
    strength: float
    certain: bool = False
    truncated: bool = False
    anchor: int = -1
    party: int = -1
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Found:
    """The candidates of a detector, and the number of searches that a budget or the hub policy stopped."""

    candidates: list[Candidate]
    cut: int = 0


@dataclass(frozen=True, eq=False)
class Context:
    """The graph, and intermediate results that several detectors share, computed once."""

    graph: TemporalGraph
    _relations: dict[HandoverParameters, tuple[Handover, npt.NDArray[np.float64]]] = field(
        default_factory=dict
    )

    def handovers(self, parameters: HandoverParameters) -> tuple[Handover, npt.NDArray[np.float64]]:
        """Return the hand-over relation and the weight of each of its pairs."""
        if parameters not in self._relations:
            relation = handovers(self.graph, parameters)
            weight = handover_weight(self.graph, relation, parameters)
            self._relations[parameters] = (relation, weight)
        return self._relations[parameters]

    def passing(self, window: int) -> npt.NDArray[np.bool_]:
        """Return the usable payments between accounts whose whole relation is no longer than the window.

        Longer relations (salary, rent, regular customers, suppliers) are standing ones: ordinary business.
        """
        return np.asarray(self.graph.usable & (self.graph.relation_span <= window), dtype=np.bool_)

    @cached_property
    def period(self) -> int:
        """Seconds that the graph covers."""
        begin, end = self.graph.period
        return max(end - begin, 1)


@dataclass(frozen=True)
class Detector:
    """A detector.

    Attributes
    ----------
    id, version : str
        `source.id` and `source.version` of its flags.
    typology : str
        The flag's title.
    parameters : dataclass
        Defaults; frozen; its fields are JSON values or dataclasses of JSON values.
    find : callable
        Returns what it found, from a context and parameters.
    lead : callable
        Returns the beginning of the explanation, from the graph and a merged candidate.
    """

    id: str
    version: str
    typology: str
    parameters: Any
    find: Callable[[Context, Any], Found]
    lead: Callable[[TemporalGraph, Candidate], str]


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return "1 account", "2 accounts"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
