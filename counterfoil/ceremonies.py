"""Key ceremonies: the members start one, and the holders make the key or share it anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil.council import Outcome, decide
from ledger.errors import ConfigurationError, KeyHolderError
from ledger.home import Home
from ledger.storage import private_folder, write_atomically

if TYPE_CHECKING:
    from ledger.gateway import Call, Ceremony, Gateway

__all__ = [
    "HolderIdentity",
    "ceremony_call",
    "hold_ceremony",
    "holders_here",
    "start_ceremony",
    "wait_for_ceremony",
]

_WAIT_SECONDS: Final = 120.0


class HolderIdentity(NamedTuple):
    """What a holder is known by: its account, and the key that its shares are encrypted to."""

    account: str
    encryption_key: bytes


def ceremony_call(
    gateway: Gateway,
    epoch: int,
    holders: Sequence[HolderIdentity],
    *,
    threshold: int,
    dealers: Sequence[int] = (),
) -> Call:
    """Return the call that starts a ceremony.

    Parameters
    ----------
    gateway : Gateway
    epoch : int
        An epoch without a key: the holders make one. An epoch with a key: the dealers share it anew.
    holders : sequence of HolderIdentity
        The holders of the new shares, in the order of their indices.
    threshold : int
        How many of them must answer for an evaluation.
    dealers : sequence of int
        For a key that is shared anew: indices of the present holders that deal; by default as many as needed.
    """
    present = gateway.key_ceremony(epoch)
    if present and not dealers:
        dealers = range(1, gateway.ceremony(present).threshold + 1)
    named = [(holder.account, holder.encryption_key) for holder in holders]
    return gateway.call("PseudonymKeys", "startCeremony", epoch, threshold, named, list(dealers))


def start_ceremony(
    home: Home,
    gateway: Gateway,
    epoch: int,
    holders: Sequence[HolderIdentity],
    *,
    threshold: int,
    dealers: Sequence[int] = (),
) -> Outcome:
    """Decide to start a ceremony; on the embedded chain, also fund the holders' accounts."""
    from counterfoil.founding import fund_here

    call = ceremony_call(gateway, epoch, holders, threshold=threshold, dealers=dealers)
    fund_here(home, gateway.url, [holder.account for holder in holders])
    return decide(home, gateway, f"Key ceremony for epoch {epoch}", [call])


def holders_here(home: Home, count: int) -> list[HolderIdentity]:
    """Return `count` key holders on this machine, each with a state folder of its own; make missing ones."""
    from ledger.holder.keys import HolderKeys

    found = []
    for number in range(1, count + 1):
        folder = home.keyholder(str(number)).holder
        path = folder / "keys.json"
        if not path.exists():
            private_folder(folder)
            HolderKeys.generate().save(path)
        write_atomically(home.keyholder(str(number)).deployment, home.deployment.read_bytes())
        keys = HolderKeys.load(path)
        found.append(HolderIdentity(keys.address, keys.encryption_public))
    return found


def hold_ceremony(
    home: Home,
    gateway: Gateway,
    epoch: int,
    *,
    holders: int = 1,
    threshold: int = 1,
    dealers: Sequence[int] = (),
) -> Ceremony:
    """Hold a whole ceremony with key holders on this machine, in this process: for tests and development."""
    from ledger.holder.taking_part import take_part

    def work() -> None:
        for place in home.keyholders():
            take_part(place.holder, gateway)

    work()  # an encryption key that was used in a ceremony is replaced
    identities = holders_here(home, holders)
    outcome = start_ceremony(home, gateway, epoch, identities, threshold=threshold, dealers=dealers)
    if not outcome.done:
        raise ConfigurationError(
            f"{outcome.approvals} members approve the ceremony, and {outcome.needed} must",
            where=str(home.root),
            next_step="Let other members approve it: `counterfoil consortium approve`.",
        )
    return wait_for_ceremony(gateway, gateway.ceremonies()[-1].number, work=work)


def wait_for_ceremony(
    gateway: Gateway,
    number: int,
    *,
    work: Callable[[], None] | None = None,
    seconds: float = _WAIT_SECONDS,
) -> Ceremony:
    """Wait until a ceremony is completed, and return it.

    Parameters
    ----------
    gateway : Gateway
    number : int
    work : callable, optional
        Called in each turn, instead of a pause.
    seconds : float

    Raises
    ------
    KeyHolderError
        When it failed, or was replaced, or a holder has not done its part in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        known = gateway.ceremony(number)
        if known.status == "completed":
            return known
        if known.status != "running":
            raise KeyHolderError(
                f"ceremony {number} has {known.status}",
                next_step=f"Run `counterfoil audit ceremony {number}`, which names the holder at fault.",
            )
        if time.monotonic() > deadline:
            raise KeyHolderError(
                f"ceremony {number} waits for {_awaited(known)}",
                where=f"since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
                next_step="Check that these holders run, then run the same command again.",
            )
        if work is None:
            time.sleep(0.1)
        else:
            work()


def _awaited(known: Ceremony) -> str:
    for what, done in (("dealers", known.commitments), ("dealers", known.contributions)):
        missing = [str(dealer) for dealer in known.dealers if dealer not in done]
        if missing:
            return f"{what} {', '.join(missing)}"
    holders = range(1, len(known.accounts) + 1)
    missing = [str(holder) for holder in holders if holder not in known.confirmed]
    if not missing:
        raise ConfigurationError("the ceremony waits for nobody")
    return f"holders {', '.join(missing)}"
