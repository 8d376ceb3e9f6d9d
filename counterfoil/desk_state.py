"""What the desk reads of the chain and of its own files: members, rules, mirror, published logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from counterfoil import caseload
from counterfoil.connection import DEFAULT_HOME, Connection, as_home
from counterfoil.extras import needs
from ledger.errors import ChainError, ConfigurationError, InputError, VerificationError
from ledger.home import Home

if TYPE_CHECKING:
    import pyarrow as pa

    from compliance.ruleset import RuleSet
    from ledger.audit.trust import Trust
    from ledger.gateway import Gateway, Member
    from ledger.reader.mirror import Mirror
    from ledger.segment import Manifest

__all__ = ["ActiveRules", "DeskState", "Readiness"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """The block and batch numbers of the chain and of the mirror; see `DeskState.readiness`."""

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
class DeskState:
    """The state that the desk answers from; see `counterfoil.Desk`.

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

    def published(self, log: str, path: str) -> bytes | None:
        """Return a published file of a log: its checkpoint, or a tile; None if there is none.

        Parameters
        ----------
        log : {"ledger", "verdicts"}
        path : str
            Path below the log, as C2SP tlog-tiles defines it; the caller has checked it.
        """
        try:
            return (self.home.desk.public / log / path).read_bytes()
        except FileNotFoundError:
            return None


@lru_cache(maxsize=4)
def _ruleset(document: bytes) -> RuleSet:
    from compliance.ruleset import RuleSet

    return RuleSet.from_bytes(document)
