"""The operator: prepares a consortium, runs the embedded chain, reads its state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterfoil import founding, processes
from counterfoil.connection import DEFAULT_HOME, Connection, as_home, chain_errors, chain_url
from counterfoil.council import Outcome
from counterfoil.extras import needs
from ledger.errors import ChainUnreachableError
from ledger.home import Home
from ledger.installation import check_extra

if TYPE_CHECKING:
    from collections.abc import Callable

    from compliance.ruleset import RuleSet
    from counterfoil.member import Member
    from ledger.encoding.policy import Policy, TimeUnit
    from ledger.gateway import Gateway, Limits, Rules
    from ledger.log import Policy as LogPolicy
    from localchain.check import Summary

__all__ = ["ConsortiumStatus", "Operator"]


@dataclass(frozen=True, slots=True)
class ConsortiumStatus:
    """The members and readers of a consortium, and the policy and rule set in force, from the chain.

    What is not there yet is None: a founder opens the first epoch and publishes the first policy.
    """

    chain_id: int
    height: int
    batches: int
    epoch: int | None
    policy: str | None
    time_unit: str | None
    rule_set: str | None
    rule_set_version: int | None
    readers: list[str]
    members: list[dict[str, Any]]
    founded: bool
    paused: bool
    quorum: dict[str, int]
    limits: dict[str, int]
    officers: list[dict[str, Any]]
    key_holders: dict[str, Any]
    warnings: list[str]


@needs("operator")
class Operator:
    """The operator of a consortium.

    Parameters
    ----------
    home : Home or path
        The state folder.
    chain : str, optional
        JSON-RPC endpoint; the embedded chain of the state folder by default.
    """

    def __init__(self, home: Home | Path | str = DEFAULT_HOME, *, chain: str | None = None) -> None:
        self.home = as_home(home)
        self._chain = chain
        self._connection = Connection(self.home, chain)

    # -- the consortium ---------------------------------------------------------------------------------

    @property
    def has_keys(self) -> bool:
        """Whether the founder's key is in the state folder: the consortium was founded on this machine."""
        return self.home.founder.exists()

    def gateway(self) -> Gateway:
        """Return a connection to the consortium's contracts; raises as `Connection.gateway` does."""
        return self._connection.gateway()

    def prepare(self, *, rules: Rules | None = None, limits: Limits | None = None) -> Gateway:
        """Deploy the contracts and register the desk; the founding members are admitted afterwards.

        Parameters
        ----------
        rules : Rules, optional
            How the members decide; by default two thirds of them, and a change takes effect at once.
        limits : Limits, optional
            What one member may do in a day.
        """
        with chain_errors():
            return founding.found(self.home, self._chain or chain_url(self.home), rules=rules, limits=limits)

    def found(
        self,
        members: Iterable[Member],
        ruleset: RuleSet | None = None,
        *,
        rules: Rules | None = None,
        limits: Limits | None = None,
        holders: int = 1,
        threshold: int = 1,
    ) -> Gateway:
        """Found a whole consortium on this machine: contracts, pseudonym key, members, officers, rule set.

        Finished steps are not repeated, so the same call again completes an interrupted one.

        Parameters
        ----------
        members : iterable of Member
            The founding members, at least one, with their keys on this machine.
        ruleset : RuleSet, optional
            The rule set to put in force; the model rulebook by default.
        rules, limits : optional
            As for `prepare`.
        holders, threshold : int
            How many key holders there are, and how many must answer.
        """
        if ruleset is None:
            from compliance.rulebook import model_ruleset

            ruleset = model_ruleset()
        url = self._chain or chain_url(self.home)
        with chain_errors():
            return founding.establish(
                self.home,
                url,
                ruleset,
                [member.keys() for member in members],
                rules=rules,
                limits=limits,
                holders=holders,
                threshold=threshold,
            )

    def complete(self, ruleset: RuleSet | None = None) -> Gateway:
        """Publish the policy, appoint officers, confirm with every member here, activate a rule set."""
        if ruleset is None:
            from compliance.rulebook import model_ruleset

            ruleset = model_ruleset()
        gateway = self.gateway()
        with chain_errors():
            founding.settle(self.home, gateway, ruleset)
        return gateway

    def admit(self, members: Iterable[Member]) -> Outcome:
        """Let the members on this machine admit others, and write a new trust file.

        Before the founding the founder admits them.
        """
        with chain_errors():
            return founding.admit(self.home, self.gateway(), [member.keys() for member in members])

    def policy(self) -> LogPolicy:
        """Return the policy of the checkpoints: the logs, the witnesses, and the quorum."""
        from counterfoil.witnesses import load_policy

        return load_policy(self.home)

    def name_witnesses(self, urls: Mapping[str, str], *, quorum: int | None = None) -> LogPolicy:
        """Add witnesses of members to the policy of the checkpoints, and write a new trust file.

        See `counterfoil.witnesses.name_witnesses`.
        """
        from counterfoil.witnesses import name_witnesses

        gateway = self.gateway()
        policy = name_witnesses(self.home, gateway, urls, quorum=quorum)
        founding.write_trust(self.home, gateway)
        return policy

    def add_reader(self, public_key: bytes, label: str) -> Outcome:
        """Let the members on this machine register a reader: later rows are sealed to its key too.

        Parameters
        ----------
        public_key : bytes
            HPKE public key, 32 bytes; `counterfoil audit keys` makes one for an auditor.
        label : str
            Who reads with it; it is public.
        """
        return founding.add_reader(self.home, self.gateway(), public_key, label)

    def open_epoch(self, epoch: int, *, starts: datetime | None = None) -> Outcome:
        """Open an epoch of the pseudonym key; see `counterfoil.founding.open_epoch`."""
        return founding.open_epoch(self.home, self.gateway(), epoch, starts=starts)

    def publish_policy(
        self,
        *,
        cuts: Mapping[str, Sequence[int]],
        rule_set: bytes | None,
        time_unit: TimeUnit = "hour",
        development: bool = False,
    ) -> Policy:
        """Publish an encoding policy; see `counterfoil.founding.publish_policy`."""
        return founding.publish_policy(
            self.home,
            self.gateway(),
            cuts=cuts,
            rule_set=rule_set,
            time_unit=time_unit,
            development=development,
        )

    def status(self) -> ConsortiumStatus:
        """Return the members and readers of the consortium, and the policy and rule set in force."""
        from ledger.encoding.policy import Policy

        gateway = self.gateway()
        documents = list(gateway.policies().values())
        policy = Policy.from_document(documents[-1]) if documents else None
        epochs = gateway.epochs()
        rules = gateway.active_rule_set()
        members = gateway.members()
        agents = {member.code: member.agent for member in members}
        active = sum(member.status == "active" for member in members)
        proposals, pauses = gateway.quorum()
        ceremony = gateway.ceremony(gateway.key_ceremony(epochs[-1].number)) if epochs else None
        return ConsortiumStatus(
            chain_id=gateway.deployment.chain_id,
            height=gateway.height(),
            batches=gateway.log_size(),
            epoch=epochs[-1].number if epochs else None,
            policy=None if policy is None else policy.hash.hex(),
            time_unit=None if policy is None else policy.time_unit,
            rule_set=None if rules is None else rules.hash.hex(),
            rule_set_version=None if rules is None else rules.version,
            readers=[reader.label for reader in gateway.readers()],
            members=[
                {"code": m.code, "agent": m.agent, "status": m.status, "account": m.account} for m in members
            ],
            founded=gateway.is_founded(),
            paused=gateway.is_paused(),
            quorum={"proposals": proposals, "pause": pauses, "delay": gateway.rules().delay},
            limits=asdict(gateway.limits()),
            officers=[
                {"account": account, "member": agents.get(code, "")}
                for account, code in gateway.officers().items()
            ],
            key_holders={}
            if ceremony is None
            else {
                "threshold": ceremony.threshold,
                "holders": list(ceremony.accounts),
                "ceremony": ceremony.number,
            },
            warnings=_warnings(active, gateway.rules().delay, ceremony.threshold if ceremony else None),
        )

    # -- the embedded chain -----------------------------------------------------------------------------

    def start_chain(
        self, *, port: int | None = 0, chain_id: int = processes.CHAIN_ID, detached: bool = False
    ) -> tuple[str, int | None]:
        """Start the embedded chain as a process, unless it runs; see `counterfoil.processes.ensure_chain`."""
        check_extra("operator")
        with chain_errors():
            return processes.ensure_chain(self.home, port=port, chain_id=chain_id, detached=detached)

    def serve_chain(
        self,
        *,
        port: int | None,
        chain_id: int = processes.CHAIN_ID,
        ready: Callable[[str], None] | None = None,
    ) -> None:
        """Serve the embedded chain in this process until it is stopped; `ready` receives its address."""
        from localchain.server import serve

        with chain_errors():
            serve(self.home.chain, port=port, chain_id=chain_id, ready=ready)

    def chain_status(self) -> dict[str, Any]:
        """Return whether the embedded chain runs, its address and its number of blocks."""
        from localchain import status

        with chain_errors():
            return dict(status(self.home.chain))

    def stop_chain(self) -> dict[str, Any]:
        """Stop the embedded chain, and return its last status; all blocks are kept.

        Raises
        ------
        ChainUnreachableError
            When it is not running.
        """
        state = self.chain_status()
        if state["pid"] is None:
            raise ChainUnreachableError("the embedded chain is not running", where=str(self.home.chain))
        processes.stop(int(state["pid"]))
        return state

    def back_up_chain(self, target: Path) -> Summary:
        """Copy the embedded chain into a new folder and verify the copy; the chain may run meanwhile.

        Raises
        ------
        VerificationError
            When the chain is damaged.
        """
        from localchain.backup import back_up

        with chain_errors():
            return back_up(self.home.chain, target)

    def restore_chain(self, source: Path, *, force: bool = False) -> Summary:
        """Replace a stopped embedded chain by a backup; blocks after the backup are lost.

        Parameters
        ----------
        source : Path
            A folder that `back_up_chain` created.
        force : bool
            Replace a chain that has blocks; the old chain is moved to another folder.

        Raises
        ------
        VerificationError
            When the backup is damaged.
        """
        from localchain.backup import restore

        with chain_errors():
            return restore(source, self.home.chain, force=force)


def _warnings(active: int, delay: int, threshold: int | None) -> list[str]:
    """Return what a consortium of this shape does not promise."""
    told = []
    if active < 3:
        told.append("With fewer than three active members one of them decides: nobody outvotes it.")
    if active == 1:
        told.append("The only member's officers approve its own rule sets.")
    if delay == 0:
        told.append("A proposal takes effect at once: nobody can object to it in time.")
    if threshold == 1:
        told.append("One key holder can turn account numbers into pseudonyms by itself.")
    return told
