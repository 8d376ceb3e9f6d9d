"""Key ceremonies for tests: holders in memory, and everything that they publish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ledger.encoding.ceremony import (
    Ceremony,
    Message,
    Round,
    commitment_of,
    encryption_key_pair,
    make_contribution,
    receive,
    result,
    result_hash,
)
from ledger.encoding.evaluation import EpochKey

__all__ = ["Held", "generate", "reshare"]


@dataclass
class Held:
    """A ceremony that was carried out: what was published, and the secrets of each holder."""

    ceremony: Ceremony
    contributions: dict[int, bytes]
    encryption: dict[int, bytes]
    shares: dict[int, bytes] = field(default_factory=dict)

    @property
    def key(self) -> EpochKey:
        return result(self.ceremony, self.contributions)

    def commits(self) -> list[Message]:
        return [
            Message(Round.COMMIT, dealer, commitment_of(data)) for dealer, data in self.contributions.items()
        ]

    def deals(self) -> list[Message]:
        return [Message(Round.DEAL, dealer, data) for dealer, data in self.contributions.items()]

    def confirms(self) -> list[Message]:
        said = result_hash(self.ceremony, self.key)
        return [Message(Round.CONFIRM, receiver, said) for receiver in self.ceremony.receivers]

    def messages(self) -> list[Message]:
        return [*self.commits(), *self.deals(), *self.confirms()]

    def with_contribution(self, dealer: int, data: bytes) -> Held:
        return replace(self, contributions={**self.contributions, dealer: data})


def generate(threshold: int, count: int, **changes: Any) -> Held:
    """Carry out a ceremony that makes a key."""
    pairs = [encryption_key_pair() for _ in range(count)]
    facts = {"chain_id": 1, "contract": b"\x01" * 20, "epoch": 1, "generation": 0, "attempt": 0, **changes}
    ceremony = Ceremony(**facts, threshold=threshold, holders=tuple(public for _, public in pairs))
    return _carry_out(ceremony, {}, dict(enumerate((secret for secret, _ in pairs), start=1)))


def reshare(
    before: EpochKey,
    shares: Mapping[int, bytes],
    dealers: Sequence[int],
    threshold: int,
    count: int,
    **changes: Any,
) -> Held:
    """Carry out a ceremony that shares a key anew."""
    pairs = [encryption_key_pair() for _ in range(count)]
    facts = {
        "chain_id": 1,
        "contract": b"\x01" * 20,
        "epoch": before.number,
        "generation": before.generation + 1,
        "attempt": 0,
        **changes,
    }
    ceremony = Ceremony(
        **facts,
        threshold=threshold,
        holders=tuple(public for _, public in pairs),
        old=before,
        dealers=tuple(dealers),
    )
    return _carry_out(ceremony, shares, dict(enumerate((secret for secret, _ in pairs), start=1)))


def _carry_out(ceremony: Ceremony, shares: Mapping[int, bytes], encryption: dict[int, bytes]) -> Held:
    contributions = {
        dealer: make_contribution(ceremony, dealer, old_share=shares.get(dealer))
        for dealer in ceremony.dealers
    }
    held = Held(ceremony, contributions, encryption)
    for index, secret in encryption.items():
        held.shares[index] = receive(ceremony, contributions, index, secret)
    return held
