"""The usual changes of a consortium, as calls that the members decide on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from counterfoil.accounts import PartyAccount
from counterfoil.admission import read_request
from counterfoil.ceremonies import HolderIdentity, ceremony_call
from counterfoil.council import Council, Outcome, member_named
from counterfoil.member import agent_identifier
from ledger.errors import InputError
from ledger.signing import checksummed

if TYPE_CHECKING:
    from ledger.gateway import Call, Gateway, Limits, Rules

__all__ = ["Acts", "limits_of", "rules_of"]

#: Functions that give an account something to do on the chain.
_NAMES_AN_ACCOUNT: Final = ("admitMember", "appointOfficer", "grantRole")

_ROLES: Final = {"desk": "DESK_ROLE", "auditor": "AUDITOR_ROLE"}


def rules_of(quorum: int, pause_quorum: int, delay: int) -> Rules:
    """Return how the members decide; a proposal is void after 30 days, or after twice the delay."""
    from ledger.gateway import Rules

    return Rules(quorum, pause_quorum, delay, max(Rules().lifetime, 2 * delay))


def limits_of(evaluations: int) -> Limits:
    """Return the usual limits, with this number of new accounts of a member in a day."""
    from ledger.gateway import Limits

    return Limits(evaluations=evaluations)


class Acts:
    """Makes the calls of the usual changes, and decides on them as the member of a council.

    Parameters
    ----------
    council : Council
    """

    def __init__(self, council: Council) -> None:
        self.council = council
        self._gateway: Gateway | None = None

    @property
    def gateway(self) -> Gateway:
        """The connection to the consortium's contracts."""
        if self._gateway is None:
            self._gateway = self.council.gateway()
        return self._gateway

    # -- deciding ---------------------------------------------------------------------------------------

    def is_founding(self) -> bool:
        """Return whether the founder prepares the consortium, and its key is in the state folder."""
        return self.council.home.founder.exists() and not self.gateway.is_founded()

    def is_itself(self, agent: str) -> bool:
        """Return whether an agent is the member that acts."""
        try:
            return self.council.agent == agent and not self.is_founding()
        except InputError:  # the keys of several members are here
            return False

    def rehearse(self, calls: Sequence[Call]) -> None:
        """Ask the chain whether it would make the calls now; raises as `Gateway.rehearse_calls` does."""
        self.gateway.rehearse_calls(calls)

    def decide(self, title: str, calls: Sequence[Call]) -> Outcome:
        """Propose calls to the other members; before the founding, make them as the founder."""
        if self.is_founding():
            from counterfoil.founding import write_trust

            self._fund(calls)
            founder = PartyAccount.load(self.council.home.founder, who="the founder").key
            self.gateway.transact(founder, "Consortium", "prepare", [call.pair for call in calls])
            write_trust(self.council.home, self.gateway)
            return Outcome(done=True)
        known = self.council.propose(title, calls)
        self._fund(calls)
        if known.status == "passed" and known.executable_at <= datetime.now(UTC).timestamp():
            known = self.council.execute(known.number)
        return Outcome(
            known.status == "executed", known.number, len(known.approvals), known.needed, known.executable_at
        )

    def _fund(self, calls: Sequence[Call]) -> None:
        """Give the accounts that the calls name ether for fees, if the embedded chain is on this machine."""
        from counterfoil.founding import fund_here

        named: list[str] = []
        for call in calls:
            arguments = dict(call.arguments)
            if call.function in _NAMES_AN_ACCOUNT:
                named.append(arguments["account"])
            elif call.function == "startCeremony":
                named += [account for account, _ in arguments["holders"]]
        fund_here(self.council.home, self.gateway.url, named)

    # -- members ----------------------------------------------------------------------------------------

    def admissions(self, files: Sequence[Path]) -> tuple[list[Call], list[str]]:
        """Return the calls that admit the banks of these requests, and their identifiers."""
        requests = [read_request(path) for path in files]
        calls = [self._call("Consortium", "admitMember", *request.arguments) for request in requests]
        return calls, [request.agent for request in requests]

    def standing(self, function: str, agent: str) -> Call:
        """Return the call that suspends, reinstates or revokes a member."""
        member = member_named(self.gateway, agent_identifier(agent))
        return self._call("Consortium", function, member.account)

    def role(self, name: str, account: str, member: str | None, *, remove: bool) -> Call:
        """Return the call that gives an account a role, or takes it away.

        Raises
        ------
        InputError
            When the role or the account is not valid, or an officer's member is missing.
        """
        address = _address(account)
        if name == "officer":
            if remove:
                return self._call("Consortium", "dismissOfficer", address)
            if member is None:
                raise InputError("an officer belongs to a member", next_step="Give the member with --member.")
            code = member_named(self.gateway, member).code
            return self._call("Consortium", "appointOfficer", address, code)
        if name not in _ROLES:
            raise InputError(f"there is no role {name!r}", next_step="Use officer, desk or auditor.")
        function = "revokeRole" if remove else "grantRole"
        return self._call("Consortium", function, self.gateway.role(_ROLES[name]), address)

    # -- readers, keys, policies ------------------------------------------------------------------------

    def add_reader(self, public_key: bytes, label: str) -> Call:
        """Return the call that registers a reader for this month."""
        from counterfoil.founding import month
        from ledger.envelope import key_id

        now = month(datetime.now(UTC))
        return self._call("Consortium", "addReader", key_id(public_key), public_key, now, label)

    def remove_reader(self, public_key: bytes) -> Call:
        """Return the call that takes a reader off the list."""
        from ledger.envelope import key_id

        return self._call("Consortium", "removeReader", key_id(public_key))

    def ceremony(
        self, epoch: int, holders: Sequence[tuple[str, bytes]], *, threshold: int, dealers: Sequence[int] = ()
    ) -> Call:
        """Return the call that starts a key ceremony; see `counterfoil.ceremonies.ceremony_call`."""
        named = [HolderIdentity(_address(account), key) for account, key in holders]
        return ceremony_call(self.gateway, epoch, named, threshold=threshold, dealers=dealers)

    def open_epoch(self, epoch: int, starts: datetime) -> Call:
        """Return the call that opens an epoch of the pseudonym key, whose holders have made its key.

        Raises
        ------
        EpochStartError
            When another epoch is open and this one would start before the newest block.
        CeremonyError
            When the transcript of the ceremony does not give the key on the chain.
        """
        from counterfoil.founding import epoch_start
        from ledger.transcripts import audit_ceremony

        number = self.gateway.key_ceremony(epoch)
        if number:
            audit_ceremony(self.gateway, number)
        return self._call("PseudonymKeys", "openEpoch", epoch, epoch_start(self.gateway, epoch, starts))

    def policy(self, time_unit: str) -> Call:
        """Return the call that publishes an encoding policy with bands at the thresholds in force.

        Raises
        ------
        InputError
            When no rule set is in force, or the time unit is not valid.
        """
        from compliance.ruleset import RuleSet, cuts
        from counterfoil.founding import policy_for

        if time_unit not in ("hour", "day"):
            raise InputError(f"{time_unit!r} is not a time unit of a policy", next_step="Use hour or day.")
        active = self.gateway.active_rule_set()
        if active is None:
            raise InputError(
                "no rule set is in force", next_step="Put one in force with `counterfoil rules`."
            )
        ruleset = RuleSet.from_bytes(active.document)
        made = policy_for(cuts=cuts(ruleset), rule_set=active.hash, time_unit=time_unit)  # type: ignore[arg-type]
        return self._call("Consortium", "publishPolicy", made.document)

    # -- limits and pause -------------------------------------------------------------------------------

    def grant(self, agent: str, count: int) -> Call:
        """Return the call that grants a member evaluations beyond those of a day."""
        code = member_named(self.gateway, agent_identifier(agent)).code
        return self._call("EvaluationLog", "grant", code, count)

    def rules(self, quorum: int, pause_quorum: int, delay: int) -> Call:
        """Return the call that changes how the members decide."""
        return self._call("Consortium", "setRules", astuple(rules_of(quorum, pause_quorum, delay)))

    def limits(self, evaluations: int, case_entries: int, case_bytes: int) -> Call:
        """Return the call that changes what one member may do in a day."""
        return self._call("Consortium", "setLimits", (evaluations, case_entries, case_bytes))

    def pause(self, *, lift: bool = False) -> Call:
        """Return the call that stops posting for everyone, or lifts the pause."""
        return self._call("Consortium", "unpause" if lift else "pause")

    # -- any --------------------------------------------------------------------------------------------

    def any_call(self, contract: str, function: str, arguments: Sequence[str]) -> Call:
        """Return any call of a contract, with its arguments as text.

        Raises
        ------
        InputError
            When there is no such function, or an argument does not fit.
        """
        try:
            return self._call(contract, function, *map(_argument, arguments))
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(
                f"{contract}.{function} cannot be called with these arguments: {error}",
                next_step="docs/contracts.md lists the functions of each contract.",
            ) from error

    def _call(self, contract: str, function: str, *arguments: Any) -> Call:
        return self.gateway.call(contract, function, *arguments)


def _address(text: str) -> str:
    try:
        plain = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        plain = b""
    if len(plain) != 20:
        raise InputError("an account is an address: 0x and 40 hex digits")
    return checksummed(plain)


def _argument(text: str) -> Any:
    if text.startswith("0x"):
        return _address(text) if len(text) == 42 else bytes.fromhex(text[2:])
    return int(text) if text.isdecimal() else {"true": True, "false": False}.get(text, text)
