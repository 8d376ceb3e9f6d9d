"""The outcome of a key ceremony: the key, the secret share of a receiver, or the holder who is at fault.

A receiver that got a wrong share complains about its dealer. It reveals S, the point from which the key of
that one share is derived, with the proof of RFC 9497 that S was made with its secret encryption key. Then
anybody can decrypt that share, and see who is at fault: the dealer, or a receiver that complains without
cause. A complaint reveals no other share: the dealer has proven that the ephemeral key is its own.

version (1) ‖ ceremony (32) ‖ dealer (1) ‖ receiver (1) ‖ S (32) ‖ proof (64)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from ledger.encoding import oprf, ristretto, sharing
from ledger.encoding.ceremony.contribution import Contribution, open_share, read_contribution
from ledger.encoding.ceremony.description import (
    Ceremony,
    CeremonyError,
    Message,
    Party,
    Role,
    Round,
    in_rounds,
    result_hash,
)
from ledger.encoding.evaluation import EpochKey
from ledger.errors import InputError, VerificationError

__all__ = ["BadShareError", "Verdict", "audit", "judge_complaint", "receive", "result"]

VERSION: Final = 1
_SIZE: Final = 131
_DEALER: Final = 33
_HEAD: Final = 35


class BadShareError(CeremonyError):
    """Raised when a dealer encrypted a wrong share.

    Parameters
    ----------
    party : Party
        The dealer.
    what : str
        What is wrong.
    complaint : bytes
        The evidence, which the receiver publishes in the round *complain*.
    """

    def __init__(self, party: Party, what: str, complaint: bytes) -> None:
        super().__init__(party, what)
        self.complaint = complaint

    def __reduce__(self) -> tuple[type[CeremonyError], tuple[Any, ...]]:
        return type(self), (self.party, self.reason, self.complaint)


class Verdict(NamedTuple):
    """Who is at fault, and why."""

    guilty: Party
    reason: str


def result(ceremony: Ceremony, contributions: Mapping[int, bytes]) -> EpochKey:
    """Return the key that a ceremony makes, from the public part of all contributions.

    Parameters
    ----------
    ceremony : Ceremony
    contributions : mapping of dealer to bytes

    Raises
    ------
    CeremonyError
        With the dealer whose contribution is missing or not valid.
    """
    return _result(ceremony, _read_all(ceremony, contributions))


def receive(
    ceremony: Ceremony, contributions: Mapping[int, bytes], index: int, encryption_secret: bytes
) -> bytes:
    """Return the secret share of a receiver: a scalar, 32 bytes.

    Parameters
    ----------
    ceremony : Ceremony
    contributions : mapping of dealer to bytes
        All contributions, as they were published.
    index : int
        The receiver's index.
    encryption_secret : bytes
        The secret of its encryption key.

    Raises
    ------
    BadShareError
        With the dealer and the complaint, when a share is wrong.
    CeremonyError
        With the dealer, when the public part of its contribution is not valid.
    InputError
        When the encryption secret is not that of the receiver.
    """
    if index not in ceremony.receivers:
        raise InputError(f"the key ceremony has no holder {index}")
    if ristretto.multiply_base(encryption_secret) != ceremony.holders[index - 1]:
        raise InputError(f"the encryption secret is not that of holder {index} of the key ceremony")
    read = _read_all(ceremony, contributions)
    shares = [_own_share(ceremony, one, index, encryption_secret) for one in read]
    share = sharing.combined_scalars(ceremony.dealer_weights(), shares)
    key = _result(ceremony, read)
    if ristretto.multiply_base(share) != key.share_commitments[index - 1]:  # pragma: no cover - cannot be
        raise VerificationError("the new share does not agree with the result of the key ceremony")
    return share


def judge_complaint(
    ceremony: Ceremony, contributions: Mapping[int, bytes], complaint: bytes, complainer: int
) -> Verdict:
    """Judge a complaint from public bytes alone: somebody is at fault in every case.

    Parameters
    ----------
    ceremony : Ceremony
    contributions : mapping of dealer to bytes
        All contributions, as they were published.
    complaint : bytes
    complainer : int
        The index of the receiver that published it.
    """
    accuser = Party(Role.RECEIVER, complainer)
    dealer = complaint[_DEALER] if len(complaint) == _SIZE else 0
    if dealer not in contributions or not complaint.startswith(_head(ceremony, dealer, complainer)):
        return Verdict(accuser, "sent bytes that are no complaint about a contribution to this ceremony")
    try:
        read = read_contribution(ceremony, dealer, contributions[dealer])
    except CeremonyError as error:
        return Verdict(error.party, error.reason)
    shared, proof = complaint[_HEAD : _HEAD + 32], complaint[_HEAD + 32 :]
    try:
        oprf.verify_proof(ceremony.holders[complainer - 1], [read.ephemeral], [shared], proof)
    except VerificationError:
        return Verdict(accuser, "complained without a valid proof")
    try:
        open_share(ceremony, read, complainer, shared)
    except VerificationError as error:
        return Verdict(Party(Role.DEALER, dealer), f"dealt a wrong share: {error.what}")
    return Verdict(accuser, f"complained about a correct share of dealer {dealer}")


def audit(ceremony: Ceremony, messages: Iterable[Message]) -> EpochKey:
    """Return the key that a finished ceremony made, computed from its public messages alone.

    Parameters
    ----------
    ceremony : Ceremony
    messages : iterable of Message
        All messages of the channel, in the order of the channel.

    Raises
    ------
    CeremonyError
        With the holder at whose fault the ceremony failed; or with one that has not yet sent its message.
    """
    rounds = in_rounds(ceremony, messages)
    for kind in (Round.COMMIT, Round.DEAL):
        for dealer in ceremony.dealers:
            if dealer not in rounds[kind]:
                raise CeremonyError(
                    Party(Role.DEALER, dealer), f"sent nothing in the round {kind.name.lower()}"
                )
    contributions = rounds[Round.DEAL]
    key = result(ceremony, contributions)
    for complainer, complaint in rounds[Round.COMPLAIN].items():
        raise CeremonyError(*judge_complaint(ceremony, contributions, complaint, complainer))
    expected = result_hash(ceremony, key)
    # first who confirmed another result: on the chain, the others cannot confirm after it
    for receiver, confirmed in rounds[Round.CONFIRM].items():
        if confirmed != expected:
            raise CeremonyError(Party(Role.RECEIVER, receiver), "confirmed another result")
    for receiver in ceremony.receivers:
        if receiver not in rounds[Round.CONFIRM]:
            raise CeremonyError(Party(Role.RECEIVER, receiver), "has not confirmed the result")
    return key


def _read_all(ceremony: Ceremony, contributions: Mapping[int, bytes]) -> list[Contribution]:
    read = []
    for dealer in ceremony.dealers:
        data = contributions.get(dealer)
        if data is None:
            raise CeremonyError(Party(Role.DEALER, dealer), "sent no contribution")
        read.append(read_contribution(ceremony, dealer, data))
    return read


def _result(ceremony: Ceremony, contributions: list[Contribution]) -> EpochKey:
    weights = ceremony.dealer_weights()
    committed = [
        sharing.combined(weights, coefficients)
        for coefficients in zip(*(one.commitments for one in contributions), strict=True)
    ]
    for number, element in enumerate(committed):
        ristretto.check_element(element, f"coefficient {number} of the result")
    if ceremony.old is not None and committed[0] != ceremony.old.public_key:
        raise VerificationError("the key ceremony would change the key", expected=ceremony.old.public_key)
    shares = tuple(sharing.share_commitment(committed, index) for index in ceremony.receivers)
    return EpochKey(ceremony.epoch, ceremony.generation, committed[0], shares)


def _own_share(ceremony: Ceremony, contribution: Contribution, index: int, secret: bytes) -> bytes:
    (shared,), proof = oprf.evaluate(secret, [contribution.ephemeral])
    try:
        return open_share(ceremony, contribution, index, shared)
    except VerificationError as error:
        raise BadShareError(
            Party(Role.DEALER, contribution.dealer),
            f"dealt a wrong share: {error.what}",
            _head(ceremony, contribution.dealer, index) + shared + proof,
        ) from error


def _head(ceremony: Ceremony, dealer: int, complainer: int) -> bytes:
    return bytes([VERSION]) + ceremony.id + bytes([dealer, complainer])
