"""The public description of a key ceremony, and the rounds of its messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from hashlib import sha256
from typing import Any, Final, NamedTuple

from ledger.encoding import ristretto, sharing
from ledger.encoding.evaluation import EpochKey
from ledger.errors import VerificationError

__all__ = [
    "DOMAIN",
    "Ceremony",
    "CeremonyError",
    "Kind",
    "Message",
    "Party",
    "Role",
    "Round",
    "commitment_of",
    "in_rounds",
    "result_hash",
]

#: The first bytes of everything that a ceremony hashes.
DOMAIN: Final = b"counterfoil/key-ceremony/1"

_MOST: Final = {"chain id": 2**64, "epoch": 2**32, "generation": 2**16, "attempt": 2**32}


class Kind(IntEnum):
    """What a ceremony does."""

    GENERATE = 1
    RESHARE = 2


class Role(StrEnum):
    """What a holder does in a ceremony; in a reshare, dealers have their old indices, receivers their new."""

    DEALER = "dealer"
    RECEIVER = "receiver"


class Round(IntEnum):
    """The kinds of messages on the channel; the sender is a dealer in the first two, then a receiver."""

    COMMIT = 1
    DEAL = 2
    CONFIRM = 3
    COMPLAIN = 4

    @property
    def role(self) -> Role:
        """Who sends such messages."""
        return Role.DEALER if self <= Round.DEAL else Role.RECEIVER


@dataclass(frozen=True, slots=True)
class Party:
    """A holder in one of its roles."""

    role: Role
    index: int

    def __str__(self) -> str:
        return f"{self.role.value} {self.index}"


class Message(NamedTuple):
    """A message on the channel; the channel vouches for its sender, an index."""

    round: Round
    sender: int
    body: bytes


class CeremonyError(VerificationError):
    """Raised when a ceremony failed.

    Parameters
    ----------
    party : Party
        The holder whose fault it is.
    what : str
        What it did.
    """

    def __init__(self, party: Party, what: str) -> None:
        super().__init__(
            f"{party} of the key ceremony {what}", next_step="Start another ceremony without this holder."
        )
        self.party = party
        self.reason = what

    def __reduce__(self) -> tuple[type[CeremonyError], tuple[Any, ...]]:
        return type(self), (self.party, self.reason)


@dataclass(frozen=True, slots=True)
class Ceremony:
    """The public description of a key ceremony.

    Parameters
    ----------
    chain_id : int
    contract : bytes
        The channel: the address of its contract, 20 bytes.
    epoch, generation : int
        What is made: the epoch of the key, and the new generation of its shares.
    attempt : int
        Number of the attempt; a ceremony that failed is never continued, and its messages serve no other.
    threshold : int
        How many of the new holders can evaluate.
    holders : tuple of bytes
        The encryption keys of the receivers, in the order of their new indices: elements of ristretto255.
    old : EpochKey, optional
        For a reshare: the key, with the share commitments of the old generation.
    dealers : tuple of int, optional
        For a reshare: the old indices of the dealers, in order; as many as the old threshold, or more.
        For a generation the dealers are all holders.

    Raises
    ------
    VerificationError
        When there can be no such ceremony.
    """

    chain_id: int
    contract: bytes
    epoch: int
    generation: int
    attempt: int
    threshold: int
    holders: tuple[bytes, ...]
    old: EpochKey | None = None
    dealers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        sizes = (self.chain_id, self.epoch, self.generation, self.attempt)
        for (name, limit), value in zip(_MOST.items(), sizes, strict=True):
            if not 0 <= value < limit:
                raise VerificationError(f"the {name} of the key ceremony is out of range", got=value)
        if len(self.contract) != 20:
            raise VerificationError("the channel of the key ceremony is not an address")
        sharing.check_threshold(self.threshold, len(self.holders))
        for index, key in enumerate(self.holders, start=1):
            ristretto.check_element(key, f"the encryption key of holder {index}")
        if len(set(self.holders)) != len(self.holders):
            raise VerificationError("two holders of the key ceremony have the same encryption key")
        if self.old is None:
            if self.dealers not in ((), everyone := tuple(range(1, len(self.holders) + 1))):
                raise VerificationError("every holder is a dealer when a key is generated")
            object.__setattr__(self, "dealers", everyone)
        else:
            self._check_old(self.old)

    def _check_old(self, old: EpochKey) -> None:
        if old.number != self.epoch or not old.generation < self.generation:
            raise VerificationError(
                "a key is shared anew in the same epoch, as a later generation",
                expected=f"epoch {old.number}, generation {old.generation + 1} or later",
            )
        holders = old.holders
        sharing.check_indices(self.dealers, len(holders))
        if len(self.dealers) < sharing.threshold_of(old.public_key, holders):
            raise VerificationError("the dealers are too few to share the key anew")

    @property
    def kind(self) -> Kind:
        """What the ceremony does."""
        return Kind.GENERATE if self.old is None else Kind.RESHARE

    @property
    def receivers(self) -> range:
        """The indices of the new holders."""
        return range(1, len(self.holders) + 1)

    @property
    def id(self) -> bytes:
        """The identifier, 32 bytes: the hash of everything in the description."""
        parts = [
            DOMAIN + b"/description\0",
            bytes([self.kind]),
            self.chain_id.to_bytes(8, "big"),
            self.contract,
            self.epoch.to_bytes(4, "big"),
            self.generation.to_bytes(2, "big"),
            self.attempt.to_bytes(4, "big"),
            bytes([self.threshold, len(self.holders)]),
            *self.holders,
            bytes([len(self.dealers), *self.dealers]),
        ]
        if self.old is not None:
            holders = self.old.holders
            parts += [self.old.generation.to_bytes(2, "big"), self.old.public_key]
            parts += [bytes([len(holders)]), *holders]
        return sha256(b"".join(parts)).digest()

    def old_commitment(self, dealer: int) -> bytes | None:
        """Return the public key of a dealer's old share; None if the key is generated."""
        return None if self.old is None else self.old.holders[dealer - 1]

    def dealer_weights(self) -> tuple[bytes, ...]:
        """Return the weight of each dealer's contribution in the result."""
        if self.old is None:
            return ((1).to_bytes(32, "little"),) * len(self.dealers)
        return sharing.weights(self.dealers)


def commitment_of(contribution: bytes) -> bytes:
    """Return what a dealer publishes in the round *commit*: the SHA-256 of its contribution."""
    return sha256(contribution).digest()


def result_hash(ceremony: Ceremony, key: EpochKey) -> bytes:
    """Return what a receiver publishes in the round *confirm*, 32 bytes."""
    parts = (DOMAIN, b"/result\0", ceremony.id, key.public_key, *key.share_commitments)
    return sha256(b"".join(parts)).digest()


def in_rounds(ceremony: Ceremony, messages: Iterable[Message]) -> dict[Round, dict[int, bytes]]:
    """Sort messages by round and sender, and check that each round waited for the end of the one before.

    Raises
    ------
    CeremonyError
        With the sender of a message that is too early, comes twice, or deals other bytes than it committed
        to. A ceremony that is not finished is no error.
    """
    found: dict[Round, dict[int, bytes]] = {kind: {} for kind in Round}
    for message in messages:
        sender = Party(message.round.role, message.sender)
        allowed = ceremony.dealers if sender.role is Role.DEALER else ceremony.receivers
        if message.sender not in allowed:
            raise CeremonyError(sender, "takes no part in it, and sent a message")
        waits_for = {Round.COMMIT: None, Round.DEAL: Round.COMMIT}.get(message.round, Round.DEAL)
        if waits_for is not None and len(found[waits_for]) < len(ceremony.dealers):
            raise CeremonyError(sender, "did not wait for the end of the round before")
        answered = (
            {*found[Round.CONFIRM], *found[Round.COMPLAIN]}
            if sender.role is Role.RECEIVER
            else found[message.round]
        )
        if message.sender in answered:
            raise CeremonyError(sender, "sent a second message in one round")
        found[message.round][message.sender] = message.body
        committed: Mapping[int, bytes] = found[Round.COMMIT]
        if message.round is Round.COMMIT and len(message.body) != 32:
            raise CeremonyError(sender, "committed to something that is not a hash")
        if message.round is Round.DEAL and commitment_of(message.body) != committed[message.sender]:
            raise CeremonyError(sender, "dealt another contribution than the one it committed to")
    return found
