"""Scan the mirror: choose the period, run the detectors, and apply the champion model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from anomaly.learning.model import Judged, Model
    from anomaly.models.decision import AlertThreshold
    from counterfoil.progress import Progress
    from ledger.flag import Flag, Position
    from ledger.gateway import Gateway
    from ledger.home import Home
    from ledger.transfers.period import Period

__all__ = ["AlertRule", "ScanReport", "Scanned", "period_to_scan", "scan_learned", "watch"]

#: Default share of payments that the champion model may alert.
_BUDGET: Final = 0.005


@dataclass(frozen=True, slots=True)
class AlertRule:
    """The rule by which the champion model raises an alert.

    Attributes
    ----------
    budget : float, optional
        Share of payments that the model may alert.
    missed_cost : float, optional
        Cost of a missed case, counted in false alerts; instead of a budget.
    expected : float, optional
        Expected share of cases; the share in the training data by default.
    """

    budget: float | None = None
    missed_cost: float | None = None
    expected: float | None = None

    def decision(self, model: Model) -> AlertThreshold:
        """Return the threshold for a model; a budget is a share of the model's calibration window.

        Raises
        ------
        InputError
            When the options contradict each other.
        """
        from anomaly.models.decision import by_budget, by_cost

        if self.budget is not None and self.missed_cost is not None:
            raise InputError(
                "--budget and --missed-cost cannot be given together", next_step="Give one of them."
            )
        if self.missed_cost is None:
            return by_budget(model.reference.probability, self.budget or _BUDGET)
        learnt = model.calibration.prior_ if self.expected is not None else None
        return by_cost(1.0, self.missed_cost, learnt=learnt, expected=self.expected)


@dataclass(frozen=True)
class ScanReport:
    """The result of a scan.

    Parameters
    ----------
    flags : list of Flag
        All flags of the scan, new and known.
    new, anchored : int
        Number of new flags, and number of flags written to the case log on the chain.
    period : Period
    transfers : int
        Number of transfers in the period.
    champion : str or None
        Hash of the model that scored the flags.
    drift : dict or None
        Drift of the payments since the champion was trained (docs/models.md).
    problems : tuple of str
        A sentence for each flag that could not be sent to a member, or at all; the others are sent.
    """

    flags: list[Flag]
    new: int
    anchored: int
    period: Period
    transfers: int
    champion: str | None
    drift: dict[str, Any] | None
    problems: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of flags by typology."""
        counts: dict[str, int] = {}
        for flag in self.flags:
            counts[flag.title] = counts.get(flag.title, 0) + 1
        return counts

    @property
    def truncated(self) -> int:
        """Number of flags whose search or evidence was cut by a limit."""
        return sum(flag.truncated for flag in self.flags)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "flags": self.counts,
            "truncated": self.truncated,
            "new": self.new,
            "anchored": self.anchored,
            "period": {"begin": self.period.begin, "end": self.period.end, "transfers": self.transfers},
            "champion": self.champion,
            "drift": self.drift,
            "problems": list(self.problems),
        }


@dataclass(frozen=True, eq=False)
class Scanned:
    """The flags of a scan; with a champion, also the model and its probability for each transfer."""

    flags: list[Flag]
    champion: tuple[str, Model] | None = None
    judged: Judged | None = None


def scan_learned(
    home: Home,
    gateway: Gateway,
    transfers: pa.Table,
    position: Position,
    period: Period,
    rule: AlertRule,
    progress: Progress | None = None,
) -> Scanned:
    """Run the detectors; with a champion, also score their flags and add the flags of the champion.

    Raises
    ------
    ModelError
        When the champion is missing or changed, or the chain does not record that it became champion.
    """
    from anomaly.learning.scoring import LearnedParameters, ScoreRule, learned_detector, scored
    from anomaly.learning.shelf import Shelf
    from anomaly.scan import ScanParameters, scan

    def advance(_detector: str, done: int, total: int) -> None:
        if progress is not None:
            progress("scan", done, total)

    parameters = ScanParameters(period=period)
    found = Shelf(home.desk.models).champion()
    if found is None:
        return Scanned(scan(transfers, position, parameters=parameters, progress=advance))
    entry, model = found
    _require_announced(gateway, entry.hash)
    judged = model.judge(transfers)
    decision = rule.decision(model)
    own = LearnedParameters(
        entry.hash, decision.threshold, decision.reason, model.features.window, model.learnt_until
    )
    detector = learned_detector(judged.probability, own, partial(model.reasons, judged))
    flags = scan(transfers, position, parameters=parameters, extra=(detector,), progress=advance)
    learnt = model.calibration.prior_
    scores = ScoreRule(entry.hash, learnt, learnt if rule.expected is None else rule.expected)
    flags = scored(flags, transfers, judged.probability, scores)
    return Scanned(flags, (entry.hash, model), judged)


def _require_announced(gateway: Gateway, digest: str) -> None:
    """Check that the chain records that this model became champion."""
    from anomaly.learning.shelf import ModelError
    from ledger import canonical
    from ledger.caselog import CaseKind

    for entry in gateway.case_entries():
        if entry.kind == CaseKind.NOTE and entry.case_id.hex() == digest:
            note = canonical.loads(entry.payload, what="note")
            if note.get("topic") == "training" and note["contest"]["replaced"]:
                return
    raise ModelError(
        "the chain does not record that this model became champion, so it is not used",
        got=digest,
        next_step="Restore the folder of models from a backup, or run `counterfoil desk train`.",
    )


def watch(home: Home, gateway: Gateway, scanned: Scanned, position: Position) -> dict[str, Any] | None:
    """Measure the drift of payments since the champion was trained; record a new verdict on the chain.

    Returns
    -------
    dict or None
        None without a champion, or if there are too few payments since the training.
    """
    from anomaly.learning.watch import drift_since
    from ledger.reader.keys import DeskKeys
    from ledger.reader.notes import NoteBook

    if scanned.champion is None or scanned.judged is None:
        return None
    digest, model = scanned.champion
    drift = drift_since(model, scanned.judged)
    if drift is None:
        return None
    says = {"model": digest, "drift": drift.to_json(), "position": asdict(position)}
    with NoteBook(home.desk.cases) as book:
        before = book.notes("drift", bytes.fromhex(digest))
        if drift.verdict != (before[-1].says["drift"]["verdict"] if before else "stable"):
            book.keep(bytes.fromhex(digest), "drift", says)
        noted = book.anchor(gateway, DeskKeys.load(home.desk.keys).account)
    return {**drift.to_json(), "noted": noted > 0}


def period_to_scan(
    gateway: Gateway, mirror: Path, *, days: int | None = None, since: datetime | None = None
) -> Period:
    """Return the period to scan, by the block time; see `ledger.transfers.mirror.usual_period`.

    Raises
    ------
    InputError
        When both `days` and `since` are given, or the period contains no transfers.
    """
    from ledger.segment import Manifest
    from ledger.transfers.mirror import usual_period

    if days is not None and since is not None:
        raise InputError("--days and --since cannot be given together", next_step="Give one of them.")
    first = None if since is None else int(since.replace(tzinfo=UTC).timestamp())
    as_of = gateway.block_time(Manifest.read(mirror).position.block)
    return usual_period(mirror, as_of=as_of, days=days, since=first)
