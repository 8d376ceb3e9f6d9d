"""The desk, the reader of the consortium: it mirrors and matches, scans, checks rules, learns.

`desk_state` has what the desk reads and `desk_flags` its flags; `Desk` adds the work. Methods import what
only they need (detectors, rules, tables), so that the other methods start fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from counterfoil import caseload
from counterfoil.desk_flags import DeskFlags
from counterfoil.extras import needs

if TYPE_CHECKING:
    from compliance.check import RuleSummary
    from counterfoil.learning import TrainReport
    from counterfoil.progress import Progress
    from counterfoil.scanning import ScanReport
    from ledger.bundle import Bundle
    from ledger.flag import Flag
    from ledger.reader.desk import SyncReport
    from ledger.reader.logs import LogReport

__all__ = ["CheckReport", "Desk"]


@dataclass(frozen=True)
class CheckReport:
    """The findings of the rules in force, a summary of each rule, and how many findings are new.

    `problems` has a sentence for each finding that could not be sent to a member, or at all.
    """

    findings: list[Flag]
    summary: list[RuleSummary]
    new: int
    anchored: int
    problems: tuple[str, ...] = ()


@needs("desk")
class Desk(DeskFlags):
    """The desk of a consortium, safe to use from several threads.

    Parameters
    ----------
    home : Home or path
        The state folder.
    chain : str, optional
        JSON-RPC endpoint; the embedded chain of the state folder by default.
    timeout : float, optional
        Seconds to wait for an answer of the chain.
    """

    def sync(self, *, depth: int = 0, progress: Progress | None = None) -> SyncReport:
        """Mirror new batches from the chain, match their rows, and publish the two logs.

        Also read new decisions, and restore the flags and notes that the desk's file has lost.
        The report says which witnesses cosigned the new checkpoints, and which checkpoints are served.

        Parameters
        ----------
        depth : int
            Number of later blocks after which a block is final.
        progress : callable, optional
        """
        from counterfoil.witnesses import load_policy
        from ledger.reader import desk as rounds
        from ledger.reader.keys import DeskKeys

        keys, policy = DeskKeys.load(self.home.desk.keys), load_policy(self.home)
        gateway = self.gateway()
        report = rounds.sync(self.home.desk, gateway, keys, policy=policy, depth=depth, progress=progress)
        caseload.note_members(self.home, gateway)
        flags = caseload.restore(self.home, gateway)
        problems = list(flags.problems)
        caseload.read_decisions(self.home, gateway, problems.append)
        return replace(report, restored=flags.restored, problems=tuple(problems))

    def publish(self, *, depth: int = 0) -> tuple[LogReport, ...]:
        """Publish the two logs up to the newest final block, without reading batches into the mirror.

        The checkpoints then cover flags and decisions that were anchored after the last `sync`.
        """
        from counterfoil.witnesses import load_policy
        from ledger.reader.keys import DeskKeys
        from ledger.reader.logs import publish
        from ledger.reader.mirror import Mirror

        keys, policy = DeskKeys.load(self.home.desk.keys), load_policy(self.home)
        mirror = Mirror(self.home.desk.mirror, depth=depth)
        try:
            return publish(self.home.desk, self.gateway(), keys, policy, mirror, depth=depth)
        finally:
            mirror.close()

    def scan(
        self,
        *,
        days: int | None = None,
        since: datetime | None = None,
        budget: float | None = None,
        missed_cost: float | None = None,
        expected: float | None = None,
        progress: Progress | None = None,
    ) -> ScanReport:
        """Run the detectors over the newest period of the mirror and anchor their flags.

        Parameters
        ----------
        days : int, optional
            Number of days to scan, up to the newest payments; 400 by default.
        since : datetime, optional
            First day to scan (UTC), instead of `days`.
        budget, missed_cost, expected : float, optional
            When the champion model raises an alert; see `counterfoil.scanning.AlertRule`.
        progress : callable, optional

        Raises
        ------
        ConfigurationError
            When no batch was mirrored or matched yet.
        InputError
            When two options contradict each other, or the period contains no transfers.
        """
        from counterfoil.scanning import AlertRule, ScanReport, period_to_scan, scan_learned, watch
        from ledger.transfers.mirror import load_mirror

        gateway, mirror = self.gateway(), self.home.desk.mirror
        period = period_to_scan(gateway, mirror, days=days, since=since)
        transfers, position = load_mirror(mirror, period=period)
        rule = AlertRule(budget, missed_cost, expected)
        scanned = scan_learned(self.home, gateway, transfers, position, period, rule, progress)
        done = caseload.keep_and_anchor(self.home, gateway, scanned.flags)
        return ScanReport(
            flags=scanned.flags,
            new=done.new,
            anchored=done.anchored,
            problems=done.problems,
            period=period,
            transfers=transfers.num_rows,
            champion=None if scanned.champion is None else scanned.champion[0],
            drift=watch(self.home, gateway, scanned, position),
        )

    def check(self) -> CheckReport:
        """Run the rules in force over the mirror and anchor their findings.

        Raises
        ------
        ConfigurationError
            When no batch was mirrored or matched yet, or no rule set is in force.
        """
        from counterfoil.checking import check_transfers
        from ledger.transfers.mirror import load_mirror

        gateway = self.gateway()
        transfers, position = load_mirror(self.home.desk.mirror)
        run = check_transfers(gateway, transfers, position, home=self.home)
        done = caseload.keep_and_anchor(self.home, gateway, run.findings)
        return CheckReport(run.findings, run.summary, done.new, done.anchored, done.problems)

    def bundle(self, prefix: str, *, disclosures: Iterable[Path | str] = ()) -> Bundle:
        """Make the evidence file of a flag, which an auditor verifies offline with the base install.

        The desk makes the receipts of the flag's rows, and of the other halves of their payments; it adds the
        officers' decisions, and what banks disclosed.

        Parameters
        ----------
        prefix : str
            The flag's identifier (hex), or its first digits.
        disclosures : iterable of path
            Files that the banks gave, all for the same recipient.

        Raises
        ------
        InputError
            When there is no such flag, it is not on the chain yet, or no checkpoint covers it yet.
        VerificationError
            When a published log or a disclosure is not valid.
        """
        from counterfoil.bundling import make_bundle, read_disclosures

        held, gateway = read_disclosures(disclosures), self.gateway()
        caseload.read_decisions(self.home, gateway)
        return make_bundle(self.home.desk, gateway, self.trust(), self.flag(prefix), held)

    def train(
        self,
        *,
        days: int | None = None,
        since: datetime | None = None,
        wait: bool = False,
        note: Callable[[str], None] | None = None,
    ) -> TrainReport:
        """Train a model on the officers' decisions, and record the result on the chain.

        Parameters
        ----------
        days, since : optional
            The period to learn from, as for `scan`.
        wait : bool
            Score a payment one window later: more reliable, but not immediate.
        note : callable, optional
            Called with a sentence for each decision that cannot be read.
        """
        from counterfoil.learning import learn
        from counterfoil.scanning import period_to_scan
        from ledger.transfers.mirror import load_mirror

        gateway, mirror = self.gateway(), self.home.desk.mirror
        period = period_to_scan(gateway, mirror, days=days, since=since)
        transfers, position = load_mirror(mirror, period=period)
        caseload.read_decisions(self.home, gateway, note)
        return learn(self.home, gateway, transfers, position, wait=wait)
