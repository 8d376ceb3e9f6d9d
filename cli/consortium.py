"""Founding a consortium on this machine: contracts, roles, keys, readers, the key epoch, policy and rules.

What speaks to the chain is imported by the functions that do: commands that need no chain answer at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Self

from cli.local import chain_url
from ledger import documents
from ledger.documents import Document, Hash
from ledger.errors import ConfigurationError
from ledger.home import Home

if TYPE_CHECKING:
    from ledger.encoding.policy import Policy, TimeUnit
    from ledger.gateway import Gateway
    from ledger.member.keys import MemberKeys
    from ledger.reader.keys import DeskKeys

__all__ = [
    "EpochStartError",
    "Governance",
    "activate_rules",
    "admit",
    "connect",
    "found",
    "member_keys",
    "month",
    "open_epoch",
    "publish_policy",
    "write_trust",
]

_FORMAT: Final = "counterfoil/governance/1"

_OFFICERS: Final = 3


class GovernanceDocument(Document, tag_field="format", tag=_FORMAT):
    """The keys of operator and officers in JSON."""

    operator: Hash
    officers: list[Hash]


@dataclass(frozen=True, slots=True, repr=False)
class Governance:
    """Keys of the operator and of the officers, for a consortium that lives on one machine.

    In production each stands with its holder; here they make a demonstration and a test consortium possible.
    """

    operator: bytes
    officers: tuple[bytes, ...]

    @classmethod
    def generate(cls) -> Self:
        """Make fresh keys: one operator, three officers (an author and two who approve)."""
        from eth_account import Account

        return cls(bytes(Account.create().key), tuple(bytes(Account.create().key) for _ in range(_OFFICERS)))

    def save(self, home: Home) -> None:
        """Write the keys, readable by their owner only."""
        from ledger.storage import write_atomically

        document = GovernanceDocument(
            operator=self.operator.hex(), officers=[key.hex() for key in self.officers]
        )
        write_atomically(home.governance, documents.write(document), mode=0o600)

    @classmethod
    def load(cls, home: Home) -> Self:
        """Read the keys.

        Raises
        ------
        ConfigurationError
            When they are not kept here.
        """
        try:
            data = home.governance.read_bytes()
        except FileNotFoundError as error:
            raise ConfigurationError(
                "the operator's keys are not on this machine",
                where=str(home.governance),
                next_step="Ask the operator to do this.",
            ) from error
        document = documents.read(
            data,
            GovernanceDocument,
            what="governance file",
            error=ConfigurationError,
            where=str(home.governance),
        )
        return cls(bytes.fromhex(document.operator), tuple(map(bytes.fromhex, document.officers)))


def member_keys(home: Home, agent: str) -> MemberKeys:
    """Return a member's keys.

    Raises
    ------
    ConfigurationError
        When there are none, or they are another bank's: what they sealed could never be posted as its own.
    """
    from ledger.member.keys import MemberKeys

    path = home.member(agent).keys
    if not path.exists():
        raise ConfigurationError(
            "this member has no keys here",
            where=str(path),
            next_step=f"Run `counterfoil member init {agent}` first, or check --home and the member's name.",
        )
    keys = MemberKeys.load(path)
    if keys.agent != agent:
        raise ConfigurationError(
            f"these are the keys of {keys.agent}, not of {agent}",
            where=str(path),
            next_step="Put its own keys back from a backup, or name the other member.",
        )
    return keys


def connect(home: Home, chain: str | None = None) -> Gateway:
    """Connect to the consortium of a home, by default on its embedded chain.

    Raises
    ------
    ConfigurationError
        When no consortium is set up there.
    ChainUnreachableError
        When the chain does not answer.
    """
    from ledger.deployment import Deployment

    deployment = Deployment.load(home.deployment)
    url = chain or chain_url(home)
    from ledger.gateway import Gateway

    return Gateway(url, deployment)


def found(home: Home, url: str) -> Gateway:
    """Deploy the contracts, give out the roles and register the desk as reader; once for a home."""
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
    operator = _address(governance.operator)
    officers = [_address(key) for key in governance.officers]
    fund(url, home.chain, [operator, *officers, keys.address], 1_000)
    placed = deploy(url, deployer_key=governance.operator, operator=operator)
    deployment = Deployment.from_json(placed, where=url)
    gateway = Gateway(url, deployment)
    for role, accounts in (("OFFICER_ROLE", officers), ("DESK_ROLE", [keys.address])):
        for account in accounts:
            gateway.transact(governance.operator, "Consortium", "grantRole", gateway.role(role), account)
    for epoch, (key_id, public) in keys.readers_public().items():
        gateway.transact(governance.operator, "Consortium", "addReader", key_id, public, epoch, "desk")
    deployment.save(home.deployment)
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
    """Admit members that are not admitted yet, and fund their accounts from the embedded chain's faucet."""
    governance = Governance.load(home)
    known = {member.account for member in gateway.members()}
    new = [member for member in keys if member.address not in known]
    if not new:
        return
    if home.chain.exists():
        from localchain.faucet import fund

        fund(gateway.url, home.chain, [member.address for member in new], 1_000)
    for member in new:
        gateway.transact(
            governance.operator,
            "Consortium",
            "admitMember",
            member.address,
            member.agent,
            member.x25519_public,
            member.hpke_public,
        )
    write_trust(home, gateway)


class EpochStartError(ConfigurationError):
    """Raised when an epoch of the pseudonym key would start in the past, where rows have been posted."""


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
        From when on transactions belong to it; by default now. The contract only asks that epochs start in
        order: it cannot know of which times rows have been posted.

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
            f"epoch {epoch} would start in the past: halves that one bank has posted under the old key would "
            "never meet those that the other posts now",
            where=f"it would start at {datetime.fromtimestamp(start, UTC).isoformat()}, "
            f"the newest block is of {datetime.fromtimestamp(newest, UTC).isoformat()}",
            next_step="Open it ahead of its start, a day or more.",
        )
    operator = Governance.load(home).operator
    gateway.transact(operator, "Consortium", "openEpoch", epoch, start, public_key, [public_key])


def activate_rules(home: Home, gateway: Gateway, document: bytes) -> None:
    """Propose a rule set and approve it by two officers, neither of them its author."""
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
    """Publish the encoding policy whose bands are cut at the active rules' thresholds, if it is a new one."""
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
    """Write the trust file that auditors pin."""
    from ledger.audit.trust import Trust
    from ledger.reader.keys import CHECKPOINT_KEY_NAME, DeskKeys

    keys = DeskKeys.load(home.desk.keys)
    members = {member.account[2:].lower(): member.agent for member in gateway.members()}
    Trust(gateway.deployment, {CHECKPOINT_KEY_NAME: keys.checkpoint_public}, members).save(home.trust)


def month(moment: datetime) -> int:
    """Return the reader epoch of a moment: years * 12 + months."""
    return moment.year * 12 + moment.month - 1


def _address(key: bytes) -> str:
    from eth_account import Account

    return str(Account.from_key(key).address)
