"""Found a consortium, and change it: contracts, readers, members, officers, key epochs, policies, rule sets.

Until its founding members have confirmed, the founder does each step; afterwards each is a proposal of the
members (`counterfoil.council.decide`). Functions import the modules for the chain when they
need them, so that other commands start fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from counterfoil.accounts import PartyAccount, ensure_account
from counterfoil.ceremonies import hold_ceremony
from counterfoil.council import Outcome, confirm_all, decide
from counterfoil.witnesses import witness_policy, write_first_policy
from ledger.errors import ConfigurationError, TransactionRejectedError
from ledger.home import Home
from ledger.signing import AccountKey, address_of

if TYPE_CHECKING:
    from compliance.ruleset import RuleSet
    from ledger.encoding.policy import Policy, TimeUnit
    from ledger.gateway import Gateway, Limits, Rules
    from ledger.member.keys import MemberKeys
    from ledger.reader.keys import DeskKeys

__all__ = [
    "OFFICERS",
    "EpochStartError",
    "activate_rules",
    "add_reader",
    "admit",
    "appoint_officers",
    "complete",
    "epoch_start",
    "establish",
    "found",
    "fund_here",
    "month",
    "open_epoch",
    "policy_for",
    "publish_policy",
    "settle",
    "write_trust",
]

#: Number of officers of a consortium on one machine: one author, and two who approve.
OFFICERS: Final = 3

#: Ether for each account of a consortium on the embedded chain, where fees are a formality.
_ETHER: Final = 1_000


def establish(
    home: Home,
    url: str,
    ruleset: RuleSet,
    members: Iterable[MemberKeys],
    *,
    rules: Rules | None = None,
    limits: Limits | None = None,
    epoch: int = 1,
    holders: int = 1,
    threshold: int = 1,
) -> Gateway:
    """Found a consortium on one machine that can post: everything from the contracts to a rule set in force.

    Steps that are finished are not repeated.
    """
    gateway = found(home, url, rules=rules, limits=limits)
    if not gateway.is_founded():
        if not gateway.epochs():
            if not gateway.key_ceremony(epoch):
                hold_ceremony(home, gateway, epoch, holders=holders, threshold=threshold)
            open_epoch(home, gateway, epoch)
        admit(home, gateway, members)
    settle(home, gateway, ruleset)
    return gateway


def settle(home: Home, gateway: Gateway, ruleset: RuleSet) -> None:
    """Publish the policy of a rule set, complete the founding, and put the rule set in force.

    Steps that are finished are not repeated.
    """
    from compliance.ruleset import cuts

    if not gateway.is_founded():
        publish_policy(home, gateway, cuts=cuts(ruleset), rule_set=ruleset.hash)
        complete(home, gateway)
    if gateway.active_rule_set() is None:
        activate_rules(home, gateway, ruleset.to_bytes(), ruleset.keys)


def found(home: Home, url: str, *, rules: Rules | None = None, limits: Limits | None = None) -> Gateway:
    """Deploy the contracts, grant the desk its role and register it as reader, unless this was done before.

    Parameters
    ----------
    home : Home
    url : str
        JSON-RPC endpoint.
    rules : Rules, optional
        How the members decide; by default two thirds of them, and a change takes effect at once.
    limits : Limits, optional
        What one member may do in a day.
    """
    from ledger.deployment import Deployment
    from ledger.gateway import Gateway, Limits, Rules
    from localchain.deploy import deploy

    if home.deployment.exists():
        return Gateway(url, Deployment.load(home.deployment))
    founder = ensure_account(home.founder)
    keys = _desk_keys(home)
    fund_here(home, url, [address_of(founder)], deployer=True)
    fund_here(home, url, [keys.address])
    placed = deploy(
        url,
        deployer_key=_in_memory(founder),
        founder=address_of(founder),
        rules=astuple(rules or Rules(delay=0)),
        limits=astuple(limits or Limits()),
    )
    deployment = Deployment.from_json(placed, where=url)
    gateway = Gateway(url, deployment)
    readers = keys.readers_public().items()
    calls = [
        gateway.call("Consortium", "grantRole", gateway.role("DESK_ROLE"), keys.address),
        *(
            gateway.call("Consortium", "addReader", key_id, public, epoch, "desk")
            for epoch, (key_id, public) in readers
        ),
    ]
    decide(home, gateway, "The desk, and its reader keys", calls)
    deployment.save(home.deployment)
    write_first_policy(home, deployment)
    write_trust(home, gateway)
    return gateway


def _in_memory(key: AccountKey) -> bytes:
    if not isinstance(key, bytes):
        raise ConfigurationError(
            "a consortium cannot be founded with a founder's key that is on a token",
            where=address_of(key),
            next_step="Found it first; then move the key with `counterfoil keys import`.",
        )
    return key


def fund_here(home: Home, url: str, accounts: Sequence[str], *, deployer: bool = False) -> None:
    """Give accounts ether for fees, if the embedded chain is on this machine.

    Parameters
    ----------
    home : Home
    url : str
        JSON-RPC endpoint.
    accounts : sequence of str
    deployer : bool
        Also allow them to create contracts.
    """
    if home.chain.exists():
        from localchain.faucet import fund

        fund(url, home.chain, list(accounts), _ETHER, deployer=deployer)


def _desk_keys(home: Home) -> DeskKeys:
    from ledger.reader.keys import DeskKeys

    if home.desk.keys.exists():
        return DeskKeys.load(home.desk.keys)
    keys = DeskKeys.generate(month(datetime.now(UTC)))
    keys.save(home.desk.keys)
    return keys


def admit(home: Home, gateway: Gateway, keys: Iterable[MemberKeys]) -> Outcome:
    """Decide to admit members that are not yet admitted; on an embedded chain, also fund their accounts."""
    known = {member.account for member in gateway.members()}
    new = [member for member in keys if member.address not in known]
    fund_here(home, gateway.url, [member.address for member in new])
    domain = gateway.deployment.domain("Consortium")
    calls = [
        gateway.call(
            "Consortium",
            "admitMember",
            member.address,
            member.agent,
            member.x25519_public,
            member.hpke_public,
            member.witness_public,
            member.sign_admission(domain),
        )
        for member in new
    ]
    outcome = decide(home, gateway, f"Admit {', '.join(member.agent for member in new)}", calls)
    write_trust(home, gateway)
    return outcome


def appoint_officers(home: Home, gateway: Gateway) -> None:
    """Make accounts of officers on this machine, and appoint them for the first members in turn."""
    members = [member.code for member in gateway.members() if member.status == "active"]
    known = gateway.officers()
    calls = []
    for number in range(1, OFFICERS + 1):
        account = address_of(ensure_account(home.officer(number)))
        if account not in known:
            code = members[(number - 1) % len(members)]
            fund_here(home, gateway.url, [account])
            calls.append(gateway.call("Consortium", "appointOfficer", account, code))
    decide(home, gateway, "Officers", calls)


def complete(home: Home, gateway: Gateway) -> None:
    """Appoint the officers of this machine, and confirm the founding with every member's key that is here.

    Raises
    ------
    ConfigurationError
        When there are no members, or a founding member's keys are not here: it confirms on its own machine.
    """
    if not gateway.is_founded():
        if not gateway.members():
            raise ConfigurationError(
                "a consortium is founded by its members, and none is admitted",
                next_step="Admit the founding members first.",
            )
        appoint_officers(home, gateway)
        confirm_all(home, gateway)
    write_trust(home, gateway)
    if not gateway.is_founded():
        confirmed = gateway.founding().confirmed
        missing = [member.agent for member in gateway.members() if member.code not in confirmed]
        raise ConfigurationError(
            f"{', '.join(missing)} must confirm the founding",
            next_step="Let each bank run `counterfoil consortium confirm` on its own machine.",
        )


class EpochStartError(ConfigurationError):
    """Raised when an epoch of the pseudonym key would start in the past, after rows were posted."""


def open_epoch(home: Home, gateway: Gateway, epoch: int, *, starts: datetime | None = None) -> Outcome:
    """Decide to open an epoch of the pseudonym key, whose holders have made its key.

    Parameters
    ----------
    home : Home
    gateway : Gateway
    epoch : int
    starts : datetime, optional
        Start of the epoch; now by default. The contract only checks the order of the epochs, because it does
        not know the times of the posted rows.

    Raises
    ------
    EpochStartError
        When another epoch is open and this one would start before the newest block.
    """
    call = gateway.call("PseudonymKeys", "openEpoch", epoch, epoch_start(gateway, epoch, starts))
    outcome = decide(home, gateway, f"Open epoch {epoch} of the pseudonym key", [call])
    write_trust(home, gateway)
    return outcome


def epoch_start(gateway: Gateway, epoch: int, starts: datetime | None = None) -> int:
    """Return the start of an epoch in Unix seconds; see `open_epoch`."""
    newest = gateway.block_time(gateway.height())
    now = datetime.now(UTC).timestamp()
    start = int(max(now, newest) if starts is None else starts.timestamp())
    if start < newest and gateway.epochs():
        raise EpochStartError(
            f"epoch {epoch} would start in the past: halves posted under the old key could never be "
            "matched with halves that are posted now",
            where=f"start of the epoch: {datetime.fromtimestamp(start, UTC).isoformat()}; "
            f"time of the newest block: {datetime.fromtimestamp(newest, UTC).isoformat()}",
            next_step="Give a start in the future, at least one day ahead.",
        )
    return start


def add_reader(home: Home, gateway: Gateway, public_key: bytes, label: str) -> Outcome:
    """Decide to register a reader's key on the chain, for rows to come."""
    from ledger.envelope import key_id

    epoch = month(datetime.now(UTC))
    call = gateway.call("Consortium", "addReader", key_id(public_key), public_key, epoch, label)
    return decide(home, gateway, f"Add the reader {label}", [call])


def activate_rules(home: Home, gateway: Gateway, document: bytes, rule_keys: Sequence[bytes] = ()) -> None:
    """Propose a rule set as one officer of this machine, and approve it as the two others."""
    author, *others = (
        PartyAccount.load(home.officer(number), who=f"officer {number}").key
        for number in range(1, OFFICERS + 1)
    )
    digest = sha256(document).digest()
    known = {entry.hash: entry.status for entry in gateway.rule_sets()}
    if digest not in known:
        gateway.transact(author, "RuleBook", "propose", document, list(rule_keys))
    for officer in others:
        try:
            gateway.transact(officer, "RuleBook", "approve", digest, list(rule_keys))
        except TransactionRejectedError as error:
            if "RuleBookAlreadyApproved" not in str(error.where):  # before an interruption
                raise


def policy_for(
    *,
    cuts: Mapping[str, Sequence[int]],
    rule_set: bytes | None,
    time_unit: TimeUnit = "hour",
    development: bool = False,
) -> Policy:
    """Return an encoding policy with amount bands at these cuts."""
    from ledger.encoding.policy import Policy

    return Policy(
        time_unit=time_unit,
        cuts=cuts,
        rule_set=None if rule_set is None else rule_set.hex(),
        development=development,
    )


def publish_policy(
    home: Home,
    gateway: Gateway,
    *,
    cuts: Mapping[str, Sequence[int]],
    rule_set: bytes | None,
    time_unit: TimeUnit = "hour",
    development: bool = False,
) -> Policy:
    """Decide to publish an encoding policy with amount bands at these cuts, if it is a new one."""
    policy = policy_for(cuts=cuts, rule_set=rule_set, time_unit=time_unit, development=development)
    if policy.hash not in gateway.policies():
        call = gateway.call("Consortium", "publishPolicy", policy.document)
        decide(home, gateway, f"Publish the encoding policy {policy.hash.hex()[:12]}", [call])
    return policy


def write_trust(home: Home, gateway: Gateway) -> None:
    """Write the trust file that auditors verify against, from the chain and the keys of the desk."""
    from ledger.audit.trust import Trust, TrustedMember

    members = tuple(
        TrustedMember(
            code=entry.code,
            agent=entry.agent,
            account=entry.account,
            x25519_key=entry.x25519_key,
            hpke_key=entry.hpke_key,
            witness_key=entry.witness_key,
            signature=entry.signature,
            previous=entry.previous,
            new_signature=entry.new_signature,
            nonce=entry.nonce,
        )
        for entry in gateway.accounts()
    )
    policy = witness_policy(home, gateway)
    Trust(gateway.deployment, policy, members, tuple(gateway.epoch_keys())).save(home.trust)


def month(moment: datetime) -> int:
    """Return the reader epoch of a moment: years * 12 + months."""
    return moment.year * 12 + moment.month - 1
