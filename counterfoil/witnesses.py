"""The policy of a consortium's checkpoints: it names the two logs, the witnesses and the quorum.

The policy is one file of the state folder. The operator writes it, the desk collects cosignatures by it, and
the trust file contains it without the URLs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ledger.errors import ConfigurationError, InputError
from ledger.home import Home
from ledger.log.cosignature import witness_key
from ledger.log.notes import KeyType, VerifierKey
from ledger.log.policy import Log, Policy, Witness, consortium_policy
from ledger.storage import PUBLISHED, write_atomically

if TYPE_CHECKING:
    from ledger.deployment import Deployment
    from ledger.gateway import Gateway

__all__ = ["load_policy", "name_witnesses", "witness_policy", "write_first_policy"]


def load_policy(home: Home) -> Policy:
    """Read the policy of a state folder.

    Raises
    ------
    ConfigurationError
        When it is missing or malformed.
    """
    try:
        return Policy.parse(home.policy.read_bytes())
    except FileNotFoundError as error:
        raise ConfigurationError(
            "there is no policy of the checkpoints here",
            where=str(home.policy),
            next_step="Copy the file `policy` from the operator's state folder; `consortium init` writes it.",
        ) from error


def write_first_policy(home: Home, deployment: Deployment) -> None:
    """Write the policy of a new consortium, which has no witnesses yet; an existing one is not changed."""
    from ledger.log import public_key
    from ledger.reader.keys import DeskKeys

    if home.policy.exists():
        return
    keys = DeskKeys.load(home.desk.keys)
    logs = [
        Log(VerifierKey(origin, KeyType.ED25519, public_key(private)))
        for origin, private in (
            (deployment.ledger_origin, keys.ledger),
            (deployment.verdict_origin, keys.verdicts),
        )
    ]
    _save(home, consortium_policy(logs))


def witness_policy(home: Home, gateway: Gateway) -> Policy:
    """Return the policy that verifiers keep: it has no URLs."""
    write_first_policy(home, gateway.deployment)
    return load_policy(home).without_urls()


def name_witnesses(
    home: Home, gateway: Gateway, urls: Mapping[str, str], *, quorum: int | None = None
) -> Policy:
    """Add witnesses of members to the policy, or change their URLs, and set the quorum.

    Parameters
    ----------
    home : Home
    gateway : Gateway
    urls : mapping of agent to URL
        Where each witness takes checkpoints. Its key is the one on the chain.
    quorum : int, optional
        How many of all witnesses of the policy must have cosigned a checkpoint; unchanged by default.

    Raises
    ------
    InputError
        When an agent is not a member.
    ConfigurationError
        When the quorum is not possible.
    """
    write_first_policy(home, gateway.deployment)
    policy = load_policy(home)
    members = {member.agent: member for member in gateway.members()}
    named = dict(policy.witnesses)
    for agent, url in urls.items():
        if agent not in members:
            raise InputError(f"{agent} is not a member of the consortium", next_step="Admit the bank first.")
        key = witness_key(gateway.deployment.witness_name(agent), members[agent].witness_key)
        named[agent] = Witness(agent, key, url)
    if quorum is None:
        quorum = _quorum(home, policy)
    changed = consortium_policy(list(policy.logs.values()), list(named.values()), quorum)
    _save(home, changed)
    return changed


def _quorum(home: Home, policy: Policy) -> int:
    """Return the number of witnesses that a policy of ours needs."""
    groups = list(policy.groups.values())
    if not groups and policy.quorum == "none":
        return 0
    if len(groups) == 1 and policy.quorum == groups[0].name:
        return groups[0].threshold
    raise ConfigurationError(
        "the policy has other groups than the one of all witnesses",
        where=str(home.policy),
        next_step="Change it by hand, or give --quorum, which replaces its groups.",
    )


def _save(home: Home, policy: Policy) -> None:
    write_atomically(home.policy, policy.text.encode(), mode=PUBLISHED)
