"""Replace a bank's account and keys on the chain; its code, its agent and its batches stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.errors import ConfigurationError
from ledger.member.keys import MemberKeys

if TYPE_CHECKING:
    from ledger.gateway import Call, Gateway

__all__ = ["key_change"]


def key_change(gateway: Gateway, old: MemberKeys, new: MemberKeys) -> Call:
    """Return the call that replaces a bank's keys, signed with both accounts; the members decide on it.

    Afterwards the bank posts from the same vault with the new keys: `ledger.member.outbox` goes on with the
    next sequence number. Keep the old keys: what was sealed to them stays sealed to them. With another X25519
    key, a payment with one half posted before the change and one after it has two tokens, and is not matched.

    Parameters
    ----------
    gateway : Gateway
    old, new : MemberKeys
        The keys before and after; the account may stay the same.

    Raises
    ------
    ConfigurationError
        When the keys are of two banks.
    """
    if old.agent != new.agent:
        raise ConfigurationError(
            f"the new keys are those of {new.agent}, not of {old.agent}",
            next_step="Generate new keys for the same agent.",
        )
    domain = gateway.deployment.domain("Consortium")
    account = bytes.fromhex(old.address[2:])
    nonce = gateway.key_changes(old.address)
    return gateway.call(
        "Consortium",
        "changeKeys",
        old.address,
        new.address,
        new.x25519_public,
        new.hpke_public,
        new.witness_public,
        new.sign_key_change(domain, account, old.account, nonce=nonce),
        new.sign_key_change(domain, account, new.account, nonce=nonce),
    )
