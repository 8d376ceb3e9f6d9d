"""Found and change a consortium: contracts, roles, readers, members, key epochs, policies and rule sets.

Functions import the modules for the chain when they need them, so that other commands start fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from counterfoil.governance import Governance, in_memory
from counterfoil.witnesses import witness_policy, write_first_policy
from ledger.errors import ConfigurationError
from ledger.home import Home
from ledger.signing import address_of

if TYPE_CHECKING:
    from compliance.ruleset import RuleSet
    from ledger.encoding.policy import Policy, TimeUnit
    from ledger.gateway import Gateway
    from ledger.member.keys import MemberKeys
    from ledger.reader.keys import DeskKeys

__all__ = [
    "EpochStartError",
    "activate_rules",
    "add_reader",
    "admit",
    "establish",
    "found",
    "month",
    "open_epoch",
    "publish_policy",
    "write_trust",
]


def establish(home: Home, url: str, ruleset: RuleSet, *, epoch: int = 1) -> Gateway:
    """Found a consortium that can post: contracts, the first key epoch, a rule set and its policy.

    Steps that are finished are not repeated.
    """
    from compliance.ruleset import cuts
    from ledger.encoding.keyholder import create_epoch, epochs

    gateway = found(home, url)
    holder = home.keyholder()
    public_key = create_epoch(holder, epoch) if epoch not in epochs(holder) else None
    if public_key is not None:
        open_epoch(home, gateway, epoch, public_key)
    if gateway.active_rule_set() is None:
        activate_rules(home, gateway, ruleset.to_bytes())
        publish_policy(home, gateway, cuts=cuts(ruleset), rule_set=ruleset.hash)
    return gateway


def found(home: Home, url: str) -> Gateway:
    """Deploy the contracts, grant the roles and register the desk as reader, unless this was done before."""
    from ledger.deployment import Deployment
    from ledger.gateway import Gateway
    from localchain.deploy import deploy
    from localchain.faucet import fund

    if home.deployment.exists():
        return Gateway(url, Deployment.load(home.deployment))
    if not home.governance.exists():
        Governance.generate().save(home)
    governance = Governance.load(home)
    keys = _desk_keys(home)
    operator = address_of(governance.operator)
    officers = [address_of(key) for key in governance.officers]
    fund(url, home.chain, [operator, *officers, keys.address], 1_000)
    placed = deploy(url, deployer_key=in_memory(governance.operator), operator=operator)
    deployment = Deployment.from_json(placed, where=url)
    gateway = Gateway(url, deployment)
    for role, accounts in (("OFFICER_ROLE", officers), ("DESK_ROLE", [keys.address])):
        for account in accounts:
            gateway.transact(governance.operator, "Consortium", "grantRole", gateway.role(role), account)
    for epoch, (key_id, public) in keys.readers_public().items():
        gateway.transact(governance.operator, "Consortium", "addReader", key_id, public, epoch, "desk")
    deployment.save(home.deployment)
    write_first_policy(home, deployment)
    write_trust(home, gateway)
    return gateway


def _desk_keys(home: Home) -> DeskKeys:
    from ledger.reader.keys import DeskKeys

    if home.desk.keys.exists():
        return DeskKeys.load(home.desk.keys)
    keys = DeskKeys.generate(month(datetime.now(UTC)))
    keys.save(home.desk.keys)
    return keys


def admit(home: Home, gateway: Gateway, keys: Iterable[MemberKeys]) -> None:
    """Admit members that are not yet admitted; on an embedded chain, also fund their accounts."""
    governance = Governance.load(home)
    known = {member.account for member in gateway.members()}
    new = [member for member in keys if member.address not in known]
    if not new:
        return
    if home.chain.exists():
        from localchain.faucet import fund

        fund(gateway.url, home.chain, [member.address for member in new], 1_000)
    domain = gateway.deployment.domain("Consortium")
    for member in new:
        gateway.transact(
            governance.operator,
            "Consortium",
            "admitMember",
            member.address,
            member.agent,
            member.x25519_public,
            member.hpke_public,
            member.witness_public,
            member.sign_admission(domain),
        )
    write_trust(home, gateway)


class EpochStartError(ConfigurationError):
    """Raised when an epoch of the pseudonym key would start in the past, after rows were posted."""


def open_epoch(
    home: Home, gateway: Gateway, epoch: int, public_key: bytes, *, starts: datetime | None = None
) -> None:
    """Open an epoch of the pseudonym key on the chain.

    Parameters
    ----------
    home : Home
    gateway : Gateway
    epoch : int
    public_key : bytes
    starts : datetime, optional
        Start of the epoch; now by default. The contract only checks the order of the epochs, because it does
        not know the times of the posted rows.

    Raises
    ------
    EpochStartError
        When another epoch is open and this one would start before the newest block.
    """
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
    operator = Governance.load(home).operator
    gateway.transact(operator, "Consortium", "openEpoch", epoch, start, public_key, [public_key])
    write_trust(home, gateway)


def add_reader(home: Home, gateway: Gateway, public_key: bytes, label: str) -> None:
    """Register a reader's key on the chain, for rows to come."""
    from ledger.envelope import key_id

    operator = Governance.load(home).operator
    epoch = month(datetime.now(UTC))
    gateway.transact(operator, "Consortium", "addReader", key_id(public_key), public_key, epoch, label)


def activate_rules(home: Home, gateway: Gateway, document: bytes) -> None:
    """Propose a rule set as one officer, and approve it as two other officers."""
    author, *others = Governance.load(home).officers
    gateway.transact(author, "RuleBook", "propose", document)
    for officer in others[:2]:
        gateway.transact(officer, "RuleBook", "approve", sha256(document).digest())


def publish_policy(
    home: Home,
    gateway: Gateway,
    *,
    cuts: Mapping[str, Sequence[int]],
    rule_set: bytes | None,
    time_unit: TimeUnit = "hour",
    development: bool = False,
) -> Policy:
    """Publish an encoding policy with amount bands at these cuts, if it is a new one."""
    from ledger.encoding.policy import Policy

    policy = Policy(
        time_unit=time_unit,
        cuts=cuts,
        rule_set=None if rule_set is None else rule_set.hex(),
        development=development,
    )
    if policy.hash not in gateway.policies():
        gateway.transact(Governance.load(home).operator, "Consortium", "publishPolicy", policy.document)
    return policy


def write_trust(home: Home, gateway: Gateway) -> None:
    """Write the trust file that auditors verify against, from the chain and the keys of the desk."""
    from ledger.audit.trust import Trust, TrustedMember
    from ledger.encoding.evaluation import EpochKey

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
        )
        for entry in gateway.accounts()
    )
    epochs = tuple(
        EpochKey(epoch.number, 0, epoch.public_key, epoch.share_commitments) for epoch in gateway.epochs()
    )
    Trust(gateway.deployment, witness_policy(home, gateway), members, epochs).save(home.trust)


def month(moment: datetime) -> int:
    """Return the reader epoch of a moment: years * 12 + months."""
    return moment.year * 12 + moment.month - 1
