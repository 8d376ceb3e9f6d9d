"""``counterfoil desk train``, and the champion's part in a scan: its scores, its flags, and its drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.consortium import connect
from cli.deciding import read_decisions
from cli.output import Settings, emit, say, settings, show_facts, show_table, tell
from cli.scanning import period_to_scan
from ledger.errors import InputError
from ledger.home import Home

if TYPE_CHECKING:
    import pyarrow as pa

    from anomaly.learning.labels import Judgement
    from anomaly.learning.model import Judged, Model
    from anomaly.learning.training import Training
    from anomaly.models.decision import AlertThreshold
    from anomaly.scan import Progress
    from ledger.flag import Flag, Position
    from ledger.gateway import Gateway
    from ledger.transfers.period import Period

__all__ = ["AlertRule", "Scanned", "register_train", "scan_learned", "tell_drift", "watch"]

#: Share of payments that the champion may alert unless told otherwise.
_BUDGET: Final = 0.005


@dataclass(frozen=True, slots=True)
class AlertRule:
    """When the champion alerts, as asked for on the command line.

    Attributes
    ----------
    budget : float, optional
        Share of payments.
    missed_cost : float, optional
        What a missed case costs, in needless alerts; instead of a budget.
    expected : float, optional
        Share of cases that is expected; as learnt where it is not said.
    """

    budget: float | None = None
    missed_cost: float | None = None
    expected: float | None = None

    def decision(self, model: Model) -> AlertThreshold:
        """Return the threshold for a model; a budget is of the window that it was calibrated on.

        Raises
        ------
        InputError
            When the options contradict one another.
        """
        from anomaly.models.decision import by_budget, by_cost

        if self.budget is not None and self.missed_cost is not None:
            raise InputError(
                "--budget and --missed-cost both say when to alert", next_step="Give one of them."
            )
        if self.missed_cost is None:
            return by_budget(model.reference.probability, self.budget or _BUDGET)
        learnt = model.calibration.prior_ if self.expected is not None else None
        return by_cost(1.0, self.missed_cost, learnt=learnt, expected=self.expected)


@dataclass(frozen=True, eq=False)
class Scanned:
    """Flags of a scan; and with a champion which one, and what it said of each transfer."""

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
    progress: Progress,
) -> Scanned:
    """Run the detectors; with a champion, score their flags and add its own.

    Raises
    ------
    ModelError
        When the champion is missing, altered, or was never announced on the chain.
    """
    from anomaly.learning.scoring import LearnedParameters, ScoreRule, learned_detector, scored
    from anomaly.learning.shelf import Shelf
    from anomaly.scan import ScanParameters, scan

    parameters = ScanParameters(period=period)
    found = Shelf(home.desk.models).champion()
    if found is None:
        return Scanned(scan(transfers, position, parameters=parameters, progress=progress))
    entry, model = found
    _require_announced(gateway, entry.hash)
    judged = model.judge(transfers)
    decision = rule.decision(model)
    own = LearnedParameters(
        entry.hash, decision.threshold, decision.reason, model.features.window, model.learnt_until
    )
    detector = learned_detector(judged.probability, own, partial(model.reasons, judged))
    flags = scan(transfers, position, parameters=parameters, extra=(detector,), progress=progress)
    learnt = model.calibration.prior_
    scores = ScoreRule(entry.hash, learnt, learnt if rule.expected is None else rule.expected)
    flags = scored(flags, transfers, judged.probability, scores)
    return Scanned(flags, (entry.hash, model), judged)


def _require_announced(gateway: Gateway, digest: str) -> None:
    """Check that the desk said on the chain that this model became champion."""
    from anomaly.learning.shelf import ModelError
    from ledger import canonical
    from ledger.caselog import CaseKind

    for entry in gateway.case_entries():
        if entry.kind == CaseKind.NOTE and entry.case_id.hex() == digest:
            note = canonical.loads(entry.payload, what="note")
            if note.get("topic") == "training" and note["contest"]["replaced"]:
                return
    raise ModelError(
        "the champion on the desk's shelf was never announced on the chain: it is not used",
        got=digest,
        next_step="Restore the folder of models from a backup, or train: `counterfoil desk train`.",
    )


def watch(home: Home, gateway: Gateway, scanned: Scanned, position: Position) -> dict[str, Any] | None:
    """Say how far the payments since have drifted; note on the chain when the verdict is another one.

    Returns
    -------
    dict or None
        None without a champion, or where the payments since are too few to tell.
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


def tell_drift(drift: Mapping[str, Any] | None) -> None:
    """Print what a person has to know of the drift: nothing while all is as it was."""
    if drift is None or drift["verdict"] == "stable":
        return
    most = ", ".join(list(drift["features"])[:3])
    advice = "train again" if drift["verdict"] == "changed" else "keep an eye on it"
    tell(
        f"Payments since the champion learnt have drifted ({drift['verdict']}; stability index of the scores "
        f"{drift['score']:.2f}{f', most moved: {most}' if most else ''}): {advice}."
    )


def _train(
    context: typer.Context,
    days: Annotated[int | None, typer.Option(min=1, help="Days to learn from, as for a scan.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first day to learn from (UTC).")
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Judge a payment when one window has passed after it: surer, later."),
    ] = False,
) -> None:
    """Learn from the officers' decisions; the outcome is noted on the chain, whoever wins.

    A challenger is fitted on earlier decisions, calibrated on later ones, and tried on the latest against the
    champion; it becomes champion only when it wins by more than chance.
    """
    from anomaly.learning.shelf import Shelf
    from anomaly.learning.training import TrainingPlan, train
    from ledger.transfers.mirror import load_mirror

    options = settings(context)
    home = options.home
    gateway = connect(home, options.chain)
    period = period_to_scan(gateway, home.desk.mirror, days=days, since=since)
    transfers, position = load_mirror(home.desk.mirror, period=period)
    shelf = Shelf(home.desk.models)
    champion = shelf.champion()
    judgements = _judgements(home, gateway)
    outcome = train(
        transfers,
        judgements,
        position,
        champion=None if champion is None else (champion[0].hash, champion[1]),
        plan=TrainingPlan(scoring="window_close" if wait else "arrival"),
    )
    digest = shelf.put(outcome.model)
    says = {"model": digest, **outcome.to_json(), "position": asdict(position)}
    _announce(home, gateway, digest, says)
    if outcome.contest.replaced:
        shelf.crown(digest)
    emit(options, says, lambda: _show(options, outcome, digest))


def _judgements(home: Home, gateway: Gateway) -> list[Judgement]:
    """Return the flags of this desk with the verdicts in force."""
    from anomaly.learning.labels import Judgement
    from ledger.reader.cases import CaseBook

    made = read_decisions(home, gateway)
    verdict = {flag_id: decided[-1].decision.verdict == "suspicious" for flag_id, decided in made.items()}
    with CaseBook(home.desk.cases) as book:
        return [Judgement(kept.flag, verdict.get(kept.flag_id)) for kept in book.flags()]


def _announce(home: Home, gateway: Gateway, digest: str, says: dict[str, Any]) -> None:
    from ledger.reader.keys import DeskKeys
    from ledger.reader.notes import NoteBook

    with NoteBook(home.desk.cases) as book:
        book.keep(bytes.fromhex(digest), "training", says)
        book.anchor(gateway, DeskKeys.load(home.desk.keys).account)


def _show(options: Settings, outcome: Training, digest: str) -> None:
    contest = outcome.contest
    columns = ["window", "days (UTC)", "payments", "cases", "suspicious", "not suspicious"]
    rows = [
        (name, w.dates(), w.payments, w.cases, w.suspicious, w.not_suspicious)
        for name, w in outcome.windows.items()
    ]
    show_table("Decided flags by window", columns, rows)
    against = "typology scores" if len(outcome.incumbent) != 64 else f"champion {outcome.incumbent[:12]}"
    facts = [
        ("challenger", digest),
        ("PR-AUC of the challenger", f"{contest.challenger:.3f}"),
        (f"PR-AUC of the {against}", f"{contest.champion:.3f}"),
        ("gain, 95 % interval", f"{contest.gain:+.3f} ({contest.low:+.3f} to {contest.high:+.3f})"),
    ]
    show_facts("Contest", facts)
    if contest.replaced:
        tell("The challenger wins and is champion now; its hash and the contest stand on the chain.")
        say(f"From now on `{options.program} desk scan` scores flags with it and adds its own.")
    else:
        tell("The challenger does not win by more than chance: all stays as it was. The chain says so.")


def register_train(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(_train)
