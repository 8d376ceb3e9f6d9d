"""How the state of the two logs, and of a witness, is shown in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cli.output import show_facts, show_table, tell

if TYPE_CHECKING:
    from counterfoil.witness import WitnessStatus
    from ledger.reader.logs import LogReport

__all__ = ["cosigned", "show_logs", "show_witness"]


def cosigned(report: LogReport) -> str:
    """Say how many witnesses cosigned the new checkpoint of a log."""
    all_of_them = len(report.cosigned_by) + len(report.missing)
    if not all_of_them:
        return "no witnesses are named"
    return f"cosigned by {len(report.cosigned_by)} of {all_of_them} witnesses"


def show_logs(reports: Sequence[LogReport]) -> None:
    """Show the new checkpoints, who cosigned them, and which are served."""
    rows = [
        (r.log, r.size, cosigned(r), "none" if r.served is None else f"{r.served} entries") for r in reports
    ]
    show_table("Logs", ["log", "entries", "new checkpoint", "served checkpoint"], rows)
    for report in reports:
        for witness, problem in report.missing.items():
            tell(f"{witness} did not cosign the {report.log} log: {problem}.")
        if report.problem is not None:
            tell(f"The new checkpoint of the {report.log} log is not served: {report.problem}.")


def show_witness(status: WitnessStatus) -> None:
    """Show what a witness cosigned, what it refused, and the evidence that it holds."""
    facts = [("verifier key", status.key), ("address", status.url or "not running")]
    show_facts(f"Witness of {status.agent}", facts)
    rows = [
        (_name(log.origin), log.size, log.count, _when(log.time), log.refused or "", _when(log.refused_time))
        for log in status.logs
    ]
    columns = ["log", "entries", "cosigned", "last", "last refusal", "refused at"]
    show_table("Checkpoints", columns, rows)
    for case in status.evidence:
        kind = "CONTRADICTION" if case.kind == "contradiction" else "No proof"
        tell(f"{kind}, {_when(case.time)}: {case.what}. Both checkpoints: {case.folder}")


def _name(origin: str) -> str:
    return origin.rpartition("/")[2]


def _when(moment: int | None) -> str:
    return "" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
