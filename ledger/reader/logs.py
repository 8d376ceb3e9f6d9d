"""Publish the two logs: write tiles, record the verdicts' head on the chain, sign, collect cosignatures.

A checkpoint is published when it meets the policy; until then the one before is still served. Its file is
written last, after all tiles that it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from ledger import canonical
from ledger.caselog import CaseKind
from ledger.commitment.merkle import leaf_hash
from ledger.errors import CounterfoilError, VerificationError
from ledger.home import DeskHome
from ledger.log import Checkpoint, CheckpointError, Note, Policy, open_checkpoint, sign_checkpoint
from ledger.log.anchors import CASE, TOPIC, Anchor, AnchorError, anchor_content, next_anchor
from ledger.log.checkpoint import read_checkpoint
from ledger.log.follow import ChainLogs
from ledger.log.published import CHECKPOINT
from ledger.log.signer import CheckpointKey
from ledger.log.tiles import Tiles, append
from ledger.reader.cosigning import Answer, Task, collect
from ledger.reader.keys import DeskKeys
from ledger.storage import PUBLISHED, write_atomically

if TYPE_CHECKING:
    from ledger.gateway import Gateway

__all__ = ["LEDGER", "VERDICTS", "LogReport", "publish"]

#: Names of the two logs, in paths and reports.
LEDGER: Final = "ledger"
VERDICTS: Final = "verdicts"

_NOTE_FORMAT: Final = "counterfoil/note/1"
_OTHER_ROOT: Final = "the chain records another root of the verdict log than the mirror gives"


class Verdicts(Protocol):
    """What is read of the mirror (`ledger.reader.mirror.Mirror`)."""

    def verdict_entries(self, first: int = 0) -> list[bytes]:
        """Return the entries of the verdict log from index `first` on."""


@dataclass(frozen=True, slots=True)
class LogReport:
    """What happened with one log.

    Parameters
    ----------
    log : {"ledger", "verdicts"}
    size : int
        Number of entries that the new checkpoint covers.
    served : int or None
        Number of entries of the checkpoint that is served now; None if none was ever published.
    cosigned_by : tuple of str
        The policy's names of the witnesses that cosigned the new checkpoint.
    missing : dict of str to str
        The other witnesses of the policy, and why each did not cosign.
    problem : str or None
        Why the new checkpoint is not served; None if it is.
    """

    log: str
    size: int
    served: int | None
    cosigned_by: tuple[str, ...]
    missing: dict[str, str]
    problem: str | None


def publish(
    home: DeskHome, gateway: Gateway, keys: DeskKeys, policy: Policy, mirror: Verdicts, *, depth: int
) -> tuple[LogReport, ...]:
    """Bring both published logs up to date.

    If the process dies, call it again: it writes the same tiles, and records a head only if the chain does
    not have it.

    Parameters
    ----------
    home : DeskHome
    gateway : Gateway
    keys : DeskKeys
    policy : Policy
        The consortium's policy, with the URLs of the witnesses.
    mirror : Mirror
        Has the entries of the verdict log.
    depth : int
        Number of later blocks after which a block is final.

    Raises
    ------
    CheckpointError
        When a checkpoint that is served does not belong to the log.
    ReplacedBlockError
        When the chain replaced a block that was treated as final.
    """
    deployment = gateway.deployment
    ledger = _Log(LEDGER, home.public / LEDGER, deployment.ledger_origin, keys.ledger, policy)
    verdicts = _Log(VERDICTS, home.public / VERDICTS, deployment.verdict_origin, keys.verdicts, policy)
    grown = _append_verdicts(verdicts, mirror)
    with ChainLogs(home.root / "logs.sqlite", ledger.folder, mode=PUBLISHED) as logs:
        wrong = _record(gateway, keys, logs, grown)
        logs.follow(gateway, gateway.height() - depth)
        ledger.sign(logs.tiles())
        anchor = logs.last_anchor
        wrong = wrong or logs.contradiction
        if wrong is None and anchor.size > grown.size:
            wrong = f"the chain records {anchor.size} verdicts, the mirror has {grown.size}"
        if wrong is None and grown.root(anchor.size) != anchor.root:
            wrong = _OTHER_ROOT
        if wrong is None:
            verdicts.sign(Tiles.in_folder(verdicts.folder, anchor.size))
    asked = (ledger, verdicts) if wrong is None else (ledger,)
    _cosign(asked)
    reports = [log.finish() for log in asked]
    return (*reports, *(() if wrong is None else (verdicts.stopped(grown.size, wrong),)))


def _append_verdicts(log: _Log, mirror: Verdicts) -> Tiles:
    """Add the verdicts that are not published yet to the tiles; return the whole log."""
    size = 0 if log.served is None else log.served.size
    entries = mirror.verdict_entries(first=max(0, size - 1))
    if size:
        (last,) = Tiles.in_folder(log.folder, size).leaf_hashes(size - 1, size)
        if not entries or leaf_hash(entries.pop(0)) != last:
            raise VerificationError(
                "the mirror has other verdicts than those that are published",
                where=str(log.folder),
                next_step="Remove the mirror folder and sync again. If this error comes back, the published "
                "log was changed: restore it from a backup.",
            )
    return Tiles.in_folder(log.folder, append(log.folder, size, entries))


def _record(gateway: Gateway, keys: DeskKeys, logs: ChainLogs, verdicts: Tiles) -> str | None:
    """Write the head of the verdict log to the chain, unless the chain has it; return what is wrong."""
    try:
        last = _newest_anchor(gateway, logs)
    except AnchorError as error:
        return str(error)
    if last.size >= verdicts.size:
        return None
    if verdicts.root(last.size) != last.root:
        return _OTHER_ROOT
    proof = verdicts.consistency_path(last.size)
    content = anchor_content(verdicts.size, verdicts.root(), last.size, proof)
    payload = canonical.dumps({"format": _NOTE_FORMAT, "topic": TOPIC, **content})
    entry = (CaseKind.NOTE, CASE, sha256(payload).digest(), payload)
    gateway.transact(keys.account, "CaseLog", "append", [entry])
    return None


def _newest_anchor(gateway: Gateway, logs: ChainLogs) -> Anchor:
    """Return the head that the chain records last, also in blocks that are not final yet."""
    if logs.contradiction is not None:
        raise AnchorError(logs.contradiction)
    last = logs.last_anchor
    for entry in gateway.case_entries(logs.next_block(gateway), gateway.height()):
        last = next_anchor(last, entry)
    return last


class _Log:
    """One log of the desk: its folder, the checkpoint that is served, and the new one."""

    def __init__(self, name: str, folder: Path, origin: str, private: CheckpointKey, policy: Policy) -> None:
        self.name, self.folder, self.policy = name, folder, policy
        self._origin, self._private = origin, private
        self._file = folder / CHECKPOINT
        self._note = Note.parse(self._file.read_bytes()) if self._file.exists() else None
        self.served = None if self._note is None else read_checkpoint(self._note)
        self.missing: dict[str, str] = {}

    def sign(self, tiles: Tiles) -> None:
        """Sign a new checkpoint; the one that is served must be a checkpoint of the same log."""
        self.tiles = tiles
        self.new = Checkpoint(self._origin, tiles.size, tiles.root())
        served = self.served
        if served is not None and (
            served.origin != self._origin
            or served.size > tiles.size
            or tiles.root(served.size) != served.root
        ):
            raise CheckpointError(
                f"the log {self.name} contradicts its checkpoint that is served",
                where=str(self._file),
                next_step="Its desk must never sign both. Restore the desk's folder from a backup, and tell "
                "the members.",
            )
        if served == self.new and self._note is not None:
            self.note = self._note
        else:
            self.note = Note.parse(sign_checkpoint(self.new, self._origin, self._private))

    def tasks(self) -> list[Task]:
        """Return what to ask of the witnesses that have not cosigned the new checkpoint."""
        waiting = [w for w in self.policy.witnesses.values() if self.note.line_of(w.key) is None]
        self.missing = {w.name: "the policy has no URL for it" for w in waiting if w.url is None}
        old = 0 if self.served is None else self.served.size
        return [Task(self.note, self.tiles, old, w) for w in waiting if w.url is not None]

    def take(self, task: Task, answer: Answer) -> None:
        """Add a witness's answer."""
        if answer.line is None:
            self.missing[task.witness.name] = answer.problem or "it did not cosign"
        else:
            self.note = self.note.with_lines(answer.line)

    def finish(self) -> LogReport:
        """Serve the new checkpoint if it meets the policy."""
        problem = None
        try:
            open_checkpoint(self.note.text, self.policy, origin=self._origin)
        except CounterfoilError as error:
            problem = error.what
        else:
            write_atomically(self._file, self.note.text.encode(), mode=PUBLISHED)
            self.served = self.new
        return self._report(self.new.size, problem)

    def stopped(self, size: int, problem: str) -> LogReport:
        """Return the report when no new checkpoint is signed."""
        self.missing = dict.fromkeys(self.policy.witnesses, "it was not asked")
        return self._report(size, problem)

    def _report(self, size: int, problem: str | None) -> LogReport:
        cosigned = tuple(name for name in self.policy.witnesses if name not in self.missing)
        served = None if self.served is None else self.served.size
        return LogReport(self.name, size, served, cosigned, self.missing, problem)


def _cosign(logs: Sequence[_Log]) -> None:
    tasks = [(log, task) for log in logs for task in log.tasks()]
    answers = collect([task for _, task in tasks])
    for (log, task), answer in zip(tasks, answers, strict=True):
        log.take(task, answer)
