"""Check a consortium from its chain alone: no file and no key of the desk is needed.

An auditor with a node and a trust file checks what everyone can check:

- *members*: each account of the chain is the one in the trust file, with the bank's own signatures;
- *batches*: each has a place in its member's chain of hashes, and its author's signature;
- *case log*: each entry follows from the one before, has an author who may write it, and each flag's leaves
  give its identifier (`ledger.audit.cases`);
- *ledger log*: derived from the chain, it has the root that the desk published;
- *verdict log*: its published head is on the chain, and its entries name the batches in their order.

What the rows say, and whether a verdict is right, needs a reader key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from ledger.audit.cases import CaseReport, check_cases
from ledger.audit.differences import Difference, FsckError
from ledger.audit.trust import Trust
from ledger.batch import GENESIS_HASH
from ledger.caselog import FLAG_KINDS
from ledger.entries import Posting, parse_entry
from ledger.errors import ConfigurationError, VerificationError
from ledger.log.follow import ChainLogs
from ledger.log.published import PublishedLog, published_log
from ledger.verdicts import Verdict, parse_verdict

if TYPE_CHECKING:
    from ledger.gateway import Gateway, PostedBatch

__all__ = ["ChainReport", "check_chain"]

_BLOCKS: Final = 64


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What was checked on the chain, and every difference.

    Parameters
    ----------
    block : int
        The last block that was checked.
    accounts, batches, rows, cases, flags : int
        The rows are those that the headers count; `flags` counts flags and findings.
    ledger_size, verdict_size : int or None
        Size of the published logs that were compared; None if no published log was given.
    accepted, apart : int
        Batches by their published verdict.
    differences : tuple of Difference
    """

    block: int
    accounts: int
    batches: int
    rows: int
    cases: int
    flags: int
    ledger_size: int | None
    verdict_size: int | None
    accepted: int
    apart: int
    differences: tuple[Difference, ...]

    def raise_if_different(self) -> None:
        """Raise an error if something does not fit together.

        Raises
        ------
        FsckError
            With the first difference and the number of the others.
        """
        if self.differences:
            first, more = self.differences[0], len(self.differences) - 1
            raise FsckError(
                f"the ledger does not fit together: {first.what}" + (f" (and {more} more)" if more else ""),
                where=first.where,
                next_step="Ask a second node with --chain; if it says the same, tell the members.",
            )


def check_chain(
    gateway: Gateway,
    trust: Trust,
    *,
    published: Path | str | None = None,
    cases: CaseReport | None = None,
    depth: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> ChainReport:
    """Check everything that needs no key.

    Parameters
    ----------
    gateway : Gateway
    trust : Trust
    published : Path or str, optional
        The folder with the desk's published logs, or the URL of the desk; without it they are not compared.
    cases : CaseReport, optional
        What a check of the case log with keys has found; by default it is checked here, without keys.
    depth : int
        Number of later blocks after which a block is final.
    progress : callable, optional

    Raises
    ------
    ConfigurationError
        When the desk has published nothing, or does not answer.
    ChainError
        When the node fails.
    """
    found = check_cases(gateway) if cases is None else cases
    return _ChainCheck(gateway, trust, gateway.height() - depth).run(published, found, progress)


class _ChainCheck:
    def __init__(self, gateway: Gateway, trust: Trust, last: int) -> None:
        self._gateway = gateway
        self._trust = trust
        self._last = last
        self._differences: list[Difference] = []

    def run(
        self,
        published: Path | str | None,
        cases: CaseReport,
        progress: Callable[[str, int, int], None] | None,
    ) -> ChainReport:
        accounts = self._members()
        batches, rows = self._batches(progress)
        self._differences += cases.differences
        ledger = verdicts = None
        accepted = apart = 0
        if published is not None:
            with TemporaryDirectory(prefix="counterfoil-") as folder:
                logs = ChainLogs(Path(folder) / "logs.sqlite", Path(folder) / "ledger")
                with logs:
                    logs.follow(self._gateway, self._last)
                    ledger = self._ledger_log(published, logs)
                    found = self._verdict_log(published, logs)
            if found is not None:
                verdicts = len(found)
                apart = sum(verdict.reason is not None for verdict in found)
                accepted = verdicts - apart
        return ChainReport(
            block=self._last,
            accounts=accounts,
            batches=batches,
            rows=rows,
            cases=cases.counts["entries"],
            flags=sum(cases.counts.get(kind.name.lower(), 0) for kind in FLAG_KINDS),
            ledger_size=None if ledger is None else ledger.checkpoint.size,
            verdict_size=verdicts,
            accepted=accepted,
            apart=apart,
            differences=tuple(self._differences),
        )

    def _found(self, where: str, what: str) -> None:
        self._differences.append(Difference(where, what))

    # -- members ----------------------------------------------------------------------------------------

    def _members(self) -> int:
        """Compare the accounts of the chain with those that the trust file pins."""
        pinned = dict(self._trust.accounts)
        held = self._gateway.accounts()
        for account in held:
            where = f"account 0x{account.account.hex()}"
            known = pinned.pop(account.account, None)
            if known is None:
                self._found(where, f"a member of the chain ({account.agent}) is not in the trust file")
            elif (known.code, known.agent, known.signature) != (
                account.code,
                account.agent,
                account.signature,
            ):
                self._found(where, "the chain has another code, bank or signature than the trust file")
        for address, member in pinned.items():
            self._found(f"account 0x{address.hex()}", f"the chain has no such account of {member.agent}")
        return len(held)

    # -- batches ----------------------------------------------------------------------------------------

    def _batches(self, progress: Callable[[str, int, int], None] | None) -> tuple[int, int]:
        codes = {account.account: account.code for account in self._gateway.accounts()}
        heads: dict[int, tuple[int, bytes]] = {}
        batches = rows = 0
        for posted in self._posted(progress):
            if posted.log_index != batches:
                self._found(f"block {posted.block}", "a batch of the log is missing")
            batches = posted.log_index + 1
            rows += posted.header.row_count
            self._batch(posted, codes, heads)
        return batches, rows

    def _posted(self, progress: Callable[[str, int, int], None] | None) -> Iterator[PostedBatch]:
        start = self._gateway.deployment.block
        for first in range(start, self._last + 1, _BLOCKS):
            until = min(first + _BLOCKS - 1, self._last)
            yield from self._gateway.batches(first, until)
            if progress:
                progress("chain", until - start + 1, self._last - start + 1)

    def _batch(
        self, posted: PostedBatch, codes: dict[bytes, int], heads: dict[int, tuple[int, bytes]]
    ) -> None:
        header = posted.header
        where = f"batch {header.sequence} of 0x{header.member.hex()}, block {posted.block}"
        if header.hash != posted.batch_hash:
            self._found(where, "the chain names another hash than the header has")
        try:
            header.check_author(posted.signature, self._gateway.deployment.genesis)
        except VerificationError as error:
            self._found(where, error.what)
        code = codes.get(header.member)
        if code is None:
            self._found(where, "the account was never a member")
            return
        expected = heads.get(code, (0, GENESIS_HASH))
        if (header.sequence, header.previous_hash) != expected:
            self._found(where, f"the batch does not follow batch {expected[0] - 1} of its member")
        heads[code] = (header.sequence + 1, posted.batch_hash)

    # -- logs -------------------------------------------------------------------------------------------

    def _published(self, published: Path | str, name: str, origin: str) -> PublishedLog | None:
        try:
            return published_log(published, name, self._trust.policy, origin)
        except ConfigurationError:
            raise
        except VerificationError as error:
            self._found(f"published log {name}", f"it does not verify: {error.what}")
            return None

    def _ledger_log(self, published: Path | str, logs: ChainLogs) -> PublishedLog | None:
        found = self._published(published, "ledger", self._trust.deployment.ledger_origin)
        if found is None:
            return None
        head = found.checkpoint
        if head.size > logs.size:
            what = f"it has {head.size} entries, the chain gives {logs.size}"
            self._found("published log ledger", what)
        elif logs.tiles().root(head.size) != head.root:
            self._found("published log ledger", "its root is not the one that the chain gives")
        return found

    def _verdict_log(self, published: Path | str, logs: ChainLogs) -> list[Verdict] | None:
        where = "published log verdicts"
        found = self._published(published, "verdicts", self._trust.deployment.verdict_origin)
        if found is None:
            return None
        if logs.contradiction is not None:
            self._found("case log", logs.contradiction)
        head = found.checkpoint
        anchor = logs.anchor_at(head.size)
        if anchor is None or anchor.root != head.root:
            self._found(where, f"the chain does not record its head at {head.size} verdicts")
        try:
            if found.tiles.root(head.size) != head.root:
                raise VerificationError("its entries do not give the root of its checkpoint")
            verdicts = [parse_verdict(entry) for entry in found.tiles.entries(0, head.size)]
        except VerificationError as error:
            self._found(where, error.what)
            return None
        self._in_order(verdicts, logs)
        return verdicts

    def _in_order(self, verdicts: list[Verdict], logs: ChainLogs) -> None:
        """Check that there is one verdict for each batch, in the order of the ledger log."""
        entries = enumerate(map(parse_entry, logs.tiles().entries()))
        batches = ((index, entry.header.hash) for index, entry in entries if isinstance(entry, Posting))
        for number, verdict in enumerate(verdicts):
            expected = next(batches, None)
            if expected != (verdict.index, verdict.batch_hash):
                self._found(f"verdict {number}", "it is not about the batch at this place of the ledger log")
                return
