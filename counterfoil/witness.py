"""The witness of a member bank: it cosigns the desk's checkpoints after it checked them with its own node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from counterfoil.connection import DEFAULT_HOME, Connection, as_home
from counterfoil.endpoint import announced, running
from counterfoil.extras import needs
from counterfoil.member import agent_identifier
from counterfoil.processes import started
from counterfoil.witnesses import load_policy
from ledger.home import Home
from ledger.installation import check_extra

if TYPE_CHECKING:
    from ledger.log.follow import ChainLogs
    from ledger.witness import Case, LogState, Witness

__all__ = ["MemberWitness", "WitnessStatus"]

#: What a witness signs to check its key; it is no checkpoint.
_PROBE: Final = b"counterfoil: is the key of this witness at hand?"


@dataclass(frozen=True, slots=True)
class WitnessStatus:
    """The state of a witness: its key, each log, and the evidence against a log.

    Parameters
    ----------
    agent : str
    key : str
        Its verifier key.
    url : str or None
        Its address, if it runs.
    logs : list of LogState
    evidence : list of Case
        Empty, unless a log showed two histories.
    """

    agent: str
    key: str
    url: str | None
    logs: list[LogState]
    evidence: list[Case]


@needs("member")
class MemberWitness:
    """The witness of a member, on the member's own machine.

    The state folder has the deployment file and the policy file of the consortium, and the member's keys.

    Parameters
    ----------
    agent : str
        The bank's identifier in the consortium (its BIC).
    home : Home or path
    chain : str, optional
        JSON-RPC endpoint of the member's own node; the embedded chain of the state folder by default.
    depth : int
        Number of later blocks after which a block is final.

    Raises
    ------
    InputError
        When `agent` is not an agent identifier.
    """

    def __init__(
        self,
        agent: str,
        home: Home | Path | str = DEFAULT_HOME,
        *,
        chain: str | None = None,
        depth: int = 0,
    ) -> None:
        self.agent = agent_identifier(agent)
        self.home = as_home(home)
        self.folder = self.home.member(self.agent).witness
        self._chain = chain
        self._depth = depth
        self._connection = Connection(self.home, chain)

    def witness(self, *, warn: Callable[[str], None] = lambda _: None) -> Witness:
        """Return the witness, which decides about checkpoints.

        Parameters
        ----------
        warn : callable, optional
            Called with a sentence when a log shows two histories, or the node cannot be read.

        Raises
        ------
        ConfigurationError
            When the deployment, the policy or the member's keys are missing.
        """
        from ledger.deployment import Deployment
        from ledger.member.keys import MemberKeys
        from ledger.witness import LedgerRule, VerdictRule, Witness

        deployment = Deployment.load(self.home.deployment)
        keys = MemberKeys.load(self.home.member(self.agent).keys)
        return Witness(
            self.folder,
            deployment.witness_name(self.agent),
            keys.witness,
            load_policy(self.home).log_keys,
            rules={
                deployment.ledger_origin: LedgerRule(self._followed),
                deployment.verdict_origin: VerdictRule(self._followed),
            },
            warn=warn,
        )

    def require_ready(self) -> None:
        """Check that the witness can sign: its key file opens, and a key on a token answers.

        Raises
        ------
        ConfigurationError
            When the keys are missing, or the token is not there.
        PassphraseError
            When the passphrase or the PIN is missing or wrong.
        """
        from ledger.log.signer import as_checkpoint_signer
        from ledger.member.keys import MemberKeys

        keys = MemberKeys.load(self.home.member(self.agent).keys)
        as_checkpoint_signer(keys.witness).sign(_PROBE)

    def review(self) -> None:
        """Check the last cosigned checkpoint of each log again, with the chain as it is now.

        Raises
        ------
        ContradictionError
            When a checkpoint contradicts the chain; it is kept as evidence.
        ChainError
            When the node does not answer.
        """
        self.witness().review()

    def status(self) -> WitnessStatus:
        """Return the state of the witness; this needs no chain."""
        from ledger.witness import WitnessBook

        key = self.witness().key.text
        with WitnessBook(self.folder) as book:
            return WitnessStatus(self.agent, key, self.url(), book.states(), book.cases())

    def url(self) -> str | None:
        """Return the address of the running witness; None if it does not run."""
        return running(self.folder)

    def announced(self, url: str) -> AbstractContextManager[None]:
        """Write the address of the witness to a file while it runs.

        Raises
        ------
        ConfigurationError
            When this witness is already running.
        """
        return announced(self.folder, url, "witness")

    def ensure_running(self, serve: Sequence[str]) -> tuple[str, int | None]:
        """Return the address of the witness, and its new process (None if it was already running).

        Parameters
        ----------
        serve : sequence of str
            The module, with its arguments, that serves this witness.
        """
        url = self.url()
        if url is not None:
            return url, None
        check_extra("member")
        log = self.home.root / f"witness-{self.agent}.log"
        self.require_ready()  # a passphrase that is asked for is asked here: the new process has no terminal
        return started(serve, log, self.url, f"the witness of {self.agent}", opens_keys=True)

    @contextmanager
    def _followed(self) -> Iterator[ChainLogs]:
        """Open the logs that this witness derives, brought up to the newest final block."""
        from ledger.log.follow import ChainLogs

        gateway = self._connection.gateway()
        with ChainLogs(self.folder / "logs.sqlite", self.folder / "ledger") as logs:
            logs.follow(gateway, gateway.height() - self._depth)
            yield logs
