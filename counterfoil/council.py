"""The members' decisions: propose a change, approve it, execute it; found a consortium by confirming it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from counterfoil.accounts import PartyAccount
from counterfoil.connection import DEFAULT_HOME, Connection, as_home
from counterfoil.extras import needs
from ledger.errors import ConfigurationError, InputError
from ledger.home import Home
from ledger.signing import AccountKey, address_of
from ledger.transcripts import audit_ceremony

if TYPE_CHECKING:
    from ledger.gateway import Call, Founding, Gateway, Member, Proposal
    from ledger.member.keys import MemberKeys

__all__ = ["Council", "Outcome", "confirm_all", "decide", "execute", "member_named"]

#: A delay that is not longer is waited for; otherwise the proposal is left to be executed later.
_PATIENCE_SECONDS: Final = 30

#: Most calls in one step of the founder: an embedded chain takes up to a tenth of a second for each.
_CALLS_TOGETHER: Final = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a decision.

    Parameters
    ----------
    done : bool
        Whether the change is made.
    proposal : int or None
        The number of the proposal; None for a step of the founding.
    approvals, needed : int
        How many members approve, and how many must.
    executable_at : int
        Unix time from which the proposal can be executed; 0 without a quorum.
    """

    done: bool
    proposal: int | None = None
    approvals: int = 0
    needed: int = 0
    executable_at: int = 0


@needs("member")
class Council:
    """Takes part in the members' decisions with the keys of one member.

    Parameters
    ----------
    home : Home or path
        The state folder.
    agent : str, optional
        The member that acts; by default the only one whose keys are in the state folder.
    chain : str, optional
        JSON-RPC endpoint; the embedded chain of the state folder by default.
    """

    def __init__(
        self, home: Home | Path | str = DEFAULT_HOME, agent: str | None = None, *, chain: str | None = None
    ) -> None:
        self.home = as_home(home)
        self._agent = agent
        self._connection = Connection(self.home, chain)

    @property
    def agent(self) -> str:
        """The member that acts; raises InputError if that is not clear."""
        return self._keys().agent

    def gateway(self) -> Gateway:
        """Return a connection to the consortium's contracts; raises as `Connection.gateway` does."""
        return self._connection.gateway()

    def founding(self) -> Founding:
        """Return what the founder did, and which members confirmed it."""
        return self.gateway().founding()

    def confirm(self) -> Founding:
        """Confirm, as a founding member, everything that the founder did up to now.

        Raises
        ------
        VerificationError
            When the transcript of a key ceremony does not give the key on the chain.
        """
        gateway = self.gateway()
        for epoch in gateway.epochs():
            audit_ceremony(gateway, gateway.key_ceremony(epoch.number))
        gateway.transact(self._key(), "Consortium", "confirmFounding", gateway.founding().digest)
        return gateway.founding()

    def proposals(self) -> list[Proposal]:
        """Return every proposal, oldest first."""
        return self.gateway().proposals()

    def propose(self, title: str, calls: Sequence[Call], *, rehearse: bool = True) -> Proposal:
        """Propose calls to the other members; the member approves by proposing.

        Parameters
        ----------
        title : str
            One line for people.
        calls : sequence of Call
            From `Gateway.call`.
        rehearse : bool
            Ask the chain first whether the calls would succeed now.

        Raises
        ------
        TransactionRejectedError
            When a contract would refuse a call, with its reason.
        """
        gateway = self.gateway()
        if rehearse and len(calls) == 1:
            gateway.rehearse_calls(calls)
        number = _propose(gateway, self._key(), title, calls)
        return gateway.proposal(number)

    def approve(self, number: int) -> Proposal:
        """Approve a proposal, with the calls that it has now.

        Raises
        ------
        VerificationError
            When it opens an epoch, and the transcript of the key ceremony does not give the key on the chain.
        """
        gateway = self.gateway()
        known = gateway.proposal(number)
        for call in known.calls:
            if call.function == "openEpoch":
                audit_ceremony(gateway, gateway.key_ceremony(dict(call.arguments)["epoch"]))
        gateway.transact(self._key(), "Consortium", "approve", number, known.calls_hash)
        return gateway.proposal(number)

    def withdraw_approval(self, number: int) -> Proposal:
        """Take the member's approval back, until the proposal is executed."""
        gateway = self.gateway()
        gateway.transact(self._key(), "Consortium", "withdrawApproval", number)
        return gateway.proposal(number)

    def cancel(self, number: int) -> Proposal:
        """Cancel the member's own proposal."""
        gateway = self.gateway()
        gateway.transact(self._key(), "Consortium", "cancel", number)
        return gateway.proposal(number)

    def execute(self, number: int) -> Proposal:
        """Make the calls of a proposal that has passed, after its delay."""
        gateway = self.gateway()
        execute(gateway, self._key(), gateway.proposal(number))
        return gateway.proposal(number)

    def suspend_itself(self) -> None:
        """Suspend the member itself, at once: for a key that was stolen."""
        key = self._keys()
        self.gateway().transact(key.account, "Consortium", "suspendMember", key.address)

    def dismiss_officer(self, account: str) -> None:
        """End the office of one of the member's own officers, at once."""
        self.gateway().transact(self._key(), "Consortium", "dismissOfficer", account)

    def _key(self) -> AccountKey:
        return self._keys().account

    def _keys(self) -> MemberKeys:
        from ledger.member.keys import MemberKeys

        if self._agent is not None:
            return MemberKeys.load(self.home.member(self._agent).keys)
        known = _members_here(self.home)
        if len(known) != 1:
            raise InputError(
                "no member's keys are in this state folder"
                if not known
                else f"the keys of {len(known)} members are in this state folder",
                where=str(self.home.root),
                next_step="Give the member that acts with --as.",
            )
        return known[0]


def decide(home: Home, gateway: Gateway, title: str, calls: Sequence[Call]) -> Outcome:
    """Let everybody whose key is in this state folder decide on calls.

    Before the founding it is a step of the founder. Afterwards one member proposes and the others approve, as
    many as are needed. A consortium whose members are on one machine changes with one call; otherwise the
    other members must approve the proposal.

    Raises
    ------
    TransactionRejectedError
        When a contract refuses, with its reason.
    ConfigurationError
        When neither the founder's key nor an active member's is in the state folder.
    """
    from ledger.member.keys import MemberKeys

    if not calls:
        return Outcome(done=True)
    if not gateway.is_founded():
        founder = PartyAccount.load(home.founder, who="the founder").key
        for start in range(0, len(calls), _CALLS_TOGETHER):
            step = [call.pair for call in calls[start : start + _CALLS_TOGETHER]]
            gateway.transact(founder, "Consortium", "prepare", step)
        return Outcome(done=True)
    active = {member.account.lower() for member in gateway.members() if member.status == "active"}
    here = [path for path, account in _key_files(home) if account in active]
    if not here:
        raise ConfigurationError(
            "no active member's keys are in this state folder",
            where=str(home.root),
            next_step="Let a member propose the change: `counterfoil consortium --help` lists the proposals.",
        )
    if len(calls) == 1:
        gateway.rehearse_calls(calls)
    first, *others = here
    proposer = MemberKeys.load(first).account
    number = _propose(gateway, proposer, title, calls)
    known = gateway.proposal(number)
    for other in others[: known.needed - 1]:  # no more key files are opened than must approve
        gateway.transact(MemberKeys.load(other).account, "Consortium", "approve", number, known.calls_hash)
    known = gateway.proposal(number)
    done = known.status == "passed" and _wait(gateway, known.executable_at)
    if done:
        execute(gateway, proposer, known)
        known = gateway.proposal(number)
        done = known.status == "executed"  # if the quorum came when a member left, the delay begins only now
    return Outcome(done, number, len(known.approvals), known.needed, known.executable_at)


def confirm_all(home: Home, gateway: Gateway) -> None:
    """Confirm the founding with the keys of every member in this state folder."""
    known = gateway.founding()
    codes = {member.account: member.code for member in gateway.members()}
    for keys in _members_here(home):
        if not known.founded and codes.get(keys.address) not in (None, *known.confirmed):
            gateway.transact(keys.account, "Consortium", "confirmFounding", known.digest)


def member_named(gateway: Gateway, agent: str) -> Member:
    """Return a member by its identifier.

    Raises
    ------
    InputError
        When the bank is not a member.
    """
    found = next((member for member in gateway.members() if member.agent == agent), None)
    if found is None:
        raise InputError(
            f"{agent} is not a member of the consortium",
            next_step="Run `counterfoil consortium status`, which lists the members.",
        )
    return found


def _members_here(home: Home) -> list[MemberKeys]:
    from ledger.member.keys import MemberKeys

    return [MemberKeys.load(path) for path in sorted((home.root / "members").glob("*/keys.json"))]


def _key_files(home: Home) -> list[tuple[Path, str]]:
    """Return each member's key file and its account in lower case; those without a passphrase first."""
    from ledger.member.keys import read_member_keys

    found = []
    for path in sorted((home.root / "members").glob("*/keys.json")):
        document = read_member_keys(path)
        found.append((document.encrypted, path, "0x" + document.keys["account"].public))
    return [(path, account) for _, path, account in sorted(found)]


def _propose(gateway: Gateway, key: AccountKey, title: str, calls: Sequence[Call]) -> int:
    block = gateway.transact(key, "Consortium", "propose", [call.pair for call in calls], title)
    return gateway.proposed_in(block, address_of(key))


def execute(gateway: Gateway, key: AccountKey, known: Proposal) -> None:
    """Make the calls of a proposal that has passed."""
    calls = [call.pair for call in known.calls]
    gateway.transact(key, "Consortium", "execute", known.number, calls)


def _wait(gateway: Gateway, executable_at: int) -> bool:
    """Wait for a short delay; return whether it is over."""
    if executable_at - time.time() > _PATIENCE_SECONDS:
        return False
    while time.time() < executable_at:
        time.sleep(0.1)
    return True
