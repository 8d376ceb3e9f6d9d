"""Intake of a source: valid rows go to the vault, others to a quarantine file with line, field and reason."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ledger.member.intake import OpenedSource, read_chunks
from ledger.member.vault import IntakeCounts, Vault
from ledger.storage import private_file, private_folder, storing

__all__ = ["take_in"]


def take_in(
    vault: Vault,
    source: OpenedSource,
    agent: str,
    quarantine: Path,
    *,
    now: datetime | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[IntakeCounts, Path | None]:
    """Read a source into the vault.

    Parameters
    ----------
    vault : Vault
    source : OpenedSource
        From `ledger.member.intake.open_source`.
    agent : str
        The bank's agent identifier.
    quarantine : Path
        Folder for the quarantined rows.
    now : datetime, optional
        The current time; a later timestamp is refused.
    progress : callable, optional
        Called with ("intake", rows read, 0); the total is not known in advance.

    Returns
    -------
    (IntakeCounts, Path or None)
        The counts, and the quarantine file if a row was quarantined.
    """
    run = vault.start_run(source.name)
    path = quarantine / f"{Path(source.name).stem}-{run}.csv"
    total = IntakeCounts()
    for chunk in read_chunks(source, agent, now=now):
        counts, apart = vault.add(run, chunk)
        total.read += counts.read
        total.accepted += counts.accepted
        total.already_held += counts.already_held
        total.quarantined += counts.quarantined
        if apart:
            _append(
                path, [(q.line, q.field, q.reason, q.record) for q in sorted(apart, key=lambda q: q.line)]
            )
        if progress:
            progress("intake", total.read, 0)
    return total, path if path.exists() else None


def _append(path: Path, rows: list[tuple[int, str, str, str]]) -> None:
    with storing(path):
        private_folder(path.parent)
        new = not path.exists()
        private_file(path)
        with path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if new:
                writer.writerow(("line", "field", "reason", "record"))
            writer.writerows(rows)
