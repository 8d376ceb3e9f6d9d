"""The desk, the reader of the consortium: mirror the chain, match, scan, check rules, and show flags.

Methods import what only they need (detectors, rules, tables), so that the other methods start fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from counterfoil import caseload
from counterfoil.connection import DEFAULT_HOME, Connection, as_home
from counterfoil.extras import needs
from ledger.errors import ChainError, ConfigurationError, InputError, VerificationError
from ledger.home import Home

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    import pyarrow as pa

    from compliance.check import RuleSummary
    from compliance.ruleset import RuleSet
    from counterfoil.learning import TrainReport
    from counterfoil.progress import Progress
    from counterfoil.scanning import ScanReport
    from ledger.audit.trust import Trust
    from ledger.flag import Flag
    from ledger.gateway import Gateway, Member
    from ledger.reader.desk import SyncReport
    from ledger.reader.listing import FlagCount, FlagFilter, FlagSummary, Order
    from ledger.reader.mirror import Mirror
    from ledger.segment import Manifest

__all__ = ["ActiveRules", "CheckReport", "Desk", "Readiness"]


@dataclass(frozen=True)
class CheckReport:
    """The findings of the rules in force, a summary of each rule, and how many findings are new."""

    findings: list[Flag]
    summary: list[RuleSummary]
    new: int
    anchored: int


@dataclass(frozen=True, slots=True)
class Readiness:
    """The block and batch numbers of the chain and of the mirror; see `Desk.readiness`."""

    status: Literal["ready", "behind"]
    height: int
    mirrored_block: int
    lag_blocks: int
    lag_batches: int
    log_size: int


@dataclass(frozen=True, slots=True)
class ActiveRules:
    """The rule set in force, with its hash, the officer who proposed it, and its version."""

    ruleset: RuleSet
    hash: bytes
    author: str
    version: int


@needs("desk")
class Desk:
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

    def __init__(
        self,
        home: Home | Path | str = DEFAULT_HOME,
        *,
        chain: str | None = None,
        timeout: float | None = None,
    ) -> None:
        self.home = as_home(home)
        self._connection = Connection(self.home, chain, timeout=timeout)

    # -- work -------------------------------------------------------------------------------------------

    def sync(self, *, depth: int = 0, progress: Progress | None = None) -> SyncReport:
        """Mirror new batches from the chain, match their rows, and sign the checkpoint of the log.

        Parameters
        ----------
        depth : int
            Number of later blocks after which a block is final.
        progress : callable, optional
        """
        from ledger.reader import desk as rounds
        from ledger.reader.keys import DeskKeys

        keys = DeskKeys.load(self.home.desk.keys)
        gateway = self.gateway()
        report = rounds.sync(self.home.desk, gateway, keys, depth=depth, progress=progress)
        caseload.note_members(self.home, gateway)
        return report

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
        new, anchored = caseload.keep_and_anchor(self.home, gateway, scanned.flags)
        return ScanReport(
            flags=scanned.flags,
            new=new,
            anchored=anchored,
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
        new, anchored = caseload.keep_and_anchor(self.home, gateway, run.findings)
        return CheckReport(run.findings, run.summary, new, anchored)

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

    # -- flags ------------------------------------------------------------------------------------------

    def flags(self) -> pd.DataFrame:
        """Return every flag and finding as a DataFrame, one row each, in the order of raising."""
        from counterfoil.frames import desk_flags

        with caseload.flag_book(self.home) as book:
            return desk_flags(book.summaries())

    def flag_page(
        self,
        wanted: FlagFilter | None = None,
        *,
        order: Order = "raised",
        after: str | None = None,
        limit: int = 50,
    ) -> caseload.FlagPage:
        """Return one page of a list of flags; the time does not depend on the number of flags.

        Parameters
        ----------
        wanted : FlagFilter, optional
            Which flags to list; every flag by default.
        order : {"raised", "gravest"}
        after : str, optional
            Identifier (hex) of the last flag of the page before; None for the first page.
        limit : int
            Maximum number of flags on a page.

        Raises
        ------
        InputError
            When the flag `after` does not exist.
        """
        return caseload.flag_page(self.home, wanted, order=order, after=after, limit=limit)

    def flags_starting(self, prefix: str, *, limit: int = 50) -> list[FlagSummary]:
        """Return the flags whose identifiers (hex) start with `prefix`."""
        with caseload.flag_book(self.home) as book:
            return book.starting(prefix, limit=limit)

    def flag_counts(self, wanted: FlagFilter | None = None) -> list[FlagCount]:
        """Count flags by title, severity, and whether an officer has decided; sorted by title."""
        from ledger.reader.listing import EVERY_FLAG

        with caseload.flag_book(self.home) as book:
            return book.counts(wanted or EVERY_FLAG)

    def each_flag(
        self, wanted: FlagFilter | None = None, *, order: Order = "raised"
    ) -> Iterator[dict[str, Any]]:
        """Yield each flag as JSON values; the memory does not depend on the number of flags."""
        from ledger.reader.listing import EVERY_FLAG

        with caseload.flag_book(self.home) as book:
            for kept in book.each(wanted or EVERY_FLAG, order=order):
                yield {
                    "flag_id": kept.flag_id.hex(),
                    **kept.flag.to_json(),
                    "latest_score": kept.latest_score,
                    "verdict": kept.verdict,
                }

    def flag(self, prefix: str) -> caseload.FlagFile:
        """Return the flag whose identifier (hex) starts with `prefix`, with its decisions; needs no chain.

        Raises
        ------
        InputError
            When no flag or several flags start with `prefix`.
        ConfigurationError
            When the state folder holds no desk.
        """
        return caseload.flag_file(self.home, prefix)

    def flag_view(self, flag_id: str, *, addressee: int | None = None) -> caseload.FlagView | None:
        """Return the part of a flag that one addressee may see; None if it does not exist or concern them.

        Parameters
        ----------
        flag_id : str
            The whole identifier, hex.
        addressee : int, optional
            The code of a member; None returns the whole flag.
        """
        return caseload.flag_view(self.home, flag_id, addressee)

    def draw(self, flag: Flag, *, svg: Path | None = None, graphml: Path | None = None) -> None:
        """Write the evidence of a flag as SVG, as GraphML, or both."""
        forms: tuple[tuple[Path | None, Literal["svg", "graphml"]], ...] = (
            (svg, "svg"),
            (graphml, "graphml"),
        )
        for path, form in forms:
            if path:
                path.write_bytes(self.drawing(flag, form))

    def drawing(
        self, flag: Flag, form: Literal["svg", "graphml"], *, banks: Mapping[int, str] | None = None
    ) -> bytes:
        """Return a flag's evidence as an SVG or GraphML document (UTF-8)."""
        from ledger.transfers.evidence import to_graphml, to_svg

        graph = self.evidence_graph(flag, banks=banks)
        return to_svg(graph).encode() if form == "svg" else to_graphml(graph)

    def evidence(self, flag: Flag) -> list[dict[str, Any]] | None:
        """Return the transfers in the evidence of a flag, in time order; None if there is no mirror."""
        return caseload.evidence(self.home, flag)

    def evidence_graph(self, flag: Flag, *, banks: Mapping[int, str] | None = None) -> nx.MultiDiGraph[str]:
        """Return a flag's accounts and payments as a graph (`ledger.transfers.evidence.evidence_graph`).

        Parameters
        ----------
        flag : Flag
        banks : mapping, optional
            Mapping of agent code to the name to show; the members' identifiers by default.
        """
        return caseload.graph_of(self.home, flag, banks)

    def replay(self, prefix: str, *, progress: Progress | None = None) -> caseload.FlagFile:
        """Recompute a flag from the ledger position that it names, and return it.

        If the mirror has read later batches, the position is mirrored from the chain again, into a temporary
        folder.

        Raises
        ------
        VerificationError
            When a field of the recomputed flag differs.
        """
        file = self.flag(prefix)
        caseload.replay(self.home, self.gateway, file.kept, progress)
        return file

    def trace(self, prefix: str) -> tuple[Flag, dict[str, Any]]:
        """Return how a finding follows from its rows, its check and its clause, and who approved the rule.

        Raises
        ------
        InputError
            When a detector raised the flag, because such a flag has no clause.
        """
        flag = self.flag(prefix).flag
        if flag.source.kind != "rule":
            raise InputError(
                "a detector raised this flag, so it has no clause",
                next_step=f"Run `counterfoil flag show {prefix}`, which shows its explanation.",
            )
        return flag, caseload.trace(self.home, self.gateway(), flag)

    def draft_report(self, prefix: str) -> dict[str, Any]:
        """Draft a report from a flag or finding, as structured data with the clause cited."""
        return caseload.draft_report(self.home, self.gateway(), self.flag(prefix).flag)

    # -- state of desk and chain ------------------------------------------------------------------------

    def gateway(self) -> Gateway:
        """Return a connection to the consortium's contracts; raises as `Connection.gateway` does."""
        return self._connection.gateway()

    def members(self) -> list[Member]:
        """Return the members, read from the chain at most a few seconds ago."""
        return self._connection.members()

    def names(self) -> Mapping[int, str]:
        """Return a mapping of agent code to agent identifier, from the last sync; this needs no chain."""
        return caseload.member_names(self.home)

    def active_rules(self) -> ActiveRules | None:
        """Return the rule set in force; None if no rule set was ever approved.

        Raises
        ------
        ChainError
            When the approved document on the chain is not a rule set.
        """
        active = self.gateway().active_rule_set()
        if active is None or active.version is None:
            return None
        try:
            ruleset = _ruleset(active.document)
        except (VerificationError, InputError) as error:
            raise ChainError(
                f"version {active.version} of the rules on the chain cannot be read: {error.what}",
                next_step="The officers must approve a readable rule set.",
            ) from error
        return ActiveRules(ruleset, active.hash, active.author, active.version)

    def readiness(self, *, max_lag: int) -> Readiness:
        """Compare the mirror with the chain.

        The desk is behind when batches wait to be mirrored and the mirror lags by more than `max_lag`
        blocks. Blocks without a batch, such as those of the desk's own transactions, do not count alone.
        """
        gateway = self.gateway()
        height, chain_size = gateway.height(), gateway.log_size()
        with self.mirror() as mirror:
            position = mirror.position(gateway)
        lag, waiting = max(0, height - position.block), max(0, chain_size - position.log_size)
        return Readiness(
            status="behind" if lag > max_lag and waiting else "ready",
            height=height,
            mirrored_block=position.block,
            lag_blocks=lag,
            lag_batches=waiting,
            log_size=position.log_size,
        )

    @contextmanager
    def mirror(self) -> Iterator[Mirror]:
        """Open the mirror's state.

        Raises
        ------
        ConfigurationError
            When no batch was mirrored yet.
        """
        from ledger.reader.mirror import Mirror

        if not (self.home.desk.mirror / "state.sqlite").exists():
            raise ConfigurationError("there is no mirror yet", next_step="Run `counterfoil desk sync` first.")
        mirror = Mirror(self.home.desk.mirror)
        try:
            yield mirror
        finally:
            mirror.close()

    def transfers(self) -> tuple[Manifest, pa.Table]:
        """Return the matched transfers (`ledger.tables.TRANSFER`) and the manifest of their file.

        Raises
        ------
        ConfigurationError
            When no batch was mirrored or matched yet.
        """
        from counterfoil.mirrored import matched

        return matched(self.home.desk.mirror)

    def trust(self) -> Trust:
        """Return the trust file that the consortium gives to auditors."""
        from ledger.audit.trust import Trust

        return Trust.load(self.home.trust)

    def checkpoint(self) -> bytes:
        """Return the newest signed checkpoint.

        Raises
        ------
        ConfigurationError
            When no checkpoint was signed yet.
        """
        try:
            return self.home.desk.checkpoint.read_bytes()
        except FileNotFoundError as error:
            raise ConfigurationError(
                "no checkpoint was signed yet", next_step="Run `counterfoil desk sync` first."
            ) from error

    def log(self) -> Path:
        """Return the file of published batch hashes.

        Raises
        ------
        ConfigurationError
            When no log was published yet.
        """
        if not self.home.desk.log.exists():
            raise ConfigurationError(
                "no log was published yet", next_step="Run `counterfoil desk sync` first."
            )
        return self.home.desk.log


@lru_cache(maxsize=4)
def _ruleset(document: bytes) -> RuleSet:
    from compliance.ruleset import RuleSet

    return RuleSet.from_bytes(document)
