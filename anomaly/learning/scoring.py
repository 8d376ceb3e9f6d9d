"""Use of the champion: scores of all flags, the champion's own flags, and the replay of both.

A flag's score is the highest probability among its payments. The flag names the score and the hash of the
model's file, so that anyone with the same payments and the same file gets the same score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anomaly.detectors import Candidate, Context, Detector, Found
from anomaly.graph import TemporalGraph
from anomaly.learning.model import MEANING
from anomaly.learning.shelf import Shelf
from anomaly.models.calibration import shift_prior
from anomaly.scan import period_of
from anomaly.scan import replay as replay_detector
from ledger import documents
from ledger.errors import VerificationError
from ledger.flag import Flag, FlagSource
from ledger.transfers.places import Places
from ledger.transfers.table import as_transfers

__all__ = ["LEARNED", "LearnedParameters", "ScoreRule", "learned_detector", "replay", "scored"]

Floats = npt.NDArray[np.float64]

#: From a row of the scored table to the contributions to its probability: feature to log odds.
Explain = Callable[[int], dict[str, float]]

#: `source.id` and title of the flags that the champion raises.
LEARNED: Final = "learned"

_VERSION: Final = "1"


@dataclass(frozen=True, slots=True)
class ScoreRule:
    """The conversion of probabilities into scores; a flag with a score names it.

    Attributes
    ----------
    model : str
        SHA-256 (hex) of the champion's file.
    learnt : float
        Share of cases in the calibration window.
    expected : float
        Expected share of cases; if it equals `learnt`, probabilities stay unchanged.
    """

    model: str
    learnt: float
    expected: float

    def to_json(self) -> dict[str, Any]:
        """Return the entry `score` of a flag's source parameters."""
        return {"model": self.model, "learnt": self.learnt, "expected": self.expected}

    @classmethod
    def of(cls, flag: Flag) -> ScoreRule | None:
        """Return the rule that a flag names, or None if it has no score.

        Raises
        ------
        VerificationError
            When the entry is not a valid rule.
        """
        named = flag.source.parameters.get("score")
        if named is None:
            return None
        return documents.convert(named, cls, what="rule for the flag's score")

    def score(self, probability: Floats) -> float:
        """Return the score of a flag with payments of these probabilities."""
        highest = np.max(probability, keepdims=True)
        if self.expected != self.learnt:
            highest = shift_prior(highest, learnt=self.learnt, expected=self.expected)
        return round(float(highest[0]), 4)


def scored(flags: Iterable[Flag], transfers: pa.Table, probability: Floats, rule: ScoreRule) -> list[Flag]:
    """Return the flags with their scores.

    Parameters
    ----------
    flags : iterable of Flag
    transfers : pyarrow.Table
        The transfers in which the flags were found.
    probability : (n,) float64
        Of each transfer.
    rule : ScoreRule
    """
    places = Places(transfers)
    found = []
    for flag in flags:
        rows = places.rows(flag.rows)
        score = rule.score(probability[rows]) if len(rows) else None
        source = replace(flag.source, parameters={**flag.source.parameters, "score": rule.to_json()})
        found.append(replace(flag, score=score, source=source))
    return found


def unscored(flag: Flag) -> Flag:
    """Return the flag without its score and its score rule."""
    parameters = {name: value for name, value in flag.source.parameters.items() if name != "score"}
    source = FlagSource(flag.source.kind, flag.source.id, flag.source.version, parameters)
    return replace(flag, score=None, source=source)


@dataclass(frozen=True, slots=True)
class LearnedParameters:
    """Parameters of the champion's own flags.

    Attributes
    ----------
    model : str
        SHA-256 (hex) of its file.
    threshold : float
        Minimum probability of an alerted payment.
    reason : str
        Explanation of the threshold.
    window : int
        Seconds; alerted payments of one account with at most this time between them are one flag.
    after : int
        Unix seconds; the model was trained on payments up to this time and raises no flag on them.
    """

    model: str
    threshold: float
    reason: str
    window: int
    after: int


def learned_detector(probability: Floats, parameters: LearnedParameters, explain: Explain) -> Detector:
    """Return the detector that reports the payments above the threshold.

    Parameters
    ----------
    probability : (n,) float64
        Of each transfer of the scanned table.
    parameters : LearnedParameters
    explain : callable
        From a row of that table to the contributions to its probability; see `Model.reasons`.
    """

    def find(context: Context, own: LearnedParameters) -> Found:
        graph = context.graph
        p = probability[graph.row]
        alerted = np.flatnonzero((p >= own.threshold) & (graph.t_low > own.after))
        groups = _connected(graph, alerted, own.window)
        return Found([_candidate(graph, p, edges, own, explain) for edges in groups])

    return Detector(LEARNED, _VERSION, LEARNED, parameters, find, _lead)


def _candidate(
    graph: TemporalGraph, p: Floats, edges: npt.NDArray[np.int32], own: LearnedParameters, explain: Explain
) -> Candidate:
    top = int(edges[np.argmax(p[edges])])
    highest = float(p[top])
    # strength: log10 of the ratio of its odds to the odds of the threshold
    odds = [np.log10(max(v, 1e-9) / max(1.0 - v, 1e-9)) for v in (highest, own.threshold)]
    details = {
        "highest_probability": round(highest, 4),
        "threshold": round(own.threshold, 4),
        "reason": own.reason,
        "contributions": explain(int(graph.row[top])),
    }
    return Candidate(edges, 1e-6 + float(odds[0] - odds[1]), details=details)


def _connected(
    graph: TemporalGraph, alerted: npt.NDArray[np.int64], window: int
) -> list[npt.NDArray[np.int32]]:
    """Group payments that share an account within the window; cash desks do not connect payments."""
    group = {int(edge): int(edge) for edge in alerted}

    def root(edge: int) -> int:
        while group[edge] != edge:
            group[edge] = group[group[edge]]
            edge = group[edge]
        return edge

    last: dict[int, int] = {}
    for edge in alerted.tolist():  # edges are in time order
        for account in {int(graph.src[edge]), int(graph.dst[edge])}:
            if graph.desk[account]:
                continue
            before = last.get(account)
            if before is not None and graph.t_low[edge] - graph.t_low[before] <= window:
                group[root(edge)] = root(before)
            last[account] = edge
    members: dict[int, list[int]] = {}
    for edge in alerted.tolist():
        members.setdefault(root(edge), []).append(edge)
    return [np.array(edges, dtype=np.int32) for edges in members.values()]


def _lead(_: TemporalGraph, candidate: Candidate) -> str:
    highest, reason = candidate.details["highest_probability"], candidate.details["reason"]
    most = [MEANING.get(name, name) for name, odds in candidate.details["contributions"].items() if odds > 0]
    told = f", most for: {'; '.join(most)}" if most else ""
    return (
        f"Payments like those that officers found suspicious, with a probability of up to {highest:.1%} "
        f"({reason}){told}"
    )


def replay(flag: Flag, transfers_at_position: pa.Table, shelf: Shelf) -> Flag:
    """Recompute a detector's flag, with its score, from the transfers at the position that it names.

    Raises
    ------
    ModelError
        When the model that the flag names is missing or altered.
    VerificationError
        When the result differs from the flag; see `anomaly.scan.replay`.
    """
    rule = ScoreRule.of(flag)
    if rule is None:
        return replay_detector(flag, transfers_at_position)
    model = shelf.load(rule.model)
    period = period_of(flag)
    table = as_transfers(transfers_at_position)
    table = table if period is None else period.select(table)
    judged = model.judge(table)
    probability = judged.probability
    extra = None
    if flag.source.id == LEARNED:
        own = _parameters(flag.source.parameters, rule)
        extra = learned_detector(probability, own, partial(model.reasons, judged))
    again = replay_detector(unscored(flag), table, extra=extra)
    (found,) = scored([again], table, probability, rule)
    if found != flag:
        raise VerificationError(
            "the recomputed score differs from the flag's score", expected=flag.score, got=found.score
        )
    return found


def _parameters(parameters: Mapping[str, Any], rule: ScoreRule) -> LearnedParameters:
    own = documents.convert(parameters.get("detector"), LearnedParameters, what="champion's parameters")
    if own.model != rule.model:
        raise VerificationError("the flag names two different models", expected=own.model, got=rule.model)
    return own
