"""Post the file of one member: read it into the vault, compute pseudonyms, seal and send batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from counterfoil.holders import pseudonymiser_for
from counterfoil.keyholder import KeyHolder
from ledger.gateway import Gateway
from ledger.home import Home
from ledger.member.intake import open_source
from ledger.member.keys import MemberKeys
from ledger.member.outbox import Outbox
from ledger.member.quarantine import take_in
from ledger.member.sending import require_active
from ledger.member.vault import IntakeCounts, Vault

__all__ = ["PostReport", "post_source"]


@dataclass(slots=True)
class PostReport:
    """The result of posting one file or DataFrame.

    Parameters
    ----------
    agent : str
    intake : IntakeCounts
    quarantine : str or None
        Path of the file with the invalid rows.
    pseudonyms : int
        Number of pseudonyms that the key holders evaluated; the vault contained the others.
    sealed_rows, batches : int
        Number of sealed rows, and number of posted batches.
    problems : list of str
        Key holders that did not answer or answered wrongly; others took their place.
    seconds : dict of stage to float
    """

    agent: str
    intake: IntakeCounts
    quarantine: str | None = None
    pseudonyms: int = 0
    sealed_rows: int = 0
    batches: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)


def post_source(
    home: Home,
    keys: MemberKeys,
    gateway: Callable[[], Gateway],
    source: Path | pd.DataFrame | None,
    *,
    keyholders: Sequence[str | KeyHolder] = (),
    note: Callable[[str], None] | None = None,
    processes: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> PostReport:
    """Post a source, and the rest of an interrupted run; see `counterfoil.Member.post`."""
    agent = keys.agent
    place = home.member(agent)
    opened = None if source is None else open_source(source)
    with Vault(place.vault) as vault:
        chain = gateway()
        require_active(chain.member(keys.address))
        outbox = Outbox(vault, keys, chain)

        def tell(text: str) -> None:
            report.problems.append(text)
            if note is not None:
                note(text)

        report = PostReport(agent, IntakeCounts())
        clock = _Clock(report.seconds)
        if opened is not None:
            report.intake, apart = take_in(vault, opened, agent, place.quarantine, progress=progress)
            report.quarantine = None if apart is None else str(apart)
            clock.lap("intake")
        for epoch in outbox.epochs():
            if not outbox.without_pseudonym(epoch.number):
                continue
            pseudonymiser = pseudonymiser_for(home, keys, epoch, keyholders, note=tell)
            try:
                report.pseudonyms += outbox.pseudonymise(
                    pseudonymiser, epoch.number, processes=processes, progress=progress
                )
            finally:
                pseudonymiser.close()
        clock.lap("pseudonyms")
        sealed = outbox.seal(closed_before=datetime.now(UTC), progress=progress)
        report.sealed_rows = sealed.rows
        clock.lap("seal")
        report.batches = outbox.post(progress=progress)
        clock.lap("post")
    return report


class _Clock:
    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds = seconds
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self._seconds[stage] = now - self._last
        self._last = now
