"""Train the desk's model on the officers' decisions, and record the result on the chain."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from counterfoil.caseload import flag_book

if TYPE_CHECKING:
    import pyarrow as pa

    from anomaly.learning.labels import Judgement
    from anomaly.learning.training import Training
    from ledger.flag import Position
    from ledger.gateway import Gateway
    from ledger.home import Home

__all__ = ["TrainReport", "learn"]


@dataclass(frozen=True)
class TrainReport:
    """The result of a training: the outcome, the challenger's hash, and the record on the chain."""

    outcome: Training
    model: str
    says: dict[str, Any]


def learn(
    home: Home,
    gateway: Gateway,
    transfers: pa.Table,
    position: Position,
    *,
    wait: bool,
) -> TrainReport:
    """Fit a challenger and compare it with the champion; see `counterfoil.Desk.train`."""
    from anomaly.learning.shelf import Shelf
    from anomaly.learning.training import TrainingPlan, train

    shelf = Shelf(home.desk.models)
    champion = shelf.champion()
    outcome = train(
        transfers,
        _judgements(home),
        position,
        champion=None if champion is None else (champion[0].hash, champion[1]),
        plan=TrainingPlan(scoring="window_close" if wait else "arrival"),
    )
    digest = shelf.put(outcome.model)
    says = {"model": digest, **outcome.to_json(), "position": asdict(position)}
    _announce(home, gateway, digest, says)
    if outcome.contest.replaced:
        shelf.crown(digest)
    return TrainReport(outcome, digest, says)


def _judgements(home: Home) -> list[Judgement]:
    """Return the flags of this desk with their latest verdicts."""
    from anomaly.learning.labels import Judgement

    with flag_book(home) as book:
        return [
            Judgement(kept.flag, None if kept.verdict is None else kept.verdict == "suspicious")
            for kept in book.each()
        ]


def _announce(home: Home, gateway: Gateway, digest: str, says: dict[str, Any]) -> None:
    from ledger.reader.keys import DeskKeys
    from ledger.reader.notes import NoteBook

    with NoteBook(home.desk.cases) as book:
        book.keep(bytes.fromhex(digest), "training", says)
        book.anchor(gateway, DeskKeys.load(home.desk.keys).account)
