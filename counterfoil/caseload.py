"""The desk's flags and findings: store and anchor them; read them with decisions, evidence and clauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ledger import canonical
from ledger.errors import ConfigurationError, InputError, VerificationError
from ledger.home import DeskHome, Home
from ledger.storage import write_atomically

if TYPE_CHECKING:
    import networkx as nx
    import pyarrow as pa

    from compliance.ruleset import RuleSet
    from counterfoil.progress import Progress
    from ledger.flag import Flag
    from ledger.gateway import Gateway, RuleSetDocument
    from ledger.reader.anchoring import OwnEntries
    from ledger.reader.cases import CaseBook, KeptFlag
    from ledger.reader.decisions import DecisionBook, KeptDecision
    from ledger.reader.keys import DeskKeys
    from ledger.reader.listing import FlagFilter, FlagSummary, Order

__all__ = [
    "Anchored",
    "FlagFile",
    "FlagPage",
    "FlagView",
    "decision_book",
    "draft_report",
    "evidence",
    "flag_book",
    "flag_file",
    "flag_page",
    "flag_view",
    "graph_of",
    "keep_and_anchor",
    "member_names",
    "note_members",
    "read_decisions",
    "replay",
    "restore",
    "rules_of",
    "trace",
]

_MEMBERS: Final = "members.json"

_NO_DESK: Final = "Run `counterfoil demo`, or name an existing state folder with --home."


@dataclass(frozen=True)
class FlagFile:
    """One flag with its score and its decisions, as the desk stores them.

    Parameters
    ----------
    kept : KeptFlag
        The stored flag with its block and its latest score.
    decisions : list of KeptDecision
        Oldest first; the last one is valid.
    """

    kept: KeptFlag
    decisions: list[KeptDecision]

    @property
    def flag(self) -> Flag:
        """The flag, unchanged since it was raised."""
        return self.kept.flag

    @property
    def flag_id(self) -> str:
        """Identifier of the flag, hex."""
        return self.kept.flag_id.hex()

    def to_json(self) -> dict[str, Any]:
        """Return the flag as JSON values."""
        return {
            "flag_id": self.flag_id,
            **self.flag.to_json(),
            "latest_score": self.kept.latest_score,
            "decisions": [decision.to_json() for decision in self.decisions],
        }


@dataclass(frozen=True, slots=True)
class Anchored:
    """The result of a round of anchoring.

    Parameters
    ----------
    new, anchored : int
        Number of new flags, and number of flags written to the case log on the chain.
    restored : int
        Number of flags that the desk's file had lost and that were read again from the chain.
    problems : tuple of str
        A sentence for each flag, member or entry that could not be handled; the others are not affected.
    """

    new: int
    anchored: int
    restored: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlagPage:
    """One page of a list of flags, and the value of `after` for the next page (None on the last page)."""

    flags: list[FlagSummary]
    next: str | None


class FlagView(NamedTuple):
    """The part of a flag that one addressee may see.

    Parameters
    ----------
    file : FlagFile
        The whole flag; the addressee must not see it.
    view : dict
        The fields that the addressee may see, with their proof (`ledger.flag.verify_view`).
    shown : dict
        The same fields, verified, without the proof.
    """

    file: FlagFile
    view: dict[str, Any]
    shown: dict[str, Any]


@contextmanager
def flag_book(home: Home) -> Iterator[CaseBook]:
    """Open the desk's file of flags.

    Raises
    ------
    ConfigurationError
        When the state folder holds no desk.
    """
    from ledger.reader.cases import CaseBook

    if not home.desk.keys.exists():
        raise ConfigurationError(
            "this state folder holds no desk", where=str(home.desk.root), next_step=_NO_DESK
        )
    with CaseBook(home.desk.cases) as book:
        yield book


@contextmanager
def decision_book(home: Home) -> Iterator[DecisionBook]:
    """Open the decisions that the desk has read from the chain."""
    from ledger.reader.decisions import DecisionBook

    with DecisionBook(home.desk.cases) as book:
        yield book


def flag_page(
    home: Home, wanted: FlagFilter | None, *, order: Order, after: str | None, limit: int
) -> FlagPage:
    """Return one page of a list of flags; see `counterfoil.Desk.flag_page`."""
    from ledger.reader.listing import EVERY_FLAG

    with flag_book(home) as book:
        place = None if after is None else bytes.fromhex(after)
        found, following = book.page(wanted or EVERY_FLAG, order=order, after=place, limit=limit)
    return FlagPage(found, None if following is None else following.hex())


def flag_file(home: Home, prefix: str) -> FlagFile:
    """Return the flag whose identifier (hex) starts with `prefix`, with its decisions."""
    with flag_book(home) as book:
        kept = book.find(prefix)
    with decision_book(home) as decisions:
        return FlagFile(kept, decisions.of(kept.flag_id))


def flag_view(home: Home, flag_id: str, addressee: int | None) -> FlagView | None:
    """Return the part of a flag that one addressee may see; see `counterfoil.Desk.flag_view`."""
    from ledger.caselog import addressees
    from ledger.flag import verify_view

    try:
        file = flag_file(home, flag_id)
    except InputError:
        return None
    if addressee is not None and (file.kept.block is None or addressee not in addressees(file.flag)):
        return None
    view = file.flag.view(file.kept.seed, addressee)
    return FlagView(file, view, verify_view(view, file.kept.flag_id))


def keep_and_anchor(home: Home, gateway: Gateway, flags: Sequence[Flag]) -> Anchored:
    """Store flags, and write the new ones and the note of deliveries to the case log on the chain.

    The desk's file is first compared with the chain, and what it has lost is restored.
    """
    from ledger.reader.anchoring import OwnEntries
    from ledger.reader.keys import DeskKeys
    from ledger.reader.notes import NoteBook
    from ledger.reader.recipients import Recipients

    keys = DeskKeys.load(home.desk.keys)
    own = OwnEntries.read(gateway, keys.account)
    before = _restore(home, own, keys)
    problems = list(before.problems)
    recipients = Recipients.of(gateway, keys.account, problems.append)
    with flag_book(home) as book:
        new = book.keep(flags, recipients, problems.append)
        anchored = book.anchor(gateway, keys.account, problems.append, own=own)
    with NoteBook(home.desk.cases) as notes:
        notes.keep_deliveries(recipients, problems.append, anchored=anchored > 0)
        notes.anchor(gateway, keys.account, problems.append, own=own)
    return Anchored(new, anchored, before.restored, tuple(dict.fromkeys(problems)))


def restore(home: Home, gateway: Gateway) -> Anchored:
    """Compare the desk's file with the chain, and read from there the flags and notes that it has lost."""
    from ledger.reader.anchoring import OwnEntries
    from ledger.reader.keys import DeskKeys

    keys = DeskKeys.load(home.desk.keys)
    return _restore(home, OwnEntries.read(gateway, keys.account), keys)


def _restore(home: Home, own: OwnEntries, keys: DeskKeys) -> Anchored:
    from ledger.reader.notes import NoteBook

    readers = list(keys.readers.values())[::-1]
    problems: list[str] = []
    with flag_book(home) as book:
        restored = book.reconcile(own, bytes.fromhex(keys.address[2:]), readers, problems.append)
    with NoteBook(home.desk.cases) as notes:
        notes.reconcile(own, readers)
    return Anchored(0, 0, restored, tuple(problems))


def note_members(home: Home, gateway: Gateway) -> None:
    """Store the members' names beside the mirror, so that flags can be shown without the chain."""
    names = {str(member.code): member.agent for member in gateway.members()}
    write_atomically(home.desk.root / _MEMBERS, canonical.dumps(names))


def member_names(home: Home) -> dict[int, str]:
    """Return a mapping of agent code to agent identifier, from the last sync; empty before the first sync."""
    try:
        names: Any = canonical.loads((home.desk.root / _MEMBERS).read_bytes(), what="members' names")
        return {int(code): str(agent) for code, agent in names.items()}
    except (OSError, VerificationError, ValueError, AttributeError):
        return {}


def read_decisions(home: Home, gateway: Gateway, note: Callable[[str], None] | None = None) -> None:
    """Read new decisions from the chain into the desk's store.

    Parameters
    ----------
    home : Home
    gateway : Gateway
    note : callable, optional
        Called with a sentence for each entry of the case log that cannot be read.
    """
    from ledger.reader.keys import DeskKeys

    keys = DeskKeys.load(home.desk.keys)
    with decision_book(home) as book:
        for entry, problem in book.sync(gateway, list(keys.readers.values())[::-1]):
            if note is not None:
                note(f"Entry {entry} of the case log is not a readable decision: {problem}.")


def evidence(home: Home, flag: Flag) -> list[dict[str, Any]] | None:
    """Return the transfers in the evidence of a flag, in time order; None if there is no mirror."""
    from ledger.transfers.evidence import evidence_rows
    from ledger.transfers.mirror import load_rows

    try:
        rows: list[dict[str, Any]] = evidence_rows(flag, load_rows(home.desk.mirror, flag.rows)).to_pylist()
    except ConfigurationError:
        return None
    return rows


def rules_of(gateway: Gateway, flag: Flag) -> tuple[RuleSetDocument, RuleSet]:
    """Return the rule set that a finding names; it may no longer be in force.

    Raises
    ------
    VerificationError
        When the chain does not hold this rule set.
    """
    from compliance.ruleset import RuleSet

    for entry in gateway.rule_sets():
        if entry.hash.hex() == flag.source.version:
            return entry, RuleSet.from_bytes(entry.document)
    raise VerificationError(
        "the chain holds no rule set with this hash", expected=flag.source.version, got="no such rule set"
    )


def trace(home: Home, gateway: Gateway, flag: Flag) -> dict[str, Any]:
    """Return how a finding follows from its rows, its check and its clause, and who approved the rule."""
    from compliance.trace import trace as follow
    from ledger.transfers.mirror import load_rows

    entry, ruleset = rules_of(gateway, flag)
    found = follow(flag, ruleset, load_rows(home.desk.mirror, flag.rows))
    found["approved"] = [
        {"step": step.what, "by": step.actor, "block": step.block} for step in entry.steps if step.actor
    ]
    return found


def draft_report(home: Home, gateway: Gateway, flag: Flag) -> dict[str, Any]:
    """Draft a report from a flag or finding, as structured data with the clause cited."""
    from compliance.reports import draft_report as draft
    from ledger.transfers.mirror import load_rows

    ruleset = rules_of(gateway, flag)[1] if flag.source.kind == "rule" else None
    names = {member.code: member.agent for member in gateway.members()}
    return draft(flag, load_rows(home.desk.mirror, flag.rows), ruleset=ruleset, banks=names)


def replay(home: Home, gateway: Callable[[], Gateway], kept: KeptFlag, progress: Progress | None) -> None:
    """Recompute a flag from the ledger position that it names.

    Raises
    ------
    VerificationError
        When a field of the recomputed flag differs, or the chain does not hold the position.
    """
    from anomaly.learning.scoring import replay as replay_detector
    from anomaly.learning.shelf import Shelf
    from counterfoil.checking import run_rules

    flag = kept.flag
    with _at_position(home, gateway, flag, progress) as transfers:
        if flag.source.kind == "detector":
            replay_detector(flag, transfers, Shelf(home.desk.models))
            return
        _, ruleset = rules_of(gateway(), flag)
        findings = run_rules(gateway(), ruleset, transfers, flag.position, home=home).findings
        if flag.to_json() not in [finding.bounded().to_json() for finding in findings]:
            raise VerificationError(
                "the recomputed findings do not contain this finding",
                where=kept.flag_id.hex(),
                next_step="Check whether desk/banks.csv or desk/rates.csv has changed since then.",
            )


@contextmanager
def _at_position(
    home: Home, gateway: Callable[[], Gateway], flag: Flag, progress: Progress | None
) -> Iterator[pa.Table]:
    """Read the transfers of the period of a flag, at the ledger position of the flag."""
    from anomaly.scan import period_of
    from ledger.segment import Manifest
    from ledger.transfers.mirror import load_mirror

    period = period_of(flag)
    position = Manifest.read(home.desk.mirror).position
    if position == flag.position:
        yield load_mirror(home.desk.mirror, period=period)[0]
        return
    from ledger.reader import desk as rounds
    from ledger.reader.keys import DeskKeys

    chain = gateway()
    depth = chain.height() - flag.position.block
    if depth < 0 or (position.chain_id, position.contract) != (
        flag.position.chain_id,
        flag.position.contract,
    ):
        raise VerificationError(
            "the chain does not hold the position that the flag names",
            expected=f"block {flag.position.block} of {flag.position.contract}",
            got=f"block {chain.height()} of {position.contract}",
        )
    keys = DeskKeys.load(home.desk.keys)
    with TemporaryDirectory(prefix="counterfoil-") as folder:
        there = DeskHome(Path(folder))
        rounds.sync(there, chain, keys, depth=depth, progress=progress)
        yield load_mirror(there.mirror, period=period)[0]


def graph_of(home: Home, flag: Flag, names: Mapping[int, str] | None = None) -> nx.MultiDiGraph[str]:
    """Return a flag's accounts and payments as a graph (`ledger.transfers.evidence.evidence_graph`)."""
    from ledger.transfers.evidence import evidence_graph
    from ledger.transfers.mirror import load_rows

    banks = member_names(home) if names is None else names
    return evidence_graph(flag, load_rows(home.desk.mirror, flag.rows), banks=banks)
