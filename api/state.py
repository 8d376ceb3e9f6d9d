"""What the desk keeps, read for one request at a time: chain, mirror, flags, and what it publishes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa

from api.tokens import TokenFile
from compliance.ruleset import RuleSet
from ledger.audit.trust import Trust
from ledger.deployment import Deployment
from ledger.errors import (
    ChainError,
    ChainUnreachableError,
    ConfigurationError,
    InputError,
    VerificationError,
)
from ledger.gateway import Gateway, Member
from ledger.home import Home
from ledger.reader.cases import CaseBook, KeptFlag
from ledger.reader.decisions import DecisionBook, KeptDecision
from ledger.reader.mirror import Mirror
from ledger.segment import FileEntry, Manifest, SegmentError, load
from localchain import status as chain_status

__all__ = ["DeskState"]

T = TypeVar("T")

#: Seconds for which what the chain said of the consortium is taken as current.
_FRESH_SECONDS: Final = 5.0

_CHAIN_TIMEOUT: Final = 10.0


class DeskState:
    """What the desk's API answers from.

    SQLite connections belong to one thread, so each request opens its own. The chain's answers are kept for
    a few seconds, flags until their file changes.

    Parameters
    ----------
    home : Home
    chain : str, optional
        JSON-RPC endpoint; the home's embedded chain by default, found anew if it moves.
    max_lag : int
        Blocks that the mirror may be behind while batches wait.
    """

    def __init__(self, home: Home, *, chain: str | None = None, max_lag: int = 16) -> None:
        self.home = home
        self.max_lag = max_lag
        self.tokens = TokenFile(home.tokens)
        self._chain = chain
        self._lock = threading.Lock()
        self._gateway: tuple[float, Gateway] | None = None
        self._members: tuple[float, list[Member]] | None = None
        self._flags: tuple[tuple[int, ...], list[KeptFlag]] | None = None

    # -- the chain --------------------------------------------------------------------------------------

    def gateway(self) -> Gateway:
        """Return a connection to the consortium.

        Raises
        ------
        ChainError
            When the chain does not answer, or is another one.
        ConfigurationError
            When no consortium is set up in this home.
        """
        url = self._chain_url()
        with self._lock:
            kept = self._gateway
        if kept is not None and kept[1].url == url and time.monotonic() - kept[0] < _FRESH_SECONDS:
            return kept[1]
        gateway = Gateway(url, Deployment.load(self.home.deployment), timeout=_CHAIN_TIMEOUT)
        with self._lock:
            self._gateway = (time.monotonic(), gateway)
        return gateway

    def _chain_url(self) -> str:
        if self._chain is not None:
            return self._chain
        url = chain_status(self.home.chain)["url"]
        if url is None:
            raise ChainUnreachableError(
                "the embedded chain is not running",
                where=str(self.home.chain),
                next_step="The operator starts it with `counterfoil chain start`.",
            )
        return str(url)

    def members(self) -> list[Member]:
        """Return the members as the chain knows them; at most a few seconds old."""
        with self._lock:
            kept = self._members
        if kept is not None and time.monotonic() - kept[0] < _FRESH_SECONDS:
            return kept[1]
        members = self.gateway().members()
        with self._lock:
            self._members = (time.monotonic(), members)
        return members

    def rule_set(self) -> tuple[RuleSet, bytes, str, int] | None:
        """Return the rule set in force with its hash, author and version; None before the first.

        Raises
        ------
        ChainError
            When what was approved on the chain is not a rule set.
        """
        active = self.gateway().active_rule_set()
        if active is None or active.version is None:
            return None
        try:
            return _rule_set(active.document), active.hash, active.author, active.version
        except (VerificationError, InputError) as error:
            raise ChainError(
                f"version {active.version} of the rules on the chain cannot be read: {error.what}",
                next_step="The officers approve a readable rule set.",
            ) from error

    # -- the mirror -------------------------------------------------------------------------------------

    @contextmanager
    def mirror(self) -> Iterator[Mirror]:
        """Open the mirror's state for one request.

        Raises
        ------
        ConfigurationError
            When nothing was mirrored yet.
        """
        if not (self.home.desk.mirror / "state.sqlite").exists():
            raise ConfigurationError(
                "there is no mirror yet", next_step="The operator runs `counterfoil desk sync` first."
            )
        mirror = Mirror(self.home.desk.mirror)
        try:
            yield mirror
        finally:
            mirror.close()

    def transfers(self) -> tuple[Manifest, pa.Table]:
        """Return the matched transfers (`ledger.tables.TRANSFER`) and the manifest that names them."""

        def read() -> tuple[Manifest, pa.Table]:
            manifest = Manifest.read(self.home.desk.mirror)
            if manifest.transfers is None:
                raise ConfigurationError(
                    "no halves were matched yet", next_step="The operator runs `counterfoil desk sync`."
                )
            return manifest, _transfers(self.home.desk.mirror, manifest.transfers)

        return _twice(read)

    # -- flags and what is published --------------------------------------------------------------------

    def flags(self) -> list[KeptFlag]:
        """Return every flag in the order it was raised."""
        path = self.home.desk.cases
        if not path.exists():
            return []
        seen = _signature(path)
        with self._lock:
            kept = self._flags
        if kept is not None and kept[0] == seen:
            return kept[1]
        with CaseBook(path) as book:
            flags = book.flags()
        with self._lock:
            self._flags = (seen, flags)
        return flags

    def decisions(self) -> dict[bytes, list[KeptDecision]]:
        """Return each flag's decisions, oldest first, as the desk last read them from the chain."""
        path = self.home.desk.cases
        if not path.exists():
            return {}
        with DecisionBook(path) as book:
            return book.by_flag()

    def checkpoint(self) -> bytes:
        """Return the signed checkpoint as it was published."""
        return _published(self.home.desk.checkpoint, "no checkpoint was signed yet")

    def log(self) -> Path:
        """Return the file of published batch hashes."""
        if not self.home.desk.log.exists():
            raise ConfigurationError("no log was published yet", next_step="The desk publishes it on sync.")
        return self.home.desk.log

    def trust(self) -> Trust:
        """Return the trust file that the desk checks receipts against."""
        return Trust.load(self.home.trust)


def _twice(read: Callable[[], T]) -> T:
    """Read again once: a sync may replace a file between its manifest and itself."""
    try:
        return read()
    except SegmentError:
        time.sleep(0.2)
        return read()


def _published(path: Path, missing: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigurationError(missing, next_step="The desk publishes it on sync.") from error


def _signature(path: Path) -> tuple[int, ...]:
    """Return what changes whenever a SQLite file or its write-ahead log does."""
    found: list[int] = []
    for file in (path, path.with_name(path.name + "-wal")):
        try:
            status = file.stat()
            found += (status.st_ino, status.st_mtime_ns, status.st_size)
        except FileNotFoundError:
            found.append(-1)
    return tuple(found)


@lru_cache(maxsize=1)
def _transfers(folder: Path, entry: FileEntry) -> pa.Table:
    return load(folder, entry)


@lru_cache(maxsize=4)
def _rule_set(document: bytes) -> RuleSet:
    return RuleSet.from_bytes(document)
