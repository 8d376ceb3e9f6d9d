"""Replace a member's keys, in the state folder and on the chain, in steps that an interruption does not lose.

1. The new keys are written to ``keys-next.json``.
2. The chain is asked to change the account and the public keys; both accounts sign.
3. When the chain has the new keys, the trust file is written anew if the founder's keys are here.
4. The old file becomes ``keys-N.json``, and the new one ``keys.json``.

The same call again goes on where an earlier one stopped. A file ``keys-next.json`` means that a rotation is
not complete; its keys are used, and none are generated again.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from counterfoil.connection import Connection, as_home
from counterfoil.keys import token_key
from counterfoil.member import agent_identifier
from ledger.errors import ConfigurationError, InputError
from ledger.home import Home
from ledger.storage import private_file, storing

if TYPE_CHECKING:
    from ledger.gateway import Call, Gateway
    from ledger.member.keys import MemberKeys

__all__ = ["ROTATED", "Rotation", "rotate"]

#: The keys of a member that can be replaced.
ROTATED: Final = ("account", "x25519", "hpke", "witness")

_ETHER: Final = 1_000


@dataclass(frozen=True, slots=True)
class Rotation:
    """The result of a rotation.

    Parameters
    ----------
    agent : str
    complete : bool
        Whether the chain has the new keys, and the state folder uses them. If not, the chain waits for
        others; the same command again completes the rotation.
    account : str
        Address of the new account.
    kept : str or None
        The file with the old keys; keep it, for what was sealed to them.
    next_steps : tuple of str
        What is left to do, and for whom.
    """

    agent: str
    complete: bool
    account: str
    kept: str | None
    next_steps: tuple[str, ...]


def rotate(
    agent: str,
    home: Home | Path | str,
    *,
    chain: str | None = None,
    names: Collection[str] = ROTATED,
    tokens: Mapping[str, str] | None = None,
) -> Rotation:
    """Replace the keys of a member; complete a rotation that was interrupted.

    Parameters
    ----------
    agent : str
    home : Home or path
    chain : str, optional
        JSON-RPC endpoint; the embedded chain of the state folder by default.
    names : collection of str
        The keys to replace, of `ROTATED`.
    tokens : mapping of name to URI, optional
        New keys that are on a token: ``account`` and ``witness`` can be. A key that the token does not have
        is made there.

    Raises
    ------
    InputError
        When a key has another name, or cannot be on a token.
    ConfigurationError
        When there are no keys, or another process replaces them at the same time.
    ChainError
        When the chain does not answer, or refuses the change.
    """
    place = as_home(home)
    agent = agent_identifier(agent)
    folder = place.member(agent).root
    chosen = dict(tokens or {})
    if not names or set(names) - set(ROTATED) or chosen.keys() - {"account", "witness"}:
        raise InputError(
            "these keys cannot be replaced in this way",
            next_step=f"Name keys among {', '.join(ROTATED)}; on a token, account and witness can be.",
        )
    with _alone(folder):
        old, new = _old_and_new(place, agent, {*names, *chosen}, chosen)
        gateway = Connection(place, chain).gateway()
        if not _has_keys(gateway, new):
            _fund(place, gateway, new)
            _change_on_chain(place, gateway, old, new)
        if not _has_keys(gateway, new):
            step = "Other members must approve the change; then run the same command again."
            return Rotation(agent, False, new.address, None, (step,))
        steps = _publish(place, gateway, old, new)
        return Rotation(agent, True, new.address, str(_swap(folder)), steps)


def _change_on_chain(home: Home, gateway: Gateway, old: MemberKeys, new: MemberKeys) -> None:
    """Let the members decide on the change of keys; afterwards `_has_keys` says whether the chain has them.

    A change that is proposed already is not proposed again; when it has passed, it is executed.
    """
    from counterfoil.council import decide, execute
    from ledger.member.replacement import key_change

    call = key_change(gateway, old, new)
    proposed = [
        known
        for known in gateway.proposals()
        if known.status in ("open", "passed") and any(_same_change(call, other) for other in known.calls)
    ]
    if not proposed:
        decide(home, gateway, f"Change of the keys of {old.agent}", [call])
    elif proposed[-1].status == "passed" and proposed[-1].executable_at <= time.time():
        execute(gateway, old.account, proposed[-1])


def _same_change(first: Call, second: Call) -> bool:
    """Return whether two calls change to the same keys; signatures of a token differ each time."""
    return first.function == second.function and first.arguments[:5] == second.arguments[:5]


def _has_keys(gateway: Gateway, keys: MemberKeys) -> bool:
    """Return whether the chain has exactly these keys for this member."""
    member = gateway.member(keys.address)
    if member.status == "none":
        return False
    registered = (member.agent, member.x25519_key, member.hpke_key, member.witness_key)
    return member.status != "replaced" and registered == (
        keys.agent,
        keys.x25519_public,
        keys.hpke_public,
        keys.witness_public,
    )


def _old_and_new(
    home: Home, agent: str, names: Collection[str], tokens: Mapping[str, str]
) -> tuple[MemberKeys, MemberKeys]:
    """Return the keys in use, and those that replace them; new keys are stored before they are returned."""
    from ledger.keystore.passphrase import PASSPHRASE
    from ledger.keystore.uri import TokenUri
    from ledger.member.keys import MemberKeys, read_member_keys

    current, pending = home.member(agent).keys, _pending(home.member(agent).root)
    document = read_member_keys(current)
    if document.agent != agent:
        raise ConfigurationError(
            f"these are the keys of {document.agent}, not of {agent}",
            where=str(current),
            next_step="Restore the keys from a backup, or give the other agent identifier.",
        )
    old = MemberKeys.load(current)
    if pending.exists():
        return old, MemberKeys.load(pending)
    made = MemberKeys.generate(agent)
    keys: dict[str, Any] = {name: getattr(made if name in names else old, name) for name in ROTATED}
    if "account" in tokens:
        keys["account"] = token_key("secp256k1", TokenUri.parse(tokens["account"]))
    if "witness" in tokens:
        keys["witness"] = token_key("ed25519", TokenUri.parse(tokens["witness"]))
    new = MemberKeys.of(agent, keys)
    new.save(pending, passphrase=PASSPHRASE.read() if document.encrypted else None)
    return old, new


def _swap(folder: Path) -> Path:
    """Put the new file in the place of the old one, which stays under another name; return that."""
    current, pending = folder / "keys.json", _pending(folder)
    number = 1
    while (kept := folder / f"keys-{number}.json").exists() and not kept.samefile(current):
        number += 1
    with storing(current):
        if not kept.exists():  # otherwise an earlier call came this far
            kept.hardlink_to(current)
            _sync(folder)
        pending.replace(current)
        _sync(folder)
    return kept


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fund(home: Home, gateway: Gateway, new: MemberKeys) -> None:
    """Give a new account ether for its transactions, on an embedded chain."""
    if home.chain.exists() and gateway.member(new.address).status == "none":
        from localchain.faucet import fund

        fund(gateway.url, home.chain, [new.address], _ETHER)


def _publish(home: Home, gateway: Gateway, old: MemberKeys, new: MemberKeys) -> tuple[str, ...]:
    """Write the trust file and the policy anew if the founder's keys are here; return what is left to do."""
    from counterfoil import founding
    from counterfoil.witnesses import load_policy, name_witnesses

    steps = []
    changed = old.witness_public != new.witness_public
    if home.founder.exists():
        witness = load_policy(home).witnesses.get(new.agent) if home.policy.exists() else None
        if changed and witness is not None and witness.url is not None:
            name_witnesses(home, gateway, {new.agent: witness.url})
        founding.write_trust(home, gateway)
    else:
        steps.append("Ask the operator for the new trust file and the new policy of the checkpoints.")
    if changed:
        steps.append("Start the member's witness again: it cosigns with the new key from then on.")
    return tuple(steps)


def _pending(folder: Path) -> Path:
    return folder / "keys-next.json"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a rotation; the system releases it when the process dies."""
    if not folder.is_dir():
        raise ConfigurationError(
            "this state folder holds no keys of the member",
            where=str(folder),
            next_step="Check --home and the agent identifier.",
        )
    lock = folder / "rotation.lock"
    with storing(lock):
        private_file(lock)
        file = lock.open("wb")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                "another process replaces this member's keys",
                where=str(folder),
                next_step="Wait until it has ended, then run the same command again.",
            ) from None
        yield
