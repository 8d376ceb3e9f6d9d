"""Key ceremonies of the chain, as `ledger.encoding.ceremony` describes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ledger.deployment import Deployment
from ledger.encoding.ceremony import Ceremony, Message, Round, audit, result, result_hash
from ledger.encoding.evaluation import EpochKey
from ledger.errors import CounterfoilError, VerificationError
from ledger.signing import keccak256

if TYPE_CHECKING:
    from ledger.gateway import Ceremony as Record
    from ledger.gateway import Gateway

__all__ = ["audit_ceremony", "described", "messages", "old_key", "result_on_chain"]


def described(deployment: Deployment, record: Record, keys: Sequence[EpochKey]) -> Ceremony:
    """Return the description of a ceremony on the chain.

    Parameters
    ----------
    deployment : Deployment
    record : Record
        The ceremony, as the gateway reads it.
    keys : sequence of EpochKey
        The results of all ceremonies that are completed.

    Raises
    ------
    VerificationError
        When there can be no such ceremony.
    """
    old = old_key(record, keys)
    return Ceremony(
        chain_id=deployment.chain_id,
        contract=deployment.address("PseudonymKeys"),
        epoch=record.epoch,
        generation=record.generation,
        attempt=record.number,
        threshold=record.threshold,
        holders=record.encryption_keys,
        old=old,
        dealers=record.dealers if old is not None else (),
    )


def old_key(record: Record, keys: Sequence[EpochKey]) -> EpochKey | None:
    """Return the key that a ceremony shares anew; None if it makes a key."""
    before = [key for key in keys if key.number == record.epoch and key.generation < record.generation]
    return max(before, key=lambda key: key.generation, default=None)


def messages(ceremony: Ceremony, record: Record) -> Iterator[Message]:
    """Yield the messages of a ceremony, in the order of its rounds.

    The chain has the Keccak-256 hash of a result; who computed the same result has sent its `result_hash`.
    """
    for dealer, commitment in record.commitments.items():
        yield Message(Round.COMMIT, dealer, commitment)
    for dealer, contribution in record.contributions.items():
        yield Message(Round.DEAL, dealer, contribution)
    confirmed = b""
    if record.confirmed:
        try:
            key = result(ceremony, record.contributions)
            same = record.result == result_on_chain(key)
            confirmed = result_hash(ceremony, key) if same else record.result
        except CounterfoilError:
            confirmed = record.result
    for holder in record.confirmed:
        yield Message(Round.CONFIRM, holder, confirmed)
    if record.complaint is not None:
        holder, _, evidence = record.complaint
        yield Message(Round.COMPLAIN, holder, evidence)


def result_on_chain(key: EpochKey) -> bytes:
    """Return the Keccak-256 hash by which the contract compares results (ABI encoding)."""
    words = [key.public_key, (64).to_bytes(32, "big"), len(key.share_commitments).to_bytes(32, "big")]
    return keccak256(b"".join((*words, *key.share_commitments)))


def audit_ceremony(gateway: Gateway, number: int) -> EpochKey:
    """Compute the key of a completed ceremony from its transcript on the chain, and compare it.

    Raises
    ------
    CeremonyError
        With the holder at whose fault the ceremony failed, or which has not yet sent its message.
    VerificationError
        When the chain has another result than the transcript gives.
    """
    keys = gateway.epoch_keys()
    record = gateway.ceremony(number)
    ceremony = described(gateway.deployment, record, keys)
    made = audit(ceremony, messages(ceremony, record))
    stated = next(
        (key for key in keys if (key.number, key.generation) == (record.epoch, record.generation)), None
    )
    if stated != made:
        raise VerificationError(
            f"the chain has another key of epoch {record.epoch}, generation {record.generation}, than its "
            "ceremony gives",
            where=f"ceremony {number}",
            next_step="Do not use the key; show this to the other members.",
        )
    return made
